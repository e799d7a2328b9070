"""Images as pixels, from picture files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from lnmn_tf.data.image_store import CACHE_BYTES, ImageStore
from lnmn_tf.errors import InputError
from lnmn_tf.progress import Stage

# The same for training, answers and a served model (`export/pictures.py`).
MAX_SIDE = 8192
MAX_PIXELS = 25_000_000  # 75 MB decoded; more is refused before it is decoded
_FORMATS = ("PNG", "JPEG")
# Others have no sure meaning in 8 bits of RGB; of 16 bits, the upper eight are taken.
_MODES = ("RGB", "RGBA", "L", "LA", "P", "1", "I", "I;16", "I;16B", "I;16L")
_SMALLEST = 2  # rows and columns
_TAIL = 1 << 12  # bytes, in which a picture's mark of its end is looked for


class PixelStore(ImageStore):
    """The pictures `images/{split}/*` of a CLEVR folder, resized, as uint8 RGB in [0, 255].

    Resizing is bilinear or bicubic with antialiasing (PIL's, like `tf.image.resize` with
    `antialias=True`) and does not keep the aspect ratio. Transparency is dropped; of 16 bits, the upper
    eight are taken.

    Args:
        data_dir: the CLEVR folder.
        split: name of the folder of pictures.
        filenames: the pictures, `QuestionSet.image_filenames`.
        height: H, in pixels.
        width: W, in pixels.
        resize: "bilinear" or "bicubic".
        cache_bytes: up to this size (I * H * W * 3 bytes) all pictures are decoded at once and kept.
            70,000 pictures of 64x96 are 1.3 GB. Beyond it only their headers and ends are checked here.

    Raises:
        InputError: a picture is missing, empty, damaged, of another format than PNG and JPEG, in other
            colours than 8-bit RGB or grey, or of one pixel.
    """

    key = "image"
    dtype = np.dtype(np.uint8)

    def __init__(
        self,
        data_dir: str | os.PathLike,
        split: str,
        filenames: Sequence[str],
        height: int,
        width: int,
        *,
        cache_bytes: int = CACHE_BYTES,
        resize: str = "bilinear",
    ):
        if height < 1 or width < 1:
            raise InputError(f"image size is {height}x{width}; expected at least 1x1 pixels")
        self.shape = (height, width, 3)
        self._resample = Image.Resampling[resize.upper()]
        folder = Path(data_dir) / "images" / split
        self.files = [folder / filename for filename in filenames]
        self._pool = ThreadPoolExecutor(max_workers=os.cpu_count())
        self._cache = None
        self.in_memory = len(self) * self.image_bytes <= cache_bytes
        if self.in_memory:
            self._cache = self._decoded(range(len(self)), progress=f"decode {folder}")
        else:
            self._map(_check, self.files, progress=f"check {folder}")

    def __len__(self) -> int:
        return len(self.files)

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Pictures at `indices`, uint8 [n, H, W, 3] in [0, 255]."""
        return self._decoded(indices) if self._cache is None else self._cache[indices]

    def _decoded(self, indices: Sequence[int], progress: str | None = None) -> np.ndarray:
        pixels = np.empty([len(indices), *self.shape], self.dtype)

        def decode(position: int) -> None:
            pixels[position] = _decode(self.files[indices[position]], self.shape, self._resample)

        self._map(decode, range(len(indices)), progress)
        return pixels

    def _map(self, function: Callable, items: Sequence, progress: str | None = None) -> None:
        """Calls a function for each item, on all cores; PIL decodes outside Python's lock."""
        results = self._pool.map(function, items)
        with Stage(progress or "", len(items), "pictures", shown=bool(progress)) as stage:
            for _ in stage.of(results):
                pass


def check_picture(path: Path) -> None:
    """Decodes a picture. Raises InputError where `PixelStore` would."""
    _decode(path, (_SMALLEST, _SMALLEST, 3))


def _check(path: Path) -> None:
    """Looks at a picture's header and end; decodes it only where its end is not the usual one."""
    with _open(path) as picture:
        size, end = picture.size, b"IEND" if picture.format == "PNG" else b"\xff\xd9"
    with open(path, "rb") as stream:
        stream.seek(max(path.stat().st_size - _TAIL, 0))
        ended = end in stream.read()
    if not ended:
        _decode(path, (*size[::-1], 3))


def _decode(
    path: Path, shape: tuple[int, int, int], resample: Image.Resampling = Image.Resampling.BILINEAR
) -> np.ndarray:
    height, width, _ = shape
    with _open(path) as picture:
        try:
            if picture.mode.startswith("I"):  # 16 bits, which `convert` would clip
                upper = np.asarray(picture).astype(np.uint32) >> 8
                picture = Image.fromarray(upper.astype(np.uint8))
            rgb = picture.convert("RGB")
        except (OSError, SyntaxError, ValueError) as error:  # what PIL raises for damaged data
            raise InputError(f"{path}: the picture is damaged: {error}") from None
    if rgb.size != (width, height):
        rgb = rgb.resize((width, height), resample)
    return np.asarray(rgb)


def _open(path: Path) -> Image.Image:
    try:
        picture = Image.open(path, formats=_FORMATS)
    except UnidentifiedImageError:
        with open(path, "rb") as file:
            head = file.read(20)
        found = f"{path.stat().st_size} bytes" + (f", which begin with {head!r}" if head else "")
        raise InputError(f"{path}: is no PNG or JPEG picture ({found})") from None
    except Image.DecompressionBombError as error:
        raise InputError(f"{path}: the picture is too large: {error}") from None
    except (OSError, SyntaxError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: the picture cannot be read: {reason}") from None
    columns, rows = picture.size
    wrong = ""
    if picture.mode not in _MODES:
        wrong = f"is in mode {picture.mode}; expected RGB or grey"
    elif min(rows, columns) < _SMALLEST:
        wrong = f"is {columns}x{rows} pixels; expected at least {_SMALLEST}x{_SMALLEST}"
    elif max(rows, columns) > MAX_SIDE or rows * columns > MAX_PIXELS:
        wrong = (
            f"has {rows} rows and {columns} columns; expected at most {MAX_SIDE} of each, and at most "
            f"{MAX_PIXELS} pixels"
        )
    if wrong:
        picture.close()
        raise InputError(f"{path}: the picture {wrong}")
    return picture
