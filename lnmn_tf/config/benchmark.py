"""How the benchmark measures."""

from __future__ import annotations

from dataclasses import dataclass

from lnmn_tf.config.option import option, validate


@dataclass(frozen=True)
class BenchmarkConfig:
    """Not part of a run: what `--mode=benchmark` has beside the sizes that it measures."""

    rounds: int = option(
        5,
        "Times that each measurement is repeated; 5 show how far they scatter.",
        minimum=1,
        flag=False,
    )
    trained_dir: str = option(
        "", "The run folder that --what=threshold measures; it has no default.", flag=False
    )
    gigabytes: int = option(
        1,
        "Size of each file of features that --what=input reads; speed and memory do not depend on it.",
        minimum=1,
        flag=False,
    )
    peer: str = option(
        "",
        "Checkout of the authors' program, LNMN or Stack-NMN, which takes turns with ours; empty = none, "
        "for it is not part of this project.",
        flag=False,
    )
    peer_python: str = option(
        "",
        "The interpreter of the peer; LNMN wants PyTorch, and empty = this one is enough for Stack-NMN.",
        flag=False,
    )

    def __post_init__(self):
        validate(self)
