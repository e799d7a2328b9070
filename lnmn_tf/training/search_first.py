"""A search before the training (`search_epochs`): it asks where questions tell what alpha should be.

In a run over all questions alpha has settled before comparisons are better than a guess: they are few, and need a whole cell and
two looks that are right at once. So the search asks other questions, part after part (docs/learning.md):

    begin     one pass over questions without a relation: weights learn to find things, each look by itself, for the other one rests
              in a quarter of the questions; alpha from N(0, 1). Where cells of two maps need two, and others answer of one, one
              look runs, so that these answer, and the last look learns to find what is asked for
    answers   alpha of the answer cells begins anew, every operator alike; as many questions of each family, without a relation
    looks     alpha of the cells that look begins anew; questions with one relation, too

After answers and after looks, what alpha leaves open is tried: each structure stands in all cells, and by held-out questions the
best one is taken, or a simpler one that is as good. Of a look, the likeliest structure without the map's features is tried, too:
questions without a relation cannot tell it from one that multiplies by them. The search goes on with the weights that alpha ended
with; where these guess a family that the trial did not, with those of the trial. Where the trial guesses a family, too, all begins
again with other weights.

The training goes on with the weights and the structure that were found. With a structure that is given (`--genotype`,
`--freeze_structure`) the parts ask the same questions, and there are no trials: the control of a search.

Each part has a folder in search/, with checkpoints and trials.jsonl, a line for each trial, so a search that was stopped goes on;
genotype.json is the end. A beginning that was given up is in search_1/ and search_2/.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from lnmn_tf.config import RunConfig
from lnmn_tf.data.question_set import QuestionSet
from lnmn_tf.errors import InputError
from lnmn_tf.files import write_text
from lnmn_tf.models.genotype import genotype_text
from lnmn_tf.models.lnmn import LNMN
from lnmn_tf.progress import say
from lnmn_tf.training.algorithm_2 import AlternatingTrainer
from lnmn_tf.training.checkpoints import CheckpointFolder, Progress
from lnmn_tf.training.examples import Examples, TrainingExamples
from lnmn_tf.training.fitting import fit, make_trainer
from lnmn_tf.training.networks import build_network
from lnmn_tf.training.structure_history import ANSWERS, SEARCH
from lnmn_tf.training.trials import (
    Trials,
    best,
    held_out,
    likely,
    strongest,
    try_each,
    with_simpler,
)
from lnmn_tf.training.warm_start import alpha_of, begin, give_genotype

LOOKS, GENOTYPE = "looks", "genotype.json"
BEGIN_EPOCHS, TRIAL_EPOCHS, LOOK_EPOCHS = 1, 2, 3
BEGIN_RESTS = 0.25  # share of the questions of `begin` in which a look that is drawn rests
GUESSED = 0.25  # share of the way from a guess to all answers right


def search_first(
    network: LNMN, config: RunConfig, examples: TrainingExamples, run_dir: Path
) -> Path | None:
    """Searches for a structure, or goes on where a search was stopped; leaves the network with its weights.

    Args:
        network: as training begins.
        config: of the run; its search_epochs are not 0.
        examples: of the run, encoded where the encoder is frozen.
        run_dir: its folder.

    Returns:
        The file of the genotype that was found; None where the structure is given.

    Raises:
        InputError: the model has no cells to search for, or there are too few questions; see also `fit`.
    """
    training, folder = config.training, run_dir / SEARCH
    path = folder / GENOTYPE
    answers, looks = searched_banks(network)
    easy, one_hop = (balanced(examples, hops, training.seed) for hops in (0, 1))
    looks_of_begin = 1 if answers_from_one_map(network) else 2
    of_begin = part_of(without_relation(examples), config, BEGIN_EPOCHS, looks=looks_of_begin)
    of_answers = part_of(easy, config, training.search_epochs)
    of_looks = part_of(one_hop, config, LOOK_EPOCHS)
    if path.is_file():
        CheckpointFolder(folder / (LOOKS if looks else ANSWERS)).load_weights(network, "last")
        give_genotype(network, str(path))
        return path

    given_up, trainer = len(list(run_dir.glob(f"{SEARCH}_*"))), None
    while True:
        if given_up:
            renew(network, config, examples, given_up)
        _open_relations(network, 0.0)
        _let_rest(network, BEGIN_RESTS if looks_of_begin == 2 else 0.0)
        trainer = _learn(network, of_begin, folder / "begin", trainer)
        _let_rest(network, 0.0)
        table = _part(network, config, of_answers, answers, folder / ANSWERS, trainer)
        guessed = families_guessed(table["families"], of_answers.structure.questions)
        if not guessed or given_up + 1 >= training.search_beginnings:
            break
        given_up += 1
        say(f"search: guesses {', '.join(guessed)}; begins again with other weights")
        folder.rename(run_dir / f"{SEARCH}_{given_up}")
    _open_relations(network, 1.0)
    if looks:
        _part(network, config, of_looks, looks, folder / LOOKS)
    if not training.searches_first:
        return None
    genotype = strongest(network)
    write_text(path, genotype_text(genotype))
    give_genotype(network, str(path))
    say(f"{path}: the answer cells are {', '.join(genotype[f'{answers}.0'])}")
    return path


def _part(
    network: LNMN,
    config: RunConfig,
    examples: TrainingExamples,
    bank: str,
    folder: Path,
    like: AlternatingTrainer | None = None,
) -> dict:
    """A part that searches the cells of a bank: alpha learns, and what it leaves open is tried.

    The weights are those that alpha ends with, or of the trial that was taken where these guess a family that it did not: what was
    learned may be lost again (docs/learning.md, "A layout that drifts"). A structure that is given stays.

    Returns:
        What `accuracy_table` says of the held-out questions, after the trial that was taken where there are trials.
    """
    chain, training = network.banks[bank].fusion, config.training
    if not training.searches_first:
        trainer = _learn(network, examples, folder, like)
        return held_out(trainer.predictor, examples)
    chain.begin_alike()
    trainer = _learn(network, examples, folder, like)
    found = likely(tf.nn.softmax(chain.structure, axis=-1).numpy())
    if folder.name == LOOKS:
        found = with_simpler(found)
    part = part_of(examples, examples.config, TRIAL_EPOCHS, freeze_structure=True)
    trials = Trials(network, part, bank, trainer)
    taken, questions = best(try_each(trials, found, folder)), examples.structure.questions
    trials.go_back()
    guessed = families_guessed(trials.measured()["families"], questions)
    lost = set(guessed).difference(families_guessed(taken.table["families"], questions))
    if lost:
        say(
            f"search: goes on with the weights of the trial; alpha's guess {', '.join(sorted(lost))}"
        )
        trials.go_on(taken.structure)
    chain.structure.assign(alpha_of(network, trials.genotype(taken.structure))[bank])
    chain.hard = True  # it stays, whatever becomes of its alpha
    return taken.table


def renew(network: LNMN, config: RunConfig, examples: TrainingExamples, given_up: int) -> None:
    """Gives a network the weights of another beginning; an image encoder that is frozen stays."""
    tf.keras.utils.set_random_seed(config.training.seed + 1000 * given_up)
    other, encoder = build_network(network.config), getattr(network, "image_encoder", None)
    frozen = set()
    if encoder is not None and not encoder.trainable:
        other.image_encoder.trainable = False  # variables stand in one order
        frozen = {id(variable) for variable in encoder.variables}
    for _ in begin(other, config.training, examples.vocabulary):
        pass
    for variable, new in zip(network.variables, other.variables):
        if id(variable) not in frozen:
            variable.assign(new)
    for name in network.structure:
        network.banks[name].fusion.hard = other.banks[name].fusion.hard


def families_guessed(accuracies: Mapping[str, float], questions: QuestionSet) -> list[str]:
    """The families that are answered no better than by a guess, the most frequent answer.

    Args:
        accuracies: of the families, in [0, 1].
        questions: of which they are.
    """
    guessed = []
    for index, name in enumerate(questions.family_names):
        answers = questions.answers[questions.families == index]
        if name in accuracies:
            guess = np.unique(answers, return_counts=True)[1].max() / len(answers)
            if accuracies[name] < guess + GUESSED * (1.0 - guess):
                guessed.append(name)
    return guessed


def searched_banks(network: LNMN) -> tuple[str, str]:
    """Names of the answer cells of two maps, and of the cells that look from an object ("" = none).

    Raises:
        InputError: no answer cell has two maps.
    """
    kinds = network.kinds if getattr(network, "structure", {}) else ()
    answers = [kind.bank_name for kind in kinds if kind.answers and kind.num_maps == 2]
    looks = [kind.bank_name for kind in kinds if kind.keeps]
    if not answers:
        raise InputError(
            "search_epochs is set, and the model has no answer cells of two maps; expected some (the last number of "
            "--cells), or search_epochs=0"
        )
    return answers[0], looks[0] if looks else ""


def answers_from_one_map(network: LNMN) -> bool:
    """Whether, where the stack holds one map, answer cells of one map alone can run."""
    lone = any(kind.answers and kind.num_maps == 1 for kind in network.kinds)
    return lone and not getattr(network.config, "lone_answers", False)


def without_relation(examples: TrainingExamples) -> TrainingExamples:
    """The questions whose programs go from no object to another."""

    def part(examples: Examples) -> Examples:
        return examples.select(np.flatnonzero(examples.questions.hop_counts == 0))

    return dataclasses.replace(
        examples, weights=part(examples.weights), structure=part(examples.structure)
    )


def balanced(examples: TrainingExamples, hops: int, seed: int) -> TrainingExamples:
    """As many questions of each family and number of relations, which are at most `hops`.

    Comparisons of attributes without a relation are 5 % of the quickstart's questions, and a fifth of these.
    """

    def part(examples: Examples) -> Examples:
        questions, random = examples.questions, np.random.default_rng(seed)
        order = random.permutation(np.flatnonzero(questions.hop_counts <= hops))
        kinds = np.stack([questions.families[order], questions.hop_counts[order]], axis=-1)
        present, kinds, sizes = np.unique(kinds, axis=0, return_inverse=True, return_counts=True)
        kept = [order[kinds.ravel() == kind][: sizes.min()] for kind in range(len(present))]
        return examples.select(np.sort(np.concatenate(kept)))

    return dataclasses.replace(
        examples, weights=part(examples.weights), structure=part(examples.structure)
    )


def part_of(
    examples: TrainingExamples,
    config: RunConfig,
    epochs: int,
    freeze_structure: bool = False,
    looks: int = 2,
) -> TrainingExamples:
    """Examples of a part of the search, with its course.

    Operators and modules stay mixed. Of a machine that grows the last step runs, which answers, and one look or two before
    it. Of few steps, a quarter warms up.

    Raises:
        InputError: they do not fill a batch.
    """
    fewest = min(len(part.questions) for part in (examples.weights, examples.structure))
    if fewest < config.training.batch_size:
        raise InputError(
            f"search_epochs is {config.training.search_epochs}, and the questions that the search asks, as many of each "
            f"family, are {fewest} in its smaller part; expected --batch_size={config.training.batch_size} or more, or "
            "--set=search_epochs=0"
        )
    course = config.replace(
        epochs=epochs,
        freeze_structure=freeze_structure or config.training.freeze_structure,
        search_epochs=0,
        search_share=0.9,
        choose_share=1.0,
        grow_shares=(float(looks == 1), 1.0, 1.0),
        decay="constant",
    )
    steps = dataclasses.replace(examples, config=course, fresh=None).total_steps
    warmup = min(course.training.warmup_steps, steps // 4)
    return dataclasses.replace(examples, config=course.replace(warmup_steps=warmup), fresh=None)


def _let_rest(network: LNMN, share: float) -> None:
    """In this share of the questions of a training each look that is drawn rests."""
    if network.draw is not None:
        network.draw.rest_share.assign(share)


def _open_relations(network: LNMN, opened: float) -> None:
    """Closes relations that compare features while no question has one, or opens them again.

    Runs where they were open from the first pass on learned no direction (docs/experiments.md).
    """
    for relation in getattr(network, "relations", {}).values():
        if relation.likeness:
            relation.opened.assign(opened)


def _learn(
    network: LNMN, examples: TrainingExamples, folder: Path, like: AlternatingTrainer | None = None
) -> AlternatingTrainer:
    """Algorithm 2. Leaves the network with the last weights, averaged where the run averages them; returns its trainer."""
    checkpoints, progress = CheckpointFolder(folder), Progress()
    trainer = make_trainer(network, examples.config, examples.total_steps, like)
    if checkpoints.exists():
        progress = checkpoints.restore(trainer)
    fit(trainer, examples, checkpoints, progress, stage=f"search: {folder.name}")
    checkpoints.load_weights(network, "last")
    return trainer
