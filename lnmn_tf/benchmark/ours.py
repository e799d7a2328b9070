"""This program as a worker."""

from __future__ import annotations

from typing import Any

import numpy as np

from lnmn_tf.benchmark.worker import serve


def prepare(task: dict) -> tuple[Any, ...]:
    """A task has `what` (train, infer, hard), `choices` (flags by name), `sizes`, `inputs` (an .npz)
    and `weights` (an .npz of the authors' weights, or none)."""
    import tensorflow as tf

    from lnmn_tf.config import RunConfig
    from lnmn_tf.interop import lnmn, stack_nmn
    from lnmn_tf.interop.weights import assign, read_weights
    from lnmn_tf.training.evaluation import COMPILED_FROM, Predictor
    from lnmn_tf.training.fitting import make_trainer
    from lnmn_tf.training.networks import build_network
    from lnmn_tf.training.schedules import entropy_weight

    arrays = dict(np.load(task["inputs"]))
    lists = {k: tuple(v) if isinstance(v, list) else v for k, v in task["choices"].items()}
    config = RunConfig.create(lists).replace(
        num_words=task["sizes"]["num_words"],
        num_answers=task["sizes"]["num_answers"],
        feature_shape=arrays["features"].shape[1:],
    )
    tf.keras.utils.set_random_seed(config.training.seed)
    network = build_network(config.model)
    if task["weights"]:
        origin = {"released": lnmn, "stack_nmn": stack_nmn}[config.model.model]
        weights = read_weights(task["weights"])
        assign(origin.assignments(network, weights), weights, origin.KIND)
    inputs = {key: tf.constant(arrays[key]) for key in ("features", "question")}
    batch = {**inputs, "answer": tf.constant(arrays["answer"])}

    if task["what"] != "train":
        predictor = Predictor(network, config.training.batch_size, config.training.xla)
        answer = predictor.graph(COMPILED_FROM)

        def infer():
            return answer(inputs).numpy()

        return infer, {"values": infer().tolist()}

    trainer = make_trainer(network, config, total_steps=1000)
    trainer.entropy_weight.assign(entropy_weight(0.0, config.training))
    step = tf.function(trainer.train_step, autograph=False)

    def train():
        return float(step((batch, batch))["cross_entropy"])

    return train, {"values": [train(), train()], "parameters": network.count_params()}


if __name__ == "__main__":
    serve(prepare)
