"""Who is asked what: questions about many scenes at once, in the shares and with the balance of a world.

The order is that of `questions.generate_questions`, but for one thing: ten scenes of a shard are
asked at the same time, so that what a scene cannot be asked is made up for ten scenes later.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lnmn_tf.world.instances import Instance
from lnmn_tf.world.programs import DIRECTIONS, possible_answers
from lnmn_tf.world.questions import AnswerBalance, in_words
from lnmn_tf.world.scene_table import FILTERS, SceneTable
from lnmn_tf.world.templates import FAMILIES
from lnmn_tf.world.walks import Walked, walk

_BALANCED_SCENES = 50  # as in a world's own files
_SCENES_AT_ONCE = 10
# Walks for one question, tried in these portions until one is good.
_WALKS = (2, 4, 6)
_ARRAY_ROWS = 2048
NOUNS = tuple(dict(filters) for filters in FILTERS)


class _Random(random.Random):
    """Draws from short lists in less time; the chances differ by less than 1e-15."""

    def choice(self, entries):
        return entries[int(self.random() * len(entries))]


class Asked(NamedTuple):
    """A question that was kept.

    Attributes:
        scene: row of the table.
        family: place in `templates.FAMILIES`.
        answer: of CLEVR.
        text: the question.
        nouns: slot -> id of `scene_table.FILTERS`.
        relations: slot -> direction.
    """

    scene: int
    family: int
    answer: str
    text: str
    nouns: dict[str, int]
    relations: dict[str, str]


class Asking:
    """Some scenes that are asked about together, in shards whose answers are balanced.

    Args:
        table: of all scenes.
        rows: int [n], those of this chunk.
        weights: of each family.
        wanted: questions for each scene.
        seed: of this chunk.
    """

    def __init__(
        self,
        table: SceneTable,
        rows: np.ndarray,
        weights: Mapping[int, float],
        wanted: int,
        seed: Sequence[int],
    ):
        self.table, self.rows = table, rows
        self.families = np.array(list(weights))
        self.weights = np.array(list(weights.values()))
        self.rng = np.random.default_rng(seed)
        self.words = _Random(" ".join(map(str, seed)))
        self.shards = np.arange(len(rows)) // _BALANCED_SCENES
        self.balances = [AnswerBalance() for _ in range(self.shards[-1] + 1)]
        self.asked = np.zeros([len(self.balances), len(weights)])
        self.missing = np.full(len(rows), wanted)
        self.texts: list[set[str]] = [set() for _ in rows]
        self.kept: list[Asked] = []

    def ask(self) -> list[Asked]:
        """Asks what is wanted, or what the scenes give."""
        in_shard = np.arange(len(self.rows)) % _BALANCED_SCENES
        for first in range(0, _BALANCED_SCENES, _SCENES_AT_ONCE):
            group = np.flatnonzero((in_shard >= first) & (in_shard < first + _SCENES_AT_ONCE))
            self._ask_group(group)
        return self.kept

    def _ask_group(self, group: np.ndarray) -> None:
        """Sweeps through the families; a scene is done when a whole sweep brings nothing more."""
        balanced = np.ones(len(self.rows), bool)
        before = self.missing.copy()
        open_families = np.ones([len(self.rows), len(self.families)], bool)
        while len(group):
            places = self._least_asked(group, open_families)
            open_families[places[:, 0], places[:, 1]] = False
            for column in np.unique(places[:, 1]):
                self._ask_family(places[places[:, 1] == column, 0], column, balanced)
            group = group[self.missing[group] > 0]
            swept = group[~open_families[group].any(1)]
            idle = swept[self.missing[swept] == before[swept]]
            group = np.setdiff1d(group, idle[~balanced[idle]])  # these have no more to ask
            balanced[idle] = False
            open_families[swept] = True
            before[swept] = self.missing[swept]

    def _least_asked(self, group: np.ndarray, open_families: np.ndarray) -> np.ndarray:
        """Places (scene, family) for what is missing, from the families that were asked least.

        Scenes of one shard take turns, as if each question had been found already.
        """
        asked = self.asked.copy()
        places = []
        turns = group % _BALANCED_SCENES
        for turn in np.unique(turns):
            scenes = group[turns == turn]
            shards = self.shards[scenes]
            # Equal shares in random order: weights are no finer than this.
            order = asked[shards] / self.weights + 1e-9 * self.rng.random(
                [len(scenes), asked.shape[1]]
            )
            order = np.where(open_families[scenes], order, np.inf)
            ranks = order.argsort(axis=1).argsort(axis=1)
            chosen = (ranks < self.missing[scenes, None]) & np.isfinite(order)
            asked[shards] += chosen
            which, columns = np.nonzero(chosen)
            places.append(np.stack([scenes[which], columns], axis=1))
        return np.concatenate(places)

    def _ask_family(self, scenes: np.ndarray, column: int, balanced: np.ndarray) -> None:
        """Asks one question of a family about each of some scenes, where walks lead to one."""
        family = FAMILIES[self.families[column]]
        for portion in _WALKS:
            size = max(_ARRAY_ROWS // portion, 1)
            found: set[int] = set()
            for first in range(0, len(scenes), size):
                walked_scenes = np.repeat(scenes[first : first + size], portion)
                walked = walk(family.sketch, self.table, self.rows[walked_scenes], self.rng)
                found |= self._keep(walked, walked_scenes, column, balanced)
            scenes = np.array([scene for scene in scenes.tolist() if scene not in found], int)
            if not len(scenes):
                return

    def _keep(
        self, walked: Walked, scenes: np.ndarray, column: int, balanced: np.ndarray
    ) -> set[int]:
        """Keeps the first walk about each scene whose answer is not too frequent yet.

        Returns:
            The scenes that need no further walk, as their question was found, even if for the second
            time.
        """
        index = int(self.families[column])
        answers = possible_answers(FAMILIES[index].function)
        found: set[int] = set()
        for position in np.flatnonzero(walked.alive).tolist():
            scene = int(scenes[position])
            if scene in found:
                continue
            answer = answers[walked.answers[position]]
            balance = self.balances[self.shards[scene]]
            if balanced[scene] and not balance.admits(index, answer):
                continue
            found.add(scene)
            nouns = {slot: int(ids[position]) for slot, ids in walked.nouns.items()}
            instance = _instance(walked, position, answer, nouns)
            text = in_words(index, instance, self.words)
            if text not in self.texts[scene]:
                self.texts[scene].add(text)
                balance.add(index, answer)
                self.asked[self.shards[scene], column] += 1
                self.missing[scene] -= 1
                row = int(self.rows[scene])
                self.kept.append(Asked(row, index, answer, text, nouns, instance.relations))
        return found


def _instance(walked: Walked, position: int, answer: str, nouns: Mapping[str, int]) -> Instance:
    """One walk in the form of `instances.py`, but for its program."""
    return Instance(
        program=[],
        answer=answer,
        nouns={slot: NOUNS[ids] for slot, ids in nouns.items()},
        others={slot for slot, where in walked.others.items() if where[position]},
        relations={slot: DIRECTIONS[ways[position]] for slot, ways in walked.relations.items()},
    )
