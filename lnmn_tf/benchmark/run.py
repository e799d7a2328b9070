"""`--mode=benchmark`: measures, prints a table, and keeps everything as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lnmn_tf.benchmark.contest import DIFFERENCE, Contest
from lnmn_tf.benchmark.growth import format_growth, measure_growth, plan_growth
from lnmn_tf.benchmark.machine import measure_machine
from lnmn_tf.benchmark.presets import PRESETS
from lnmn_tf.config.benchmark import BenchmarkConfig
from lnmn_tf.errors import InputError
from lnmn_tf.exporting import exporting
from lnmn_tf.files import write_json

DEFAULTS = BenchmarkConfig()
WHATS = ("train", "infer", "hard", "threshold", "input", "growth", "serving")


def benchmark(
    choices: Mapping[str, Any],
    run_dir: str = "runs/benchmark",
    preset: str = "quickstart",
    what: str = "",
    checkpoint: str = "best",
    options: BenchmarkConfig = DEFAULTS,
) -> dict:
    """Measures, prints, and writes `benchmark.json`.

    Args:
        choices: fields that differ from the preset's, by name.
        run_dir: folder for the results.
        preset: of `PRESETS`.
        what: some of `WHATS`, with commas between them; empty = the first three.
        checkpoint: of the run that `threshold` measures, best or last.
        options: how it is measured.

    Raises:
        InputError: no such preset or measurement, or a contestant that cannot run.
    """
    run_dir, what = Path(run_dir), (what or "train,infer,hard").split(",")
    if preset not in PRESETS:
        raise InputError(f"--preset is {preset!r}; expected one of: {', '.join(PRESETS)}")
    unknown = [name for name in what if name not in WHATS]
    if unknown:
        raise InputError(f"--what is {','.join(what)!r}; expected some of: {', '.join(WHATS)}")
    contests = {
        name: Contest(PRESETS[preset], name, choices, options.peer, options.peer_python)
        for name in what
        if name in ("train", "infer", "hard")
    }
    growth = plan_growth(PRESETS[preset], choices) if "growth" in what else {}
    machine = measure_machine()
    result = {"machine": machine, "preset": preset, "choices": dict(choices)}
    for name in what:
        if name == "input":
            from lnmn_tf.benchmark.input import measure_input

            result[name] = measure_input(
                run_dir, PRESETS[preset].map_shape, gigabytes=float(options.gigabytes)
            )
        elif name == "threshold":
            from lnmn_tf.benchmark.threshold import measure_threshold

            xla = choices.get("xla", "auto")
            result[name] = measure_threshold(options.trained_dir, checkpoint, xla)
        elif name == "growth":
            result[name] = measure_growth(run_dir, growth, options.rounds)
        elif name == "serving":
            result[name] = exporting("benchmark.serving").measure_serving(PRESETS[preset], choices)
        else:
            result[name] = contests[name].hold(options.rounds, machine)
    write_json(run_dir / "benchmark.json", result)
    print(format_results(result))
    print(f"wrote {run_dir / 'benchmark.json'}")
    return result


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
                    + (f"  difference {row[DIFFERENCE]:.1e}" if DIFFERENCE in row else "")
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
    if "threshold" in result:
        from lnmn_tf.benchmark.threshold import format_threshold

        lines.append(format_threshold(result["threshold"]))
    if "growth" in result:
        lines.append(format_growth(result["growth"]))
    if "serving" in result:
        lines.append(exporting("benchmark.serving").format_serving(result["serving"]))
    return "\n".join(lines)
