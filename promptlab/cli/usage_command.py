"""`promptlab usage`: credits and money."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from promptlab.cli import format as formats
from promptlab.cli import options

if TYPE_CHECKING:
    from promptlab.log.sums import Apart, Spent

__all__ = ["command"]

NOTHING = (None, None)  # of a unit that is not asked for
GROUPS = ["day", "experiment", "template", "model", "user", "project"]


@click.command("usage", short_help="Credits and money by day, experiment, template, model, user or project.")
@click.option("--by", type=click.Choice(GROUPS), default="day", show_default=True, help="What to sum by.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help="From this UTC day on.")
@options.json_flag
@options.db
def command(by: str, since: datetime | None, as_json: bool, db: Path | None) -> None:
    """What was spent: the cost of results, and the most the provider can have billed. Simulated runs don't count.

    Kept and rejected are images that people marked; "per kept" is all of the cost, divided by the kept images. The
    lines below say what of it judge models cost, and what the cache saved.

    \b
    Examples:
      promptlab usage --by template
      promptlab usage --since 2026-11-01 --json
    """
    from promptlab.run.alerts import alerts_of

    here = options.Here(db)
    from_day = f"{since:%Y-%m-%d}" if since else ""
    with here.log() as log:
        rows = log.usage(by, since=from_day)
        total = log.usage_in_all(rows, since=from_day)
        apart = log.spent_apart(since=from_day)
        alerts = alerts_of(log, here.studio.settings)
    if as_json:
        document = {"by": by, "rows": [_as_json(row) for row in rows], "total": _as_json(total)}
        document |= {"apart": asdict(apart), "alerts": list(alerts)}
        click.echo(json.dumps(document, indent=1, ensure_ascii=False))
        return
    if rows:
        cells = [_cells(row) for row in [*rows, total]]
        cells[-1] = ("total", *cells[-1][1:])
        headers = (by, "generations", "images", "credits", "dollars", "kept", "rejected", "per kept")
        click.echo(formats.table(cells, headers, right=range(1, 8)))
    else:
        click.echo("nothing was spent" + (f" since {from_day}" if since else "") + "; simulated runs do not count")
    for sentence in _beside(total, apart):
        click.echo(sentence)
    for alert in alerts:
        click.echo(f"! {alert}", err=True)


def _cells(row: Spent) -> tuple[str, ...]:
    return (
        row.key or "–", f"{row.generations:,}", f"{row.images:,}",
        _between((row.credits, row.credits_at_most), NOTHING), _between(NOTHING, (row.cost_usd, row.cost_usd_at_most)),
        f"{row.kept:,}", f"{row.rejected:,}", _between(NOTHING, row.usd_per_kept),
    )  # fmt: skip


def _as_json(row: Spent) -> dict[str, Any]:
    low, high = row.usd_per_kept
    return asdict(row) | {"usd_per_kept": low, "usd_per_kept_at_most": high}


def _beside(total: Spent, apart: Apart) -> Iterator[str]:
    """What the table does not say."""
    if total.attempts_at_risk:
        yield (
            f"{formats.count(total.attempts_at_risk, 'attempt')} may have been billed, or did not say how much: "
            "the cost is between the two bounds"
        )
    if total.rejected_usd:
        yield f"rejected images cost {formats.dollars(total.rejected_usd)} of it"
    if apart.redo_usd:
        yield f"redo cost {formats.dollars(apart.redo_usd)} of it"
    if apart.judge_calls:
        cost = formats.bounds(NOTHING, (apart.judge_usd, apart.judge_usd_at_most))
        yield f"judges: {formats.count(apart.judge_calls, 'call')}, {cost}, in the table above"
    if apart.saved_usd:
        about = "about " if apart.saved_about else ""
        copies = formats.count(apart.copies, "copy", "copies")
        yield f"the cache saved {about}{formats.dollars(apart.saved_usd)}: {copies}"


def _between(credits: formats.Bounds, usd: formats.Bounds) -> str:
    return "–" if (*credits, *usd) == (*NOTHING, *NOTHING) else formats.bounds(credits, usd).removesuffix(" credits")
