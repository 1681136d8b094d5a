"""A verdict as bars of text and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from promptlab.compare import verdict_words as words
from promptlab.compare.verdict_model import Standing, Verdict

__all__ = ["bars", "matrix_rows", "plain", "rank_text", "verdict_as_csv"]

_COLUMNS = (
    "value", "label", "rank_low", "rank_high", "chance_best", "chance", "low", "high", "estimate", "wins", "losses",
    "ties", "both_bad", "images", "cells", "missing", "kept", "rejected", "successes", "trials", "cost_usd",
)  # fmt: skip


def plain(text: str) -> str:
    """A value in one line of a terminal: what can't be printed is a dot."""
    return "".join(each if each.isprintable() else "·" for each in text)


def rank_text(standing: Standing) -> str:
    """`1`, `1–3`, or a dash for what can't be ranked."""
    if standing.rank_low is None:
        return "–"
    if standing.rank_low == standing.rank_high:
        return str(standing.rank_low)
    return f"{standing.rank_low}–{standing.rank_high}"


def bars(verdict: Verdict, width: int = 100) -> list[str]:
    """One line for each value: its bar, its figure, the ranks left open.

    By votes the bar is the interval of the chance against the reference, on a scale from 0 to 100 with a mark at 50;
    else it is as long as the figure.
    """
    shown = [each for each in verdict.standings if each.rank_low is not None]
    if not shown:
        return []
    label = min(max(len(plain(each.label)) for each in shown), max(width // 3, 8))
    room = max(width - label - 34, 11)
    room -= 1 - room % 2  # odd, so that 50 has a place of its own
    draw = _interval if verdict.metric == "votes" else _length
    most = max((each.estimate or 0.0 for each in shown), default=0.0)
    found = []
    for each in shown:
        name = plain(each.label)
        name = name if len(name) <= label else f"{name[: label - 1]}…"
        found.append(f"  {name.ljust(label)}  {draw(verdict, each, room, most)}  rank {rank_text(each)}".rstrip())
    return found


def _interval(verdict: Verdict, standing: Standing, room: int, most: float) -> str:
    line = [" "] * room
    line[room // 2] = "│"

    def at(chance: float) -> int:
        return min(max(round(chance * (room - 1)), 0), room - 1)

    if standing.chance is None:
        line[room // 2] = "◆"
        text = "the baseline" if standing.value == verdict.baseline else "the leader"
        return f"{''.join(line)}  {text:<16}"
    if standing.low is not None and standing.high is not None:
        for place in range(at(standing.low), at(standing.high) + 1):
            line[place] = "─" if line[place] == " " else "┼"
    line[at(standing.chance)] = "●"
    ends = "" if standing.low is None or standing.high is None else f" ({words.ends(standing.low, standing.high)})"
    return f"{''.join(line)}  {f'{round(100 * standing.chance)} of 100{ends}':<16}"


def _length(verdict: Verdict, standing: Standing, room: int, most: float) -> str:
    value = standing.estimate or 0.0
    size = round(max(value, 0.0) / most * room) if most > 0 else 0
    text = words.figure(verdict.metric, value, is_rate=standing.trials is not None)
    return f"{('█' * size).ljust(room)}  {text:<16}"


def matrix_rows(verdict: Verdict) -> list[list[str]]:
    """The win matrix: a header of values, then for each value its wins against every other."""
    names = [each.value for each in verdict.standings if each.shown]
    head = ["wins of ↓ against →", *(plain(verdict.label(name)) for name in names)]
    rows = [head]
    for name in names:
        own = [verdict.matrix.get((name, other)) for other in names]
        rows.append([plain(verdict.label(name)), *("" if each is None else str(each.wins) for each in own)])
    return rows


def verdict_as_csv(verdict: Verdict) -> str:
    """The standings as CSV (RFC 4180), best first; a text that a spreadsheet would run as a formula gets a quote."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for each in verdict.standings:
        missing = "; ".join(f"{n} {status}" for status, n in sorted(each.missing.items()))
        row = (
            each.value, each.label, each.rank_low, each.rank_high, each.chance_best, each.chance, each.low, each.high,
            each.estimate, each.wins, each.losses, each.ties, each.bad, each.images, each.scenes, missing, each.kept,
            each.rejected, each.successes, each.trials, each.cost_usd,
        )  # fmt: skip
        writer.writerow(_row(row))
    return out.getvalue()


def _row(values: Sequence[object]) -> list[object]:
    return ["" if value is None else _safe(value) if isinstance(value, str) else value for value in values]


def _safe(text: str) -> str:
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
