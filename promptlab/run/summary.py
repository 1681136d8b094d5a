"""How a run ended, read from its rows: what the summary says and what SQL finds are the same figures."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

from promptlab.errors import PromptlabError, QuotaReached
from promptlab.log import Log, Totals
from promptlab.model import Run
from promptlab.run.events import Summary
from promptlab.run.recover import may_resend
from promptlab.studio.studio import Studio

__all__ = ["alike", "exit_code", "next_commands", "summarise"]

REASONS = 50  # of failures that are listed; the rest is counted
#: What a message says of one generation alone: a path behind a host, an id or a hash, a duration to its fraction.
_OWN = (
    (re.compile(r"(https?://[^/\s'\"<>]+)[^\s'\"<>]*"), r"\1/…"),
    (re.compile(r"\b(?=[\w-]*\d)[\w-]{16,}\b"), "…"),
    (re.compile(r"\b\d+\.\d+(?= ?(?:s|ms|seconds)\b)"), "…"),
)


def summarise(log: Log, run: Run, studio: Studio, stopped: PromptlabError | None, seconds: float) -> Summary:
    """The summary of a run that has just ended, or of any run in the log."""
    totals = log.totals(run.id)
    reasons = _failures(log, run.id)
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
        next_commands=next_commands(log, run, totals),
        db=str(log.path.absolute()),
        store=str(studio.settings.images),
    )  # fmt: skip


def _failures(log: Log, run_id: str) -> tuple[tuple[str, int], ...]:
    """What went wrong, each reason once, with how often; the most frequent first.

    Messages that differ only in an id, an address or a time are one reason; a code alone never makes them one.
    """
    counts: dict[tuple[str, str | None, str], tuple[str, int]] = {}
    for failure in log.failures(run_id):
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


def next_commands(log: Log, run: Run, totals: Totals) -> tuple[str, ...]:
    """The exact commands that would finish the run, each with its worst price where sending again may pay twice."""
    commands = []
    short = run.id
    free = totals.simulated and totals.unknown + totals.lost + totals.skipped  # needs no consent
    if (
        totals.planned
        or totals.in_flight
        or free
        or _can_decode(log, run.id)
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


def _can_decode(log: Log, run_id: str) -> bool:
    """Whether an answer is kept over which the provider's code raised: once fixed, it is decoded free of charge."""
    return any(
        failure.status == "unknown" and failure.error_code == "provider_error" for failure in log.failures(run_id)
    )


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
