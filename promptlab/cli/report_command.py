"""`promptlab report`: one file to send."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from promptlab.cli import format as formats
from promptlab.cli import options

__all__ = ["command"]


@click.command("report", short_help="Write one file to send: the verdict, the images, what it rests on.")
@click.argument("run", metavar="[RUN]", default="last", type=options.RUN)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), default=Path("report.html"), show_default=True,
    help="The file: .html (opens offline, images inside), .md (images in a folder beside it) or .pdf (needs Chromium).",
)  # fmt: skip
@click.option("--by", metavar="AXIS", help="The axis to compare. [default: the baseline's, else prompts]")
@click.option("--metric", default="votes", show_default=True, help="What decides: votes, kept, rating, or a score.")
@options.where
@click.option("--size", default="8MB", show_default=True, help="The most that an .html may take; images are fitted.")
@click.option("--title", help="Its title. [default: the experiment's name]")
@click.option("--ballot", is_flag=True, help="A page that votes offline instead of a report: see `votes ballot`.")
@click.option("--force", is_flag=True, help="Replace a file that is not a report.")
@options.json_flag
@options.db
def command(
    run: str,
    output: Path,
    by: str | None,
    metric: str,
    where: tuple[str, ...],
    size: str,
    title: str | None,
    ballot: bool,
    force: bool,
    as_json: bool,
    db: Path | None,
) -> None:
    """Write RUN (an id, the start of one, an experiment's name, `last`) as one file that anybody can open.

    The verdict first, the winner large with its prompt to copy, the images side by side, what the verdict rests on,
    what it cost, what failed, and where everything comes from. The same log gives the same file.

    \b
    Examples:
      promptlab report
      promptlab report ad_variants -o ads.html --by prompt --title "Autumn ads"
      promptlab report last -o report.pdf --where item=S-2*
      promptlab report last --ballot --by prompt -o ballot.html
    """
    if ballot:
        _ballot(run, output, by, where, title, as_json, db)
        return
    from promptlab.report.make import write_report

    def step(said: str) -> None:
        if not as_json:
            click.echo(said, err=True)

    made = write_report(
        run, output, by=by, metric=metric, where=where, size=size, title=title, force=force, db=db, step=step
    )
    if as_json:
        click.echo(json.dumps(asdict(made), indent=1, ensure_ascii=False, default=str))
        return
    simulated = " (SIMULATED)" if made.simulated else ""
    click.echo(f"{made.headline}{simulated}")
    beside = f" and {made.folder}/" if made.folder else ""
    shown = f"{formats.count(made.images, 'image')} in {formats.count(made.lines, 'line')}"
    click.echo(f"✓ {made.path}{beside}: {made.bytes / 1e6:.1f} MB, {shown}")
    if made.left_out:
        click.echo(f"  {made.left_out}")


def _ballot(
    run: str, output: Path, by: str | None, where: tuple[str, ...], title: str | None, as_json: bool, db: Path | None
) -> None:
    """What `votes ballot` does, with its own defaults."""
    from promptlab.cli.votes_command import ballot
    from promptlab.compare.scenes import compared_axis

    if by is None:
        with options.Here(db).log() as log:
            by = compared_axis(log, run) or "variant"
    context = click.get_current_context()
    context.invoke(ballot, run=run, by=by, output=output, held=where, title=title, as_json=as_json, db=db)
