"""What differs only in what the provider drops is one call, and is not paid for twice by mistake."""

from __future__ import annotations

import pytest

from promptlab.errors import InputError
from promptlab.model import ImageSource, Override


def said(made, code: str) -> list:
    return [problem for problem in made.survey().problems if problem.code == code]


def param(axis, name, values):
    return axis(f"params.{name}", values, kind="param")


def test_an_axis_that_the_provider_drops_is_an_error_that_names_it(plan, axis):
    """`params.quality` where no provider takes it: the same call for each value, at the axis' line."""
    made = plan("{{ item }}", axis("item", ["a", "b"]), param(axis, "quality", ["low", "high"]))
    (problem,) = said(made, "same-call")
    assert problem.severity == "error"
    assert "the axis 'params.quality' makes the same calls again for 'high'" in problem.message
    assert "simulator does not take quality" in problem.message
    assert "`draws: 2`" in problem.message
    assert (problem.line, problem.column) == (5, 3)
    with pytest.raises(InputError, match="same-call"):
        made.survey().check()


def test_the_order_of_axes_does_not_matter(plan, axis):
    """The axis that is dropped is named, wherever it stands."""
    made = plan("{{ item }}", param(axis, "quality", ["low", "high"]), axis("item", ["a", "b"]))
    assert ["'params.quality'" in problem.message for problem in said(made, "same-call")] == [True]


def test_values_that_differ_only_in_what_is_dropped_are_named(plan, axis):
    """Of an axis of fields, only the value that repeats another one."""
    values = {
        "plain": {"text": "x"},
        "fine": {"text": "x", "params": {"quality": "high"}},
        "other": {"text": "y", "params": {"quality": "high"}},
    }
    (problem,) = said(plan("{{ look }}", axis("look", values)), "same-call")
    assert "for 'fine'" in problem.message
    assert "other" not in problem.message


def test_negatives_and_seeds_are_dropped_too(plan, axis, target):
    """Of a provider without negative prompts, or without seeds."""
    looks = axis("look", {"a": {"negative_prompt": ["x"]}, "b": {"negative_prompt": ["y"]}})
    assert said(plan("p", looks, to=target(negative_prompt="none")), "same-call")
    assert not said(plan("p", looks), "same-call")
    seeds = param(axis, "seed", ["1", "2"])
    assert said(plan("p", seeds, seeds=None, to=target(seed="none")), "same-call")
    assert not said(plan("p", seeds, seeds=None), "same-call")


def test_strength_without_an_image_is_an_error_as_an_axis(plan, axis):
    """Before anything is enumerated; as a parameter it is only a warning; with an image both are fine."""
    with pytest.raises(InputError) as caught:
        plan("p", param(axis, "strength", ["0.2", "0.4"]))
    (problem,) = caught.value.problems
    assert (problem.code, problem.line) == ("same-call", 5)
    assert "write `image:`" in problem.message
    (warning,) = plan("p", params={"strength": "0.2"}).problems
    assert (warning.code, warning.severity) == ("dropped-parameter", "warning")
    edit = plan("p", param(axis, "strength", ["0.2", "0.4"]), image=ImageSource("https://example.org/a.png"))
    assert not said(edit, "same-call")


@pytest.mark.parametrize(
    "more",
    [
        {"draws": 3},
        {"params": {"quality": "high"}},
        {"where": "params.quality=low"},
        {"override": "n"},
    ],
)
def test_what_is_meant_is_let_through(plan, axis, match, more):
    """Draws, a parameter that is dropped everywhere alike, one value picked, a value that an override makes differ."""
    axes = [axis("item", ["a", "b"])]
    if "draws" not in more and "params" not in more:
        axes.append(param(axis, "quality", ["low", "high"]))
    if "override" in more:
        more = {"override": (Override(match(**{"params.quality": "high"}), {"n": "2"}),)}
    made = plan("{{ item }}", *axes, **more)
    assert not said(made, "same-call")
    assert not made.survey().errors


def test_a_part_of_the_variants_is_only_said(plan, experiment, axis):
    """Where a value repeats calls in some variants and not in others, the repeated calls are counted in a warning."""
    prompts = axis("prompt", {"with": "{{ look }}", "without": "plain"}, kind="prompt")
    looks = axis("look", {"a": {"params": {"quality": "low"}}, "b": {"params": {"quality": "high"}}})
    (problem,) = said(plan(experiment(None, prompts, looks, seeds=2)), "same-call")
    assert problem.severity == "warning"
    assert problem.message.startswith("2 calls are the same as another one, since simulator does not take quality")


def test_equal_requests_are_still_only_sent_once(plan, axis):
    """Nothing is dropped there: that stays a separate warning."""
    made = plan("{{ look }}", axis("look", {"a": "x", "b": "x"}))
    assert not said(made, "same-call")
    assert [problem.severity for problem in said(made, "equal-requests")] == ["warning"]


def test_skips_that_leave_nothing_are_an_error(plan, axis, match):
    """One skip of everything, or several that do it together."""
    axes = (axis("style", ["film", "photo"]), axis("look", ["warm", "neon"]))
    for skip in (
        (match(style=["film", "photo"]),),
        (match(style="film"), match(style="photo", look="warm"), match(look="neon")),
    ):
        with pytest.raises(InputError, match=r"leave no variant at all.*\[all-skipped\]"):
            plan("{{ style }} {{ look }}", *axes, skip=skip)
    assert plan("{{ style }} {{ look }}", *axes, skip=(match(style="film"),)).count().variants == 2


def test_a_skipped_baseline_is_an_error(plan, axis, match):
    """Also where it names some of the axes and every cell with those values is skipped."""
    axes = (axis("style", ["film", "photo"]), axis("look", ["warm", "neon"]))
    text = "{{ style }} {{ look }}"
    skip = (match(style="film", look="warm"),)
    with pytest.raises(InputError, match=r"the baseline style=film, look=warm is skipped.*\[skipped-baseline\]"):
        plan(text, *axes, skip=skip, baseline={"style": "film", "look": "warm"})
    assert plan(text, *axes, skip=skip, baseline={"style": "film"}).count().variants == 3
    with pytest.raises(InputError, match="skipped-baseline"):
        plan(text, *axes, skip=(*skip, match(style="film", look="neon")), baseline={"style": "film"})


@pytest.mark.parametrize(
    ("override", "axes", "silent"),
    [
        ({"params": {"aspect_ratio": "16:9"}}, {}, True),
        ({"params": {"aspect_ratio": "1:1"}}, {}, False),
        ({"params": {"output_format": "webp"}}, {"params.output_format": ["png", "jpg"]}, False),
        ({"negative_prompt": ("blurry",)}, {}, False),
        ({"negative_prompt": ("dull",)}, {}, True),
        ({}, {}, False),
    ],
)
def test_an_override_without_effect_is_said(plan, axis, match, override, axes, silent):
    """What it sets is set already, or a parameter axis comes after it."""
    more = [param(axis, name.removeprefix("params."), values) for name, values in axes.items()]
    made = plan(
        "{{ style }}", axis("style", ["film", "photo"]), *more,
        negative_prompt=("blurry",), override=(Override(match(style="film"), **override),),
    )  # fmt: skip
    found = said(made, "no-effect")
    assert (not found) is silent
    assert all(problem.severity == "warning" for problem in found)


def test_a_huge_count_of_draws_is_counted_without_making_them(plan):
    """Thirty million of one variant: counted at once, and looked at as far as asked, whoever lets that pass."""
    made = plan("p", draws=30_000_000)
    assert made.count().requests == 30_000_000
    survey = made.survey(at_most=100)
    assert (survey.requests, survey.complete) == (100, False)
    assert next(made.requests()).draw == 0
