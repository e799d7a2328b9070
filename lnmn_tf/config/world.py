"""How large the embedded world is."""

from __future__ import annotations

from dataclasses import dataclass

from lnmn_tf.config.option import option, validate
from lnmn_tf.errors import InputError


@dataclass(frozen=True)
class WorldConfig:
    """What `--mode=generate` writes, and `--generate` before a training run."""

    generate: bool = option(
        False, "Before training, make the embedded world in --data_dir where it is missing."
    )
    train_images: int = option(2000, "Pictures of the training split.", minimum=0)
    val_images: int = option(200, "Pictures of the validation split.", minimum=0)
    test_images: int = option(0, "Pictures of the test split.", minimum=0)
    questions_per_image: int = option(10, "Questions about each picture.", minimum=1, maximum=1000)
    picture_width: int = option(480, "Columns of a picture, in pixels.", minimum=1, maximum=4096)
    picture_height: int = option(320, "Rows of a picture, in pixels.", minimum=1, maximum=4096)
    min_objects: int = option(3, "Fewest objects of a scene.", minimum=1)
    max_objects: int = option(10, "Most objects of a scene.", maximum=10)
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
                f"--min_objects is {self.min_objects}; expected at most "
                f"--max_objects={self.max_objects}"
            )

    def for_generator(self) -> dict:
        """The arguments of the generator's own config, which has shorter names."""
        types = {"question_types": self.question_types} if self.question_types else {}
        return types | {
            "num_train": self.train_images,
            "num_val": self.val_images,
            "num_test": self.test_images,
            "questions_per_image": self.questions_per_image,
            "width": self.picture_width,
            "height": self.picture_height,
            "min_objects": self.min_objects,
            "max_objects": self.max_objects,
            "seed": self.world_seed,
            "workers": self.workers,
        }
