"""Rows of one commit, gathered: one statement for all of a kind, however many generations wait for it."""
# ruff: noqa: S608  the SQL is put together from this package's own names; values are bound

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

from promptlab.errors import LogError
from promptlab.log.cache import RawAnswer
from promptlab.log.connection import Connection
from promptlab.log.rows import IMAGES, Row, read, table
from promptlab.model import Image, utc_now

__all__ = ["Batch", "asked_before", "claim_all", "forget_all", "forget_settled", "keep_all", "release_all", "undecoded"]


class Batch:
    """Writes that belong into one commit; nothing is written before `write`.

    Rows are written in the order of their kinds' first mention, so parents are named before their children. A row is
    changed once in a batch.
    """

    def __init__(self) -> None:
        self._inserts: dict[type[Row], list[Row]] = {}
        self._updates: dict[tuple[type[Row], tuple[str, ...]], list[tuple[Any, ...]]] = {}

    def insert(self, row: Row) -> None:
        """A new row."""
        self._inserts.setdefault(type(row), []).append(row)

    def update(self, kind: type[Row], id: str, /, **changes: Any) -> None:
        """Columns of one row."""
        self._updates.setdefault((kind, tuple(changes)), []).append((id, *changes.values()))

    def write(self, log: Connection) -> None:
        """Run the statements, inside the caller's transaction; LogError where a row to change isn't there."""
        for (kind, names), rows in self._updates.items():
            target = table(kind)
            if len(rows) == 1:
                sql = target.update(names)
                values: Sequence[Any] = (*rows[0][1:], rows[0][0])
            else:
                target.update(names)  # checks the names
                changes = ", ".join(f"{name} = v.column{at}" for at, name in enumerate(names, 2))
                sql = f"UPDATE {target.name} SET {changes} FROM ({_values(rows)}) v WHERE {target.name}.id = v.column1"
                values = tuple(chain.from_iterable(rows))
            if log.execute(sql, values).rowcount != len(rows):
                raise LogError(f"{log.path} has no row {rows[0][0]} in {target.name} to change")
        for kind, new in self._inserts.items():
            target = table(kind)
            sql = f"{target.insert.partition(' VALUES ')[0]} {_values([target.columns] * len(new))}"
            log.execute(sql, tuple(chain.from_iterable(map(target.values, new))))


def _values(rows: Sequence[Sequence[Any]]) -> str:
    mark = f"({', '.join('?' * len(rows[0]))})"
    return "VALUES " + ", ".join([mark] * len(rows))


def claim_all(log: Connection, requests: Sequence[tuple[str, int]], owner: str, seconds: float) -> set[tuple[str, int]]:
    """Take the right to send these requests, `(request hash, draw)`; those that no other owner's claim holds."""
    if not requests:
        return set()
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    text = until.isoformat(timespec="milliseconds")[:-6] + "Z"
    sql = f"""
        INSERT INTO claims (request_hash, draw, owner, expires_at)
        {_values([(*requests[0], owner, text)] * len(requests))}
        ON CONFLICT DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at
        WHERE claims.owner = excluded.owner OR claims.expires_at <= ?
        RETURNING request_hash, draw
    """
    values = [value for hash_, draw in requests for value in (hash_, draw, owner, text)]
    return {(hash_, draw) for hash_, draw in log.rows(sql, (*values, utc_now()))}


def keep_all(log: Connection, answers: Sequence[RawAnswer]) -> None:
    """Write answers; a generation has one, its newest."""
    at = utc_now()
    rows = [
        (each.generation_id, each.status_code, json.dumps(dict(each.headers), separators=(",", ":")), each.body,
         each.latency_ms, at)
        for each in answers
    ]  # fmt: skip
    columns = "generation_id, status_code, headers, body, latency_ms, at"
    log.execute(f"INSERT OR REPLACE INTO answers ({columns}) {_values(rows)}", tuple(chain.from_iterable(rows)))


def forget_all(log: Connection, generation_ids: Sequence[str]) -> None:
    """Drop the answers of these generations: their images are kept."""
    marks = ", ".join("?" * len(generation_ids))
    log.execute(f"DELETE FROM answers WHERE generation_id IN ({marks})", generation_ids)


def forget_settled(log: Connection) -> None:
    """Drop the answers of generations that have ended: a killed process had not come to it."""
    sql = """
        DELETE FROM answers WHERE generation_id IN (
          SELECT g.id FROM answers a JOIN generations g ON g.id = a.generation_id
          WHERE g.status IN ('completed', 'lost', 'failed')
        )
    """
    log.execute(sql)


def release_all(log: Connection, requests: Sequence[tuple[str, int]], owner: str) -> None:
    """Give these claims up; another owner's stay."""
    sql = f"DELETE FROM claims WHERE (request_hash, draw) IN ({_values(requests)}) AND owner = ?"
    log.execute(sql, (*chain.from_iterable(requests), owner))


def undecoded(log: Connection, run_id: str) -> list[Image]:
    """Stored images of a run whose pixels nobody has looked at yet."""
    sql = f"""
        SELECT {IMAGES.select("i")} FROM generations g JOIN images i ON i.generation_id = g.id
        WHERE g.run_id = ? AND g.cached_from IS NULL AND i.status = 'stored' AND i.perceptual_hash IS NULL
    """
    return list(read(IMAGES, log.rows(sql, (run_id,))))


def asked_before(log: Connection, run_id: str) -> set[str]:
    """The request hashes of a run's planned rows of which any other generation was ever sent."""
    sql = """
        SELECT g.request_hash FROM generations g
        WHERE g.run_id = ? AND g.status = 'planned' AND EXISTS (
          SELECT 1 FROM generations o WHERE o.request_hash = g.request_hash AND o.id <> g.id AND o.status <> 'planned'
        )
    """
    return {hash_ for (hash_,) in log.rows(sql, (run_id,))}
