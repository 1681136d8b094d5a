"""Scores: a number or a text about an image or a whole variant, from a scorer or from outside."""
# ruff: noqa: S608  the SQL is put together from this file alone; values are bound

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from promptlab.log.connection import Connection
from promptlab.log.rows import paid_images
from promptlab.model import new_id, utc_now

__all__ = ["Score", "Scores"]

_COLUMNS: Final = "image_id, experiment, variant_id, name, number, text, successes, trials, scorer, version, source, at"
# A score that says the same as the one that stands changes nothing, and keeps its time.
_PUT: Final = f"""
INSERT INTO scores (id, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET number = excluded.number, text = excluded.text, successes = excluded.successes,
  trials = excluded.trials, source = excluded.source, at = excluded.at
WHERE (number, text, successes, trials) IS NOT (excluded.number, excluded.text, excluded.successes, excluded.trials)
"""
_OF_IMAGES: Final = f"""
SELECT {_COLUMNS} FROM scores WHERE image_id IN (SELECT value FROM json_each(?)) ORDER BY image_id, name, scorer, at
"""
_OF_VARIANTS: Final = f"""
SELECT {_COLUMNS} FROM scores WHERE experiment = ? AND variant_id IS NOT NULL ORDER BY variant_id, name, scorer, at
"""
_DONE: Final = "SELECT image_id, scorer, version FROM scores WHERE image_id IN (SELECT value FROM json_each(?))"
_NAMES: Final = """
SELECT DISTINCT name FROM scores WHERE image_id IN (SELECT value FROM json_each(?1))
UNION SELECT DISTINCT name FROM scores WHERE experiment = ?2 ORDER BY 1
"""
# `paid` is the image that scores belong to; `known` what a scorer is told of it.
_KNOWN: Final = """
SELECT
  i.id AS image_id,
  ifnull((SELECT p.id FROM images p WHERE p.generation_id = g.cached_from AND p.position = i.position), i.id) AS paid,
  g.experiment, v.name AS variant, v.axes, g.axis_values, g.prompt, g.negative_prompt, i.revised_prompt, g.params,
  g.aspect_ratio, g.output_format, g.strength, g.n, g.defaulted, g.provider, g.model, g.operation, g.seed, g.draw,
  i.position, i.width, i.height, i.format, i.sha256, i.perceptual_hash, i.label, i.path, g.run_id,
  g.id AS generation_id
FROM generations g
JOIN images i ON i.generation_id = g.id
JOIN variants v ON v.experiment = g.experiment AND v.id = g.variant_id
WHERE g.run_id = ? AND i.status = 'stored' ORDER BY g.sequence, g.id, i.position
"""


@dataclass(frozen=True, slots=True)
class Score:
    """One value. Of an image (`image_id`) or of a variant (`experiment` and `variant_id`).

    A rate has `successes` out of `trials` beside its `number`. `version` is the scorer's, `source` the file it came
    from.
    """

    name: str
    scorer: str
    version: str
    image_id: str | None = None
    experiment: str | None = None
    variant_id: str | None = None
    number: float | None = None
    text: str | None = None
    successes: float | None = None
    trials: float | None = None
    source: str | None = None
    at: str | None = None  # None: now


class Scores(Connection):
    """Writers and readers of scores. A score of an image belongs to the paid one; copies from the cache share it."""

    def put_scores(self, scores: Iterable[Score]) -> int:
        """Write scores in one commit, each in place of the one with the same name, scorer and version.

        Gives how many were new or have changed. InputError for an image that the log has not.
        """
        rows, now = list(scores), utc_now()
        with self.transaction():
            paid = paid_images(self, {each.image_id for each in rows if each.image_id is not None})
            changed = 0
            for each in rows:
                image = None if each.image_id is None else paid[each.image_id]
                values = (
                    image, each.experiment, each.variant_id, each.name, each.number, each.text, each.successes,
                    each.trials, each.scorer, each.version, each.source, each.at or now,
                )  # fmt: skip
                changed += self.execute(_PUT, (new_id(), *values)).rowcount
        return changed

    def scores_of_images(self, image_ids: Iterable[str]) -> Iterator[Score]:
        """Every score of these images, which may be copies: each is given under the id that was asked for."""
        asked: dict[str, list[str]] = {}
        for id_, paid in paid_images(self, list(image_ids)).items():
            asked.setdefault(paid, []).append(id_)
        for row in self.rows(_OF_IMAGES, (json.dumps(list(asked)),)):
            score = _score(row)
            for id_ in asked[str(score.image_id)]:
                yield replace(score, image_id=id_)

    def known_of_images(self, run_id: str) -> Iterator[dict[str, Any]]:
        """What the log knows of each stored image of a run, as column → value, in the order of the plan.

        `paid` is the image that its scores belong to.
        """
        cursor = self.execute(_KNOWN, (run_id,))
        names = [column[0] for column in cursor.description]
        return (dict(zip(names, row, strict=True)) for row in cursor)

    def scored_by(self, paid_ids: Iterable[str]) -> set[tuple[str, str, str]]:
        """(paid image, scorer, version) of every score that is there."""
        return set(self.rows(_DONE, (json.dumps(list(paid_ids)),)))

    def score_names(self, paid_ids: Iterable[str], experiment: str) -> list[str]:
        """The names of the scores that these images, or variants of the experiment, have."""
        return [name for (name,) in self.rows(_NAMES, (json.dumps(list(paid_ids)), experiment))]

    def scores_of_variants(self, experiment: str) -> Iterator[Score]:
        """Every score of an experiment's variants as a whole."""
        return map(_score, self.rows(_OF_VARIANTS, (experiment,)))


def _score(row: Iterable[object]) -> Score:
    image, experiment, variant, name, number, text, successes, trials, scorer, version, source, at = row
    return Score(
        name, scorer, version, image, experiment, variant, number, text, successes, trials, source, at,  # type: ignore[arg-type]
    )  # fmt: skip
