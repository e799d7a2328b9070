"""Values of flags that name a part of the images, several splits, or a second data set."""

from __future__ import annotations

import re

from lnmn_tf.errors import InputError


def check_limit(limit: str, images: int | None = None) -> tuple[float, bool]:
    """A limit on images, "10%" or "500", as (10.0, True) or (500.0, False).

    Args:
        limit: of `--limit_images`.
        images: how many there are; None = not known yet.

    Raises:
        InputError: no such number, not more than 0, or more than there are.
    """
    share = limit.endswith("%")
    try:
        number = float(limit[:-1]) if share else float(int(limit))
    except ValueError:
        number = -1.0
    most = 100.0 if share else images
    if not number > 0 or (most is not None and number > most):
        whole = "a number of images" + (f", up to {images}" if images else "")
        raise InputError(
            f"--limit_images is {limit!r}; expected a share as in '10%', up to 100%, or {whole}"
        )
    return number, share


def parts_of(split: str) -> tuple[str, ...]:
    """The splits of VQA that a name stands for; any other name stands for itself.

    >>> parts_of("trainval2014"), parts_of("val2014")
    (('train2014', 'val2014'), ('val2014',))
    """
    both = re.fullmatch(r"trainval(\d{4})", split)
    return (f"train{both[1]}", f"val{both[1]}") if both else (split,)


def parse_mix(mix: str) -> tuple[str, float]:
    """Folder and share of "FOLDER:SHARE".

    Raises:
        InputError: another form, or a share that is not between 0 and 1.
    """
    folder, _, share = mix.rpartition(":")
    try:
        value = float(share)
    except ValueError:
        value = -1.0
    if not folder or not 0.0 < value < 1.0:
        raise InputError(
            f"--mix is {mix!r}; expected a folder and a share between 0 and 1, as in 'CLEVR_v1.0:0.5'"
        )
    return folder, value
