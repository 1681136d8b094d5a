"""From the log to the contents of a report."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING, Final

from promptlab.log import Log
from promptlab.log.rows import paid_images
from promptlab.model import Generation, Image, Run, is_simulated
from promptlab.report.contents import Contents, Shot, ShownCell, ShownGrid, ShownLine, ShownValue
from promptlab.report.overview import LineKey, Overview, choose_lines
from promptlab.report.provenance import provenance_of
from promptlab.report.recipes import recipe_of
from promptlab.report.spend import spend_of
from promptlab.report.words import count, state
from promptlab.run.summary import alike
from promptlab.studio.studio import Studio

if TYPE_CHECKING:
    from promptlab.compare.verdict import Standing, Verdict

__all__ = ["MOST_COLUMNS", "MOST_ENTRIES", "ReportSource", "gather"]

MOST_COLUMNS: Final = 8
MOST_ENTRIES: Final = 12
_MOST_SHOTS: Final = 4  # of one cell: the images of one request, as 2 by 2
_SEARCHED: Final = 200  # lines that are looked at for one that has an image of every value
_MARKS: Final = """
SELECT image_id, mark FROM latest_marks WHERE image_id IN (SELECT value FROM json_each(?))
"""
# The rows of this run that show these paid images: themselves, or copies from the cache.
_SHOWN: Final = """
SELECT p.id, i.id FROM json_each(?2) j JOIN images p ON p.id = j.value
JOIN generations g ON g.id = p.generation_id JOIN images i ON i.id = p.id WHERE g.run_id = ?1
UNION ALL
SELECT p.id, i.id FROM json_each(?2) j JOIN images p ON p.id = j.value
JOIN generations g ON g.cached_from = p.generation_id AND g.run_id = ?1
JOIN images i ON i.generation_id = g.id AND i.position = p.position
"""
_KEPT: Final = """
SELECT k.image_id FROM marks k JOIN images i ON i.id = k.image_id JOIN generations g ON g.id = i.generation_id
WHERE k.mark = 'keep' AND (g.run_id = ?1 OR EXISTS (
  SELECT 1 FROM generations c WHERE c.cached_from = g.id AND c.run_id = ?1))
"""
_LATEST: Final = """
SELECT max(k.at) FROM marks k JOIN images i ON i.id = k.image_id JOIN generations g ON g.id = i.generation_id
WHERE g.run_id = ?1 OR EXISTS (SELECT 1 FROM generations c WHERE c.cached_from = g.id AND c.run_id = ?1)
"""


@dataclass
class ReportSource:
    """Everything that a report is made from; what is slow to read is read once."""

    log: Log
    studio: Studio
    run: Run
    over: Overview
    verdict: Verdict | None
    no_verdict: str = ""
    title: str | None = None
    where: str = ""

    @cached_property
    def score(self) -> Counter[str]:
        """Paid image → votes of people that it won, less those that it lost."""
        found: Counter[str] = Counter()
        for ballot in self.log.ballots(self.run.id):
            for vote in ballot.comparisons if ballot.judge is None else ():
                if vote.outcome in ("left", "right"):
                    won = vote.outcome == "left"
                    found[vote.left_image] += 1 if won else -1
                    found[vote.right_image] += -1 if won else 1
        return found

    @cached_property
    def standings(self) -> Mapping[str, Standing]:
        """Value → how it stands; none where nothing was judged."""
        return {each.value: each for each in self.verdict.standings} if self.verdict and self.judged else {}

    @cached_property
    def judged(self) -> bool:
        """Whether the verdict rests on anything."""
        found = self.verdict
        return found is not None and (found.votes > 0 or any(each.estimate is not None for each in found.standings))

    @cached_property
    def values(self) -> Sequence[str]:
        """The compared values: best first where there is a verdict, else in the order of the plan."""
        ranked = [value for value in self.standings if value in self.over.values]
        return [*ranked, *(value for value in self.over.values if value not in self.standings)]

    @cached_property
    def as_of(self) -> str:
        """The time of the last thing that the report tells of."""
        times: list[str | None] = [self.run.started_at, self.run.ended_at, self.log.value(_LATEST, (self.run.id,))]
        times += [self.log.value("SELECT max(ended_at) FROM generations WHERE run_id = ?", (self.run.id,))]
        times += [ballot.at for ballot in self.log.ballots(self.run.id)]
        return max(filter(None, times))


def gather(source: ReportSource, most_lines: int) -> Contents:
    """The contents of a report that shows at most `most_lines` lines of the grid."""
    run, over, log = source.run, source.over, source.log
    entries = _entries(source, source.values[:MOST_ENTRIES])
    winner = _winner(source, entries) if source.judged else None
    grid = _grid(source, source.values[:MOST_COLUMNS], choose_lines(over.lines, most_lines))
    experiment = log.value("SELECT description FROM experiments WHERE name = ?", (run.experiment,))
    totals = log.totals(run.id)
    return Contents(
        title=source.title or run.experiment,
        run=run,
        description=experiment,
        simulated=is_simulated(run) or totals.simulated > 0,
        by=over.by,
        as_of=source.as_of,
        verdict=source.verdict,
        no_verdict=source.no_verdict,
        judged=source.judged,
        winner=winner,
        entries=entries,
        entries_left_out=len(source.values) - len(entries),
        grid=grid,
        spend=spend_of(log, run, totals, simulated=is_simulated(run) or totals.simulated > 0),
        totals=totals,
        failures=tuple(_failures(source)),
        provenance=provenance_of(log, run, totals, source.as_of, _all_shots(winner, entries, grid)),
        where=source.where,
    )


def _all_shots(winner: ShownValue | None, entries: Sequence[ShownValue], grid: ShownGrid) -> list[Shot]:
    """Every image that is shown, once."""
    found = [entry.shot for entry in ([winner] if winner else []) + list(entries) if entry.shot]
    found += [shot for line in grid.lines for cell in line.cells for shot in cell.shots]
    return list({shot.image_id: shot for shot in found}.values())


# --- the values, and the one in front -----------------------------------------------------------------------------


def _entries(source: ReportSource, values: Sequence[str]) -> tuple[ShownValue, ...]:
    shown = _side_by_side(source, values)
    return tuple(_entry(source, value, shown.get(value)) for value in values)


def _entry(source: ReportSource, value: str, image: Image | None) -> ShownValue:
    states = source.over.states.get(value, {})
    shot = recipe = None
    if image is not None:
        generation = source.log.generation(image.generation_id)
        assert generation is not None
        shot = _shot(source, generation, image, value, _marks(source.log, [image]))
        recipe = recipe_of(source.log, source.studio, generation, image)
    missing = {status: number for status, number in states.items() if status != "completed" and number}
    return ShownValue(value, shot, recipe, source.standings.get(value), states.get("completed", 0), missing)


def _side_by_side(source: ReportSource, values: Sequence[str]) -> dict[str, Image]:
    """Value → an image of it, all from one line wherever a line has them all: what differs is the value alone."""
    found: dict[str, Image] = {}
    for line in islice(source.over.lines.values(), _SEARCHED):
        images = source.log.images_of([id_ for value in values for id_ in line.get(value, ())])
        here: dict[str, Image] = {}
        for value in values:
            stored = [each for id_ in line.get(value, ()) for each in images[id_] if each.status == "stored"]
            if stored:
                here[value] = stored[0]
        if len(here) == len(values):
            return here
        found = here | found
    return found


def _winner(source: ReportSource, entries: Sequence[ShownValue]) -> ShownValue:
    """The value in front, with the image of it that won most: votes first, then marks, then the order of the plan."""
    first = entries[0]
    generations = {id_ for line in source.over.lines.values() for id_ in line.get(first.value, ())}
    kept = {id_ for (id_,) in source.log.rows(_KEPT, (source.run.id,))}
    candidates = json.dumps(sorted({id_ for id_, won in source.score.items() if won > 0} | kept))
    best: tuple[int, bool, str] | None = None
    for paid, shown in source.log.rows(_SHOWN, (source.run.id, candidates)):
        rank = (source.score[paid], paid in kept, shown)
        # Of equals the first image: ids sort by time.
        if best is None or rank[:2] > best[:2] or (rank[:2] == best[:2] and shown < best[2]):
            image = _image(source.log, shown)
            if image is not None and image.generation_id in generations and image.status == "stored":
                best = rank
    return first if best is None else _entry(source, first.value, _image(source.log, best[2]))


def _image(log: Log, image_id: str) -> Image | None:
    generation_id = log.value("SELECT generation_id FROM images WHERE id = ?", (image_id,))
    images = log.images_of([generation_id])[generation_id] if generation_id else []
    return next((each for each in images if each.id == image_id), None)


# --- the grid -----------------------------------------------------------------------------------------------------


def _grid(source: ReportSource, columns: Sequence[str], chosen: Sequence[LineKey]) -> ShownGrid:
    over = source.over
    ids = [id_ for key in chosen for value in columns for id_ in over.lines[key].get(value, ())]
    images = source.log.images_of(ids)
    rows = {id_: row for id_ in ids if (row := source.log.generation(id_)) is not None}
    marks = _marks(source.log, (each for found in images.values() for each in found))
    lines, several = [], any(draw for _, _, draw in over.lines)
    for key in chosen:
        cells = [_cell(source, value, over.lines[key].get(value, ()), rows, images, marks) for value in columns]
        lines.append(ShownLine(_line_title(key, several_draws=several), cells))
    shown = sum(len(cell.shots) for line in lines for cell in line.cells)
    page = f"`promptlab browse`, then run {source.run.id}"
    return ShownGrid(columns, lines, len(over.lines), shown, _left_out(over, columns, lines), page)


def _left_out(over: Overview, columns: Sequence[str], lines: Sequence[ShownLine]) -> str | None:
    """What the grid does not show, and how what it shows was chosen."""
    said = []
    if len(lines) < len(over.lines):
        noun = "line" if over.by else "request"
        said.append(
            f"{len(lines):,} of {count(len(over.lines), noun)} are shown, evenly spread over the plan: "
            "chosen by their place, not by what came out."
        )
    if len(columns) < len(over.values):
        said.append(f"{len(columns)} of the {len(over.values):,} values of {over.by} are columns.")
    return " ".join(said) or None


def _line_title(key: LineKey, *, several_draws: bool) -> str:
    axes, seed, draw = key
    parts = [f"{axis} {value}" for axis, value in axes]
    parts += [f"seed {seed}"] if seed is not None else []
    parts += [f"draw {draw + 1}"] if several_draws else []
    return ", ".join(parts) or "image"


def _cell(
    source: ReportSource,
    value: str,
    ids: Sequence[str],
    rows: Mapping[str, Generation],
    images: Mapping[str, Sequence[Image]],
    marks: Mapping[str, str],
) -> ShownCell:
    stored = [(rows[id_], each) for id_ in ids for each in images[id_] if each.status == "stored" and each.sha256]
    if not stored:
        return ShownCell(value, (), _reason([rows[id_] for id_ in ids if id_ in rows]))
    shots = [_shot(source, row, image, value, marks) for row, image in stored[:_MOST_SHOTS]]
    return ShownCell(value, shots, more=len(stored) - len(shots))


def _reason(rows: Sequence[Generation]) -> str:
    if not rows:
        return "not in this run"
    row = rows[0]
    if row.status == "failed" and row.error_code:
        return f"failed: {row.error_code}"
    return state(row.status)


def _shot(source: ReportSource, row: Generation, image: Image, value: str, marks: Mapping[str, str]) -> Shot:
    where = [f"seed {row.seed}"] if row.seed is not None else []
    where += [f"draw {row.draw + 1}"] if row.draw else []
    where += [f"image {image.position + 1} of {row.n}"] if row.n > 1 else []
    prompt = " ".join(row.prompt.split())
    words = prompt if len(prompt) <= 160 else prompt[:157] + "…"
    label = ", ".join([value, *where] if value else where) or "image"
    digest = sha256(row.prompt.encode("utf-8", "surrogatepass")).hexdigest()
    return Shot(image.id, image.sha256 or "", label, f"{label}: {words}", image.path, digest, marks.get(image.id))


def _marks(log: Log, images: Iterable[Image]) -> dict[str, str]:
    """Image → its mark: that of the paid image that it shows."""
    paid = paid_images(log, [each.id for each in images])
    marks = dict(log.rows(_MARKS, (json.dumps(sorted(set(paid.values()))),)))
    return {id_: marks[original] for id_, original in paid.items() if original in marks}


# --- failures -----------------------------------------------------------------------------------------------------


def _failures(source: ReportSource) -> Iterator[tuple[str, str, int]]:
    """Each reason once, with how often: messages that differ in an id or a time alone are one reason."""
    counts: dict[tuple[str, str | None, str], tuple[str, int]] = {}
    for each in source.log.failures(source.run.id):
        said = each.error_message or each.error_code or each.status
        key = each.status, each.error_code, alike(said)
        message, number = counts.get(key, (said, 0))
        counts[key] = message, number + each.count
    for (status, _, _), (message, number) in sorted(counts.items(), key=lambda found: -found[1][1]):
        yield status, message, number
