"""Makes the network that a config describes."""

from __future__ import annotations

import tensorflow as tf

from lnmn_tf.config import ModelConfig
from lnmn_tf.data.feature_manifest import check_same_identity
from lnmn_tf.data.image_store import ImageStore
from lnmn_tf.errors import InputError
from lnmn_tf.kernels.install import install
from lnmn_tf.models.machine import StackMachine
from lnmn_tf.models.registry import make_model
from lnmn_tf.training.examples import TrainingExamples
from lnmn_tf.training.pretraining import GROUPS
from lnmn_tf.training.reading import VOCABULARY

__all__ = ["VOCABULARY", "build_network", "check_features", "sizes_of"]


def sizes_of(examples: TrainingExamples) -> dict:
    """The fields of `ModelConfig` that follow from the data."""
    store, vocabulary = examples.weights.store, examples.vocabulary
    return {
        "num_words": vocabulary.num_words,
        "num_answers": vocabulary.num_answers,
        "feature_shape": tuple(store.shape) if store.key == "features" else (0, 0, 0),
        "feature_identity": getattr(store, "identity", ""),
        "encoder_groups": GROUPS if examples.config.training.pretrains_encoder else (),
    }


def build_network(config: ModelConfig) -> StackMachine:
    """A network with all its variables, its weights random, made fast by `lnmn_tf.kernels`."""
    network = install(make_model(config))
    if config.image_height:
        image = {"image": tf.zeros([1, config.image_height, config.image_width, 3])}
    else:
        image = {"features": tf.zeros([1, *config.feature_shape])}
    network({**image, "question": tf.ones([1, 2], tf.int32)})
    return network


def check_features(config: ModelConfig, store: ImageStore, source: str) -> None:
    """Refuses features of another shape or another origin than the network was trained on."""
    if store.key == "features" and tuple(store.shape) != config.feature_shape:
        raise InputError(
            f"{source}: its features are [height, width, channels] = {list(store.shape)}; expected "
            f"{list(config.feature_shape)}, as in training"
        )
    if store.key == "features":
        check_same_identity(config.feature_identity, getattr(store, "identity", ""), source)
