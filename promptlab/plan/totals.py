"""How much a plan is: in closed form where it can be, else by walking through the cells without rendering them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

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
    chosen = replace(parts, where=tuple(parts.space.test(matcher) for matcher in where))
    return _walk((parts.shaper.shape(cell).n for _, cell in chosen.cells()), parts.per_variant, limit)


def _walk(images_each: Iterator[int], per: int, limit: int | None) -> Count:
    """Count variants by what a request of each makes, until `limit` requests are full."""
    if limit is not None:
        images_each = islice(images_each, -(-limit // per))
    variants = images = last = 0
    for each in images_each:
        variants, images, last = variants + 1, images + each * per, each
    over = 0 if limit is None else max(0, variants * per - limit)
    return Count(variants, variants * per - over, images - over * last)
