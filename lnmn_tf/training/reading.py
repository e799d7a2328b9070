"""The questions of a split, and of training, as a config says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lnmn_tf.config import RunConfig
from lnmn_tf.config.parts import parse_mix
from lnmn_tf.data.clevr import read_questions
from lnmn_tf.data.question_set import NO_ANSWER, QuestionSet
from lnmn_tf.data.sampling import limit_images, mix
from lnmn_tf.data.transfer import extended
from lnmn_tf.data.vocabulary import Vocabulary
from lnmn_tf.data.vqa import read_vqa
from lnmn_tf.errors import InputError

VOCABULARY = "vocabulary.json"  # in the run folder


def read_split(
    config: RunConfig,
    split: str,
    vocabulary: Vocabulary | None = None,
    max_questions: int = 0,
    require_images: bool = True,
) -> QuestionSet:
    """The questions of one split.

    Args:
        config: `data`.
        split: its name.
        vocabulary: of the training split; None builds it.
        max_questions: only the first ones; 0 = all.
        require_images: whether pictures must exist, where no features are read.

    Raises:
        InputError: see `read_questions` and `read_vqa`.
    """
    data = config.data
    shared: dict[str, Any] = {
        "vocabulary": vocabulary,
        "max_questions": max_questions or None,
        "require_images": require_images and not data.features,
        "min_word_count": data.min_word_count,
    }
    if data.is_vqa:
        version = int(data.data_format[-1])
        return read_vqa(
            data.data_dir, split, version=version, num_answers=data.max_answers, **shared
        )
    file = data.questions_file.replace("{split}", split) or None
    return read_questions(data.data_dir, split, questions_file=file, **shared)


def read_training(config: RunConfig) -> QuestionSet:
    """The training questions: limited, mixed, and in the words of the run that training begins with.

    Questions whose answers the vocabulary lacks (VQA) are left out.
    """
    data, seed = config.data, config.training.seed
    questions = read_split(config, data.train_split, None, data.max_train_questions)
    if config.training.init_from:
        old = Vocabulary.load(Path(config.training.init_from) / VOCABULARY)
        vocabulary = extended(old, questions.vocabulary)
        if questions.annotations is None:
            questions = questions.with_vocabulary(vocabulary)
        else:
            questions = read_split(config, data.train_split, vocabulary, data.max_train_questions)
    if data.max_hops >= 0:
        questions = questions.select(questions.hop_counts <= data.max_hops)
    if data.limit_images:
        questions = limit_images(questions, data.limit_images, seed)
    if data.mix:
        questions = _mixed(config, questions)
    return answerable(questions)


def answerable(questions: QuestionSet) -> QuestionSet:
    """Those questions of which the vocabulary has an answer: all but some of VQA's."""
    if questions.answers is None or (known := questions.answers != NO_ANSWER).all():
        return questions
    return questions.select(known)


def _mixed(config: RunConfig, questions: QuestionSet) -> QuestionSet:
    data = config.data
    name, share = parse_mix(data.mix)
    folder = next((f for f in (Path(name), Path(data.data_dir).parent / name) if f.is_dir()), None)
    if folder is None:
        raise InputError(
            f"--mix is {data.mix!r}; expected a folder {name} here, or beside --data_dir={data.data_dir}"
        )
    other = read_questions(folder, data.train_split, require_images=False)
    together = extended(questions.vocabulary, other.vocabulary)
    ours, theirs = (part.with_vocabulary(together) for part in (questions, other))
    return mix(ours, theirs, share, config.training.seed)
