"""Picks: which image each variant goes out with, which variants have none, and what a redo may choose from.

A variant's pick is its latest kept image, whichever run made it (the view `picks`). What a run planned is held against
the picks of its whole experiment, so that an image that was made again counts for the run that it replaces.
"""
# ruff: noqa: S608  the SQL is put together from this package's own names; values are bound

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from promptlab.log.connection import Connection
from promptlab.log.schema import SIMULATED

__all__ = ["AskedBefore", "Pick", "Picks", "PlannedRequest", "Product", "Unpicked"]

_PLANNED = """
SELECT g.id, g.variant_id, v.axes, g.seed_index, g.seed, g.draw, g.status, g.template_id, g.request_hash,
  coalesce(g.cached_from, g.id)
FROM generations g JOIN variants v ON v.experiment = g.experiment AND v.id = g.variant_id
WHERE g.run_id = ? ORDER BY g.sequence, g.id
"""
# Marks are few beside images: start there.
_MARKED = """
SELECT DISTINCT i.generation_id FROM marks k
CROSS JOIN latest_marks m ON m.image_id = k.image_id AND m."by" = k."by" CROSS JOIN images i ON i.id = k.image_id
WHERE k.mark = ?
"""
_ASKED = """
SELECT g.variant_id, g.seed_index, g.seed, g.draw, g.template_id, g.status, coalesce(g.cached_from, g.id),
  CASE WHEN r.kind = 'redo' THEN r.parent_run END, r.settings
FROM json_each(?1) w CROSS JOIN generations g ON g.experiment = ?2 AND g.variant_id = w.value
JOIN runs r ON r.id = g.run_id ORDER BY g.seed_index, g.draw, g.id
"""
_OF_VARIANTS = """
SELECT v.id, v.name, v.axes, min(g.sequence), count(*), total(g.status IN ('completed', 'lost')),
  (SELECT json_group_array(DISTINCT coalesce(p.cached_from, p.id)) FROM generations p
    WHERE p.run_id = ?1 AND p.variant_id = g.variant_id)
FROM generations g JOIN variants v ON v.experiment = g.experiment AND v.id = g.variant_id
WHERE g.run_id = ?1 GROUP BY g.variant_id ORDER BY 4
"""
_PICKS = """
SELECT k.variant_id, k.variant, k.image_id, k.sha256, k."by", k.at, k.generation_id FROM picks k WHERE k.experiment = ?
"""
_PRODUCTS = f"""
SELECT v.id, v.name, v.axes, c.used, k.image_id, k.sha256, k."by", k.at, p.position, p.format, p.width, p.height,
  p.label, g.prompt, p.revised_prompt, g.model, g.seed, g.draw, g.cost_usd / g.n, g.credits / g.n, {SIMULATED}
FROM (SELECT variant_id, min(sequence) AS sequence, max(axis_values) AS used FROM generations
  WHERE run_id = ?1 GROUP BY variant_id) c
CROSS JOIN variants v ON v.experiment = ?2 AND v.id = c.variant_id
JOIN (SELECT * FROM picks WHERE experiment = ?2) k ON k.variant_id = c.variant_id
CROSS JOIN images p ON p.id = k.image_id CROSS JOIN generations g ON g.id = k.generation_id
ORDER BY c.sequence
"""
_EDITED = """
SELECT json_extract(v.axes, ?2), g.source_image, json_extract(g.axis_values, ?2), min(g.sequence)
FROM generations g JOIN variants v ON v.experiment = g.experiment AND v.id = g.variant_id
WHERE g.run_id = ?1 AND g.source_image IS NOT NULL GROUP BY 1 ORDER BY 4
"""


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """One request of a run, by what identifies it among those of its variant; `paid_id` is who paid for its images."""

    generation_id: str
    variant_id: str
    axes: Mapping[str, str]
    seed_index: int | None
    seed: int | None
    draw: int
    status: str
    template_id: str
    request_hash: str
    paid_id: str


class AskedBefore(NamedTuple):
    """One request of a variant in any run; `redo_of` is the run that a redo made it for, `said` what that redo said."""

    variant_id: str
    seed_index: int | None
    seed: int | None
    draw: int
    template_id: str
    status: str
    paid_id: str
    redo_of: str | None
    said: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pick:
    """The image that a variant goes out with: the paid one, whose copies show it too."""

    variant_id: str
    variant: str
    image_id: str
    sha256: str
    by: str
    at: str
    generation_id: str


@dataclass(frozen=True, slots=True)
class Product:
    """A variant with its pick and what is known of that image: what is exported. Costs are one image's share."""

    variant_id: str
    variant: str
    axes: Mapping[str, str]
    values: Mapping[str, Any]  # axis → the value used: its text, or its row's fields
    image_id: str
    sha256: str
    by: str
    at: str
    position: int
    format: str
    width: int | None
    height: int | None
    label: str | None
    prompt: str
    revised_prompt: str | None
    model: str
    seed: int | None
    draw: int
    cost_usd: float | None
    credits: float | None
    simulated: bool


@dataclass(frozen=True, slots=True)
class Unpicked:
    """A variant of a run of which no image is kept, and why that may be: generations by what became of them."""

    variant_id: str
    variant: str
    axes: Mapping[str, str]
    generations: int
    with_images: int
    rejected: int

    @property
    def why(self) -> str:
        """`rejected`, `to be judged` or `no image`."""
        if not self.with_images:
            return "no image"
        return "rejected" if self.rejected == self.with_images else "to be judged"


class Picks(Connection):
    """Readers of picks, of what has none, and of what was asked for already."""

    def picks(self, experiment: str) -> dict[str, Pick]:
        """Variant id → its pick, of a whole experiment."""
        return {row[0]: Pick(*row) for row in self.rows(_PICKS, (experiment,))}

    def without_pick(self, run_id: str) -> list[Unpicked]:
        """The variants of a run without a pick, in the order of the plan."""
        picked = self.picked_variants(run_id)
        rejected = self.marked_generations("reject")
        found = []
        for id_, name, axes, _, generations, images, paid in self.rows(_OF_VARIANTS, (run_id,)):
            if id_ not in picked:
                refused = len(rejected.intersection(json.loads(paid)))
                found.append(Unpicked(id_, name, json.loads(axes), generations, int(images), refused))
        return found

    def products(self, run_id: str) -> list[Product]:
        """The variants of a run that have a pick, each with it, in the order of the plan."""
        experiment = self.value("SELECT experiment FROM runs WHERE id = ?", (run_id,))
        found = []
        for id_, name, axes, used, *facts, simulated in self.rows(_PRODUCTS, (run_id, experiment)):
            values = json.loads(used) if used else {}
            found.append(Product(*(id_, name, json.loads(axes), values, *facts, bool(simulated))))
        return found

    def picked_variants(self, run_id: str) -> set[str]:
        """The variants of a run's experiment that have a pick."""
        sql = "SELECT variant_id FROM picks WHERE experiment = (SELECT experiment FROM runs WHERE id = ?)"
        return {id_ for (id_,) in self.rows(sql, (run_id,))}

    def marked_generations(self, mark: str) -> set[str]:
        """The generations (paid ones) of which some image's latest mark is this."""
        return {id_ for (id_,) in self.rows(_MARKED, (mark,))}

    def planned_requests(self, run_id: str) -> Iterator[PlannedRequest]:
        """Every request of a run, in the order of the plan."""
        for id_, variant, axes, *rest in self.rows(_PLANNED, (run_id,)):
            yield PlannedRequest(id_, variant, json.loads(axes), *rest)

    def asked_before(self, experiment: str, variants: Collection[str]) -> Iterator[AskedBefore]:
        """Everything that was ever planned for these variants, by seed index and draw."""
        rows = self.rows(_ASKED, (json.dumps(list(variants)), experiment))
        for variant, index, seed, draw, template, status, paid, redo_of, settings in rows:
            said = json.loads(settings).get("redo") if redo_of and settings else None
            yield AskedBefore(variant, index, seed, draw, template, status, paid, redo_of, said or {})

    def edited_images(self, run_id: str, axis: str) -> Iterator[tuple[str, str, Mapping[str, str]]]:
        """Value id, sha256 and fields of the images that a run edited, where an axis chose them."""
        for id_, sha256, used, _ in self.rows(_EDITED, (run_id, f"$.{axis}")):
            fields = json.loads(used) if isinstance(used, str) and used.startswith("{") else {}
            yield id_, sha256, fields

    def template_of_value(self, run_id: str) -> dict[str | None, str]:
        """Value of the axis of prompts or templates → the template's id; None where a run has no such axis."""
        return dict(self.rows("SELECT value, template_id FROM run_templates WHERE run_id = ?", (run_id,)))
