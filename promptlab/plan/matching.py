"""Many matchers at once: which of them hold is looked up by value, so that a thousand of them cost a plan nothing.

Skips are merged first (a thousand that differ in one id are one matcher with a thousand ids). What is left is a number
for each value whose bits say which matchers accept it: the bits that survive an `and` over a cell's values are the
matchers that hold. Overrides can't be merged; each is found by the axis on which it accepts the fewest values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from promptlab.model import Matcher

__all__ = ["Masks", "Test", "by_pivot", "merged"]

#: A compiled matcher: (position in the cell, accepted indices), all of which must hold.
Test = tuple[tuple[int, frozenset[int]], ...]


def merged(matchers: Iterable[Matcher], sizes: Mapping[str, int]) -> tuple[Matcher, ...]:
    """Matchers that accept the same cells between them; those that differ in one axis' ids alone become one.

    `sizes` has the number of values of each axis: the largest axis of a matcher is the one that is merged over.
    """
    found: dict[tuple[str, frozenset[tuple[str, frozenset[str]]]], set[str]] = {}
    for matcher in matchers:
        if matcher:
            widest = max(matcher, key=lambda name: (sizes.get(name, 0), name))
            rest = frozenset((name, ids) for name, ids in matcher.items() if name != widest)
            found.setdefault((widest, rest), set()).update(matcher[widest])
    return tuple({**dict(rest), widest: frozenset(ids)} for (widest, rest), ids in found.items())


class Masks:
    """For every value of the axes that some matchers name, the matchers that it fits (bit i: the i-th)."""

    def __init__(self, tests: Sequence[Test], sizes: Sequence[int]) -> None:
        """`sizes` are the numbers of values by position; an absent axis (index -1) fits no matcher that names it."""
        self.every = (1 << len(tests)) - 1
        named: dict[int, int] = {}
        for number, test in enumerate(tests):
            for at, _ in test:
                named[at] = named.get(at, 0) | 1 << number
        self.tables = {at: [self.every & ~bits] * (sizes[at] + 1) for at, bits in named.items()}
        for number, test in enumerate(tests):
            bit = 1 << number
            for at, accepted in test:
                table = self.tables[at]
                for index in accepted:
                    table[index] |= bit


def by_pivot(tests: Sequence[Test]) -> dict[int, dict[int, list[tuple[int, Test]]]]:
    """position → value index → the tests to try where a cell has that value: (number, what else must hold)."""
    found: dict[int, dict[int, list[tuple[int, Test]]]] = {}
    for number, test in enumerate(tests):
        if not test:
            continue
        pivot = min(test, key=lambda part: len(part[1]))
        rest = tuple(part for part in test if part is not pivot)
        table = found.setdefault(pivot[0], {})
        for index in pivot[1]:
            table.setdefault(index, []).append((number, rest))
    return found
