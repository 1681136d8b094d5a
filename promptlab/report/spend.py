"""What a run cost, as a report says it: with bounds, and for each image that was kept."""

from __future__ import annotations

from promptlab.log import Log, Totals
from promptlab.model import Run
from promptlab.report.contents import Spend
from promptlab.report.words import between, count, credits, dollars

__all__ = ["spend_of"]

_MARKED = """
SELECT m.mark, count(*) FROM latest_marks m JOIN images i ON i.id = m.image_id
JOIN generations g ON g.id = i.generation_id
WHERE i.status = 'stored' AND (g.run_id = ?1 OR EXISTS (
  SELECT 1 FROM generations c WHERE c.cached_from = g.id AND c.run_id = ?1)) GROUP BY 1
"""
_JUDGES = """
SELECT count(*), total(j.cost_usd), total(j.cost_usd_at_risk), sum(j.cost_usd IS NULL) FROM judge_calls j
JOIN polls p ON p.id = j.poll_id WHERE p.run_id = ?
"""


def spend_of(log: Log, run: Run, totals: Totals, *, simulated: bool) -> Spend:
    """The spend of a whole run."""
    marks = dict(log.rows(_MARKED, (run.id,)))
    kept = int(marks.get("keep", 0))
    return Spend(
        amount=_amount(totals, simulated=simulated),
        each=_per(totals, totals.images) if totals.images and not totals.cached else None,
        each_kept=_per(totals, kept) if kept and not totals.cached else None,
        kept=kept,
        rejected=int(marks.get("reject", 0)),
        judged_by_model=_judges(log, run.id),
        note=_note(totals),
    )


def _amount(totals: Totals, *, simulated: bool) -> str:
    in_usd = between(totals.cost_usd, totals.cost_usd_at_most, dollars)
    in_credits = between(totals.credits, totals.credits_at_most, credits)
    text = ", ".join(filter(None, (in_usd, in_credits))) or "an unknown amount"
    return f"nothing: SIMULATED. On the provider it would have been {text}" if simulated else text


def _per(totals: Totals, number: int) -> str | None:
    if totals.cost_usd is None:
        return None
    most = None if totals.cost_usd_at_most is None else totals.cost_usd_at_most / number
    return between(totals.cost_usd / number, most, dollars)


def _note(totals: Totals) -> str | None:
    said = []
    if totals.attempts_at_risk:
        said.append(
            f"{count(totals.attempts_at_risk, 'attempt')} may have been billed, or did not say how much: "
            "the cost is between the two bounds."
        )
    if totals.cached:
        said.append(f"{count(totals.cached, 'result')} came from the log and cost nothing in this run.")
    return " ".join(said) or None


def _judges(log: Log, run_id: str) -> str | None:
    calls, usd, at_risk, unknown = log.execute(_JUDGES, (run_id,)).fetchone()
    if not calls:
        return None
    cost = between(usd, None if unknown else usd + at_risk, dollars)
    return f"{count(calls, 'judgement')} by a model cost {cost}"
