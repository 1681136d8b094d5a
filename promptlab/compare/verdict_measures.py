"""The verdict by marks and scores: paired differences within scenes, or rates of whole values (sales)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from promptlab.compare import verdict_words as words
from promptlab.compare.evidence import Evidence
from promptlab.compare.measures import MarkCounts, Measure
from promptlab.compare.verdict_model import Gap, Standing, Statement
from promptlab.stats.davidson import MIN_SCENES, Clustered
from promptlab.stats.distributions import normal_cdf
from promptlab.stats.paired import compare_paired
from promptlab.stats.proportions import mcnemar_midp, newcombe, newcombe_paired, wilson
from promptlab.stats.ranking import holm_steps, place

__all__ = ["MeasureOutcome", "judge_marks", "judge_rates", "judge_scores"]

LEVEL = 0.95
Means = Mapping[str, Mapping[str, float]]  # scene → value → figure


@dataclass(frozen=True, slots=True)
class MeasureOutcome:
    """What a measure says; `unit` is how its differences are written."""

    headline: str
    standings: tuple[Standing, ...]
    differences: tuple[Gap, ...]
    leader: str | None
    winner: str | None
    enough: bool
    trust: tuple[Statement, ...]
    scenes: int


# --- in scenes ----------------------------------------------------------------------------------------------------


def judge_marks(evidence: Evidence, marks: MarkCounts) -> MeasureOutcome:
    """Which value is kept most often, by pairs of the same scene that are both judged."""
    found = _paired(evidence, marks.shares, share=True)
    axis = evidence.by or "variant"
    if found.leader is None:
        return replace(found, headline=f"Nothing is kept or rejected yet, so there is no verdict by {axis}.")
    counted = tuple(
        replace(
            each,
            kept=marks.kept.get(each.value, 0),
            rejected=marks.rejected.get(each.value, 0),
        )
        for each in found.standings
    )
    headline = _headline(evidence, found, "is kept most often", "kept", share=True)
    images = sum(evidence.cells.images.values())
    trust = [
        Statement("judged", f"{marks.judged:,} of {words.count(images, 'picture')} are judged.", _most(marks, images))
    ]
    if not sum(marks.rejected.values()):
        text = "Nothing is rejected: pictures without a mark are not judged, and don't count as rejected."
        trust.append(Statement("rejected", text, False))
    else:
        trust.append(Statement("rejected", "Kept and rejected pictures are both marked.", True))
    return replace(found, headline=headline, standings=counted, trust=(*trust, *found.trust))


def _most(marks: MarkCounts, images: int) -> bool | None:
    return True if marks.judged >= 0.9 * images else None


def judge_scores(evidence: Evidence, measure: Measure) -> MeasureOutcome:
    """Which value scores highest, by differences within scenes."""
    found = _paired(evidence, measure.means, share=False)
    if found.leader is None:
        return replace(found, headline=f"No scene has a {measure.name} of two values of {evidence.by or 'variant'}.")
    headline = _headline(evidence, found, f"has the highest {measure.name}", measure.name, share=False)
    return replace(found, headline=headline, trust=(_scorer(measure), *found.trust))


def _scorer(measure: Measure) -> Statement:
    if measure.others:
        others = words.listed_and(measure.others)
        text = f"{measure.name} is that of {measure.scorer}; what {others} wrote earlier is left out."
        return Statement("scorer", text, None)
    return Statement("scorer", f"All of it is from one scorer, {measure.scorer}.", True)


def _paired(evidence: Evidence, means: Means, *, share: bool) -> MeasureOutcome:
    """Order, differences and intervals of values whose figures stand in scenes."""
    means = {scene: own for scene, own in means.items() if len(own) > 1}
    names = [value for value in evidence.values if any(value in own for own in means.values())]
    if len(names) < 2:
        standings = tuple(_standing(evidence, value) for value in evidence.values)
        return MeasureOutcome("", standings, (), None, None, False, (), 0)
    effects = _effects(means, names)
    covariance = _covariance(means, names)
    places = place(effects, covariance, level=LEVEL, seed=evidence.seed)
    order = sorted(range(len(names)), key=lambda i: (-effects[i], i))
    leader = names[order[0]]
    gaps = [_gap(evidence, means, leader, names[i], "leader", share=share) for i in order[1:]]
    if evidence.baseline in names:
        own = [
            _gap(evidence, means, name, str(evidence.baseline), "baseline", share=share)
            for name in names
            if name != evidence.baseline
        ]
        gaps += _holm([gap for gap in own if gap is not None])
    differences = tuple(gap for gap in gaps if gap is not None)
    enough = any(gap.low is not None for gap in differences)
    ranked = {
        names[i]: replace(
            _standing(evidence, names[i]),
            rank_low=places.ranks[i][0],
            rank_high=places.ranks[i][1],
            chance_best=places.p_best[i] if places.p_best else None,
            estimate=effects[i],
        )
        for i in order
    }
    rest = (_standing(evidence, value) for value in evidence.values if value not in ranked)
    trust = (_scenes(len(means)),)
    return MeasureOutcome(
        "", (*ranked.values(), *rest), differences, leader, _winner(leader, differences, places.ranks[order[0]]),
        enough, trust, len(means),
    )  # fmt: skip


def _winner(leader: str, differences: Sequence[Gap], ranks: tuple[int, int]) -> str | None:
    """The leader where it is apart from all others: at once, and each by its own interval."""
    own = [gap for gap in differences if gap.to == "leader"]
    return leader if own and ranks == (1, 1) and all(gap.apart for gap in own) else None


def _scenes(scenes: int) -> Statement:
    text = f"{words.count(scenes, 'scene')} {'has' if scenes == 1 else 'have'} a figure of two values or more"
    if scenes < MIN_SCENES:
        return Statement("scenes", f"{text}: fewer than {MIN_SCENES}, which bear no interval.", False)
    return Statement("scenes", f"{text}.", True if scenes >= 20 else None)


def _effects(means: Means, names: Sequence[str]) -> list[float]:
    """The mean of each value, as if every scene had all: the additive model of values and scenes, by least squares.

    Where no scene lacks a value these are the plain means. Backfitting; it stops when nothing moves any more.
    """
    by_name = {name: [(scene, own[name]) for scene, own in means.items() if name in own] for name in names}
    effect = {name: math.fsum(y for _, y in by_name[name]) / len(by_name[name]) for name in names}
    if all(len(own) == len(names) for own in means.values()):
        return [effect[name] for name in names]
    middle = math.fsum(effect.values()) / len(names)
    for _ in range(200):
        scenes = {
            scene: math.fsum(y - effect[name] for name, y in own.items()) / len(own) for scene, own in means.items()
        }
        new = {name: math.fsum(y - scenes[scene] for scene, y in by_name[name]) / len(by_name[name]) for name in names}
        drift = math.fsum(new.values()) / len(names) - middle  # what is common to all is the scenes'
        new = {name: value - drift for name, value in new.items()}
        moved = max(abs(new[name] - effect[name]) for name in names)
        effect = new
        if moved <= 1e-12 * max(1.0, abs(middle)):
            break
    return [effect[name] for name in names]


def _covariance(means: Means, names: Sequence[str]) -> Clustered | None:
    """Of the means, from scenes that have all values; None where they are too few."""
    rows = [[own[name] for name in names] for own in means.values() if len(own) == len(names)]
    n, k = len(rows), len(names)
    if n < MIN_SCENES:
        return None
    centre = [math.fsum(row[i] for row in rows) / n for i in range(k)]
    gaps = [[row[i] - centre[i] for row in rows] for i in range(k)]
    matrix = [
        [math.fsum(a * b for a, b in zip(gaps[i], gaps[j], strict=True)) / (n - 1) / n for j in range(k)]
        for i in range(k)
    ]
    return Clustered(matrix, n - 1, "scene")


def _gap(evidence: Evidence, means: Means, value: str, other: str, to: str, *, share: bool) -> Gap | None:
    """The difference within scenes that have both; None where there is none."""
    pairs = [(own[value], own[other]) for own in means.values() if value in own and other in own]
    if not pairs:
        return None
    if share and all(figure in (0.0, 1.0) for pair in pairs for figure in pair):
        return _binary(value, other, to, pairs)
    found = compare_paired([a - b for a, b in pairs], level=LEVEL, seed=f"{evidence.seed} {value} {other}")
    low, high = found.mean_interval or (None, None)
    # A score that often is the same in both says more by its signs than by its ranks.
    p = found.p_sign if found.higher + found.lower < len(pairs) / 2 else found.p_wilcoxon
    return Gap(value, other, to, found.mean, low, high, p if low is not None else None, 0.0, found.shift, len(pairs))


def _binary(value: str, other: str, to: str, pairs: Sequence[tuple[float, float]]) -> Gap:
    """Kept or not, in both: Newcombe's paired interval, McNemar's mid-p."""
    both = sum(a == b == 1.0 for a, b in pairs)
    first, second = sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)
    n = len(pairs)
    estimate = (first - second) / n
    if n < MIN_SCENES:
        return Gap(value, other, to, estimate, equal=0.0, scenes=n)
    low, high = newcombe_paired(both, first, second, n - both - first - second, LEVEL)
    return Gap(value, other, to, estimate, low, high, mcnemar_midp(first, second), 0.0, None, n)


def _holm(gaps: Sequence[Gap]) -> list[Gap]:
    """The same with p-values adjusted for their number."""
    steps = holm_steps([gap.p for gap in gaps])
    return [replace(gap, p=p) for gap, p in zip(gaps, steps, strict=True)]


def _standing(evidence: Evidence, value: str) -> Standing:
    cells = evidence.cells
    return Standing(
        value, evidence.labels[value], None, None, images=cells.images.get(value, 0), scenes=cells.calls(value),
        missing=cells.missing(value), cost_usd=cells.cost_usd.get(value),
    )  # fmt: skip


def _headline(evidence: Evidence, found: MeasureOutcome, most: str, name: str, *, share: bool) -> str:
    label = evidence.labels
    assert found.leader is not None
    leader = label[found.leader]
    gaps = [gap for gap in found.differences if gap.to == "leader"]
    own = next(each.estimate for each in found.standings if each.value == found.leader)
    assert own is not None
    figure = words.hundred(own) if share else words.number(own)
    if not gaps:
        return f"{leader} {most} ({figure}), but shares no scene with the others: not comparable."
    level = [label[gap.other] for gap in gaps if gap.estimate == 0]
    alike = f"{words.listed_and([leader, *level])} are level ({figure})" if level else ""
    if not found.enough:
        scenes = max(gap.scenes for gap in gaps)
        few = f"{words.count(scenes, 'scene')} can't say how sure that is: {MIN_SCENES} are the least"
        return f"{alike or f'{leader} {most} ({figure})'}, but {few}."
    if found.winner is not None:
        return f"{leader} wins: it {most}, {figure}; {words.difference(gaps[0], label, share=share)}."
    open_ = {each.value for each in found.standings if each.rank_low == 1} - {found.leader}
    rivals = [gap for gap in gaps if gap.other in open_ or not gap.apart] or gaps[:1]
    names = words.listed_and([label[gap.other] for gap in rivals])
    said = words.difference(rivals[0], label, share=share)
    return f"{leader} {most}, {figure}, but is not apart from {names}: {said}."


# --- rates --------------------------------------------------------------------------------------------------------


def judge_rates(evidence: Evidence, measure: Measure) -> MeasureOutcome:
    """Which value has the highest rate: unpaired, with several images of a value as clusters (design effect)."""
    names = [value for value in evidence.values if sum(t for _, t in measure.rates.get(value, ())) > 0]
    rates = {name: _rate(measure.rates[name]) for name in names}
    rest = [_standing(evidence, value) for value in evidence.values if value not in rates]
    if len(names) < 2:
        known = words.count(len(names), "value")
        text = f"{measure.name} is known of {known} of {evidence.by or 'variant'}: two are the least."
        return MeasureOutcome(text, tuple(rest), (), None, None, False, (_scorer(measure),), 0)
    estimates = [rates[name].share for name in names]
    k = len(names)
    matrix = [[rates[names[i]].variance if i == j else 0.0 for j in range(k)] for i in range(k)]
    places = place(estimates, Clustered(matrix, math.inf, "image"), level=LEVEL, seed=evidence.seed)
    order = sorted(range(k), key=lambda i: (-estimates[i], i))
    leader = names[order[0]]
    gaps = [_rate_gap(leader, names[i], rates, "leader") for i in order[1:]]
    if evidence.baseline in names:
        base = str(evidence.baseline)
        gaps += _holm([_rate_gap(name, base, rates, "baseline") for name in names if name != base])
    standings = [
        replace(
            _standing(evidence, names[i]), rank_low=places.ranks[i][0], rank_high=places.ranks[i][1],
            chance_best=places.p_best[i], estimate=estimates[i], low=rates[names[i]].interval[0],
            high=rates[names[i]].interval[1], successes=rates[names[i]].successes, trials=rates[names[i]].trials,
        )
        for i in order
    ]  # fmt: skip
    winner = _winner(leader, gaps, places.ranks[order[0]])
    trust = (_scorer(measure), _clusters(names, rates, evidence))
    found = MeasureOutcome(
        "", (*standings, *rest), tuple(gaps), leader, winner, True, trust,
        sum(rates[name].clusters for name in names),
    )  # fmt: skip
    return replace(found, headline=_rate_headline(evidence, found, measure.name))


@dataclass(frozen=True, slots=True)
class _Rate:
    """Successes out of trials of one value; `effect` is the design effect of its clusters (1: as good as single)."""

    successes: float
    trials: float
    clusters: int
    effect: float

    @property
    def share(self) -> float:
        return self.successes / self.trials

    @property
    def effective(self) -> tuple[float, float]:
        """Successes and trials that say as much as if each trial stood alone."""
        return self.successes / self.effect, self.trials / self.effect

    @property
    def variance(self) -> float:
        """With half a success and a failure more, so that 0 of 10 is not certain."""
        successes, trials = self.effective
        share = (successes + 0.5) / (trials + 1)
        return share * (1 - share) / trials

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(*self.effective, LEVEL)


def _rate(clusters: Sequence[tuple[float, float]]) -> _Rate:
    """The design effect is the variance of the ratio over clusters, against that of as many single trials."""
    successes, trials = math.fsum(s for s, _ in clusters), math.fsum(t for _, t in clusters)
    share, n = successes / trials, len(clusters)
    effect = 1.0
    if n > 1 and 0.0 < share < 1.0:
        seen = n / (n - 1) * math.fsum((s - share * t) ** 2 for s, t in clusters) / trials**2
        effect = max(1.0, seen / (share * (1 - share) / trials))
    return _Rate(successes, trials, n, effect)


def _rate_gap(value: str, other: str, rates: Mapping[str, _Rate], to: str) -> Gap:
    first, second = rates[value], rates[other]
    low, high = newcombe(*first.effective, *second.effective, LEVEL)
    gap = first.share - second.share
    error = math.sqrt(first.variance + second.variance)
    p = 2 * (1 - normal_cdf(abs(gap) / error)) if error else 1.0
    return Gap(value, other, to, gap, low, high, p, 0.0)


def _clusters(names: Sequence[str], rates: Mapping[str, _Rate], evidence: Evidence) -> Statement:
    least = min(names, key=lambda name: rates[name].clusters)
    if rates[least].clusters == 1:
        text = f"{evidence.labels[least]} has one picture here: the difference may be that picture's, not its value's."
        return Statement("clusters", text, False)
    text = f"Each value has {rates[least].clusters} pictures or more, which are treated as clusters."
    return Statement("clusters", text, True)


def _rate_headline(evidence: Evidence, found: MeasureOutcome, name: str) -> str:
    label = evidence.labels
    assert found.leader is not None
    best = found.standings[0]
    assert best.estimate is not None
    gaps = [gap for gap in found.differences if gap.to == "leader"]
    figures = f"{words.number(best.successes or 0)} of {words.number(best.trials or 0)}"
    own = f"{words.rate(best.estimate)} ({figures})"
    if found.winner is not None:
        return f"{best.label} wins on {name}: {own}; {words.rate_difference(gaps[0], label)}."
    rivals = [gap for gap in gaps if not gap.apart] or gaps[:1]
    names = words.listed_and([label[gap.other] for gap in rivals])
    said = words.rate_difference(rivals[0], label)
    return f"{best.label} leads on {name}, {own}, but is not apart from {names}: {said}."
