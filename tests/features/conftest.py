"""Archives as PyTorch writes them, random weights, a small network, and a numpy reference."""

from __future__ import annotations

import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
from tensorflow import keras

from lnmn_tf.features import efficientnet_lite, registry

STORAGES = {"<f4": "FloatStorage", "<i8": "LongStorage", "<f2": "HalfStorage", "|b1": "BoolStorage"}
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


class _Storage:
    """What a tensor's persistent id is made of."""

    def __init__(self, array: np.ndarray, key: str):
        self.array, self.key = array, key


class TorchWriter:
    """Writes state dicts byte for byte as `torch.save` does, with stand-ins for PyTorch's classes.

    A value may be an array, or (storage array, offset, shape, strides).
    """

    def __init__(self, monkeypatch):
        self._torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
        for name in STORAGES.values():
            setattr(self._torch, name, type(name, (), {"__module__": "torch"}))

        def _rebuild_tensor_v2(*arguments):
            raise AssertionError("a tensor is never built by the file's own means")

        _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = (
            "torch._utils",
            "_rebuild_tensor_v2",
        )
        utils._rebuild_tensor_v2 = self._rebuild = _rebuild_tensor_v2
        monkeypatch.setitem(sys.modules, "torch", self._torch)
        monkeypatch.setitem(sys.modules, "torch._utils", utils)

    def content(self, tensors: dict, zipped: bool, *, extra=None) -> bytes:
        """The bytes of the file; `extra` is put into the dict as it is."""
        storages, state = {}, OrderedDict()
        for name, value in tensors.items():
            state[name] = self._tensor(value, storages)
        state.update(extra or {})
        state._metadata = OrderedDict({"": {"version": 1}})
        pickled = self._pickle(state, view=() if zipped else (None,))
        stream = io.BytesIO()
        if zipped:
            with zipfile.ZipFile(stream, "w") as archive:
                archive.writestr("archive/data.pkl", pickled)
                for key, array in storages.items():
                    archive.writestr(f"archive/data/{key}", array.tobytes())
                archive.writestr("archive/version", b"3\n")
        else:
            machine = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {}}
            for part in (MAGIC, PROTOCOL, machine):
                stream.write(pickle.dumps(part, 2))
            stream.write(pickled)
            stream.write(pickle.dumps(sorted(storages), 2))
            for key in sorted(storages):
                stream.write(struct.pack("<q", storages[key].size) + storages[key].tobytes())
        return stream.getvalue()

    def _tensor(self, value, storages: dict):
        if isinstance(value, tuple):
            array, offset, shape, strides = value
        else:
            array, offset, shape = value.ravel(), 0, value.shape
            strides = tuple(stride // value.itemsize for stride in value.copy("C").strides)
        key = str(next((k for k, a in storages.items() if a is array), len(storages)))
        storages[key] = array
        storage, rebuild = _Storage(array, key), self._rebuild

        class Tensor:
            def __reduce_ex__(self, protocol):
                return rebuild, (storage, offset, tuple(shape), strides, False, OrderedDict())

        return Tensor()

    def _pickle(self, content, view: tuple) -> bytes:
        torch, stream = self._torch, io.BytesIO()

        class Pickler(pickle.Pickler):
            def persistent_id(self, value):
                if not isinstance(value, _Storage):
                    return None
                kind = getattr(torch, STORAGES[value.array.dtype.str])
                return ("storage", kind, value.key, "cpu", value.array.size, *view)

        Pickler(stream, 2).dump(content)
        return stream.getvalue()


@pytest.fixture
def torch_writer(monkeypatch):
    return TorchWriter(monkeypatch)


def random_normalisation(generator, name: str, size: int) -> dict[str, np.ndarray]:
    """A batch normalisation of a state dict."""
    return {
        f"{name}.weight": generator.uniform(0.5, 1.5, size).astype(np.float32),
        f"{name}.bias": generator.normal(0, 0.3, size).astype(np.float32),
        f"{name}.running_mean": generator.normal(0, 0.3, size).astype(np.float32),
        f"{name}.running_var": generator.uniform(0.5, 2, size).astype(np.float32),
    }


def random_kernel(generator, *shape: int) -> np.ndarray:
    """[out, in, rows, columns], such that the size of its output is that of its input."""
    return generator.normal(0, 1.4 / np.sqrt(np.prod(shape[1:])), shape).astype(np.float32)


def random_lite0(seed: int = 0) -> dict[str, np.ndarray]:
    """EfficientNet-Lite0's state dict, as the package has it, with random numbers."""
    generator, arrays = np.random.default_rng(seed), {}

    def convolution(name: str, normalisation: str, out: int, *rest: int) -> None:
        arrays[f"{name}.weight"] = random_kernel(generator, out, *rest)
        arrays.update(random_normalisation(generator, normalisation, out))

    convolution("_conv_stem", "_bn0", 32, 3, 3, 3)
    block, channels = 0, 32
    for stage in efficientnet_lite.STAGES:
        for _ in range(stage.repeats):
            name, wide = f"_blocks.{block}", channels * stage.expansion
            if stage.expansion > 1:
                convolution(f"{name}._expand_conv", f"{name}._bn0", wide, channels, 1, 1)
            kernel = (stage.kernel, stage.kernel)
            convolution(f"{name}._depthwise_conv", f"{name}._bn1", wide, 1, *kernel)
            convolution(f"{name}._project_conv", f"{name}._bn2", stage.channels, wide, 1, 1)
            block, channels = block + 1, stage.channels
    convolution("_conv_head", "_bn1", 1280, 320, 1, 1)
    arrays["_fc.weight"] = random_kernel(generator, 1000, 1280)
    arrays["_fc.bias"] = generator.normal(size=1000).astype(np.float32)
    return arrays


@pytest.fixture(scope="session")
def lite0_file(tmp_path_factory):
    """Random weights, as --backbone_weights takes them."""
    path = tmp_path_factory.mktemp("weights") / "lite0.npz"
    np.savez(path, **random_lite0())
    return path


@pytest.fixture
def small_backbone(monkeypatch):
    """Puts a network `small` into the registry: one convolution of 5 channels, stride 4."""

    def make(layer: str, weights: str, preprocessing: str) -> keras.Model:
        inputs = keras.Input([None, None, 3])
        initializer = keras.initializers.RandomNormal(seed=len(weights))
        convolution = keras.layers.Conv2D(5, 4, 4, kernel_initializer=initializer)
        return keras.Model(inputs, convolution(inputs))

    kind = registry.BackboneKind(("only",), (16, 24), ("lite", "torchvision"), make)
    monkeypatch.setitem(registry.BACKBONES, "small", kind)


def convolve(x: np.ndarray, kernel: np.ndarray, stride: int, padding, groups: bool = False):
    """x [height, width, in] with a PyTorch kernel [out, in or 1, rows, columns], one offset at a time.

    Args:
        padding: "same", as TensorFlow pads, or a number of zeros on each side.
        groups: one kernel for each channel.
    """
    (height, width, _), (rows, columns) = x.shape, kernel.shape[2:]
    if padding == "same":
        down, across = -(-height // stride), -(-width // stride)
        more = [
            max((n - 1) * stride + k - size, 0)
            for n, k, size in ((down, rows, height), (across, columns, width))
        ]
        pads = [(m // 2, m - m // 2) for m in more]
    else:
        pads = [(padding, padding)] * 2
    x = np.pad(x, [*pads, (0, 0)])
    down = (x.shape[0] - rows) // stride + 1
    across = (x.shape[1] - columns) // stride + 1
    total = 0
    for i in range(rows):
        for j in range(columns):
            part = x[i : i + stride * down : stride, j : j + stride * across : stride][
                :down, :across
            ]
            total = total + (part * kernel[:, 0, i, j] if groups else part @ kernel[:, :, i, j].T)
    return total


def normalise(x: np.ndarray, arrays: dict, name: str, epsilon: float) -> np.ndarray:
    """A batch normalisation at inference, as its definition says."""
    gamma, beta, mean, variance = (
        arrays[f"{name}.{part}"].astype(np.float64)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta
