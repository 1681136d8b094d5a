"""The words of a verdict: plain sentences from figures, the same in the terminal, on the page and in a report.

Chances are said as "62 of 100", bounds as "surely more than 53": a whole hundredth that the interval leaves out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from promptlab.compare.verdict_model import Gap, Verdict
from promptlab.stats.votes import Tally

__all__ = [
    "between", "count", "hundred", "leads", "level", "lines", "listed_and", "no_votes", "open_vote", "percent", "price",
    "surely", "too_few", "wins",
]  # fmt: skip


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 scene`, `1,200 scenes`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def hundred(chance: float) -> str:
    """`62 of 100`; never all or none of what is only likely."""
    return f"{min(max(round(100 * chance), 0), 100)} of 100"


def percent(share: float) -> str:
    """`84 %`, `0.4 %`; small shares keep a digit."""
    value = 100 * share
    return f"{value:.0f} %" if value >= 9.5 or value == 0 else f"{value:.1f} %".replace(".0 %", " %")


def surely(low: float) -> str:
    """The lower end, rounded down."""
    return f"surely more than {math.floor(100 * low + 1e-9)}"


def between(low: float, high: float) -> str:
    """Both ends, rounded outwards."""
    return f"surely between {math.floor(100 * low + 1e-9)} and {math.ceil(100 * high - 1e-9)}"


def listed_and(names: Sequence[str], most: int = 4) -> str:
    """`a`, `a and b`, `a, b and c`, `a, b, c, d and 3 more`."""
    names = list(names)
    if len(names) > most + 1:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


# --- headlines ----------------------------------------------------------------------------------------------------


def no_votes(axis: str, matched: int) -> str:
    """Nobody voted."""
    if not matched:
        return f"Nothing to compare by {axis}: no two of its values have a picture in the same scene."
    return f"No votes by {axis} yet: {count(matched, 'scene')} can be voted on."


def one_picture(axis: str, images: int, kept: int, rejected: int) -> str:
    """There is nothing to rank: each value has one picture."""
    judged = f" {kept + rejected:,} are judged: {kept:,} kept, {rejected:,} rejected." if kept + rejected else ""
    return f"Each {axis} has one picture, so there is nothing to rank among {count(images, 'picture')}.{judged}"


def too_few(leader: str, tally: Tally, scenes: int, least: int) -> str:
    """Fewer scenes than bear an interval."""
    many = f"{count(scenes, 'scene')} can't say how sure that is: {least} are the least"
    if not tally.decided:
        return f"Nobody preferred one to another yet, and {many}."
    return f"{leader} leads, preferred in {tally.wins} of {count(tally.decided, 'decided vote')}, but {many}."


def level(labels: Sequence[str], votes: int) -> str:
    """Nothing but ties."""
    return f"{listed_and(labels)} are level: nobody preferred one to another in {count(votes, 'vote')}."


def wins(leader: str, other: str | None, gap: Gap, pairs: str) -> str:
    """The leader is apart from all others; `other` names the one it is compared with where there are several."""
    to = f" to {other}" if other else ""
    assert gap.low is not None
    return f"{leader} wins: preferred{to} in {hundred(gap.estimate)} {pairs}, {surely(gap.low)}."


def leads(leader: str, rivals: Sequence[str], gap: Gap, pairs: str, *, several: bool) -> str:
    """The leader is not apart from `rivals`; the gap is to the first of them."""
    to = f" to {rivals[0]}" if several else ""
    assert gap.low is not None
    assert gap.high is not None
    head = f"{leader} leads, but is not apart from {listed_and(rivals)}"
    return f"{head}: preferred{to} in {hundred(gap.estimate)} {pairs}, {between(gap.low, gap.high)}."


def open_vote(leader: str, other: str | None, gap: Gap, winner: bool, pairs: str) -> str:
    """While people vote: what the confidence sequence says."""
    to = f" to {other}" if other else ""
    sure = "that can be said already" if winner else "it can't be said yet that this is not chance"
    return f"The vote is open. {leader} leads, preferred{to} in {hundred(gap.estimate)} {pairs} so far; {sure}."


# --- what follows -------------------------------------------------------------------------------------------------


def dollars(usd: float) -> str:
    """`~$0.04`: what an image costs is an estimate."""
    return f"~${usd:,.2f}" if usd >= 0.1 or usd == 0 else f"~${usd:.4f}".rstrip("0")


def price(leader: str, other: str, costs: Mapping[str, float | None], *, apart: bool, simulated: bool) -> str | None:
    """What the price says of two: it decides where they are not apart; None where a price is not known."""
    first, second = costs.get(leader), costs.get(other)
    if first is None or second is None:
        return None
    cost = "would cost" if simulated else "costs"
    head = f"{other} " if apart else f"{leader} and {other} are not apart; "
    if abs(first - second) <= 0.005 * max(first, second):
        if apart:
            return f"{head}{cost} the same."
        return f"{head}they {cost.removesuffix('s')} the same."
    cheaper, dearer = (other, leader) if second < first else (leader, other)
    low, high = sorted((first, second))
    each = f"({dollars(low)} instead of {dollars(high)} an image)"
    if apart:
        more = f"{percent(1 - low / high)} less" if second < first else f"{percent(high / low - 1)} more"
        return f"{other} {cost} {more} ({dollars(second)} an image, {leader} {dollars(first)})."
    return f"{head}{cheaper} {cost} {percent(1 - low / high)} less {each}." if dearer else None


def lines(verdict: Verdict) -> list[str]:
    """The verdict as the terminal and the page say it: the headline, what follows it, trust and what it would take."""
    found = [verdict.headline, *verdict.sentences, *verdict.missing]
    found += [each.text for each in verdict.trust]
    return [*found, *verdict.takes]
