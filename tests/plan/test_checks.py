"""Everything that is wrong is reported before money is spent, all at once, with its place and a stable code."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from promptlab.errors import InputError
from promptlab.model import Axis, ImageSource, Override, Place, Source, Value
from promptlab.plan import CODES, ChainImage
from promptlab.spec.load import load_text

FILE = "experiments/e.yaml"


def problems_of(make) -> list:
    try:
        made = make()
    except InputError as error:
        return list(error.problems)
    return list(made.problems)


def codes_of(make) -> set[str]:
    return {problem.code for problem in problems_of(make)}


CASES = {
    "undefined variable": ({}, "{{ itme }} {{ style }}", "undefined-variable", "did you mean 'item'"),
    "unused axis": ({}, "{{ item }}", "unused-axis", "nothing uses the axis 'style'"),
    "mistyped axis": ({}, "{{ item }} {{ styel | default('') }}", "unused-axis", "the template has '{{ styel }}'"),
    "where unknown": ({"where": [{"style": ["x"]}]}, None, "unknown-id", "--where: 'style' has no value 'x'"),
    "unknown parameter": ({"params": {"aspect_ration": "1:1"}}, None, "unknown-parameter", "'aspect_ratio'"),
    "bad parameter": ({"params": {"aspect_ratio": "2:1"}}, None, "bad-parameter", "it can be 1:1, 16:9"),
    "n out of range": ({"params": {"n": "9"}}, None, "bad-parameter", "from 1 to 4"),
    "negative as parameter": ({"params": {"negative_prompt": "x"}}, None, "bad-parameter", "`negative_prompt:`"),
    "async": ({"mode": "async"}, None, "no-async", "mode: auto"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_experiment_is_refused_with_code_and_advice(plan, name):
    """Each fault has its code and says what to do."""
    more, prompt, code, words = CASES[name]
    more = dict(more)
    for key in ("skip", "where"):
        if key in more:
            more[key] = [{axis: frozenset(ids) for axis, ids in matcher.items()} for matcher in more[key]]
    if "skip" in more:
        more["skip"] = tuple(more["skip"])

    def make():
        if prompt is None:
            return plan(**more)
        return plan(prompt, *_default_axes(plan), **more)

    found = [problem for problem in problems_of(make) if problem.severity == "error"]
    assert [problem.code for problem in found] == [code]
    assert words in found[0].message


def _default_axes(plan):
    return plan().experiment.axes


def test_all_errors_come_at_once(plan):
    """The user can fix everything at once."""
    with pytest.raises(InputError) as caught:
        plan("{{ a }} {{ b }}", params={"x": "1", "n": "9"}, mode="async")
    codes = sorted(problem.code for problem in caught.value.problems)
    assert codes == sorted(["undefined-variable"] * 2 + ["unknown-parameter", "bad-parameter", "no-async"])


READ = {
    "skip unknown axis": ("skip: [{stile: film}]", "unknown-axis", "did you mean 'style'"),
    "skip unknown id": ("skip: [{style: flim}]", "unknown-id", "did you mean 'film'"),
    "baseline unknown": ("baseline: {style: x}", "unknown-id", "the axis style has no value 'x'"),
    "one_factor alone": ("design: one_factor", "baseline-missing", "write a `baseline`"),
    "pattern": ("files: '{stile}.{ext}'", "unknown-axis", "did you mean 'style'"),
    "pattern leaves": ("files: '../{style}.{ext}'", "bad-files", "names stay under results/"),
}


@pytest.mark.parametrize("name", READ)
def test_what_the_file_itself_says_is_refused_when_it_is_read(name, tmp_path):
    """Axes, ids, names and the baseline have one check, with their places, before any plan is made."""
    line, code, words = READ[name]
    text = f"prompt: 'a {{{{ style }}}}'\naxes: {{style: [photo, film]}}\n{line}\n"
    with pytest.raises(InputError) as caught:
        load_text(text, tmp_path / "e.yaml", studio=tmp_path, parameters={})
    assert [(problem.code, problem.line) for problem in caught.value.problems] == [(code, 3)]
    assert words in caught.value.problems[0].message


@pytest.mark.parametrize("skip", [{"stile": ["film"]}, {"style": ["flim"]}])
def test_a_matcher_made_in_python_that_names_nothing_is_an_error(plan, match, skip):
    """What no file can hold is not passed over either: it matches nothing."""
    assert codes_of(lambda: plan(skip=(match(**skip),))) == {"matches-nothing"}


def test_an_error_shows_its_line_and_caret(plan, experiment, axis):
    """file:line:column first, then the source line with a caret."""
    text = "prompt: x\naxes:\n  unused: [a]\n"
    what = replace(experiment("x"), text=text, axes=(replace(axis("unused", ["a"]), place=Place(FILE, 3, 3)),))
    with pytest.raises(InputError) as caught:
        plan(what)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(f"{FILE}:3:3: nothing uses the axis 'unused'")
    assert lines[1:] == ["      unused: [a]", "      ^"]


@pytest.mark.parametrize(
    "uses",
    [
        {"axis": {"a": {"params": {"n": "2"}}, "b": {"negative_prompt": ["x"]}}},
        {"skip": "skip"},
        {"override": "override"},
        {"kind": "param"},
    ],
)
def test_an_axis_can_be_used_without_a_template(plan, axis, match, uses):
    """Parameters, negatives and matchers use an axis as well."""
    if uses.get("kind") == "param":
        assert plan("x", axis("params.n", ["1", "2"], kind="param")).count().requests == 2
    elif "axis" in uses:
        assert plan("x", axis("extra", uses["axis"])).count().requests == 2
    elif "skip" in uses:
        assert plan("x", axis("extra", ["a", "b"]), skip=(match(extra="a"),)).count().requests == 1
    else:
        made = plan("x", axis("extra", ["a", "b"]), override=(Override(match(extra="a"), {"n": "2"}),))
        assert made.count().images == 3


@pytest.mark.parametrize("what", ["skip", "override", "when"])
def test_a_matcher_that_no_variant_can_meet_is_an_error(plan, axis, match, what):
    """`grain` is only there for film, so nothing with style=photo has a grain."""
    axes = [axis("style", ["photo", "film"]), axis("grain", ["fine", "heavy"], when=match(style="film"))]
    impossible = match(style="photo", grain="fine")
    more = {"skip": {"skip": (impossible,)}, "override": {"override": (Override(impossible, {"n": "2"}),)}, "when": {}}
    if what == "when":
        axes.append(axis("dust", ["some"], when=impossible))
    text = "{{ style }}{{ grain | default('') }}{{ dust | default('') }}"
    found = problems_of(lambda: plan(text, *axes, **more[what]))
    assert [(p.code, p.message.split()[0]) for p in found if p.severity == "error"] == [("matches-nothing", what)]


def test_conditions_that_wait_for_each_other_are_an_error(plan, axis, match):
    """a when b, b when a: no cell could ever be decided."""
    axes = (axis("a", ["1", "2"], when=match(b="1")), axis("b", ["1", "2"], when=match(a="1")))
    assert codes_of(lambda: plan("{{ a }}{{ b }}", *axes)) == {"when-cycle"}


@pytest.mark.parametrize(
    ("capabilities", "more", "code"),
    [
        ({"seed": "none"}, {}, "dropped-seed"),
        ({"negative_prompt": "none"}, {"negative_prompt": ("x",)}, "dropped-parameter"),
        ({"negative_prompt": "appended"}, {"negative_prompt": ("x",)}, "emulated-parameter"),
        ({}, {"params": {"quality": "high"}}, "dropped-parameter"),
        ({}, {"params": {"strength": "0.5"}}, "dropped-parameter"),
    ],
)
def test_what_is_dropped_is_said_and_with_strict_an_error(plan, target, capabilities, more, code):
    """A warning that names the provider; `strict: true` makes it exit 2."""
    made = plan(to=target(**capabilities), **more)
    assert [(problem.code, problem.severity) for problem in made.problems] == [(code, "warning")]
    found = problems_of(lambda: plan(to=target(**capabilities), strict=True, **more))
    assert [(problem.code, problem.severity) for problem in found] == [(code, "error")]


def test_a_parameter_of_another_provider_stays_in_the_request(plan):
    """So that the provider itself drops it, and the log keeps that it was asked for."""
    assert {r.params["quality"] for r in plan(params={"quality": "high"}).requests()} == {"high"}


CHAINED = """\
prompt: "again, {{ style }}"
axes: {style: [film, ink]}
image: {from: first}
skip: [{source: ID}]
files: "{source}_{style}_{position}.{ext}"
seeds: 1
"""


@pytest.mark.parametrize(("id_", "codes"), [("img0", set()), ("img7", {"unknown-id"})])
def test_the_images_of_a_chain_are_an_axis_for_matchers_and_names(plan, tmp_path, id_, codes):
    """`skip` and `files` may name `source`; its ids are held against the images that the log has."""
    what = load_text(CHAINED.replace("ID", id_), tmp_path / "e.yaml", studio=tmp_path, parameters={})
    images = [ChainImage(f"img{i}", tmp_path / f"{i}.png", str(i) * 64) for i in range(2)]
    assert codes_of(lambda: plan(what, chain=lambda _: images)) == codes
    if not codes:
        made = [request.files for request in plan(what, chain=lambda _: images).requests()]
        assert made == ["img1_film_{position}.{ext}", "img1_ink_{position}.{ext}"]


def test_no_seed_is_noted(plan, target):
    """Not repeatable, where the provider would take a seed; nothing to say where it takes none."""
    assert [problem.code for problem in plan(seeds=None).problems] == ["not-repeatable"]
    assert plan(seeds=None, to=target(seed="none")).problems == []


def test_a_provider_that_cannot_edit_is_an_error(plan, target):
    """Before any image is read."""
    image = ImageSource("https://example.org/a.png")
    assert codes_of(lambda: plan(image=image, to=target(operations=("generate",)))) == {"no-edit"}


def test_a_declared_type_is_checked_at_the_value(plan, templates, experiment):
    """A template that declares a number refuses a text at the axis value's line, once."""
    (templates / "typed.j2").write_text("---\nvars:\n  count: {type: integer}\n---\n{{ count + 1 }} cups")
    axis = Axis("count", (Value("a", "3", place=Place(FILE, 7, 9)), Value("b", "x", place=Place(FILE, 8, 9))))
    what = replace(experiment("x", axis), source=Source("template", "typed.j2"))
    found = problems_of(lambda: plan(what))
    assert [(problem.code, problem.line, problem.column) for problem in found] == [("variable-type", 8, 9)]
    fine = replace(what, axes=(replace(axis, values=axis.values[:1]),))
    assert [request.prompt for request in plan(fine).requests()] == ["4 cups"]


def test_a_missing_template_is_an_error_where_it_is_named(plan, experiment):
    """The place of the reference, not a traceback."""
    what = replace(experiment("x"), source=Source("template", "nope.j2", Place(FILE, 2, 11)))
    (problem,) = problems_of(lambda: plan(what))
    assert (problem.code, problem.line, problem.column) == ("template-missing", 2, 11)


def test_front_matter_parameters_are_checked_where_they_stand(plan, templates, experiment):
    """An unknown or bad parameter of a template points into the template."""
    (templates / "bad.j2").write_text("---\nparams:\n  aspect_ratio: 5:1\n  colour: red\n---\nx")
    found = problems_of(lambda: plan(replace(experiment("x"), source=Source("template", "bad.j2"))))
    assert {(p.code, Path(p.path).name, p.line) for p in found} == {
        ("bad-parameter", "bad.j2", 3),
        ("unknown-parameter", "bad.j2", 4),
    }


def test_every_code_of_this_room_is_documented_in_its_table():
    """The code literals in the sources are the keys of CODES, and nothing else."""
    from promptlab import plan as room

    text = "".join(path.read_text() for path in Path(room.__file__).parent.glob("*.py") if path.name != "codes.py")
    called = r'(?:\.add|_say|Problem|BadSource)\(\s*"([a-z]+(?:-[a-z]+)+)"|code="([a-z-]+)"'
    used = {one or other for one, other in re.findall(called, text)}
    assert used == set(CODES)
