"""What a run is computed on."""

from __future__ import annotations

from dataclasses import dataclass

from lnmn_tf.config.option import option, validate


@dataclass(frozen=True)
class MachineConfig:
    """Devices, and the precision they compute in."""

    strategy: str = option(
        "one",
        "Train on one device; on all devices of this machine, each with a part of every batch "
        "(mirrored); or on those of several machines, which TF_CONFIG names (multi_worker).",
        choices=("one", "mirrored", "multi_worker"),
        may_change=True,
    )
    mixed_precision: str = option(
        "",
        "Compute in bfloat16 or float16, and keep the weights in float32; empty = all in float32.",
        choices=("", "bfloat16", "float16"),
        may_change=True,
    )
    gpu_memory_growth: bool = option(
        False,
        "Take a GPU's memory as it is needed, not all at once; for a GPU that others share.",
        may_change=True,
        flag=False,
    )

    def __post_init__(self):
        validate(self)
