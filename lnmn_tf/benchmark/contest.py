"""One measurement: this program alone, or in turns with the authors' own."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from lnmn_tf.benchmark.machine import least_cost
from lnmn_tf.benchmark.peers import find_peer
from lnmn_tf.benchmark.presets import Preset
from lnmn_tf.benchmark.worker import Worker
from lnmn_tf.config import ModelConfig, RunConfig
from lnmn_tf.errors import InputError
from lnmn_tf.interop.stack_nmn_config import original_name
from lnmn_tf.layers.encoders import positional_encoding

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
DIFFERENCE = "largest_difference"  # between two programs' answers, or their losses


class Contest:
    """One measurement.

    Args:
        preset: sizes.
        what: train (a step of the weights and, where there is one, of the structure), infer, or hard
            (infer with one operator a node).
        choices, peer, peer_python: as in `benchmark`.

    Raises:
        InputError: sizes, or a peer, that do not go together.
    """

    def __init__(
        self,
        preset: Preset,
        what: str,
        choices: Mapping[str, Any],
        peer: str = "",
        peer_python: str = "",
    ):
        self.preset, self.what = preset, what
        self.choices = {**preset.choices, "features": "{split}", **choices}
        if what == "hard":
            self.choices["hard_operators"] = True
        config = RunConfig.create(self.choices)
        self.batch_size = config.training.batch_size
        self.model = config.model.replace(
            num_words=preset.num_words,
            num_answers=preset.num_answers,
            feature_shape=preset.map_shape,
        )
        self.peer = find_peer(peer, peer_python, self.model)

    def hold(self, rounds: int, machine: dict) -> dict:
        """Runs it. Returns the figures of each contestant and, with a peer, their ratios."""
        with tempfile.TemporaryDirectory() as folder:
            workers, figures = self.start(Path(folder)), {}
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

    def start(self, folder: Path) -> dict[str, Worker]:
        """Workers by name, ready to be told when to run; their files are in the folder."""
        task = {
            "what": self.what,
            "choices": self.choices,
            "inputs": str(folder / "inputs.npz"),
            "weights": "",
            "sizes": {
                **{name: getattr(self.model, name) for name in SIZES if hasattr(self.model, name)},
                "num_words": self.preset.num_words,
                "num_answers": self.preset.num_answers,
                "channels": self.preset.map_shape[-1],
            },
            "modules": [original_name(name) for name in getattr(self.model, "modules", ())],
        }
        np.savez(task["inputs"], **make_inputs(self.preset, self.batch_size))
        workers = {}
        if self.peer:
            weights = str(folder / "weights.npz")
            of_peer = {**task, "peer": self.peer.folder, "weights": weights}
            workers["peer"] = Worker(self.peer.worker, of_peer, self.peer.python)
            task["weights"] = weights if self.peer.same_weights else ""
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
        pairs = zip(turns["peer"], turns["ours"])
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
        if self.peer.same_weights:  # and the same tensors: logits, or the losses of two steps
            a, b = (np.array(worker.report["values"]) for worker in workers.values())
            result[DIFFERENCE] = float(np.abs(a - b).max())
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
