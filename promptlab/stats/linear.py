"""Small dense linear algebra on lists of lists: symmetric systems of as many unknowns as there are variants."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from operator import mul

__all__ = [
    "Matrix",
    "Vector",
    "cholesky",
    "clipped",
    "eigen",
    "invert",
    "quadratic",
    "sandwich",
    "solve",
    "square_root",
]

Vector = list[float]
Matrix = list[list[float]]


def cholesky(matrix: Matrix) -> Matrix | None:
    """The lower triangle L with L·Lᵀ = matrix; None where the matrix is not positive definite."""
    size = len(matrix)
    lower = [[0.0] * size for _ in range(size)]
    scale = max((abs(matrix[i][i]) for i in range(size)), default=0.0)
    for i in range(size):
        row = lower[i]
        for j in range(i):
            other = lower[j]
            row[j] = (matrix[i][j] - sum(map(mul, row[:j], other))) / other[j]
        value = matrix[i][i] - sum(map(mul, row[:i], row))
        if value <= 1e-13 * scale:
            return None
        row[i] = math.sqrt(value)
    return lower


def solve(matrix: Matrix, right: Vector) -> Vector | None:
    """The x with matrix·x = right, for a symmetric positive definite matrix; None where it is not."""
    lower = cholesky(matrix)
    if lower is None:
        return None
    size = len(matrix)
    found = [0.0] * size
    for i in range(size):
        found[i] = (right[i] - sum(map(mul, lower[i][:i], found))) / lower[i][i]
    for i in reversed(range(size)):
        found[i] /= lower[i][i]
        row = lower[i]
        for k in range(i):
            found[k] -= row[k] * found[i]
    return found


def invert(matrix: Matrix) -> Matrix | None:
    """The inverse of a symmetric positive definite matrix; None where it is not positive definite."""
    lower = cholesky(matrix)
    if lower is None:
        return None
    size = len(matrix)
    columns: Matrix = []  # of L⁻¹, from their diagonal element on
    for j in range(size):
        column = [0.0] * size
        column[j] = 1.0 / lower[j][j]
        for i in range(j + 1, size):
            column[i] = -sum(map(mul, lower[i][j:i], column[j:i])) / lower[i][i]
        columns.append(column)
    found = [[0.0] * size for _ in range(size)]
    for i in range(size):
        for j in range(i + 1):
            found[i][j] = found[j][i] = sum(map(mul, columns[i][i:], columns[j][i:]))
    return found


def sandwich(bread: Matrix, scores: Iterable[Vector]) -> Matrix:
    """bread · (Σ s·sᵀ) · bread, over the score of each cluster: White's and Liang and Zeger's covariance.

    A cluster saw few of the variants, so the sum in the middle is made from what is not zero.
    """
    size = len(bread)
    middle = [[0.0] * size for _ in range(size)]
    for score in scores:
        seen = [i for i, value in enumerate(score) if value]
        for i in seen:
            row, value = middle[i], score[i]
            for j in seen:
                row[j] += value * score[j]
    half = [[sum(map(mul, row, column)) for column in middle] for row in bread]  # both are symmetric
    return [[sum(map(mul, row, column)) for column in bread] for row in half]


def quadratic(matrix: Matrix, vector: Sequence[float]) -> float:
    """vectorᵀ · matrix · vector."""
    used = [i for i, value in enumerate(vector) if value]
    return sum(vector[i] * matrix[i][j] * vector[j] for i in used for j in used)


def clipped(matrix: Matrix) -> Matrix:
    """The nearest positive semi-definite matrix: negative eigenvalues become zero.

    Two-way clustered covariances can have some (Cameron, Gelbach and Miller 2011, section 2.3). Most have none, which
    Cholesky's decomposition says at a twentieth of the cost.
    """
    if cholesky(matrix) is not None:
        return matrix
    values, vectors = eigen(matrix)
    if min(values, default=0.0) >= 0.0:
        return matrix
    rows = _scaled(values, vectors)
    return [[sum(map(mul, row, other)) for other in rows] for row in rows]


def square_root(matrix: Matrix) -> Matrix:
    """Some R with R·Rᵀ = matrix, for a positive semi-definite matrix. Zeros at the end of a row are left out."""
    lower = cholesky(matrix)
    if lower is not None:
        return [row[: i + 1] for i, row in enumerate(lower)]
    return _scaled(*eigen(matrix))


def _scaled(values: Vector, vectors: Matrix) -> Matrix:
    """Row i: the i-th elements of the eigenvectors, each times the root of its eigenvalue; those below zero are 0."""
    kept = [(math.sqrt(value), vector) for value, vector in zip(values, vectors, strict=True) if value > 0.0]
    return [[root * vector[i] for root, vector in kept] for i in range(len(values))]


def eigen(matrix: Matrix) -> tuple[Vector, Matrix]:
    """Eigenvalues of a symmetric matrix, in no order, and their eigenvectors, one a row.

    Householder's reflections to a tridiagonal matrix, then implicit QL steps (Press et al., Numerical Recipes, 3rd
    edition, 11.3 and 11.4).
    """
    diagonal, beside, basis = _tridiagonal(matrix)
    return _implicit_ql(diagonal, beside, [list(column) for column in zip(*basis, strict=True)])


def _tridiagonal(matrix: Matrix) -> tuple[Vector, Vector, Matrix]:
    """The diagonal, what stands beside it, and the orthogonal Q with Qᵀ·matrix·Q tridiagonal."""
    size = len(matrix)
    a = [list(row) for row in matrix]
    basis = [[float(i == j) for j in range(size)] for i in range(size)]
    for k in range(size - 2):
        vector = [a[i][k] for i in range(k + 1, size)]
        length = math.sqrt(sum(map(mul, vector, vector)))
        if length == 0.0:
            continue
        vector[0] += math.copysign(length, vector[0])
        scale = 2.0 / sum(map(mul, vector, vector))
        inner = [row[k + 1 :] for row in a[k + 1 :]]
        product = [scale * sum(map(mul, row, vector)) for row in inner]
        half = scale / 2 * sum(map(mul, product, vector))
        other = [p - half * v for p, v in zip(product, vector, strict=True)]
        for row, v, w in zip(a[k + 1 :], vector, other, strict=True):
            row[k + 1 :] = [x - v * ow - w * ov for x, ov, ow in zip(row[k + 1 :], vector, other, strict=True)]
        a[k + 1][k] = -math.copysign(length, vector[0])
        for row in basis:
            share = scale * sum(map(mul, row[k + 1 :], vector))
            row[k + 1 :] = [x - share * v for x, v in zip(row[k + 1 :], vector, strict=True)]
    return [a[i][i] for i in range(size)], [a[i + 1][i] for i in range(size - 1)] + [0.0], basis


def _implicit_ql(d: Vector, e: Vector, vectors: Matrix) -> tuple[Vector, Matrix]:
    """Eigenvalues and -vectors of a tridiagonal matrix; `vectors` are turned along, one a row."""
    size = len(d)
    for low in range(size):
        while True:
            high = low
            while high < size - 1 and abs(e[high]) > 2.3e-16 * (abs(d[high]) + abs(d[high + 1])):
                high += 1
            if high == low:
                break
            _ql_step(d, e, vectors, low, high)
    return d, vectors


def _ql_step(d: Vector, e: Vector, vectors: Matrix, low: int, high: int) -> None:
    """One QL step with an implicit shift between two rows that a zero stands beside."""
    g = (d[low + 1] - d[low]) / (2.0 * e[low])
    g = d[high] - d[low] + e[low] / (g + math.copysign(math.hypot(g, 1.0), g))
    sin = cos = 1.0
    shift = 0.0
    for i in range(high - 1, low - 1, -1):
        f, b = sin * e[i], cos * e[i]
        r = math.hypot(f, g)
        e[i + 1] = r
        if r == 0.0:  # a zero appeared: the matrix falls apart here
            d[i + 1] -= shift
            e[high] = 0.0
            return
        sin, cos = f / r, g / r
        g = d[i + 1] - shift
        r = (d[i] - g) * sin + 2.0 * cos * b
        shift = sin * r
        d[i + 1] = g + shift
        g = cos * r - b
        first, second = vectors[i], vectors[i + 1]
        vectors[i + 1] = [sin * x + cos * y for x, y in zip(first, second, strict=True)]
        vectors[i] = [cos * x - sin * y for x, y in zip(first, second, strict=True)]
    d[low] -= shift
    e[low] = g
    e[high] = 0.0
