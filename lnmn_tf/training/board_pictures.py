"""Pictures for TensorBoard, drawn in milliseconds: heat maps with labels, and strips of attention."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

INK, QUIET, GROUND = (28, 27, 41), (102, 100, 122), (255, 255, 255)
GOOD, BAD = (23, 128, 91), (179, 38, 30)
# Of a share from 0 to 1: light to dark, so that it is read in grey as well.
SHARES = np.array([[247, 247, 252], [190, 183, 244], [85, 70, 216], [30, 20, 90]], np.float32)
# Of an attention map, red, green, blue and opacity, from its lowest value to its highest.
ATTENTION = np.array(
    [
        [38, 18, 84, 77],
        [138, 35, 135, 128],
        [233, 80, 63, 166],
        [251, 162, 56, 199],
        [252, 245, 164, 230],
    ],
    np.float32,
)
CELL_WIDTH, CELL_HEIGHT, MARGIN = 66, 30, 10
SIZE = 16  # of texts, in pixels
COLUMNS = 3  # of a strip


def heat_map(
    values: np.ndarray, rows: Sequence[str], columns: Sequence[str], title: str
) -> np.ndarray:
    """A matrix of shares with its numbers.

    Args:
        values: [rows, columns], in [0, 1].
        rows, columns: their names.
        title: above it.

    Returns:
        uint8 [height, width, 3].
    """
    left = MARGIN + 8 + round(max(_width(name) for name in rows))
    column = max(CELL_WIDTH, 8 + round(max(_width(name) for name in columns)))
    top = 2 * MARGIN + 2 * SIZE + 8
    width = max(left + column * len(columns) + MARGIN, round(_width(title)) + 2 * MARGIN)
    image = Image.new("RGB", (width, top + CELL_HEIGHT * len(rows) + MARGIN), GROUND)
    draw = ImageDraw.Draw(image)
    draw.text((MARGIN, MARGIN), title, INK, _font())
    for j, name in enumerate(columns):
        x = left + column * j + column / 2
        draw.text((x, top - 8), name, QUIET, _font(), anchor="ms")
    for i, name in enumerate(rows):
        y = top + CELL_HEIGHT * i
        draw.text((left - 8, y + CELL_HEIGHT / 2), name, INK, _font(), anchor="rm")
        for j, value in enumerate(values[i]):
            x = left + column * j
            colour = tuple(int(c) for c in _blend(SHARES, float(value)))
            draw.rectangle([x, y, x + column - 2, y + CELL_HEIGHT - 2], colour)
            ink = GROUND if value > 0.5 else INK
            where = (x + column / 2 - 1, y + CELL_HEIGHT / 2)
            draw.text(where, f"{value:.2f}", ink, _font(), anchor="mm")
    return np.asarray(image)


def strip(
    picture: Image.Image,
    maps: np.ndarray,
    labels: Sequence[str],
    title: str,
    answer: str,
    right: bool,
) -> np.ndarray:
    """A question's picture, and the map that each step left over it, in rows.

    Args:
        picture: RGB.
        maps: [steps, rows, columns].
        labels: of the steps.
        title, answer: the question, and what is answered.
        right: whether it is.

    Returns:
        uint8 [height, width, 3].
    """
    width, height = picture.size
    full = MARGIN + (width + MARGIN) * COLUMNS
    lines = [*_wrapped(title, full - 2 * MARGIN), answer]
    top, row_height = MARGIN + (SIZE + 4) * len(lines) + 4, SIZE + height + 12
    rows = -(-(len(maps) + 1) // COLUMNS)
    sheet = Image.new("RGB", (full, top + row_height * rows + MARGIN), GROUND)
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        ink = INK if number < len(lines) - 1 else GOOD if right else BAD
        draw.text((MARGIN, MARGIN + (SIZE + 4) * number), line, ink, _font())
    for number, label in enumerate(["", *labels]):
        x = MARGIN + (width + MARGIN) * (number % COLUMNS)
        y = top + row_height * (number // COLUMNS)
        draw.text((x, y + SIZE), label, QUIET, _font(), anchor="ls")
        shown = picture if not number else overlaid(picture, maps[number - 1])
        sheet.paste(shown, (x, y + SIZE + 5))
    return np.asarray(sheet)


def overlaid(picture: Image.Image, attention: np.ndarray) -> Image.Image:
    """A picture under a map [rows, columns], which has a colour scale of its own."""
    low, high = float(attention.min()), float(attention.max())
    flat = high - low <= 1e-6 * abs(high)
    share = np.zeros_like(attention) if flat else (attention - low) / (high - low)
    colours = Image.fromarray(_blend(ATTENTION, share).astype(np.uint8), "RGBA")
    colours = colours.resize(picture.size, Image.Resampling.BILINEAR)
    return Image.alpha_composite(picture.convert("RGBA"), colours).convert("RGB")


def _blend(colours: np.ndarray, share) -> np.ndarray:
    """Colours at equal distances, at a share [...] in [0, 1]: [..., channels]."""
    places = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(share, places, channel) for channel in colours.T], axis=-1)


@cache
def _font():
    return ImageFont.load_default(SIZE)


def _wrapped(text: str, width: float) -> list[str]:
    """Lines of no more than a width, in pixels, as far as words allow."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if _width(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _width(text: str) -> float:
    return _font().getlength(text)
