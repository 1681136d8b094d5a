"""The words of a verdict: plain sentences from figures, the same in the terminal, on the page and in a report.

Chances are said as "62 of 100", bounds as "surely more than 53": a whole hundredth that the interval leaves out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from promptlab.compare.verdict_model import Gap, Verdict
from promptlab.stats.votes import Tally

__all__ = [
    "against_baseline",
    "best_chances",
    "between",
    "close_vote",
    "count",
    "difference",
    "dollars",
    "first_votes",
    "hundred",
    "leads",
    "level",
    "lines",
    "listed_and",
    "methods_measure",
    "methods_votes",
    "never_met",
    "no_votes",
    "nothing_more",
    "number",
    "one_picture",
    "open_vote",
    "over",
    "percent",
    "price",
    "rate",
    "rate_difference",
    "review",
    "surely",
    "too_few",
    "undecided",
    "unvoted",
    "wins",
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


def likely(chance: float) -> str:
    """A chance from draws: `86 %`, and never certainty."""
    return "over 99 %" if chance >= 0.995 else "under 1 %" if chance < 0.005 else percent(chance)


def surely(low: float) -> str:
    """The lower end, rounded down."""
    return f"surely more than {math.floor(100 * low + 1e-9)}"


def between(low: float, high: float) -> str:
    """Both ends, rounded outwards."""
    return f"surely between {math.floor(100 * low + 1e-9)} and {math.ceil(100 * high - 1e-9)}"


def ends(low: float, high: float) -> str:
    """`53–71`: both ends, rounded outwards."""
    return f"{math.floor(100 * low + 1e-9)}–{math.ceil(100 * high - 1e-9)}"


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
    if usd >= 0.1 or usd == 0:
        return f"~${usd:,.2f}"
    whole, _, part = f"{usd:.4f}".rstrip("0").partition(".")
    return f"~${whole}.{part.ljust(2, '0')}"


def price(leader: str, other: str, first: float | None, second: float | None, *, apart: bool) -> str | None:
    """What the prices (per image) say of two values: they decide where the two are not apart; None: not known."""
    if first is None or second is None:
        return None
    low, high = min(first, second), max(first, second)
    same = high - low <= 0.005 * high
    if apart:
        if same:
            return f"{other} costs the same."
        more = f"{percent(1 - low / high)} less" if second < first or low == 0 else f"{percent(high / low - 1)} more"
        if low == 0:
            return f"{other} costs {dollars(second)} an image, {leader} {dollars(first)}."
        return f"{other} costs {more}: {dollars(second)} an image, {leader} {dollars(first)}."
    head = f"{leader} and {other} are not apart"
    if same:
        return f"{head}; they cost the same."
    cheaper = other if second < first else leader
    return (
        f"{head}; {cheaper} costs {percent(1 - low / high)} less: {dollars(low)} instead of {dollars(high)} an image."
    )


def against_baseline(baseline: str, others: Sequence[tuple[str, float, float | None, float | None]]) -> str:
    """Each value against the baseline: label, chance, and both ends."""
    parts = []
    for label, chance, low, high in others:
        ends = "" if low is None or high is None else f" ({math.floor(100 * low)} to {math.ceil(100 * high)})"
        parts.append(f"{label} {hundred(chance)}{ends}")
    return f"Preferred to {baseline} (the baseline): {'; '.join(parts)}."


def best_chances(chances: Sequence[tuple[str, float]]) -> str:
    """The chance of being the best, the likeliest first."""
    named = [f"{label} {likely(chance)}" for label, chance in chances if chance >= 0.005][:5]
    return f"Chance of being the best: {', '.join(named)}."


def undecided(votes: int, ties: int, bad: int, worst: tuple[str, int, int] | None) -> str | None:
    """How often nobody cared, and how often both were bad; `worst`: the value that is most often in a bad pair."""
    if not ties:
        return None
    text = f"{count(ties, 'tie')} in {count(votes, 'vote')}"
    if not bad:
        return f'{text}, none of them "both bad".'
    text += f', {bad:,} of them "both bad"'
    if worst is not None:
        label, own, shown = worst
        text += f"; {label} is in {own:,} of those, of {count(shown, 'vote')} on it"
    return f"{text}."


def over(axis: str, others: Sequence[tuple[str, int]]) -> str | None:
    """What the main effect is taken over."""
    if not others:
        return None
    named = listed_and([f"{number} of {other}" for other, number in others])
    return f"This is the effect of {axis} over all else: {named}."


def never_met(strangers: Sequence[str], leader: str) -> str:
    """Values that stand in another group of votes than the leader."""
    return f"{listed_and(strangers)} never met {leader} or what it met: not comparable."


def unvoted(labels: Sequence[str]) -> str:
    """Values that nobody voted on."""
    return f"Nobody voted on {listed_and(labels)} yet."


# --- marks, scores and rates --------------------------------------------------------------------------------------


def number(value: float) -> str:
    """Three digits that matter, without needless zeros: `12.3`, `0.0412`, `1,204`."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def rate(share: float) -> str:
    """`3.12 %`: rates are small, and differ in their second digit."""
    return f"{number(100 * share)} %"


def figure(metric: str, value: float, *, is_rate: bool) -> str:
    """A value's own figure: `62 of 100` kept, `3.1 %` of trials, or a score."""
    return rate(value) if is_rate else hundred(value) if metric == "kept" else number(value)


def difference(gap: Gap, label: Mapping[str, str], *, share: bool) -> str:
    """How much more than another, in the same scenes."""
    than = "more" if gap.estimate >= 0 else "fewer" if share else "less"
    size = abs(gap.estimate)
    figure = f"{round(100 * size)} {than} of 100" if share else f"{number(size)} {than}"
    figure += f" than {label[gap.other]} in the same scenes"
    if gap.low is None or gap.high is None:
        return figure
    ends = (math.floor(100 * gap.low), math.ceil(100 * gap.high)) if share else (number(gap.low), number(gap.high))
    return f"{figure}, surely between {ends[0]} and {ends[1]}"


def rate_difference(gap: Gap, label: Mapping[str, str]) -> str:
    """How many points more than another."""
    points = number(100 * gap.estimate)
    text = f"{points} {'point' if points == '1' else 'points'} more than {label[gap.other]}"
    if gap.low is None or gap.high is None:
        return text
    return f"{text}, surely between {number(100 * gap.low)} and {number(100 * gap.high)}"


# --- what to do, and how it was done ------------------------------------------------------------------------------


def first_votes(matched: int, *, command: bool) -> str | None:
    """How to begin."""
    if not matched:
        return None
    how = ": `promptlab browse`, then Vote" if command else ""
    return f"Vote on {count(matched, 'scene')}, or pick the best of each row in the grid{how}."


def close_vote() -> str:
    """While people vote."""
    return "Close the vote on its page to get the interval for the votes that were cast; until then look when you like."


def nothing_more(winner: str) -> str:
    """Of a winner."""
    if not winner:
        return "There is nothing to tell apart."
    return f"Nothing more to tell that {winner} is the best of these."


def review() -> str:
    """Of items with one picture each."""
    return "Review them instead: `promptlab browse`, then Review; `promptlab redo` makes the rejected ones again."


def methods_votes(clusters: str, *, live: bool) -> str:
    """The methods paragraph of a verdict by votes."""
    text = (
        "Votes compare two pictures of one scene: the same values of all other axes, the same seed and draw. "
        "Davidson's model of paired comparisons with ties (1970) was fitted to them, with half a win and half a loss "
        'of each value against a hypothetical item of worth 1 (Turner et al. 2020); "both bad" counts as a tie. A '
        "chance is that of a decided vote."
    )
    if live:
        return (
            f"{text} The vote is open, so intervals are confidence sequences, which hold however often one looks: the "
            "beta-binomial mixture for two values with one vote per scene, else the asymptotic sequence of "
            "Waudby-Smith et al. (2024) on the sums of scenes."
        )
    if not clusters:
        return f"{text} There are too few scenes for an interval."
    return (
        f"{text} Intervals (95 %) are of differences, from a sandwich covariance clustered by {clusters} (CR1) with "
        "Student's t. Rank ranges use max-t critical values for all pairs at once, p-values against the baseline are "
        "Holm's, and the chance of being the best comes from 2,000 normal draws seeded by the experiment's name."
    )


def methods_measure(metric: str, *, rates: bool) -> str:
    """The methods paragraph of a verdict by marks, scores or rates."""
    if rates:
        return (
            f"{metric} is compared as unpaired proportions: Newcombe's hybrid score interval (1998, method 10), with "
            "several pictures of one value as clusters, whose design effect divides the number of trials. P-values "
            "against the baseline are Holm's."
        )
    text = (
        "Only scenes in which both values have a figure are compared; pictures of one call are averaged first. "
        "Intervals (95 %) are of the mean difference per scene: Student's t up to 30 scenes, the BCa bootstrap of "
        "scenes beyond; the test is Wilcoxon's, or the sign test where most differences are zero."
    )
    if metric == "kept":
        text += (
            " Where every scene has one judged picture of both, it is Newcombe's paired interval (1998) and McNemar's "
            "mid-p test."
        )
    return f"{text} Rank ranges use max-t critical values from scenes that have all values."


def lines(verdict: Verdict) -> list[str]:
    """The verdict as the terminal and the page say it: the headline, what follows it, trust and what it would take."""
    found = [verdict.headline, *verdict.sentences, *verdict.missing]
    found += [each.text for each in verdict.trust]
    return [*found, *verdict.takes]
