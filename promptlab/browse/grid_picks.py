"""Which pictures of a grid its reader has picked: the best of a row, or its best and its worst."""

from __future__ import annotations

import sqlite3

from promptlab.browse.page_data import fetch, has_table

__all__ = ["picks_of"]

_VOTES = """
    SELECT b.id, b.kind, o.left_image, o.right_image
    FROM polls p JOIN ballots b ON b.poll_id = p.id JOIN votes o ON o.ballot_id = b.id
    WHERE p.run_id = ? AND p.axis IS ? AND p.blind = 0 AND p.closed_at IS NULL AND p.only_values IS NULL
      AND b."by" = ? AND b.undone_at IS NULL AND b.judge IS NULL
    ORDER BY b.rowid, o.number
"""


def picks_of(connection: sqlite3.Connection, run_id: str, axis: str | None, who: str) -> dict[str, str]:
    """Paid image → `best` or `worst`, of this person's ballots in the run's open poll that is not blind."""
    if not has_table(connection, "polls"):
        return {}
    ballots: dict[str, tuple[str, list[tuple[str, str]]]] = {}
    for row in fetch(connection, _VOTES, run_id, axis, who):
        ballots.setdefault(row["id"], (row["kind"], []))[1].append((row["left_image"], row["right_image"]))
    found: dict[str, str] = {}
    for kind, pairs in ballots.values():
        winners, losers = {left for left, _ in pairs}, {right for _, right in pairs}
        found |= dict.fromkeys(winners - losers, "best")
        if kind == "best_worst":
            found |= dict.fromkeys(losers - winners, "worst")
    return found
