"""`promptlab score --judge`: what a judge is asked, and how what it said is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from promptlab.cli import format as formats
from promptlab.cli import options
from promptlab.errors import InputError, presentable

if TYPE_CHECKING:
    from promptlab.model import Amount
    from promptlab.scoring.judge import Judged
    from promptlab.studio.studio import Studio

__all__ = ["ask", "judge_options"]


def judge_options(command: options.F) -> options.F:
    """The flags of a judge."""
    for option in reversed((
        click.option("--judge", "model", metavar="MODEL", help="Ask this vision model which of two images is better."),
        click.option("--by", metavar="AXIS", help="With --judge: the axis whose values are compared."),
        click.option("--question", metavar="TEXT", help="What it is asked. [default: which of the two is better]"),
        click.option("--criteria", multiple=True, metavar="TEXT", help="What counts: legibility, composition, …."),
        click.option("--pairs", type=click.IntRange(min=1), metavar="N", help="At most N pairs. [default: all]"),
        click.option("--budget", callback=options.amount, metavar="AMOUNT", help="Stop before this is passed: 2usd."),
        click.option("-y", "--yes", is_flag=True, help="Do not ask before calls that cost money."),
        click.option("--price-in", type=float, metavar="USD", help="Price of a million tokens in."),
        click.option("--price-out", type=float, metavar="USD", help="Price of a million tokens out."),
        click.option("-j", "--jobs", type=click.IntRange(min=1, max=64), default=4, show_default=True, metavar="N",
                     help="At most N calls at once."),
        click.option("--retry-unknown", is_flag=True, help="Ask again what may have been billed without an answer."),
    )):  # fmt: skip
        command = option(command)
    return command


def ask(
    studio: Studio, run: str, where: tuple[str, ...], model: str, by: str | None, question: str | None,
    criteria: tuple[str, ...], pairs: int | None, budget: Amount | None, yes: bool, price_in: float | None,
    price_out: float | None, jobs: int, retry_unknown: bool, progress: Callable[[int, int], object], *, as_json: bool,
) -> int:  # fmt: skip
    """Ask, print what was said, and give the exit code."""
    from promptlab.cli.run_command import asks
    from promptlab.scoring.judge import given_price, judge_run, with_criteria
    from promptlab.scoring.judge_job import Asked
    from promptlab.scoring.judge_wire import QUESTION
    from promptlab.studio.options import Options

    if by is None:
        raise InputError("name the axis to compare: --by AXIS")
    asked = Asked(
        model, by, with_criteria(QUESTION if question is None else question, criteria), pairs, where,
        given_price(price_in, price_out), jobs, retry_unknown,
    )  # fmt: skip
    found = judge_run(studio, run, asked, Options(budget=budget, yes=yes), asks(studio), progress)
    click.echo(json.dumps(asdict(found), indent=1, ensure_ascii=False) if as_json else _told(found))
    return found.exit_code


def _told(found: Judged) -> str:
    """The votes, whether they can be trusted, what it cost, and how to go on."""
    already = f" ({found.already:,} of them before)" if found.already else ""
    lines = [f"{found.model} on {found.by}: {found.judged:,} of {formats.count(found.pairs, 'pair')} judged{already}"]
    order = sorted(found.wins.items(), key=lambda item: -item[1])
    lines.append("  won in both orders: " + ", ".join(f"{value} {number:,}" for value, number in order))
    bad = f", {found.bad:,} both bad" if found.bad else ""
    lines.append(f"  ties: {found.ties:,}, of which {found.disagreed:,} changed with the order{bad}")
    if found.decided:
        low, high = found.first_interval.low, found.first_interval.high
        leans = "" if low <= 0.5 <= high else ": it leans to a side; the two orders even that out"
        share = f"{found.first / found.decided:.0%} ({low:.0%} to {high:.0%})"
        lines.append(f"  the image shown first was chosen in {share} of {found.decided:,} decided answers{leans}")
    lines.append(f"  {_agreement(found)}")
    lines.append(f"  cost: {_cost(found)}; {formats.count(found.asked, 'call')} sent")
    lines += [f"  ! {presentable(reason)}" for reason in found.reasons]
    if found.unknown:
        unknown = formats.count(found.unknown, "call")
        lines.append(f"  {unknown} of unknown outcome may have been billed; only --retry-unknown sends them again")
    if found.stopped:
        lines.append(f"  stopped: {found.stopped}")
    if found.open:
        lines.append(f"  the same command goes on with {formats.count(found.open, 'pair')}")
    return "\n".join(lines)


def _agreement(found: Judged) -> str:
    """How often it said the same as people."""
    shared = found.agreement
    if shared is None:
        return "agreement with people: nobody has voted on these pairs"
    alpha = "" if shared.alpha is None else f", Krippendorff's alpha {shared.alpha:.2f}"
    return f"agreement with people: {shared.share:.0%} of {formats.count(shared.pairs, 'shared vote')}{alpha}"


def _cost(found: Judged) -> str:
    if not found.asked:
        return "nothing"
    return formats.bounds((None, None), (found.cost_usd, found.cost_usd_at_most))
