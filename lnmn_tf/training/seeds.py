"""Several seeds of one run: these models have bad local minima."""

from __future__ import annotations

import os
import statistics
from pathlib import Path

from tensorflow import keras

from lnmn_tf.config import RunConfig
from lnmn_tf.files import write_json, write_text
from lnmn_tf.training.run import FLAGS, train
from lnmn_tf.training.run_folder import METRICS, RunFolder
from lnmn_tf.training.tensorboard import Texts


def train_seeds(config: RunConfig, run_dir: Path, flags: str, texts: Texts | None = None) -> dict:
    """Trains `num_seeds` runs and reports mean, deviation and best; or one run, in `run_dir` itself.

    The best is that of the largest held-out accuracy.

    Args:
        config: of all the runs; each has a seed of its own from `seed` on.
        run_dir: its sub-folders seed_<i> hold the runs.
        flags: a flagfile that gives this config, for `flags.txt`.
        texts: see `train`.

    Returns:
        The metrics of the one run, or the summary that is also written to `metrics.json`.
    """
    seeds = range(config.training.seed, config.training.seed + config.training.num_seeds)
    if len(seeds) == 1:
        return train(config, run_dir, flags, texts)
    metrics = {}
    for seed in seeds:
        print(f"seed {seed}", flush=True)
        metrics[seed] = train(
            config.replace(seed=seed, num_seeds=1),
            run_dir / f"seed_{seed}",
            f"{flags}--seed={seed}\n--num_seeds=1\n",
            texts,
        )
        keras.backend.clear_session()
    if not all(metrics.values()):
        return {}  # the first worker reports
    accuracies = {seed: table["val"]["accuracy"] for seed, table in metrics.items()}
    # Chosen by the questions that are held out of training, not by those that report.
    best = max(seeds, key=lambda seed: metrics[seed]["held_out"]["accuracy"])
    summary = {
        **metrics[best],
        "seeds": {str(seed): accuracy for seed, accuracy in accuracies.items()},
        "mean": statistics.mean(accuracies.values()),
        "deviation": statistics.stdev(accuracies.values()),
        "best": accuracies[best],
        "best_run": f"seed_{best}",
        "seconds": sum(table["seconds"] for table in metrics.values()),
    }
    RunFolder(run_dir).set_results_aside()
    config.save(run_dir)
    write_text(run_dir / FLAGS, flags)
    write_json(run_dir / METRICS, summary)
    print(
        f"{len(seeds)} seeds: accuracy {100 * summary['mean']:.1f} % "
        f"+- {100 * summary['deviation']:.1f}, best {100 * summary['best']:.1f} % (seed {best})"
    )
    return summary


def next_steps(run_dir: str | os.PathLike, config: RunConfig) -> str:
    """What to type when a run is finished."""
    one = run_dir
    if config.training.num_seeds > 1:  # evaluations are of one of them
        one = Path(run_dir) / f"seed_{config.training.seed}"
    lines = [
        "next:",
        f"  tensorboard --logdir={run_dir}",
        f"  python -m lnmn_tf.main --mode=evaluate --run_dir={one}",
    ]
    if not config.data.features:  # a model of features answers about no picture
        lines.append(
            f"  python -m lnmn_tf.main --mode=answer --run_dir={one} "
            f'--image=PICTURE.png --question="How many cubes are there?"'
        )
    return "\n".join(lines)
