"""What the pipeline asks of a source of images."""

from __future__ import annotations

import abc
from typing import ClassVar

import numpy as np

# A store up to this size is read once and kept in memory; a larger one stays on disk.
CACHE_BYTES = 512 << 20


class ImageStore(abc.ABC):
    """I images of one shape, numbered like `QuestionSet.image_filenames`.

    Attributes:
      key: what a batch calls these images: "image" (pixels) or "features".
      shape: (H, W, C) of one image, channels last.
      dtype: of what `read` returns: uint8 for pixels in [0, 255], float16 or float32 for features.
      in_memory: whether `read` is quick in any order. Otherwise it goes to the disk, and is quick
        for neighbouring images.
    """

    key: ClassVar[str]
    dtype: np.dtype
    shape: tuple[int, int, int]
    in_memory: bool

    @abc.abstractmethod
    def __len__(self) -> int:
        """I, the number of images."""

    @abc.abstractmethod
    def read(self, indices: np.ndarray) -> np.ndarray:
        """Images at `indices` (int [n], any order, repeats allowed), [n, H, W, C] of `dtype`.

        Raises:
          InputError: an image cannot be read; the message names it.
        """

    @property
    def image_bytes(self) -> int:
        """Bytes of one image as `read` returns it."""
        return int(np.prod(self.shape)) * self.dtype.itemsize
