"""Outputs of the original programs on small random weights, and how close to them is close enough."""

import json
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parent.parent / "golden"


class Golden:
    """One file of tensors; `golden["trace/mem"]` is an array, `golden.under("weights/")` a dict."""

    def __init__(self, path: Path):
        self.path = path
        with np.load(path) as archive:
            self.arrays = dict(archive)
        self.config = json.loads(str(self.arrays.pop("config")))

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    def under(self, prefix: str) -> dict[str, np.ndarray]:
        return {k[len(prefix) :]: v for k, v in self.arrays.items() if k.startswith(prefix)}


def assert_close(found, expected, relative: float, absolute: float = 0.0, name: str = ""):
    """No entry is further off than `relative` times the largest entry, plus `absolute`."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape, f"{name}: {found.shape} is not {expected.shape}"
    error = np.abs(found - expected).max()
    bound = relative * np.abs(expected).max() + absolute
    assert error <= bound, f"{name}: off by {error:.3g}, more than {bound:.3g}"
