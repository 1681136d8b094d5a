"""Answers as they came, kept from the moment they are whole until their images are: nothing is decoded before that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from promptlab.log.connection import Connection
from promptlab.model import utc_now

__all__ = ["Answers", "RawAnswer"]


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """A row of `answers`; `body` is None where it is in a file."""

    generation_id: str
    status_code: int
    headers: Mapping[str, str]
    body: bytes | None = field(repr=False)
    latency_ms: int


class Answers(Connection):
    """The writer and readers of `answers`."""

    def keep_answer(self, answer: RawAnswer) -> None:
        """Write an answer; a generation has one, its newest."""
        sql = """
            INSERT OR REPLACE INTO answers (generation_id, status_code, headers, body, latency_ms, at)
            VALUES (?, ?, ?, ?, ?, ?)
        """
        headers = json.dumps(dict(answer.headers), separators=(",", ":"))
        row = (answer.generation_id, answer.status_code, headers, answer.body, answer.latency_ms, utc_now())
        self.execute(sql, row)

    def answer(self, generation_id: str) -> RawAnswer | None:
        """The kept answer of a generation."""
        sql = "SELECT status_code, headers, body, latency_ms FROM answers WHERE generation_id = ?"
        for status, headers, body, latency in self.rows(sql, (generation_id,)):
            return RawAnswer(generation_id, status, json.loads(headers), body, latency)
        return None

    def answered(self, run_id: str) -> set[str]:
        """The generations of a run whose answers are kept: they can be decoded again free of charge."""
        sql = "SELECT a.generation_id FROM answers a JOIN generations g ON g.id = a.generation_id WHERE g.run_id = ?"
        return {generation_id for (generation_id,) in self.rows(sql, (run_id,))}

    def forget_answer(self, generation_id: str) -> None:
        """Its images are kept, or it will be sent again."""
        self.execute("DELETE FROM answers WHERE generation_id = ?", (generation_id,))
