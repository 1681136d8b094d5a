"""Marks and scores of a run's images, as one figure per scene and value, or as successes out of trials."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from promptlab.compare.evidence import Evidence, Place, places_of_images
from promptlab.compare.scenes import scene_key
from promptlab.errors import InputError
from promptlab.log import Log
from promptlab.spec.names import did_you_mean, listed, quoted

__all__ = ["MarkCounts", "Measure", "marks_of", "measure_of", "score_names"]

_MARKS: Final = "SELECT image_id, mark FROM latest_marks WHERE mark IN ('keep', 'reject')"
_SCORES: Final = """
SELECT image_id, variant_id, number, successes, trials, scorer, version, at FROM scores
WHERE name = ? AND (image_id IS NOT NULL OR experiment = ?) AND (number IS NOT NULL OR trials IS NOT NULL)
"""
_NAMES: Final = """
WITH RECURSIVE names (name) AS (
  SELECT min(name) FROM scores UNION ALL SELECT (SELECT min(name) FROM scores WHERE name > n.name) FROM names n
  WHERE n.name IS NOT NULL
)
SELECT n.name FROM names n WHERE n.name IS NOT NULL AND EXISTS (
  SELECT 1 FROM (SELECT image_id, experiment FROM scores
    WHERE name = n.name AND (number IS NOT NULL OR trials IS NOT NULL) ORDER BY rowid DESC LIMIT 5000) s
  WHERE s.experiment = ?1 OR EXISTS (
    SELECT 1 FROM images i JOIN generations g ON g.id = i.generation_id WHERE i.id = s.image_id AND g.experiment = ?1))
"""
Scene = str
Value = str


@dataclass(frozen=True, slots=True)
class MarkCounts:
    """People's latest marks of the run's images: how many of each value, and the share kept of each judged call."""

    kept: Mapping[Value, int]
    rejected: Mapping[Value, int]
    shares: Mapping[Scene, Mapping[Value, float]]

    @property
    def judged(self) -> int:
        """Images with a mark."""
        return sum(self.kept.values()) + sum(self.rejected.values())


@dataclass(frozen=True, slots=True)
class Measure:
    """One score: its mean per scene and value (images of one call averaged), or rates with their clusters.

    A rate has (successes, trials) per image or variant. `others` are scorers of the same name that were left out.
    """

    name: str
    means: Mapping[Scene, Mapping[Value, float]]
    rates: Mapping[Value, tuple[tuple[float, float], ...]]
    scorer: str
    others: tuple[str, ...]

    @property
    def is_rate(self) -> bool:
        """Whether it counts successes out of trials."""
        return bool(self.rates)


def marks_of(log: Log, evidence: Evidence) -> MarkCounts:
    """The latest mark of each image of the run that has one."""
    said = dict(log.rows(_MARKS))
    kept: defaultdict[Value, int] = defaultdict(int)
    rejected: defaultdict[Value, int] = defaultdict(int)
    calls: defaultdict[Scene, defaultdict[Value, list[float]]] = defaultdict(lambda: defaultdict(list))
    for image, places in places_of_images(log, evidence, said).items():
        for place in places:
            keep = said[image] == "keep"
            (kept if keep else rejected)[place.value] += 1
            calls[place.scene][place.value].append(float(keep))
    return MarkCounts(kept, rejected, _averaged(calls))


def _averaged(calls: Mapping[Scene, Mapping[Value, list[float]]]) -> dict[Scene, dict[Value, float]]:
    """Images of one call are one observation; the sum is the same in whatever order they come."""
    return {
        scene: {value: math.fsum(each) / len(each) for value, each in sorted(own.items())}
        for scene, own in sorted(calls.items())
    }


def score_names(log: Log, experiment: str) -> list[str]:
    """The scores with numbers that this log has of an experiment's images and variants."""
    return [name for (name,) in log.rows(_NAMES, (experiment,))]


def measure_of(log: Log, evidence: Evidence, name: str) -> Measure:
    """The score of this name: of several scorers or versions, the one that wrote last. InputError where none has it."""
    rows = list(log.rows(_SCORES, (name, evidence.run.experiment)))
    places = places_of_images(log, evidence, {row[0] for row in rows if row[0] is not None})
    rows = [row for row in rows if (row[0] in places if row[0] is not None else row[1] in evidence.variants)]
    if not rows:
        raise _no_score(log, evidence, name)
    last: dict[tuple[str, str], str] = {}
    for *_, scorer, version, at in rows:
        last[scorer, version] = max(at, last.get((scorer, version), ""))
    chosen = max(last, key=lambda key: (last[key], key))
    used = [row for row in rows if (row[5], row[6]) == chosen]
    others = tuple(sorted(" ".join(key).strip() for key in last if key != chosen))
    scorer = " ".join(chosen).strip()
    if any(row[4] is not None for row in used):
        return Measure(name, {}, _rates(evidence, places, used), scorer, others)
    return Measure(name, _means(evidence, places, used), {}, scorer, others)


def _spots(
    evidence: Evidence, places: Mapping[str, list[Place]], image: str | None, variant: str
) -> Iterable[tuple[str, str]]:
    """Scene and value of a scored image, or of a scored variant, whose scene is the other axes alone."""
    if image is not None:
        return [(place.scene, place.value) for place in places[image]]
    value, shared = evidence.variants[variant]
    return [(scene_key(shared, None, 0), value)]


def _means(
    evidence: Evidence, places: Mapping[str, list[Place]], rows: Iterable[tuple[Any, ...]]
) -> dict[Scene, dict[Value, float]]:
    calls: defaultdict[Scene, defaultdict[Value, list[float]]] = defaultdict(lambda: defaultdict(list))
    for image, variant, number, *_ in rows:
        for scene, value in _spots(evidence, places, image, variant):
            calls[scene][value].append(float(number))
    return _averaged(calls)


def _rates(
    evidence: Evidence, places: Mapping[str, list[Place]], rows: Iterable[tuple[Any, ...]]
) -> dict[Value, tuple[tuple[float, float], ...]]:
    found: defaultdict[Value, list[tuple[float, float]]] = defaultdict(list)
    for image, variant, _, successes, trials, *_ in rows:
        if not trials:
            continue
        for _, value in _spots(evidence, places, image, variant):
            found[value].append((float(successes or 0), float(trials)))
    return {value: tuple(sorted(found[value])) for value in evidence.values if value in found}


def _no_score(log: Log, evidence: Evidence, name: str) -> InputError:
    known = ["votes", "kept", *score_names(log, evidence.run.experiment)]
    advice = did_you_mean(name, known) or f"; there are {listed(known)}"
    message = f"run {evidence.run.id} has no score {quoted(name)}{advice}"
    return InputError(message, code="no-such-metric")
