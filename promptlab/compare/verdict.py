"""The verdict on an axis: which of its values is best, how sure that is, whether to trust it, what it would take.

The same words and figures are printed by `promptlab compare`, shown by the Ranking page and put into reports.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from promptlab.compare.evidence import Evidence, evidence_of, votes_of
from promptlab.compare.verdict_model import Gap, Needed, Standing, Statement, Verdict
from promptlab.compare.verdict_votes import LEVEL, judge_votes
from promptlab.errors import InputError
from promptlab.log import Log
from promptlab.log.reader import LogReader, log_of
from promptlab.spec.matcher import Where

__all__ = ["Gap", "Needed", "Standing", "Statement", "Verdict", "verdict_as_json", "verdict_of"]


def verdict_of(
    log: Log | LogReader,
    run_id: str,
    by: str | None,
    *,
    metric: str = "votes",
    where: Where = (),
    command: bool = True,
) -> Verdict:
    """The verdict on the values of axis `by` in a run (None: on whole variants), by a metric.

    `metric` is `votes`, `kept`, or the name of a score (`rating`, `sales`, ...). `where` picks variants. Without
    `command`, what it would take is said without command lines. The same log gives the same verdict, to the digit.
    InputError for a run, an axis, an id or a metric that is not there.
    """
    log = log_of(log)
    evidence = evidence_of(log, run_id, by, where)
    if metric == "votes":
        return _by_votes(log, evidence)
    raise InputError(f"run {evidence.run.id} has no scores called {metric!r}", code="no-such-metric")


def _by_votes(log: Log, evidence: Evidence) -> Verdict:
    found = votes_of(log, evidence)
    is_open = bool(found.open_polls)
    outcome = judge_votes(evidence, found, is_open=is_open)
    return Verdict(
        run_id=evidence.run.id,
        experiment=evidence.run.experiment,
        by=evidence.by,
        metric="votes",
        level=LEVEL,
        headline=outcome.headline,
        sentences=(),
        standings=outcome.standings,
        differences=outcome.differences,
        matrix=outcome.matrix,
        trust=(),
        takes=(),
        missing=(),
        live=is_open,
        methods="",
        enough=outcome.enough,
        leader=outcome.leader,
        winner=outcome.winner,
        baseline=evidence.baseline,
        reference=outcome.reference,
        votes=len(outcome.votes),
        scenes=len({vote.scene for vote in outcome.votes}),
        voters=len({vote.voter for vote in outcome.votes}),
        simulated=evidence.simulated,
    )


def verdict_as_json(verdict: Verdict) -> dict[str, Any]:
    """The verdict as JSON's types: every field, the matrix as a list of its cells."""
    found = asdict(verdict)
    found["matrix"] = [
        {"value": value, "other": other, **asdict(tally)} for (value, other), tally in sorted(verdict.matrix.items())
    ]
    for gap, each in zip(found["differences"], verdict.differences, strict=True):
        gap["apart"] = each.apart
    return found
