"""`promptlab forget`: delete a run."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptlab.cli import format as formats
from promptlab.cli import options
from promptlab.errors import ConfirmationNeeded
from promptlab.studio.forgetting import forget, look

if TYPE_CHECKING:
    from promptlab.log import Forgetting

__all__ = ["command"]


@click.command("forget", short_help="Delete a run: its rows, and the files that nothing else uses.")
@click.argument("run", metavar="RUN", type=options.RUN)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@options.json_flag
@options.db
def command(run: str, yes: bool, as_json: bool, db: Path | None) -> None:
    """Delete RUN (an id, the start of one, an experiment's name, `last`) from the log, with its images.

    What other runs took from it stays: their rows take over its cost, attempts and marks. Files that another run,
    another log or another hard link uses stay. There is no way back; `promptlab runs --hide RUN` only leaves it out of
    lists.

    \b
    Example:
      promptlab forget 01JD8XQ2
    """

    here = options.Here(db)
    with here.log(readonly=False) as log:
        found = look(here.studio, log, run)
        _confirm(found, yes=yes)
        gone = forget(here.studio, log, found)
    if as_json:
        click.echo(json.dumps(asdict(gone), indent=1))
        return
    over = f", {formats.count(gone.handed_over, 'generation')} handed over to later runs" if gone.handed_over else ""
    click.echo(
        f"run {gone.run_id} is forgotten: {formats.count(gone.generations, 'generation')}, "
        f"{formats.count(gone.files, 'file')} ({gone.bytes / 1e6:,.1f} MB){over}"
    )


def _confirm(found: Forgetting, *, yes: bool) -> None:
    """Deleting asks first; without a terminal it is exit 2."""
    if yes:
        return
    parts = [f"Delete run {found.run_id} of {found.experiment} with {formats.count(found.images, 'image')}?"]
    if found.last_billed is not None:
        parts.append(
            f"{formats.money(found.credits, found.cost_usd or None)} will no longer be counted in usage and alerts."
        )
    if found.unknown:
        parts.append(f"{formats.count(found.unknown, 'request')} that may have been billed can then be sent again.")
    question = " ".join(parts)
    if not options.can_ask():
        message = f"not confirmed: {question} Nothing was deleted; --yes goes ahead"
        raise ConfirmationNeeded(message, code="not-confirmed")
    if not click.confirm(question, default=False, err=True):
        raise ConfirmationNeeded("not confirmed; nothing was deleted", code="not-confirmed")
