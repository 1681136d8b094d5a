"""The single votes behind one cell of the win matrix."""

from __future__ import annotations

from dataclasses import dataclass

from promptlab.compare.evidence import evidence_of, places_of_images
from promptlab.log import Log
from promptlab.log.reader import LogReader, log_of

__all__ = ["PairVote", "pair_votes"]


@dataclass(frozen=True, slots=True)
class PairVote:
    """One vote between two values in a scene: `first` and `second` are the paid images of the one and the other.

    `outcome` is `first`, `second`, `tie` or `bad`; `judge` is the model that voted, None for a person.
    """

    scene: str
    first: str
    second: str
    outcome: str
    by: str
    judge: str | None
    at: str | None
    kind: str


def pair_votes(log: Log | LogReader, run_id: str, by: str | None, value: str, other: str) -> list[PairVote]:
    """Every vote that compares two values of an axis within a scene of the run, in the order of their casting."""
    log = log_of(log)
    evidence = evidence_of(log, run_id, by)
    ballots = list(log.ballots(evidence.run.id))
    images = {id_ for ballot in ballots for each in ballot.comparisons for id_ in (each.left_image, each.right_image)}
    spots = {
        image: {place.scene: place.value for place in places if place.value in (value, other)}
        for image, places in places_of_images(log, evidence, images).items()
    }
    found = []
    for ballot in ballots:
        for each in ballot.comparisons:
            left, right = spots.get(each.left_image, {}), spots.get(each.right_image, {})
            scene = next((s for s in left if s in right and left[s] != right[s]), None)
            if scene is None:
                continue
            turned = left[scene] == other
            first, second = (each.right_image, each.left_image) if turned else (each.left_image, each.right_image)
            outcome = {"left": "second" if turned else "first", "right": "first" if turned else "second"}.get(
                each.outcome, each.outcome
            )
            found.append(PairVote(scene, first, second, outcome, ballot.by, ballot.judge, ballot.at, ballot.kind))
    return found
