"""What `plan --explain` prints: the count after each step, and why a variant is in or out."""

from __future__ import annotations

import pytest

from promptlab.errors import InputError
from promptlab.model import Design, Override


@pytest.fixture
def full(plan, axis, match):
    """An experiment that uses every step."""
    axes = (
        axis("style", ["photo", "film"]),
        axis("grain", ["fine", "heavy"], when=match(style="film")),
        axis("item", {"a": "teapot", "b": "stool", "c": "stool"}),
    )
    return plan(
        "{{ item }}, {{ style }}{{ grain | default('') }}",
        *axes,
        skip=(match(grain="heavy", item="c"),),
        override=(Override(match(item="a"), {"n": "2"}, ("dull",)),),
        baseline={"style": "photo", "item": "a"},
        design=Design("one_factor"),
        seeds=2,
        where=[match(style="photo")],
        limit=2,
    )


def test_the_steps_come_in_the_order_of_the_language(full):
    """Each with what is left after it."""
    steps = [(step.name, step.count, step.unit) for step in full.steps()]
    assert steps == [
        ("axes", 12, "variants"),
        ("when", 9, "variants"),
        ("skip", 8, "variants"),
        ("design", 5, "variants"),
        ("override", 5, "variants"),
        ("seeds and draws", 10, "requests"),
        ("equal requests", 8, "requests"),
        ("--where", 6, "requests"),
        ("--limit", 2, "requests"),
    ]


@pytest.mark.parametrize(
    ("selector", "included", "step", "words"),
    [
        ("style=photo,item=a", True, "override", "n=2, negative_prompt + dull"),
        ("style=photo,item=b", True, "--where", "style=photo matches"),
        ("style=photo,item=b", True, "--limit", "is among the first 2 requests"),
        ("style=photo,item=c", False, "--limit", "is not among the first 2 requests"),
        ("style=film,grain=fine,item=a", False, "--where", "does not match"),
        ("style=film,grain=fine,item=b", False, "design", "differs from the baseline in style, item"),
        ("style=film,grain=heavy,item=c", False, "skip", "grain=heavy, item=c matches"),
        ("style=photo,grain=fine,item=a", False, "when", "'grain' does not apply"),
    ],
)
def test_a_variant_learns_which_step_decides_about_it(full, selector, included, step, words):
    """The verdict of each step, up to the one that leaves it out."""
    found = full.explain(selector)
    assert found.included is included
    assert any(reason.step == step and words in reason.text for reason in found.reasons)
    assert [reason.kept for reason in found.reasons[:-1]] == [True] * (len(found.reasons) - 1)


def test_a_variant_can_be_named_by_its_id(full):
    """Any beginning of the id will do, also of one that was left out."""
    named = full.explain({"style": "film", "grain": "heavy", "item": "c"})
    assert full.explain(named.id[:8]) == named


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        ("stile=photo", "did you mean 'style'"),
        ("style=foto,item=a", "did you mean 'photo'"),
        ("style=film,item=a", "add grain="),
        ("feedfacefeedface", "no variant's id begins"),
    ],
)
def test_a_variant_that_is_none_is_an_error(full, selector, words):
    """With the nearest name, or what is missing."""
    with pytest.raises(InputError, match=words):
        full.explain(selector)


def test_a_sample_explains_membership(plan, axis):
    """In or not in the sample, with its seed."""
    made = plan("{{ a }}", axis("a", [str(i) for i in range(20)]), design=Design("sample", 5, 3))
    chosen = {variant.name for variant in made.variants()}
    for i in range(20):
        assert made.explain(f"a={i}").included == (f"a={i}" in chosen)


def test_a_plan_too_large_to_compare_says_so(plan, axis):
    """Equal requests are not counted in what is not walked through."""
    steps = plan(seeds=5).steps(at_most=3)
    assert [(step.count, step.note) for step in steps if step.name == "equal requests"] == [
        (None, "more than 3 are not compared")
    ]
