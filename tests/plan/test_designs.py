"""Designs: one change at a time, and samples that stay."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.errors import InputError
from promptlab.model import Axis, Design, Value
from promptlab.plan.designs import Rendezvous, Smallest, choose
from promptlab.plan.product import Space, matches


def plain(name: str, size: int, when=None) -> Axis:
    return Axis(name, tuple(Value(f"{name}{i}", f"{name}{i}") for i in range(size)), when=when)


def sampled(axes, number, seed=0, skip=()):
    space = Space(axes, skip)
    return [space.id_of(cell) for cell in choose(Design("sample", number, seed), space, None).cells()]


def test_one_factor_is_the_baseline_and_each_single_change(plan, axis):
    """Axes that the baseline omits are crossed in full."""
    made = plan(
        "{{ item }} {{ style }} {{ look }}",
        axis("item", ["a", "b"]),
        axis("style", ["photo", "film", "ink"]),
        axis("look", ["warm", "neon"]),
        baseline={"style": "photo", "look": "warm"},
        design=Design("one_factor"),
    )
    names = [variant.name for variant in made.variants()]
    assert len(names) == made.count().variants == 2 * (1 + 2 + 1)
    assert "item=b,style=film,look=warm" in names
    assert not any("film,look=neon" in name or "ink,look=neon" in name for name in names)
    assert "no-matched-pairs" not in {problem.code for problem in made.survey().problems}


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(1, 80), st.integers(0, 5))
@settings(max_examples=80, deadline=None)
def test_a_sample_has_its_size_and_repeats_nothing(sizes, number, seed):
    """n different variants, or all where there are fewer; the same for the same seed."""
    axes = [plain(f"a{i}", size) for i, size in enumerate(sizes)]
    found = sampled(axes, number, seed)
    space = Space(axes)
    everything = [space.id_of(cell) for cell in space.cells()]
    assert len(found) == len(set(found)) == min(number, len(everything))
    assert [variant for variant in everything if variant in set(found)] == found  # in the product's order
    assert sampled(axes, number, seed) == found
    assert set(sampled(axes[::-1], number, seed)) == set(found)


@pytest.mark.parametrize("others", [[10, 10], [10, 10, 10], [10] * 5, [10] * 9, [3, 4, 50]])
def test_a_sample_keeps_most_of_its_choice_when_a_value_is_added(others):
    """One value appended to a ten-value axis keeps at least 85 % of 500; also where the product passes 10⁶."""
    rest = [plain(f"b{i}", size) for i, size in enumerate(others)]
    before = set(sampled([plain("a", 10), *rest], 500))
    after = set(sampled([plain("a", 11), *rest], 500))
    assert len(before & after) >= 0.85 * len(before)


def test_another_seed_draws_another_sample():
    """The seed of a design is what a second, independent sample is had with."""
    axes = [plain(f"a{i}", 10) for i in range(5)]
    assert len(set(sampled(axes, 200)) & set(sampled(axes, 200, seed=1))) < 20


def test_ten_thousand_of_a_million_million_take_no_time():
    """10,000 draws of 10¹², all different, in under two seconds of CPU."""
    axes = [plain(f"a{i}", 10) for i in range(12)]
    started = time.process_time()
    found = sampled(axes, 10_000)
    assert time.process_time() - started < 2
    assert len(set(found)) == 10_000


def test_every_cell_is_as_likely_also_where_an_axis_is_absent():
    """A cell without the conditional axis is one cell, not as many as the axis has values."""
    style = plain("style", 2)
    grain = plain("grain", 4, when={"style": frozenset(["style1"])})
    other = plain("other", 40)
    space = Space([style, grain, other])
    cells = [
        space.axes_of(cell) for seed in range(40) for cell in Rendezvous(space, Design("sample", 20, seed)).cells()
    ]
    counts = Counter(cell.get("grain") for cell in cells)
    assert sum(counts.values()) == 800
    assert all(110 < counts[grain] < 210 for grain in (None, "grain0", "grain1", "grain2", "grain3"))


@given(st.integers(1, 199), st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_the_smallest_hashes_are_exactly_n_and_stable(number, seed):
    """The walk that very large samples take: exact, and stable in the same way."""
    space = Space([plain("a", 10), plain("b", 20)])
    design = Smallest(space, number, seed)
    cells = list(design.cells())
    assert len({space.id_of(cell) for cell in cells}) == number
    assert all(design.has(cell) == (cell in cells) for cell in space.cells())
    grown = Space([plain("a", 11), plain("b", 20)])
    after = {grown.id_of(cell) for cell in Smallest(grown, number, seed).cells()}
    kept = {space.id_of(cell) for cell in cells} & after
    assert number < 30 or len(kept) >= 0.7 * number


def test_a_sample_of_most_of_a_large_product_walks_it():
    """Where drawing would cost more than walking, the smallest hashes are taken."""
    space = Space([plain("a", 300), plain("b", 300)])
    assert isinstance(choose(Design("sample", 80_000), space, None), Smallest)
    assert isinstance(choose(Design("sample", 800), space, None), Rendezvous)


def test_a_sample_never_holds_what_skip_leaves_out():
    """Skips come before the design."""
    skip = ({"a": frozenset(["a0", "a1"]), "b": frozenset(["b0"])},)
    space = Space([plain("a", 5), plain("b", 5)], skip)
    chosen = choose(Design("sample", 20), space, None)
    cells = list(chosen.cells())
    assert len(cells) == 20
    assert not any(matches(cell, test) for cell in cells for test in space.skips)
    assert all(chosen.has(cell) for cell in cells)
    assert sum(chosen.has(cell) for cell in space.cells()) == 20


def test_a_sample_that_skips_leave_no_room_for_is_an_error():
    """Rather than drawing for ever from a huge product that is nearly all skipped."""
    axes = [plain("a", 1100), plain("b", 1100)]
    skip = ({"a": frozenset(f"a{i}" for i in range(1100)), "b": frozenset(f"b{i}" for i in range(1, 1100))},)
    with pytest.raises(InputError, match="sample-too-few"):
        choose(Design("sample", 1200), Space(axes, skip), None)
