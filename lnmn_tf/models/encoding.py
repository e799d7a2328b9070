"""What LNMN and Stack-NMN do before the first step: they see the image and read the question.

Paper, section 2.1. Nothing here depends on the steps, and so nothing is computed twice.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow import keras

from lnmn_tf.config import ModelConfig
from lnmn_tf.layers.controller import Controller, Question
from lnmn_tf.layers.encoders import ImageEncoder, KnowledgeBase, QuestionEncoder
from lnmn_tf.layers.places import Places, likeliest, pick, places_as_seen, places_on_map
from lnmn_tf.layers.tiles import CACHE


class Read(NamedTuple):
    """What steps need of the question and does not change from step to step."""

    question: Question
    plan: tf.Tensor  # of the controller, [batch, steps, columns]


class EncodingModel(keras.Model):
    """The encoders, and the controller, whose plan follows from the question alone.

    Args:
        config: every size and switch.
    """

    def __init__(self, config: ModelConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.image_encoder = None
        if config.image_height:
            self.image_encoder = ImageEncoder(
                config.encoder_filters,
                config.encoder_strides,
                config.encoder_groups,
                name="image_encoder",
            )
        self.question_encoder = QuestionEncoder(
            config.num_words,
            config.embed_dim,
            config.text_dim,
            config.attend_padding,
            name="question_encoder",
        )
        self.knowledge_base = KnowledgeBase(
            config.kb_dim,
            "none" if self.chooses_places else config.position,
            config.position_channels,
            name="knowledge_base",
        )
        self.controller = Controller(
            config.num_steps,
            len(self.module_names),
            config.module_mlp_dim,
            config.attend_embeddings,
            config.step_bias,
            self.layout_prior,
            config.controller_gain,
            config.reading_width,
            name="controller",
        )
        self.controller.build_for(config.text_dim, config.embed_dim)

    @property
    def chooses_places(self) -> bool:
        """Modules look only where an object is likely: the encoder says where that is."""
        return bool(self.config.encoder_groups and self.config.attended_places)

    @property
    def module_names(self) -> tuple[str, ...]:
        """A name for each module, in the order of `module_weights`."""
        raise NotImplementedError

    @property
    def layout_prior(self) -> np.ndarray | None:
        """First value of the layout bias, [num_steps, modules]; None = no such bias."""
        return None

    @property
    def map_projection(self) -> keras.layers.Dense | None:
        """A linear layer over the knowledge base that all modules share; None = none."""
        return None

    def prepare(self, knowledge_base: tf.Tensor, places: Places) -> tuple[tf.Tensor, ...]:
        """What modules need of the image and does not change from step to step.

        Args:
            knowledge_base: [batch, positions, kb_dim], or what `map_projection` makes of it.
            places: of the positions.

        Returns:
            Tensors [batch, ..., positions, channels], at least one.
        """
        raise NotImplementedError

    def encode_image(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Image features, [batch, H, W, C], of pixels or as given."""
        if ("image" in inputs) == ("features" in inputs):
            raise ValueError("give either `image` or `features`, and not both")
        if "features" in inputs:
            return inputs["features"]
        if self.image_encoder is None:
            raise ValueError("this model has no image encoder: give `features`, not `image`")
        # Statistics of batches are learned in pretraining alone: shards would each have their own.
        return self.image_encoder(inputs["image"], training=False)

    def see(self, inputs: dict[str, tf.Tensor]) -> tuple[tf.Tensor, ...]:
        """What `prepare` makes of `image` or `features`."""
        features = self.encode_image(inputs)
        if self.chooses_places:
            features = pick(features, likeliest(features, self.config.attended_places))
        knowledge_base = self.knowledge_base(features, self.map_projection)
        places = (places_as_seen if self.config.encoder_groups else places_on_map)(features)
        places = Places(*(tf.cast(x, self.compute_dtype) for x in places))
        return tuple(self.prepare(knowledge_base, places))

    def read(self, inputs: dict[str, tf.Tensor]) -> Read:
        """The encoded `question`, and the controller's plan for it."""
        question = self.question_encoder(inputs["question"])
        return Read(question, self.controller.plan(question))

    @property
    def reads_first(self) -> bool:
        """Whether a question is better read outside of what is compiled.

        XLA copies the weights of an LSTM at every word. Where they fit into a core's cache, that costs
        less than TensorFlow's own loop; at the paper's size, four times more.
        """
        state = self.config.text_dim // 2
        weights = 8 * state * (self.config.embed_dim + state)
        return 4 * weights > CACHE

    def encode(self, inputs: dict[str, tf.Tensor]) -> dict[str, Any]:
        """Inputs with `seen` in place of `image` or `features`, and `read` in place of `question`.

        That is large matrix products, which TensorFlow's own kernels compute on all cores, and several
        times faster than XLA's on one; so it stays outside of what is compiled. A small LSTM does not:
        see `reads_first`.
        """
        encoded = {"seen": self.see(inputs)}
        replaced = {"image", "features"}
        if self.reads_first:
            encoded["read"] = self.read(inputs)
            replaced.add("question")
        return {**{k: x for k, x in inputs.items() if k not in replaced}, **encoded}
