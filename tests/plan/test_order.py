"""The order in which requests are sent: every variant takes its turn before one has a second."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.plan import stream
from promptlab.prompts import Template


def order(made, **how) -> list[tuple[str, int | None, int]]:
    return [(request.variant.name, request.seed, request.draw) for request in made.requests(**how)]


def test_seeds_are_outermost(plan, axis):
    """A model that changes half-way changes for all variants alike; sequences are the places in this order."""
    made = plan("{{ s }}", axis("s", ["a", "b"]), seeds=(1, 2), draws=2)
    assert order(made) == [
        (f"s={value}", seed, draw) for seed in (1, 2) for draw in (0, 1) for value in ("a", "b")
    ]  # fmt: skip
    assert [request.sequence for request in made.requests()] == list(range(8))


def test_by_variant_is_the_other_order(plan, axis):
    """`order: by_variant` sends all of a variant together; nothing else changes, not a hash."""
    made = plan("{{ s }}", axis("s", ["a", "b", "c"]), seeds=(1, 2))
    other = plan(replace(made.experiment, order="by_variant"))
    assert order(other) == [(f"s={value}", seed, 0) for value in "abc" for seed in (1, 2)]
    assert [request.sequence for request in other.requests()] == list(range(6))
    assert {r.request_hash for r in made.requests()} == {r.request_hash for r in other.requests()}
    assert {r.variant.id for r in made.requests()} == {r.variant.id for r in other.requests()}
    assert order(made, by_variant=True) == order(other)


def test_a_limit_gives_every_variant_its_first_seed_first(plan, axis):
    """The first N in the sending order."""
    made = plan("{{ s }}", axis("s", ["a", "b", "c"]), seeds=4, limit=4)
    assert [name for name, *_ in order(made)] == ["s=a", "s=b", "s=c", "s=a"]
    assert (made.count().variants, made.count().requests) == (3, 4)


@given(
    st.integers(1, 7), st.integers(1, 3), st.integers(1, 2), st.integers(1, 5),
    st.sets(st.integers(0, 6), min_size=1), st.none() | st.integers(0, 50), st.booleans(),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_blocks_where_and_limit_agree_with_a_plain_model(plan, axis, size, seeds, draws, block, kept, limit, by):
    """Whatever the block: the whole plan's order cut into blocks, filtered, then limited; counts and survey agree."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "BLOCK", block)
        plain = plan("{{ s }} {{ k }}", axis("s", [f"s{i}" for i in range(size)]),
                     axis("k", {"x": {"params": {"n": "2"}}}),
                     seeds=seeds, draws=draws)  # fmt: skip
        what = replace(plain.experiment, order="by_variant" if by else "interleaved")
        where = {"s": frozenset(f"s{i}" for i in kept if i < size)}
        if not where["s"]:
            return
        step = 1 if by else block
        expected = []
        numbered = 0
        for first in range(0, size, step):
            names = [f"s{i}" for i in range(first, min(first + step, size))]
            for turn in range(seeds * draws):
                for name in names:
                    expected.append((numbered, name, turn))
                    numbered += 1
        chosen = [each for each in expected if each[1] in where["s"]]
        chosen = chosen if limit is None else chosen[:limit]
        made = plan(what, where=where, limit=limit)
        found = list(made.requests())
        assert [(r.sequence, r.variant.axes["s"]) for r in found] == [(number, name) for number, name, _ in chosen]
        assert [(r.seed_index or 0) * draws + r.draw for r in found] == [turn for *_, turn in chosen]
        variants = {name for _, name, _ in chosen}
        count = made.count()
        assert (count.variants, count.requests, count.images) == (len(variants), len(chosen), 2 * len(chosen))
        assert {variant.axes["s"] for variant in made.variants()} == variants
        survey = made.survey()
        assert (survey.variants, survey.requests, survey.distinct) == (len(variants), len(chosen), len(chosen))


def test_interleaving_renders_each_variant_once(plan, axis, monkeypatch):
    """However many seeds go round."""
    rendered = counted(monkeypatch)
    made = plan("{{ s }}", axis("s", [f"s{i}" for i in range(50)]), seeds=20)
    assert sum(1 for _ in made.requests()) == 1000
    assert len(rendered) == 50


def counted(monkeypatch) -> list[int]:
    """A list that grows by one with each prompt that a template makes."""
    made: list[int] = []
    bind = Template.bind

    def bound(self, constants, tables):
        fill = bind(self, constants, tables)
        return lambda indices: made.append(1) or fill(indices)

    monkeypatch.setattr(Template, "bind", bound)
    return made


@pytest.mark.parametrize("seeds", [None, 3])
def test_what_a_survey_rendered_is_not_rendered_again(plan, axis, monkeypatch, seeds):
    """A run asks for its requests several times: a plan of some thousand variants makes each prompt once."""
    rendered = counted(monkeypatch)
    made = plan("{{ s }} {{ t }}", axis("s", [f"s{i}" for i in range(50)]), axis("t", ["a", "b"]), seeds=seeds)
    plain = list(made.requests())
    rendered.clear()
    made.survey().check()
    assert [list(made.requests()), list(made.requests()), made.steps()[0].count] == [plain, plain, 100]
    assert len(rendered) == 100


def test_what_is_kept_is_bounded(plan, axis, monkeypatch):
    """A plan too large to keep is rendered by each pass, and gives the same requests."""
    rendered = counted(monkeypatch)
    made = plan("{{ s }}", axis("s", [f"s{i}" for i in range(50)]), seeds=2)
    plain = list(made.requests())
    monkeypatch.setattr(stream, "KEPT", 50 * stream.KEPT_EACH)  # their prompts no longer fit
    made.survey()
    rendered.clear()
    assert list(made.requests()) == plain
    assert len(rendered) == 50


def test_interleaving_looks_a_block_ahead_and_no_further(plan, axis, monkeypatch):
    """So that a plan streams: a block's variants are held while their seeds go round, the rest is not made yet."""
    monkeypatch.setattr(stream, "BLOCK", 10)
    made = plan("{{ s }}", axis("s", [f"s{i}" for i in range(100)]), seeds=3)
    chosen = made._whole.parts.chosen
    drawn: list[int] = []
    cells = chosen.cells
    monkeypatch.setattr(chosen, "cells", lambda: (drawn.append(1) or cell for cell in cells()))
    for number, _ in enumerate(made.requests()):
        assert len(drawn) <= 10 * (number // 30 + 1)
    assert len(drawn) == 100
