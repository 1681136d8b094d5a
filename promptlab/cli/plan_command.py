"""`promptlab plan`: what would run and what it would cost."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptlab.cli import options, words
from promptlab.errors import InputError, Problem

if TYPE_CHECKING:
    from promptlab.run import Job, Preview

__all__ = ["command", "describe", "look_ahead"]


@click.command("plan", short_help="Show what would run and what it would cost; send nothing.")
@click.argument("paths", metavar="EXPERIMENT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.provider
@options.db
@options.where
@options.limit
@click.option("--fresh", is_flag=True, help="Count nothing as answered by the log.")
@click.option("--explain", is_flag=True, help="The count after each step; with --variant, why that one is in or out.")
@click.option("--variant", metavar="AXIS=ID,…|ID", help="With --explain: this variant.")
@click.option("--against", metavar="REV", help="Compare with the experiment and templates of a git revision.")
@click.option("--format", "style", type=click.Choice(["text", "github", "json"]), default="text", help="Of problems.")
@options.json_flag
def command(
    paths: tuple[Path, ...], provider: str | None, db: Path | None, where: tuple[str, ...], limit: int | None,
    fresh: bool, explain: bool, variant: str | None, against: str | None, style: str, as_json: bool,
) -> None:  # fmt: skip
    """Check experiments and show variants, calls, images, credits, dollars and time. Sends nothing, needs no key.

    With several files it is a linter: every file is checked, and one problem makes it exit with 2.

    \b
    Examples:
      promptlab plan experiments/shelf_photos.yaml
      promptlab plan experiments/shelf_photos.yaml --explain --variant item=T-100,look=neon
      promptlab plan experiments/shelf_photos.yaml --against HEAD~1
      promptlab plan experiments/*.yaml --format github
    """
    previews: list[Preview] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            job, found = look_ahead(path, provider=provider, db=db, where=where, limit=limit, fresh=fresh)
        except InputError as error:
            problems += error.problems
            continue
        problems += found.warnings
        previews.append(found)
        if as_json:
            continue
        click.echo(describe(found))
        if explain:
            _explain(job, found, variant)
        if against:
            _against(job, against)
    report(problems, style)
    if as_json:
        documents = [asdict(found) for found in previews]
        click.echo(
            json.dumps(documents[0] if len(paths) == 1 and documents else documents, indent=1, ensure_ascii=False)
        )
    if any(problem.severity == "error" for problem in problems):
        raise click.exceptions.Exit(2)


def look_ahead(
    path: Path, *, provider: str | None, db: Path | None, where: tuple[str, ...] = (), limit: int | None = None,
    fresh: bool = False, key_needed: bool = False,
) -> tuple[Job, Preview]:  # fmt: skip
    """Prepare and preview an experiment against its studio's log."""
    from promptlab.run import prepare, preview

    job = prepare(path, provider=provider, db=db, where=options.matchers(where), limit=limit, key_needed=key_needed)
    log = job.studio.existing_log()
    try:
        return job, preview(job, log, fresh=fresh)
    finally:
        if log is not None:
            log.close()


def report(problems: list[Problem], style: str) -> None:
    """Problems on stderr, as text, as GitHub annotations, or as JSON."""
    if style == "json":
        click.echo(json.dumps([asdict(problem) for problem in problems], indent=1, ensure_ascii=False), err=True)
        return
    for problem in problems:
        if style == "github":
            where = f"file={problem.path or ''},line={problem.line or 1},col={problem.column or 1},title={problem.code}"
            click.echo(f"::{problem.severity} {where}::{problem.message}", err=True)
        else:
            click.echo(str(problem), err=True)


def describe(found: Preview) -> str:
    """The plan as a person reads it."""
    simulated = "  SIMULATED: free, offline" if found.simulated else ""
    per = found.requests // found.variants if found.variants else 0
    repeats = (
        f" × {per} = {words.count(found.requests, 'request')}"
        if per > 1
        else f", {words.count(found.requests, 'request')}"
    )
    lines = [
        f"{found.experiment} on {found.provider}{simulated}",
        f"  {words.count(found.variants, 'variant')}{repeats}, {words.count(found.images, 'image')}",
    ]
    if found.equal:
        lines.append(f"  {words.count(found.equal, 'request')} equal to another: sent once, each gets its rows")
    if found.cached:
        lines.append(f"  {words.count(found.cached, 'request')} already in the log: free")
    if found.blocked:
        lines.append(f"  {words.count(found.blocked, 'request')} of unknown outcome or lost: not sent again unasked")
    lines.append(f"  to send: {words.count(found.to_send, 'call')}, {words.count(found.images_to_make, 'image')}")
    lines += _money(found)
    return "\n".join(lines)


def _money(found: Preview) -> list[str]:
    if not found.to_send:
        return ["  cost: nothing"]
    if found.choices:
        offers = "; ".join(
            f"{choice.plan.capitalize()} {words.dollars(choice.cost_usd)}"
            + (f", {words.count(choice.packages, 'package')}" if choice.packages else "")
            + f", {words.duration(choice.seconds)}"
            for choice in found.choices
        )
        return [
            f"  cost: {words.credits(found.credits)}: {offers}",
            "  no plan is named, so dollars are unknown: KAIRVAL_PLAN=starter, or `plan:` in promptlab.yaml",
        ]
    under = f" under {found.plan}" if found.plan else ""
    would = "would cost" if found.simulated else "cost"
    return [
        f"  {would}: {words.money(found.credits, found.cost_usd)}{under}",
        f"  time: about {words.duration(found.seconds)}",
    ]


def _explain(job: Job, found: Preview, variant: str | None) -> None:
    if variant is not None:
        why = job.plan.explain(variant)
        click.echo(f"  {why.id}  {','.join(f'{axis}={value}' for axis, value in why.axes.items())}: "
                   f"{'in' if why.included else 'out'}")  # fmt: skip
        for reason in why.reasons:
            place = f"  ({reason.place.path}:{reason.place.line})" if reason.place else ""
            click.echo(f"    {'✓' if reason.kept else '✗'} {reason.step}: {reason.text}{place}")
        return
    rows = [(step.name, "–" if step.count is None else f"{'' if step.exact else '≤ '}{step.count:,}", step.unit, step.note)
            for step in job.plan.steps()]  # fmt: skip
    rows.append(("cache", f"{found.cached:,}", "requests", "answered by the log"))
    rows.append(("cost", words.money(found.credits, found.cost_usd), "", ""))
    rows.append(("limits", "kept", "", ""))
    click.echo(words.table(rows, ("step", "left", "", ""), right=(1,)))


def _against(job: Job, revision: str) -> None:
    from promptlab.run import compare_revision

    found = compare_revision(job, revision)
    click.echo(f"  against {revision}: {len(found.added):,} added, {len(found.removed):,} removed, "
               f"{len(found.changed):,} changed, {found.same:,} the same")  # fmt: skip
    for sign, names in (("+", found.added), ("-", found.removed), ("~", found.changed)):
        for name in names[:20]:
            click.echo(f"    {sign} {name}")
        if len(names) > 20:
            click.echo(f"    {sign} … {len(names) - 20:,} more")
    click.echo(
        f"  to bring the log up to date: {words.count(found.to_send, 'call')}, {words.money(found.credits, found.cost_usd)}"
    )
