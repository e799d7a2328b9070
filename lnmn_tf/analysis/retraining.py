"""Weights trained on under hard choices: one operator in each node, one module at each step.

The choices stand fast: alpha is one-hot, and each step runs the module that the controller likes best. The
weights of modules and controller adapt to that, by answers to training questions alone (Table 2, row 2).
"""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import tensorflow as tf
from tensorflow import keras

from lnmn_tf.analysis import interrupts
from lnmn_tf.analysis.ledger import Ledger
from lnmn_tf.analysis.probe import Probe, changed
from lnmn_tf.analysis.subject import Subject
from lnmn_tf.data.pipeline import batches
from lnmn_tf.errors import InputError
from lnmn_tf.layers.nodes import chosen
from lnmn_tf.progress import Stage
from lnmn_tf.training.examples import Examples, open_split
from lnmn_tf.training.objectives import cross_entropy
from lnmn_tf.training.reading import answerable

STEPS = 150  # of 64 questions each, on the quickstart a tenth of an epoch
MOST_SECONDS = 120.0
QUESTIONS = 9_600  # of the training split that are read, at most; with their pictures
_SHARE = 0.1  # of the run's learning rate


def retrained(
    subject: Subject, steps: int = STEPS, ledger: Ledger | None = None, seed: int = 0
) -> tuple[Subject, int] | None:
    """The same questions for a copy of the network whose weights were trained on.

    Args:
        subject: the network, of a run.
        steps: at most so many; fewer where `MOST_SECONDS` are over.
        ledger: keeps the weights.
        seed: of the order of the questions.

    Returns:
        (the copy, the steps that it was trained), or None where the training split is not there.
    """
    if subject.config is None or not steps:
        return None
    network = changed(subject.probe.network)
    probe = Probe(network)
    for chain in probe.chains:
        chain.structure.assign(chosen(chain.structure))

    def compute() -> dict[str, np.ndarray]:
        done = _train(network, _examples(subject, steps), subject, steps, seed)
        values = {f"weight_{i}": v.numpy() for i, v in enumerate(network.variables)}
        return {**values, "steps": np.array(done)}

    try:
        part = (ledger or Ledger()).part("weights", compute, f"{steps} steps of retraining")
    except InputError as error:
        print(f"  no retraining: {error}", flush=True)
        return None
    for index, variable in enumerate(network.variables):
        variable.assign(part[f"weight_{index}"])
    return dataclasses.replace(subject, probe=probe), int(part["steps"])


def _examples(subject: Subject, steps: int) -> Examples:
    """Training questions, with the features that the network's frozen encoder makes of their pictures."""
    config = subject.config
    count = min(QUESTIONS, steps * config.training.batch_size)
    examples = open_split(config, config.data.train_split, subject.vocabulary, count)
    examples = Examples(answerable(examples.questions), examples.store)
    if subject.pictures is not None:
        examples = examples.encoded(subject.probe.network.image_encoder)
    return examples


def _train(network, examples: Examples, subject: Subject, steps: int, seed: int) -> int:
    training = subject.config.training
    size = min(training.batch_size, len(examples.questions))
    clip = {"global_clipnorm": training.clip_norm} if training.clip_norm else {}
    optimizer = keras.optimizers.Adam(_SHARE * training.learning_rate, **clip)
    alpha = {id(variable) for variable in network.structure_variables}
    weights = [v for v in network.trainable_variables if id(v) not in alpha]

    @tf.function(autograph=False)
    def step(batch) -> None:
        inputs = {name: batch[name] for name in (examples.store.key, "question")}
        with tf.GradientTape() as tape:
            encoded = network.encode(inputs)
            likes = network(encoded, training=False)["module_weights"]
            layout = tf.one_hot(tf.argmax(likes, axis=-1), likes.shape[-1], dtype=likes.dtype)
            outputs = network({**encoded, "module_weights": layout}, training=False)
            loss = cross_entropy(outputs["logits"], batch["answer"])
        gradients = tape.gradient(loss, weights)
        pairs = [(g, w) for g, w in zip(gradients, weights) if g is not None]
        optimizer.apply_gradients(pairs)

    done, epoch, began = 0, 0, 0.0
    with Stage("retrain the weights under hard choices", steps, "steps") as stage:
        while done < steps:
            order = batches(
                examples.questions, examples.store, size, shuffle=True, seed=seed, epoch=epoch,
                drop_remainder=True,
            )  # fmt: skip
            for batch in order:
                interrupts.check()
                step(batch)
                stage.update()
                done += 1
                if done == 1:  # which was traced
                    began = time.monotonic()
                if done == steps or time.monotonic() - began > MOST_SECONDS:
                    return done
            epoch += 1
    return done
