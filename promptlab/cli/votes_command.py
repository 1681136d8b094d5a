"""`promptlab votes`: what was voted on, and ballots that travel as files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from promptlab.cli import format as formats
from promptlab.cli import options
from promptlab.cli.main import Commands
from promptlab.errors import InputError

if TYPE_CHECKING:
    from promptlab.compare.verdict import Verdict
    from promptlab.log import Log
    from promptlab.report.ballot_import import ImportedVotes
    from promptlab.report.voting import PollSummary

__all__ = ["command"]


class _VotesCommands(Commands):
    """`promptlab votes RUN` is `promptlab votes list RUN`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            args = ["list", *args]
        return super().resolve_command(ctx, args)


@click.group("votes", cls=_VotesCommands, short_help="What was voted on; ballots for people who are offline.")
def command() -> None:
    """Votes on a run: who took part, how it stands, and ballots as files. `promptlab votes RUN` lists them.

    Blind voting is a page of `promptlab browse`; the verdict is printed by `promptlab compare RUN --by AXIS`.

    \b
    Examples:
      promptlab votes last
      promptlab votes ballot last --by style -o ballot.html
      promptlab votes import votes-anna.json
      promptlab votes close last --by style
    """


def _axis(by: str | None) -> str | None:
    return None if by == "variant" else by


@command.command("list", short_help="The polls of a run, with the ballots of each voter.")
@click.argument("run", metavar="RUN", type=options.RUN)
@click.option("--tally", is_flag=True, help="How it stands, too. Asking is noted in the log.")
@options.json_flag
@options.db
def list_(run: str, tally: bool, as_json: bool, db: Path | None) -> None:
    """List what was voted on in RUN: open or closed, and how many ballots each voter has cast.

    How the votes stand is not told unless --tally asks for it, since whoever knows it does not vote blind any more.

    \b
    Example:
      promptlab votes list shelf_photos --tally
    """
    from promptlab.report.voting import polls_of

    here = options.Here(db)
    with here.log(readonly=not tally) as log:
        run_id = log.find_whole_run(run).id
        found = polls_of(log, run_id)
        standing = _tallies(log, found, _who(here)) if tally else {}
    if as_json:
        click.echo(json.dumps([_document(each, standing) for each in found], indent=1, ensure_ascii=False))
        return
    if not found:
        click.echo(f"nobody voted on run {run_id} yet: `promptlab browse` has the page, `votes ballot` makes a file")
        return
    click.echo("\n".join(line for each in found for line in _lines(each, standing)))


def _who(here: options.Here) -> str:
    import getpass

    return here.studio.settings.user or getpass.getuser()


def _tallies(log: Log, found: Sequence[PollSummary], who: str) -> dict[str, Verdict]:
    """Poll → how it stands; each look is noted first."""
    from promptlab.compare.verdict import verdict_of

    for each in found:
        if each.poll.closed_at is None:
            log.note_tally_view(each.poll.id, by=who)
    return {each.poll.id: verdict_of(log, each.poll.run_id, each.poll.axis) for each in found}


def _document(each: PollSummary, standing: dict[str, Verdict]) -> dict[str, Any]:
    from promptlab.compare.verdict import verdict_as_json

    document = asdict(each.poll) | {"ballots": dict(each.ballots), "total": each.total, "looks_at_tally": each.looks}
    if each.poll.id in standing:
        document["tally"] = verdict_as_json(standing[each.poll.id])
    return document


def _lines(each: PollSummary, standing: dict[str, Verdict]) -> list[str]:
    """`by style, blind, find the best: open since 2026-11-25 02:40, 14 ballots`, then voters and how it stands."""
    poll = each.poll
    kind = "blind" if poll.blind else "picks in the grid"
    goal = "find the best" if poll.goal == "best" else "rank all"
    held = "".join(f", {axis} {value}" for axis, value in poll.only.items())
    since = f"open since {_minute(poll.opened_at)}"
    state = since if poll.closed_at is None else f"closed {_minute(poll.closed_at)}"
    looks = f", tally looked at {each.looks} time{'' if each.looks == 1 else 's'}" if each.looks else ""
    by = poll.axis or "variant"
    lines = [f"by {by}{held}, {kind}, {goal}: {state}, {formats.count(each.total, 'ballot')}{looks}"]
    lines += [f"  {voter}  {number:,}" for voter, number in each.ballots.items()]
    if poll.id in standing:
        verdict = standing[poll.id]
        lines += [f"  {line}" for line in (verdict.headline, *verdict.sentences)]
    return lines


def _minute(text: str) -> str:
    return text[:16].replace("T", " ")


@command.command("close", short_help="End a vote.")
@click.argument("run", metavar="RUN", type=options.RUN)
@click.option("--by", metavar="AXIS", help="Only the one on this axis (`variant`: on whole variants). [default: all]")
@options.db
def close(run: str, by: str | None, db: Path | None) -> None:
    """End the open votes of RUN. The verdict is then the one for a fixed number of votes; a new vote can be opened.

    \b
    Example:
      promptlab votes close shelf_photos --by style
    """
    from promptlab.report.voting import close_votes

    for poll in close_votes(run, by, db=db):
        kind = "blind vote" if poll.blind else "picks"
        click.echo(f"closed: {kind} by {poll.axis or 'variant'} on run {poll.run_id}")


@command.command("import", short_help="Count the votes that an offline ballot gave back.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--reopen", is_flag=True, help="Of a vote that was closed: count them in a new one.")
@options.json_flag
@options.db
def import_(files: tuple[Path, ...], reopen: bool, as_json: bool, db: Path | None) -> None:
    """Count the votes in FILEs that `votes ballot` got back. All are checked first; a file counts once.

    \b
    Example:
      promptlab votes import votes-anna.json votes-ben.json
    """
    from promptlab.report.voting import import_votes

    done = import_votes(files, reopen=reopen, db=db)
    if as_json:
        click.echo(json.dumps([asdict(each) for each in done], indent=1, ensure_ascii=False))
        return
    for each in done:
        click.echo(_told(each))


def _told(each: ImportedVotes) -> str:
    """`votes-anna.json: 12 votes by anna are new, 3 were there already`."""
    parts = [f"{formats.count(each.new, 'vote')} by {each.voter} {'is' if each.new == 1 else 'are'} new"]
    if each.already:
        parts.append(f"{each.already:,} {_were(each.already)} there already")
    if each.differ:
        parts.append(f"{each.differ:,} {_were(each.differ)} there with another answer, which stays")
    if each.gone:
        parts.append(f"{each.gone:,} {_were(each.gone)} about images that are not in the log any more")
    return f"{each.path}: {', '.join(parts)}"


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


@command.command("ballot", short_help="Write one HTML file that votes offline.")
@click.argument("run", metavar="RUN", type=options.RUN)
@click.option("--by", metavar="AXIS", required=True, help="What is compared; `variant` for whole variants.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file to write."
)
@click.option("--pairs", type=click.IntRange(1, 200), default=30, show_default=True, help="How many ballots it holds.")
@click.option("--four", is_flag=True, help="The best and the worst of four pictures instead of pairs.")
@click.option(
    "--goal",
    type=click.Choice(["best", "rank"]),
    help="Find the best, or rank all. [default: the open vote's, else best]",
)
@click.option("--where", "held", multiple=True, metavar="AXIS=ID", help="Hold another axis to one value.")
@click.option("--title", metavar="TEXT", help="The question above the pictures.")
@options.json_flag
@options.db
def ballot(
    run: str, by: str, output: Path, pairs: int, four: bool, goal: Literal["best", "rank"] | None,
    held: tuple[str, ...], title: str | None, as_json: bool, db: Path | None,
) -> None:  # fmt: skip
    """Write one HTML file to send to voters: it opens offline, its pictures are in it, and it gives back a small file.

    Neither the file nor its source says what is what; the log knows. Each voter opens it, judges, writes a name and
    sends the saved file back, for `promptlab votes import`. One file serves any number of voters.

    \b
    Examples:
      promptlab votes ballot last --by style -o ballot.html
      promptlab votes ballot shelf_photos --by prompt --four --pairs 20 -o ballot.html
    """
    from promptlab.report.voting import write_ballot

    only = dict(_held(text) for text in held)
    kind: Literal["pair", "best_worst"] = "best_worst" if four else "pair"
    done = write_ballot(
        run, by, output, pairs=pairs, kind=kind, goal=goal, only=only, title=title, db=db, tell=_progress
    )
    if as_json:
        click.echo(json.dumps(asdict(done), indent=1, ensure_ascii=False))
        return
    fewer = f" ({done.wanted} were asked for; there are no more)" if done.ballots < done.wanted else ""
    noun = "ballots of four pictures" if four else "pairs"
    click.echo(
        f"{done.path}: {done.ballots:,} {noun}{fewer}, {done.bytes / 1e6:,.1f} MB; send it to voters, "
        "and read what they send back with `promptlab votes import FILE`"
    )


def _held(text: str) -> tuple[str, str]:
    axis, sign, value = text.partition("=")
    if not (axis and sign and value):
        raise InputError(f"--where holds an axis to one value, AXIS=ID; {text!r} does not")
    return axis, value


def _progress(done: int, of: int) -> None:
    """A line on a terminal while pictures are made ready."""
    import sys

    if sys.stderr.isatty():
        click.echo(f"\r{done:,} of {of:,} ballots" + ("\n" if done == of else ""), nl=False, err=True)
