"""An image encoder that was trained on scenes, here or in another run, and is frozen."""

from __future__ import annotations

from pathlib import Path

from lnmn_tf.config import RunConfig
from lnmn_tf.data.clevr import scenes_path
from lnmn_tf.errors import InputError
from lnmn_tf.layers.encoders import ImageEncoder
from lnmn_tf.models.machine import StackMachine
from lnmn_tf.training import replicas
from lnmn_tf.training.checkpoints import CheckpointFolder
from lnmn_tf.training.encoder_progress import EncoderProgress
from lnmn_tf.training.examples import Examples, TrainingExamples
from lnmn_tf.training.pretraining import (
    attribute_accuracy,
    describe_accuracy,
    pretrain,
)


def give_encoder(
    network: StackMachine,
    config: RunConfig,
    examples: TrainingExamples,
    reported: Examples,
    folder: CheckpointFolder,
) -> dict[str, float]:
    """Gives a network an image encoder that was trained on scenes, and freezes it.

    Returns:
        `attribute_accuracy` on the reported split; empty where that has no scenes.
    """
    data, encoder = config.data, network.image_encoder
    if folder.exists():
        folder.load_weights(network, "last")
    elif config.training.encoder_run:
        load_encoder(encoder, config)
        replicas.share_first(network.distribute_strategy, encoder.variables)
    else:  # one of its own, for statistics of batches have no part in a step on replicas
        sizes = config.model
        apart = ImageEncoder(sizes.encoder_filters, sizes.encoder_strides, sizes.encoder_groups)
        first = replicas.is_first(network.distribute_strategy)
        pretrain(apart, examples.weights, config, EncoderProgress(folder.path.parent, first))
        encoder.set_weights(apart.get_weights())
        replicas.share_first(network.distribute_strategy, encoder.variables)
    encoder.trainable = False
    if not scenes_path(data.data_dir, data.val_split).exists():
        return {}
    seen = attribute_accuracy(encoder, reported, data.data_dir, data.val_split)
    print(describe_accuracy(seen), flush=True)
    return seen


def load_encoder(encoder: ImageEncoder, config: RunConfig) -> None:
    """Gives an image encoder the weights of that of `encoder_run`, which must be of its kind."""
    run_dir = Path(config.training.encoder_run)
    theirs = RunConfig.load(run_dir).model
    for name in ("encoder_filters", "encoder_strides", "encoder_groups"):
        if getattr(theirs, name) != getattr(config.model, name):
            raise InputError(
                f"--encoder_run is {str(run_dir)!r}, whose {name} is {getattr(theirs, name)}; expected "
                f"{getattr(config.model, name)}, as in this run"
            )
    CheckpointFolder(run_dir).load_encoder(encoder)
