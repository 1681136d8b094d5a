"""`promptlab score`: measure the images of a run, hold an experiment's checks, ask a judge."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from promptlab.cli import format as formats
from promptlab.cli import options
from promptlab.cli.score_judge import ask, judge_options
from promptlab.errors import InputError, presentable

if TYPE_CHECKING:
    from promptlab.scoring.calls import Scored
    from promptlab.scoring.checks import Checked
    from promptlab.scoring.engine import Scoring
    from promptlab.studio.studio import Studio

__all__ = ["command"]

SHOWN = 20  # images that are listed on a terminal; --json has all
EVERY_S = 10.0


@click.command("score", short_help="Measure images: sharpness, text read back, …; checks for CI; a judge model.")
@click.argument("run", metavar="RUN", required=False, type=options.RUN)
@click.option("--scorer", "scorers", multiple=True, metavar="NAME", help="Only this scorer, or that of this score.")
@options.where
@click.option("--check", is_flag=True, help="Hold the experiment's `checks:` against the scores; exit 1 if one fails.")
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), help="With --check: a JUnit file for CI.")
@click.option("--fresh", is_flag=True, help="Score again what has a score already.")
@click.option("--list", "listing", is_flag=True, help="List the scorers, their scores, and which use the network.")
@judge_options
@options.json_flag
@options.db
def command(
    run: str | None, scorers: tuple[str, ...], where: tuple[str, ...], check: bool, junit: Path | None, fresh: bool,
    listing: bool, as_json: bool, db: Path | None, model: str | None, **asked: Any,
) -> None:  # fmt: skip
    """Score the images of RUN, in as many processes as there are cores, at low priority. What has a score is skipped.

    Scores are kept in the log's table `scores`; an image that could not be scored is told with its reason, the others
    go on, and the exit code is 1. docs/scoring.md says what each score is.

    With --judge, a vision model of any OpenAI-compatible API (PROMPTLAB_JUDGE_BASE_URL and PROMPTLAB_JUDGE_KEY, else
    OPENAI_*) is asked about each matched pair of an axis, in both orders. Its votes are never counted as people's.

    \b
    Examples:
      promptlab score last
      promptlab score shelf_photos --scorer sharpness --scorer text --where look=neon
      promptlab score shelf_photos --check --junit checks.xml
      promptlab score shelf_photos --judge gpt-4.1-mini --by style --pairs 100 --budget 2usd
      promptlab score --list
    """
    if listing:
        _list(as_json)
        return
    if run is None:
        raise InputError("name the run: its id, an experiment's name, or `last` (--list lists the scorers)")
    if model is not None:
        if check or scorers or fresh or junit:
            raise InputError("--judge goes without --scorer, --check, --junit and --fresh; call `score` twice")
        _judge(options.Here(db).studio, run, where, model, as_json, asked)
        return
    if wrong := [name for name, value in asked.items() if value not in (None, (), False) and name != "jobs"]:
        raise InputError(f"--{wrong[0].replace('_', '-')} is for a judge; name the model with --judge")
    if junit is not None and not check:
        raise InputError("--junit writes what --check finds; add --check")
    _score(options.Here(db).studio, run, scorers, where, check, junit, fresh, as_json)


def _score(
    studio: Studio, run: str, scorers: tuple[str, ...], where: tuple[str, ...], check: bool, junit: Path | None,
    fresh: bool, as_json: bool,
) -> None:  # fmt: skip
    """Score, hold the checks, and say what came of it."""
    from promptlab.scoring.calls import score_run

    reporter = _Reporter()
    try:
        found = score_run(studio, run, scorers, where=where, fresh=fresh, check=check, progress=reporter)
    finally:
        reporter.close()
    if junit is not None and found.checked is not None:
        from promptlab.scoring.checks import junit as as_junit

        junit.write_text(as_junit(found.checked, found.run, found.images, found.checks), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(_document(found), indent=1, ensure_ascii=False))
    else:
        _tell(found)
    if found.exit_code:
        raise click.exceptions.Exit(found.exit_code)


def _judge(studio: Studio, run: str, where: tuple[str, ...], model: str, as_json: bool, asked: dict[str, Any]) -> None:
    reporter = _Reporter("answer", "heard")
    try:
        code = ask(studio, run, where, model, progress=reporter, as_json=as_json, **asked)
    finally:
        reporter.close()
    if code:
        raise click.exceptions.Exit(code)


def _document(found: Scored) -> dict[str, object]:
    scoring = asdict(found.scoring)
    if found.checked is None:
        return scoring
    checked = asdict(found.checked) | {"passed": found.checked.passed}
    return scoring | {"checks": {check.name: check.written for check in found.checks}, "checked": checked}


def _tell(found: Scored) -> None:
    _tell_scoring(found.scoring)
    if found.checked is not None:
        _tell_checks(found.checked)


def _tell_scoring(scoring: Scoring) -> None:
    """`40 images scored by sharpness, contrast: 80 scores changed (12 had one already)`."""
    for name, why in scoring.unavailable.items():
        click.echo(f"! {name}: not scored: {why}", err=True)
    names = ", ".join(name for name in scoring.scorers if name not in scoring.unavailable) or "nothing"
    had = f"; {scoring.skipped:,} of this version were there" if scoring.skipped else ""
    click.echo(
        f"{formats.count(scoring.images, 'image')} of run {scoring.run_id} scored by {names}: "
        f"{formats.count(scoring.changed, 'score')} changed{had}"
    )
    for each in scoring.unscored[:SHOWN]:
        told = f"! {each.scorer}: {each.path or each.image_id} ({each.variant}): {each.reason}"
        click.echo(presentable(told), err=True)
    if (more := len(scoring.unscored) - SHOWN) > 0:
        click.echo(f"! {more:,} more could not be scored (--json has all)", err=True)


def _tell_checks(checked: Checked) -> None:
    """What failed as a table, then the count."""
    rows = [
        (each.path or each.image_id, each.variant, each.score, _value(each.value), each.wanted)
        for each in checked.failed[:SHOWN]
    ]
    if rows:
        click.echo(formats.table(rows, ("image", "variant", "score", "is", "wanted"), right=()))
    if (more := len(checked.failed) - SHOWN) > 0:
        click.echo(f"{more:,} more failed (--json has all)")
    apart = "".join(f"; {name} does not apply to {number:,}" for name, number in checked.does_not_apply.items())
    mark = "✗" if checked.failed else "✓"
    click.echo(f"{mark} {checked.passed:,} of {formats.count(checked.held, 'check')} passed{apart}")


def _value(value: float | str | None) -> str:
    if value is None:
        return "not measured"
    return presentable(value) if isinstance(value, str) else f"{value:,.4g}"


def _list(as_json: bool) -> None:
    from promptlab.scoring.calls import scorers

    found = scorers()
    if as_json:
        documents = [
            {"name": each.name, "version": each.version, "network": each.network, "scores": dict(each.scores),
             "unavailable": each.unavailable()}
            for each in found
        ]  # fmt: skip
        click.echo(json.dumps(documents, indent=1, ensure_ascii=False))
        return
    rows = [
        (each.name if place == 0 else "", each.version if place == 0 else "",
         ("yes" if each.network else "no") if place == 0 else "", name, words)
        for each in found
        for place, (name, words) in enumerate(each.scores.items())
    ]  # fmt: skip
    click.echo(formats.table(rows, ("scorer", "version", "network", "score", "what it is")))
    for each in found:
        if (why := each.unavailable()) is not None:
            click.echo(f"! {each.name}: {why}", err=True)


class _Reporter:
    """A bar on a terminal, a line every ten seconds elsewhere; on stderr."""

    def __init__(self, noun: str = "image", done: str = "scored") -> None:
        self._noun, self._done = noun, done
        self._said = time.monotonic()
        self._bar = sys.stderr.isatty()
        self._drawn = False

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._bar and (now - self._said > 0.1 or done == total):
            self._said, self._drawn = now, True
            click.echo(f"\r{done:,} of {formats.count(total, self._noun)} {self._done}", err=True, nl=False)
        elif not self._bar and now - self._said >= EVERY_S:
            self._said = now
            click.echo(f"{done:,} of {formats.count(total, self._noun)} {self._done}", err=True)

    def close(self) -> None:
        """End the line."""
        if self._drawn:
            click.echo(err=True)
