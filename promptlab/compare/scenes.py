"""Matched cells: what of a run may be compared with what, for one axis.

A scene is one matched cell: the same values of all other axes, the same seed and draw. In it, every value of the
compared axis has one generation, with its images, or a reason why there is none. The images of one call (n > 1) share
their scene. Without a seed nothing ties two generations together but the other axes: such scenes are not `seeded`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from promptlab.compare.baseline import baseline_of
from promptlab.compare.grid import axes_of, shared_axes
from promptlab.compare.layout import default_axis
from promptlab.errors import InputError
from promptlab.log import Log
from promptlab.log.reader import LogReader, log_of
from promptlab.model import Matcher
from promptlab.spec.matcher import Where, matches, resolve
from promptlab.spec.names import did_you_mean, listed, quoted

__all__ = [
    "MISSING", "Cell", "Scene", "SceneImage", "Scenes", "cell_status", "check_axis", "chosen_variants",
    "compared_axis",
    "label_of_variant", "place_of", "scene_key", "scenes_of", "some_variants", "variants_of_run",
]  # fmt: skip

#: Why a cell has no picture, in the order in which they are told.
MISSING: Final = ("failed", "moderated", "lost", "unknown", "skipped", "planned", "in_flight")
_MODERATED: Final = ("content_policy", "moderation", "safety")  # parts of the codes that say so
_VARIANTS: Final = """
SELECT v.id, v.axes FROM (SELECT variant_id, min(sequence) AS first FROM generations WHERE run_id = ?1 GROUP BY 1) c
JOIN runs r ON r.id = ?1 JOIN variants v ON v.experiment = r.experiment AND v.id = c.variant_id ORDER BY c.first
"""
_AXES: Final = """
SELECT v.id, v.axes FROM variants v WHERE v.experiment = ?2 AND EXISTS (
  SELECT 1 FROM generations g WHERE g.experiment = v.experiment AND g.variant_id = v.id AND g.run_id = ?1)
"""
_CELLS: Final = """
SELECT g.id, g.variant_id, g.seed, g.draw, g.status, g.error_code, g.cost_usd, g.cached_from
FROM generations g WHERE g.run_id = ? ORDER BY g.sequence, g.id
"""
_IMAGES: Final = """
SELECT i.generation_id, i.id, i.sha256, i.position, i.status,
  CASE WHEN g.cached_from IS NULL THEN i.id ELSE ifnull(
    (SELECT p.id FROM images p WHERE p.generation_id = g.cached_from AND p.position = i.position), i.id) END
FROM generations g CROSS JOIN images i ON i.generation_id = g.id
WHERE g.run_id = ? ORDER BY g.sequence, g.id, i.position
"""
Axes = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SceneImage:
    """A stored image. Votes, marks and scores belong to `paid_id`: of a copy from the cache, the image it shows."""

    image_id: str
    paid_id: str
    sha256: str | None
    position: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One generation of a scene. `status` is `completed` where it has an image, else one of `MISSING`."""

    generation_id: str
    variant_id: str
    status: str
    cost_usd: float | None
    images: tuple[SceneImage, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """One matched cell: what it holds the same, and value of the compared axis → what the run has of it there."""

    key: str
    axes: Axes
    seed: int | None
    draw: int
    cells: Mapping[str, Cell]

    @property
    def seeded(self) -> bool:
        """Whether a seed ties its generations together."""
        return self.seed is not None

    @property
    def shown(self) -> dict[str, Cell]:
        """Value → cell, of those that have a picture."""
        return {value: cell for value, cell in self.cells.items() if cell.images}


@dataclass(frozen=True, slots=True)
class Scenes:
    """A run's scenes in the order of its plan; `by` None: whole variants are compared, at the same seed and draw.

    `labels` is how a value is shown: the value id itself, or a variant's name.
    """

    run_id: str
    experiment: str
    by: str | None
    values: tuple[str, ...]
    labels: Mapping[str, str]
    scenes: tuple[Scene, ...] = field(repr=False)

    @property
    def matched(self) -> tuple[Scene, ...]:
        """The scenes in which two values at least have a picture: what can be voted on."""
        return tuple(scene for scene in self.scenes if len(scene.shown) > 1)

    def __iter__(self) -> Iterator[Scene]:
        return iter(self.scenes)

    def __len__(self) -> int:
        return len(self.scenes)


def variants_of_run(log: Log, run_id: str) -> dict[str, Axes]:
    """Variant → its axes, in the order of the run's plan."""
    return {id_: json.loads(axes or "{}") for id_, axes in log.rows(_VARIANTS, (run_id,))}


def compared_axis(log: Log | LogReader, run_id: str) -> str | None:
    """The axis that is worth comparing first, by the grid's rule; None where only one variant, or no axis, varies."""
    log = log_of(log)
    run = log.find_whole_run(run_id)
    return default_axis(axes_of(some_variants(log, run.id).values()), baseline_of(log, run.id))


def some_variants(log: Log, run_id: str) -> dict[str, Axes]:
    """Variant → its axes of a run, in no order: from an index, without a look at every generation."""
    experiment = log.value("SELECT experiment FROM runs WHERE id = ?", (run_id,))
    return {id_: json.loads(axes or "{}") for id_, axes in log.rows(_AXES, (run_id, experiment))}


def place_of(variant_id: str, axes: Axes, by: str | None) -> tuple[str, tuple[tuple[str, str], ...]] | None:
    """A variant's value on the compared axis, and the values it shares with others; None where the axis is not used."""
    if by is None:
        return variant_id, ()
    value = axes.get(by)
    return None if value is None else (value, shared_axes(axes, by))


def cell_status(status: str, error_code: str | None) -> str:
    """A generation's status in a comparison: a failure that a content filter caused is `moderated`."""
    if status == "failed" and error_code and any(part in error_code for part in _MODERATED):
        return "moderated"
    return "completed" if status == "cached" else status


def check_axis(variants: Mapping[str, Axes], by: str | None, what: str) -> None:
    """InputError where no variant of `what` (a run, an experiment) has this axis."""
    known = list(dict.fromkeys(axis for axes in variants.values() for axis in axes))
    if by is not None and by not in known:
        advice = did_you_mean(by, known) or (f"; there are {listed(known)}" if known else "; it has none")
        raise InputError(f"{what} has no axis {quoted(by)}{advice}", code="unknown-axis")


def chosen_variants(log: Log, run_id: str, variants: Mapping[str, Axes], where: Where) -> Mapping[str, Axes]:
    """Those of the run's variants that every `where` matches; InputError for an axis or id that is not there."""
    if not where:
        return variants
    matchers: tuple[Matcher, ...] = resolve(where, log.axis_values(run_id))
    return {id_: axes for id_, axes in variants.items() if all(matches(each, axes) for each in matchers)}


def scene_key(shared: tuple[tuple[str, str], ...], seed: int | None, draw: int) -> str:
    """A scene's name, the same in every run of an experiment: its axes, seed and draw as JSON."""
    return json.dumps([dict(sorted(shared)), seed, draw], ensure_ascii=False, separators=(",", ":"))


def scenes_of(log: Log | LogReader, run_id: str, by: str | None, where: Where = ()) -> Scenes:
    """Every scene of a run for one axis, with what the run has of each value there.

    Variants that the axis does not apply to are left out. InputError for an axis or a `where` that is not there.
    """
    log = log_of(log)
    run = log.find_whole_run(run_id)
    every = variants_of_run(log, run.id)
    check_axis(every, by, f"run {run.id}")
    places = {
        id_: place
        for id_, axes in chosen_variants(log, run.id, every, where).items()
        if (place := place_of(id_, axes, by)) is not None
    }
    images: dict[str, list[SceneImage]] = {}
    for generation_id, id_, sha256, position, status, paid in log.rows(_IMAGES, (run.id,)):
        if status == "stored":
            images.setdefault(generation_id, []).append(SceneImage(id_, paid, sha256, position))
    cells: dict[tuple[tuple[tuple[str, str], ...], int | None, int], dict[str, Cell]] = {}
    for id_, variant, seed, draw, status, code, cost, _ in log.rows(_CELLS, (run.id,)):
        if variant not in places:
            continue
        value, shared = places[variant]
        kept = tuple(images.get(id_, ()))
        said = cell_status(status, code)
        cell = Cell(id_, variant, "lost" if said == "completed" and not kept else said, cost, kept)
        cells.setdefault((shared, seed, draw), {})[value] = cell
    scenes = tuple(
        Scene(scene_key(shared, seed, draw), dict(shared), seed, draw, found)
        for (shared, seed, draw), found in cells.items()
    )
    values = tuple(dict.fromkeys(value for value, _ in places.values()))
    labels = {value: label_of_variant(value, every[value]) if by is None else value for value in values}
    return Scenes(run.id, run.experiment, by, values, labels, scenes)


def label_of_variant(variant_id: str, axes: Axes) -> str:
    """A whole variant, for people."""
    return ", ".join(f"{axis}={value}" for axis, value in axes.items()) or variant_id
