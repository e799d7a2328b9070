"""The modes of the command line, as a table.

A mode is added by one entry of `MODES`: its name, what it does, its function as "module:function", and
the commands and fields of the config that it knows. A flag that no config has is added to `COMMANDS`
(`config/command.py`). The function receives (command, choices): `command.NAME` is the value of each flag
of `COMMANDS`, and `choices` holds those config fields that were given and that the mode knows.
Its module is imported when the mode runs, so it may import TensorFlow at its head.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lnmn_tf.config.flags import did_you_mean, flag_of, flags_of, settable
from lnmn_tf.config.run import section_fields
from lnmn_tf.errors import InputError


def fields(*sections: str, without: Iterable[str] = ()) -> tuple[str, ...]:
    """Names of those fields of some sections of the config that a command line sets."""
    return tuple(
        field.name
        for section in sections
        for field in section_fields(section)
        if field.metadata["help"] and field.name not in without
    )


# What changes the answers of a trained model, and has no place in a training run.
INFERENCE_ONLY = ("hard_operators", "zeroed_operators", "module_threshold")
# What may differ from the run's own config when a trained model answers.
AT_INFERENCE = (*INFERENCE_ONLY, "xla", "mixed_precision", "gpu_memory_growth")
# The same, where the model answers all questions of a split.
AT_EVALUATION = (
    *AT_INFERENCE,
    *("data_dir", "features", "questions_file", "max_val_questions", "vqa_rules"),
    *("batch_size", "shards", "cache_mb", "window_mb"),
)
# How a model is exported, and the network that --with_backbone puts in front of it.
EXPORT = (
    *fields("export", without=("export", "port", "allowed_host")),
    *fields("features", without=("features_dtype",)),
)
# What says which data, and how to read them.
DATA = (
    *("split", "data_dir", "data_format", "questions_file", "features"),
    *("train_split", "val_split", "max_answers", "min_word_count"),
)


@dataclass(frozen=True)
class Mode:
    """One value of --mode.

    Args:
        name: as it is typed.
        text: what it does, one sentence.
        function: "module:function".
        names: of all commands and fields that it knows.
        shown: the flags that --help shows; --helpfull and --mode=NAME --help show all.
    """

    name: str
    text: str
    function: str
    names: tuple[str, ...]
    shown: tuple[str, ...] = ()

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags that set what it knows."""
        return flags_of(self.names)

    def load(self) -> Callable:
        """The function, imported now."""
        module, name = self.function.split(":")
        return getattr(importlib.import_module(module), name)

    def check(self, given: Iterable[str]) -> None:
        """Refuses commands and fields that this mode does not know.

        Raises:
            InputError: names the flag of the first one, the nearest of this mode, and whose it is.
        """
        for name in given:
            if name not in self.names:
                raise InputError(
                    f"{_spell(name)} is no flag of --mode={self.name}{_owners(name)}"
                    f"{self._advice(name)}"
                )

    def _advice(self, name: str) -> str:
        """What is called alike, and differs in what stands before it: --seed, and world_seed."""
        alike = [other for other in self.names if other.endswith(f"_{name}")]
        return did_you_mean(alike[0], self.flags, self.names) if alike else ""


MODES = {
    mode.name: mode
    for mode in (
        Mode(
            "train",
            "Trains a model, or goes on where a run was stopped.",
            "lnmn_tf.modes:train",
            (
                *("run_dir", "preset"),
                *fields("model", without=INFERENCE_ONLY),
                *fields("data", "training", "machine", "world"),
                "export",
                *EXPORT,
            ),
            ("run_dir", "data_dir", "features", "image_size", "model", "epochs")
            + ("batch_size", "learning_rate", "seed", "num_seeds", "set"),
        ),
        Mode(
            "evaluate",
            "Measures a trained model on a split.",
            "lnmn_tf.modes:evaluate",
            ("run_dir", "split", "checkpoint", *AT_EVALUATION),
            ("split", "hard_operators"),
        ),
        Mode(
            "answer",
            "Answers a question about a picture.",
            "lnmn_tf.modes:answer",
            ("run_dir", "checkpoint", "image", "question", *AT_INFERENCE),
            ("image", "question"),
        ),
        Mode(
            "explain",
            "Shows how a trained model comes to its answers: a page, and a picture of each.",
            "lnmn_tf.modes:explain",
            (
                *("run_dir", "checkpoint", "image", "question", "split", "indices", "wrong"),
                *AT_EVALUATION,
            ),
            ("indices", "wrong"),
        ),
        Mode(
            "export",
            "Writes the next version of a SavedModel for TensorFlow Serving.",
            "lnmn_tf.modes:export",
            ("run_dir", "checkpoint", *AT_INFERENCE, *EXPORT),
            ("export_dir",),
        ),
        Mode(
            "serve",
            "Serves the newest exported version on this machine, with a page to ask it on.",
            "lnmn_tf.modes:serve",
            ("run_dir", "export_dir", "port", "allowed_host"),
            ("port",),
        ),
        Mode(
            "generate",
            "Makes the embedded world.",
            "lnmn_tf.modes:generate",
            ("data_dir", *fields("world", without=("generate",))),
            ("train_images", "val_images"),
        ),
        Mode(
            "inspect",
            "Says what a data set holds: sizes, answers, vocabulary, samples.",
            "lnmn_tf.training.data_report:inspect",
            DATA,
        ),
        Mode(
            "verify",
            "Lists everything that is wrong with a data set, and fails if anything is.",
            "lnmn_tf.training.data_report:verify",
            DATA,
        ),
        Mode(
            "analyze",
            "Looks inside of a trained model: structure, formulas, attribution, layouts and more.",
            "lnmn_tf.modes:analyze",
            (
                *("run_dir", "what", "split", "checkpoint"),
                *AT_EVALUATION,
            ),
            ("what", "split"),
        ),
        Mode(
            "extract_features",
            "Writes the features that a network trained on ImageNet makes of pictures, to HDF5.",
            "lnmn_tf.features.command:extract_features",
            (
                *("split", "data_dir", "features", "train_split", "val_split"),
                *("image_height", "image_width", *fields("features")),
            ),
            ("backbone",),
        ),
        Mode(
            "pack",
            "Writes a finished run as a small folder, for answers alone: weights in half precision.",
            "lnmn_tf.modes:pack",
            ("run_dir", "output_dir"),
            ("output_dir",),
        ),
        Mode(
            "report",
            "Puts the results of run folders into the paper's tables, and onto a page.",
            "lnmn_tf.modes:report",
            ("runs", "output_dir"),
            ("runs",),
        ),
        Mode(
            "benchmark",
            "Measures speed and memory.",
            "lnmn_tf.modes:benchmark",
            (
                *("run_dir", "checkpoint", "preset", "what"),
                *fields("model", "data", "training", "machine", "benchmark"),
            ),
            ("preset",),
        ),
    )
}


def _spell(name: str) -> str:
    """A command or a field as a command line has it."""
    flag = flag_of(name) if name in settable() else name
    return f"--set={name}" if flag == "set" else f"--{flag}"


def _owners(name: str) -> str:
    owners = [mode.name for mode in MODES.values() if name in mode.names]
    return f" (it is one of {', '.join(owners)})" if owners else ""
