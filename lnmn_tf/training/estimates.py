"""What a run needs at the very least, held against what the machine has before the work begins.

These are lower bounds: a run that passes may still need more, and one that is refused cannot work. No
TensorFlow is needed.
"""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path

from lnmn_tf.config import RunConfig, WorldConfig
from lnmn_tf.data.pixels import MAX_PIXELS
from lnmn_tf.errors import InputError

PNG_BYTES_PER_PIXEL = 0.5  # the quickstart's pictures have 0.7
BYTES_PER_QUESTION = (
    1200  # 800 in the finished file, and parts beside it; measured on the quickstart
)


def check_training(config: RunConfig, run_dir: str | os.PathLike) -> None:
    """Refuses a run for which memory or disk cannot be enough.

    Raises:
        InputError: says what is needed, what there is, and which flags to lower.
    """
    weights = _weights(config) * 4
    needs = {
        "--image_size, --batch_size or --set=encoder_filters": _pictures(config) * 4,
        "--map_dim, --set=kb_dim, --num_steps, --stack_len or --batch_size": _maps(config) * 4,
        "--map_dim or --preset, or --set= kb_dim, text_dim, mem_dim, mlp_dim or embed_dim": weights
        * 4,
    }  # weights: themselves, their gradient, and two moments of Adam
    needed, there = sum(needs.values()), available_memory()
    if needed > there:
        flags = max(needs, key=needs.get)
        raise InputError(
            f"this run needs at least {_gigabytes(needed)} of memory, and {_gigabytes(there)} are free; "
            f"expected lower {flags}"
        )
    _check_disk(run_dir, 2 * (weights + 3 * weights), "two checkpoints", "--run_dir")


def check_world(world: WorldConfig, data_dir: str | os.PathLike) -> None:
    """Refuses a world whose pictures are too large to be read, or for which the disk is too small."""
    pixels = world.picture_width * world.picture_height
    if pixels > MAX_PIXELS:
        raise InputError(
            f"--picture_size is {world.picture_width}x{world.picture_height}; "
            f"expected at most {MAX_PIXELS} pixels in all"
        )
    pictures = world.train_images + world.val_images + world.test_images
    if (Path(data_dir) / "world.json").exists():
        return  # made already, or partly: what it needs is there in part
    needed = pictures * (
        pixels * PNG_BYTES_PER_PIXEL + world.questions_per_image * BYTES_PER_QUESTION
    )
    flags = "--train_images, --picture_size or --questions_per_image"
    _check_disk(data_dir, needed, f"{pictures} pictures and their questions", "--data_dir", flags)


def available_memory() -> int:
    """Bytes that this process may still take."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith(("MemAvailable:", "SwapFree:")):
                name, number, _ = line.split()
                free = int(number) * 1024 if name == "MemAvailable:" else free + int(number) * 1024
    except (OSError, ValueError):
        pass  # not Linux: all there is
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        return free if limit == "max" else min(free, max(int(limit) - used, 0))
    except (OSError, ValueError):
        return free


def _weights(config: RunConfig) -> float:
    """Numbers in the largest matrices."""
    # A model that lacks a size has a smaller need.
    embed, text, kb, maps, memory, mlp = (
        getattr(config.model, name, 0)
        for name in ("embed_dim", "text_dim", "kb_dim", "map_dim", "mem_dim", "mlp_dim")
    )
    return (
        text * (2 * embed + text)  # two LSTMs, four gates each, of half the width
        + text * text
        + kb * kb
        + kb * maps
        + text * maps
        + maps * memory
        + mlp * (memory + text)
    )


def _pictures(config: RunConfig) -> float:
    """Numbers in a batch of pictures, and in what the image encoder's convolutions make of it."""
    model, training = config.model, config.training
    # A frozen encoder sees all pictures once, 16 at a time while it learns.
    batch = min(training.batch_size, 16) if training.pretrains_encoder else training.batch_size
    rows, columns = model.image_height, model.image_width
    numbers = 3 * rows * columns
    for filters, stride in zip(model.encoder_filters, model.encoder_strides):
        rows, columns = math.ceil(rows / stride), math.ceil(columns / stride)
        numbers += filters * rows * columns
    return batch * numbers


def _maps(config: RunConfig) -> float:
    """Numbers in the maps that a training step keeps for its gradient."""
    model = config.model
    rows, columns = model.image_height, model.image_width
    for stride in model.encoder_strides:
        rows, columns = math.ceil(rows / stride), math.ceil(columns / stride)
    places = rows * columns
    if config.training.pretrains_encoder and getattr(model, "attended_places", 0):
        places = min(places, model.attended_places)
    channels = getattr(model, "kb_dim", 0) + getattr(model, "map_dim", 0)
    stacks = getattr(model, "num_steps", 0) * getattr(model, "stack_len", 0)
    return config.training.batch_size * places * (channels + stacks)


def _check_disk(
    folder: str | os.PathLike, needed: float, what: str, flag: str, others: str = ""
) -> None:
    existing = Path(folder).absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    there = shutil.disk_usage(existing).free
    if needed > there:
        advice = (
            f"expected lower {others}, or another {flag}" if others else f"expected another {flag}"
        )
        raise InputError(
            f"{folder}: {what} need at least {_gigabytes(needed)}, and {_gigabytes(there)} are free on "
            f"this disk; {advice}"
        )


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:,.1f} GB"
