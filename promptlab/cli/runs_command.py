"""`promptlab runs`: what ran."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptlab.cli import options, words

if TYPE_CHECKING:
    from promptlab.log import Totals
    from promptlab.model import Run

__all__ = ["command"]

LONG = ("spec_text", "settings", "price_table")


@click.command("runs", short_help="List runs, newest first.")
@click.option("--experiment", metavar="NAME", help="Only of this experiment.")
@click.option("-n", "--number", type=click.IntRange(min=1), default=20, show_default=True, help="How many.")
@options.json_flag
@options.db
def command(experiment: str | None, number: int, as_json: bool, db: Path | None) -> None:
    """List runs, newest first: id, experiment, status, what was done and what it cost.

    \b
    Example:
      promptlab runs -n 5
    """
    _, log = options.studio_log(db)
    with log:
        runs = log.runs(experiment=experiment, limit=number)
        if as_json:
            rows = [_document(run, log.totals(run.id)) for run in runs]
            click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
            return
        if not runs:
            click.echo("no runs yet: `promptlab run EXPERIMENT` makes one")
            return
        rows_ = []
        for run in runs:
            cost = "SIMULATED" if run.provider == "simulator" else _cost(log.totals(run.id))
            done = f"{run.completed:,} of {run.planned:,}" if run.planned is not None else "–"
            rows_.append(
                (
                    run.id,
                    run.experiment,
                    run.status,
                    done,
                    f"{run.failed:,}",
                    cost,
                    run.started_at[:16].replace("T", " "),
                )
            )
    click.echo(
        words.table(rows_, ("run", "experiment", "status", "done", "failed", "cost", "started (UTC)"), right=(3, 4))
    )


def _cost(spent: Totals) -> str:
    """What was billed, as two bounds where it is not known exactly."""
    if not any((spent.credits, spent.cost_usd, spent.attempts_at_risk)):
        return "–"
    return words.bounds((spent.credits, spent.credits_at_most), (spent.cost_usd, spent.cost_usd_at_most))


def _document(run: Run, spent: Totals) -> dict[str, object]:
    """A run as --json has it: its row, without the long texts, and what may have been billed at most."""
    kept = {name: value for name, value in asdict(run).items() if name not in LONG}
    return kept | {"credits_at_most": spent.credits_at_most, "cost_usd_at_most": spent.cost_usd_at_most}
