"""What a voter said about the pictures in front of them, as comparisons for the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from promptlab.errors import InputError
from promptlab.log.votes import BallotKind, Comparison

__all__ = ["FOUR", "BallotAnswer", "comparisons_of", "read_answer"]

FOUR = 4  # pictures of a best-and-worst ballot
_PAIR = ("left", "right", "tie", "bad")


@dataclass(frozen=True, slots=True)
class BallotAnswer:
    """Of two pictures `left` or `right`; of several the places of the `best` and the `worst`; or `tie`, or `bad`."""

    outcome: Literal["left", "right", "tie", "bad", "best"]
    best: int | None = None
    worst: int | None = None


def read_answer(kind: BallotKind, pictures: int, outcome: str, best: str = "", worst: str = "") -> BallotAnswer:
    """An answer from texts, of a form or a file; InputError for one that says nothing about so many pictures.

    `best` and `worst` are places from 0; a pair has `outcome` alone.
    """
    if kind == "pair":
        if outcome not in _PAIR or best or worst:
            raise InputError("of two pictures say left, right, tie or bad", code="bad-ballot")
        return BallotAnswer(outcome)  # type: ignore[arg-type]
    if outcome in ("tie", "bad") and not best and not worst:
        return BallotAnswer(outcome)  # type: ignore[arg-type]
    places = {str(place): place for place in range(pictures)}
    if outcome not in ("", "best") or best not in places or worst not in places or best == worst:
        raise InputError(
            f"of {pictures} pictures say which is the best and which other is the worst", code="bad-ballot"
        )
    return BallotAnswer("best", places[best], places[worst])


def comparisons_of(images: Sequence[str], answer: BallotAnswer) -> tuple[Comparison, ...]:
    """The comparisons that an answer stands for; `images` from the left.

    Best and worst: the best beats all others, and all others beat the worst (best-worst scaling); what is in between
    is not compared. "No difference" and "all bad" of several hold between any two of them.
    """
    if answer.outcome in _PAIR:
        return tuple(Comparison(a, b, answer.outcome) for a, b in combinations(images, 2))  # type: ignore[arg-type]
    best, worst = answer.best, answer.worst
    between = [image for place, image in enumerate(images) if place not in (best, worst)]
    losers = between if worst is None else [*between, images[worst]]
    found = [Comparison(images[best or 0], other, "left") for other in losers]
    if worst is not None:
        found += [Comparison(other, images[worst], "left") for other in between]
    return tuple(found)
