"""Which pictures a voter sees next: the values by what the poll is for, their scene so that each is used as often.

The state of one open poll, kept in memory while people vote: what everybody has cast, how often each scene was used,
which pictures each voter has seen together, and the fit that the next pair is drawn from. A step costs some
milliseconds, whatever the size of the run.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, product

from promptlab.compare.answers import FOUR
from promptlab.compare.voting_scenes import Cast, VotePicture, VotingScene, VotingScenes
from promptlab.log.votes import BallotKind
from promptlab.stats.davidson import Worths, fit
from promptlab.stats.next_pair import Goal, next_pair
from promptlab.stats.votes import Tally, Vote, tally

__all__ = ["Chooser", "Shown"]

Pair = frozenset[str]
_DRAWS = 12  # pairs of values that are asked for before whatever is left is taken
_COMBINATIONS = 12  # of the pictures of one call each, in a scene of four


@dataclass(frozen=True, slots=True)
class Shown:
    """The pictures of a ballot from the left, and their scene."""

    kind: BallotKind
    scene: str
    pictures: tuple[VotePicture, ...]

    @property
    def pairs(self) -> frozenset[Pair]:
        """Every two pictures that are seen together, by their ids."""
        return pairs_of(each.image_id for each in self.pictures)


def pairs_of(image_ids: Iterable[str]) -> frozenset[Pair]:
    """Every two of these images."""
    return frozenset(map(frozenset, combinations(sorted(set(image_ids)), 2)))


class Chooser:
    """The state of one poll. Not safe for threads: whoever holds it locks."""

    def __init__(self, ground: VotingScenes, source: random.Random | None = None) -> None:
        self.ground = ground
        self._source = source or random.SystemRandom()
        self._casts: dict[str, Cast] = {}
        self._uses: Counter[str] = Counter()
        self._seen: dict[str, Counter[Pair]] = defaultdict(Counter)
        self._scenes_of: dict[Pair, list[VotingScene]] = {}
        self._fitted: tuple[Worths, dict[tuple[str, str], Tally]] | None = None

    # --- what was cast ---

    def add(self, cast: Cast) -> None:
        """Count a ballot; one that is counted already stays as it is."""
        if cast.id not in self._casts:
            self._casts[cast.id] = cast
            self._count(cast, 1)

    def remove(self, ballot_id: str) -> None:
        """Forget a ballot that was taken back."""
        if (cast := self._casts.pop(ballot_id, None)) is not None:
            self._count(cast, -1)

    def _count(self, cast: Cast, by: int) -> None:
        self._fitted = None
        self._uses[cast.scene] += by
        for pair in pairs_of(cast.images):
            self._seen[cast.voter][pair] += by

    @property
    def ids(self) -> Collection[str]:
        """The ballots that count."""
        return self._casts.keys()

    def votes(self) -> list[Vote]:
        """Every comparison of the values that can be voted on."""
        known = set(self.ground.values)
        return [vote for cast in self._casts.values() for vote in cast.votes if {vote.left, vote.right} <= known]

    def has_seen(self, voter: str, pairs: Iterable[Pair]) -> bool:
        """Whether a voter has judged some of these pictures together."""
        return any(self._seen[voter][pair] > 0 for pair in pairs)

    # --- what comes next ---

    def choose(
        self, goal: Goal, kind: BallotKind, voter: str, *, hidden: Collection[Pair] = (), busy: Iterable[str] = ()
    ) -> Shown | None:
        """What this voter sees next, sides by chance; None where nothing is left.

        `hidden` are pairs of pictures not to show now (skipped, or on the screen), `busy` the scenes that others are
        looking at: they count as used.
        """
        if len(self.ground.values) < 2:
            return None
        seen = {pair for pair, number in self._seen[voter].items() if number > 0} | set(hidden)
        uses = self._uses + Counter(busy)
        pictures: tuple[VotingScene, list[VotePicture]] | None
        if kind == "pair":
            pictures = self._pair(goal, seen, uses)
        else:
            pictures = self._four(goal, seen, uses)
        if pictures is None:
            return None
        scene, chosen = pictures
        self._source.shuffle(chosen)
        return Shown(kind, scene.key, tuple(chosen))

    def _pair(self, goal: Goal, seen: set[Pair], uses: Counter[str]) -> tuple[VotingScene, list[VotePicture]] | None:
        worths, tallies = self._fit()
        for _ in range(_DRAWS):
            first, second = next_pair(goal, worths, tallies, self._source)
            fresh = [each for each in self._both(first, second) if _left(each, first, second, seen)]
            if fresh:
                scene = self._least_used(fresh, uses)
                return scene, self._two(scene, first, second, seen)
        fresh = [each for each in self.ground.scenes if _any_left(each, seen)]
        if not fresh:
            return None
        scene = self._least_used(fresh, uses)
        left = [two for two in combinations(scene.pictures, 2) if _left(scene, *two, seen)]
        first, second = min(left, key=lambda two: (_met(tallies, two), self._source.random()))
        return scene, self._two(scene, first, second, seen)

    def _two(self, scene: VotingScene, first: str, second: str, seen: set[Pair]) -> list[VotePicture]:
        every = product(scene.pictures[first], scene.pictures[second])
        return list(self._source.choice([two for two in every if _ids(two) not in seen]))

    def _four(self, goal: Goal, seen: set[Pair], uses: Counter[str]) -> tuple[VotingScene, list[VotePicture]] | None:
        """Four values of a scene with as few pairs as possible that this voter has seen together."""
        wanted = self._four_values(goal)
        scenes = [scene for scene in self.ground.scenes if len(scene.pictures) >= FOUR]
        with_all = [scene for scene in scenes if all(value in scene.pictures for value in wanted)]
        for candidates, values in ((with_all, wanted), (scenes, None)):
            order = [(uses[scene.key], self._source.random(), scene) for scene in candidates]
            best: tuple[int, VotingScene, list[VotePicture]] | None = None
            for _, _, scene in sorted(order, key=lambda each: each[:2]):
                found = self._fewest_seen(scene, values, seen)
                if best is None or found[0] < best[0]:
                    best = found[0], scene, found[1]
                if best[0] == 0:
                    break
            if best is not None and best[0] < FOUR * (FOUR - 1) // 2:
                return best[1], best[2]
        return None

    def _four_values(self, goal: Goal) -> tuple[str, ...]:
        worths, tallies = self._fit()
        found: dict[str, None] = {}
        for _ in range(_DRAWS):
            for value in next_pair(goal, worths, tallies, self._source):
                if len(found) < FOUR:
                    found[value] = None
        rest = [value for value in self.ground.values if value not in found]
        self._source.shuffle(rest)
        return tuple([*found, *rest][:FOUR])

    def _fewest_seen(
        self, scene: VotingScene, values: Sequence[str] | None, seen: set[Pair]
    ) -> tuple[int, list[VotePicture]]:
        """How many pairs of it were seen, and the pictures: one of each of these values, or of any four."""
        best: tuple[int, list[VotePicture]] | None = None
        for _ in range(_COMBINATIONS):
            chosen = values or self._source.sample(sorted(scene.pictures), FOUR)
            pictures = [self._source.choice(scene.pictures[value]) for value in chosen]
            number = sum(_ids(two) in seen for two in combinations(pictures, 2))
            if best is None or number < best[0]:
                best = number, pictures
            if number == 0:
                break
        assert best is not None
        return best

    def _both(self, first: str, second: str) -> list[VotingScene]:
        """The scenes that have pictures of both values; looked up once for each pair of values."""
        pair = frozenset((first, second))
        if pair not in self._scenes_of:
            both = [each for each in self.ground.scenes if first in each.pictures and second in each.pictures]
            self._scenes_of[pair] = both
        return self._scenes_of[pair]

    def _least_used(self, scenes: Sequence[VotingScene], uses: Counter[str]) -> VotingScene:
        fewest = min(uses[scene.key] for scene in scenes)
        return self._source.choice([scene for scene in scenes if uses[scene.key] == fewest])

    def _fit(self) -> tuple[Worths, dict[tuple[str, str], Tally]]:
        if self._fitted is None:
            votes = self.votes()
            self._fitted = fit(votes, self.ground.values), tally(votes)
        return self._fitted


def _ids(two: Sequence[VotePicture]) -> Pair:
    return frozenset((two[0].image_id, two[1].image_id))


def _left(scene: VotingScene, first: str, second: str, seen: set[Pair]) -> bool:
    """Whether some pictures of these two values in this scene were not seen together."""
    return any(_ids(two) not in seen for two in product(scene.pictures[first], scene.pictures[second]))


def _any_left(scene: VotingScene, seen: set[Pair]) -> bool:
    return any(_left(scene, first, second, seen) for first, second in combinations(scene.pictures, 2))


def _met(tallies: dict[tuple[str, str], Tally], two: tuple[str, str]) -> int:
    met = tallies.get(two, Tally())
    return met.decided + met.ties
