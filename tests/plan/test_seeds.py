"""Seeds that no edit of the axes moves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from promptlab.plan import derive_seeds


@given(st.integers(), st.integers(0, 200), st.integers(0, 50))
def test_more_seeds_only_append(base, number, more):
    """`seeds: 8` begins with the seeds of `seeds: 4`; all are 31-bit and distinct."""
    seeds = derive_seeds(base, number)
    assert derive_seeds(base, number + more)[:number] == seeds
    assert len(set(seeds)) == number
    assert all(0 <= seed < 1 << 31 for seed in seeds)


def test_seeds_are_these_for_ever():
    """The seeds of base 0 are part of every log, so they can never change."""
    assert derive_seeds(0, 3) == (1399756067, 361188847, 2093049064)


def test_another_base_gives_other_seeds():
    """`seed_base` is how a fresh set of seeds is had."""
    assert not set(derive_seeds(0, 8)) & set(derive_seeds(1, 8))


def test_every_variant_gets_the_same_seeds(plan):
    """Seeds pair by default: variant by variant the same seeds in the same order."""
    found: dict = {}
    for request in plan(seeds=3).requests():
        found.setdefault(request.variant.id, []).append((request.seed_index, request.seed))
    assert len({tuple(seeds) for seeds in found.values()}) == 1
    assert [seed for _, seed in next(iter(found.values()))] == list(derive_seeds(0, 3))


def test_without_seeds_none_is_sent(plan):
    """No `seeds` means no seed on the wire and NULL in the log, not 0."""
    assert {(r.seed, r.seed_index) for r in plan(seeds=None).requests()} == {(None, None)}


def test_a_seed_can_be_a_parameter(plan, axis):
    """`params.seed` as an axis sends each of its seeds once."""
    requests = list(plan("x", axis("params.seed", ["5", "6"], kind="param"), seeds=None).requests())
    assert [(r.seed, r.seed_index, dict(r.params)) for r in requests] == [(5, 0, {}), (6, 0, {})]
