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
    # Python alone: nothing here reads a test split of the embedded world.
    test_images: int = option(0, "Pictures of the test split.", minimum=0, flag=False)
    questions_per_image: int = option(10, "Questions about each picture.", minimum=1, maximum=1000)
    picture_width: int = option(480, "Columns of a picture, in pixels.", minimum=1, maximum=4096)
    picture_height: int = option(320, "Rows of a picture, in pixels.", minimum=1, maximum=4096)
    # Python alone: 3 to 10 objects are CLEVR's.
    min_objects: int = option(3, "Fewest objects of a scene.", minimum=1, flag=False)
    max_objects: int = option(10, "Most objects of a scene.", maximum=10, flag=False)
    question_types: tuple[str, ...] = option(
        (), "Templates of questions, empty = all; zero_hop:4 asks a template four times as often."
    )
    world_seed: int = option(0, "Of scenes and questions.", minimum=0)
    workers: int = option(
        0, "Processes that make the world; 0 = one for each core.", minimum=0, may_change=True
    )

    def __post_init__(self):
        validate(self)
        if self.min_objects > self.max_objects:
            raise InputError(
                f"min_objects is {self.min_objects}; expected at most "
                f"max_objects={self.max_objects}"
            )
