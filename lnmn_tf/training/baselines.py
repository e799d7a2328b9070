"""What a model must beat: answers that look at no image."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from tensorflow import keras

from lnmn_tf.data.pipeline import unhindered
from lnmn_tf.data.question_set import QuestionSet
from lnmn_tf.training.evaluation import accuracy_table

EMBED_DIM, LSTM_DIM, BATCH_SIZE, EPOCHS = 32, 64, 256, 8
LENGTHS = [8, 12, 16, 20, 24, 28, 32]  # words; a batch has questions between two of them
MAX_QUESTIONS = 50_000  # more take minutes and gain nothing on questions that templates word


def baselines(train: QuestionSet, reported: QuestionSet, seed: int) -> dict[str, dict]:
    """Accuracy tables of both baselines, by name."""
    return {
        "most_frequent_answer": accuracy_table(most_frequent_answer(train, reported), reported),
        "question_only_lstm": accuracy_table(question_only_lstm(train, reported, seed), reported),
    }


def most_frequent_answer(train: QuestionSet, reported: QuestionSet) -> np.ndarray:
    """For each question, the most frequent training answer of its template; answer ids, int32 [N].

    A question of an unknown template, or of one that training never saw, gets its family's answer;
    one of such a family gets the most frequent of all answers.
    """
    answers = np.full(len(reported), np.bincount(train.answers).argmax(), np.int32)
    for fields in (["families"], ["families", "question_family_index"]):  # narrower kinds win
        both = [[getattr(part, field) for field in fields] for part in (train, reported)]
        _, kinds = np.unique(np.concatenate(both, axis=1), axis=1, return_inverse=True)
        asked, wanted = np.split(kinds.ravel(), [len(train)])
        counts = np.zeros((kinds.max() + 1, train.answers.max() + 1), np.int64)
        np.add.at(counts, (asked, train.answers), 1)
        answers = np.where(counts.any(axis=1)[wanted], counts.argmax(axis=1)[wanted], answers)
    return answers.astype(np.int32)


def question_only_lstm(train: QuestionSet, reported: QuestionSet, seed: int) -> np.ndarray:
    """Answers of an LSTM that reads the question and sees no image; answer ids, int32 [N]."""
    if len(train) > MAX_QUESTIONS:
        chosen = np.random.default_rng(seed).choice(len(train), MAX_QUESTIONS, replace=False)
        train = train.select(np.sort(chosen))
    keras.utils.set_random_seed(seed)
    vocabulary = train.vocabulary
    model = keras.Sequential(
        [
            keras.layers.Embedding(vocabulary.num_words, EMBED_DIM, mask_zero=True),
            keras.layers.LSTM(LSTM_DIM),
            keras.layers.Dense(vocabulary.num_answers),
        ]
    )
    model.compile(
        keras.optimizers.Adam(3e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(_of_like_length(train, seed), epochs=EPOCHS, verbose=0)
    asked = tf.data.Dataset.from_tensor_slices(reported.question_ids).batch(BATCH_SIZE)
    logits = model.predict(unhindered(asked), verbose=0)
    return tf.argmax(logits, axis=-1, output_type=tf.int32).numpy()


def _of_like_length(train: QuestionSet, seed: int) -> tf.data.Dataset:
    """Batches of questions about as long as each other, and their answers: less padding to read."""
    columns = (train.question_ids, train.answers, train.lengths)
    questions = tf.data.Dataset.from_tensor_slices(columns).shuffle(len(train), seed)
    questions = questions.map(lambda words, answer, length: (words[:length], answer))
    batches = questions.bucket_by_sequence_length(
        lambda words, _: tf.shape(words)[0], LENGTHS, [BATCH_SIZE] * (len(LENGTHS) + 1)
    )
    return unhindered(batches)
