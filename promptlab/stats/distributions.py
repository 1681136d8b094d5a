"""Distribution functions and quantiles that the standard library does not have: beta, Student's t, binomial.

The incomplete beta function is Lentz' continued fraction (Press et al., Numerical Recipes, 3rd edition, 6.4); quantiles
are found by bisection, which cannot miss.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

__all__ = [
    "beta_cdf",
    "beta_quantile",
    "binomial_tail",
    "chi2_tail",
    "log_beta",
    "normal_cdf",
    "normal_quantile",
    "t_cdf",
    "t_quantile",
]

_NORMAL = NormalDist()
_TINY = 1e-300


def normal_cdf(x: float) -> float:
    """P(Z ≤ x) of the standard normal."""
    return _NORMAL.cdf(x)


def normal_quantile(p: float) -> float:
    """The x with P(Z ≤ x) = p, 0 < p < 1."""
    return _NORMAL.inv_cdf(p)


def log_beta(a: float, b: float) -> float:
    """The logarithm of the beta function, a, b > 0."""
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def beta_cdf(x: float, a: float, b: float) -> float:
    """P(X ≤ x) of the beta distribution: the regularised incomplete beta function."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    front = math.exp(a * math.log(x) + b * math.log1p(-x) - log_beta(a, b))
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _fraction(x, a, b) / a
    return 1.0 - front * _fraction(1.0 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """Lentz' continued fraction of the incomplete beta function; converges in O(√max(a, b)) steps."""
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d or _TINY)
    found = d
    for m in range(1, 10_000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / ((1.0 + term * d) or _TINY)
            c = (1.0 + term / c) or _TINY
            step = c * d
            found *= step
        if abs(step - 1.0) < 1e-15:
            break
    return found


def beta_quantile(p: float, a: float, b: float) -> float:
    """The x with P(X ≤ x) = p of the beta distribution."""
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if beta_cdf(middle, a, b) < p:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def t_cdf(x: float, freedom: float) -> float:
    """P(T ≤ x) of Student's t with so many degrees of freedom."""
    tail = beta_cdf(freedom / (freedom + x * x), freedom / 2, 0.5) / 2
    return tail if x < 0 else 1.0 - tail


@lru_cache(maxsize=256)
def t_quantile(p: float, freedom: float) -> float:
    """The x with P(T ≤ x) = p of Student's t; the normal's for infinite `freedom`."""
    if math.isinf(freedom):
        return normal_quantile(p)
    if p < 0.5:
        return -t_quantile(1.0 - p, freedom)
    x = beta_quantile(2 * (1.0 - p), freedom / 2, 0.5)
    return math.inf if x == 0.0 else math.sqrt(freedom * (1.0 - x) / x)


def binomial_tail(k: int, n: int, p: float = 0.5) -> float:
    """P(X ≥ k) of the binomial distribution."""
    if k <= 0:
        return 1.0
    return 0.0 if k > n else beta_cdf(p, k, n - k + 1)


def chi2_tail(x: float, freedom: float) -> float:
    """P(X > x) of the chi-squared distribution: the regularised incomplete gamma function.

    A series below the mean and Lentz' continued fraction above it (Press et al., Numerical Recipes, 3rd edition, 6.2).
    """
    a, y = freedom / 2, x / 2
    if y <= 0.0:
        return 1.0
    front = math.exp(a * math.log(y) - y - math.lgamma(a))
    if y < a + 1.0:
        term = total = 1.0 / a
        n = a
        while abs(term) > 1e-16 * abs(total):
            n += 1.0
            term *= y / n
            total += term
        return max(0.0, 1.0 - front * total)
    b = y + 1.0 - a
    c, d = 1.0 / _TINY, 1.0 / b
    found = d
    for i in range(1, 10_000):
        factor = -i * (i - a)
        b += 2.0
        d = 1.0 / ((factor * d + b) or _TINY)
        c = (b + factor / c) or _TINY
        step = c * d
        found *= step
        if abs(step - 1.0) < 1e-15:
            break
    return front * found
