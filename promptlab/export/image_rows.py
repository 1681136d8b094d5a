"""One flat row per image of a run: what was asked, what came out, how it was judged. Read a page at a time.

Columns come in a fixed order with a fixed type, so that a file can be written as it is read: the image and its
request, one column per axis (`axis_NAME`), the judgement, votes of people and of models, and one column per score.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from promptlab.compare.scenes import chosen_variants, variants_of_run
from promptlab.log import Log
from promptlab.spec.matcher import Where

__all__ = ["ExportColumn", "ImageRow", "ImageRows", "Kind"]

Kind = Literal["text", "integer", "number", "boolean", "json"]
ImageRow = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ExportColumn:
    """A column: `json` is a list or a map, which CSV holds as JSON text."""

    name: str
    kind: Kind
    about: str


_FRONT: Final = (
    ExportColumn("image_id", "text", "the image's id in the log"),
    ExportColumn("run_id", "text", "the run"),
    ExportColumn("experiment", "text", "the experiment"),
    ExportColumn("variant", "text", "the values of all axes, as axis=id"),
    ExportColumn("variant_id", "text", "the variant's id, the same in every run"),
)
_MIDDLE: Final = (
    ExportColumn("template", "text", "the template's path, or the experiment's for a prompt that stands in it"),
    ExportColumn("template_id", "text", "hash of the template with all that it includes"),
    ExportColumn("prompt", "text", "the prompt that was sent"),
    ExportColumn("negative_prompt", "text", "the negative prompt that was sent"),
    ExportColumn("revised_prompt", "text", "the prompt as the model rewrote it"),
    ExportColumn("provider", "text", "who was asked"),
    ExportColumn("model", "text", "the model that was asked for"),
    ExportColumn("operation", "text", "generate or edit"),
    ExportColumn("seed", "integer", "the seed that was sent"),
    ExportColumn("seed_index", "integer", "its place among the seeds of the experiment, from 0"),
    ExportColumn("draw", "integer", "which repetition of the same request, from 0"),
    ExportColumn("position", "integer", "which image of the answer, from 0"),
    ExportColumn("aspect_ratio", "text", "as sent, or the documented default"),
    ExportColumn("output_format", "text", "as sent, or the documented default"),
    ExportColumn("n", "integer", "images asked for in one request"),
    ExportColumn("strength", "number", "of an edit"),
    ExportColumn("source_image", "text", "of an edit: its sha256 or address"),
    ExportColumn("params", "json", "all other parameters that were sent"),
    ExportColumn("values", "json", "the values used: axis to text, or to the fields of a row"),
    ExportColumn("status", "text", "stored, or lost after it was paid for"),
    ExportColumn("simulated", "boolean", "drawn by the simulator"),
    ExportColumn("cached", "boolean", "taken from the log, and so free in this run"),
    ExportColumn("credits", "number", "of the whole request, in the provider's credits"),
    ExportColumn("cost_usd", "number", "of the whole request, in dollars"),
    ExportColumn("cost_source", "text", "where the cost comes from: response, usage, table, cache or simulated"),
    ExportColumn("latency_ms", "integer", "how long the provider took"),
    ExportColumn("created_at", "text", "when it was planned, ISO 8601, UTC"),
    ExportColumn("width", "integer", "pixels"),
    ExportColumn("height", "integer", "pixels"),
    ExportColumn("bytes", "integer", "size of the file"),
    ExportColumn("format", "text", "png, jpg or webp"),
    ExportColumn("sha256", "text", "hash of the file, and its name in the store"),
    ExportColumn("perceptual_hash", "text", "64-bit dHash"),
    ExportColumn("label", "text", "what the file says of its making: c2pa, iptc, both or none"),
    ExportColumn("path", "text", "the readable name, relative to the studio"),
    ExportColumn("mark", "text", "keep or reject: the latest of all users"),
    ExportColumn("tags", "json", "its tags"),
    ExportColumn("note", "text", "its note"),
    ExportColumn("picked", "boolean", "the latest kept image of its variant"),
    ExportColumn("votes_won", "integer", "comparisons in this run that people decided for it"),
    ExportColumn("votes_lost", "integer", "comparisons that people decided against it"),
    ExportColumn("votes_tied", "integer", "ties"),
    ExportColumn("votes_bad", "integer", "comparisons in which both were called bad"),
    ExportColumn("judge_won", "integer", "comparisons that a model decided for it"),
    ExportColumn("judge_lost", "integer", "comparisons that a model decided against it"),
)
_BACK: Final = (
    ExportColumn("generation_id", "text", "the request's row in the log"),
    ExportColumn("request_hash", "text", "hash of the request: the cache's key"),
    ExportColumn("paid_image_id", "text", "the image that was paid for: marks, votes and scores belong to it"),
)

_ROWS: Final = """
SELECT i.id, g.run_id, g.experiment, v.name, g.variant_id, v.axes,
  (SELECT t.path FROM templates t WHERE t.id = g.template_id), g.template_id, g.prompt, g.negative_prompt,
  i.revised_prompt, g.provider, g.model, g.operation, g.seed, g.seed_index, g.draw, i.position, g.aspect_ratio,
  g.output_format, g.n, g.strength, g.source_image, g.params, g.axis_values, i.status,
  (g.provider = 'simulator' OR g.cost_source IS 'simulated'), g.cached_from IS NOT NULL, g.credits, g.cost_usd,
  g.cost_source, g.latency_ms, g.created_at, i.width, i.height, i.bytes, i.format, i.sha256, i.perceptual_hash,
  i.label, i.path, g.id, g.request_hash,
  ifnull((SELECT p.id FROM images p WHERE p.generation_id = g.cached_from AND p.position = i.position), i.id),
  g.sequence
FROM generations g CROSS JOIN images i ON i.generation_id = g.id
JOIN variants v ON v.experiment = g.experiment AND v.id = g.variant_id
WHERE g.run_id = ?1 AND g.sequence >= ?2 AND (g.sequence, g.id, i.position) > (?2, ?3, ?4)
ORDER BY g.sequence, g.id, i.position LIMIT 500
"""
_MARKS: Final = """
SELECT image_id, mark, tags, note FROM latest_marks WHERE image_id IN (SELECT value FROM json_each(?))
"""
_PICKS: Final = "SELECT image_id FROM picks WHERE experiment = ?"
_SCORES: Final = """
SELECT s.name, max(s.number IS NOT NULL), max(s.text IS NOT NULL) FROM scores s
WHERE s.image_id IS NOT NULL AND EXISTS (
  SELECT 1 FROM images i JOIN generations g ON g.id = i.generation_id WHERE i.id = s.image_id
  AND (g.run_id = ?1 OR EXISTS (SELECT 1 FROM generations c WHERE c.cached_from = g.id AND c.run_id = ?1)))
GROUP BY s.name ORDER BY s.name
"""
#: The place of each value in a row of _ROWS, beside id, axes, paid image and sequence.
_READ: Final = (
    "image_id", "run_id", "experiment", "variant", "variant_id", "axes", "template", "template_id", "prompt",
    "negative_prompt", "revised_prompt", "provider", "model", "operation", "seed", "seed_index", "draw", "position",
    "aspect_ratio", "output_format", "n", "strength", "source_image", "params", "values", "status", "simulated",
    "cached", "credits", "cost_usd", "cost_source", "latency_ms", "created_at", "width", "height", "bytes", "format",
    "sha256", "perceptual_hash", "label", "path", "generation_id", "request_hash", "paid_image_id", "sequence",
)  # fmt: skip


@dataclass
class ImageRows:
    """The rows of a run's images, and their columns; iterate it as often as needed."""

    log: Log
    run_id: str
    where: Where = ()
    columns: tuple[ExportColumn, ...] = field(init=False)

    def __post_init__(self) -> None:
        variants = chosen_variants(self.log, self.run_id, variants_of_run(self.log, self.run_id), self.where)
        self._variants = set(variants) if self.where else None
        axes = tuple(dict.fromkeys(axis for each in variants.values() for axis in each))
        self._scores: list[tuple[str, bool, bool]] = [
            (name, bool(numbers), bool(texts)) for name, numbers, texts in self.log.rows(_SCORES, (self.run_id,))
        ]
        self.columns = (
            *_FRONT,
            *(ExportColumn(f"axis_{axis}", "text", f"its value of {axis}") for axis in axes),
            *_MIDDLE,
            *self._score_columns(),
            *_BACK,
        )
        self._axes = axes

    def _score_columns(self) -> Iterator[ExportColumn]:
        for name, numbers, texts in self._scores:
            if numbers:
                yield ExportColumn(
                    f"score_{name}", "number", f"the score {name}: the latest, where several scorers gave one"
                )
            if texts:
                yield ExportColumn(f"score_{name}_text", "text", f"the score {name}, where it is a text")

    def __iter__(self) -> Iterator[ImageRow]:
        experiment = self.log.value("SELECT experiment FROM runs WHERE id = ?", (self.run_id,))
        picked = {id_ for (id_,) in self.log.rows(_PICKS, (experiment,))}
        votes = self._votes()
        after: tuple[int, str, int] = (-(2**62), "", -1)
        while page := list(self.log.rows(_ROWS, (self.run_id, *after))):
            rows = [dict(zip(_READ, values, strict=True)) for values in page]
            last = rows[-1]
            after = (last["sequence"], last["generation_id"], last["position"])
            if self._variants is not None:
                rows = [row for row in rows if row["variant_id"] in self._variants]
            yield from self._completed(rows, picked, votes)

    def _completed(
        self, rows: Sequence[ImageRow], picked: set[str], votes: Mapping[str, Counter[str]]
    ) -> Iterator[ImageRow]:
        """The rows with their judgement; in the order of the columns."""
        paid = json.dumps(list({row["paid_image_id"] for row in rows}))
        marks = {id_: (mark, tags, note) for id_, mark, tags, note in self.log.rows(_MARKS, (paid,))}
        scores = self._scores_of([row["paid_image_id"] for row in rows]) if self._scores else {}
        names = [column.name for column in self.columns]
        for row in rows:
            id_ = row["paid_image_id"]
            axes = json.loads(row["axes"])
            row |= {f"axis_{axis}": axes.get(axis) for axis in self._axes}
            row["mark"], row["tags"], row["note"] = marks.get(id_, (None, None, None))
            for column in ("params", "values", "tags"):
                row[column] = json.loads(row[column]) if row[column] else None
            row["simulated"], row["cached"] = bool(row["simulated"]), bool(row["cached"])
            row["picked"] = id_ in picked
            row |= votes.get(id_) or {}
            row |= scores.get(id_) or {}
            yield {name: row.get(name, 0 if name in _COUNTS else None) for name in names}

    def _votes(self) -> Mapping[str, Counter[str]]:
        """Paid image → its counts, of the comparisons whose images this run has both."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for ballot in self.log.ballots(self.run_id):
            who = "judge" if ballot.judge is not None else "votes"
            for vote in ballot.comparisons:
                left, right = found[vote.left_image], found[vote.right_image]
                if vote.outcome in ("left", "right"):
                    winner, loser = (left, right) if vote.outcome == "left" else (right, left)
                    winner[f"{who}_won"] += 1
                    loser[f"{who}_lost"] += 1
                elif who == "votes":
                    what = "votes_tied" if vote.outcome == "tie" else "votes_bad"
                    left[what] += 1
                    right[what] += 1
        return found

    def _scores_of(self, paid: Sequence[str]) -> Mapping[str, ImageRow]:
        """Paid image → its scores, the latest of each name."""
        found: dict[str, ImageRow] = defaultdict(dict)
        for score in sorted(self.log.scores_of_images(dict.fromkeys(paid)), key=lambda each: each.at or ""):
            values = found[str(score.image_id)]
            if score.number is not None:
                values[f"score_{score.name}"] = float(score.number)
            if score.text is not None:
                values[f"score_{score.name}_text"] = score.text
        return found


_COUNTS: Final = {"votes_won", "votes_lost", "votes_tied", "votes_bad", "judge_won", "judge_lost"}
