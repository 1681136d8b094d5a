"""Seeds that no edit of the axes moves: each derives from `seed_base` and the repeat's number alone."""

from __future__ import annotations

import hashlib
from itertools import count

from promptlab.model import Experiment

__all__ = ["derive_seeds", "seeds_of"]


def derive_seeds(seed_base: int, number: int) -> tuple[int, ...]:
    """The first `number` seeds of a base, 31-bit (every API takes those) and distinct; more only appends."""
    seeds: dict[int, None] = {}
    for repeat in count():
        if len(seeds) >= number:
            break
        digest = hashlib.sha256(f"promptlab seed {seed_base} {repeat}".encode()).digest()
        seeds.setdefault(int.from_bytes(digest[:4], "big") >> 1)
    return tuple(seeds)


def seeds_of(experiment: Experiment) -> tuple[int | None, ...]:
    """The seeds of every variant, in order; (None,) where the experiment sends none."""
    if experiment.seeds is None:
        return (None,)
    if isinstance(experiment.seeds, int):
        return derive_seeds(experiment.seed_base, experiment.seeds)
    return experiment.seeds
