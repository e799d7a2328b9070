"""What the embedded world consists of."""

from __future__ import annotations

from dataclasses import dataclass

from lnmn_tf.config.option import option, validate
from lnmn_tf.errors import InputError


@dataclass(frozen=True)
class WorldConfig:
    """What `--mode=generate` writes, and `--generate` before a training run.

    The generator takes it as it is; the world depends on all of it but `generate` and `workers`.
    """

    generate: bool = option(
        False, "Before training, make the embedded world in --data_dir where it is missing."
    )
    train_images: int = option(2000, "Pictures of the training split.", minimum=0)
    val_images: int = option(200, "Pictures of the validation split.", minimum=0)
    test_images: int = option(
        0,
        "Pictures of the test split; nothing here reads one of the embedded world.",
        minimum=0,
        flag=False,
    )
    questions_per_image: int = option(10, "Questions about each picture.", minimum=1, maximum=1000)
    picture_width: int = option(
        480, "Columns of a picture, in pixels.", minimum=1, maximum=4096, flag="picture_size"
    )
    picture_height: int = option(
        320, "Rows of a picture, in pixels.", minimum=1, maximum=4096, flag="picture_size"
    )
    min_objects: int = option(3, "Fewest objects of a scene; CLEVR's.", minimum=1, flag=False)
    max_objects: int = option(10, "Most objects of a scene; CLEVR's.", maximum=10, flag=False)
    question_types: tuple[str, ...] = option(
        (), "Templates of questions, empty = all; zero_hop:4 asks a template four times as often."
    )
    world_seed: int = option(
        0,
        "Seed of scenes and questions; one for all, so that runs of several seeds see the same world.",
        minimum=0,
        flag=False,
    )
    workers: int = option(
        0,
        "Processes that make the world; 0 = one for each core, which is fastest.",
        minimum=0,
        may_change=True,
        flag=False,
    )

    def __post_init__(self):
        validate(self)
        if self.min_objects > self.max_objects:
            raise InputError(
                f"min_objects is {self.min_objects}; expected at most "
                f"max_objects={self.max_objects}"
            )
