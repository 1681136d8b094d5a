"""Proportions, paired scores and quantiles: published figures, and agreement with plain definitions."""

from __future__ import annotations

import math
import random
from itertools import product

import pytest

from promptlab.stats.distributions import beta_cdf, binomial_tail, t_cdf, t_quantile
from promptlab.stats.paired import bca, compare_paired, hodges_lehmann, sign_test, t_interval, wilcoxon
from promptlab.stats.proportions import mcnemar_exact, mcnemar_midp, newcombe, newcombe_paired, wilson


def test_newcombes_difference_of_proportions() -> None:
    """56/70 against 48/80, from the paper."""
    assert [round(end, 4) for end in newcombe(56, 70, 48, 80)] == [0.0524, 0.3339]


def test_newcombes_paired_difference() -> None:
    """The pairs (36, 12, 2, 0), from the paper."""
    assert [round(end, 4) for end in newcombe_paired(36, 12, 2, 0)] == [0.0569, 0.3404]


def test_mcnemar() -> None:
    """One against seven discordant pairs: exact and mid-p; equal numbers are no evidence."""
    assert (round(mcnemar_exact(1, 7), 4), round(mcnemar_midp(1, 7), 4)) == (0.0703, 0.0391)
    assert mcnemar_exact(0, 0) == mcnemar_midp(0, 0) == mcnemar_exact(4, 4) == 1.0
    assert mcnemar_midp(4, 4) == pytest.approx(1 - math.comb(8, 4) / 2**8 / 2)


@pytest.mark.parametrize("p", [0.5, 0.9, 0.975, 0.999])
@pytest.mark.parametrize("freedom", [1, 4, 7, 59, 4000])
def test_t_quantile_inverts_its_distribution(p: float, freedom: float) -> None:
    """The quantile of t, put into its distribution function, gives the chance back."""
    assert t_cdf(t_quantile(p, freedom), freedom) == pytest.approx(p, abs=1e-12)
    assert t_quantile(1 - p, freedom) == pytest.approx(-t_quantile(p, freedom), rel=1e-9, abs=1e-12)


def test_known_quantiles_of_t() -> None:
    """As printed in tables: 12.706 with one degree of freedom, 2.365 with seven, 1.960 with infinitely many."""
    assert [round(t_quantile(0.975, freedom), 3) for freedom in (1, 7, math.inf)] == [12.706, 2.365, 1.960]


def test_binomial_tail_is_the_sum_of_its_terms() -> None:
    """By definition, at every number of successes."""
    for k in range(13):
        exact = sum(math.comb(12, i) * 0.3**i * 0.7 ** (12 - i) for i in range(k, 13))
        assert binomial_tail(k, 12, 0.3) == pytest.approx(exact, abs=1e-14)
    assert (beta_cdf(0.0, 2, 3), beta_cdf(1.0, 2, 3)) == (0.0, 1.0)


def test_wilson_keeps_inside() -> None:
    """0 of 10 and 10 of 10 give one-sided intervals; nothing tried leaves everything open."""
    assert wilson(0, 10).low == 0.0
    assert wilson(0, 10).high == pytest.approx(0.2775, abs=1e-4)
    assert wilson(10, 10).high == 1.0
    assert wilson(0, 0) == (0.0, 1.0)


def test_wilcoxon_is_exact_for_few() -> None:
    """The p-value of seven differences is the share of all sign patterns that are as extreme."""
    values = [1.1, -0.4, 2.5, 3.2, -0.9, 4.0, 5.5]
    ranks = {value: rank for rank, value in enumerate(sorted(map(abs, values)), 1)}
    seen = sum(ranks[abs(value)] for value in values if value > 0)
    total = sum(range(1, 8))
    sums = [sum(rank for rank, up in zip(range(1, 8), signs, strict=True) if up) for signs in product((0, 1), repeat=7)]
    extreme = sum(min(each, total - each) <= min(seen, total - seen) for each in sums)
    assert wilcoxon(values) == pytest.approx(extreme / 2**7)


def test_wilcoxon_of_nothing_is_no_evidence() -> None:
    """All differences zero: p is 1."""
    assert wilcoxon([0.0] * 9) == wilcoxon([]) == 1.0


def test_hodges_lehmann_is_the_median_of_means() -> None:
    """As by definition, also with equal values, and the interval's ends are means of two values."""
    source = random.Random(4)
    for n in (1, 2, 5, 12, 31, 60):
        values = [round(source.gauss(1, 2), 1) for _ in range(n)]
        means = sorted((a + b) / 2 for at, a in enumerate(values) for b in values[at:])
        middle = len(means)
        shift, interval = hodges_lehmann(values)
        assert shift == pytest.approx((means[(middle - 1) // 2] + means[middle // 2]) / 2)
        assert (interval is None) == (n < 6)
        if interval is not None:
            assert interval.low <= shift <= interval.high
            assert any(math.isclose(interval.low, mean, abs_tol=1e-9) for mean in means)


def test_the_bootstrap_leans_with_a_skewed_score() -> None:
    """Of a skewed sample the upper end lies further out than the lower; the same seed gives the same ends."""
    source = random.Random(9)
    values = [source.expovariate(1.0) for _ in range(60)]
    mean = sum(values) / 60
    found = bca(values, seed="log")
    assert found.high - mean > mean - found.low > 0
    assert found == bca(values, seed="log")
    assert bca([2.0] * 40) == (2.0, 2.0)


def test_t_interval_by_hand() -> None:
    """Three values whose mean is 2 and standard error 1/√3."""
    found = t_interval([1.0, 2.0, 3.0])
    assert found.high - 2.0 == pytest.approx(4.302653 / math.sqrt(3), abs=1e-5)


def test_four_scenes_bear_no_interval() -> None:
    """Few scenes give a mean and tests, and no interval; none is an error."""
    found = compare_paired([1.0, 2.0, -1.0, 3.0])
    assert (found.scenes, found.mean, found.mean_interval, found.shift_interval) == (4, 1.25, None, None)
    assert (found.higher, found.lower) == (3, 1)
    assert found.p_sign == sign_test(3, 1) == pytest.approx(0.625)
    with pytest.raises(ValueError, match="no scene"):
        compare_paired([])


def test_four_thousand_scenes_are_quick_to_compare() -> None:
    """Large runs take the t interval and never list all pairs: the same figures as of their parts' size."""
    source = random.Random(1)
    found = compare_paired([source.gauss(0.2, 1) for _ in range(4000)])
    assert found.mean_interval is not None
    assert found.shift_interval is not None
    assert found.mean_interval.low < 0.2 < found.mean_interval.high
    assert found.shift_interval.low < 0.2 < found.shift_interval.high
    assert found.p_wilcoxon < 1e-10
