"""An image encoder trained on another task first, then frozen.

In the paper the image features come frozen from a network that was trained on ImageNet. The embedded
world does the same with what it has: a small encoder learns to say, for each place of its map, whether
an object's centre is there, of which shape, size, material and colour it is, and where it stands.
Questions and answers play no part in it. The features are what it says, as probabilities.

Where it stands is finer than the map: of two objects in one column, one may well be left of the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image
from tensorflow import keras

from lnmn_tf.config import RunConfig
from lnmn_tf.data.attributes import ATTRIBUTES
from lnmn_tf.data.clevr import scenes_path
from lnmn_tf.errors import InputError
from lnmn_tf.files import read_json
from lnmn_tf.layers.encoders import ImageEncoder
from lnmn_tf.progress import Stage
from lnmn_tf.training.encoder_progress import EncoderProgress
from lnmn_tf.training.examples import Examples
from lnmn_tf.training.replicas import mean_over_replicas, run_on_replicas

GROUPS = tuple(len(values) for values in ATTRIBUTES.values())
_FAR = 1e3  # farther than any scene, and within float16
_REACH = 4.2  # of CLEVR's scenes: how far from the middle objects stand, in its units


def read_targets(
    data_dir: str | Path, split: str, filenames: Sequence[str], shape: Sequence[int]
) -> np.ndarray:
    """What is where: float16 [images, H, W, 1 + sum(GROUPS) + 2].

    Presence, one-hot attributes, and how far to the right and to the front of the scene's middle the
    object stands, from -2 to 2.

    Args:
        data_dir: a CLEVR folder with `scenes/CLEVR_{split}_scenes.json`.
        split: its name.
        filenames: the pictures, in the order of the result.
        shape: (H, W) of the encoder's map.

    Raises:
        InputError: the scenes are missing, or one of a picture is.
    """
    path = scenes_path(data_dir, split)
    if not path.exists():
        raise InputError(
            f"{path}: no such file; --pretrain_epochs needs scenes. Expected them, or "
            "--pretrain_epochs=0"
        )
    try:
        scenes = {s["image_filename"]: s for s in read_json(path)["scenes"]}
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: not a file of scenes ({error})") from None
    missing = [filename for filename in filenames if filename not in scenes]
    if missing:
        raise InputError(f"{path}: has no scene of {missing[0]}, and of {len(missing) - 1} others")
    with Image.open(Path(data_dir) / "images" / split / filenames[0]) as picture:
        width, height = picture.size  # which `pixel_coords` refer to
    targets = np.zeros([len(filenames), *shape, 1 + sum(GROUPS) + 2], np.float16)
    for target, filename in zip(targets, filenames):
        try:
            _draw(target, scenes[filename], width, height)
        except (KeyError, ValueError, TypeError, OverflowError) as error:
            raise InputError(
                f"{path}: the scene of {filename} is not one of CLEVR's ({type(error).__name__}: "
                f"{error}); expected directions, and of each object pixel_coords, 3d_coords, "
                f"{', '.join(ATTRIBUTES)}"
            ) from None
    return targets


def _draw(target: np.ndarray, scene: dict, width: int, height: int) -> None:
    """Writes the objects of a scene, whose picture has this size, into its map."""
    rows, columns = target.shape[:2]
    axes = [scene["directions"][name] for name in ("right", "front")]
    for thing in scene["objects"]:
        column, row, _ = thing["pixel_coords"]
        if not (0 <= column <= width and 0 <= row <= height):  # neither does NaN
            raise ValueError(f"pixel_coords are {[column, row]} in a picture of {width}x{height}")
        row = min(int(row / height * rows), rows - 1)
        column = min(int(column / width * columns), columns - 1)
        target[row, column] = 0  # of two centres in one place, the later one
        target[row, column, [0, *_channels(thing)]] = 1
        where = 2.0 / _REACH * np.dot(axes, thing["3d_coords"])
        if not (np.abs(where) < _FAR).all():
            raise ValueError(f"3d_coords are {thing['3d_coords']}, and directions {axes}")
        target[row, column, -2:] = where


def _channels(thing: dict) -> list[int]:
    first, channels = 1, []
    for attribute, values in ATTRIBUTES.items():
        if thing[attribute] not in values:
            raise ValueError(f"{attribute} is {thing[attribute]!r}")
        channels.append(first + values.index(thing[attribute]))
        first += len(values)
    return channels


def pretrain(
    encoder: ImageEncoder,
    examples: Examples,
    config: RunConfig,
    kept: EncoderProgress | None = None,
) -> float:
    """Trains the encoder on what is where, or goes on after the last epoch that is kept.

    Args:
        encoder: with `GROUPS`.
        examples: questions, of which only the pictures matter.
        config: of the run.
        kept: where each finished epoch is kept; None keeps none.

    Returns:
        The loss of the last epoch, in nats per object.

    Raises:
        InputError: see `read_targets`; or the loss is not finite.
    """
    store, filenames = examples.store, examples.questions.image_filenames
    data, epochs, seed = config.data, config.training.pretrain_epochs, config.training.seed
    shape = encoder(tf.zeros([1, *store.shape])).shape[1:3]
    targets = read_targets(data.data_dir, data.train_split, filenames, shape)
    batch = min(16, len(store))
    steps = epochs * (len(store) // batch)
    schedule = keras.optimizers.schedules.CosineDecay(3e-3, steps)
    optimizer = keras.optimizers.legacy.Adam(schedule)
    optimizer._create_all_weights(encoder.trainable_variables)  # slots, for a checkpoint to fill

    def update(pixels: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            said = encoder.say(tf.cast(pixels, tf.float32) / 255.0, training=True)
            loss = _loss(said, tf.cast(target, tf.float32))
        variables = encoder.trainable_variables
        gradients = mean_over_replicas(tape.gradient(loss, variables))  # all see the same batch
        optimizer.apply_gradients(
            zip(gradients, variables),
            experimental_aggregate_gradients=False,
        )
        return loss

    @tf.function
    def step(pixels: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        return run_on_replicas(update, pixels, target)

    order, first_epoch, loss = np.random.default_rng(seed), 0, 0.0
    if kept is not None:
        first_epoch, loss = kept.restore(encoder, optimizer, order)
        if first_epoch:
            print(f"the image encoder goes on after epoch {first_epoch} of {epochs}", flush=True)
    done = first_epoch * (len(store) // batch)
    with Stage("train the image encoder", steps, "batches", done) as stage:
        for epoch in range(first_epoch, epochs):
            losses = []
            permutation = order.permutation(len(store))
            for first in range(0, len(store) - batch + 1, batch):
                images = np.sort(permutation[first : first + batch])
                pixels, target = _flip(store.read(images), targets[images], order)
                losses.append(step(pixels, target))
                stage.update()
            loss = float(tf.reduce_mean(losses))
            if not math.isfinite(loss):
                raise InputError(
                    f"epoch {epoch + 1} of the image encoder: its loss is {loss}; the pictures and "
                    f"scenes of {data.data_dir} give no finite gradient"
                )
            stage.note(f"loss {loss:.3f}")
            if kept is not None:
                kept.save(encoder, optimizer, epoch + 1, order, loss)
    return loss


def attribute_accuracy(
    encoder: ImageEncoder, examples: Examples, data_dir: str | Path, split: str
) -> dict[str, float]:
    """How much of a split's pictures a pretrained encoder makes out.

    Args:
        encoder: with `GROUPS`.
        examples: questions of the split, of which only the pictures matter.
        data_dir, split: where their scenes are, see `read_targets`.

    Returns:
        `found`, the share of objects that it sees at their place; `right`, the share of what it sees
        that is there; by attribute, the share of objects for which it names the right value; and
        `distance`, how far from where they stand it places them in the mean, in units of the scene (the
        size of a small object is 0.7).

    Raises:
        InputError: see `read_targets`.
    """
    store, names = examples.store, examples.questions.image_filenames
    say = tf.function(encoder.say, reduce_retracing=True)
    rows = (np.arange(first, min(first + 64, len(store))) for first in range(0, len(store), 64))
    said = np.concatenate([say(tf.cast(store.read(r), tf.float32) / 255.0) for r in rows])
    targets = read_targets(data_dir, split, names, said.shape[1:3])
    there, seen = targets[..., 0] > 0, said[..., 0] > 0
    both = (there & seen).sum()
    accuracy = {"found": both / max(there.sum(), 1), "right": both / max(seen.sum(), 1)}
    first = 1
    for attribute, values in ATTRIBUTES.items():
        part = slice(first, first + len(values))
        first += len(values)
        same = said[there][:, part].argmax(-1) == targets[there][:, part].argmax(-1)
        accuracy[attribute] = same.mean()
    apart = (said - targets)[there][:, -2:].astype(np.float32)
    accuracy["distance"] = _REACH / 2.0 * np.linalg.norm(apart, axis=-1).mean()
    return {name: float(share) for name, share in accuracy.items()}


def describe_accuracy(accuracy: dict[str, float]) -> str:
    """One line about `attribute_accuracy`."""
    *shares, distance = accuracy.items()
    percents = ", ".join(f"{name} {100 * share:.1f}" for name, share in shares)
    return (
        f"image encoder, percent of the objects of the validation pictures: {percents}; placed "
        f"{distance[1]:.2f} units off"
    )


def _flip(pixels, target, order: np.random.Generator):
    """Mirrors half of the batches: what is there stays, where it is changes sides."""
    if order.random() < 0.5:
        mirrored = target[:, :, ::-1].copy()
        mirrored[..., -2] *= -1.0
        return pixels[:, :, ::-1], mirrored
    return pixels, target


def _loss(said: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of presence everywhere and of each attribute where an object is, per object.

    And how far from where it stands it is placed, one nat for half a unit of the map space.
    """
    present = target[..., 0]
    losses = tf.nn.sigmoid_cross_entropy_with_logits(present, said[..., 0])
    losses += present * tf.reduce_sum(2.0 * tf.abs(said - target)[..., -2:], axis=-1)
    first = 1
    for values in ATTRIBUTES.values():
        part = slice(first, first + len(values))
        first += len(values)
        losses += present * tf.nn.softmax_cross_entropy_with_logits(
            target[..., part], said[..., part]
        )
    return tf.reduce_sum(losses) / tf.maximum(tf.reduce_sum(present), 1.0)
