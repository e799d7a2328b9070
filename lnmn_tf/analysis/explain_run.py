"""`--mode=explain`: questions of a run as a page, and as a picture each."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lnmn_tf.analysis.chosen_questions import Request, explain_request
from lnmn_tf.analysis.explain_page import write_page
from lnmn_tf.analysis.explain_picture import write_picture
from lnmn_tf.models.machine import StackMachine
from lnmn_tf.training.trained import TrainedRun

# Flags of `explain`, which are not fields of the config.
OPTIONS = ("image", "question", "split", "indices", "wrong")
FOLDER = "explained"  # in the run folder
MODELS = {"relational": "relational LNMN", "paper": "LNMN", "released": "LNMN, as released"}


def explain_run(
    run_dir: str | os.PathLike,
    checkpoint: str,
    changes: Mapping[str, Any],
    asked: Mapping[str, Any],
) -> list[Path]:
    """Writes `explained/<name>.html`, and a PNG of each answer, to the run folder.

    Args:
        run_dir, checkpoint, changes: see `TrainedRun.open`.
        asked: the flags that `Request.of_texts` takes.

    Returns:
        The paths, the page first.

    Raises:
        InputError: see `Request.of_texts` and `explain_request`; they come before the run is opened
            where they can.
    """
    request = Request.of_texts(**asked)
    run = TrainedRun.open(run_dir, checkpoint, changes)
    data = run.config.data
    request = dataclasses.replace(request, split=request.split or data.val_split)
    pairs = explain_request(run, request, formulas_of(run.network))
    folder = run.run_dir / FOLDER
    page = folder / f"{request.name}.html"
    kind = MODELS.get(run.config.model.model, "Stack-NMN")
    chosen = request.image or f"split {request.split}"
    about = f"{kind} · {run.run_dir} · {checkpoint} checkpoint · {chosen}"
    several = sum(map(len, pairs)) > 1
    write_page(page, pairs, "Answers, explained" if several else "One answer, explained", about)
    print(f"wrote {page}")
    paths = [page]
    every = [explanation for pair in pairs for explanation in pair]
    for explanation in tqdm(every, "pictures", disable=not (several and sys.stderr.isatty())):
        index = explanation.asked.index
        name = f"{request.split}_{index}" if index >= 0 else request.name
        paths.append(folder / f"{name}.png")
        write_picture(paths[-1], explanation)
    print(f"wrote {', '.join(path.name for path in paths[1:4])}{' ...' if paths[4:] else ''}")
    if not several:
        print("\n".join([f"answer: {every[0].answer}", *every[0].program()]))
    return paths


def formulas_of(network: StackMachine) -> dict[str, str]:
    """What each module computes, by its name; of a model without nodes, nothing."""
    try:
        from lnmn_tf.analysis.formulas import describe
        from lnmn_tf.analysis.probe import Probe
    except ImportError:
        return {}
    probe = Probe(network)
    cells = describe(probe.cells)["cells"].values() if probe.has_nodes else ()
    # Of "as composed = as simplified", the last.
    return {m: cell["formula"].rpartition(" = ")[2] for cell in cells for m in cell["modules"]}
