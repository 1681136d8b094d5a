"""The same figures from other people's programs: scipy, statsmodels, choix, evalica (the dev extra has them)."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from promptlab.stats.davidson import fit
from promptlab.stats.distributions import beta_cdf, chi2_tail, t_cdf, t_quantile
from promptlab.stats.linear import Matrix, cholesky, clipped, eigen, invert, square_root
from promptlab.stats.paired import bca, hodges_lehmann, t_interval, wilcoxon
from promptlab.stats.proportions import mcnemar_exact, newcombe, wilson
from promptlab.stats.ranking import holm_steps
from promptlab.stats.votes import Vote

from .test_davidson import FIRST, LOSSES, SECOND, TIES, WINS, many
from .test_ranking import world

pytestmark = pytest.mark.storm


def random_matrix(size: int, seed: int) -> Matrix:
    """A symmetric matrix with positive and negative eigenvalues."""
    source = random.Random(seed)
    half = [[source.gauss(0, 1) for _ in range(size)] for _ in range(size)]
    return [[half[i][j] + half[j][i] for j in range(size)] for i in range(size)]


@pytest.mark.parametrize("freedom", [1, 2.5, 5, 30, 400])
def test_distributions_are_scipys(freedom: float) -> None:
    """t, chi-squared and beta, in the middle and far out."""
    stats = pytest.importorskip("scipy.stats")
    for x in (-8.0, -1.3, 0.0, 0.4, 2.2, 11.0):
        assert t_cdf(x, freedom) == pytest.approx(stats.t.cdf(x, freedom), abs=1e-12)
        assert chi2_tail(abs(x) * freedom, freedom) == pytest.approx(
            stats.chi2.sf(abs(x) * freedom, freedom), abs=1e-12
        )
    for p in (0.6, 0.95, 0.975, 0.9999):
        assert t_quantile(p, freedom) == pytest.approx(stats.t.ppf(p, freedom), rel=1e-9)
    for x in (0.01, 0.3, 0.9):
        assert beta_cdf(x, freedom, 3.5) == pytest.approx(stats.beta.cdf(x, freedom, 3.5), abs=1e-12)


@pytest.mark.parametrize("size", [1, 2, 3, 10, 40])
def test_linear_algebra_is_numpys(size: int) -> None:
    """Eigenvalues, the clipped matrix, its root, and an inverse."""
    numpy = pytest.importorskip("numpy")
    matrix = random_matrix(size, size)
    values, vectors = numpy.linalg.eigh(numpy.array(matrix))
    assert sorted(eigen(matrix)[0]) == pytest.approx(list(values), abs=1e-10)
    best = (vectors * numpy.maximum(values, 0)) @ vectors.T
    found = clipped(matrix)
    assert numpy.allclose(found, best, atol=1e-9)
    root = numpy.zeros((size, size))
    for i, row in enumerate(square_root(found)):
        root[i, : len(row)] = row
    assert numpy.allclose(root @ root.T, best, atol=1e-9)
    positive = (numpy.array(matrix) @ numpy.array(matrix).T + numpy.eye(size)).tolist()
    assert cholesky(positive) is not None
    assert numpy.allclose(invert(positive), numpy.linalg.inv(numpy.array(positive)), atol=1e-8)


def test_davidsons_puddings_at_scipys_maximum() -> None:
    """The fit is where scipy's optimiser ends, to nine digits: closer to the maximum than the published one."""
    optimize = pytest.importorskip("scipy.optimize")

    def loss(point: Any) -> float:
        theta, log_nu = [0.0, *point[:5]], point[5]
        total = 0.0
        for i, j, won, lost, tied in zip(FIRST, SECOND, WINS, LOSSES, TIES, strict=True):
            a, b = theta[i - 1], theta[j - 1]
            middle = (a + b) / 2 + log_nu
            total -= won * a + lost * b + tied * middle
            total += (won + lost + tied) * math.log(math.exp(a) + math.exp(b) + math.exp(middle))
        return total

    best = optimize.minimize(loss, [0.0] * 6, method="BFGS", options={"gtol": 1e-9})
    rows = zip(FIRST, SECOND, WINS, LOSSES, TIES, strict=True)
    votes = [vote for i, j, won, lost, tied in rows for vote in many(str(i), str(j), won, lost, tied)]
    found = fit(votes, [str(brand) for brand in range(1, 7)], pseudo=0)
    assert [*found.log_worths[1:], found.log_nu] == pytest.approx(list(best.x), abs=1e-6)


def decided(seed: int) -> list[Vote]:
    """Votes among five without a tie, in which each won and lost."""
    votes = world(random.Random(seed), 400, 1, [0.6, 0.3, 0.0, -0.2, -0.5])
    return [vote for vote in votes if vote.winner is not None]


def test_worths_are_choixs() -> None:
    """Without ties and pseudo-votes: Bradley and Terry's maximum as choix finds it."""
    choix = pytest.importorskip("choix")
    votes = decided(1)
    names = [f"x{at}" for at in range(5)]
    pairs = [(names.index(str(v.winner)), names.index(v.right if v.winner == v.left else v.left)) for v in votes]
    theirs = choix.ilsr_pairwise(5, pairs)
    ours = fit(votes, names, pseudo=0).log_worths
    assert [worth - ours[0] for worth in ours] == pytest.approx(list(theirs - theirs[0]), abs=1e-6)


def test_worths_are_evalicas() -> None:
    """The same by evalica, whose scores are worths."""
    evalica = pytest.importorskip("evalica")
    votes = decided(2)
    outcomes = [evalica.Winner.X if vote.outcome == "left" else evalica.Winner.Y for vote in votes]
    found = evalica.bradley_terry(
        [vote.left for vote in votes], [vote.right for vote in votes], outcomes, tolerance=1e-12, limit=10_000
    )
    names = sorted(found.scores.index)
    ours = fit(votes, names, pseudo=0).log_worths
    theirs = [math.log(found.scores[name]) for name in names]
    assert [worth - ours[0] for worth in ours] == pytest.approx([each - theirs[0] for each in theirs], abs=1e-4)


def test_the_scene_sandwich_is_statsmodels() -> None:
    """Two variants without ties are a logistic regression: its clustered errors, times our CR1 factor."""
    sm = pytest.importorskip("statsmodels.api")
    from promptlab.stats.davidson import clustered

    votes = [vote for vote in world(random.Random(3), 40, 3, [0.5, 0.0], luck=1.0) if vote.winner is not None]
    found = fit(votes, ["x0", "x1"], pseudo=1e-7)
    covariance = clustered(found, votes)
    assert covariance is not None
    won = [float(vote.winner == "x0") for vote in votes]
    groups = [int(vote.scene[1:]) for vote in votes]
    model = sm.Logit(won, [1.0] * len(votes)).fit(
        disp=0, cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}
    )
    scenes = len(set(groups))
    assert found.log_worths[0] - found.log_worths[1] == pytest.approx(float(model.params[0]), abs=1e-5)
    theirs = float(model.bse[0]) * math.sqrt(scenes / (scenes - 1))
    assert covariance.standard_error([1, -1]) == pytest.approx(theirs, rel=1e-4)


def test_wilcoxon_and_hodges_lehmann_are_scipys() -> None:
    """The exact p-value of few, the corrected normal one of many and of ties; the shift is the median of means."""
    stats = pytest.importorskip("scipy.stats")
    numpy = pytest.importorskip("numpy")
    source = random.Random(5)
    few = [source.gauss(0.4, 1) for _ in range(18)]
    assert wilcoxon(few) == pytest.approx(stats.wilcoxon(few, method="exact").pvalue, abs=1e-12)
    tied = [float(source.choice([-2, -1, 1, 1, 2])) for _ in range(40)]
    assert wilcoxon(tied) == pytest.approx(stats.wilcoxon(tied, correction=True, method="approx").pvalue, abs=1e-9)
    many_values = [source.gauss(0.1, 1) for _ in range(120)]
    theirs = stats.wilcoxon(many_values, correction=True, method="approx").pvalue
    assert wilcoxon(many_values) == pytest.approx(theirs, abs=1e-9)
    means = [(a + b) / 2 for at, a in enumerate(few) for b in few[at:]]
    assert hodges_lehmann(few)[0] == pytest.approx(float(numpy.median(means)))


def test_means_have_scipys_intervals() -> None:
    """Student's t to the digit, BCa within what two bootstraps differ."""
    stats = pytest.importorskip("scipy.stats")
    source = random.Random(6)
    values = [source.expovariate(1.0) for _ in range(60)]
    low, high = stats.t.interval(0.95, 59, loc=sum(values) / 60, scale=stats.sem(values))
    assert t_interval(values) == pytest.approx((low, high), abs=1e-9)
    theirs = stats.bootstrap((values,), lambda x, axis: x.mean(axis=axis), n_resamples=20_000, method="BCa", rng=1)
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert bca(values).low == pytest.approx(theirs.confidence_interval.low, abs=0.08 * width)
    assert bca(values).high == pytest.approx(theirs.confidence_interval.high, abs=0.08 * width)


def test_proportions_are_statsmodels() -> None:
    """Wilson, Newcombe's hybrid, McNemar's exact test, Holm's steps."""
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    for successes, trials in ((0, 9), (3, 10), (56, 70), (499, 500)):
        theirs = proportion.proportion_confint(successes, trials, method="wilson")
        assert wilson(successes, trials) == pytest.approx(theirs, abs=1e-12)
    theirs = proportion.confint_proportions_2indep(56, 70, 48, 80, method="newcomb", compare="diff")
    assert newcombe(56, 70, 48, 80) == pytest.approx(theirs, abs=1e-9)
    assert mcnemar_exact(1, 7) == pytest.approx(tables.mcnemar([[0, 1], [7, 0]], exact=True).pvalue)
    values = [0.04, 0.01, 0.03, 0.2]
    assert holm_steps(values) == pytest.approx(list(multitest.multipletests(values, method="holm")[1]))
