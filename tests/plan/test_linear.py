"""A thousand rows, skips and overrides more take a thousand times longer, not a million: counted, not timed."""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Callable

import pytest

from promptlab.model import Axis, Design, Override, Value
from promptlab.plan import designs
from promptlab.plan.merging import Shaper
from promptlab.plan.product import LARGE, Masks, Space, by_pivot, matches, merged
from promptlab.spec.matcher import matches as spec_matches


def rows(size: int, *, own: bool = False) -> Axis:
    params = [{"n": str(number)} for number in (1, 2, 3, 4)] if own else [{}]
    values = (Value(f"S{i}", f"row {i}", {"name": f"row {i}"}, (), params[i % len(params)]) for i in range(size))
    return Axis("item", tuple(values))


@pytest.fixture
def merges(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows by one for each shape that is merged."""
    seen: list[int] = []
    shaped = Shaper._shaped
    monkeypatch.setattr(Shaper, "_shaped", lambda *args: seen.append(1) or shaped(*args))
    return seen


def test_rows_with_their_own_n_are_merged_once_for_each_n(plan, merges):
    """5,000 rows with four different `n`: four shapes, and a count that asks no row."""
    made = plan("{{ item.name }}", rows(5000, own=True))
    assert made.count().images == 5000 // 4 * 10
    assert made.survey().images == 12_500
    assert len(merges) <= 8


def test_overrides_of_one_row_each_are_looked_up(plan, match, merges):
    """1,000 overrides over 10,000 rows: each is merged where it applies, and tried nowhere else."""
    overrides = tuple(Override(match(item=f"S{i}"), {"n": "2"}) for i in range(1000))
    made = plan("{{ item.name }}", rows(10_000), override=overrides)
    assert made.count().images == 11_000
    assert made.survey().images == 11_000
    assert len(merges) <= 2 * 1000 + 8


def test_skips_of_one_row_each_are_one_skip(match):
    """A thousand matchers that differ in one id become one with a thousand ids; the same with another axis beside."""
    sizes = {"item": 20_000, "look": 2}
    assert len(merged([match(item=f"S{i}") for i in range(1000)], sizes)) == 1
    assert len(merged([match(item=f"S{i}", look="warm") for i in range(1000)], sizes)) == 1
    assert len(merged([match(item=f"S{i}", look=["warm", "neon"][i % 2]) for i in range(1000)], sizes)) == 2


def test_counting_walks_kinds_of_values_and_not_values(plan, match, monkeypatch):
    """20,000 rows and 1,000 skips, 60 skips of three axes: cells looked at are few, the count is exact."""
    looked: list[int] = []
    plain = designs.matches  # type: ignore[attr-defined]
    monkeypatch.setattr(designs, "matches", lambda *args: looked.append(1) or plain(*args))
    skips = tuple(match(item=f"S{i}", look="warm") for i in range(1000))
    look = Axis("look", tuple(Value(name, name) for name in ("warm", "neon")))
    made = plan("{{ item.name }} {{ look }}", rows(20_000), look, skip=skips, where="look=warm")
    assert made.count().variants == 19_000
    assert len(looked) <= 8


@pytest.mark.parametrize("seed", range(6))
def test_many_matchers_at_once_agree_with_each_asked_alone(seed, match):
    """Merged, as masks, by pivot, with conditional axes: what is skipped is what some matcher matches for `spec`."""
    chance = random.Random(seed)
    axes = [
        Axis("a", tuple(Value(f"a{i}", "") for i in range(5))),
        Axis("b", tuple(Value(f"b{i}", "") for i in range(4)), when=match(a=["a1", "a2", "a3"])),
        Axis("c", tuple(Value(f"c{i}", "") for i in range(3))),
    ]
    skips = []
    for _ in range(chance.randrange(12)):
        names = chance.sample(["a", "b", "c"], chance.randrange(1, 4))
        skips.append({name: frozenset(f"{name}{i}" for i in chance.sample(range(3), chance.randrange(1, 3)))
                      for name in names})  # fmt: skip
    every = list(Space(axes).cells())
    space = Space(axes, skips)
    tests = [Space(axes).test(skip) for skip in skips]
    hit = [any(spec_matches(skip, space.axes_of(cell)) for skip in skips) for cell in every]
    assert hit == [any(matches(cell, test) for test in tests) for cell in every]
    left = [space.id_of(cell) for cell, skipped in zip(every, hit, strict=True) if not skipped]
    assert [space.id_of(cell) for cell in space.cells()] == left
    assert [space.skipped(cell) for cell in every] == hit
    assert designs.tally(axes, skips).cells == len(left)
    baseline = {"a": "a1", "c": "c0"}
    near = [space.id_of(cell) for cell, _ in space.near(baseline)]
    assert designs.tally(axes, skips, baseline=baseline).cells == len(near) == len(set(near) & set(left))
    pivots = by_pivot(tests)
    for cell in every:
        found = {n for at, table in pivots.items() for n, rest in table.get(cell[at].index, ()) if matches(cell, rest)}
        assert found == {number for number, test in enumerate(tests) if matches(cell, test)}
    assert Masks(tests, [5, 4, 3]).every == (1 << len(tests)) - 1


def test_a_large_axis_is_planned_like_a_small_one(plan, axis, monkeypatch):
    """Choices that are made when asked for: the same ids, names and hashes."""
    axes = (axis("s", ["x", "y"]), rows(40))

    def planned():
        made = plan("{{ s }} {{ item.name }}", *axes, seeds=2)
        return [(r.variant.id, r.request_hash, r.files, r.sequence) for r in made.requests()]

    small = planned()
    for module in ("product", "stream"):
        monkeypatch.setattr(f"promptlab.plan.{module}.LARGE", 8)
    assert planned() == small
    assert LARGE > 40


def grows(work: Callable[[int], object], small: int) -> float:
    """How many times longer four times the work takes, in CPU time of this process; the best of two."""

    def spent(size: int) -> float:
        started = time.process_time()
        work(size)
        return time.process_time() - started

    return min(spent(4 * small) for _ in range(2)) / max(min(spent(small) for _ in range(2)), 0.001)


CASES = {
    "rows with their own n": lambda plan, match, n: plan("{{ item.name }}", rows(n, own=True)),
    "as many overrides": lambda plan, match, n: plan(
        "{{ item.name }}", rows(n), override=tuple(Override(match(item=f"S{i}"), {"n": "2"}) for i in range(n))
    ),
    "as many skips": lambda plan, match, n: plan(
        "{{ item.name }}", rows(2 * n), skip=tuple(match(item=f"S{i}") for i in range(n))
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_four_times_the_input_takes_four_times_the_work(case, plan, match):
    """Not sixteen times: the line is drawn at nine, for noise."""

    def work(size: int) -> None:
        made = CASES[case](plan, match, size)
        made.count()
        made.survey()

    assert grows(work, 1000) < 9


def test_a_sample_from_large_axes_asks_a_part_of_their_values(monkeypatch):
    """A draw from 10,000 values asks some 64 weights and a twig's names, not ten thousand."""
    asked: list[int] = []
    plain = designs._weighted
    monkeypatch.setattr(designs, "_weighted", lambda text, weights: asked.append(len(weights)) or plain(text, weights))
    space = Space([Axis(name, tuple(Value(f"{name}{i}", "") for i in range(10_000))) for name in "abc"])
    found = list(designs.choose(Design("sample", 200), space, None).cells())
    assert len({space.id_of(cell) for cell in found}) == 200
    assert sum(asked) <= 3 * 256 * 64


def test_a_large_axis_draws_evenly_and_keeps_its_draws():
    """Each of 2,000 values is as likely; a value more moves few draws, and those to itself or its neighbours."""
    names = [f"S{i}".encode() for i in range(2000)]
    tree, grown = designs._Tree(names), designs._Tree([*names, b"new"])
    before = [winner for block in range(125) for winner in tree.winners(0, block)]
    after = [winner for block in range(125) for winner in grown.winners(0, block)]
    assert sum(a != b for a, b in zip(before, after, strict=True)) <= 0.004 * len(before)
    counts = [before.count(index) for index in range(0, 2000, 20)]
    assert 250 < sum(counts) < 560  # 400 expected of a hundred values
    halves = sum(winner < 1000 for winner in before)
    assert 3750 < halves < 4250


def test_a_large_axis_is_held_once(plan):
    """A plan of 12,000 rows keeps a few bytes per row: choices, slugs and contexts are made when needed."""
    axis = rows(12_000)
    plan("{{ item.name }}", rows(10)).survey()
    tracemalloc.start()
    made = plan("{{ item.name }}", axis)
    made.count()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 40 * 12_000
    assert made.count().variants == 12_000
