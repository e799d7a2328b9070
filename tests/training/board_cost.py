"""What TensorBoard's files cost a run, in processor seconds.

    python -m tests.training.board_cost --run_dir=runs/quickstart

opens a finished run, and writes what its training wrote: a look after each epoch, and a point every 50
steps. The share is of the seconds of its training, as `metrics.json` has them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from lnmn_tf.analysis.formulas import for_board
from lnmn_tf.files import read_json
from lnmn_tf.training.callbacks import Clock
from lnmn_tf.training.checkpoints import Progress
from lnmn_tf.training.evaluation import accuracy_table
from lnmn_tf.training.examples import open_split
from lnmn_tf.training.fitting import make_trainer
from lnmn_tf.training.tensorboard import TAGS, Board
from lnmn_tf.training.trained import TrainedRun
from lnmn_tf.training.watched import watch


def measure(run_dir: str) -> tuple[float, float]:
    """(processor seconds of all looks, of all points) of such a run."""
    run = TrainedRun.open(run_dir)
    config, steps = run.config, read_json(Path(run_dir) / "metrics.json")["steps"]
    examples = open_split(config, config.data.val_split, run.vocabulary, 200)
    pictures = Path(config.data.data_dir) / "images" / config.data.val_split
    if config.training.pretrains_encoder:
        examples = examples.encoded(run.network.image_encoder)
    watched = watch(examples, [pictures], config.training.batch_size)
    table = accuracy_table(np.zeros(len(examples.questions), int), examples.questions)
    trainer = make_trainer(run.network, config, steps)
    clock = Clock(Progress(), steps, epochs=1)
    logs = dict.fromkeys((*TAGS, "cross_entropy", "structure_cross_entropy"), 1.0)
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        board = Board(Path(folder), clock, config, "", {}, watched, for_board)
        board.set_model(trainer)
        for _ in range(config.training.epochs):
            board.look(table)
        looked = time.process_time()
        board.on_epoch_begin(0)
        for step in range(steps):
            board.on_train_batch_end(step, logs)
        return looked - began, time.process_time() - looked


def main() -> None:
    """Prints both, and their share."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run_dir", required=True)
    run_dir = parser.parse_args().run_dir
    looks, points = measure(run_dir)
    seconds = read_json(Path(run_dir) / "metrics.json")["seconds"]
    print(
        f"looks after epochs {looks:.1f} s, points {points:.1f} s of processor time: "
        f"{100 * (looks + points) / seconds:.1f} % of the training's {seconds:.0f} s"
    )


if __name__ == "__main__":
    main()
