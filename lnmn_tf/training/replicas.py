"""Replicas of a run: on one device, on all devices of a machine, or on those of several machines.

Each replica has a part of every batch. What a batch gives (losses, gradients) is averaged over all
replicas before anything is done with it, so that all of them keep the same weights and structure.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from lnmn_tf.config import MachineConfig, TrainingConfig
from lnmn_tf.errors import InputError

_EXPECTED = (
    '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'
)
_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)


class Part(NamedTuple):
    """The share of one worker in every batch."""

    index: int = 0
    count: int = 1  # workers
    replicas: int = 1  # of this worker


WHOLE = Part()


@functools.cache  # several machines can only be joined once in a process
def make_strategy(name: str) -> tf.distribute.Strategy:
    """The strategy of `--strategy`; to be made before anything is computed.

    Raises:
        InputError: `TF_CONFIG` is missing or wrong, where it is needed.
    """
    if name == "one":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    check_cluster(os.environ.get("TF_CONFIG", ""))
    with explained_loss_of_a_worker():
        return tf.distribute.MultiWorkerMirroredStrategy()


def configure(machine: MachineConfig) -> None:
    """Sets up memory and precision as the config says, for all that this process computes.

    Raises:
        InputError: the devices are in use already.
    """
    try:
        for gpu in tf.config.list_physical_devices("GPU") if machine.gpu_memory_growth else ():
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError as error:
        raise InputError(f"gpu_memory_growth comes too late: {error}") from None
    precision = f"mixed_{machine.mixed_precision}" if machine.mixed_precision else "float32"
    tf.keras.mixed_precision.set_global_policy(precision)


def check_batch(strategy: tf.distribute.Strategy, training: TrainingConfig) -> None:
    """Refuses a batch that cannot be cut into equal parts."""
    replicas = strategy.num_replicas_in_sync
    parts = replicas * max(1, training.shards)
    if training.batch_size % parts:
        raise InputError(
            f"--batch_size is {training.batch_size}; expected a multiple of {parts}: there are "
            f"{replicas} replicas, with shards={training.shards} each"
        )


def is_first(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is the one that writes the run folder."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    if resolver.task_type == "worker" and "chief" not in resolver.cluster_spec().jobs:
        return resolver.task_id == 0
    return resolver.task_type == "chief"


def mean_over_replicas(values: Any) -> Any:
    """The mean of each tensor of a structure over all replicas, on each of them."""
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, values)


def run_on_replicas(function: Callable[..., dict], *arguments: Any) -> dict:
    """Runs a function on every replica; what it returns must be the same on all of them."""
    strategy = tf.distribute.get_strategy()
    results = strategy.run(function, arguments)
    return tf.nest.map_structure(lambda x: strategy.experimental_local_results(x)[0], results)


def share_first(strategy: tf.distribute.Strategy, variables: Sequence[tf.Variable]) -> None:
    """Gives the variables on every replica the values that they have on the first.

    To be called after each worker has computed them for itself, for two machines may differ in the
    last digits.
    """

    @tf.function(autograph=False)
    def of_first():
        def values():
            context = tf.distribute.get_replica_context()
            is_first = tf.equal(context.replica_id_in_sync_group, 0)
            own = [tf.where(is_first, v, tf.zeros_like(v)) for v in variables]
            return dict(enumerate(context.all_reduce(tf.distribute.ReduceOp.SUM, own)))

        return run_on_replicas(values)

    with strategy.scope(), explained_loss_of_a_worker():
        for index, value in of_first().items():
            variables[index].assign(value)


def distribute(
    strategy: tf.distribute.Strategy, make: Callable[[Part], tf.data.Dataset]
) -> tf.data.Dataset:
    """A dataset whose every batch is spread over the replicas.

    Args:
        strategy: of the run.
        make: the batches of one worker, all shapes static.
    """
    if strategy.num_replicas_in_sync == 1:
        return make(WHOLE)

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        count = context.num_input_pipelines
        replicas = context.num_replicas_in_sync // count
        dataset = make(Part(context.input_pipeline_id, count, replicas))
        if replicas > 1:
            cut = functools.partial(_cut, parts=replicas)
            dataset = dataset.map(lambda *batch: tf.nest.map_structure(cut, batch)).unbatch()
        # An endless dataset has no partial batch, for which the workers would have to ask each other
        # at every step. Nobody reads so far.
        zeros = tf.nest.map_structure(lambda x: tf.zeros(x.shape, x.dtype), dataset.element_spec)
        return dataset.concatenate(tf.data.Dataset.from_tensors(zeros).repeat())

    return strategy.distribute_datasets_from_function(of_worker)


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Returns when every worker has come here."""

    @tf.function(autograph=False)
    def meet():
        return strategy.run(lambda: mean_over_replicas(tf.zeros([])))

    with explained_loss_of_a_worker():
        tf.nest.map_structure(lambda x: x.numpy(), strategy.experimental_local_results(meet()))


@contextlib.contextmanager
def explained_loss_of_a_worker() -> Iterator[None]:
    """Says what to do when another worker has stopped."""
    try:
        yield
    except _LOST as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"another worker cannot be reached ({reason}); the same command, given again on every "
            "worker, goes on from the last checkpoint"
        ) from None


def _cut(tensor: tf.Tensor, parts: int) -> tf.Tensor:
    """[batch, ...] -> [parts, batch / parts, ...]."""
    return tf.reshape(tensor, [parts, tensor.shape[0] // parts, *tensor.shape[1:]])


def check_cluster(text: str) -> None:
    """Refuses a `TF_CONFIG` that names no place for this worker."""
    try:
        content = json.loads(text)
        cluster, task = content["cluster"], content["task"]
        hosts = cluster[task["type"]]
        index = int(task["index"])
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f"TF_CONFIG is {text!r}; --strategy=multi_worker expects JSON such as {_EXPECTED}, with "
            "another index for each worker"
        ) from None
    if not isinstance(hosts, list) or not 0 <= index < len(hosts):
        raise InputError(
            f"TF_CONFIG: the index of the task is {index}, and its cluster has the hosts {hosts}; "
            "expected the place of this host in the list, from 0"
        )
