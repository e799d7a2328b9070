"""`--mode=benchmark --what=serving`: soft against hard operators, in the C++ loader and in a server."""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.named_tensor_pb2 import NamedTensorProto
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
from tqdm import tqdm

from lnmn_tf.benchmark.presets import Preset
from lnmn_tf.config import ExportConfig, RunConfig
from lnmn_tf.data.vocabulary import Vocabulary
from lnmn_tf.errors import InputError
from lnmn_tf.training.networks import build_network
from lnmn_tf.training.trained import TrainedRun

from ..saved_model import export_run
from ..warm_up import MODEL_NAME
from .compiler import compile_program, has_compiler
from .servers import serve, server_command, server_name

CONCURRENCIES = (1, 8, 64)
LOAD = Path(__file__).with_name("load.cc")


def measure_serving(preset: Preset, choices: Mapping[str, Any], seconds: float = 10.0) -> dict:
    """Exports a model with random weights twice, and asks one question at a time.

    Args:
        preset: sizes of the model and of its inputs.
        choices: flags that differ from the preset's, by name.
        seconds: for each concurrency.

    Returns:
        For `soft` and `hard`: `bytes` on disk, `load_seconds` in the loader, and `answers`: by where
        the model ran (`loader`, and where there is a server its name) and by concurrency {"per_second",
        "p50_ms", "p99_ms"}; in the loader also "processor_ms", the time of all cores for an answer, which
        other work on the machine disturbs least.

    Raises:
        InputError: there is no C++ compiler, or the server does not serve.
    """
    if not has_compiler():
        raise InputError(
            "--what is 'serving', which compiles a C++ program; expected g++ on the PATH"
        )
    result, command = {}, server_command()
    with tempfile.TemporaryDirectory() as folder:
        program = compile_program(LOAD, folder)
        for name in tqdm(("soft", "hard"), "serving", disable=None):
            run = _random_run(
                Path(folder) / name, preset, {**choices, "hard_operators": name == "hard"}
            )
            version = export_run(run, ExportConfig())
            inputs = _inputs(preset, run.vocabulary)
            result[name] = {
                "bytes": sum(path.stat().st_size for path in version.rglob("*") if path.is_file()),
                **_in_loader(program, version, inputs, seconds),
            }
            if command:
                answers = _in_server(command, version, inputs, seconds)
                result[name]["answers"][server_name(command)] = answers
    return result


def _random_run(folder: Path, preset: Preset, choices: Mapping[str, Any]) -> TrainedRun:
    words = [f"word{number}" for number in range(preset.num_words - 2)]  # beside the reserved two
    vocabulary = Vocabulary.build(
        words, [f"answer{number}" for number in range(preset.num_answers)]
    )
    config = RunConfig.create({**preset.choices, "features": "{split}", **choices}).replace(
        num_words=preset.num_words,
        num_answers=preset.num_answers,
        feature_shape=preset.map_shape,
    )
    tf.keras.utils.set_random_seed(0)
    return TrainedRun(folder, config, vocabulary, build_network(config.model))


def _inputs(preset: Preset, vocabulary: Vocabulary) -> dict:
    """One question about one image."""
    random = np.random.default_rng(0)
    question = " ".join(random.choice(vocabulary.words[2:], preset.words))
    features = random.standard_normal([1, *preset.map_shape], dtype=np.float32)
    return {
        "question": tf.make_tensor_proto([question]),
        "features": tf.make_tensor_proto(features),
    }


def _in_loader(program: Path, version: Path, inputs: dict, seconds: float) -> dict:
    request = version.parent / "request"
    with tf.io.TFRecordWriter(str(request)) as writer:
        for name, tensor in inputs.items():
            writer.write(NamedTensorProto(name=name, tensor=tensor).SerializeToString())
    command = [program, version, request, str(seconds), *map(str, CONCURRENCIES)]
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    head, *rows = [line.split() for line in done.stdout.splitlines()]
    figures = {}
    for concurrency, requests, elapsed, processor, p50, p99 in rows:
        figures[concurrency] = {
            "per_second": int(requests) / float(elapsed),
            "processor_ms": 1e3 * float(processor) / int(requests),
            "p50_ms": float(p50),
            "p99_ms": float(p99),
        }
    return {"load_seconds": float(head[1]), "answers": {"loader": figures}}


def _in_server(command: list[str], version: Path, inputs: dict, seconds: float) -> dict:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = MODEL_NAME
    for name, tensor in inputs.items():
        request.inputs[name].CopyFrom(tensor)
    with serve(version, command) as channel:
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        _ask(predict, request, 1, min(seconds, 1.0))  # the first requests build the graph
        return {str(n): _ask(predict, request, n, seconds) for n in CONCURRENCIES}


def _ask(predict: Callable, request: Any, concurrency: int, seconds: float) -> dict[str, float]:
    """Asks again and again from several threads."""
    latencies, failures = [], []  # appending is atomic
    begun = time.monotonic()

    def ask() -> None:
        while (start := time.monotonic()) < begun + seconds:
            try:
                predict(request, timeout=120)
            except grpc.RpcError as error:
                failures.append(error)
                return
            latencies.append(time.monotonic() - start)

    threads = [threading.Thread(target=ask) for _ in range(concurrency)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    p50, p99 = 1e3 * np.quantile(latencies, [0.5, 0.99])
    elapsed = time.monotonic() - begun
    return {"per_second": len(latencies) / elapsed, "p50_ms": float(p50), "p99_ms": float(p99)}


def format_serving(result: dict) -> str:
    """A table of what `measure_serving` returned."""
    lines = [
        f"serving {'':22} at a time   answers/s   p50 ms   p99 ms   processor ms",
    ]
    for operators, figures in result.items():
        for where, rows in figures["answers"].items():
            for concurrency, row in rows.items():
                lines.append(
                    f"{operators:4}  {where:23}  {concurrency:>9}   {row['per_second']:9.1f} "
                    f"{row['p50_ms']:8.1f} {row['p99_ms']:8.1f}"
                    + (f" {row['processor_ms']:14.2f}" if "processor_ms" in row else "")
                )
        lines.append(
            f"{operators:4}  {figures['bytes'] / 1e6:.1f} MB, loaded in {figures['load_seconds']:.1f} s"
        )
    if list(figures["answers"]) == ["loader"]:
        lines.append("no server: none is on the PATH, and TF_MODEL_SERVER names none")
    return "\n".join(lines)
