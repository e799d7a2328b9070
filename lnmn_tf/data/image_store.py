"""What the pipeline asks of a source of images."""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Sequence
from pathlib import Path
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
        files: that the images are read from.
        checked_when_made: whether the program that wrote the files has checked every image.
    """

    key: ClassVar[str]
    dtype: np.dtype
    shape: tuple[int, int, int]
    in_memory: bool
    files: Sequence[Path] = ()
    checked_when_made = False

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

    def state(self) -> str:
        """SHA-256 of the files' names, sizes and times of writing: another one says that they changed."""
        digest = hashlib.sha256()
        for path in self.files:
            found = path.stat()
            digest.update(f"{path.absolute()} {found.st_size} {found.st_mtime_ns}\n".encode())
        return digest.hexdigest()
