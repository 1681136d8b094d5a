"""Who wrote which part of a prompt."""

from __future__ import annotations

from typing import Any

import pytest

from promptlab.prompts import Fields
from promptlab.prompts.tracing import Segment

CONTEXT: dict[str, Any] = {
    "style": "studio photo",
    "look": Fields("warm", {"light": "golden hour"}),
    "tags": ["a", "b"],
    "n": 3,
    "row": {"name": "tea"},
}


def parts(template: Any) -> list[tuple[str, str, int, str | None]]:
    return [(s.text, s.path, s.line, s.variable) for s in template.trace(CONTEXT) if s.text.strip()]


def test_each_part_has_its_file_line_and_variable(studio: Any) -> None:
    """Through inheritance, macros, includes and loops: the line that wrote a part, the variable that filled it."""
    template = studio.template(
        t="---\ndescription: x\n---\n{% extends 'base.j2' %}{% import 'lib.j2' as lib %}\n"
        "{% block a %}one\ntwo {{ lib.frame(style) }}{% for t in tags %}{{ t }}{% endfor %}{% endblock %}",
        base="base {% block a %}{% endblock %}\n{% include 'light.j2' %}",
        lib="\n{% macro frame(x) %}in {{ x }}{% endmacro %}",
        light="lit {{ look.light | upper }}{{ look }}{{ row.name }}{{ n + 1 }}",
    )
    assert parts(template) == [
        ("base ", "base.j2", 1, None),
        ("one\n", "t.j2", 5, None),
        ("two ", "t.j2", 6, None),
        ("in ", "lib.j2", 2, None),
        ("studio photo", "lib.j2", 2, "style"),
        ("ab", "t.j2", 6, "tags"),
        ("lit ", "light.j2", 1, None),
        ("GOLDEN HOUR", "light.j2", 1, "look.light"),
        ("warm", "light.j2", 1, "look"),
        ("tea", "light.j2", 1, "row.name"),
        ("4", "light.j2", 1, "n"),
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ style ~ ', ' ~ look.light }}", [("studio photo", "style"), (", ", None), ("golden hour", "look.light")]),
        ("{{ 'a ' + style }}", [("a ", None), ("studio photo", "style")]),
        ("{{ tags | join(', ') }}", [("a", "tags"), (", ", None), ("b", "tags")]),
        ("{% set x = style %}{{ x }}", [("studio photo", "style")]),
        ("{% set x %}in {{ style }}{% endset %}{{ x }}", [("in ", None), ("studio photo", "style")]),
        ("{% set x %}in {{ style }}{% endset %}{{ x | upper }}", [("IN STUDIO PHOTO", "x")]),
        ("{{ style.upper() }}", [("STUDIO PHOTO", "style")]),
        ("{{ 'x' if style else look }}", [("x", "style")]),
        ("{% filter upper %}a{{ style }}{% endfilter %}", [("ASTUDIO PHOTO", None)]),
        ("{{ style | length }}", [("12", "style")]),
    ],
)
def test_a_part_keeps_its_origin_as_long_as_its_text(inline: Any, source: str, expected: Any) -> None:
    """Joined and passed-on texts keep their parts; a changed text is one part named after its variable."""
    found = [(part[0], part[3]) for part in parts(inline(source))]
    assert found == expected


def test_a_segment_is_plain_data() -> None:
    """A segment compares by value."""
    assert Segment("a", "t.j2", 1) == Segment("a", "t.j2", 1, None)
