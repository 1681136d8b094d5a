"""`promptlab resume`: finish a run."""

from __future__ import annotations

from pathlib import Path

import click

from promptlab.cli import options
from promptlab.cli.progress import reporter
from promptlab.cli.run_command import asks, finish, run_options
from promptlab.model import Amount
from promptlab.studio.options import Options

__all__ = ["command"]


@click.command("resume", short_help="Finish a run that was interrupted or stopped.")
@click.argument("run", metavar="[RUN]", default="last", type=options.RUN)
@run_options
@click.option(
    "--retry-unknown",
    is_flag=True,
    help="Send again what may have been billed; shows its highest possible price first.",
)
@click.option("--retry-lost", is_flag=True, help="Send again what was paid for but could not be fetched.")
def command(
    run: str, budget: Amount | None, yes: bool, jobs: int | None, no_thumbnails: bool, as_json: bool, db: Path | None,
    retry_unknown: bool, retry_lost: bool,
) -> None:  # fmt: skip
    """Finish RUN (an id, the start of one, an experiment's name, or `last`).

    Sends what was never sent, was rejected or failed; fetches what was answered; polls jobs. What was in flight
    when the process died is of unknown outcome: it is sent again only with --retry-unknown.

    \b
    Examples:
      promptlab resume
      promptlab resume shelf_photos --retry-unknown
    """
    from promptlab.run.runner import resume

    here = options.Here(db)
    chosen = Options(
        budget=budget, jobs=jobs, retry_unknown=retry_unknown, retry_lost=retry_lost,
        thumbnails=False if no_thumbnails else None, yes=yes,
    )  # fmt: skip
    with reporter() as listener:
        summary = resume(here.studio, run, chosen, listener, asks(here.studio))
    finish(summary, as_json=as_json)
