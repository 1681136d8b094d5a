"""Davidson's model of paired comparisons with ties: worths of variants from votes, and covariances that cluster.

P(i) : P(j) : P(tie) = e^θi : e^θj : ν·e^((θi+θj)/2)  (Davidson, JASA 65, 1970). The model is an exponential family in
(θ, log ν), so its log-likelihood is concave and Newton's steps use the exact information. Each variant also gets half
a win and half a loss against a hypothetical item of worth 1 (Turner, van Etten, Firth and Kosmidis, Computational
Statistics 35, 2020), which keeps everything finite: an undefeated variant stays first.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from promptlab.stats.linear import Matrix, Vector, clipped, invert, quadratic, sandwich, solve
from promptlab.stats.votes import Vote, variants_of

__all__ = [
    "MIN_SCENES",
    "MIN_VOTERS",
    "PSEUDO",
    "SHRUNKEN",
    "Clustered",
    "Worths",
    "clustered",
    "fit",
    "scores",
    "trust_in_model",
]

MIN_SCENES = 5  # fewer clusters bear no interval
MIN_VOTERS = 5  # from here on the intervals are also for voters who have not voted
PSEUDO = 0.5
SHRUNKEN = 2.0  # pseudo-wins and -losses of each variant, where the least variance is taken (Agresti and Coull 1998)

#: (first, second) → wins of the first, wins of the second, ties
Counts = dict[tuple[int, int], list[float]]


@dataclass(frozen=True, slots=True)
class Worths:
    """A fitted model: the logarithm of each variant's worth, and of ν (None where there was no tie).

    `inverse` is the inverse of the information, over the log-worths in the variants' order, then log ν. `pseudo` is
    what each variant won and lost against the hypothetical item.
    """

    variants: tuple[str, ...]
    log_worths: tuple[float, ...]
    log_nu: float | None
    inverse: Matrix = field(repr=False)
    pseudo: float = PSEUDO

    def log_worth(self, variant: str) -> float:
        """θ of a variant."""
        return self.log_worths[self.variants.index(variant)]

    def win_chance(self, variant: str, other: str) -> float:
        """The chance that a decided vote between the two prefers the first."""
        return _expit(self.log_worth(variant) - self.log_worth(other))


@dataclass(frozen=True, slots=True)
class Clustered:
    """The covariance of the log-worths, and the degrees of freedom of the t distribution that goes with it."""

    matrix: Matrix = field(repr=False)
    freedom: float
    by: str  # "scene", or "scene and voter"
    least: Matrix | None = field(default=None, repr=False)  # of each pair: what its variance is not below

    def standard_error(self, contrast: Sequence[float]) -> float:
        """Of a linear combination of the log-worths."""
        return math.sqrt(max(quadratic(self.matrix, contrast), 0.0))

    def error_between(self, i: int, j: int) -> float:
        """The standard error of the difference of two log-worths, by their places."""
        variance = self.matrix[i][i] + self.matrix[j][j] - 2 * self.matrix[i][j]
        return math.sqrt(max(variance, self.least[i][j] if self.least is not None else 0.0, 0.0))


def trust_in_model(chance: float) -> float:
    """How much of the model's own variance is the least for two variants, of which one wins with this chance.

    A sandwich is estimated from residuals, and votes that all say the same leave none: six of six would be "surely more
    than 87", where the exact interval begins at 54. From 93:7 on the model's variance is the least, up to 87:13 a
    quarter of it, which keeps the difference of two covariances from being zero by chance; the simulated coverage of
    votes that are not so one-sided stays what it is.
    """
    return 0.25 + 0.75 * min(max((max(chance, 1 - chance) - 0.87) / 0.06, 0.0), 1.0)


def fit(votes: Iterable[Vote], variants: Sequence[str] | None = None, *, pseudo: float = PSEUDO) -> Worths:
    """Fit the model. Without pseudo-votes the first variant's log-worth is 0, and the votes have to connect all.

    ValueError where the maximum is not finite: without pseudo-votes, a variant that never won or never lost.
    """
    votes = list(votes)
    names = tuple(variants_of(votes) if variants is None else variants)
    counts = _counts(votes, {name: at for at, name in enumerate(names)})
    has_ties = any(count[2] for count in counts.values())
    if not any(count[0] + count[1] for count in counts.values()):
        # Nobody decided anything: every worth is the same, and ν has no finite maximum.
        return Worths(names, (0.0,) * len(names), math.inf if has_ties else None, _prior(len(names), pseudo), pseudo)
    return _newton(names, counts, has_ties, pseudo)


def _counts(votes: Iterable[Vote], position: dict[str, int]) -> Counts:
    seen = Counter((position[vote.left], position[vote.right], vote.outcome) for vote in votes)
    found: Counts = defaultdict(lambda: [0.0, 0.0, 0.0])
    for (left, right, outcome), number in seen.items():
        pair = (left, right) if left < right else (right, left)
        at = 2 if outcome in ("tie", "bad") else int((outcome == "left") != (left < right))
        found[pair][at] += number
    return found


def _prior(size: int, pseudo: float) -> Matrix:
    """The inverse information of the pseudo-votes alone, at equal worths."""
    variance = 2.0 / pseudo if pseudo else math.inf
    return [[variance if i == j else 0.0 for j in range(size)] for i in range(size)]


def _newton(names: tuple[str, ...], counts: Counts, has_ties: bool, pseudo: float) -> Worths:
    size = len(names)
    point = [0.0] * (size + 1)
    free = list(range(0 if pseudo else 1, size + has_ties))
    point[size] = _start_of_ties(counts) if has_ties else -math.inf
    value = _log_likelihood(point, counts, pseudo, size)
    for _ in range(100):
        gradient, information = _derivatives(point, counts, pseudo, size)
        step = solve([[information[i][j] for j in free] for i in free], [gradient[i] for i in free])
        if step is None:
            raise ValueError("the votes have no finite maximum: a group never met the rest, or never won or lost")
        rate = 1.0
        while True:
            moved = list(point)
            for k, i in enumerate(free):
                moved[i] += rate * step[k]
            new = _log_likelihood(moved, counts, pseudo, size)
            if new >= value - 1e-12 * abs(value) or rate < 1e-6:
                break
            rate /= 2
        point, value = moved, new
        if max(map(abs, step), default=0.0) < 1e-10:
            break
    else:
        raise ValueError("the votes have no finite maximum: a variant never won, or never lost")
    information = _derivatives(point, counts, pseudo, size)[1]
    inverse = invert([[information[i][j] for j in free] for i in free]) or []
    whole = [[0.0] * (size + has_ties) for _ in range(size + has_ties)]
    for k, i in enumerate(free):
        for m, j in enumerate(free):
            whole[i][j] = inverse[k][m]
    return Worths(names, tuple(point[:size]), point[size] if has_ties else None, whole, pseudo)


def _start_of_ties(counts: Counts) -> float:
    """log ν where all worths are equal: ties against half the decided votes."""
    ties = sum(count[2] for count in counts.values())
    decided = sum(count[0] + count[1] for count in counts.values())
    return math.log(2.0 * ties / decided)


def _log_likelihood(point: Vector, counts: Counts, pseudo: float, size: int) -> float:
    log_nu, total = point[size], 0.0
    for (i, j), (first, second, ties) in counts.items():
        a, b = point[i], point[j]
        middle = (a + b) / 2 + log_nu
        most = max(a, b, middle)
        log_sum = most + math.log(math.exp(a - most) + math.exp(b - most) + math.exp(middle - most))
        total += first * a + second * b + (ties * middle if ties else 0.0) - (first + second + ties) * log_sum
    for i in range(size if pseudo else 0):
        total += pseudo * (point[i] - 2.0 * _softplus(point[i]))
    return total


def _derivatives(point: Vector, counts: Counts, pseudo: float, size: int) -> tuple[Vector, Matrix]:
    """Gradient and information; the statistics of a win are (1, 0, 0), of a tie (½, ½, 1) in (θi, θj, log ν)."""
    gradient = [0.0] * (size + 1)
    information = [[0.0] * (size + 1) for _ in range(size + 1)]
    for (i, j), (first, second, ties) in counts.items():
        pi, pj, pt = _chances(point[i], point[j], point[size])
        n = first + second + ties
        mean_i, mean_j = pi + pt / 2, pj + pt / 2
        gradient[i] += first + ties / 2 - n * mean_i
        gradient[j] += second + ties / 2 - n * mean_j
        gradient[size] += ties - n * pt
        across = n * (pt / 4 - mean_i * mean_j)
        information[i][i] += n * (pi + pt / 4 - mean_i**2)
        information[j][j] += n * (pj + pt / 4 - mean_j**2)
        information[i][j] += across
        information[j][i] += across
        for at, mean in ((i, mean_i), (j, mean_j)):
            with_nu = n * (pt / 2 - mean * pt)
            information[at][size] += with_nu
            information[size][at] += with_nu
        information[size][size] += n * pt * (1.0 - pt)
    for i in range(size if pseudo else 0):
        chance = _expit(point[i])
        gradient[i] += pseudo * (1.0 - 2.0 * chance)
        information[i][i] += 2.0 * pseudo * chance * (1.0 - chance)
    return gradient, information


def _chances(a: float, b: float, log_nu: float) -> tuple[float, float, float]:
    middle = (a + b) / 2 + log_nu
    most = max(a, b, middle)
    first, second, tie = math.exp(a - most), math.exp(b - most), math.exp(middle - most)
    total = first + second + tie
    return first / total, second / total, tie / total


def _expit(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def scores(worths: Worths, votes: Iterable[Vote], key: Callable[[Vote], Hashable]) -> dict[Hashable, Vector]:
    """The sum of the votes' scores (gradients of their log-likelihood) in each cluster that `key` names."""
    size = len(worths.inverse)
    position = {name: at for at, name in enumerate(worths.variants)}
    k = len(position)
    log_nu = -math.inf if worths.log_nu is None else worths.log_nu
    found: dict[Hashable, Vector] = defaultdict(lambda: [0.0] * size)
    chances: dict[tuple[int, int], tuple[float, float, float]] = {}
    for vote in votes:
        i, j = position[vote.left], position[vote.right]
        if (i, j) not in chances:
            chances[i, j] = _chances(worths.log_worths[i], worths.log_worths[j], log_nu)
        pi, pj, pt = chances[i, j]
        tied = vote.outcome in ("tie", "bad")
        total = found[key(vote)]
        total[i] += (0.5 if tied else float(vote.outcome == "left")) - pi - pt / 2
        total[j] += (0.5 if tied else float(vote.outcome == "right")) - pj - pt / 2
        if size > k:
            total[k] += tied - pt
    return found


def clustered(worths: Worths, votes: Sequence[Vote]) -> Clustered | None:
    """The covariance for intervals: clustered by scene, and by voter too from five voters on; None below five scenes.

    When several people see the same scene, or one picture is lucky, votes are not independent, and intervals that
    take them so are far too narrow. CR1: the sandwich times G/(G−1), with t on G−1 degrees of freedom. Two ways:
    scene + voter − both (Cameron, Gelbach and Miller, Journal of Business & Economic Statistics 29, 2011), on
    min(G)−1. With fewer voters, what is said holds for these voters.
    """
    scenes = scores(worths, votes, lambda vote: vote.scene)
    if len(scenes) < MIN_SCENES or (worths.log_nu is not None and math.isinf(worths.log_nu)):
        return None
    least = _least(worths, votes)
    by_scene = _cr1(worths, scenes)
    voters = scores(worths, votes, lambda vote: vote.voter)
    if len(voters) < MIN_VOTERS:
        return Clustered(by_scene, len(scenes) - 1, "scene", least)
    by_voter = _cr1(worths, voters)
    by_both = _cr1(worths, scores(worths, votes, lambda vote: (vote.scene, vote.voter)))
    k = len(worths.variants)
    matrix = [[by_scene[i][j] + by_voter[i][j] - by_both[i][j] for j in range(k)] for i in range(k)]
    return Clustered(clipped(matrix), min(len(scenes), len(voters)) - 1, "scene and voter", least)


def _least(worths: Worths, votes: Sequence[Vote]) -> Matrix | None:
    """For each pair the least variance of its difference: the model's own, at worths shrunk towards each other."""
    size = len(worths.variants)
    counts = _counts(votes, {name: at for at, name in enumerate(worths.variants)})
    shrunk = fit(votes, worths.variants, pseudo=SHRUNKEN)
    log_nu = -math.inf if shrunk.log_nu is None else shrunk.log_nu
    information = _derivatives([*shrunk.log_worths, log_nu], counts, worths.pseudo, size)[1]
    free = size + (worths.log_nu is not None)
    found = invert([row[:free] for row in information[:free]])
    if found is None:
        return None
    theta = worths.log_worths
    return [
        [
            (found[i][i] + found[j][j] - 2 * found[i][j]) * trust_in_model(_expit(theta[i] - theta[j]))
            for j in range(size)
        ]
        for i in range(size)
    ]


def _cr1(worths: Worths, clusters: dict[Hashable, Vector]) -> Matrix:
    """The clustered covariance of the log-worths alone."""
    k, number = len(worths.variants), len(clusters)
    matrix = sandwich(worths.inverse, clusters.values())
    factor = number / (number - 1)
    return [[value * factor for value in row[:k]] for row in matrix[:k]]
