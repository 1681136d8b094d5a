"""Negative prompts add up and parameters override, always in the same order."""

from __future__ import annotations

import pytest

from promptlab.model import Axis, Override, Source, Value
from promptlab.plan.merging import split_parts


@pytest.mark.parametrize(
    ("texts", "parts"),
    [
        (["blurry, watermark", "low quality"], ("blurry, watermark", "low quality")),
        (["Blurry", "blurry", "x", " Blurry "], ("Blurry", "blurry", "x")),
        (["  low \n quality "], ("low quality",)),
        ([], ()),
        (["cafe\u0301", "caf\u00e9"], ("caf\u00e9",)),
    ],
)
def test_parts_are_cleaned_and_told_once(texts, parts):
    """A part is a list's item or a whole text, commas included; an exact repeat is dropped."""
    assert split_parts(texts) == parts


def layered(experiment, axis, match, **more):
    return experiment(
        None,
        axis("zoo", {"z": {"negative_prompt": ["from zoo"], "params": {"output_format": "webp"}}}),
        axis("alp", {"a": {"negative_prompt": ["from alp", "of base"], "params": {"output_format": "jpg"}}}),
        source=Source("template", "shot.j2"),
        negative_prompt=("of experiment",),
        params={"aspect_ratio": "16:9", "output_format": "png"},
        override=(Override(match(zoo="z"), {"n": "2"}, ("of override",)),),
        **more,
    )


@pytest.fixture
def shot(templates):
    (templates / "base.j2").write_text(
        "---\nnegative_prompt: [of base]\nparams: {aspect_ratio: 4:3, n: 4}\n---\na {% block b %}{% endblock %}"
    )
    (templates / "shot.j2").write_text(
        "---\nnegative_prompt: of template\nparams: {aspect_ratio: 3:4}\n---\n"
        '{% extends "base.j2" %}{% block b %}{{ zoo }} {{ alp }}{% endblock %}'
    )


@pytest.mark.usefixtures("shot")
def test_layers_come_in_the_order_of_the_language(plan, experiment, axis, match):
    """Base template, template, experiment, axis values by axis name, override."""
    what = experiment
    (request,) = plan(_with_source(layered, what, axis, match)).requests()
    assert request.negative_prompt == "of base, of template, of experiment, from alp, from zoo, of override"
    assert dict(request.params) == {"aspect_ratio": "16:9", "n": 2, "output_format": "webp"}
    assert request.prompt == "a z a"


def _with_source(build, make, axis, match):
    from dataclasses import replace

    source = Source("template", "shot.j2")

    def making(prompt, *axes, source=source, **more):
        return replace(make("x", *axes, **more), source=source)

    return build(making, axis, match)


def test_parameter_axes_come_last(plan, axis, match):
    """An axis of a parameter decides it, whatever an override says."""
    made = plan(
        "x",
        axis("params.n", ["1", "3"], kind="param"),
        override=(Override(match(**{"params.n": "3"}), {"n": "2"}),),
        params={"n": "4"},
    )
    assert [request.n for request in made.requests()] == [1, 3]
    assert [request.variant.name for request in made.requests()] == ["params.n=1", "params.n=3"]


def test_defaults_stand_beside_what_was_asked(plan):
    """Params hold only what was asked for; the documented rest is in defaults, strength only for edits."""
    request = next(iter(plan(params={"n": "2"}).requests()))
    assert dict(request.params) == {"n": 2}
    assert dict(request.defaults) == {"aspect_ratio": "1:1", "output_format": "png"}
    assert request.model == "gpt-image-2"
    assert request.operation == "generate"


def test_a_template_axis_brings_its_own_front_matter(plan, templates, experiment):
    """Each template's negatives and parameters reach its own variants alone."""
    (templates / "one.j2").write_text("---\nnegative_prompt: dull\nparams: {n: 2}\n---\none")
    (templates / "two.j2").write_text("two")
    axis = Axis("template", (Value("a", "one.j2"), Value("b", "two.j2")), "template")
    from dataclasses import replace

    made = plan(replace(experiment("x", axis), source=None))
    assert [(r.prompt, r.negative_prompt, r.n) for r in made.requests()] == [("one", "dull", 2), ("two", None, 1)]
    assert made.count().images == 3
    assert [(t.value, t.path) for t in made.run_templates] == [("a", "one.j2"), ("b", "two.j2")]
    assert {r.template_id for r in made.requests()} == {t.template_id for t in made.run_templates}


def test_millions_of_shapes_are_not_remembered(plan, axis):
    """An axis whose every row has its own negative prompt is merged as it streams."""
    values = {f"v{i}": {"negative_prompt": [f"word{i}"]} for i in range(5000)}
    made = plan("x", axis("item", values))
    assert [r.negative_prompt for r in made.requests()] == [f"word{i}" for i in range(5000)]
    assert len(made._stream.parts.shaper._memo) < 5000
