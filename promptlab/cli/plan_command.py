"""`promptlab plan`: what would run and what it would cost."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptlab.cli import format as formats
from promptlab.cli import options
from promptlab.cli.failing import problem_document
from promptlab.errors import InputError, Problem, at_most_ten
from promptlab.spec.files import find_studio
from promptlab.studio.prepare import prepare
from promptlab.studio.preview import preview

if TYPE_CHECKING:
    from promptlab.compare.power_ahead import PowerAhead, PowerFor
    from promptlab.history.against import RevisionChanges
    from promptlab.plan import Explanation
    from promptlab.studio.prepare import PreparedRun
    from promptlab.studio.preview import Preview

__all__ = ["command", "describe", "look_ahead", "report"]


@click.command("plan", short_help="Show what would run and what it would cost; send nothing.")
@click.argument("paths", metavar="EXPERIMENT...", nargs=-1, required=True, type=options.EXPERIMENT)
@options.provider
@options.db
@options.where
@options.limit
@click.option("--fresh", is_flag=True, help="Count nothing as answered by the log.")
@click.option("--explain", is_flag=True, help="The count after each step; with --variant, why that one is in or out.")
@click.option("--variant", metavar="AXIS=ID,…|ID", help="With --explain: this variant.")
@click.option("--against", metavar="REV", help="Compare with the experiment and templates of a git revision.")
@click.option("--power", metavar="AXIS", help="The gap between two values of AXIS that these seeds could show, and "
              "the seeds and money for 60:40, 65:35 and 70:30.")  # fmt: skip
@click.option("--format", "style", type=click.Choice(["text", "github", "json"]), default="text",
              help="How problems are printed; github and json print nothing else.")  # fmt: skip
@options.json_flag
def command(
    paths: tuple[Path, ...], provider: str | None, db: Path | None, where: tuple[str, ...], limit: int | None,
    fresh: bool, explain: bool, variant: str | None, against: str | None, power: str | None, style: str, as_json: bool,
) -> None:  # fmt: skip
    """Check experiments and show variants, calls, images, credits, dollars and time. Sends nothing, needs no key.

    With several files it is a linter: every file is checked, and one problem makes it exit with 2.

    \b
    Examples:
      promptlab plan experiments/shelf_photos.yaml
      promptlab plan experiments/shelf_photos.yaml --explain --variant item=T-100,look=neon
      promptlab plan experiments/shelf_photos.yaml --against HEAD~1
      promptlab plan experiments/shelf_photos.yaml --power look
      promptlab plan experiments/*.yaml --format github
    """
    looks = [_look(path, provider, db, where, limit, fresh, explain, variant, against, power) for path in paths]
    problems = [problem for look in looks for problem in look.problems]
    if as_json:
        documents = [look.document() for look in looks]
        click.echo(json.dumps(documents[0] if len(paths) == 1 else documents, indent=1, ensure_ascii=False))
    elif style == "text":
        for look in looks:
            for text in look.texts():
                click.echo(text)
    if not as_json or style == "text":
        report(problems, style, looks)
    if errors := sum(problem.count for problem in problems if problem.severity == "error"):
        number = sum(problem.count for problem in problems)
        if style == "text" and number > 1:
            click.echo(f"{formats.count(errors, 'error')}, {formats.count(number - errors, 'warning')}", err=True)
        raise click.exceptions.Exit(2)


class _Look:
    """What `plan` found out about one file."""

    def __init__(self, path: Path, against: str | None) -> None:
        self.path, self.against = path, against
        self.problems: list[Problem] = []
        self.preview: Preview | None = None
        self.explained: Explanation | None = None
        self.changes: RevisionChanges | None = None
        self.power: PowerAhead | None = None

    def document(self) -> dict[str, object]:
        """The file as --json prints it (docs/cli.md)."""
        found: dict[str, object] = {"file": str(self.path), "ok": all(p.severity != "error" for p in self.problems)}
        if self.preview is not None:
            found |= asdict(self.preview)
            for name in ("warnings", "over_limits", "fresh"):
                del found[name]
            if not self.preview.steps:
                del found["steps"]
        found["problems"] = [problem_document(problem) for problem in at_most_ten(self.problems)]
        if self.explained is not None:
            found["explained"] = asdict(self.explained) | {"included": self.explained.included}
        if self.changes is not None:
            found["against"] = {"revision": self.against, **asdict(self.changes)}
        if self.power is not None:
            found["power"] = asdict(self.power)
        return found

    def texts(self) -> Iterator[str]:
        """The file as text."""
        if self.preview is None:
            return
        yield describe(self.preview)
        if self.explained is not None:
            yield _why(self.explained)
        elif self.preview.steps:
            yield _steps(self.preview)
        if self.changes is not None:
            yield _changes(self.changes, self.against or "")
        if self.power is not None:
            yield _power(self.power, simulated=self.preview.simulated)


def _look(
    path: Path, provider: str | None, db: Path | None, where: tuple[str, ...], limit: int | None, fresh: bool,
    explain: bool, variant: str | None, against: str | None, power: str | None,
) -> _Look:  # fmt: skip
    """Everything asked about one file; its problems are kept, so that the other files are looked at too."""
    look = _Look(path, against)
    try:
        job, found = look_ahead(
            path, provider=provider, db=db, where=where, limit=limit, fresh=fresh,
            enforce_limits=False, steps=explain and variant is None,
        )  # fmt: skip
        look.preview = found
        look.problems += [*found.over_limits, *found.warnings]
        if variant is not None:
            look.explained = job.plan.explain(variant)
        if against is not None:
            from promptlab.history.against import compare_revision

            look.changes = compare_revision(job, against)
        if power is not None:
            from promptlab.compare.power_ahead import power_of

            look.power = power_of(job, power)
    except InputError as error:
        look.problems = [*error.problems, *look.problems]
    return look


def look_ahead(
    path: Path, *, provider: str | None, db: Path | None, where: tuple[str, ...] = (), limit: int | None = None,
    fresh: bool = False, key_needed: bool = False, enforce_limits: bool = True, steps: bool = False,
) -> tuple[PreparedRun, Preview]:  # fmt: skip
    """Prepare and preview an experiment against its studio's log."""

    job = prepare(path, provider=provider, db=db, where=where, limit=limit, key_needed=key_needed)
    log = job.studio.existing_log()
    try:
        return job, preview(job, log, fresh=fresh, enforce_limits=enforce_limits, steps=steps)
    finally:
        if log is not None:
            log.close()


def report(problems: Sequence[Problem], style: str = "text", looks: Sequence[_Look] = ()) -> None:
    """Problems as text on stderr; as GitHub annotations or JSON, which programs read, on stdout."""
    problems = at_most_ten(problems)
    if style == "json":
        click.echo(json.dumps([problem_document(problem) for problem in problems], indent=1, ensure_ascii=False))
        return
    if style == "github":
        for look in looks:
            for problem in at_most_ten(look.problems):
                click.echo(_annotation(problem, look.path))
        return
    for problem in problems:
        click.echo(str(problem), err=True)


def _annotation(problem: Problem, path: Path) -> str:
    """A workflow command of GitHub Actions: its file is relative to where the command runs, not to the studio."""

    file = Path(os.path.relpath(find_studio(path) / problem.path)) if problem.path else path
    where = f"file={_escaped(file.as_posix(), name=True)},line={problem.line or 1},col={problem.column or 1}"
    return f"::{problem.severity} {where},title={problem.code}::{_escaped(problem.message)}"


def _escaped(text: str, *, name: bool = False) -> str:
    """Percent-encoded as workflow commands want it (actions/toolkit, command.ts)."""
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if name else text


def describe(found: Preview) -> str:
    """The plan as text."""
    simulated = "  SIMULATED: free, offline" if found.simulated else ""
    per, rest = divmod(found.requests, found.variants) if found.variants else (0, 0)
    sign = f" × {per} = " if per > 1 and not rest else ", "
    lines = [
        f"{found.experiment} on {found.provider}{simulated}",
        f"  {formats.count(found.variants, 'variant')}{sign}{formats.count(found.requests, 'request')}, "
        f"{formats.count(found.images, 'image')}",
    ]
    if not found.complete:
        lines.append("  too many to look at each: equal and logged ones are not taken off, the cost is scaled up")
    if found.equal:
        lines.append(f"  {formats.count(found.equal, 'request')} equal to another: sent once, each gets its rows")
    if found.cached:
        lines.append(f"  {formats.count(found.cached, 'request')} already in the log: free")
    if found.gone:
        are = "image of earlier runs is" if found.gone == 1 else "images of earlier runs are"
        lines.append(f"  {found.gone:,} {are} no longer on disk: to be made again")
    if found.blocked:
        lines.append(
            f"  {formats.count(found.blocked, 'request')} of unknown outcome or lost: not sent again unless you ask"
        )
    lines.append(f"  to send: {formats.count(found.to_send, 'call')}, {formats.count(found.images_to_make, 'image')}")
    return formats.folded("\n".join(lines + _money(found)), "    ")


def _money(found: Preview) -> list[str]:
    if not found.to_send:
        return ["  cost: nothing"]
    if found.simulated and found.choices:
        offers = ", ".join(f"{choice.plan.capitalize()} {formats.dollars(choice.cost_usd)}" for choice in found.choices)
        return [
            f"  would cost: {formats.credits(found.credits)}; on {offers}",
            f"  time: {formats.about(found.seconds)}",
        ]
    if found.choices:
        offers = "; ".join(
            f"{choice.plan.capitalize()} {formats.dollars(choice.cost_usd)}"
            + (f", {formats.count(choice.packages, 'package')}" if choice.packages else "")
            + f", {formats.duration(choice.seconds)}"
            for choice in found.choices
        )
        offers += f" at {formats.duration(found.seconds_each)} an image"
        return [
            f"  cost: {formats.credits(found.credits)}: {offers}",
            "  no plan is named, so dollars are unknown: KAIRVAL_PLAN=starter, or `plan:` in promptlab.yaml",
        ]
    under = f" under {found.plan}" if found.plan else ""
    under += f", {formats.count(found.packages, 'package')}" if found.packages else ""
    would = "would cost" if found.simulated else "cost"
    return [
        f"  {would}: {formats.money(found.credits, found.cost_usd)}{under}",
        f"  time: {formats.about(found.seconds)}",
    ]


def _steps(found: Preview) -> str:
    """SPEC.md's steps, with what is left after each."""
    rows = []
    for step in found.steps:
        left = "" if step.count is None else f"{'' if step.exact else '≤ '}{step.count:,}"
        note = formats.money(found.credits, found.cost_usd) if step.name == "cost" else step.note
        rows.append((step.name, left, step.unit, note))
    return formats.table(rows, ("step", "left", "", ""), right=(1,))


def _why(why: Explanation) -> str:
    name = ",".join(f"{axis}={value}" for axis, value in why.axes.items()) or "the only variant"
    lines = [f"  {why.id}  {name}: {'in' if why.included else 'out'}"]
    for reason in why.reasons:
        place = f"  ({reason.place.path}:{reason.place.line})" if reason.place else ""
        lines.append(f"    {'✓' if reason.kept else '✗'} {reason.step}: {reason.text}{place}")
    return formats.folded("\n".join(lines), "    ")


def _changes(found: RevisionChanges, revision: str) -> str:
    lines = [f"  against {revision}: {len(found.added):,} added, {len(found.removed):,} removed, "
             f"{len(found.changed):,} changed, {found.same:,} the same"]  # fmt: skip
    for sign, names in (("+", found.added), ("-", found.removed), ("~", found.changed)):
        lines += [f"    {sign} {name}" for name in names[:20]]
        if len(names) > 20:
            lines.append(f"    {sign} … {len(names) - 20:,} more")
    cost = formats.money(found.credits, found.cost_usd) if found.to_send else "nothing"
    lines.append(f"  to bring the log up to date: {formats.count(found.to_send, 'call')}, {cost}")
    return formats.folded("\n".join(lines), "    ")


def _power(found: PowerAhead, *, simulated: bool) -> str:
    """What the plan could show of an axis, and what smaller gaps would take."""
    noun = "seed" if found.seeded else "draw"
    number = found.seeds if found.seeded else found.draws
    lines = [
        f"  by {found.axis} ({formats.count(len(found.values), 'value')}): {formats.count(found.scenes, 'scene')}, "
        f"{formats.count(number, noun)} each, one vote on each scene, no ties",
        f"  the smallest gap they could show, in 4 of 5 cases: {_odds(found.smallest_gap)}"
        if found.smallest_gap is not None
        else "  they could not show any gap: it takes more scenes",
    ]
    rows = [
        (
            _odds(each.chance), f"{each.power:.0%}", "–" if each.scenes is None else f"{each.scenes:,}",
            "–" if each.seeds is None else f"{each.seeds:,}", _for_all(each),
        )
        for each in found.gaps
    ]  # fmt: skip
    head = ("true gap", "found", "scenes", f"{noun}s", "would cost" if simulated else "cost in all")
    table = formats.table(rows, head, right=(1, 2, 3))
    return "\n".join([formats.folded("\n".join(lines), "    "), *(f"    {line}" for line in table.split("\n"))])


def _odds(chance: float) -> str:
    """`60:40`; a gap is rounded up, so that it is no smaller than what can be shown."""
    share = min(math.ceil(100 * chance - 1e-9), 100)
    return f"{share}:{100 - share}"


def _for_all(each: PowerFor) -> str:
    """What the whole plan would cost with so many seeds."""
    offers = ", ".join(f"{name.capitalize()} {formats.dollars(usd)}" for name, usd in each.on_plans)
    return formats.money(each.credits, each.cost_usd) + (f"; on {offers}" if offers else "")
