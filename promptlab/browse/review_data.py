"""What the review queue shows of each picture, read from the log: a few indexed queries for a handful of images."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from promptlab.browse.page_data import Row, where_in
from promptlab.browse.review_index import Group, RunIndex, Wanted

__all__ = ["COLUMNS", "Step", "details", "group_rows", "listed_rows"]

_HISTORY = 30  # of one image, the latest
_DETAILS = """
SELECT i.id, i.sha256, i.width, i.height, i.status, i.position, i.revised_prompt, g.id AS generation_id, g.seed, g.draw,
  g.n, g.prompt, g.negative_prompt, g.variant_id, v.axes
FROM images i JOIN generations g ON g.id = i.generation_id
LEFT JOIN variants v ON v.experiment = g.experiment AND v.id = g.variant_id
WHERE i.id IN ({})
"""
#: What the list of a queue has of each image.
COLUMNS = ("image_id", "variant", "seed", "draw", "position", "mark", "by", "tags", "note", "at", "path", "sha256")
_LISTED = """
SELECT i.id AS image_id, v.name AS variant, g.seed, g.draw, i.position, i.path, i.sha256
FROM images i JOIN generations g ON g.id = i.generation_id
LEFT JOIN variants v ON v.experiment = g.experiment AND v.id = g.variant_id
WHERE i.id IN ({})
"""


@dataclass(frozen=True, slots=True)
class Step:
    """A group as it is judged: its pictures, what they share, and the other pictures of the cell where it is one."""

    key: str  # its first image's id
    images: Sequence[Row]
    cell: Sequence[Row]


def group_rows(connection: sqlite3.Connection, index: RunIndex, wanted: Wanted, groups: Sequence[Group]) -> list[Step]:
    """The groups with everything that is shown of them; images that are gone since are left out."""
    cells = {group: index.cell_of(group[0]) if wanted.view == "one" else () for group in groups}
    ordinals = dict.fromkeys(ordinal for group in groups for ordinal in (*group, *cells[group]))
    rows = details(connection, index, ordinals)
    if gone := [index.entries[ordinal].image_id for ordinal in ordinals if ordinal not in rows]:
        index.drop(gone)
    steps = []
    for group, cell in cells.items():
        images = [rows[ordinal] for ordinal in group if ordinal in rows]
        others = [rows[ordinal] for ordinal in cell if ordinal in rows]
        if images:
            steps.append(Step(images[0]["id"], images, others if len(others) > 1 else ()))
    return steps


def details(connection: sqlite3.Connection, index: RunIndex, ordinals: Iterable[int]) -> dict[int, Row]:
    """Ordinal → the image, with the marks on it and its history, for those whose file is there."""
    entries = {ordinal: index.entries[ordinal] for ordinal in ordinals}
    found = {row["id"]: row for row in where_in(connection, _DETAILS, [each.image_id for each in entries.values()])}
    paid = list(dict.fromkeys(entry.paid_id for entry in entries.values()))
    marks = where_in(connection, 'SELECT image_id, "by", mark, tags, note, at FROM marks WHERE image_id IN ({})', paid)
    events = where_in(
        connection,
        'SELECT rowid, image_id, batch, "by", mark, tags, note, undoes, at FROM mark_events WHERE image_id IN ({})',
        paid,
    )
    result: dict[int, Row] = {}
    for ordinal, entry in entries.items():
        row = found.get(entry.image_id)
        if row is None or row["status"] != "stored" or not row["sha256"]:
            continue
        own = [_with_tags(mark) for mark in marks if mark["image_id"] == entry.paid_id]
        own.sort(key=lambda mark: str(mark["by"]))
        own.sort(key=lambda mark: str(mark["at"]), reverse=True)
        row["axes"] = json.loads(row["axes"] or "{}")
        row["paid_id"] = entry.paid_id
        row["marks"] = own  # the one that holds first
        row["history"] = _history([event for event in events if event["image_id"] == entry.paid_id])
        result[ordinal] = row
    return result


def listed_rows(connection: sqlite3.Connection, index: RunIndex, wanted: Wanted, who: str) -> list[Row]:
    """Every image that fits, with the mark that holds; in the order of the plan."""
    entries = [index.entries[ordinal] for ordinal in index.listed(wanted, who)]
    rows = {row["image_id"]: row for row in where_in(connection, _LISTED, [each.image_id for each in entries])}
    sql = 'SELECT image_id, mark, "by", tags, note, at FROM latest_marks WHERE image_id IN ({})'
    marks = {row["image_id"]: row for row in where_in(connection, sql, [each.paid_id for each in entries])}
    return [{**marks.get(each.paid_id, {}), **rows[each.image_id]} for each in entries if each.image_id in rows]


def _history(events: Sequence[Row]) -> list[dict[str, Any]]:
    """The latest first; an undoing is its own line, and what it took back says so."""
    undone = {event["undoes"] for event in events if event["undoes"]}
    ordered = sorted(events, key=lambda event: -int(event["rowid"]))[:_HISTORY]
    return [
        {
            "by": event["by"],
            "at": event["at"],
            "did": "undo" if event["undoes"] else event["mark"] or "clear",
            "mark": event["mark"],
            "tags": _tags(event["tags"]),
            "note": event["note"],
            "undone": event["batch"] in undone,
        }
        for event in ordered
    ]


def _with_tags(mark: Row) -> Row:
    return {**mark, "tags": _tags(mark["tags"])}


def _tags(text: str | None) -> list[str]:
    found = json.loads(text or "[]")
    return [str(tag) for tag in found] if isinstance(found, list) else []
