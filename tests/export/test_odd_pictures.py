"""Odd but valid pictures have the same pixels in training, answers and the served graph."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from lnmn_tf.data.pixels import MAX_SIDE, PixelStore
from lnmn_tf.errors import InputError
from tests.export.test_pictures import by_graph, by_python

H, W = 11, 13
RANDOM = np.random.default_rng(5)


def saved(picture: Image.Image, format: str, **options) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format, **options)
    return stream.getvalue()


def of_mode(mode: str, channels: int, format: str = "PNG", **options) -> bytes:
    shape = [H, W, channels] if channels > 1 else [H, W]
    return saved(Image.fromarray(RANDOM.integers(0, 256, shape, np.uint8), mode), format, **options)


def raw_png(depth: int, colour: int, channels: int) -> bytes:
    """A PNG of any bit depth and colour type, which PIL cannot always write."""
    row_bytes = (W * channels * depth + 7) // 8
    rows = b"".join(b"\0" + RANDOM.bytes(row_bytes) for _ in range(H))
    header = struct.pack(">IIBBBBB", W, H, depth, colour, 0, 0, 0)

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def palette(**options) -> bytes:
    picture = Image.fromarray(RANDOM.integers(0, 256, [H, W, 3], np.uint8)).quantize(16)
    return saved(picture, "PNG", **options)


FORMATS = {
    "grey": of_mode("L", 1),
    "grey of 1 bit": raw_png(1, 0, 1),
    "grey of 2 bits": raw_png(2, 0, 1),
    "grey of 4 bits": raw_png(4, 0, 1),
    "grey of 16 bits": raw_png(16, 0, 1),
    "grey with alpha": of_mode("LA", 2),
    "grey with alpha of 16 bits": raw_png(16, 4, 2),
    "colour": of_mode("RGB", 3),
    "colour of 16 bits": raw_png(16, 2, 3),
    "colour with alpha": of_mode("RGBA", 4),
    "colour with alpha of 16 bits": raw_png(16, 6, 4),
    "palette": palette(),
    "palette of 4 bits": palette(bits=4),
    "palette with transparency": palette(transparency=3),
    "colour with a transparent one": of_mode("RGB", 3, transparency=(1, 2, 3)),
    "grey with a transparent one": of_mode("L", 1, transparency=7),
    "without compression": of_mode("RGB", 3, compress_level=0),
    "with a resolution": of_mode("RGB", 3, dpi=(300, 72)),
    "JPEG, grey": of_mode("L", 1, "JPEG"),
    "JPEG, colour": of_mode("RGB", 3, "JPEG"),
    "JPEG, progressive": of_mode("RGB", 3, "JPEG", progressive=True),
    "JPEG, colours not halved": of_mode("RGB", 3, "JPEG", subsampling=0),
    "JPEG, poor": of_mode("RGB", 3, "JPEG", quality=5),
    "JPEG, upside down by its EXIF": of_mode(
        "RGB", 3, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\3\0\0\0\0\0\0"
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_an_odd_picture_has_the_same_pixels_at_every_entrance(name, tmp_path):
    expected = by_python(FORMATS[name], H, W, tmp_path)
    np.testing.assert_array_equal(by_graph(FORMATS[name], H, W), expected)


def test_grey_of_16_bits_is_not_clipped_to_white(tmp_path):
    grey = np.linspace(0, 65535, H * W).astype(np.uint16).reshape(H, W)
    content = saved(Image.fromarray(grey), "PNG")
    pixels = by_python(content, H, W, tmp_path)
    np.testing.assert_array_equal(pixels, np.repeat((grey >> 8)[..., None], 3, -1))


def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "large.png"
    Image.new("1", (MAX_SIDE + 1, 2)).save(path)
    with pytest.raises(InputError, match=f"{MAX_SIDE + 1} columns; expected at most {MAX_SIDE}"):
        PixelStore(tmp_path, "", [path], H, W)


def test_a_picture_on_disk_that_is_cut_short_is_found_before_training(tmp_path):
    for number, format in enumerate(("PNG", "JPEG")):
        content = saved(Image.fromarray(RANDOM.integers(0, 256, [90, 90, 3], np.uint8)), format)
        path = tmp_path / f"{number}.img"
        path.write_bytes(content[:-3000])
        with pytest.raises(InputError, match="damaged"):
            PixelStore(tmp_path, "", [path], H, W, cache_bytes=0)
        path.write_bytes(content + b"\0" * 9000)  # what follows the end is no harm
        assert len(PixelStore(tmp_path, "", [path], H, W, cache_bytes=0)) == 1
