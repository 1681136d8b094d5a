"""How a run ended, read from its rows: what the summary says and what SQL finds are the same figures.

A summary also shows itself in a notebook: as HTML with its pictures, and as a table of pandas.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from itertools import islice
from pathlib import Path
from typing import Any

from promptlab.errors import PromptlabError, QuotaReached
from promptlab.log import Failure, Log, Totals
from promptlab.model import Run
from promptlab.run.recovery import may_resend
from promptlab.studio.studio import Studio

__all__ = ["Summary", "alike", "exit_code", "next_commands", "summarise"]

REASONS = 50  # of failures that are listed; the rest is counted
#: What a message says of one generation alone: a path behind a host, an id or a hash, a duration to its fraction.
_OWN = (
    (re.compile(r"(https?://[^/\s'\"<>]+)[^\s'\"<>]*"), r"\1/…"),
    (re.compile(r"\b(?=[\w-]*\d)[\w-]{16,}\b"), "…"),
    (re.compile(r"\b\d+\.\d+(?= ?(?:s|ms|seconds)\b)"), "…"),
)


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run ended, read from the log: summary and database are the same figures.

    `credits` and `cost_usd` are the known cost of results; the provider billed at least that, and at most
    `credits_at_most` / `cost_usd_at_most`: with the attempts that may have been billed, and the table's worst price
    where an answer says nothing of its cost. None is unknown. `resume` sends the `unsent`, and fetches the `unfetched`:
    jobs that the provider took, and answers that are in the log and paid for.
    """

    run_id: str
    experiment: str
    status: str
    simulated: bool
    planned: int
    completed: int
    cached: int
    failed: int
    unknown: int
    lost: int
    skipped: int
    unsent: int
    unfetched: int
    images: int
    credits: float | None
    cost_usd: float | None
    credits_at_most: float | None
    cost_usd_at_most: float | None
    attempts_at_risk: int
    seconds: float
    results: str
    stopped: str | None = None  # why the run stopped early, one sentence
    stopped_until: str | None = None  # when the provider's quota resets (ISO 8601, UTC), if it said so
    exit_code: int = 0
    failures: tuple[tuple[str, int], ...] = ()  # message, how many; one line for each reason, the most frequent first
    failures_more: int = 0  # failures of yet other reasons
    next_commands: tuple[str, ...] = field(default=())  # the exact commands that would finish it, with the worst price
    db: str | None = None  # the log that it was read from
    store: str | None = None  # the folder of its images, by hash

    def _repr_html_(self) -> str:
        return "".join(_html(self))

    def to_frame(self) -> Any:
        """A pandas DataFrame: one row per image, with the columns of the view `gallery` (docs/log.md) and of each axis.

        Needs pandas, which promptlab does not install; PromptlabError says so where it is missing.
        """
        try:
            import pandas  # type: ignore[import-untyped,import-not-found,unused-ignore]
        except ImportError as error:
            message = "to_frame() needs pandas: `pip install pandas`; without it, `open_log().rows(...)` gives dicts"
            raise PromptlabError(message) from error
        return pandas.DataFrame(list(_records(self)))


def summarise(
    log: Log, run: Run, studio: Studio, stopped: PromptlabError | None, seconds: float, totals: Totals | None = None
) -> Summary:
    """The summary of a run that has just ended, or of any run in the log; `totals` are its rows', where known."""
    totals = totals or log.totals(run.id)
    failures = log.failures(run.id) if totals.failed + totals.unknown + totals.lost else []
    reasons = _failures(failures)
    results = studio.settings.results / run.experiment
    shown = results.relative_to(studio.folder) if results.is_relative_to(studio.folder) else results
    return Summary(
        run_id=run.id,
        experiment=run.experiment,
        status=run.status,
        simulated=run.provider == "simulator" or totals.simulated > 0,
        planned=run.planned or totals.generations,
        completed=totals.completed + totals.cached,
        cached=totals.cached,
        failed=totals.failed,
        unknown=totals.unknown,
        lost=totals.lost,
        skipped=totals.skipped,
        unsent=totals.planned,
        unfetched=totals.in_flight,
        images=totals.images,
        credits=totals.credits,
        cost_usd=totals.cost_usd,
        credits_at_most=totals.credits_at_most,
        cost_usd_at_most=totals.cost_usd_at_most,
        attempts_at_risk=totals.attempts_at_risk,
        seconds=seconds,
        results=str(shown),
        stopped=str(stopped) if stopped else None,
        stopped_until=_until(stopped),
        exit_code=exit_code(run, totals, stopped),
        failures=reasons[:REASONS],
        failures_more=sum(count for _, count in reasons[REASONS:]),
        next_commands=next_commands(log, run, totals, failures),
        db=str(log.path.absolute()),
        store=str(studio.settings.images),
    )  # fmt: skip


def _failures(failures: Sequence[Failure]) -> tuple[tuple[str, int], ...]:
    """What went wrong, each reason once, with how often; the most frequent first.

    Messages that differ only in an id, an address or a time are one reason; a code alone never makes them one.
    """
    counts: dict[tuple[str, str | None, str], tuple[str, int]] = {}
    for failure in failures:
        said = failure.error_message or failure.error_code or failure.status
        key = failure.status, failure.error_code, alike(said)
        message, number = counts.get(key, (said, 0))
        counts[key] = message, number + failure.count
    return tuple(sorted(counts.values(), key=lambda found: -found[1]))


def alike(message: str) -> str:
    """A message without what differs from one generation to the next though the reason is the same."""
    for pattern, instead in _OWN:
        message = pattern.sub(instead, message)
    return " ".join(message.split())


def _until(stopped: PromptlabError | None) -> str | None:
    if not isinstance(stopped, QuotaReached) or stopped.until is None:
        return None
    return datetime.fromtimestamp(stopped.until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def exit_code(run: Run, totals: Totals, stopped: PromptlabError | None) -> int:
    """0 done, 1 some failed, 3 stopped, 130 interrupted (docs/cli.md)."""
    if stopped is not None:
        return stopped.exit_code
    if run.status == "interrupted":
        return 130
    return 1 if totals.failed + totals.unknown + totals.lost + totals.skipped else 0


def next_commands(log: Log, run: Run, totals: Totals, failures: Sequence[Failure]) -> tuple[str, ...]:
    """The exact commands that would finish the run, each with its worst price where sending again may pay twice."""
    commands = []
    short = run.id
    free = totals.simulated and totals.unknown + totals.lost + totals.skipped  # needs no consent
    if (
        totals.planned
        or totals.in_flight
        or free
        or _can_decode(failures)
        or (totals.failed and _any_sendable(log, run.id))
    ):
        commands.append(f"promptlab resume {short}")
    if totals.simulated == totals.generations:
        return tuple(commands)
    blocked = list(log.generations(run.id, statuses=("skipped",))) if totals.skipped else []
    unknown = totals.unknown + sum(row.error_code == "unknown_before" for row in blocked)
    lost = totals.lost + sum(row.error_code == "lost_before" for row in blocked)
    for count, flag in ((unknown, "--retry-unknown"), (lost, "--retry-lost")):
        if count:
            commands.append(f"promptlab resume {short} {flag}   # {count} again, {_worst(run, totals, count)}")
    return tuple(commands)


def _can_decode(failures: Sequence[Failure]) -> bool:
    """Whether an answer is kept over which the provider's code raised: once fixed, it is decoded free of charge."""
    return any(failure.status == "unknown" and failure.error_code == "provider_error" for failure in failures)


def _any_sendable(log: Log, run_id: str) -> bool:
    """Whether a resume would send any of what failed; what the provider finally refused it would not."""
    for row in log.generations(run_id, statuses=("failed",)):
        attempts = log.attempts(row.id)
        if may_resend(row, attempts[-1].outcome if attempts else None):
            return True
    return False


def _worst(run: Run, totals: Totals, count: int) -> str:
    """The worst price of sending this many again, by the price that this run's plan gave a request."""
    price = json.loads(run.settings or "{}").get("price", {})
    credits, usd = price.get("credits"), price.get("usd")
    if credits is None and usd is None:
        return "at an unknown price"
    parts = ([f"{credits * count:,.10g} credits"] if credits is not None else []) + (
        [f"~${usd * count:,.2f}"] if usd is not None else []
    )
    return f"at most {', '.join(parts)} on top"


# --- in a notebook ------------------------------------------------------------------------------------------------

PICTURES = 12
_STYLE = "display:flex;flex-wrap:wrap;gap:6px;margin-top:6px"
_FIGURE = "margin:0;width:160px;font-size:11px;overflow-wrap:anywhere"


def _rows(summary: Summary) -> Iterator[dict[str, Any]]:
    from promptlab.log.reader import LogReader

    if summary.db is None:
        raise PromptlabError("this summary does not say which log it was read from")
    with LogReader.open(Path(summary.db)) as log:
        yield from log.rows(
            "SELECT * FROM gallery WHERE run_id = ? ORDER BY generation_rowid, position", (summary.run_id,)
        )


def _records(summary: Summary) -> Iterator[dict[str, Any]]:
    for row in _rows(summary):
        axes = json.loads(row["axes"] or "{}")
        yield row | {(f"axis_{name}" if name in row else name): value for name, value in axes.items()}


def _html(summary: Summary) -> Iterator[str]:
    simulated = " <b>SIMULATED</b>" if summary.simulated else ""
    yield f"<div><b>{escape(summary.experiment)}</b>{simulated}<br>"
    yield f"run <code>{escape(summary.run_id)}</code> {escape(summary.status)}: {summary.completed:,} of "
    yield f"{summary.planned:,} done, {summary.images:,} {'image' if summary.images == 1 else 'images'}, "
    yield f"{escape(_cost(summary))}"
    if summary.stopped:
        yield f"<br>stopped: {escape(summary.stopped)}"
    for message, number in summary.failures[:8]:
        yield f"<br>{number:,} × {escape(message)}"
    for command in summary.next_commands:
        yield f"<br><code>{escape(command)}</code>"
    yield from _pictures(summary)
    yield "</div>"


def _cost(summary: Summary) -> str:
    """The cost of results, and the most that can have been billed where that is not the same."""
    known = _money(summary.credits, summary.cost_usd)
    if summary.simulated:
        return f"cost nothing (would have been {known})"
    most = _money(summary.credits_at_most, summary.cost_usd_at_most)
    return f"cost {known}" if known == most else f"cost between {known} and {most}"


def _money(credits: float | None, usd: float | None) -> str:
    parts = [f"{credits:,.10g} credits"] if credits is not None else []
    parts += [f"~${usd:,.2f}"] if usd is not None else []
    return ", ".join(parts) or "an unknown amount"


def _pictures(summary: Summary) -> Iterator[str]:
    """The first pictures, each small and inside the page, so that a saved notebook keeps them."""
    if not summary.images:
        return
    try:
        rows = list(islice((row for row in _rows(summary) if row["thumbnail"]), PICTURES))
    except PromptlabError as error:
        yield f"<br><i>{escape(str(error))}</i>"
        return
    yield f'<div style="{_STYLE}">'
    for row in rows:
        source = _thumbnail(summary, row["thumbnail"])
        prompt = escape(row["prompt"], quote=True)
        picture = f'<img src="{source}" alt="{prompt}" title="{prompt}" width="160">' if source else "<i>no file</i>"
        label = ", ".join(filter(None, (row["variant"], f"seed {row['seed']}" if row["seed"] is not None else "")))
        yield f'<figure style="{_FIGURE}">{picture}<figcaption dir="auto">{escape(label)}</figcaption></figure>'
    yield "</div>"
    if summary.images > len(rows):
        yield f"and {summary.images - len(rows):,} more: <code>promptlab browse</code>"


def _thumbnail(summary: Summary, sha256: str) -> str | None:
    """The small picture as a data URI; made now where there is none yet."""
    from promptlab.store import Store, thumbnail_of

    if summary.store is None:
        return None
    store = Store(Path(summary.store))
    small = thumbnail_of(store, sha256) if store.head(sha256) is not None else None
    if small is None:
        return None
    kind = "jpeg" if small.format == "jpg" else small.format
    return f"data:image/{kind};base64," + base64.b64encode(small.data).decode()
