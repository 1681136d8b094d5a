"""The pairs of the page that compares two, read from the log: which there are, and what a few of them look like.

Matching reads five narrow columns of the two sides' rows, at most `MOST` of each; pictures, prompts and marks are read
for the pairs of one page only. So a page costs the same beside a hundred rows and a million, and says where it looked
through a part only.
"""
# ruff: noqa: S608  the SQL is put together from this file alone; values are bound

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from promptlab.browse.page_data import Row, fetch, has_table, where_in
from promptlab.browse.pair_sides import Side, Sides
from promptlab.compare import Entry, Matching, PairCell, match
from promptlab.compare.verdict import verdict_of
from promptlab.errors import InputError
from promptlab.log import Log

__all__ = [
    "MOST",
    "Pairs",
    "Shown",
    "Tally",
    "blind_poll_open",
    "headline_of",
    "pairs_of",
    "shown_pairs",
    "tally_of",
    "votes_on",
]

MOST = 50_000  # generations of a side that are looked through
_VOTES = 20_000
_FULL = (
    "g.rowid, g.id AS generation_id, g.run_id, g.sequence, g.variant_id, g.template_id, g.provider, g.model, "
    "g.operation, g.seed, g.draw, g.axis_values, g.prompt, g.negative_prompt, g.aspect_ratio, g.output_format, g.n, "
    "g.strength, g.source_image, g.params, g.status, g.cached_from, g.credits, g.cost_usd, g.cost_source, g.latency_ms"
)
#: What has to be equal in a pair of two templates' images that may come from different runs, beside axes and seed.
_REST = (
    "g.provider", "g.model", "g.operation", "g.aspect_ratio", "g.output_format", "g.strength", "g.source_image",
    "g.params",
)  # fmt: skip


Axes = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Pairs:
    """All pairs of the two sides; `cut` where a side has more rows than are looked through, `across` runs.

    A cell begins with a number, whose axis values are `axes` of it: matching is a third of the time that way.
    """

    matching: Matching
    axes: Sequence[Axes] = ()
    cut: bool = False
    across: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """One pair as a page shows it: two images of one cell; `image` of `images` where a call made several."""

    number: int
    cell: PairCell
    matched: bool
    left: Row
    right: Row
    left_image: Row
    right_image: Row


@dataclass(frozen=True, slots=True)
class Tally:
    """People's votes on matched pairs of the two sides; a judge's are counted apart. `hidden`: a blind vote is open."""

    left: int = 0
    right: int = 0
    tie: int = 0
    bad: int = 0
    judges: int = 0
    hidden: bool = False

    @property
    def votes(self) -> int:
        """All of them."""
        return self.left + self.right + self.tie + self.bad


def pairs_of(connection: sqlite3.Connection, run: Row, sides: Sides) -> Pairs:
    """The pairs of two sides, and what has no partner."""
    if sides.left is None or sides.right is None:
        return Pairs(Matching((), 0, 0, {}))
    if sides.left.template is None or sides.right.template is None:
        numbers: dict[Axes, int] = {}
        left, right = (_of_variants(connection, run, side, numbers) for side in (sides.left, sides.right))
        return Pairs(match(left, right), tuple(numbers), cut=max(len(left), len(right)) >= MOST)
    return _of_templates(connection, run, sides, sides.left.template.id, sides.right.template.id)


def _of_variants(connection: sqlite3.Connection, run: Row, side: Side, numbers: dict[Axes, int]) -> list[Entry]:
    first, last = connection.execute(
        "SELECT ifnull(min(rowid), 0), ifnull(max(rowid), 0) FROM generations WHERE run_id = ?", (run["id"],)
    ).fetchone()
    found: list[Entry] = []
    ids = list(side.variants)
    shared = {id_: numbers.setdefault(tuple(sorted(axes.items())), len(numbers)) for id_, axes in side.variants.items()}
    for start in range(0, len(ids), 500):
        chunk = ids[start : start + 500]
        sql = f"""
            SELECT variant_id, seed, draw, rowid, status FROM generations INDEXED BY generations_experiment
            WHERE experiment = ? AND rowid BETWEEN ? AND ? AND run_id = ?
              AND variant_id IN ({",".join("?" * len(chunk))})
            LIMIT ?
        """
        values = (run["experiment"], first, last, run["id"], *chunk, MOST - len(found))
        found += [
            ((shared[variant_id], seed, draw), rowid, status)
            for variant_id, seed, draw, rowid, status in connection.execute(sql, values)
        ]
    return sorted(found, key=itemgetter(1))


def _of_templates(connection: sqlite3.Connection, run: Row, sides: Sides, left: str, right: str) -> Pairs:
    """Images of two templates: of this run where it made pairs of both, else of all runs of the experiment."""
    sql = "SELECT count(DISTINCT template_id) FROM run_templates WHERE run_id = ? AND template_id IN (?, ?)"
    here = connection.execute(sql, (run["id"], left, right)).fetchone()[0] == 2
    found = _between_templates(connection, run, sides, (left, right), here=True) if here else None
    if found is not None and found.matching.pairs:
        return found
    return _between_templates(connection, run, sides, (left, right), here=False)


def _between_templates(
    connection: sqlite3.Connection, run: Row, sides: Sides, ids: tuple[str, str], *, here: bool
) -> Pairs:
    found = []
    numbers: dict[Axes, int] = {}
    for id_ in ids:
        values = {row["value"] for row in sides.templates if row["id"] == id_ and row["value"] is not None}
        found.append(list(_of_template(connection, run, id_, values, numbers, here=here)))
    return Pairs(match(*found), tuple(numbers), cut=max(map(len, found)) >= MOST, across=not here)


def _of_template(
    connection: sqlite3.Connection, run: Row, id_: str, values: set[str], numbers: dict[Axes, int], *, here: bool
) -> Iterator[Entry]:
    """A template's generations; an axis whose value names the template is left out of what both sides share."""
    scope = "AND g.run_id = ?" if here else "AND g.experiment = ? AND g.cached_from IS NULL"
    sql = f"""
        SELECT g.variant_id, g.seed, g.draw, g.rowid, g.status, {", ".join(_REST)}
        FROM generations g INDEXED BY generations_template_id WHERE g.template_id = ? {scope} LIMIT ?
    """
    rows = connection.execute(sql, (id_, run["id"] if here else run["experiment"], MOST)).fetchall()
    shared: dict[str, int] = {}
    variants = where_in(
        connection,
        "SELECT id, axes FROM variants WHERE experiment = ? AND id IN ({})",
        dict.fromkeys(row[0] for row in rows),
        run["experiment"],
    )
    for each in variants:
        own = json.loads(each["axes"] or "{}")
        axes = tuple(sorted((axis, value) for axis, value in own.items() if value not in values))
        shared[each["id"]] = numbers.setdefault(axes, len(numbers))
    for variant_id, seed, draw, rowid, status, *rest in rows:
        yield (shared.get(variant_id, -1), seed, draw, *rest), rowid, status


# --- what a page shows --------------------------------------------------------------------------------------------


def shown_pairs(connection: sqlite3.Connection, found: Pairs, start: int, stop: int) -> list[Shown]:
    """The pairs from `start` to before `stop`, numbered from one on, with their rows and images.

    Every image of a call stands against the one at its place in the other call, as one pair each.
    """
    pairs = found.matching.pairs[start:stop]
    rowids = [entry[1] for pair in pairs for entry in (pair.left, pair.right)]
    sql = f"SELECT {_FULL} FROM generations g WHERE g.rowid IN ({{}})"
    rows = {row["rowid"]: row for row in where_in(connection, sql, dict.fromkeys(rowids))}
    _add_images(connection, rows.values())
    shown: list[Shown] = []
    for number, pair in enumerate(pairs, start + 1):
        left, right = rows[pair.left[1]], rows[pair.right[1]]
        shared, seed, draw = pair.cell[:3]
        cell = PairCell(found.axes[shared] if shared >= 0 else (), seed, draw)
        for one, other in zip(left["images"], right["images"], strict=False):
            shown.append(Shown(number, cell, pair.matched, left, right, one, other))
    return shown


def _add_images(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Each row's stored images, with the paid image, which carries marks and votes, and its latest mark."""
    by_id = {row["generation_id"]: row for row in rows}
    for row in by_id.values():
        row["images"] = []
    sql = """
        SELECT i.id, i.generation_id, i.position, i.revised_prompt, i.sha256, i.width, i.height, i.format,
          coalesce(p.id, i.id) AS paid_id,
          (SELECT m.mark FROM marks m WHERE m.image_id = coalesce(p.id, i.id)
            ORDER BY m.at DESC, m."by" LIMIT 1) AS mark
        FROM images i JOIN generations g ON g.id = i.generation_id
        LEFT JOIN images p ON p.generation_id = g.cached_from AND p.position = i.position
        WHERE i.status = 'stored' AND i.generation_id IN ({}) ORDER BY i.generation_id, i.position
    """
    for image in where_in(connection, sql, by_id):
        by_id[image["generation_id"]]["images"].append(image)


# --- votes --------------------------------------------------------------------------------------------------------


def blind_poll_open(connection: sqlite3.Connection, experiment: str) -> bool:
    """Whether people are voting blindly on this experiment: until they are done, no page shows who leads."""
    sql = "SELECT 1 FROM polls WHERE experiment = ? AND blind AND closed_at IS NULL LIMIT 1"
    return has_table(connection, "polls") and connection.execute(sql, (experiment,)).fetchone() is not None


def tally_of(connection: sqlite3.Connection, run: Row, sides: Sides) -> Tally:
    """The votes on the two sides' images, where both images are of one cell. Read from the votes, which are few."""
    if sides.left is None or sides.right is None or not has_table(connection, "polls"):
        return Tally()
    if blind_poll_open(connection, run["experiment"]):
        return Tally(hidden=True)
    sql = """
        SELECT o.outcome, b.judge IS NOT NULL AS judged, lg.variant_id AS lv, rg.variant_id AS rv,
          lg.template_id AS lt, rg.template_id AS rt, lg.seed AS ls, rg.seed AS rs, lg.draw AS ld, rg.draw AS rd
        FROM polls q CROSS JOIN ballots b ON b.poll_id = q.id AND b.undone_at IS NULL
        CROSS JOIN votes o ON o.ballot_id = b.id
        CROSS JOIN images l ON l.id = o.left_image CROSS JOIN generations lg ON lg.id = l.generation_id
        CROSS JOIN images r ON r.id = o.right_image CROSS JOIN generations rg ON rg.id = r.generation_id
        WHERE q.experiment = ? LIMIT ?
    """
    counted: Counter[str] = Counter()
    for vote in fetch(connection, sql, run["experiment"], _VOTES):
        if vote["ls"] != vote["rs"] or vote["ld"] != vote["rd"]:
            continue
        turned = _is_on(sides.right, vote, "l") and _is_on(sides.left, vote, "r")
        straight = _is_on(sides.left, vote, "l") and _is_on(sides.right, vote, "r")
        if not (turned or straight) or not _one_cell(sides, vote, turned=turned):
            continue
        outcome = vote["outcome"]
        if turned and not straight:
            outcome = {"left": "right", "right": "left"}.get(outcome, outcome)
        counted["judges" if vote["judged"] else outcome] += 1
    return Tally(counted["left"], counted["right"], counted["tie"], counted["bad"], counted["judges"])


def votes_on(connection: sqlite3.Connection, shown: Shown) -> list[Row]:
    """The votes on one pair's images, oldest first: `by`, `judge`, and `said` (left, right, tie, bad) as it is shown.

    They are the same for every run that shows these images, since they belong to the paid ones.
    """
    one, other = shown.left_image["paid_id"], shown.right_image["paid_id"]
    sql = """
        SELECT b."by", b.judge, b.at, o.left_image, o.outcome FROM (
          SELECT * FROM votes WHERE left_image = ?1 AND right_image = ?2
          UNION ALL SELECT * FROM votes WHERE left_image = ?2 AND right_image = ?1) o
        JOIN ballots b ON b.id = o.ballot_id WHERE b.undone_at IS NULL ORDER BY b.rowid LIMIT 100
    """
    found = fetch(connection, sql, one, other)
    for vote in found:
        turned = {"left": "right", "right": "left"} if vote["left_image"] != one else {}
        vote["said"] = turned.get(vote["outcome"], vote["outcome"])
    return found


def headline_of(connection: sqlite3.Connection, run: Row, sides: Sides) -> str:
    """The verdict on the two, in one sentence of `compare.verdict`; empty where the two are not values of one axis."""
    where = _as_values(sides)
    if where is None:
        return ""
    by, matcher = where
    try:
        return verdict_of(Log(Path(), connection), run["id"], by, where=matcher, command=False).headline
    except InputError:  # an axis that the run does not have any more: then the tally alone is shown
        return ""


def _as_values(sides: Sides) -> tuple[str, dict[str, frozenset[str]]] | None:
    """The axis and the values that the sides are; two variants are, where they differ in one axis."""
    left, right = sides.left, sides.right
    if left is None or right is None or sides.kind == "template":
        return None
    if sides.kind == "value":
        return sides.by, {sides.by: frozenset((left.name, right.name))}
    one, other = left.axes, right.axes
    differ = [axis for axis in {**one, **other} if one.get(axis) != other.get(axis)]
    if len(differ) != 1 or one.keys() != other.keys():
        return None
    return differ[0], {axis: frozenset((value, other[axis])) for axis, value in one.items()}


def _is_on(side: Side, vote: Mapping[str, object], hand: str) -> bool:
    if side.template is not None:
        return vote[f"{hand}t"] == side.template.id
    return vote[f"{hand}v"] in side.variants


def _one_cell(sides: Sides, vote: Mapping[str, object], *, turned: bool) -> bool:
    """Whether the two images agree in all other axes."""
    assert sides.left is not None
    assert sides.right is not None
    if sides.left.template is not None:
        return True
    one, other = (vote["rv"], vote["lv"]) if turned else (vote["lv"], vote["rv"])
    return sides.left.variants.get(str(one)) == sides.right.variants.get(str(other))
