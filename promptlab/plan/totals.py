"""How much a plan is: in closed form where it can be, else by walking through the cells without rendering them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from promptlab.model import Matcher

from .counting import tally
from .designs import All, OneFactor
from .stream import Parts

__all__ = ["Count", "count_parts"]


@dataclass(frozen=True, slots=True)
class Count:
    """How much a plan is, equal requests counted each; upper bounds where `exact` is False."""

    variants: int
    requests: int
    images: int
    exact: bool = True


def count_parts(parts: Parts, where: Sequence[Matcher], limit: int | None) -> Count:
    """The variants, requests and images of some parts under `where` and `limit` (of requests)."""
    weight = parts.shaper.weight(parts.space)
    if isinstance(parts.chosen, All | OneFactor):
        baseline = parts.chosen.baseline if isinstance(parts.chosen, OneFactor) else None
        found = tally(parts.space.axes, parts.space.skip, keep=where, baseline=baseline, weigh=weight)
        per = parts.per_variant
        count = Count(found.cells, found.cells * per, found.weight * per, found.exact)
        if limit is None or (count.exact and count.requests <= limit):
            return count
    chosen = replace(parts, where=tuple(parts.space.test(matcher) for matcher in where), limit=limit)
    variants = requests = images = 0
    for _, cell, _, _, turns in chosen.turns():
        variants += 1
        requests += turns
        images += turns * parts.shaper.images(cell)
    return Count(variants, requests, images)
