"""The promise of identity: edits that need not cost anything don't."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.model import Axis, Value

WORDS = st.sampled_from(["teapot", "stool", "35mm film", "ink, wash", "日本", "a_b", "A1", 'say "hi"'])


@st.composite
def experiments(draw, make):
    """An experiment of up to four axes whose values may bring negatives and parameters along."""
    names = draw(st.lists(st.sampled_from(["item", "style", "look", "lens"]), min_size=1, max_size=4, unique=True))
    axes = []
    for name in names:
        values = []
        for value_id in draw(st.lists(WORDS, min_size=1, max_size=3, unique=True)):
            negative = tuple(draw(st.lists(st.sampled_from(["blurry", "noise, grain"]), max_size=1)))
            params = draw(st.sampled_from([{}, {"aspect_ratio": "16:9"}, {"n": "2"}]))
            values.append(Value(value_id, value_id, {}, negative, params))
        axes.append(Axis(name, tuple(values)))
    prompt = " on ".join(f"{{{{ {name} }}}}" for name in sorted(names))
    seeds = draw(st.sampled_from([None, 2, (5, 6)]))
    return make(prompt, *axes, seeds=seeds, negative_prompt=("watermark",), draws=draw(st.integers(1, 2)))


def identities(plan):
    return {
        (r.variant.id, r.seed, r.draw): (r.request_hash, r.prompt, r.negative_prompt, dict(r.params))
        for r in plan.requests()
    }


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_the_order_of_axes_moves_nothing(plan, experiment, data):
    """Reordered axes: the same variant ids, seeds, prompts, negatives, parameters and request hashes."""
    what = data.draw(experiments(experiment))
    shuffled = replace(what, axes=tuple(data.draw(st.permutations(what.axes))))
    assert identities(plan(shuffled)) == identities(plan(what))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_an_inserted_value_moves_nothing(plan, experiment, data):
    """Old variants keep id, seeds and hashes wherever a value is inserted."""
    what = data.draw(experiments(experiment))
    index = data.draw(st.integers(0, len(what.axes) - 1))
    values = list(what.axes[index].values)
    values.insert(data.draw(st.integers(0, len(values))), Value("new", "something new"))
    axes = list(what.axes)
    axes[index] = replace(axes[index], values=tuple(values))
    after = identities(plan(replace(what, axes=tuple(axes))))
    assert identities(plan(what)).items() <= after.items()


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_renaming_and_moving_move_nothing(plan, experiment, data):
    """Another file name, experiment name or studio folder: the same ids and hashes."""
    what = data.draw(experiments(experiment))
    moved = replace(what, name="other", path=Path("/elsewhere/x.yaml"), studio=Path("/elsewhere"))
    assert identities(plan(moved)) == identities(plan(what))


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_a_new_axis_costs_nothing_for_the_old_part(plan, experiment, data):
    """With a value that leaves the prompt as it was, every old request hash is there again."""
    what = data.draw(experiments(experiment))
    new = Axis("extra", (Value("none", ""), Value("gold", ", golden")))
    prompt = replace(what.source, text=what.source.text + "{{ extra }}")
    before = {r.request_hash for r in plan(what).requests()}
    after = list(plan(replace(what, source=prompt, axes=(*what.axes, new))).requests())
    assert before == {r.request_hash for r in after if r.variant.axes["extra"] == "none"}


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_a_plan_gives_the_same_requests_each_time(plan, experiment, data):
    """Streams start again and are equal to the letter, in the same order."""
    what = data.draw(experiments(experiment))
    made = plan(what)
    first = list(made.requests())
    assert list(made.requests()) == first == list(plan(what).requests())
    assert made.count().requests == len(first)
    assert [v.id for v in made.variants()] == list(dict.fromkeys(r.variant.id for r in first))
