"""The demonstration, running in this process."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import numpy as np
import pytest

from export.demo.demonstration import Demonstration
from export.demo.rest import TensorSpec

TEXT = np.dtype(object)
SPECS = {
    "serving_default": {"question": TensorSpec(TEXT, (None,)), "image": TensorSpec(TEXT, (None,))},
    "answer_from_ids": {
        "question_ids": TensorSpec(np.dtype(np.int32), (None, None)),
        "features": TensorSpec(np.dtype(np.float32), (None, 2, 3, 1)),
    },
    "echo": {"text": TensorSpec(TEXT, (None,))},
}


class Echo:
    """A model that needs no TensorFlow: answers with its questions."""

    version = 3
    input_specs = SPECS

    def predict(self, signature, inputs):
        (name, first), *_ = sorted(inputs.items(), reverse=True)
        return {"answer": first, "probability": np.full(len(first), 0.5, np.float32)}

    def metadata(self):
        return {"signature_def": {}}


@contextmanager
def running(model, examples=()):
    """A demonstration that answers on a free port until the end of the block."""
    demonstration = Demonstration(model, list(examples), port=0)
    thread = threading.Thread(target=demonstration.server.serve_forever, args=[0.05], daemon=True)
    thread.start()
    try:
        yield demonstration
    finally:
        demonstration.server.shutdown()
        demonstration.close()
        thread.join()


@pytest.fixture
def echo():
    """A demonstration of `Echo`."""
    with running(Echo()) as demonstration:
        yield demonstration
