"""`promptlab runs`: what ran."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from promptlab.cli import options, words

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
        of_a_simulator = log.simulated_runs()
        if as_json:
            rows = [
                {name: value for name, value in asdict(run).items() if name not in LONG}
                | {"simulated": run.id in of_a_simulator}
                for run in runs
            ]
            click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
            return
        if not runs:
            click.echo("no runs yet: `promptlab run EXPERIMENT` makes one")
            return
        rows_ = []
        for run in runs:
            simulated = run.id in of_a_simulator
            cost = (
                "SIMULATED"
                if simulated
                else words.money(run.credits, run.cost_usd)
                if run.credits or run.cost_usd
                else "–"
            )
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
