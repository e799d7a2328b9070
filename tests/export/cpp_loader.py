"""Builds and runs `tests/cpp/answer.cc`: the C++ loader of TF Serving, with no Python."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.named_tensor_pb2 import NamedTensorProto

from export.benchmark.compiler import compile_program, has_compiler
from export.servable import DOCUMENTATION

SOURCE = Path(__file__).resolve().parents[1] / "cpp" / "answer.cc"
OUTPUTS = set(DOCUMENTATION)


def build(folder: Path) -> Path:
    """The program; skips where it cannot be compiled."""
    if not has_compiler():
        pytest.skip("there is no g++")
    return compile_program(SOURCE, folder)


def ask(program: Path, model: Path, requests: Iterable[tuple[str, dict]], folder: Path) -> list:
    """Sends all requests to one process in an empty environment.

    Args:
        program: what `build` returned.
        model: folder of a version.
        requests: (signature, values by name of the input).
        folder: for the files between here and there.

    Returns:
        For each request a dict of arrays, or the text of its INVALID_ARGUMENT error.
    """
    paths = [folder / "requests", folder / "replies"]
    with tf.io.TFRecordWriter(str(paths[0])) as writer:
        for signature, inputs in requests:
            for name, value in inputs.items():
                sent = NamedTensorProto(name=name, tensor=tf.make_tensor_proto(value))
                writer.write(sent.SerializeToString())
            writer.write(NamedTensorProto(name=signature).SerializeToString())
    subprocess.run([program, model, *paths], env={}, check=True, timeout=300)
    return list(_replies(tf.data.TFRecordDataset(str(paths[1])).as_numpy_iterator()))


def _replies(records: Iterable[bytes]) -> Iterator[dict[str, np.ndarray] | str]:
    outputs, statuses = {}, {0, tf.errors.INVALID_ARGUMENT}
    for record in records:
        received = NamedTensorProto.FromString(record)
        value = tf.make_ndarray(received.tensor)
        if received.name in OUTPUTS:
            outputs[received.name] = value
        else:
            assert int(value) in statuses, received.name
            yield received.name or outputs
            outputs = {}
