"""A list of templates without compiling them: the same as the templates themselves would say."""

from __future__ import annotations

import os
import tracemalloc
from typing import Any

import pytest

from promptlab.errors import InputError
from promptlab.prompts.outline import plain_names, references
from promptlab.prompts.sandbox.compiler import Sandbox

TEXTS = [
    "a cup",
    "{{ a }} and {{ b.c.d }}, {{- e | upper -}} {{+ f }}",
    "{{ a | nonsense_free | upper }}",
    "{{ a }} }} {{ 'b' }} {{ c[0] }} {{ d.e() }} {{ f ~ g }}",
    "{{ true }} {{ none }} {{ range(3) | join }} {{ loop }}",
    "{{{ a: 1 }.a }}",
    "{# {{ a }} #} {{ b }}",
    "{% raw %}{{ a }}{% endraw %}{{ b }}",
    "{% set a = 1 %}{{ a }}{{ b }}",
    "{% if x is defined %}{{ x }}{% endif %}{{ y | default('z') }}",
    "{% import 'lib.j2' as lib %}{{ lib.m(a) }}",
    "{% from 'lib.j2' import m with context %}{{ m(a) }}",
    "{% include 'part.j2' %}{{ a }}",
    "{% extends 'base.j2' %}{% block b %}{{ a }}{% endblock %}",
    "{{ größe }} {{ a_b }} {{ A1 }}",
    "---\ndescription: about\nvars:\n  a: {type: integer, default: 3}\n  b: {}\n---\n{{ a }} {{ b }} {{ c }}",
    "---\ndescription: with parts\n---\n{% extends 'base.j2' %}",
    "{{ a }}\r\n{{ b }}\r",
]
OTHERS = {
    "lib": "{% macro m(x) %}{{ x }}{{ hidden }}{% endmacro %}",
    "part": "---\nvars: {p: {type: string}}\n---\n{{ p }}",
    "base": "---\nvars: {q: {default: 1}}\n---\n{{ q }}{% block b %}{{ r }}{% endblock %}",
}


def attempt(load: Any) -> tuple[Any, str]:
    try:
        return load("t.j2"), ""
    except InputError as error:
        return None, str(error)


@pytest.mark.parametrize("text", TEXTS)
def test_the_outline_is_what_the_template_says(studio: Any, text: str) -> None:
    """Id, description, declarations and names are the same; what is wrong is wrong in the same words."""
    studio.write(**OTHERS, t=text)
    template, refused = attempt(studio.library().get)
    if template is None:
        assert attempt(studio.library().outline) == (None, refused)
        return
    outline = studio.library().outline("t.j2")
    assert outline.id == template.id
    assert outline.description == template.description
    assert outline.declared == template.declared
    assert outline.names == template.names


def test_thousands_of_templates_are_listed_without_compiling_or_keeping_them(
    studio: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is compiled, plain texts are not even parsed, and memory does not grow with their number."""
    studio.write(**{f"t{number}": f"a {{{{ thing }}}} of {number}\n" * 50 for number in range(500)})
    monkeypatch.setattr(Sandbox, "compiled", None)
    monkeypatch.setattr("promptlab.prompts.library.parse_unit", None)
    library = studio.library()
    names = library.names()
    tracemalloc.start()
    try:
        assert all(library.outline(name).names == {"thing"} for name in names)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("text", "names"), {"{{ a }}": {"a"}, "{{{ a }}": None, "{{ a": None, "x": set()}.items())
def test_what_is_not_plain_is_left_to_the_parser(text: str, names: set[str] | None) -> None:
    """Where a sign could mean something else, the answer is None."""
    assert plain_names(text) == names


@pytest.mark.parametrize(
    ("text", "found"),
    {
        "{% include 'a' %}{%- import \"b\" as x -%}{% from 'c' import d %}{% extends 'e' %}": ("a", "b", "c", "e"),
        "{# {% include 'a' %} #}{% include 'b' %}": ("b",),
        "{% raw %}{% include 'a' %}{% endraw %}": (),
        "{% include ['a', 'b'] ignore missing %}": ("a", "b"),
        "{{ \"{% include 'a' %}\" }}": (),
        "{% include 'a' 'b' %}": ("ab",),
        "{% include x %}": (),
    }.items(),
)
def test_references_are_those_of_the_parser(text: str, found: tuple[str, ...]) -> None:
    """Tags in comments, raw parts and texts are not references."""
    assert references(text) == found


@pytest.mark.parametrize("name", ["line\nbreak.j2", "\x1b[31m.j2", "a\x07.j2"])
def test_a_name_with_a_control_character_is_a_sentence(studio: Any, name: str) -> None:
    """Such a file is listed, and refused with what to do."""
    (studio.root / "templates" / name).write_text("a")
    os.mkfifo(studio.root / "templates" / "pipe.j2")
    os.symlink("nowhere.j2", studio.root / "templates" / "dangling.j2")
    library = studio.library()
    assert library.names() == [name]
    with pytest.raises(InputError, match="control character in it; rename the file"):
        library.outline(name)


@pytest.mark.parametrize("name", [":(top)x.j2", 'it\'s "so".j2', "ünï cödé.j2", "-o.j2", "a*b.j2", "100%.j2"])
def test_odd_names_are_templates(studio: Any, name: str) -> None:
    """Signs that mean something to git, a shell or a format are part of a name."""
    (studio.root / "templates" / name).write_text("a {{ x }}")
    assert studio.library().names() == [name]
    assert studio.library().get(name).render({"x": "cup"}) == "a cup"
