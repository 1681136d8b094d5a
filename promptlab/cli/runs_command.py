"""`promptlab runs`: what ran."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptlab.cli import format as formats
from promptlab.cli import options

if TYPE_CHECKING:
    from promptlab.log import Log, Totals
    from promptlab.model import Run

__all__ = ["command"]

LONG = ("spec_text", "settings", "price_table")


@click.command("runs", short_help="List runs, newest first.")
@click.option("--experiment", metavar="NAME", help="Only of this experiment.")
@click.option("-n", "--number", type=click.IntRange(min=1), default=20, show_default=True, help="How many.")
@click.option("--all", "everything", is_flag=True, help="Hidden runs too.")
@click.option("--hide", multiple=True, metavar="RUN", type=options.RUN, help="Leave this run out of lists from now on.")
@click.option("--show", multiple=True, metavar="RUN", type=options.RUN, help="Put a hidden run back into lists.")
@options.json_flag
@options.db
def command(
    experiment: str | None, number: int, everything: bool, hide: tuple[str, ...], show: tuple[str, ...], as_json: bool,
    db: Path | None,
) -> None:  # fmt: skip
    """List runs, newest first: the start of the id, experiment, status, what was done and what it cost.

    Any command takes the start of an id; --json has it whole.

    \b
    Examples:
      promptlab runs -n 5
      promptlab runs --hide last
    """
    with options.Here(db).log(readonly=not (hide or show)) as log:
        for text in hide:
            log.hide_run(log.find_run(text).id)
        for text in show:
            log.unhide_run(log.find_run(text).id)
        hidden, simulated = log.hidden_runs(), log.simulated_runs()
        runs = log.runs(experiment=experiment, limit=number + len(hidden))
        listed = [run for run in runs if everything or run.id not in hidden][:number]
        if as_json:
            documents = [_document(run, log.totals(run.id), hidden, simulated) for run in listed]
            click.echo(json.dumps(documents, indent=1, ensure_ascii=False))
            return
        click.echo(_table(log, listed, hidden, simulated) if listed else _nothing(len(runs)))


def _document(run: Run, spent: Totals, hidden: set[str], simulated: set[str]) -> dict[str, object]:
    """A run as --json has it: its row, without the long texts, and what may have been billed at most."""
    kept = {name: value for name, value in asdict(run).items() if name not in LONG}
    bounds = {"credits_at_most": spent.credits_at_most, "cost_usd_at_most": spent.cost_usd_at_most}
    return kept | bounds | {"hidden": run.id in hidden, "simulated": run.id in simulated}


def _nothing(hidden: int) -> str:
    if hidden:
        return f"{formats.count(hidden, 'run')} hidden: `promptlab runs --all` lists them"
    return "no runs yet: `promptlab run EXPERIMENT` makes one"


def _table(log: Log, runs: list[Run], hidden: set[str], simulated: set[str]) -> str:
    names = log.short_ids()
    rows = [
        (
            names[run.id],
            run.experiment + (f" ({run.kind})" if run.kind != "run" else ""),
            run.status + (" (hidden)" if run.id in hidden else ""),
            f"{run.completed:,} of {run.planned:,}" if run.planned is not None else "–",
            f"{run.failed:,}" if run.failed else "",
            "SIMULATED" if run.id in simulated else _cost(log.totals(run.id)),
            run.started_at[:16].replace("T", " "),
        )
        for run in runs
    ]
    headers = ("run", "experiment", "status", "done", "failed", "cost", "started (UTC)")
    shown = [i for i in range(len(headers)) if i != 4 or any(run.failed for run in runs)]
    picked = [[row[i] for i in shown] for row in rows]
    return formats.table(picked, [headers[i] for i in shown], right=[at for at, i in enumerate(shown) if i in (3, 4)])


def _cost(spent: Totals) -> str:
    """What was billed, as two bounds where it is not known exactly."""
    if not any((spent.credits, spent.cost_usd, spent.attempts_at_risk)):
        return "–"
    return formats.bounds((spent.credits, spent.credits_at_most), (spent.cost_usd, spent.cost_usd_at_most))
