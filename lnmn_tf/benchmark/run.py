"""`--mode=benchmark`: measures, prints a table, and keeps everything as JSON."""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from lnmn_tf.benchmark.machine import least_cost, measure_machine
from lnmn_tf.benchmark.presets import PRESETS, Preset
from lnmn_tf.benchmark.worker import Worker
from lnmn_tf.config import ModelConfig, RunConfig
from lnmn_tf.errors import InputError
from lnmn_tf.files import write_json
from lnmn_tf.layers.encoders import positional_encoding

OPTIONS = ("run_dir", "preset", "what", "rounds", "peer", "peer_python")  # those of `benchmark`
WHATS = ("train", "infer", "hard", "input", "growth", "serving")
LNMN_9 = {"attention_3": 4, "attention_4": 2, "answer_3": 1, "answer_4": 1}
SIZES = (
    "stack_len",
    "num_steps",
    "embed_dim",
    "text_dim",
    "map_dim",
    "mlp_dim",
    "mem_dim",
    "kb_dim",
)


def benchmark(
    choices: Mapping[str, Any],
    run_dir: str = "runs/benchmark",
    preset: str = "quickstart",
    what: str = "train,infer,hard",
    rounds: str = "5",
    peer: str = "",
    peer_python: str = "",
) -> dict:
    """Measures, prints, and writes `benchmark.json`.

    Args:
        choices: flags that differ from the preset's, by name.
        run_dir: folder for the results.
        preset: of `PRESETS`.
        what: some of `WHATS`, with commas between them.
        rounds: turns of each contestant, a number.
        peer: folder of the authors' program, which then takes turns with ours; empty = alone.
        peer_python: an interpreter that has PyTorch; empty = this one.

    Raises:
        InputError: no such preset or measurement, or a contestant that cannot run.
    """
    run_dir, what = Path(run_dir), what.split(",")
    if not rounds.isdigit() or int(rounds) < 1:
        raise InputError(f"--rounds is {rounds!r}; expected a whole number, at least 1")
    rounds = int(rounds)
    if preset not in PRESETS:
        raise InputError(f"--preset is {preset!r}; expected one of: {', '.join(PRESETS)}")
    unknown = [name for name in what if name not in WHATS]
    if unknown:
        raise InputError(f"--what is {','.join(what)!r}; expected some of: {', '.join(WHATS)}")
    if peer and not (Path(peer) / "LNMN_9" / "model.py").is_file():
        raise InputError(
            f"--peer is {peer!r}; expected a checkout of https://github.com/vardaan123/LNMN"
        )
    machine = measure_machine()
    result = {"machine": machine, "preset": preset, "choices": dict(choices)}
    for name in what:
        if name == "input":
            from lnmn_tf.benchmark.input import measure_input

            result[name] = measure_input(run_dir, PRESETS[preset].map_shape)
        elif name == "growth":
            from lnmn_tf.benchmark.growth import measure_growth

            result[name] = measure_growth(run_dir, preset, choices, rounds)
        elif name == "serving":
            from export.benchmark.serving import measure_serving

            result[name] = measure_serving(PRESETS[preset], choices)
        else:
            contest = Contest(PRESETS[preset], name, choices, peer, peer_python or sys.executable)
            result[name] = contest.hold(rounds, machine)
    write_json(run_dir / "benchmark.json", result)
    print(format_results(result))
    print(f"wrote {run_dir / 'benchmark.json'}")
    return result


class Contest:
    """One measurement, of this program alone or in turns with the authors'.

    Args:
        preset: sizes.
        what: train (a structure and a weight step), infer, or hard (infer with one operator a node).
        choices, peer, peer_python: as in `benchmark`.
    """

    def __init__(
        self,
        preset: Preset,
        what: str,
        choices: Mapping[str, Any],
        peer: str = "",
        peer_python: str = sys.executable,
    ):
        self.preset, self.what = preset, what
        self.peer, self.peer_python = peer, peer_python
        self.choices = {**preset.choices, "features": "{split}", **choices}
        config = RunConfig.create(self.choices)
        self.batch_size = config.training.batch_size
        self.model = config.model.replace(
            num_words=preset.num_words,
            num_answers=preset.num_answers,
            feature_shape=preset.map_shape,
        )
        self.same = self.model.dialect == "released" and self.model.model == "lnmn"
        cells = {name: getattr(self.model, name) for name in LNMN_9}
        if peer and cells != LNMN_9:
            raise InputError(f"--peer is LNMN-9, with {LNMN_9}; these sizes have {cells}")

    def hold(self, rounds: int, machine: dict) -> dict:
        """Runs it. Returns the figures of each contestant and, with a peer, their ratios."""
        with tempfile.TemporaryDirectory() as folder:
            workers, figures = self._start(Path(folder)), {}
            try:
                turns = {name: [] for name in workers}
                for _ in tqdm(range(rounds), desc=self.what, disable=None):
                    for name, worker in workers.items():
                        turns[name].append(worker.run(1))
                for name, worker in workers.items():
                    figures[name] = self._figures(turns[name], worker)
            finally:
                for worker in workers.values():
                    worker.kill()
        cost = least_cost(
            self.model, self.preset.map_shape, self.preset.words, self.what == "train"
        )
        rate = figures["ours"]["examples_per_second"]["max"]
        figures["ours"]["roofline_fraction"] = rate * cost.seconds(machine)
        if self.peer:
            figures["ratio"] = self._ratios(turns, figures, workers)
        return figures

    def _start(self, folder: Path) -> dict[str, Worker]:
        task = {
            "what": self.what,
            "choices": self.choices,
            "inputs": str(folder / "inputs.npz"),
            "weights": "",
            "sizes": {
                **{name: getattr(self.model, name) for name in SIZES},
                "num_words": self.preset.num_words,
                "num_answers": self.preset.num_answers,
                "channels": self.preset.map_shape[-1],
            },
        }
        np.savez(task["inputs"], **make_inputs(self.preset, self.batch_size))
        workers = {}
        if self.peer:
            weights = str(folder / "weights.npz")
            of_peer = {**task, "peer": self.peer, "weights": weights}
            workers["peer"] = Worker("lnmn_tf.benchmark.peer", of_peer, self.peer_python)
            task["weights"] = weights if self.same else ""
        try:
            workers["ours"] = Worker("lnmn_tf.benchmark.ours", task)
        except InputError:
            for worker in workers.values():
                worker.kill()
            raise
        return workers

    def _figures(self, turns: list[dict], worker: Worker) -> dict:
        rates = [self.batch_size / t for turn in turns for t in turn["seconds"]]
        processor = [t / self.batch_size for turn in turns for t in turn["cpu_seconds"]]
        return {
            "batch_size": self.batch_size,
            "examples_per_second": {
                "median": statistics.median(rates),
                "min": min(rates),
                "max": max(rates),
            },
            "processor_seconds_per_example": min(processor),
            "first_call_seconds": worker.report["first"],
            "peak_bytes": worker.close(),
        }

    def _ratios(self, turns, figures, workers) -> dict:
        pairs = zip(turns["peer"], turns["ours"])  # noqa: B905 (Python 3.9)
        ratios = [a["seconds"][0] / b["seconds"][0] for a, b in pairs]
        peer, ours = figures["peer"], figures["ours"]
        result = {
            "examples_per_second": statistics.median(ratios),
            "of_the_fastest": ours["examples_per_second"]["max"]
            / peer["examples_per_second"]["max"],
            "processor_seconds": peer["processor_seconds_per_example"]
            / ours["processor_seconds_per_example"],
            "peak_bytes": peer["peak_bytes"] / ours["peak_bytes"],
        }
        if self.same:  # the same weights on the same tensors: logits, or the losses of two steps
            a, b = (np.array(worker.report["values"]) for worker in workers.values())
            result["largest_difference"] = float(np.abs(a - b).max())
        return result


def make_inputs(preset: Preset, batch_size: int) -> dict[str, np.ndarray]:
    """A batch of random features, questions and answers."""
    random, (height, width, channels) = np.random.default_rng(0), preset.map_shape
    features = random.standard_normal([batch_size, height, width, channels], dtype=np.float32)
    words = [batch_size, preset.words]
    return {
        "features": np.maximum(features, 0.0),
        "question": random.integers(1, preset.num_words, words, dtype=np.int32),
        "answer": random.integers(0, preset.num_answers, batch_size, dtype=np.int32),
        "position": positional_encoding(height, width, ModelConfig.position_channels),
    }


def format_results(result: dict) -> str:
    """The table that is printed."""
    machine = result["machine"]
    lines = [
        f"{machine['cores']} cores, {machine['flops_per_second'] / 1e9:.0f} GFLOP/s, "
        f"{machine['bytes_per_second'] / 1e9:.1f} GB/s, load {machine['load']:.1f}",
        "                  examples/s (min .. max)   processor s   first call   peak    roofline",
    ]
    for what in ("train", "infer", "hard"):
        for name, row in result.get(what, {}).items():
            if name == "ratio":
                lines.append(
                    f"{what:6} ratio   {row['examples_per_second']:8.2f}  (fastest "
                    f"{row['of_the_fastest']:.2f}, processor {row['processor_seconds']:.2f}, "
                    f"memory {row['peak_bytes']:.2f})"
                )
                continue
            rate, fraction = row["examples_per_second"], row.get("roofline_fraction")
            lines.append(
                f"{what:6} {name:5} {row['batch_size']:3d} {rate['median']:9.1f} "
                f"({rate['min']:.1f} .. {rate['max']:.1f})"
                f"   {row['processor_seconds_per_example']:.4f}   {row['first_call_seconds']:.1f} s"
                f"   {row['peak_bytes'] / 1e9:.2f} GB"
                + ("" if fraction is None else f"   {100 * fraction:.0f} %")
            )
    for name, row in result.get("input", {}).items():
        lines.append(
            f"input  {name:32}  cold {row['cold']['examples_per_second']:7.0f}/s  "
            f"warm {row['warm']['examples_per_second']:7.0f}/s  "
            f"{row['peak_memory_bytes'] / 1e9:.2f} GB"
        )
    for name, row in result.get("growth", {}).items():
        lines.append(f"growth {name}: {row}")
    if "serving" in result:
        from export.benchmark.serving import format_serving

        lines.append(format_serving(result["serving"]))
    return "\n".join(lines)
