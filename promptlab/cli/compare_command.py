"""`promptlab compare`: the verdict on a run: which value of an axis is best, and how sure that is."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptlab.cli import format as formats
from promptlab.cli import options

if TYPE_CHECKING:
    from promptlab.compare.verdict import Verdict
    from promptlab.log import Log

__all__ = ["command"]

WHOLE = "variant"


@click.command("compare", short_help="Say which value of an axis is best, how sure that is, what it would take.")
@click.argument("run", metavar="[RUN]", default="last", type=options.RUN)
@click.option(
    "--by", metavar="AXIS", help="The compared axis; `variant` compares whole variants. [default: as the grid]"
)
@click.option(
    "--metric", metavar="NAME",
    help="votes, kept, or a score: rating, sales, sharpness, ... [default: votes where there are any, else kept]",
)  # fmt: skip
@options.where
@click.option("--all", "everything", is_flag=True, help="Every answer on trust, the win matrix, all pairs, methods.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the standings as CSV.")
@options.json_flag
@options.db
def command(
    run: str, by: str | None, metric: str | None, where: tuple[str, ...], everything: bool, as_csv: bool,
    as_json: bool, db: Path | None,
) -> None:  # fmt: skip
    """The verdict on RUN: the main effect of an axis over all others, with an interval that is clustered by scene.

    A scene is one matched cell: the same values of the other axes, the same seed. By votes it says how often a value is
    preferred; by marks (kept) or a score, how much higher it is in the same scenes. While a vote is open, only what
    may be looked at at any time is shown, and asking is logged.

    \b
    Examples:
      promptlab compare last --by prompt
      promptlab compare shelf_photos --by look --where item=S-204 --all
      promptlab compare ads --by prompt --metric sales --json
    """
    if as_csv and as_json:
        raise click.UsageError("--csv and --json can't be combined: one document at a time")
    from promptlab.compare.scenes import compared_axis
    from promptlab.compare.verdict import verdict_as_json, verdict_of
    from promptlab.compare.verdict_tables import verdict_as_csv

    here = options.Here(db)
    with here.log() as log:
        axis = compared_axis(log, run) if by is None else None if by == WHOLE else by
        verdict = verdict_of(log, run, axis, metric=metric, where=where)
    if verdict.live:
        _note(here, verdict)
    if as_json:
        click.echo(json.dumps(verdict_as_json(verdict), indent=1, ensure_ascii=False))
    elif as_csv:
        click.echo(verdict_as_csv(verdict), nl=False)
    else:
        click.echo("\n".join(_texts(verdict, everything=everything)))


def _note(here: options.Here, verdict: Verdict) -> None:
    """Whoever asks how an open blind vote stands is not blind any more: the log keeps it."""
    who = here.studio.settings.user or getpass.getuser()
    with here.log(readonly=False) as log:
        for id_ in _open_blind(log, verdict):
            log.note_tally_view(id_, by=who)


def _open_blind(log: Log, verdict: Verdict) -> list[str]:
    polls = log.polls(verdict.run_id)
    return [poll.id for poll in polls if poll.blind and poll.closed_at is None and poll.axis == verdict.by]


def _texts(verdict: Verdict, *, everything: bool) -> Iterator[str]:
    """The verdict first, then its bars, then what follows; with `everything` also what is asked for more rarely."""
    from promptlab.compare.verdict_tables import bars

    wide = formats.width() or 100
    yield formats.folded(click.style(verdict.headline, bold=True))
    if drawn := bars(verdict, wide):
        yield ""
        yield from drawn
    yield from _section("", [*verdict.sentences, *verdict.missing])
    against = [each.text for each in verdict.trust if each.good is False]
    told = [each.text for each in verdict.trust] if everything else against
    if verdict.trust:
        yield from _section("Can you trust that?", told or ["Nothing speaks against it."], _signs(verdict, told))
    yield from _section("What it would take", list(verdict.takes))
    if everything:
        yield from _more(verdict)
    elif len(told) < len(verdict.trust):
        yield ""
        yield f"--all: {formats.count(len(verdict.trust) - len(told), 'more answer')} on trust, all pairs, the method"


def _signs(verdict: Verdict, told: list[str]) -> list[str]:
    good = {each.text: each.good for each in verdict.trust}
    return [{True: "✓", False: "✗", None: "·"}[good.get(text, True)] for text in told] or ["✓"]


def _section(title: str, lines: list[str], signs: list[str] | None = None) -> Iterator[str]:
    if not lines:
        return
    yield ""
    if title:
        yield click.style(title, bold=True)
    for at, line in enumerate(lines):
        sign = f"{signs[at]} " if signs else ""
        yield formats.folded(f"{'  ' if title else ''}{sign}{line}", "    " if title else "  ")


def _more(verdict: Verdict) -> Iterator[str]:
    """The win matrix, every pair at once, the methods."""
    from promptlab.compare.verdict_tables import matrix_rows, plain

    matrix = matrix_rows(verdict)
    if len(matrix) > 1:
        yield ""
        yield click.style("Wins", bold=True)
        yield formats.table(matrix[1:], matrix[0], right=range(1, len(matrix[0])))
    pairs = [gap for gap in verdict.differences if gap.to == "pair"] or [
        gap for gap in verdict.differences if gap.to == "leader"
    ]
    if pairs:
        rows = [
            (
                plain(verdict.label(gap.value)), plain(verdict.label(gap.other)), f"{gap.estimate:.3f}",
                "–" if gap.low is None else f"{gap.low:.3f}", "–" if gap.high is None else f"{gap.high:.3f}",
                "yes" if gap.apart else "no",
            )
            for gap in pairs
        ]  # fmt: skip
        yield ""
        yield click.style("Pairs", bold=True)
        yield formats.table(rows, ("value", "against", "estimate", "from", "to", "apart"), right=(2, 3, 4))
    yield from _section("Method", [verdict.methods] if verdict.methods else [])
