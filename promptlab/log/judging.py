"""What a judge model was asked and answered: every call a row before it is sent, its verdicts ballots of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any, Final

from promptlab.log.connection import Connection
from promptlab.log.votes import Ballot
from promptlab.model import new_id, utc_now

__all__ = ["JudgeCall", "Judging"]

_POLL: Final = """
SELECT id FROM polls WHERE run_id = ? AND axis IS ? AND opened_by = ? AND closed_at = opened_at ORDER BY id LIMIT 1
"""
_NEW_POLL: Final = """
INSERT INTO polls (id, experiment, run_id, axis, only_values, goal, blind, opened_by, opened_at, closed_at)
SELECT ?, experiment, id, ?, NULL, 'rank', 0, ?, ?, ? FROM runs WHERE id = ?
"""
_BALLOT: Final = """
INSERT INTO ballots (id, poll_id, kind, "by", judge, at) VALUES (?, ?, 'pair', ?, ?, ?) ON CONFLICT DO NOTHING
"""
_VOTE: Final = "INSERT INTO votes (ballot_id, number, left_image, right_image, outcome) VALUES (?, ?, ?, ?, ?)"
_CALLS: Final = """
SELECT {} FROM judge_calls WHERE model = ? AND prompt_sha256 = ?
AND left_image IN (SELECT value FROM json_each(?3)) AND right_image IN (SELECT value FROM json_each(?3)) ORDER BY rowid
"""
_LEFT: Final = """
UPDATE judge_calls SET outcome = 'unknown', ended_at = ? WHERE model = ? AND prompt_sha256 = ? AND outcome IS NULL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeCall:
    """A row of `judge_calls`: one send. `left_image` was shown first; both are paid images.

    Until it is settled it may be billed, at `cost_usd_at_risk`. `outcome` is a class of the retry policy, or
    `unreadable`: an answer that names neither image. `answer` is the model's text.
    """

    id: str
    poll_id: str
    ballot_id: str | None = None
    model: str
    base_url: str | None = None
    left_image: str
    right_image: str
    prompt_sha256: str
    started_at: str
    ended_at: str | None = None
    status_code: int | None = None
    outcome: str | None = None
    answer: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    cost_source: str | None = None
    may_be_billed: bool = False
    cost_usd_at_risk: float | None = None


_COLUMNS: Final = tuple(field.name for field in fields(JudgeCall))
_INSERT: Final = f"INSERT INTO judge_calls ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608


class Judging(Connection):
    """Writers and readers of judge calls. A judge's poll is closed from the start: nobody else votes in it."""

    def judge_poll(self, run_id: str, axis: str | None, model: str) -> str:
        """The poll that a judge's ballots on a run and axis belong to; a new one where there is none.

        It is not one of people's blind votes, which pages list and take up again.
        """
        with self.transaction():
            found: str | None = self.value(_POLL, (run_id, axis, model))
            if found is not None:
                return found
            id_, now = new_id(), utc_now()
            self.execute(_NEW_POLL, (id_, axis, model, now, now, run_id))
            return id_

    def begin_judge_call(self, call: JudgeCall) -> None:
        """Write a call, in a commit of its own, just before it is sent."""
        self.execute(_INSERT, tuple(getattr(call, name) for name in _COLUMNS))

    def settle_judge_call(self, call_id: str, /, **changes: Any) -> None:
        """Write what became of a call."""
        names = [name for name in changes if name in _COLUMNS]
        sql = f"UPDATE judge_calls SET {', '.join(f'{name} = ?' for name in names)} WHERE id = ?"  # noqa: S608
        self.execute(sql, (*(changes[name] for name in names), call_id))

    def judge_calls(self, model: str, prompt_sha256: str, paid_ids: Iterable[str]) -> Iterator[JudgeCall]:
        """Every call of this model and question about two of these images, in the order in which they were sent."""
        sql = _CALLS.format(", ".join(_COLUMNS))
        for row in self.rows(sql, (model, prompt_sha256, json.dumps(list(paid_ids)))):
            found: dict[str, Any] = dict(zip(_COLUMNS, row, strict=True))
            yield JudgeCall(**found | {"may_be_billed": bool(found["may_be_billed"])})

    def forsake_judge_calls(self, model: str, prompt_sha256: str) -> int:
        """Calls that a process which is gone had in flight are of unknown outcome from now on; says how many."""
        return self.execute(_LEFT, (utc_now(), model, prompt_sha256)).rowcount

    def cast_judged(self, ballot: Ballot, call_ids: Iterable[str]) -> None:
        """Write a judge's ballot with the calls that it was made of, in one commit; one that is there stays."""
        with self.transaction():
            row = (ballot.id, ballot.poll_id, ballot.by, ballot.judge, ballot.at or utc_now())
            if self.execute(_BALLOT, row).rowcount:
                for number, each in enumerate(ballot.comparisons):
                    self.execute(_VOTE, (ballot.id, number, each.left_image, each.right_image, each.outcome))
            self.executemany(
                "UPDATE judge_calls SET ballot_id = ? WHERE id = ?", [(ballot.id, id_) for id_ in call_ids]
            )
