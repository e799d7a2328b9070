"""Expert layouts pull the module weights to them, and nothing else."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from lnmn_tf.config import STACK_NMN_MODULES, RunConfig
from lnmn_tf.data.expert_layouts import MODULES, allowed_modules, layout_ids, layouts_of
from lnmn_tf.data.question_set import NO_MODULE
from lnmn_tf.errors import InputError
from lnmn_tf.models.registry import make_config
from lnmn_tf.training.algorithm_2 import AlternatingTrainer
from lnmn_tf.training.examples import TrainingExamples
from lnmn_tf.training.fitting import make_trainer
from lnmn_tf.training.layout_supervision import (
    EXPERT_LAYOUT,
    LayoutSupervision,
    check_layouts,
    describe_coverage,
    expert_columns,
)
from lnmn_tf.training.networks import build_network, sizes_of
from lnmn_tf.training.objectives import layout_loss
from lnmn_tf.world.fresh import fresh_questions, program_of
from tests.conftest import TINY_MODEL, TINY_TRAINING

BATCH, STEPS, WORDS, ANSWERS = 6, 3, 5, 4
LAYOUTS = [  # of the first word of a question
    ["find", "describe_one", "no_op"],
    ["find", "transform", "describe_one"],
    ["find", "find", "describe_two"],
]


def make_network(model: str):
    tf.keras.utils.set_random_seed(3)
    sizes = {
        "embed_dim": 5,
        "text_dim": 14,
        "kb_dim": 7,
        "map_dim": 3,
        "mem_dim": 11,
        "mlp_dim": 13,
    }
    data = {"num_words": 9, "num_answers": ANSWERS, "feature_shape": (2, 3, 5)}
    if model == "stack_nmn":
        del sizes["map_dim"]
    else:
        sizes |= {"attention_3": 3, "attention_4": 1}
    return build_network(make_config(model, num_steps=STEPS, stack_len=3, **sizes, **data))


def make_batch(unknown: int = 0):
    """Questions whose layout hangs on their first word; the first `unknown` of them have none."""
    random = np.random.default_rng(5)
    words = random.integers(5, 9, size=[BATCH, WORDS])
    kinds = np.arange(BATCH) % len(LAYOUTS)
    words[:, 0] = 2 + kinds
    expert = np.array([[MODULES.index(m) for m in LAYOUTS[kind]] for kind in kinds], np.int32)
    expert[:unknown] = NO_MODULE
    return {
        "features": tf.constant(random.normal(size=[BATCH, 2, 3, 5]), tf.float32),
        "question": tf.constant(words, tf.int32),
        "answer": tf.constant(random.integers(0, ANSWERS, size=[BATCH]), tf.int32),
        EXPERT_LAYOUT: tf.constant(expert),
    }


def test_the_gradient_is_the_share_of_all_modules_less_that_of_the_allowed_ones():
    random = np.random.default_rng(7)
    batch, steps, modules, ids = 5, 3, 7, 4
    logits = random.normal(size=[batch, steps, modules]).astype(np.float32)
    expert = random.integers(ids, size=[batch, steps])
    allowed = np.zeros([ids, modules], np.float32)
    allowed[random.integers(ids, size=modules), np.arange(modules)] = 1
    allowed[:, 0] = 1  # none is without
    known = np.array([1, 0, 1, 1, 0])
    exponents = np.exp(logits)
    of_allowed = exponents * allowed[expert]
    shares = exponents / exponents.sum(-1, keepdims=True)
    among = of_allowed / of_allowed.sum(-1, keepdims=True)
    expected = known[:, None, None] * (shares - among) / (batch * steps)
    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        loss = layout_loss(variable, expert, known, allowed)
    np.testing.assert_allclose(tape.gradient(loss, variable), expected, atol=1e-6)


@pytest.mark.parametrize("model", ["relational", "stack_nmn"])
def test_a_short_training_lowers_the_loss_until_layouts_agree_with_the_experts(model):
    network, batch = make_network(model), make_batch(unknown=1)
    expert = LayoutSupervision(1.0, network.module_names)
    trainer = AlternatingTrainer(network, search=None, shards=1, xla=False, expert=expert)
    trainer.compile(keras.optimizers.legacy.Adam(2e-2), keras.optimizers.legacy.Adam())
    step = tf.function(trainer._weight_step, autograph=False)
    losses = [float(step(batch)["layout_loss"]) for _ in range(120)]
    assert losses[0] > 0.5
    assert losses[-1] < 0.1
    strongest = network(batch)["module_logits"].numpy().argmax(-1)  # [batch, steps]
    may = allowed_modules(network.module_names)[batch[EXPERT_LAYOUT].numpy()[1:]]
    assert np.take_along_axis(may, strongest[1:, :, None], axis=-1).all()


def test_the_loss_of_a_batch_is_the_mean_of_its_parts_where_some_questions_have_no_layout():
    batch = make_batch(unknown=2)
    logits = np.random.default_rng(9).normal(size=[BATCH, STEPS, len(MODULES)])
    loss = LayoutSupervision(3.0, STACK_NMN_MODULES).loss
    parts = [
        loss({"module_logits": logits[i : i + 2]}, {EXPERT_LAYOUT: batch[EXPERT_LAYOUT][i : i + 2]})
        for i in range(0, BATCH, 2)
    ]
    assert float(parts[0]) == 0.0 < float(parts[1])  # as the first two have none
    np.testing.assert_allclose(np.mean(parts), loss({"module_logits": logits}, batch), rtol=1e-6)


def test_the_weight_multiplies_the_loss_and_none_of_it_comes_from_questions_without_a_layout():
    network, batch = make_network("relational"), make_batch()

    def loss(weight, batch):
        expert = LayoutSupervision(weight, network.module_names)
        return AlternatingTrainer(network, xla=False, expert=expert).weight_loss(batch)

    plain, _ = AlternatingTrainer(network, xla=False).weight_loss(batch)
    total, report = loss(2.0, batch)
    np.testing.assert_allclose(total, plain + 2.0 * report["layout_loss"], rtol=1e-6)
    total, report = loss(2.0, make_batch(unknown=BATCH))
    assert float(report["layout_loss"]) == 0.0
    np.testing.assert_allclose(total, plain, rtol=1e-6)


@pytest.fixture(scope="module")
def config(tiny_world):
    return RunConfig.create(
        {
            **{k: v for k, v in TINY_MODEL.items() if not k.startswith("encoder_")},
            **TINY_TRAINING,
            "data_dir": str(tiny_world),
            "num_steps": 3,
            "layout_loss_weight": 0.5,
        }
    )


def test_batches_for_the_weights_carry_the_layout_of_their_questions(config):
    examples = TrainingExamples.open(config)
    questions = examples.asked(0).questions
    wanted = layouts_of(questions, 3)
    assert (wanted == NO_MODULE).any() and (wanted != NO_MODULE).any()
    for batch, structure in examples.epoch(0, 0):
        assert np.array_equal(batch[EXPERT_LAYOUT], wanted[batch["position"].numpy()])
        assert EXPERT_LAYOUT not in structure
    without = TrainingExamples.open(config.replace(layout_loss_weight=0.0))
    assert all(EXPERT_LAYOUT not in batch for batch, _ in without.epoch(0, 0))


def test_fresh_questions_have_the_layouts_of_their_programs(config):
    examples = TrainingExamples.open(config.replace(fresh_questions=True))
    questions = examples.asked(0).questions
    used = {questions.image_filenames[i] for i in examples.fresh._images}
    folder = Path(config.data.data_dir)
    scenes = json.loads((folder / "scenes" / "CLEVR_train_scenes.json").read_text())["scenes"]
    scenes = [scene for scene in scenes if scene["image_filename"] in used]
    types = json.loads((folder / "world.json").read_text())["world"]["question_types"]
    fresh = fresh_questions(scenes, types, 5, config.training.seed, 0)
    by_text = {asked.text: layout_ids(program_of(asked)) for asked in fresh.asked}
    for text, row in zip(questions.texts, questions.layouts):
        assert row[row != NO_MODULE].tolist() == by_text[text]


def test_a_run_says_what_share_of_its_questions_has_a_layout(config):
    examples = TrainingExamples.open(config)
    config = config.replace(**sizes_of(examples))
    network = build_network(config.model)
    known = layouts_of(examples.weights.questions, 3)[:, 0] != NO_MODULE
    said = check_layouts(config, examples.weights.questions)
    assert f"modules: {100 * known.mean():.1f} % of the training questions" in said
    assert f"the other {(~known).sum()} are learned from answers alone" in said
    assert make_trainer(network, config, 5).expert.weight == 0.5
    without = config.replace(layout_loss_weight=0.0)
    assert check_layouts(without, examples.weights.questions) == ""
    assert make_trainer(network, without, 5).expert is None


def test_a_model_without_a_module_for_the_work_is_refused_before_it_trains(config):
    examples = TrainingExamples.open(config)
    with pytest.raises(
        InputError, match=r"none that can do the work of 'and'; expected attention_4"
    ):
        check_layouts(
            config.replace(**sizes_of(examples), attention_4=0), examples.weights.questions
        )


def test_questions_without_programs_and_too_few_steps_are_refused_in_one_sentence(config):
    questions = TrainingExamples.open(config).weights.questions
    count = len(questions)
    with pytest.raises(InputError) as caught:
        expert_columns(dataclasses.replace(questions, layouts=None), 3)
    assert f"question 0 ({questions.texts[0]!r}" in str(caught.value)
    assert f"has no program, or one that is not well-formed (as have {count} of {count}" in str(
        caught.value
    )
    with pytest.raises(
        InputError, match="the shortest expert layout has 2 modules and --num_steps"
    ):
        describe_coverage(questions, 1)


def test_the_papers_model_finds_with_the_cells_that_it_has():
    names = [*(f"attention_3.{i}" for i in range(4)), "attention_4.0", "attention_4.1"]
    names += ["answer_3.0", "answer_4.0", "no_op"]
    allowed = allowed_modules(names)
    for module in ("find", "scene", "filter", "transform"):
        assert allowed[MODULES.index(module)].tolist() == [1, 1, 1, 1, 0, 0, 0, 0, 0]
    assert np.array_equal(allowed_modules(STACK_NMN_MODULES), np.eye(len(MODULES)))
