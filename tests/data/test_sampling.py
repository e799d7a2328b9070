import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnmn_tf.config.parts import parse_mix
from lnmn_tf.data.clevr import read_questions
from lnmn_tf.data.sampling import limit_images, mix, number_of_images
from lnmn_tf.data.vocabulary import Vocabulary
from lnmn_tf.errors import InputError


@pytest.fixture
def questions(clevr_folder, question):
    """Three questions about each of 13 images."""
    return read_questions(clevr_folder([question(i, i // 3) for i in range(39)]), "train")


@pytest.mark.parametrize(
    ("limit", "count"),
    [("", 13), ("100%", 13), ("50%", 6), ("1%", 1), ("0.5%", 1), ("13", 13), ("1", 1), ("7", 7)],
)
def test_a_limit_is_a_share_or_a_number_of_images(limit, count, questions):
    assert number_of_images(limit, 13) == count
    part = limit_images(questions, limit, seed=3)
    assert len(np.unique(part.image_index)) == count
    assert len(part) == 3 * count  # an image comes with all of its questions
    assert len(part.image_filenames) == count
    for kept, row in zip(part.question_index, part.image_rows[part.image_index]):
        assert row == questions.image_rows[questions.image_index[kept]]


@pytest.mark.parametrize("limit", ["0", "14", "-1", "ten", "0%", "101%", "%", "nan%", "1.5"])
def test_another_limit_is_refused(limit):
    with pytest.raises(InputError, match=f"--limit_images is '{limit}'; expected .* up to 13"):
        number_of_images(limit, 13)


@settings(deadline=None)
@given(st.integers(1, 13), st.integers(1, 13), st.integers(0, 5))
def test_more_images_hold_the_images_of_fewer(one, other, seed):
    images = np.arange(13)
    few, many = sorted((one, other))
    chosen = [set(np.random.default_rng(seed).permutation(images)[:count]) for count in (few, many)]
    assert chosen[0] <= chosen[1]


def test_images_are_a_function_of_the_seed(questions):
    parts = [limit_images(questions, "50%", seed).question_index.tolist() for seed in (0, 0, 1)]
    assert parts[0] == parts[1] != parts[2]
    small = limit_images(questions, "20%", 0).question_index
    assert np.isin(small, parts[0]).all()


@pytest.mark.parametrize(
    ("text", "parsed"),
    [("CLEVR_v1.0:0.5", ("CLEVR_v1.0", 0.5)), ("d:/data:.25", ("d:/data", 0.25))],
)
def test_a_mixture_names_folder_and_share(text, parsed):
    assert parse_mix(text) == parsed


@pytest.mark.parametrize("text", ["CLEVR", "CLEVR:", ":0.5", "CLEVR:0", "CLEVR:1", "CLEVR:half"])
def test_another_mixture_is_refused(text):
    with pytest.raises(InputError, match=f"--mix is '{text}'; expected a folder and a share"):
        parse_mix(text)


@pytest.fixture
def humans(clevr_folder, question, questions, tmp_path):
    """Six long questions without programs about images 1 to 6, in the words of `questions`."""
    import json

    entries = [
        question(i, 1 + i, question="How many cubes are there are there?", program=None)
        for i in range(6)
    ]
    path = tmp_path / "CLEVR-Humans-train.json"
    path.write_text(json.dumps({"questions": entries}))
    return read_questions(tmp_path, "train", questions.vocabulary, questions_file=path)


def test_a_mixture_has_all_of_the_first_and_the_share_of_the_other(humans, questions):
    mixed = mix(humans, questions, 0.75, seed=1)
    assert len(mixed) == 24
    assert mixed.texts[:6].tolist() == humans.texts.tolist()
    assert len(set(mixed.question_index[6:].tolist())) == 18
    names = [mixed.image_filenames[i] for i in mixed.image_index]
    assert names[:6] == [f"CLEVR_train_{1 + i:06d}.png" for i in range(6)]
    assert names[6:] == [f"CLEVR_train_{i // 3:06d}.png" for i in mixed.question_index[6:]]
    assert mixed.image_rows[mixed.image_index].tolist() == [int(name[12:18]) for name in names]
    words = [[humans.vocabulary.words[w] for w in ids if w] for ids in mixed.question_ids]
    assert [" ".join(w) for w in words[5:7]] == [
        "how many cubes are there are there ?",
        "how many cubes are there ?",
    ]
    assert mixed.program_lengths.tolist() == [0] * 6 + [3] * 18
    again = mix(humans, questions, 0.75, seed=1)
    assert again.question_index.tolist() == mixed.question_index.tolist()


def test_a_mixture_takes_all_of_the_other_where_it_does_not_suffice(humans, questions):
    assert len(mix(humans, questions, 0.99, seed=0)) == 6 + 39


def test_what_cannot_be_mixed_is_refused(humans, questions):
    import dataclasses

    other = dataclasses.replace(questions, vocabulary=Vocabulary(("<pad>", "<unk>"), ("2",)))
    with pytest.raises(InputError, match="has another vocabulary"):
        mix(humans, other, 0.5, seed=0)
    renamed = dataclasses.replace(
        questions, image_filenames=tuple(f"other_{i}.png" for i in range(13))
    )
    with pytest.raises(InputError, match=r"image 1 is 'other_1.png', but 'CLEVR_train_000001.png'"):
        mix(humans, renamed, 0.5, seed=0)
