"""What is found before anything is rendered: undefined names and fields, in all branches and all files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptlab.errors import InputError
from promptlab.model import Place, Source
from promptlab.prompts import CODES, Library

KNOWN: dict[str, frozenset[str] | None] = {
    "subject": None,
    "style": frozenset(),
    "look": frozenset({"light", "mood"}),
    "tags": None,
}


def found(template: Any, known: Any = None) -> list[str]:
    return [f"{p.place} {p.code}" for p in template.problems(KNOWN if known is None else known)]


def test_the_message_is_complete_on_its_first_line(studio: Any) -> None:
    """The shape of SPEC.md, with source line and caret after it."""
    template = studio.template(portrait="a portrait\nof {{ style }}, and of a {{ subjct }}")
    (problem,) = template.problems(KNOWN)
    assert str(problem).splitlines() == [
        "templates/portrait.j2:2:29: undefined variable 'subjct'; did you mean 'subject'? [undefined-variable]",
        "    of {{ style }}, and of a {{ subjct }}",
        "                                ^",
    ]


BOUND = [
    "{% set x = 1 %}{{ x }}",
    "{% if style %}{% set x = 1 %}{% else %}{% set x = 2 %}{% endif %}{{ x }}",
    "{% if style %}{% set x = 1 %}{% endif %}{{ x }}",
    "{% for x in tags %}{{ x }}{{ loop.index }}{% endfor %}",
    "{% for x, y in tags if x %}{{ y }}{% else %}{{ style }}{% endfor %}",
    "{% macro m(x, y=style) %}{{ x }}{{ y }}{{ varargs }}{{ kwargs }}{{ caller() }}{% endmacro %}{{ m(1) }}",
    "{% macro m() %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}",
    "{% macro unused() %}{{ nope }}{% endmacro %}",
    "{% macro m() %}{% endmacro %}{% call(x) m() %}{{ x }}{% endcall %}",
    "{% with x = 1 %}{{ x }}{% endwith %}",
    "{% set x %}a{% endset %}{{ x }}",
    "{% set x, y = tags %}{{ x }}{{ y }}",
    "{% set n = namespace(x=1) %}{% set n.x = 2 %}{{ n.x }}",
    "{% set x = 1 %}{% block b %}{{ x }}{% endblock %}",
    "{% block a %}{{ self.b() }}{% endblock %}{% block b %}{% endblock %}",
    "{{ x | default('a') }}{{ look.z | default('a') }}",
    "{% if x is defined %}{{ x }}{% endif %}",
    "{% if x is not defined %}{% else %}{{ x }}{% endif %}",
    "{{ look.light }}{{ look['mood'] }}{{ look.upper() }}{{ style.lower() }}{{ subject.anything }}",
    "{{ range(2) | list | first }}{{ dict(a=1).a }}{{ joiner() }}",
    "{# {{ nope }} #}{% raw %}{{ nope }}{% endraw %}",
    "{{ 'x' if true else none }}",
    "{{ tags | map(attribute='nope') | join }}",
]

UNBOUND = {
    "{{ x }}": ["1:4 undefined-variable"],
    "{{ x }}{% set x = 1 %}": ["1:4 undefined-variable"],
    "{% if false %}{{ x }}{% endif %}": ["1:18 undefined-variable"],
    "{% if style %}{% else %}{{ 'a' if x else y }}{% endif %}": ["1:35 undefined-variable", "1:42 undefined-variable"],
    "{% for a in x %}{{ a }}{% endfor %}{{ a }}": ["1:13 undefined-variable", "1:39 undefined-variable"],
    "{% for a in tags %}{% set x = 1 %}{% endfor %}{{ x }}": ["1:50 undefined-variable"],
    "{% for a in tags if x %}{% endfor %}": ["1:21 undefined-variable"],
    "{% macro m(a=x) %}{{ y }}{% endmacro %}\n{{ m() }}": ["1:14 undefined-variable", "1:22 undefined-variable"],
    "{% macro m() %}{{ caller(x) }}{% endmacro %}{{ m() }}": ["1:26 undefined-variable"],
    "{% with a = x %}{% endwith %}": ["1:13 undefined-variable"],
    "{% set a = x ~ style.upper() %}": ["1:12 undefined-variable"],
    "{% filter replace('a', x) %}{% endfilter %}": ["1:24 undefined-variable"],
    "{{ style | replace('x', x) }}": ["1:25 undefined-variable"],
    "{{ {'x': x}['x'] }}": ["1:10 undefined-variable"],
    "x x {{ 'x' ~ x }}": ["1:14 undefined-variable"],
    "{{ look.lihgt }}": ["1:9 undefined-field"],
    "{{ look['lihgt'] }}": ["1:10 undefined-field"],
    "{{ style.light }}": ["1:10 undefined-field"],
    "{% if false %}{{ look.light ~ look.moood }}{% endif %}": ["1:36 undefined-field"],
    "{{ x }}\n{{ x }}\n{{ x }}": ["1:4 undefined-variable"],
    "{{ loop.index }}": ["1:4 undefined-variable"],
    "{{ caller() }}": ["1:4 undefined-variable"],
    "{{ subjct | default('a') }}": ["1:4 defaulted-variable"],
    "{{ lipsum() }}": ["1:4 undefined-variable"],
    "{% include 'sub.j2' %}": ["sub.j2:2:4 undefined-variable"],
    "{% for nope in tags %}{% include 'sub.j2' %}{% endfor %}": [],
    "{% include 'sub.j2' without context %}": ["sub.j2:2:4 undefined-variable", "sub.j2:2:14 undefined-variable"],
    "{% import 'lib.j2' as lib %}{{ lib.one(1) }}": ["lib.j2:1:22 undefined-variable"],
    "{% import 'lib.j2' as lib with context %}{{ lib.one(1) }}": [],
    "{% from 'lib.j2' import two %}{{ two(1) }}": [],
    "{% from 'lib.j2' import two as t %}{{ t(1) }}{{ two }}": ["1:49 undefined-variable"],
    "{% import 'lib.j2' as lib %}{{ lib.twoo(1) }}": ["1:36 undefined-macro"],
    "{% from 'lib.j2' import twoo %}": ["1:25 undefined-macro"],
    "{% set two = 1 %}{% import 'lib.j2' as lib %}{% set t = lib %}{{ t.two(1) }}": [],
    "{% extends 'base.j2' %}": ["base.j2:2:17 undefined-variable"],
    "{% extends 'base.j2' %}{{ nowhere }}{% block a %}{{ style }}{% endblock %}": [],
    "{% extends 'base.j2' %}{% block a %}{{ super() }}{% endblock %}": ["base.j2:2:17 undefined-variable"],
    "{% extends 'base.j2' %}{% block a %}{{ x }}{% endblock %}": ["1:40 undefined-variable"],
    "{% extends 'base.j2' %}{% set lens = 1 %}": [],
    "{% extends 'base.j2' %}{% block a %}{% endblock %}{% block aa %}{{ x }}{% endblock %}": ["1:60 unused-block"],
}


@pytest.fixture
def files(studio: Any) -> Any:
    return studio.write(
        sub="\n{{ nope }}{{ style }}",
        lib="{% macro one(a) %}{{ style }}{% endmacro %}{% macro two(a) %}{{ a }}{% endmacro %}",
        base="base\n{% block a %}{{ lens }}{% endblock %}",
    )


@pytest.mark.parametrize("source", BOUND)
def test_what_is_bound_is_not_undefined(files: Any, source: str) -> None:
    """set, for, macro arguments, with, call, imports, blocks, branches, defaults and tests all bind or guard."""
    assert found(files.template(t=source)) == []


@pytest.mark.parametrize(("source", "places"), UNBOUND.items())
def test_what_is_not_bound_is_found_at_its_place(files: Any, source: str, places: list[str]) -> None:
    """Every branch, every file that is used, every macro that is called; each name once for each file."""
    expected = [f"templates/{place if '.j2' in place else 't.j2:' + place}" for place in places]
    if "unused-block" in str(places):
        expected = ["templates/t.j2:1:60 unused-block"]
    assert found(files.template(t=source)) == expected


def test_names_and_fields_are_those_of_the_whole(files: Any) -> None:
    """names and fields are over the closure, also where a default would do; a blind import adds nothing."""
    template = files.template(
        t="{% extends 'base.j2' %}{% import 'lib.j2' as lib %}"
        "{% block a %}{{ lib.one(x) }}{{ y | d('') }}{{ look.light }}{{ look['mood'] }}{{ super() }}{% endblock %}"
    )
    assert template.names == {"x", "y", "look", "lens"}
    assert template.fields == {"look": {"light", "mood"}}


def test_a_declared_variable_without_a_value_is_named_with_its_description(studio: Any) -> None:
    """A declaration with a default defines the name; without one, the message says what is wanted."""
    head = "---\nvars:\n  product: {type: string, description: what is sold}\n  tags: {default: []}\n---\n"
    (problem,) = studio.template(t=head + "{{ product }}{{ tags }}").problems({})
    assert "undefined variable 'product' (what is sold)" in problem.message
    assert problem.place == "templates/t.j2:6:4"


def test_front_matter_of_an_included_file_is_told_to_have_no_effect(studio: Any) -> None:
    """Negatives and parameters come from base templates; elsewhere they are a warning, not silence."""
    template = studio.template(t="{% include 'part.j2' %}", part="---\nnegative_prompt: x\n---\n")
    (problem,) = template.problems({})
    assert (problem.severity, problem.code, problem.place) == (
        "warning",
        "ignored-front-matter",
        "templates/part.j2:2:1",
    )


FAULTS = {
    "{{ a": [("template-syntax", 1)],
    "a\n{% if %}": [("template-syntax", 2)],
    "{% endif %}": [("template-syntax", 1)],
    "{% nope %}": [("template-syntax", 1)],
    "{{ 'a }}": [("template-syntax", 1)],
    "{{ a | uper }}": [("unknown-filter", 1)],
    "{% if a %}\n{{ a | uper }}{{ a is defned }}{% endif %}": [("unknown-filter", 2), ("unknown-test", 2)],
    "{% include x %}": [("computed-include", 1)],
    "\n{% include 'a' ~ '.j2' %}": [("computed-include", 2)],
    "{% extends 'a.j2' if x else 'b.j2' %}": [("computed-include", 1)],
    "{% import x as y %}": [("computed-include", 1)],
    "{% from x import y %}": [("computed-include", 1)],
    "{% include ['a.j2', x] %}": [("computed-include", 1)],
    "{% include [] %}": [("computed-include", 1)],
    "{% include 'nope.j2' %}\n{% extends 'nope.j2' %}": [("template-missing", 1), ("template-missing", 2)],
    "{% include '../x.j2' %}": [("template-path", 1)],
    "{% include '/etc/passwd' %}": [("template-path", 1)],
    "{% include 't.j2' %}": [("template-cycle", 1)],
    "{% import 't.j2' as t %}": [("template-cycle", 1)],
    "{% extends 't.j2' %}": [("template-cycle", 1)],
    "{% include 'b.j2' %}": [("template-cycle", 1)],
    "{% block a %}{% endblock %}{% block a %}{% endblock %}": [("template-syntax", 1)],
    "{% for a in b recursive %}{% endfor %}": [("template-feature", 1)],
    "{% autoescape false %}{% endautoescape %}": [("template-feature", 1)],
    "{{ a.__class__ }}": [("template-sandbox", 1)],
    "{% trans %}a{% endtrans %}": [("template-syntax", 1)],
    "{% for a in b %}{% break %}{% endfor %}": [("template-syntax", 1)],
    "{% for loop in b %}{% endfor %}": [("template-syntax", 1)],
    "{% if x %}{% for a in b %}{% extends 'c.j2' %}{% endfor %}{% endif %}": [("template-syntax", 1)],
}


@pytest.mark.parametrize(("source", "faults"), FAULTS.items())
def test_what_cannot_run_is_refused_with_all_its_faults(studio: Any, source: str, faults: list[Any]) -> None:
    """A template is refused as it is loaded, with every problem, each with a line and a documented code."""
    studio.write(b="{% include 't.j2' %}", c="")
    with pytest.raises(InputError) as caught:
        studio.template(t=source)
    assert [(problem.code, problem.line) for problem in caught.value.problems] == [
        (code, line if code != "template-cycle" or "'b.j2'" not in source else 1) for code, line in faults
    ]
    assert {problem.code for problem in caught.value.problems} <= CODES.keys()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ a | uper }}", "templates/t.j2:1:8: unknown filter 'uper'; did you mean 'upper'?"),
        ("{{ a is defned }}", "templates/t.j2:1:9: unknown test 'defned'; did you mean 'defined'?"),
        ("{% include 'ligth.j2' %}", "templates/t.j2:1:13: there is no template 'ligth.j2'; did you mean 'light.j2'?"),
        ("a\n{{ a b }}", "templates/t.j2:2:6: expected token 'end of print statement', got 'b'"),
    ],
)
def test_a_fault_names_the_nearest_and_the_column(studio: Any, source: str, message: str) -> None:
    """Filters, tests and files are suggested like variables."""
    studio.write(light="")
    with pytest.raises(InputError) as caught:
        studio.template(t=source)
    assert str(caught.value).startswith(message)


def test_faults_of_all_files_come_together(studio: Any) -> None:
    """What is wrong in an included file and in the front matter is reported at once with the rest."""
    with pytest.raises(InputError) as caught:
        studio.template(t="---\ndescripton: x\n---\n{{ a | uper }}{% include 'b.j2' %}", b="\n{{ a is nope }}")
    assert [(p.path, p.line, p.code) for p in caught.value.problems] == [
        ("templates/b.j2", 2, "unknown-test"),
        ("templates/t.j2", 2, "unknown-key"),
        ("templates/t.j2", 4, "unknown-filter"),
    ]


EXPERIMENT = """\
prompts:
  calm: "{{ item }} on linen, {{ stile }}"
  bold: >-
    {{ item }} in
    hard {{ lihgt }}
  plain: a {{ stile }}
"""


@pytest.mark.parametrize(
    ("text", "line", "column", "found"),
    [
        ("{{ item }} on linen, {{ stile }}", 2, 9, (2, 34)),
        ("{{ item }} in\nhard {{ lihgt }}", 3, 9, (5, 13)),
        ("{{ item }} in hard {{ lihgt }}", 3, 9, (5, 13)),  # folded
        ("a {{ stile }}", 6, 10, (6, 15)),
    ],
)
def test_a_problem_of_an_inline_prompt_points_into_the_experiment(
    studio: Any, text: str, line: int, column: int, found: tuple[int, int]
) -> None:
    """In quotes, in a block and plain: the caret stands under the name in the YAML file."""
    (studio.root / "exp.yaml").write_text(EXPERIMENT)
    template = studio.library().inline(Source("prompt", text, Place("exp.yaml", line, column)), "calm")
    (problem,) = template.problems({"item": None, "style": None, "light": None})
    assert (problem.path, problem.line, problem.column) == ("exp.yaml", *found)
    assert template.path == "exp.yaml"


def test_an_inline_prompt_without_its_file_still_has_its_place() -> None:
    """A run from the log has no experiment file: the value's own place and text are given."""
    template = Library(Path("/nowhere")).inline(Source("prompt", "a {{ b }}", Place("gone.yaml", 4, 7)), "p")
    (problem,) = template.problems({})
    assert (problem.place, problem.source) == ("gone.yaml:4:7", "a {{ b }}")


HEADS = {
    "description: [a]": ("wrong-type", 2, 14),
    "negatve_prompt: a": ("unknown-key", 2, 1),
    "vars: {a: {tpe: string}}": ("unknown-key", 2, 12),
    "vars: {a: {type: strin}}": ("bad-value", 2, 18),
    "vars: {a: {type: integer, default: x}}": ("variable-type", 2, 36),
    "vars: {a b: {}}": ("bad-value", 2, 8),
    "vars: [a]": ("wrong-type", 2, 7),
    "params: x": ("wrong-type", 2, 9),
    "params: {n: [1]}": ("wrong-type", 2, 13),
    "whitespace: keeep": ("bad-value", 2, 13),
    "negative_prompt: ['{{ a }}']": ("template-in-data", 2, 19),
    "description: {{ a }}": ("unquoted-template", 2, 14),
    "description: a\ndescription: b": ("duplicate-key", 3, 1),
    "description: 'a": ("yaml-syntax", 2, 14),
    "description: *a": ("front-matter", 2, 14),
    "description: &a b": ("front-matter", 2, 14),
    "params: {a: " + "[" * 60: ("front-matter", 2, 20),
    "negative_prompt: [" + "a," * 3000 + "]": ("front-matter", 2, 4013),
}


def test_a_front_matter_nested_without_end_is_refused_whatever_the_library_says(studio: Any) -> None:
    """libyaml reads ahead, and has its own limit in some versions: the code and the line are the same."""
    with pytest.raises(InputError) as caught:
        studio.template(t="---\nparams: {a: " + "[" * 20_000 + "\n---\n")
    problem = caught.value.problems[0]
    assert (problem.code, problem.line) == ("front-matter", 2)
    assert "nested more than 8 deep" in problem.message


@pytest.mark.parametrize(("head", "place"), HEADS.items())
def test_a_wrong_front_matter_is_refused_at_its_place(studio: Any, head: str, place: tuple[str, int, int]) -> None:
    """Unknown keys, wrong types, template text in data, aliases and bombs: line and column in the file."""
    with pytest.raises(InputError) as caught:
        studio.template(t=f"---\n{head}\n---\n")
    problem = caught.value.problems[0]
    assert (problem.code, problem.line, problem.column) == place


def test_front_matter_without_an_end_is_an_error(studio: Any) -> None:
    """The text that follows would silently not be rendered."""
    with pytest.raises(InputError, match="has no end"):
        studio.template(t="---\ndescription: x\n\na prompt")


def test_front_matter_of_a_base_comes_first(studio: Any) -> None:
    """Negatives add up, the base's first; parameters and declarations of the template win; texts stay as written."""
    template = studio.template(
        t="---\ndescription: own\nnegative_prompt: text artefacts\nparams: {aspect_ratio: 16:9}\n---\n"
        "{% extends 'base.j2' %}",
        base="---\ndescription: base\nnegative_prompt: [deformed, blurry]\nparams: {n: 01, aspect_ratio: 4:3}\n"
        "vars: {a: {default: NO}}\n---\n{{ a }}",
    )
    assert template.description == "own"
    assert template.negative_prompt == ("deformed", "blurry", "text artefacts")
    assert template.params == {"n": "01", "aspect_ratio": "16:9"}
    assert template.param_places["aspect_ratio"] == Place("templates/t.j2", 4, 24)
    assert template.declared["a"].default == "NO"
    assert template.render({}) == "NO"
