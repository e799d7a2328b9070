"""Encoders of the question (section 2.1) and of the image."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from tensorflow import keras

from lnmn_tf.layers.controller import Question


class QuestionEncoder(keras.layers.Layer):
    """Embedding and bi-directional LSTM; q is the concatenation of the two final states.

    Args:
        num_words: size of the vocabulary, padding (id 0) included.
        embed_dim: width of a word embedding.
        text_dim: d, twice the width of one LSTM direction.
        attend_padding: let the word attention look at padding up to the longest question of the
            batch, as the authors' code does (`ReleasedLNMN`).
    """

    def __init__(
        self,
        num_words: int,
        embed_dim: int,
        text_dim: int,
        attend_padding: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.attend_padding = attend_padding
        self.embedding = keras.layers.Embedding(
            num_words, embed_dim, keras.initializers.RandomNormal(stddev=1.0), name="embedding"
        )
        # keras.layers.LSTM would be recompiled by XLA at every step; RNN(LSTMCell) compiles once.
        self.lstm = keras.layers.Bidirectional(
            keras.layers.RNN(
                keras.layers.LSTMCell(text_dim // 2), return_sequences=True, return_state=True
            ),
            name="lstm",
        )

    def call(self, question: tf.Tensor) -> Question:
        """Encodes word ids, int32 [batch, words], 0 = padding at the end.

        Padding is the run of zeros that ends a question. A 0 before that is a word: Stack-NMN's
        vocabulary has ";" there, and all its questions end in "?".
        """
        words_left = tf.cumsum(tf.cast(tf.not_equal(question, 0), tf.int32), axis=1, reverse=True)
        is_word = words_left > 0
        embeddings = self.embedding(question)
        words, forward, _, backward, _ = self.lstm(embeddings, mask=is_word)
        mask = tf.cast(is_word, words.dtype)
        return Question(
            words=words * mask[:, :, tf.newaxis],
            embeddings=embeddings,
            encoding=tf.concat([forward, backward], axis=-1),
            mask=mask + (tf.reduce_max(mask, axis=0) - mask if self.attend_padding else 0.0),
        )


def positional_encoding(height: int, width: int, channels: int = 128) -> np.ndarray:
    """Where each position of the map is, float32 [height, width, channels] (as in Stack-NMN).

    A quarter of the channels each for sin(row / c), cos(row / c), sin(column / c), cos(column / c),
    with c going from 1 to 10,000 in equal ratios.
    """
    if channels % 4:
        raise ValueError(f"positional channels must be a multiple of 4, not {channels}")
    period = 10000.0 ** np.linspace(0.0, 1.0, channels // 4)
    rows = np.arange(height)[:, None, None] / period
    columns = np.arange(width)[None, :, None] / period
    parts = [np.sin(rows), np.cos(rows), np.sin(columns), np.cos(columns)]
    shape = [height, width, channels // 4]
    return np.concatenate([np.broadcast_to(part, shape) for part in parts], -1).astype(np.float32)


def coordinates(height: int, width: int) -> np.ndarray:
    """Row and column in [-1, 1] and a constant 1, float32 [height, width, 3]."""
    rows, columns = np.meshgrid(
        np.linspace(-1.0, 1.0, height), np.linspace(-1.0, 1.0, width), indexing="ij"
    )
    return np.stack([rows, columns, np.ones_like(rows)], axis=-1).astype(np.float32)


class KnowledgeBase(keras.layers.Layer):
    """conv1x1 -> ELU -> conv1x1 over [image features ; position], once per image.

    Args:
        kb_dim: output channels.
        position: "sinusoids", "coordinates" (3 channels), or "none" where features say where they are.
        position_channels: of the sinusoids.
    """

    def __init__(
        self, kb_dim: int, position: str = "sinusoids", position_channels: int = 128, **kwargs
    ):
        super().__init__(**kwargs)
        self.kb_dim, self.position, self.position_channels = kb_dim, position, position_channels
        self.hidden = keras.layers.Dense(kb_dim, activation="elu", name="hidden")
        self.output_layer = keras.layers.Dense(kb_dim, name="output")

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """Encodes features [batch, height, width, channels] as [batch, height * width, kb_dim]."""
        _, height, width, channels = features.shape
        position = tf.constant(self.position_of(height, width), features.dtype)
        position = tf.broadcast_to(position, [tf.shape(features)[0], *position.shape])
        features = tf.reshape(features, [-1, height * width, channels])
        return self.output_layer(self.hidden(tf.concat([features, position], axis=-1)))

    def position_of(self, height: int, width: int) -> np.ndarray:
        """What tells positions apart, float32 [height * width, channels]."""
        if self.position == "sinusoids":
            position = positional_encoding(height, width, self.position_channels)
        elif self.position == "coordinates":
            position = coordinates(height, width)
        else:
            position = np.zeros([height, width, 0], np.float32)
        return position.reshape(height * width, -1)


def once(present: tf.Tensor, where: tf.Tensor, radius: float = 0.2) -> tf.Tensor:
    """Each object at one place of the map: non-maximum suppression that loses no probability.

    An object between two places is seen half in each of them, or twice, or not at all. But both say that
    it stands at the same spot, closer than two objects can; the likelier place gets the sum.

    Args:
        present: probability that an object is there, [batch, H, W, 1].
        where: where it stands, [batch, H, W, 2].
        radius: two neighbouring places within it mean the same object.

    Returns:
        Probabilities like `present`.
    """
    height, width = present.shape[1:3]
    around = [[0, 0], [1, 1], [1, 1], [0, 0]]
    padded, padded_where = tf.pad(present, around), tf.pad(where, around)
    total, best = present, tf.ones_like(present, tf.bool)
    for row, column in np.ndindex(3, 3):
        if (row, column) == (1, 1):
            continue
        window = (slice(None), slice(row, row + height), slice(column, column + width))
        other = padded[window]
        distance = tf.norm(padded_where[window] - where, axis=-1, keepdims=True)
        shared = tf.where(distance < radius, other, 0.0)
        total += shared
        earlier = (row, column) < (1, 1)
        best &= (shared < present) | ((shared == present) & (not earlier))
    return tf.where(best, tf.minimum(total, 1.0), 0.0)


class ImageEncoder(keras.layers.Layer):
    """A small convolutional network on pixels: 3x3 convolutions, 5x5 where the stride is 3.

    Args:
        filters: output channels of each convolution.
        strides: of each convolution; their product is how many pixels a place of the map stands for.
        groups: sizes of groups of exclusive attributes, such as 8 colours. Where given, the features
            are what the encoder says of each place: the probability that an object is there, times
            that, of each attribute, and where the object stands (2 channels). Where empty, they are
            the last convolution.

    Call arguments:
        image: [batch, height, width, 3] in [0, 1].
        training: normalise by the batch and learn its statistics; else by those learned.

    Returns:
        [batch, H, W, channels].
    """

    def __init__(
        self,
        filters: tuple[int, ...],
        strides: tuple[int, ...],
        groups: tuple[int, ...] = (),
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.groups = groups
        self.convolutions = [
            keras.layers.Conv2D(
                channels,
                max(3, 2 * stride - 1),  # windows overlap
                stride,
                padding="same",
                use_bias=False,
                kernel_initializer="he_normal",
            )
            for channels, stride in zip(filters, strides)
        ]
        self.norms = [keras.layers.BatchNormalization(momentum=0.9) for _ in filters]
        self.head = keras.layers.Dense(1 + sum(groups) + 2, name="head") if groups else None

    def call(self, image: tf.Tensor, training: bool = False) -> tf.Tensor:
        """See the class."""
        if not self.groups:
            return self.convolve(image, training)
        present, *attributes, where = tf.split(
            self.say(image, training), [1, *self.groups, 2], axis=-1
        )
        present = once(tf.sigmoid(present), where)
        shares = [present * tf.nn.softmax(attribute, axis=-1) for attribute in attributes]
        return tf.concat([present, *shares, tf.clip_by_value(where, -2.0, 2.0)], axis=-1)

    def say(self, image: tf.Tensor, training: bool = False) -> tf.Tensor:
        """What it says of each place of the map: [batch, H, W, 1 + sum(groups) + 2].

        Log-odds of an object; the logits of each group; where the object stands on the ground, to the
        right and to the front as the camera sees it, from -2 to 2.
        """
        return self.head(self.convolve(image, training))

    def convolve(self, image: tf.Tensor, training: bool = False) -> tf.Tensor:
        """The last convolution, which knows where on the map it is: [batch, H, W, filters]."""
        x = image - 0.5
        for convolution, norm in zip(self.convolutions, self.norms):
            if convolution is self.convolutions[-1]:
                x = self._with_coordinates(x)
            x = tf.nn.relu(norm(convolution(x), training=training))
        return x

    def _with_coordinates(self, x: tf.Tensor) -> tf.Tensor:
        """Three more channels: row, column and a constant, which says where the map ends."""
        _, height, width, _ = x.shape
        places = tf.constant(coordinates(height, width), x.dtype)
        return tf.concat([x, tf.broadcast_to(places, [tf.shape(x)[0], height, width, 3])], axis=-1)
