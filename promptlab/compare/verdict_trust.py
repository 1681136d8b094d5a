"""Can you trust that? Each question is answered either way: what speaks for the verdict, and what against it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from promptlab.compare import verdict_words as words
from promptlab.compare.evidence import CellCounts, Evidence, VoteEvidence
from promptlab.compare.verdict_model import Statement
from promptlab.stats.davidson import MIN_SCENES, MIN_VOTERS
from promptlab.stats.distributions import chi2_tail
from promptlab.stats.ranking import Ranking
from promptlab.stats.trust import agreement, fragility, side_bias
from promptlab.stats.votes import Vote

__all__ = ["depends", "missing_cells", "trust_cells", "trust_votes"]

_ENOUGH_SCENES = 20  # from here on clustered intervals cover as promised
_FRAGILE = 0.05  # of the votes
_AGREES = 0.2  # Krippendorff's alpha: below, voters hardly agree more than by chance
_SHUFFLES = 500
_MOST_DRAWN = 1000  # missing cells that are still shuffled; chi-squared is as good beyond
_TOLD = 6  # values whose missing cells are told one by one


def trust_votes(evidence: Evidence, found: VoteEvidence, votes: Sequence[Vote], ranking: Ranking) -> list[Statement]:
    """What speaks for and against a verdict by votes."""
    return [
        _scenes(len({vote.scene for vote in votes}), len(votes)),
        _voters(len({vote.voter for vote in votes})),
        _sides(found.sides),
        _agreement(votes),
        _fragility(evidence, ranking, votes),
        _unmatched(found.unmatched),
        _blind(found),
        *_judge(found),
        *trust_cells(evidence),
    ]


def trust_cells(evidence: Evidence) -> list[Statement]:
    """What the cells say, whatever the metric: seeds, missing pictures, simulation."""
    return [_seeds(evidence.cells), _missing(evidence), _simulated(evidence.simulated)]


def _scenes(scenes: int, votes: int) -> Statement:
    text = f"{words.count(votes, 'vote')} on {words.count(scenes, 'scene')}"
    if scenes < MIN_SCENES:
        return Statement("scenes", f"{text}: fewer than {MIN_SCENES}, which bear no interval.", False)
    if scenes < _ENOUGH_SCENES:
        return Statement("scenes", f"{text}: few, so the intervals are wide.", None)
    return Statement("scenes", f"{text}: enough for intervals that hold for other seeds too.", True)


def _voters(voters: int) -> Statement:
    if voters >= MIN_VOTERS:
        text = f"{words.count(voters, 'voter')}: the intervals hold for other voters too."
        return Statement("voters", text, True)
    whom = "this one voter" if voters == 1 else f"these {voters} voters"
    return Statement("voters", f"It holds for {whom}; from {MIN_VOTERS} voters on it holds for others too.", None)


def _sides(votes: Sequence[Vote]) -> Statement:
    left, decided, interval = side_bias(votes)
    if not decided:
        return Statement("sides", "No blind pair was decided, so a preference for one side can't be checked.", None)
    share = f"The left picture won {left:,} of {words.count(decided, 'decided blind pair')}"
    if interval.low <= 0.5 <= interval.high:
        return Statement("sides", f"{share}: no sign of a preference for one side.", True)
    text = f"{share}: a preference for one side. Sides are by chance, so it favours nobody, but it blurs the result."
    return Statement("sides", text, False)


def _agreement(votes: Sequence[Vote]) -> Statement:
    found = agreement(votes)
    if found is None:
        return Statement("agreement", "No pair was judged by two voters, so their agreement is not known.", None)
    text = f"Two voters say the same of {words.hundred(found.share)} shared pairs"
    if found.alpha is None:
        return Statement("agreement", f"{text}.", True)
    text += f" (Krippendorff's alpha {found.alpha:.2f})"
    if found.alpha < _AGREES:
        return Statement("agreement", f"{text}: hardly more than by chance.", False)
    return Statement("agreement", f"{text}: more than by chance.", True)


def _fragility(evidence: Evidence, ranking: Ranking, votes: Sequence[Vote]) -> Statement:
    found = fragility(ranking.worths, votes)
    if found is None:
        return Statement("fragility", "No choice of votes that was tried changes the leader when it is left out.", True)
    rival = evidence.labels[found.rival]
    text = f"Without {found.votes:,} of {words.count(len(votes), 'vote')}, {rival} would lead"
    if found.votes <= _FRAGILE * len(votes) or found.votes == 1:
        return Statement("fragility", f"{text}: the lead hangs on few votes.", False)
    return Statement("fragility", f"{text}.", True)


def _unmatched(unmatched: int) -> Statement:
    if not unmatched:
        return Statement("matched", "Every vote compares two pictures of one scene.", True)
    compare = "compares" if unmatched == 1 else "compare"
    text = f"{words.count(unmatched, 'vote')} {compare} pictures of different scenes, and {_are(unmatched)} left out."
    return Statement("matched", text, None)


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _blind(found: VoteEvidence) -> Statement:
    if not any(poll.blind for poll in found.polls):
        return Statement("blind", "No vote was blind: voters could see which variant is which.", False)
    if found.after_looking:
        text = f"{words.count(found.after_looking, 'blind vote')} came after a look at the tally by the same voter."
        return Statement("blind", text, False)
    mixed = any(not poll.blind for poll in found.polls)
    if mixed:
        return Statement("blind", "Some votes were blind, and some were picks in the open.", None)
    return Statement("blind", "Voting was blind, and nobody looked at the tally before voting.", True)


def _judge(found: VoteEvidence) -> Iterator[Statement]:
    """The judge's votes are never counted; how often it says what people say is."""
    if not found.judged:
        return
    name = words.listed_and(found.judges)
    people: dict[tuple[str, str, str], Counter[str]] = {}
    for vote in found.votes:
        people.setdefault(_pair(vote), Counter())[vote.winner or "tie"] += 1
    same = shared = 0
    for vote in found.judged:
        answers = people.get(_pair(vote), Counter())
        shared += answers.total()
        same += answers[vote.winner or "tie"]
    text = f"{words.count(len(found.judged), 'vote')} by the judge {name} {_are(len(found.judged))} not counted"
    if not shared:
        yield Statement("judge", f"{text}; no person voted on the same pairs.", None)
        return
    good = True if same / shared >= 0.7 else None
    yield Statement("judge", f"{text}; it says what people say in {words.hundred(same / shared)} cases.", good)


def _pair(vote: Vote) -> tuple[str, str, str]:
    first, second = sorted((vote.left, vote.right))
    return vote.scene, first, second


def _seeds(cells: CellCounts) -> Statement:
    if cells.seeded:
        return Statement("seeds", "Pictures of a scene share their seed.", True)
    return Statement("seeds", "There are no seeds: pictures of a scene share the other axes, and no more.", None)


def _simulated(simulated: bool) -> Statement:
    if simulated:
        return Statement("simulated", "The pictures are SIMULATED: this says nothing about a real model.", False)
    return Statement("simulated", "No picture is simulated.", True)


# --- missing cells ------------------------------------------------------------------------------------------------

_WHY = {
    "failed": "failed", "moderated": "refused by a content filter", "lost": "lost",
    "unknown": "of unknown outcome", "skipped": "skipped", "planned": "not sent", "in_flight": "in flight",
}  # fmt: skip


def missing_cells(evidence: Evidence) -> list[str]:
    """What has no picture, value by value, the worst first; nothing where every cell has one."""
    counts = {value: evidence.cells.missing(value) for value in evidence.values}
    short = sorted(
        (value for value in evidence.values if counts[value]),
        key=lambda value: -sum(counts[value].values()) / max(evidence.cells.calls(value), 1),
    )
    found = [_missing_of(evidence, value, counts[value]) for value in short[:_TOLD]]
    if len(short) > _TOLD:
        rest = sum(sum(counts[value].values()) for value in short[_TOLD:])
        found.append(f"{len(short) - _TOLD} other values have {words.count(rest, 'cell')} without a picture.")
    return found


def _missing_of(evidence: Evidence, value: str, counts: Mapping[str, int]) -> str:
    total, cells = sum(counts.values()), evidence.cells.calls(value)
    why = ", ".join(f"{n:,} {_WHY.get(status, status)}" for status, n in counts.items())
    have = "has" if total == 1 else "have"
    return f"{evidence.labels[value]}: {total:,} of {words.count(cells, 'cell')} {have} no picture ({why})."


def _missing(evidence: Evidence) -> Statement:
    cells = [(sum(evidence.cells.missing(value).values()), evidence.cells.calls(value)) for value in evidence.values]
    absent, every = sum(n for n, _ in cells), sum(n for _, n in cells)
    if not absent:
        return Statement("missing", "Every cell has its picture.", True)
    have = "has" if absent == 1 else "have"
    text = f"{absent:,} of {words.count(every, 'cell')} {have} no picture"
    p = depends(cells, evidence.seed)
    axis = evidence.by or "the variant"
    if p is None:
        return Statement("missing", f"{text}.", None)
    if p < 0.05:
        end = f"how many depends on {axis} (p {_p(p)}), so the pictures that are there may flatter or harm a value."
        return Statement("missing", f"{text}; {end}", False)
    return Statement("missing", f"{text}; no sign that this depends on {axis} (p {_p(p)}).", True)


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.2g}"


def depends(cells: Sequence[tuple[int, int]], seed: str) -> float | None:
    """The p-value of "each value misses as large a share": (missing, all) of each. None for a single value.

    Chi-squared where five are expected everywhere, else by 500 seeded shuffles of what is missing.
    """
    cells = [(n, total) for n, total in cells if total]
    every, absent = sum(total for _, total in cells), sum(n for n, _ in cells)
    if len(cells) < 2 or absent == 0 or absent == every:
        return None
    share = absent / every
    seen = _chi2(cells, share)
    least = min(total * min(share, 1 - share) for _, total in cells)
    if least >= 5 or absent > _MOST_DRAWN:
        return chi2_tail(seen, len(cells) - 1)
    source = random.Random(f"promptlab missing {seed}")  # noqa: S311  (a simulation, not a secret)
    totals = [total for _, total in cells]
    as_far = sum(_chi2(_shuffled(source, totals, absent), share) >= seen - 1e-9 for _ in range(_SHUFFLES))
    return (as_far + 1) / (_SHUFFLES + 1)


def _chi2(cells: Sequence[tuple[int, int]], share: float) -> float:
    return sum((n - total * share) ** 2 / (total * share * (1 - share)) for n, total in cells)


def _shuffled(source: random.Random, totals: Sequence[int], absent: int) -> list[tuple[int, int]]:
    """The same number missing, wherever chance puts them."""
    drawn = source.sample(range(len(totals)), absent, counts=totals)
    found = Counter(drawn)
    return [(found[at], total) for at, total in enumerate(totals)]
