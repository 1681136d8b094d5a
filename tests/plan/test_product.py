"""The product of the axes: conditions, skips, order, and counting without walking."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.errors import InputError
from promptlab.model import Axis, Design, Value
from promptlab.plan.designs import tally
from promptlab.plan.product import Space


def plain(name: str, size: int, when=None) -> Axis:
    return Axis(name, tuple(Value(f"{name}{i}", f"{name}{i}") for i in range(size)), when=when)


@st.composite
def spaces(draw):
    """Small axes, some of them conditional on an earlier or a later one, and a few skips."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    axes = [plain(f"a{i}", size) for i, size in enumerate(sizes)]

    def matcher(names):
        picked = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
        return {
            f"a{i}": frozenset(draw(st.sets(st.sampled_from([f"a{i}{j}" for j in range(4)]), min_size=1)))
            for i in picked
        }

    for i in range(1, len(axes)):
        if draw(st.booleans()):
            axes[i] = Axis(axes[i].name, axes[i].values, when=matcher(list(range(i))))
    axes = draw(st.permutations(axes))
    skip = tuple(matcher(list(range(len(axes)))) for _ in range(draw(st.integers(0, 2))))
    return axes, skip


def brute_force(axes, skip):
    """Every assignment, judged by the words of the specification."""
    found: list[dict] = [{}]
    for axis in axes:
        found = [{**cell, axis.name: value} for cell in found for value in [None, *(v.id for v in axis.values)]]

    def fits(cell, matcher):
        return all(cell.get(name) in ids for name, ids in matcher.items())

    return {
        tuple(sorted((name, value) for name, value in cell.items() if value is not None))
        for cell in found
        if all((cell[a.name] is not None) == (a.when is None or fits(cell, a.when)) for a in axes)
        and not any(fits(cell, matcher) for matcher in skip)
    }


@given(spaces())
@settings(max_examples=150)
def test_cells_are_those_that_the_words_of_the_language_allow(case):
    """Conditional axes multiply only where they apply, in whatever order they are written; skipped cells are gone."""
    axes, skip = case
    space = Space(axes, skip)
    cells = [tuple(sorted(space.axes_of(cell).items())) for cell in space.cells()]
    assert len(cells) == len(set(cells))
    assert set(cells) == brute_force(axes, skip)


@given(spaces(), st.data())
@settings(max_examples=150)
def test_the_count_is_the_number_enumerated(case, data):
    """Counting by groups equals walking, under filters and one_factor as well."""
    axes, skip = case
    space = Space(axes, skip)
    keep = []
    if data.draw(st.booleans()):
        axis = data.draw(st.sampled_from(axes))
        keep = [{axis.name: frozenset([data.draw(st.sampled_from(axis.values)).id])}]
    tests = [space.test(matcher) for matcher in keep]

    def kept(cell):
        return all(cell[at].index in ids for test in tests for at, ids in test)

    assert tally(axes, skip, keep=keep).cells == sum(kept(cell) for cell in space.cells())
    baseline = {axis.name: axis.values[0].id for axis in axes if data.draw(st.booleans())}
    near = [cell for cell, _ in space.near(baseline) if kept(cell)]
    assert tally(axes, skip, keep=keep, baseline=baseline).cells == len(near)


def test_axes_stand_in_the_experiments_order(plan, axis, match):
    """A condition on a later axis changes the order of walking, not the order in which a variant is read."""
    made = plan(
        "{{ style }}{{ grain | default('') }}",
        axis("grain", ["fine", "heavy"], when=match(style="film")),
        axis("style", ["photo", "film"]),
    )
    assert [variant.name for variant in made.variants()] == [
        "style=photo",
        "grain=fine,style=film",
        "grain=heavy,style=film",
    ]


def test_an_absent_axis_is_undefined_in_its_template(plan, axis, match):
    """Where `when` leaves an axis out, `is defined` says so and its name is an error."""
    axes = (axis("style", ["photo", "film"]), axis("grain", ["fine"], when=match(style="film")))
    made = plan("{{ style }}{% if grain is defined %}, {{ grain }}{% endif %}", *axes)
    assert [request.prompt for request in made.requests()] == ["photo", "film, fine"]
    assert [dict(request.axis_values) for request in made.requests()] == [
        {"style": "photo"},
        {"style": "film", "grain": "fine"},
    ]
    with pytest.raises(InputError, match=r"grain.*style=photo"):
        list(plan("{{ style }}, {{ grain }}", *axes).requests())


def test_a_huge_product_is_counted_at_once(plan):
    """10¹² variants are counted in closed form, with images, `--where` and one_factor too."""
    axes = [plain(f"a{i}", 10) for i in range(12)]
    text = " ".join(f"{{{{ a{i} }}}}" for i in range(12))
    started = time.process_time()
    count = plan(text, *axes, seeds=2, params={"n": "3"}).count()
    assert (count.variants, count.requests, count.images, count.exact) == (10**12, 2 * 10**12, 6 * 10**12, True)
    where = [{"a0": frozenset(["a01", "a02"]), "a1": frozenset(["a11"])}]
    assert plan(text, *axes, where=where).count().variants == 2 * 10**10
    near = plan(text, *axes, baseline={f"a{i}": f"a{i}0" for i in range(10)}, design=Design("one_factor"))
    assert near.count().variants == (1 + 10 * 9) * 100
    assert plan(text, *axes, limit=5).count().requests == 5
    assert time.process_time() - started < 2


def test_what_is_too_large_to_count_is_bounded_and_says_so(plan, match):
    """Skips that tie large axes together and tell every value apart leave an upper bound, marked as one."""
    axes = [plain(f"a{i}", 10) for i in range(8)]
    text = " ".join(f"{{{{ a{i} }}}}" for i in range(8))
    skips = tuple(match(**{f"a{i}": f"a{i}{value}" for i in range(8)}) for value in range(10))
    count = plan(text, *axes, skip=skips).count()
    assert (count.variants, count.exact) == (10**8, False)
    count = plan(text, *axes, skip=skips[:1]).count()
    assert (count.variants, count.exact) == (10**8 - 1, True)


def test_images_are_counted_where_n_differs(plan, axis, match):
    """`n` from a value, an override or a parameter axis is added up exactly."""
    made = plan(
        "{{ item }} {{ style }}",
        axis("item", {"a": {"params": {"n": "2"}}, "b": "b"}),
        axis("style", ["x", "y", "z"]),
        axis("params.n", ["1", "4"], kind="param"),
        seeds=2,
    )
    assert made.count().images == sum(request.n for request in made.requests()) == 2 * 3 * 2 * 5
    from promptlab.model import Override

    overridden = plan(override=(Override(match(style="film", item="stool"), {"n": "3"}),))
    assert overridden.count().images == sum(request.n for request in overridden.requests()) == 6
    assert plan(override=(Override(match(style="film"), {"n": "3"}),), limit=2).count().images == 4


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_where_and_limit_narrow_the_plan_and_move_nothing(plan, data):
    """What is left keeps its place, id and hash, and `count` says how much it is."""
    whole = list(plan(seeds=3).requests())
    ids = data.draw(st.sets(st.sampled_from(["photo", "film"]), min_size=1))
    limit = data.draw(st.none() | st.integers(0, 13))
    part = plan(seeds=3, where=[{"style": frozenset(ids)}], limit=limit)
    expected = [r for r in whole if r.variant.axes["style"] in ids][:limit]
    assert list(part.requests()) == expected
    assert [r.sequence for r in whole] == list(range(len(whole)))
    count = part.count()
    assert (count.requests, count.variants) == (len(expected), len({r.variant.id for r in expected}))
    assert len(list(part.variants())) == count.variants
    survey = part.survey()
    assert (survey.requests, survey.variants, survey.complete) == (count.requests, count.variants, True)
