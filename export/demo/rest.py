"""TF Serving's JSON for `:predict`, to arrays and back.

A request has one of two forms, and its reply has the same:

    {"instances": [{"question": "...", "image": {"b64": "..."}}, ...]}  ->  {"predictions": [...]}
    {"inputs": {"question": ["...", ...], "image": [{"b64": "..."}, ...]}}  ->  {"outputs": {...}}

Reference: https://www.tensorflow.org/tfx/serving/api_rest
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from werkzeug.exceptions import BadRequest
from werkzeug.exceptions import NotImplemented as Unsupported

DEFAULT_SIGNATURE = "serving_default"
LONGEST_INTEGER = 20  # digits; converting a longer one takes time that grows with their square
_LONGEST_SHOWN = 80  # characters of a value in a message


class TensorSpec(NamedTuple):
    """What a signature says of one tensor."""

    dtype: np.dtype  # object for strings
    shape: tuple[int | None, ...]  # None where any size will do


class PredictRequest(NamedTuple):
    """A request whose tensors have the types and shapes of their signature."""

    signature_name: str
    inputs: dict[str, np.ndarray]
    by_row: bool  # `instances` and not `inputs`


def parse_request(
    body: bytes, signatures: Mapping[str, Mapping[str, TensorSpec]], max_batch: int
) -> PredictRequest:
    """Reads the body of a `:predict` request.

    Args:
        body: JSON, in UTF-8.
        signatures: the input tensors of each.
        max_batch: most examples in one request.

    Raises:
        BadRequest: it is no such request, or does not fit the signature; names the field.
    """
    content = _parse_json(body)
    name = content.get("signature_name", "") or DEFAULT_SIGNATURE
    if not isinstance(name, str) or name not in signatures:
        raise BadRequest(
            f"'signature_name' is {_shown(name)}; expected one of {', '.join(sorted(signatures))}"
        )
    if ("instances" in content) == ("inputs" in content):
        raise BadRequest("expected one of 'instances' and 'inputs', and not both")
    by_row = "instances" in content
    read = _columns_of_rows if by_row else _columns
    columns = read(content["instances" if by_row else "inputs"], signatures[name])
    inputs = {key: to_array(key, columns[key], spec) for key, spec in signatures[name].items()}
    sizes = {len(array) for array in inputs.values()}
    if len(sizes) > 1:
        found = ", ".join(f"{key} has {len(array)}" for key, array in inputs.items())
        raise BadRequest(f"expected as many examples in every input, but {found}")
    if sizes and max(sizes) > max_batch:
        raise BadRequest(f"{max(sizes)} examples in one request; expected at most {max_batch}")
    return PredictRequest(name, inputs, by_row)


def render_reply(outputs: Mapping[str, np.ndarray], by_row: bool) -> bytes:
    """The JSON of the reply.

    Args:
        outputs: each [batch, ...]; strings are arrays of bytes objects.
        by_row: whether the request had `instances`.
    """
    columns = {key: _to_json(array) for key, array in sorted(outputs.items())}
    single = len(columns) == 1  # a lonely output goes without its name
    if by_row:
        rows = zip(*columns.values())  # one batch, one length
        named = [row[0] if single else dict(zip(columns, row)) for row in rows]
        content: dict[str, Any] = {"predictions": named}
    else:
        content = {"outputs": next(iter(columns.values())) if single else columns}
    return json.dumps(content, separators=(",", ":")).encode()


def to_array(name: str, value: Any, spec: TensorSpec) -> np.ndarray:
    """Nested lists as an array of the type and shape that a signature asks for.

    Raises:
        BadRequest: ragged lists, values of another type, or another shape.
    """
    shape = []
    inner = value
    while isinstance(inner, list):
        shape.append(len(inner))
        if not inner:
            break
        inner = inner[0]
    if shape == [0]:  # no example at all: the other sizes cannot be read off
        shape = [size or 0 for size in (0, *spec.shape[1:])]
    if len(shape) != len(spec.shape):
        raise BadRequest(
            f"'{name}' has {len(shape)} dimensions; expected {len(spec.shape)}: "
            f"{_shape_text(spec.shape)}"
        )
    leaves = list(_leaves(name, value, shape, spec.dtype)) if shape[0] else []
    if any(want not in (None, have) for have, want in zip(shape, spec.shape)):
        raise BadRequest(
            f"'{name}' has the shape {_shape_text(shape)}; expected {_shape_text(spec.shape)}"
        )
    array = np.empty(len(leaves), spec.dtype)
    with np.errstate(over="ignore"):  # a float that is too large becomes infinite
        array[:] = leaves
    return array.reshape(shape)


def _parse_json(body: bytes) -> dict[str, Any]:
    def integer(digits: str) -> int:
        if len(digits) > LONGEST_INTEGER:
            raise ValueError(f"a number of {len(digits)} digits")
        return int(digits)

    try:
        content = json.loads(body, parse_int=integer)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON in UTF-8: {error}") from None
    if not isinstance(content, dict):
        raise BadRequest(f"the body is {_shown(content)}; expected a JSON object")
    return content


def _columns(inputs: Any, specs: Mapping[str, TensorSpec]) -> dict[str, Any]:
    """The tensors of `inputs`, by name."""
    if not isinstance(inputs, dict) or _is_base64(inputs):
        if len(specs) != 1:
            raise BadRequest(
                f"'inputs' is {_shown(inputs)}; expected an object with {_names(specs)}"
            )
        return {next(iter(specs)): inputs}
    _check_names("'inputs'", inputs, specs)
    return inputs


def _columns_of_rows(rows: Any, specs: Mapping[str, TensorSpec]) -> dict[str, Any]:
    """The tensors of `instances`, by name."""
    if not isinstance(rows, list) or not rows:
        raise BadRequest(f"'instances' is {_shown(rows)}; expected a list of at least one example")
    columns: dict[str, list] = {name: [] for name in specs}
    for number, row in enumerate(rows):
        if len(specs) == 1 and (not isinstance(row, dict) or _is_base64(row)):
            row = {next(iter(specs)): row}
        if not isinstance(row, dict):
            raise BadRequest(
                f"'instances'[{number}] is {_shown(row)}; expected an object with {_names(specs)}"
            )
        _check_names(f"'instances'[{number}]", row, specs)
        for name, value in row.items():
            columns[name].append(value)
    return columns


def _check_names(where: str, found: Mapping[str, Any], specs: Mapping[str, TensorSpec]) -> None:
    if set(found) != set(specs):
        names = ", ".join(_shown(name) for name in sorted(found)[:5]) or "nothing"
        raise BadRequest(f"{where} has {names}; expected {_names(specs)}")


def _leaves(name: str, value: Any, shape: list[int], dtype: np.dtype) -> Iterator[Any]:
    """The values of nested lists in row-major order, each checked."""
    if not shape:
        yield _leaf(name, value, dtype)
    elif not isinstance(value, list) or len(value) != shape[0]:
        raise BadRequest(
            f"'{name}' is ragged: {_shown(value)} stands where a list of {shape[0]} is expected"
        )
    else:
        for inner in value:
            yield from _leaves(name, inner, shape[1:], dtype)


def _leaf(name: str, value: Any, dtype: np.dtype) -> Any:
    kind = type(value)
    if dtype == np.float16:  # so it is in TF Serving
        raise Unsupported(f"'{name}' is float16, which JSON has not: ask by gRPC")
    if dtype.kind == "O":
        if kind is str:
            try:
                return value.encode()
            except UnicodeEncodeError:  # JSON can spell half a surrogate pair
                raise BadRequest(f"'{name}' is {_shown(value)}, which is not Unicode") from None
        if _is_base64(value):
            try:
                return base64.b64decode(value["b64"], validate=True)
            except (binascii.Error, ValueError) as error:
                raise BadRequest(f"'{name}' is not base64: {error}") from None
        raise BadRequest(f'\'{name}\' holds {_shown(value)}; expected text or {{"b64": "..."}}')
    if kind in (int, float) and dtype.kind == "f":
        return value
    if kind is int and dtype.kind == "i":
        if abs(value) > np.iinfo(dtype).max:
            raise BadRequest(f"'{name}' holds {value}; too large for {dtype.name}")
        return value
    raise BadRequest(f"'{name}' holds {_shown(value)}; expected {dtype.name}")


def _is_base64(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"b64"} and isinstance(value["b64"], str)


def _to_json(array: np.ndarray) -> Any:
    if array.dtype.kind == "O":
        decode = np.frompyfunc(lambda text: text.decode("utf-8", "replace"), 1, 1)
        return decode(array).tolist() if array.size else array.tolist()
    return array.tolist()


def _names(specs: Mapping[str, TensorSpec]) -> str:
    return " and ".join(f"'{name}'" for name in sorted(specs))


def _shape_text(shape: Any) -> str:
    return f"[{', '.join('any' if size is None else str(size) for size in shape)}]"


def _shown(value: Any) -> str:
    """A value as a message may hold it: on one line, and short."""
    if isinstance(value, (dict, list)):
        return f"a JSON {'object' if isinstance(value, dict) else 'list'} of {len(value)}"
    text = ascii(value[:_LONGEST_SHOWN] if isinstance(value, str) else value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
