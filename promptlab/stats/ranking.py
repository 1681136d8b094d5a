"""From votes to a ranking that says how sure it is: differences with intervals, rank ranges, the chance to be the best.

What is compared are differences, never the overlap of two intervals. All pairs at once use max-t critical values from
the same draws; comparisons with a baseline are Holm's (Scandinavian Journal of Statistics 6, 1979).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from operator import add, mul

from promptlab.stats.davidson import Clustered, Worths, clustered, fit
from promptlab.stats.distributions import t_cdf, t_quantile
from promptlab.stats.linear import Matrix, square_root
from promptlab.stats.votes import Tally, Vote, groups, tally, variants_of

__all__ = ["DRAWS", "PRINTED", "Difference", "Places", "Placing", "Ranking", "holm", "holm_steps", "place", "rank"]

DRAWS = 2000
PRINTED = 12  # variants: beyond, there are too many pairs to print
_MANY = 40  # variants: beyond, all pairs are looked at in fewer draws
_FEWER_DRAWS = 400


@dataclass(frozen=True, slots=True)
class Difference:
    """One variant against another: the chance that a decided vote prefers it, with the 95 % interval.

    `p` is the two-sided p-value of "they are equal", adjusted where several are reported together. None everywhere
    where there are too few scenes for an interval.
    """

    variant: str
    other: str
    chance: float
    low: float | None = None
    high: float | None = None
    p: float | None = None

    @property
    def apart(self) -> bool:
        """Whether the interval leaves out "equal"."""
        return self.low is not None and self.high is not None and not self.low <= 0.5 <= self.high


@dataclass(frozen=True, slots=True)
class Placing:
    """A variant's place: `best_rank` to `worst_rank` are those that the votes leave open."""

    variant: str
    log_worth: float
    best_rank: int
    worst_rank: int
    p_best: float | None
    wins: int
    losses: int
    ties: int
    bad: int

    @property
    def shown(self) -> int:
        """Votes that this variant took part in."""
        return self.wins + self.losses + self.ties


@dataclass(frozen=True, slots=True)
class Ranking:
    """A ranking, best first. `group` is which group of variants that met it is about (others never met it)."""

    standings: tuple[Placing, ...]
    worths: Worths
    covariance: Clustered | None
    tallies: Mapping[tuple[str, str], Tally] = field(repr=False)
    groups: tuple[tuple[str, ...], ...]
    to_leader: tuple[Difference, ...]
    to_baseline: tuple[Difference, ...] = ()
    pairs: tuple[Difference, ...] = ()  # all of them at once, where they are few enough to print
    votes: int = 0
    scenes: int = 0
    voters: int = 0

    @property
    def leader(self) -> str:
        """The first."""
        return self.standings[0].variant


def rank(
    votes: Iterable[Vote],
    *,
    variants: Sequence[str] | None = None,
    baseline: str | None = None,
    level: float = 0.95,
    seed: str | int = 0,
) -> Ranking:
    """Rank the variants that were voted on. The same votes and `seed` give the same ranking, to the digit."""
    votes = list(votes)
    names = list(variants) if variants is not None else variants_of(votes)
    tallies = tally(votes)
    worths = fit(votes, names)
    covariance = clustered(worths, votes)
    differences = _Differences(worths, covariance, level)
    order = sorted(range(len(names)), key=lambda i: (-worths.log_worths[i], i))
    places = place(worths.log_worths, covariance, level=level, seed=seed)
    standings = tuple(_standing(names[i], worths, places, i, tallies) for i in order)
    leader = standings[0].variant
    to_baseline = [] if baseline is None else [differences.of(name, baseline) for name in names if name != baseline]
    return Ranking(
        standings, worths, covariance, tallies,
        tuple(tuple(each) for each in groups(names, tallies)),
        tuple(differences.of(leader, each.variant) for each in standings[1:]),
        holm(to_baseline),
        tuple(differences.at_once(places.critical, [each.variant for each in standings])),
        len(votes), len({vote.scene for vote in votes}), len({vote.voter for vote in votes}),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Places:
    """Of estimates in their order: the chance that each is the largest, and the ranks left open (from 1).

    `critical` is how many standard errors apart two have to be, for all pairs at once.
    """

    p_best: tuple[float, ...]
    ranks: tuple[tuple[int, int], ...]
    critical: float


def place(
    estimates: Sequence[float], covariance: Clustered | None, *, level: float = 0.95, seed: str | int = 0
) -> Places:
    """Ranks and chances of any estimates with a covariance; without one, every rank is open."""
    k = len(estimates)
    if covariance is None:
        return Places((), ((1, k),) * k, math.inf)
    draws = _draws(covariance.matrix, seed)
    critical = _critical(covariance, draws, level, seed, k)
    return Places(_p_best(estimates, draws), tuple(_rank_ranges(estimates, covariance, critical)), critical)


def _standing(name: str, worths: Worths, places: Places, at: int, tallies: Mapping[tuple[str, str], Tally]) -> Placing:
    own = [each for (variant, _), each in tallies.items() if variant == name]
    return Placing(
        name, worths.log_worth(name), *places.ranks[at], places.p_best[at] if places.p_best else None,
        sum(each.wins for each in own), sum(each.losses for each in own),
        sum(each.ties for each in own), sum(each.bad for each in own),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Differences:
    worths: Worths
    covariance: Clustered | None
    level: float

    def of(self, variant: str, other: str) -> Difference:
        gap = self.worths.log_worth(variant) - self.worths.log_worth(other)
        chance = _expit(gap)
        if self.covariance is None:
            return Difference(variant, other, chance)
        error = self._error(variant, other)
        reach = t_quantile((1 + self.level) / 2, self.covariance.freedom) * error
        p = 1.0 if error == 0.0 else 2 * t_cdf(-abs(gap) / error, self.covariance.freedom)
        return Difference(variant, other, chance, _expit(gap - reach), _expit(gap + reach), p)

    def at_once(self, critical: float, order: Sequence[str]) -> Iterator[Difference]:
        """All pairs, best first, with intervals that hold together; none where they are too many to print."""
        if self.covariance is None or not 2 < len(order) <= PRINTED:
            return
        for at, variant in enumerate(order):
            for other in order[at + 1 :]:
                gap = self.worths.log_worth(variant) - self.worths.log_worth(other)
                reach = critical * self._error(variant, other)
                yield Difference(variant, other, _expit(gap), _expit(gap - reach), _expit(gap + reach))

    def _error(self, variant: str, other: str) -> float:
        assert self.covariance is not None
        return self.covariance.error_between(*map(self.worths.variants.index, (variant, other)))


def holm(differences: Sequence[Difference]) -> tuple[Difference, ...]:
    """The same differences with p-values adjusted for their number (Holm's step-down)."""
    return tuple(
        Difference(each.variant, each.other, each.chance, each.low, each.high, p)
        for each, p in zip(differences, holm_steps([each.p for each in differences]), strict=True)
    )


def holm_steps(values: Sequence[float | None]) -> list[float | None]:
    """Holm's adjusted p-values, in the same order; what has none gets none."""
    order = sorted((p, at) for at, p in enumerate(values) if p is not None)
    adjusted: dict[int, float] = {}
    highest = 0.0
    for step, (p, at) in enumerate(order):
        highest = max(highest, min(1.0, p * (len(order) - step)))
        adjusted[at] = highest
    return [adjusted.get(at) for at in range(len(values))]


def _draws(matrix: Matrix, seed: str | int) -> list[list[float]]:
    """Draws of the estimation error: normal with this covariance."""
    source = random.Random(f"promptlab ranking {seed}")  # noqa: S311  (a simulation, not a secret)
    root = square_root(matrix)
    size = range(len(matrix))
    found = []
    for _ in range(DRAWS):
        z = [source.gauss(0.0, 1.0) for _ in size]
        found.append([sum(map(mul, row, z)) for row in root])
    return found


def _p_best(estimates: Sequence[float], draws: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """The share of draws in which each is the largest."""
    best = [0] * len(estimates)
    for draw in draws:
        moved = list(map(add, estimates, draw))
        best[moved.index(max(moved))] += 1
    return tuple(count / len(draws) for count in best)


def _rank_ranges(estimates: Sequence[float], covariance: Clustered, critical: float) -> list[tuple[int, int]]:
    """The ranks left open: after all that are surely better, before all that are surely worse."""
    k = len(estimates)
    better, worse = [0] * k, [0] * k
    for i, j in combinations(range(k), 2):
        gap = estimates[i] - estimates[j]
        if abs(gap) > critical * covariance.error_between(i, j):
            high, low = (i, j) if gap > 0 else (j, i)
            better[low] += 1
            worse[high] += 1
    return [(1 + better[i], k - worse[i]) for i in range(k)]


def _critical(covariance: Clustered, draws: Sequence[Sequence[float]], level: float, seed: str | int, k: int) -> float:
    """The critical value for all pairs at once: the quantile of the largest |t| among them (max-t).

    Of two variants there is one pair, and the quantile of t is exact.
    """
    if k == 2:
        return t_quantile((1 + level) / 2, covariance.freedom)
    errors = [(i, j, covariance.error_between(i, j)) for i, j in combinations(range(k), 2)]
    pairs = [pair for pair in errors if pair[2] > 0.0]
    if not pairs:
        return math.inf
    source = random.Random(f"promptlab max-t {seed}")  # noqa: S311
    largest = []
    for draw in draws[: _FEWER_DRAWS if k > _MANY else None]:
        scale = 1.0
        if not math.isinf(covariance.freedom):  # √(χ²/ν): t, not normal
            scale = math.sqrt(source.gammavariate(covariance.freedom / 2, 2.0) / covariance.freedom)
        largest.append(max(abs(draw[i] - draw[j]) / error for i, j, error in pairs) / scale)
    largest.sort()
    return largest[min(len(largest) - 1, math.ceil(level * len(largest)) - 1)]


def _expit(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))
