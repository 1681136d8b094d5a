"""`promptlab usage`: credits and money."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click

from promptlab.cli import format as formats
from promptlab.cli import options

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
        total = log.spent(since=from_day)
        alerts = alerts_of(log, here.studio.settings)
    if as_json:
        document = {"by": by, "rows": [asdict(row) for row in rows], "total": asdict(total), "alerts": list(alerts)}
        click.echo(json.dumps(document, indent=1, ensure_ascii=False))
        return
    if not rows:
        click.echo("nothing was spent" + (f" since {from_day}" if since else "") + "; simulated runs do not count")
        return
    cells = [
        (row.key or "–", f"{row.generations:,}", f"{row.images:,}",
         _between((row.credits, row.credits_at_most), NOTHING), _between(NOTHING, (row.cost_usd, row.cost_usd_at_most)))
        for row in [*rows, total]
    ]  # fmt: skip
    cells[-1] = ("total", *cells[-1][1:])
    click.echo(formats.table(cells, (by, "generations", "images", "credits", "dollars"), right=range(1, 5)))
    if total.attempts_at_risk:
        click.echo(
            f"{formats.count(total.attempts_at_risk, 'attempt')} may have been billed, or did not say how much: "
            "the cost is between the two bounds"
        )
    for alert in alerts:
        click.echo(f"! {alert}", err=True)


def _between(credits: formats.Bounds, usd: formats.Bounds) -> str:
    return "–" if (*credits, *usd) == (*NOTHING, *NOTHING) else formats.bounds(credits, usd).removesuffix(" credits")
