"""What `module_threshold` costs in accuracy, and what it gains in speed, on a trained run."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from lnmn_tf.data.pipeline import batches
from lnmn_tf.errors import InputError
from lnmn_tf.training.evaluation import COMPILED_FROM, INPUTS, Predictor
from lnmn_tf.training.examples import open_split
from lnmn_tf.training.trained import TrainedRun

THRESHOLDS = (0.0, 0.003, 0.01, 0.1)
BATCH_SIZES = (1, 8, 64)


def measure_threshold(
    trained_dir: str | os.PathLike,
    checkpoint: str = "best",
    xla: str = "auto",
    batch_sizes: Sequence[int] = BATCH_SIZES,
    questions: int = 2000,
) -> dict[str, dict[str, dict[str, float]]]:
    """Answers the same questions at each threshold, the thresholds taking turns at every batch.

    Args:
        trained_dir: a run folder, which answers questions of its validation split.
        checkpoint: best or last.
        xla: auto and off = plain graphs, on = compiled.
        batch_sizes: questions in a batch.
        questions: how many at the largest batch size; at a smaller one fewer, but 300 at least.

    Returns:
        By batch size and threshold: `accuracy`, in [0, 1], `examples_per_second` (of the median
        batch) and `processor_seconds` an example.

    Raises:
        InputError: no run, or one that cannot be opened.
    """
    if not trained_dir:
        raise InputError("trained_dir is empty; expected the run folder of a trained LNMN")
    runs = {
        t: TrainedRun.open(trained_dir, checkpoint, {"module_threshold": t}) for t in THRESHOLDS
    }
    config, vocabulary = runs[0.0].config, runs[0.0].vocabulary
    examples = open_split(config, config.data.val_split, vocabulary)
    table = {}
    for size in batch_sizes:
        predictors = {t: Predictor(run.network, size, xla) for t, run in runs.items()}
        graphs = {t: p.graph(COMPILED_FROM if xla == "on" else 0) for t, p in predictors.items()}
        count = max(300, questions * size // max(batch_sizes)) // size or 1
        dataset = batches(examples.questions, examples.store, size, shuffle=True).take(count)
        right, walls, cpus = ({t: [] for t in graphs} for _ in range(3))
        for index, batch in enumerate(tqdm(dataset, f"batches of {size}", disable=None)):
            inputs = {name: batch[name] for name in INPUTS if name in batch}
            for t, graph in graphs.items():
                if not index:
                    graph(inputs)  # traces it
                began, cpu_began = time.perf_counter(), time.process_time()
                logits = graph(inputs).numpy()
                walls[t].append((time.perf_counter() - began) / size)
                cpus[t].append((time.process_time() - cpu_began) / size)
                real = batch["weight"].numpy() > 0
                right[t] += list((logits.argmax(-1) == batch["answer"].numpy())[real])
        table[str(size)] = {
            str(t): {
                "accuracy": float(np.mean(right[t])),
                "examples_per_second": 1.0 / statistics.median(walls[t]),
                "processor_seconds": statistics.median(cpus[t]),
            }
            for t in graphs
        }
    return table


def format_threshold(table: dict[str, dict[str, dict[str, float]]]) -> str:
    """A row for each batch size and threshold, with the gain over threshold 0."""
    lines = []
    for size, rows in table.items():
        whole = rows["0.0"]
        for threshold, row in rows.items():
            rate, cpu = row["examples_per_second"], row["processor_seconds"]
            lines.append(
                f"threshold {threshold:5} batch {size:>3}  {100 * row['accuracy']:5.1f} %  "
                f"{rate:8.1f}/s ({rate / whole['examples_per_second']:.2f}x)  processor "
                f"{1e3 * cpu:.2f} ms ({whole['processor_seconds'] / cpu:.2f}x)"
            )
    return "\n".join(lines)
