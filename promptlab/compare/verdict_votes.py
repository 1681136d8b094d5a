"""The verdict by votes: the main effect of an axis over all others, with intervals clustered by scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptlab.compare import verdict_words as words
from promptlab.compare.evidence import Evidence, VoteEvidence
from promptlab.compare.verdict_model import Gap, Standing
from promptlab.stats.davidson import MIN_SCENES
from promptlab.stats.live import Live, live
from promptlab.stats.ranking import Difference, Placing, Ranking, rank
from promptlab.stats.votes import Tally, Vote, groups, tally

__all__ = ["VoteOutcome", "judge_votes"]

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class VoteOutcome:
    """What the votes say. `ranking` is of the largest group of values that met; `strangers` stand outside it."""

    headline: str
    standings: tuple[Standing, ...]
    differences: tuple[Gap, ...]
    matrix: dict[tuple[str, str], Tally]
    leader: str | None
    winner: str | None
    reference: str | None
    enough: bool
    votes: tuple[Vote, ...]
    ranking: Ranking | None = None
    live: Live | None = None
    strangers: tuple[str, ...] = ()


def judge_votes(evidence: Evidence, found: VoteEvidence, *, is_open: bool) -> VoteOutcome:
    """Rank the values by people's votes. While a vote is open, only what may be looked at at any time."""
    votes, strangers = _largest_group(evidence, found.votes)
    matrix = tally(found.votes)
    if not votes:
        headline = words.no_votes(evidence.by or "variant", evidence.cells.matched)
        standings = tuple(_bare(evidence, value, None) for value in evidence.values)
        return VoteOutcome(headline, standings, (), matrix, None, None, None, False, ())
    names = [value for value in evidence.values if any(value in (vote.left, vote.right) for vote in votes)]
    baseline = evidence.baseline if evidence.baseline in names else None
    ranking = rank(votes, variants=names, baseline=baseline, level=LEVEL, seed=evidence.seed)
    if is_open:
        return _open(evidence, votes, ranking, matrix, strangers)
    return _closed(evidence, votes, ranking, matrix, strangers, baseline)


def _largest_group(evidence: Evidence, votes: Sequence[Vote]) -> tuple[tuple[Vote, ...], tuple[str, ...]]:
    """The votes among the values that met each other, directly or through others, and the voted values outside."""
    voted = {value for vote in votes for value in (vote.left, vote.right)}
    names = [value for value in evidence.values if value in voted]
    parts = groups(names, tally(votes))
    if len(parts) < 2:
        return tuple(votes), ()
    sizes = [sum(vote.left in part for vote in votes) for part in map(set, parts)]
    chosen = set(parts[sizes.index(max(sizes))])
    return tuple(vote for vote in votes if vote.left in chosen), tuple(name for name in names if name not in chosen)


def _closed(
    evidence: Evidence, votes: tuple[Vote, ...], ranking: Ranking, matrix: dict[tuple[str, str], Tally],
    strangers: tuple[str, ...], baseline: str | None,
) -> VoteOutcome:  # fmt: skip
    leader = ranking.leader
    enough = ranking.covariance is not None
    first = ranking.standings[0]
    winner = leader if enough and (first.best_rank, first.worst_rank) == (1, 1) and len(ranking.standings) > 1 else None
    reference = baseline or leader
    gaps = (
        *(_gap(each, "leader", ranking) for each in ranking.to_leader),
        *(_gap(each, "baseline", ranking) for each in ranking.to_baseline),
        *(_gap(each, "pair", ranking) for each in ranking.pairs),
    )
    return VoteOutcome(
        _headline(evidence, ranking, gaps, winner, baseline), _standings(evidence, ranking, gaps, reference, strangers),
        gaps, matrix, leader, winner, reference, enough, votes, ranking, None, strangers,
    )  # fmt: skip


def _gap(each: Difference, to: str, ranking: Ranking) -> Gap:
    met = ranking.tallies.get((each.variant, each.other), Tally())
    return Gap(each.variant, each.other, to, each.chance, each.low, each.high, each.p, scenes=met.decided + met.ties)


def _headline(
    evidence: Evidence, ranking: Ranking, gaps: Sequence[Gap], winner: str | None, baseline: str | None
) -> str:
    label = evidence.labels
    leader = ranking.leader
    names = [each.variant for each in ranking.standings]
    if not any(each.decided for each in ranking.tallies.values()):
        return words.level([label[name] for name in names], ranking.votes)
    if ranking.covariance is None:
        return words.too_few(label[leader], _own(ranking.standings[0]), ranking.scenes, MIN_SCENES)
    to_leader = [gap for gap in gaps if gap.to == "leader"]
    several = len(names) > 2
    pairs = pairs_noun(evidence)
    if winner is not None:
        chosen = next((gap for gap in to_leader if gap.other == baseline), to_leader[0])
        named = (
            f"{label[chosen.other]} (the baseline)" if chosen.other == baseline else f"{label[chosen.other]}, the next"
        )
        return words.wins(label[leader], named if several or chosen.other == baseline else None, chosen, pairs)
    open_ = {each.variant for each in ranking.standings if each.best_rank == 1} - {leader}
    rivals = [gap for gap in to_leader if gap.other in open_] or to_leader[:1]
    return words.leads(label[leader], [label[gap.other] for gap in rivals], rivals[0], pairs, several=several)


def pairs_noun(evidence: Evidence) -> str:
    """What is compared: pairs that share the seed too, or only the other axes."""
    return "matched pairs" if evidence.cells.seeded else "pairs"


def _own(place: Placing) -> Tally:
    return Tally(place.wins, place.losses, place.ties, place.bad)


def _standings(
    evidence: Evidence, ranking: Ranking, gaps: Sequence[Gap], reference: str, strangers: Sequence[str]
) -> tuple[Standing, ...]:
    family = "baseline" if reference != ranking.leader or any(gap.to == "baseline" for gap in gaps) else "leader"
    found = []
    for place in ranking.standings:
        chance = low = high = None
        if family == "baseline":
            gap = next((gap for gap in gaps if gap.to == "baseline" and gap.value == place.variant), None)
            if gap is not None:
                chance, low, high = gap.estimate, gap.low, gap.high
        else:
            gap = next((gap for gap in gaps if gap.to == "leader" and gap.other == place.variant), None)
            if gap is not None:
                chance = 1 - gap.estimate
                low, high = (None if end is None else 1 - end for end in (gap.high, gap.low))
        found.append(_standing(evidence, place, chance, low, high))
    seen = {place.variant for place in ranking.standings}
    return (*found, *(_bare(evidence, value, None) for value in evidence.values if value not in seen))


def _standing(
    evidence: Evidence, place: Placing, chance: float | None, low: float | None, high: float | None
) -> Standing:
    cells = evidence.cells
    return Standing(
        value=place.variant,
        label=evidence.labels[place.variant],
        rank_low=place.best_rank,
        rank_high=place.worst_rank,
        chance_best=place.p_best,
        chance=chance,
        low=low,
        high=high,
        wins=place.wins,
        losses=place.losses,
        ties=place.ties,
        bad=place.bad,
        images=cells.images.get(place.variant, 0),
        scenes=cells.calls(place.variant),
        missing=cells.missing(place.variant),
        cost_usd=cells.cost_usd.get(place.variant),
    )


def _bare(evidence: Evidence, value: str, rank: int | None) -> Standing:
    """A value that nobody voted on."""
    cells = evidence.cells
    return Standing(
        value, evidence.labels[value], rank, rank, images=cells.images.get(value, 0), scenes=cells.calls(value),
        missing=cells.missing(value), cost_usd=cells.cost_usd.get(value),
    )  # fmt: skip


def _open(
    evidence: Evidence, votes: tuple[Vote, ...], ranking: Ranking, matrix: dict[tuple[str, str], Tally],
    strangers: tuple[str, ...],
) -> VoteOutcome:  # fmt: skip
    names = list(ranking.worths.variants)
    state = live(votes, names, level=LEVEL)
    assert state is not None
    gaps = tuple(
        Gap(each.variant, each.other, "leader", each.chance, each.low, each.high, scenes=state.scenes)
        for each in state.differences
    )
    several = len(names) > 2
    label = evidence.labels
    headline = words.no_votes(evidence.by or "variant", evidence.cells.matched)
    if gaps:
        other = label[gaps[0].other] if several else None
        headline = words.open_vote(label[state.leader], other, gaps[0], state.winner is not None, pairs_noun(evidence))
    first = sorted(ranking.standings, key=lambda place: place.variant != state.leader)
    everyone = len(names)
    standings = []
    for place in first:
        gap = next((gap for gap in gaps if gap.other == place.variant), None)
        rank_low = 1 if place.variant == state.leader or state.winner is None else 2
        top = everyone if state.winner != place.variant else 1
        ends = (None, None) if gap is None or gap.low is None or gap.high is None else (1 - gap.high, 1 - gap.low)
        made = _standing(evidence, place, None if gap is None else 1 - gap.estimate, *ends)
        standings.append(_with_ranks(made, rank_low, top))
    rest = [_bare(evidence, value, None) for value in evidence.values if value not in names]
    return VoteOutcome(
        headline, (*standings, *rest), gaps, matrix, state.leader, state.winner, state.leader,
        any(gap.low is not None for gap in gaps), votes, ranking, state, strangers,
    )  # fmt: skip


def _with_ranks(standing: Standing, low: int, high: int) -> Standing:
    from dataclasses import replace

    return replace(standing, rank_low=low, rank_high=high, chance_best=None)
