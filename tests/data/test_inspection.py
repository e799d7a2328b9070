"""What inspection says, held against the data it is of."""

import pytest

from lnmn_tf.data.clevr import read_questions
from lnmn_tf.data.inspection import describe
from lnmn_tf.data.vqa import read_vqa
from tests.data import vqa_folder

EXIST = [
    {"function": "scene", "inputs": []},
    {"function": "relate", "inputs": [0]},
    {"function": "exist", "inputs": [1]},
]


@pytest.fixture
def lines(clevr_folder, question):
    entries = [question(i, i // 2, answer=str(i % 2)) for i in range(14)]
    entries += [question(14 + i, i, answer="yes", program=EXIST) for i in range(2)]
    train = read_questions(clevr_folder(entries, pictures=9), "train")
    bare = [question(0, 0, "test", question="How many zorkmids?", answer=None, program=None)]
    test = read_questions(clevr_folder(bare, "test"), "test", train.vocabulary)
    return describe({"train": train, "test": test}, train.vocabulary).splitlines()


def test_sizes_lengths_answers_and_vocabulary_are_those_of_the_data(lines):
    assert lines[0] == "vocabulary: 6 words, 3 answers"
    assert lines[1] == "  answers: 0, 1, yes"
    assert lines[2].startswith("  words: ?, ")
    text = "\n".join(lines)
    assert "train: 16 questions about 7 images of 9 in the folder (" in text
    assert "  words in a question: 6 to 6, 6.0 on average" in text
    assert (
        "  steps from object to object (relate, same_*): 14 questions with 0, 2 questions with 1"
        in text
    )
    assert "  count: 14 questions, 2 answers: 0 50.0 %, 1 50.0 %" in text
    assert "  exist: 2 questions, 1 answers: yes 100.0 %" in text
    assert "  modules in an expert layout: 3 to 3, 3.0 on average; 14 questions without" in text


def test_ten_samples_of_each_split_are_shown_with_their_answers(lines):
    place = next(i for i, line in enumerate(lines) if line.startswith("test: "))
    samples = [line for line in lines[:place] if line.startswith("    CLEVR_train_")]
    assert len(samples) == 10
    assert all(line.split("? ")[1] in ("0", "1", "yes") for line in samples)
    assert lines[place + 2] == "  <unk>: 1 of 4 words"
    assert lines[place + 3 :] == [
        "  answers: none",
        "  1 of the questions, drawn at random:",
        "    CLEVR_test_000000.png: How many zorkmids?",
    ]


def test_answers_are_listed_by_size_and_then_by_the_alphabet(clevr_folder, question):
    answers = ["yes", "10", "blue", "2", "0"]
    entries = [question(i, i, answer=answer) for i, answer in enumerate(answers)]
    questions = read_questions(clevr_folder(entries), "train")
    lines = describe({"train": questions}, questions.vocabulary).splitlines()
    assert lines[1] == "  answers: 0, 2, 10, blue, yes"


def test_vqa_shows_question_types_and_what_annotators_said(tmp_path):
    vqa_folder.write(tmp_path)
    questions = read_vqa(tmp_path, "train2014", num_answers=4)
    text = describe({"train2014": questions}, questions.vocabulary)
    assert "train2014: 5 questions about 3 images of 4 in the folder" in text
    assert "question types: 5;" in text
    assert "no annotator gave an answer of the vocabulary: 1 questions" in text
    assert "number: 1 questions, 1 answers: 2 100.0 %" in text
    assert "How many dogs are there? 2 (6), two (2), 3 (2)" in text
