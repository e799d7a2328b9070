"""In which order an epoch asks its questions: pure functions of (seed, epoch)."""

from __future__ import annotations

import numpy as np

_BLOCKS_PER_WINDOW = 8


def full_shuffle(num_questions: int, seed: int, epoch: int) -> np.ndarray:
    """Any order with equal chance; int [N]."""
    return np.random.default_rng([seed, epoch]).permutation(num_questions)


def windowed_shuffle(
    image_index: np.ndarray, images_per_window: int, seed: int, epoch: int
) -> tuple[np.ndarray, np.ndarray]:
    """An order that reads each image of a large file once, in blocks of neighbours.

    The images are cut into blocks; a window is eight random blocks; the questions about one
    window's images are shuffled together, window after window.

    Args:
        image_index: int [N], the image of each question.
        images_per_window: images that may be in memory at a time.

    Returns:
        order: int [N], a permutation of the questions.
        ends: int [windows], where each window ends in `order`.
    """
    random = np.random.default_rng([seed, epoch])
    images, image_of_question = np.unique(image_index, return_inverse=True)
    images_per_block = max(1, images_per_window // _BLOCKS_PER_WINDOW)
    blocks_per_window = max(1, images_per_window // images_per_block)
    num_blocks = -(-len(images) // images_per_block)
    turn_of_block = random.permutation(num_blocks)
    window = turn_of_block[image_of_question // images_per_block] // blocks_per_window
    order = np.lexsort([random.permutation(len(window)), window])
    return order, np.cumsum(np.bincount(window))
