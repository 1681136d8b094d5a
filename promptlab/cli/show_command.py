"""`promptlab show`: one run with its failures and spend, or one generation and its request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptlab.cli import format as formats
from promptlab.cli import options
from promptlab.cli.run_command import tell
from promptlab.errors import InputError

if TYPE_CHECKING:
    from promptlab.log import Log
    from promptlab.model import Generation, Run
    from promptlab.studio.studio import Studio

__all__ = ["command"]

LISTED = 40  # generations that ended badly


@click.command("show", short_help="Show one run, or one generation: failures, spend, the request.")
@click.argument("run", metavar="[RUN|GENERATION]", default="last", type=options.RUN)
@click.option(
    "--as", "style", type=click.Choice(["curl"]), help="A generation's request as a curl command; no key in it."
)
@click.option("--without-pick", is_flag=True, help="List the variants of a run that have no kept image.")
@options.where
@options.json_flag
@options.db
def command(
    run: str, style: str | None, without_pick: bool, where: tuple[str, ...], as_json: bool, db: Path | None
) -> None:  # fmt: skip
    """Show RUN (an id, the start of one, an experiment's name, `last`), or one generation by its id.

    \b
    Examples:
      promptlab show last
      promptlab show 01JD8X…  --as curl
      promptlab show shelf_photos --without-pick
    """
    if where and not without_pick:
        raise InputError("--where narrows the list of --without-pick; name that too", code="bad-option")
    studio, log = options.studio_log(db)
    with log:
        if without_pick:
            _show_unpicked(log, log.find_whole_run(run), where, as_json)
            return
        generation = log.generation(run)
        if generation is None and style is None:
            _show_run(log, studio, log.find_run(run), as_json)
            return
        if generation is None:
            found = log.find_run(run)
            generation = next(iter(log.generations(found.id)), None)
            if generation is None:
                raise InputError(f"run {found.id} has no generation")
        if style == "curl":
            from promptlab.run.as_curl import curl_of

            click.echo(curl_of(studio, generation))
        elif as_json:
            images = [asdict(image) for image in log.images_of([generation.id])[generation.id]]
            attempts = [asdict(attempt) for attempt in log.attempts(generation.id)]
            click.echo(
                json.dumps(
                    asdict(generation) | {"images": images, "attempt_rows": attempts}, indent=1, ensure_ascii=False
                )
            )
        else:
            click.echo("\n".join(_generation(log, generation)))


def _show_run(log: Log, studio: Studio, run: Run, as_json: bool) -> None:
    from promptlab.run.summary import summarise

    summary = summarise(log, run, studio, None, _seconds(run))
    if as_json:
        click.echo(json.dumps(asdict(run) | {"summary": asdict(summary)}, indent=1, ensure_ascii=False))
        return
    click.echo(tell(summary))
    plan = f", plan {run.plan}" if run.plan else ""
    click.echo(
        f"  {run.experiment} on {run.provider}{plan}, {run.started_at} to {run.ended_at or 'now'}, by {run.user or '?'}"
    )
    git = (
        "not versioned"
        if run.git_commit is None
        else f"{run.git_commit[:12]}{' with uncommitted edits' if run.git_dirty else ''}"
    )
    click.echo(f"  templates: {git}")
    if run.kind == "redo" and run.parent_run is not None:
        click.echo(f"  redo of run {run.parent_run}")
    ended_badly = log.generations(run.id, statuses=("failed", "unknown", "lost", "skipped"))
    rows = [
        (row.id, row.status, row.error_code or "", f"{row.attempts}", _shorten(row.error_message or ""))
        for row in islice(ended_badly, LISTED)
    ]
    if rows:
        click.echo(formats.table(rows, ("generation", "status", "code", "attempts", "why")))
        more = summary.failed + summary.unknown + summary.lost + summary.skipped - len(rows)
        if more > 0:
            click.echo(f"… {more:,} more: promptlab browse")


def _show_unpicked(log: Log, run: Run, where: tuple[str, ...], as_json: bool) -> None:
    """The variants without a kept image, why, and the command that makes them again."""
    from promptlab.spec.matcher import matches, resolve

    found = log.without_pick(run.id)
    if where:
        matchers = resolve(where, log.axis_values(run.id))
        found = [each for each in found if all(matches(matcher, each.axes) for matcher in matchers)]
    if as_json:
        variants = [asdict(each) | {"why": each.why} for each in found]
        click.echo(json.dumps({"run_id": run.id, "without_pick": variants}, indent=1, ensure_ascii=False))
        return
    if not found:
        click.echo(f"every variant {'chosen ' if where else ''}of run {run.id} has a kept image")
        return
    rows = [
        (each.variant or "the only variant", each.why, f"{each.with_images:,}", f"{each.rejected:,}") for each in found
    ]
    click.echo(formats.table(rows, ("variant", "why", "generations with images", "rejected"), right=(2, 3)))
    rejected = "--rejected" if any(each.rejected for each in found) else "--without-pick"
    click.echo(f"{formats.count(len(found), 'variant')} without a kept image: promptlab redo {run.id} {rejected}")


def _seconds(run: Run) -> float:
    from datetime import datetime

    if run.ended_at is None:
        return 0.0
    return (datetime.fromisoformat(run.ended_at) - datetime.fromisoformat(run.started_at)).total_seconds()


def _shorten(text: str) -> str:
    return text if len(text) <= 90 else text[:87] + "..."


def _generation(log: Log, row: Generation) -> Iterator[str]:
    for name, value in asdict(row).items():
        if value is not None and name not in ("response", "file_name", "defaulted"):
            yield f"{name:20} {value}"
    for attempt in log.attempts(row.id):
        billed = ", may be billed" if attempt.may_be_billed else ""
        words_ = (attempt.outcome or "in flight", attempt.status_code, attempt.error_message)
        yield f"attempt {attempt.number}: {' '.join(str(word) for word in words_ if word)}{billed}"
    for image in log.images_of([row.id])[row.id]:
        yield f"image {image.position}: {image.status} {image.path or ''} {image.sha256 or ''}"
        if image.revised_prompt:
            yield f"  revised: {image.revised_prompt}"
