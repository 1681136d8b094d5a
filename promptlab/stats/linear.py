"""Small dense linear algebra on lists of lists: symmetric systems of as many unknowns as there are variants."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from operator import mul

__all__ = ["Matrix", "Vector", "cholesky", "clipped", "invert", "quadratic", "sandwich", "solve", "square_root"]

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

    Two-way clustered covariances can have some (Cameron, Gelbach and Miller 2011, section 2.3).
    """
    values, vectors = _eigen(matrix)
    if min(values, default=0.0) >= 0.0:
        return matrix
    size = len(matrix)
    kept = [(value, [row[k] for row in vectors]) for k, value in enumerate(values) if value > 0.0]
    return [[sum(value * v[i] * v[j] for value, v in kept) for j in range(size)] for i in range(size)]


def square_root(matrix: Matrix) -> Matrix:
    """Some R with R·Rᵀ = matrix, for a positive semi-definite matrix."""
    lower = cholesky(matrix)
    if lower is not None:
        return lower
    values, vectors = _eigen(matrix)
    roots = [math.sqrt(max(value, 0.0)) for value in values]
    return [[row[k] * roots[k] for k in range(len(values))] for row in vectors]


def _eigen(matrix: Matrix) -> tuple[Vector, Matrix]:
    """Eigenvalues, and eigenvectors as columns, of a symmetric matrix: cyclic Jacobi rotations."""
    size = len(matrix)
    a = [list(row) for row in matrix]
    vectors = [[float(i == j) for j in range(size)] for i in range(size)]
    for _ in range(60):
        off = sum(a[i][j] ** 2 for i in range(size) for j in range(i))
        if off <= 1e-24 * sum(a[i][i] ** 2 for i in range(size)) or off == 0.0:
            break
        for p in range(size - 1):
            for q in range(p + 1, size):
                _rotate(a, vectors, p, q)
    return [a[i][i] for i in range(size)], vectors


def _rotate(a: Matrix, vectors: Matrix, p: int, q: int) -> None:
    """One Jacobi rotation, which makes a[p][q] zero."""
    if a[p][q] == 0.0:
        return
    ratio = (a[q][q] - a[p][p]) / (2.0 * a[p][q])
    t = math.copysign(1.0, ratio) / (abs(ratio) + math.hypot(ratio, 1.0))
    cos = 1.0 / math.hypot(t, 1.0)
    sin = t * cos
    for row in a:
        row[p], row[q] = cos * row[p] - sin * row[q], sin * row[p] + cos * row[q]
    a[p], a[q] = (
        [cos * x - sin * y for x, y in zip(a[p], a[q], strict=True)],
        [sin * x + cos * y for x, y in zip(a[p], a[q], strict=True)],
    )
    for row in vectors:
        row[p], row[q] = cos * row[p] - sin * row[q], sin * row[p] + cos * row[q]
