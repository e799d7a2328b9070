"""A run that begins with the weights of another, which may know other words and answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from lnmn_tf.config import ModelConfig, RunConfig, TrainingConfig
from lnmn_tf.data.transfer import carry_over, map_vocabulary
from lnmn_tf.data.vocabulary import Vocabulary
from lnmn_tf.data.word_vectors import read_word_vectors
from lnmn_tf.errors import InputError
from lnmn_tf.layers.nodes import LEAST_ALPHA
from lnmn_tf.models.genotype import Genotype, one_hot, read_genotype
from lnmn_tf.models.machine import StackMachine
from lnmn_tf.training.checkpoints import CheckpointFolder
from lnmn_tf.training.networks import build_network
from lnmn_tf.training.reading import VOCABULARY

_FROM_DATA = ("num_words", "num_answers", "dropout")  # may differ


RARE = -8.0  # first bias of each answer's sigmoid: one of 3,000 is right (Hu et al., 2018)


def give_genotype(network: StackMachine, path: str) -> str:
    """Makes each node of a network one operator, as a file says. Returns a line that says so.

    Raises:
        InputError: the model has no nodes; see also `read_genotype`.
    """
    structure = getattr(network, "structure", {})
    if not structure:
        raise InputError(f"--genotype is {path!r}, and --model has no nodes; expected an LNMN")
    sizes = {name: alpha.shape for name, alpha in structure.items()}
    nodes = {f"{name}.{i}": n for name, (cells, n, _) in sizes.items() for i in range(cells)}
    for name, alpha in alpha_of(network, read_genotype(path, nodes)).items():
        structure[name].assign(alpha)
    return f"the structure is that of {path}, and stays so"


def alpha_of(network: StackMachine, genotype: Genotype) -> dict[str, np.ndarray]:
    """alpha of each bank of a network, [cells, nodes, 6], with which each node is one operator."""
    return {
        name: LEAST_ALPHA
        * (1.0 - np.stack([one_hot(genotype[f"{name}.{i}"]) for i in range(alpha.shape[0])]))
        for name, alpha in network.structure.items()
    }


def begin(network: StackMachine, training: TrainingConfig, vocabulary: Vocabulary) -> Iterator[str]:
    """Gives a new network what training begins with, and says what.

    Raises:
        InputError: see `read_word_vectors`, `read_genotype` and `begin_with`.
    """
    if training.answer_loss == "sigmoid":
        network.classifier_output.bias.assign(tf.fill([vocabulary.num_answers], RARE))
    if training.word_vectors:
        embedding = network.question_encoder.embedding.embeddings
        vectors = read_word_vectors(training.word_vectors, vocabulary, embedding.shape[1])
        rows = embedding.numpy()
        rows[list(vectors)] = list(vectors.values())
        embedding.assign(rows)
        yield f"{len(vectors)} of {vocabulary.num_words} words begin with the vectors of others"
    if training.init_from:
        yield begin_with(network, training.init_from, vocabulary, build_network)
    if training.genotype:  # the last, for another run has a structure of its own
        yield give_genotype(network, training.genotype)


def begin_with(
    network: StackMachine,
    run_dir: str,
    vocabulary: Vocabulary,
    build: Callable[[ModelConfig], StackMachine],
) -> str:
    """Gives a new network the weights of the best checkpoint of another run.

    Known words and answers keep their weights, new ones stay as they are; so does everything else.

    Args:
        network: built, of the same sizes as the run's.
        run_dir: the other run's folder.
        vocabulary: of the new network.
        build: makes a network of a `ModelConfig`.

    Returns:
        What is known and what is not, in one line.

    Raises:
        InputError: no run, or one of other sizes.
    """
    folder = Path(run_dir)
    config = RunConfig.load(folder).model
    _check_sizes(config, network.config, run_dir)
    old_vocabulary = Vocabulary.load(folder / VOCABULARY)
    old = build(config)
    encoder = getattr(network, "image_encoder", None)
    if encoder is not None:  # variables stand in one order where the same are trainable
        old.image_encoder.trainable = encoder.trainable
    CheckpointFolder(folder).load_weights(old, "best")
    mapping = map_vocabulary(old_vocabulary, vocabulary)
    rows = {id(network.question_encoder.embedding.embeddings): (mapping.words, 0)}
    for variable in network.classifier_output.variables:
        rows[id(variable)] = (mapping.answers, -1)
    for variable, theirs in zip(network.variables, old.variables):
        value = theirs.numpy()
        if id(variable) in rows:
            value = carry_over(value, variable.numpy(), *rows[id(variable)])
        variable.assign(value)
    return mapping.report()


def _check_sizes(old: ModelConfig, new: ModelConfig, run_dir: str) -> None:
    for field in dataclasses.fields(new):
        theirs, ours = getattr(old, field.name), getattr(new, field.name)
        if theirs != ours and not field.metadata["may_change"] and field.name not in _FROM_DATA:
            raise InputError(
                f"--init_from is {run_dir!r}, whose {field.name} is {theirs!r}; expected {ours!r}, as in "
                "this run"
            )
