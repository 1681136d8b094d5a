"""Which pairs a judge is asked about, and what its earlier answers say of them (pure)."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from promptlab.compare.scenes import Scenes
from promptlab.log.judging import JudgeCall
from promptlab.scoring.judge_wire import Choice, choice_of

__all__ = ["Pair", "PairOutcome", "PairState", "outcome_of", "pairs_of", "states_of"]

PairOutcome = Literal["left", "right", "tie", "bad"]
_OTHER_WAY: Mapping[Choice, PairOutcome] = {"first": "right", "second": "left", "tie": "tie", "bad": "bad"}
_THIS_WAY: Mapping[Choice, PairOutcome] = {"first": "left", "second": "right", "tie": "tie", "bad": "bad"}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two matched images of one scene: their paid ids, contents, and values of the compared axis."""

    scene: str
    left: str
    right: str
    left_sha256: str
    right_sha256: str
    left_value: str
    right_value: str

    def shown(self, order: int) -> tuple[str, str]:
        """The two images in the order in which they are shown: 0 left first, 1 right first."""
        return (self.left, self.right) if order == 0 else (self.right, self.left)


def pairs_of(scenes: Scenes, number: int | None = None) -> list[Pair]:
    """The matched pairs of every two values, at most `number`: as many of each two values as of any other.

    The order is chosen by hash, so that the same run gives the same pairs, and a larger number adds to a smaller one's.
    """
    groups: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for scene in scenes.matched:
        shown = scene.shown
        values = [value for value in scenes.values if value in shown]
        for left, right in combinations(values, 2):
            for one, other in zip(shown[left].images, shown[right].images, strict=False):
                if one.sha256 and other.sha256 and one.paid_id != other.paid_id:
                    groups[left, right].append(
                        Pair(scene.key, one.paid_id, other.paid_id, one.sha256, other.sha256, left, right)
                    )
    for group in groups.values():
        group.sort(key=lambda pair: hashlib.sha256(f"{pair.scene}|{pair.left}|{pair.right}".encode()).digest())
    found = [pair for round_ in _rounds(list(groups.values())) for pair in round_]
    return found if number is None else found[:number]


def _rounds(groups: list[list[Pair]]) -> Iterator[list[Pair]]:
    """One pair of each group at a time, as long as there are any."""
    for place in range(max(map(len, groups), default=0)):
        yield [group[place] for group in groups if place < len(group)]


def outcome_of(first: Choice, second: Choice) -> PairOutcome:
    """The vote of two answers about one pair, left first and right first: where they do not agree, a tie."""
    one, other = _THIS_WAY[first], _OTHER_WAY[second]
    return one if one == other else "tie"


@dataclass(slots=True)
class PairState:
    """What is known of a pair: order → the call that answered it; which orders must not be asked again."""

    answers: dict[int, tuple[str, Choice]]  # order → call id, choice
    settled: set[int]  # of unknown outcome, or answered with something that names no image
    has_ballot: bool = False

    def open_orders(self) -> list[int]:
        """The orders that are still to be asked."""
        return [order for order in (0, 1) if order not in self.answers and order not in self.settled]


def states_of(
    pairs: Iterable[Pair], calls: Iterable[JudgeCall], *, retry_unknown: bool = False
) -> dict[Pair, PairState]:
    """What earlier calls say of each pair. An answer that could not be read is not asked for again, nor is a call of
    unknown outcome, unless `retry_unknown`: either may have been billed."""
    places = {pair.shown(order): (pair, order) for pair in pairs for order in (0, 1)}
    found: dict[Pair, PairState] = {pair: PairState({}, set()) for pair, _ in places.values()}
    for call in calls:
        place = places.get((call.left_image, call.right_image))
        if place is None:
            continue
        pair, order = place
        state, choice = found[pair], choice_of(call.answer or "") if call.outcome == "ok" else None
        if choice is not None:
            state.answers[order] = (call.id, choice)
            state.has_ballot |= call.ballot_id is not None
        elif call.outcome == "unreadable" or (call.may_be_billed and not retry_unknown):
            state.settled.add(order)
    return found
