"""`promptlab redo`: only the bad ones again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptlab.cli import format as formats
from promptlab.cli import options
from promptlab.cli.plan_command import describe, report
from promptlab.cli.run_command import run_options, start
from promptlab.model import Amount
from promptlab.studio.options import Options

if TYPE_CHECKING:
    from promptlab.history.redo import Redo, Seeds
    from promptlab.studio.prepare import PreparedRun

__all__ = ["command"]


@click.command("redo", short_help="Make rejected images again, and only those.")
@click.argument("run", metavar="[RUN]", default="last", type=options.RUN)
@click.option("--rejected", is_flag=True, help="Those rejected, of variants without a kept image. [default]")
@click.option("--without-pick", is_flag=True, help="All of variants without a kept image, also what nobody judged.")
@options.where
@click.option("--template", metavar="T[@REV]", help="A mended template in place of the prompt's own.")
@click.option(
    "--seeds", type=click.Choice(["new", "same"]),
    help="Seeds that the variant never had, or those of before. [default: same with --template, else new]",
)  # fmt: skip
@options.limit
@click.option("--plan", "only_plan", is_flag=True, help="Show what would be sent and cost; send nothing.")
@options.provider
@run_options
def command(
    run: str, rejected: bool, without_pick: bool, where: tuple[str, ...], template: str | None, seeds: Seeds | None,
    limit: int | None, only_plan: bool, provider: str | None, budget: Amount | None, yes: bool, jobs: int | None,
    no_thumbnails: bool, as_json: bool, db: Path | None,
) -> None:  # fmt: skip
    """Make images of RUN again: the rejected ones, unless you say which. The experiment is the one that RUN read.

    An image is rejected by its latest mark, whoever made it. Once a variant has a kept image, whichever run made that,
    it is left alone. What is named must all hold. RUN is an id, or a name: the experiment's latest run that is not
    itself a redo. Asked twice, what was sent is not sent again until somebody has judged it.

    \b
    Examples:
      promptlab redo shelf_photos --plan
      promptlab redo shelf_photos --template shelf.j2
      promptlab redo shelf_photos --where item=S-204 --seeds new --budget 20usd
    """
    from promptlab.history.redo import prepare_redo

    found = prepare_redo(
        run, rejected=rejected, without_pick=without_pick, where=where, template=template, seeds=seeds,
        limit=limit, provider=provider, key_needed=not only_plan, db=db,
    )  # fmt: skip
    for note in found.notes:
        click.echo(note, err=True)
    if found.job is None:
        why = "no image is rejected whose variant has no kept one"
        if limit == 0 or not (rejected or not (without_pick or where)):
            why = "--limit 0 takes none" if limit == 0 else "every variant chosen has a kept image"
        _nothing(found, why, as_json=as_json)
        return
    if only_plan:
        _show_plan(found.job, as_json=as_json)
        return
    chosen = Options(
        budget=budget, jobs=jobs, thumbnails=False if no_thumbnails else None,
        settings={"budget": str(budget) if budget else None, "jobs": jobs},
    )  # fmt: skip
    _start(found, chosen, yes=yes, as_json=as_json)


def _start(found: Redo, chosen: Options, *, yes: bool, as_json: bool) -> None:
    from promptlab.studio.preview import preview

    job = found.job
    assert job is not None
    if not as_json:
        click.echo(f"redo of {formats.count(found.chosen, 'request')} of run {found.parent.id}", err=True)
    with job.studio.log(create=False, readonly=True) as log:
        ahead = preview(job, log)
    start(job, ahead, chosen, yes=yes, as_json=as_json)


def _nothing(found: Redo, why: str, *, as_json: bool) -> None:
    """Nothing is chosen: that is no mistake, since a redo that was made before leaves nothing."""
    text = f"nothing to redo in run {found.parent.id}: {why}"
    if as_json:
        document = {"run_id": None, "parent_run": found.parent.id, "planned": 0, "to_send": 0, "message": text}
        click.echo(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        click.echo(text)


def _show_plan(job: PreparedRun, *, as_json: bool) -> None:
    """As `plan` shows an experiment."""
    from dataclasses import asdict

    from promptlab.studio.preview import preview

    with job.studio.log(create=False, readonly=True) as log:
        ahead = preview(job, log, enforce_limits=False)
    report([*ahead.over_limits, *ahead.warnings])
    if as_json:
        left_out = ("warnings", "over_limits", "fresh", "steps")
        figures = {name: value for name, value in asdict(ahead).items() if name not in left_out}
        click.echo(json.dumps({"parent_run": job.parent_run} | figures, indent=1, ensure_ascii=False))
    else:
        click.echo(describe(ahead))
    if ahead.over_limits:
        raise click.exceptions.Exit(2)
