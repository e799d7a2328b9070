"""Pages that need nothing beside themselves: templates, with style, scripts and pictures inlined."""

from __future__ import annotations

import base64
import io
import re
from functools import cache
from importlib import resources
from typing import Any

from PIL import Image

PACKAGE = "lnmn_tf.analysis"
WIDEST = 720  # pixels of a picture on a page
LARGEST = 120_000  # bytes of a picture that is taken as it is


def render(template: str, **values: Any) -> str:
    """Fills a template of `templates/`; texts are escaped."""
    return _environment().get_template(template).render(**values)


def shared(name: str) -> str:
    """A file of the design that pages share, to be inlined; modules lose their imports and exports.

    Raises:
        ValueError: it would end the element that it stands in.
    """
    text = resources.files(PACKAGE).joinpath("page").joinpath(name).read_text(encoding="utf-8")
    if "</script" in text or "</style" in text:
        raise ValueError(f"{name} cannot be inlined")
    if name.endswith(".js"):
        text = re.sub(r"^import .*\n", "", text, flags=re.MULTILINE)
        text = re.sub(r"^export ", "", text, flags=re.MULTILINE)
    return text


def data_uri(content: bytes, kind: str) -> str:
    """Bytes as an address, `data:image/png;base64,...`."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def picture_uri(content: bytes) -> tuple[str, float]:
    """(The address of a PNG or JPEG file's picture, width / height); large ones are made smaller."""
    picture = Image.open(io.BytesIO(content))
    ratio = picture.width / picture.height
    kind = {"PNG": "image/png", "JPEG": "image/jpeg"}.get(picture.format)
    if kind and len(content) <= LARGEST and picture.width <= WIDEST:
        return data_uri(content, kind), ratio
    picture = picture.convert("RGB")
    if picture.width > WIDEST:
        picture = picture.resize((WIDEST, max(round(WIDEST / ratio), 1)), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=88)
    return data_uri(stream.getvalue(), "image/jpeg"), ratio


@cache
def _environment():
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["inlined"] = _inlined
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":")}
    return environment


def _template(name: str) -> str:
    return resources.files(PACKAGE).joinpath("templates").joinpath(name).read_text(encoding="utf-8")


def _inlined(name: str):
    from markupsafe import Markup

    return Markup(shared(name))
