"""Chains of edits: what an image was made from, and what was made from it, by the hash of the source image."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field

from promptlab.browse.page_data import Row, fetch

__all__ = ["Link", "chain_of"]

_UP, _DOWN = 12, 4  # levels
_WIDE = 12  # edits of one image that are shown
_MOST = 60  # images of a tree
_COLUMNS = "i.id, i.sha256, g.id AS generation_id, g.prompt, g.operation, g.source_image, g.experiment, g.strength"


@dataclass(frozen=True, slots=True)
class Link:
    """One image of a chain (`id` None: a file that no generation of this log made), and what was made from it.

    `more`: edits of it that are not shown. `here`: the image that was asked for.
    """

    sha256: str
    id: str | None
    prompt: str
    here: bool = False
    children: tuple[Link, ...] = field(default=())
    more: int = 0


def chain_of(connection: sqlite3.Connection, image: Row, generation: Row) -> Link | None:
    """The tree around an image, from its first source down; None where it neither is an edit nor has any."""
    sha256 = image["sha256"]
    if not sha256:
        return None
    budget = [_MOST]
    tree = _with_edits(connection, _link(image | generation | {"id": image["id"]}, here=True), {sha256}, budget, _DOWN)
    seen = {sha256}
    source = generation["source_image"]
    while source and source not in seen and len(seen) <= _UP:
        seen.add(source)
        row = _made(connection, source)
        siblings = _count(connection, source, tree.sha256) if len(source) == 64 else 0
        parent = _link(row) if row else Link(source, None, "")
        tree = Link(parent.sha256, parent.id, parent.prompt, False, (tree,), siblings)
        source = row["source_image"] if row else None
    return tree if tree.children else None


def size(link: Link) -> int:
    """How many images a tree shows."""
    return 1 + sum(map(size, link.children))


def _link(row: Row, *, here: bool = False) -> Link:
    return Link(row["sha256"], row["id"], row["prompt"], here)


def _made(connection: sqlite3.Connection, sha256: str) -> Row | None:
    """The generation that made a file: the paid one, of several that gave the same bytes the first."""
    sql = f"""
        SELECT {_COLUMNS} FROM images i JOIN generations g ON g.id = i.generation_id
        WHERE i.sha256 = ? ORDER BY g.cached_from IS NOT NULL, i.rowid LIMIT 1
    """  # noqa: S608
    return next(iter(fetch(connection, sql, sha256)), None)


def _edits(connection: sqlite3.Connection, sha256: str) -> Iterator[Row]:
    """The images that were made from a file, each once."""
    sql = f"""
        SELECT {_COLUMNS} FROM generations g INDEXED BY generations_source_image
        JOIN images i ON i.generation_id = g.id AND i.status = 'stored'
        WHERE g.source_image = ? AND g.cached_from IS NULL ORDER BY g.rowid, i.position LIMIT ?
    """  # noqa: S608
    seen: set[str] = set()
    for row in fetch(connection, sql, sha256, _WIDE * 4):
        if row["sha256"] not in seen:
            seen.add(row["sha256"])
            yield row


def _count(connection: sqlite3.Connection, sha256: str, without: str) -> int:
    """How many other images were made from a file."""
    sql = """
        SELECT count(DISTINCT i.sha256) FROM generations g INDEXED BY generations_source_image
        JOIN images i ON i.generation_id = g.id AND i.status = 'stored'
        WHERE g.source_image = ? AND g.cached_from IS NULL AND i.sha256 <> ?
    """
    return int(connection.execute(sql, (sha256, without)).fetchone()[0])


def _with_edits(connection: sqlite3.Connection, link: Link, above: set[str], budget: list[int], levels: int) -> Link:
    """The link with its edits below it, as far as there is room; an image that is its own source ends there."""
    if not levels:
        return link
    children = []
    edits = [row for row in _edits(connection, link.sha256) if row["sha256"] not in above]
    for row in edits[:_WIDE]:
        if not budget[0]:
            break
        budget[0] -= 1
        children.append(_with_edits(connection, _link(row), above | {row["sha256"]}, budget, levels - 1))
    more = max(0, _count(connection, link.sha256, "") - len(children)) if len(edits) > len(children) else 0
    return Link(link.sha256, link.id, link.prompt, link.here, tuple(children), more)
