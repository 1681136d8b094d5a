"""Whatever is thrown at it: an InputError or a prompt, soon, and always the same one."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptlab.errors import InputError
from promptlab.model import Source
from promptlab.prompts import CODES, Fields, Library, clean, expression
from promptlab.prompts.frontmatter import split
from promptlab.prompts.sandbox.functions import FILTERS, TESTS, TEXT
from promptlab.prompts.sandbox.limits import MAX_TEXT
from promptlab.spec.codes import CODES as SPEC_CODES

LIBRARY = Library(Path("/nowhere/templates"))
CONTEXT: dict[str, Any] = {
    "a": "some text",
    "b": Fields("warm", {"light": "golden", "n": "3"}),
    "c": ["x", "y", "x"],
    "d": {"k": "v", "l": ["m"]},
    "n": 7,
    "f": 2.5,
    "t": True,
}

names = st.sampled_from([*CONTEXT, "loop", "m", "zz", "b.light", "d.l", "c[0]", "range", "namespace"])
numbers = st.sampled_from(
    ["0", "1", "-1", "3", "10**9", "9**9", "1.5", "'x'", "''", "'%s'", "'{}'", "none", "[]", "{}"]
)
atoms = st.one_of(names, numbers, st.text("ab'\"%{}\\0", max_size=6).map(repr))


def _filtered(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    arguments = st.lists(inner, max_size=2).map(", ".join)
    return st.one_of(
        st.builds("{} | {}({})".format, inner, st.sampled_from(sorted(FILTERS)), arguments),
        st.builds("{}.{}({})".format, names, st.sampled_from([*sorted(TEXT), "items", "get", "index"]), arguments),
        st.builds(
            "({} {} {})".format,
            inner,
            st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "~", "==", "<", "in", "and", "or"]),
            inner,
        ),
        st.builds("({} is {}({}))".format, inner, st.sampled_from(sorted(n for n in TESTS if n.isidentifier())), inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("({})[{}:{}]".format, inner, inner, inner),
        st.builds("{{{}: {}}}".format, inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("range({})".format, inner),
        st.builds("dict(a={})".format, inner),
    )


expressions = st.recursive(atoms, _filtered, max_leaves=6)


def _blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{{% for x in {} %}}{}{{% endfor %}}".format, expressions, inner),
        st.builds("{{% if {} %}}{}{{% else %}}{}{{% endif %}}".format, expressions, inner, inner),
        st.builds("{{% set a = {} %}}{}".format, expressions, inner),
        st.builds("{{% set a %}}{}{{% endset %}}{}".format, inner, inner),
        st.builds("{{% macro m(x={}) %}}{}{{% endmacro %}}{{{{ m({}) }}}}".format, expressions, inner, expressions),
        st.builds("{{% call m() %}}{}{{% endcall %}}".format, inner),
        st.builds("{{% filter {} %}}{}{{% endfilter %}}".format, st.sampled_from(sorted(FILTERS)), inner),
        st.builds("{}{}".format, inner, inner),
    )


outputs = st.one_of(expressions.map("{{{{ {} }}}}".format), st.text("ab \n{}%#", max_size=8))
templates = st.recursive(outputs, _blocks, max_leaves=5)
soup = st.lists(
    st.sampled_from(
        [
            *("{{", "}}", "{%", "%}", "{#", "#}", "---\n", "\n", " ", "a", "(", ")", "[", "]", "'", '"', "|", ".", "~"),
            *(
                "for",
                "in",
                "if",
                "endfor",
                "endif",
                "set",
                "macro",
                "endmacro",
                "block",
                "extends",
                "include",
                "import",
            ),
            *("is", "not", "10", "1e9", "0x", "upper", "raw", "endraw", "\\", "\x00", "\ud800", "é", "-", "+", "**"),
        ]
    ),
    max_size=30,
).map(" ".join)

DOCUMENTED = CODES.keys() | SPEC_CODES.keys()
QUICK = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def attempt(text: str, context: dict[str, Any]) -> str | list[str]:
    """The prompt, or the codes of what is wrong."""
    try:
        template = LIBRARY.inline(Source("prompt", text), "p")
        template.problems(dict.fromkeys(context))
        return template.render(context)
    except InputError as error:
        found = error.problems
    assert all(problem.line is not None for problem in found)
    assert {problem.code for problem in found} <= DOCUMENTED
    return [problem.code for problem in found]


@QUICK
@given(st.one_of(templates, soup, st.text(max_size=60)))
def test_any_text_is_a_prompt_or_an_input_error(text: str) -> None:
    """Nothing else is ever raised, and nothing takes a second or leaves more than a prompt."""
    began = time.process_time()
    found = attempt(text, CONTEXT)
    assert time.process_time() - began < 1
    assert len(found) <= MAX_TEXT


@QUICK
@given(templates, st.randoms(use_true_random=False))
def test_a_prompt_never_depends_on_the_order_of_what_is_given(text: str, random: Any) -> None:
    """The same variables in another order, and a second render, give the same prompt or the same fault."""
    shuffled = list(CONTEXT.items())
    random.shuffle(shuffled)
    first = attempt(text, CONTEXT)
    assert attempt(text, dict(shuffled)) == first
    assert attempt(text, CONTEXT) == first


@QUICK
@given(templates)
def test_a_trace_is_the_render(text: str) -> None:
    """The segments, one after the other, are what the template wrote."""
    try:
        template = LIBRARY.inline(Source("prompt", text), "p")
        raw = template.raw(CONTEXT)
    except InputError:
        return
    assert "".join(segment.text for segment in template.trace(CONTEXT)) == raw


@QUICK
@given(templates)
def test_a_static_check_never_refuses_what_renders(text: str) -> None:
    """A template that renders with all names known and whose every branch ran has no undefined variable there."""
    try:
        template = LIBRARY.inline(Source("prompt", text), "p")
        template.render(CONTEXT)
    except InputError:
        return
    known = {**dict.fromkeys(CONTEXT), **dict.fromkeys(("zz", "m", "loop", "x"))}
    assert [problem for problem in template.problems(known) if problem.severity == "error"] == []


@QUICK
@given(st.text())
def test_cleaning_twice_changes_nothing(text: str) -> None:
    """clean is idempotent, with and without keep, and can always be encoded."""
    for keep in (False, True):
        once = clean(text, keep=keep)
        assert clean(once, keep=keep) == once
        once.encode("utf-8")


@QUICK
@given(st.one_of(expressions, st.text(max_size=40)))
def test_any_expression_is_a_condition_or_an_input_error(text: str) -> None:
    """A row filter says yes, no, or what is wrong."""
    with suppress(InputError):
        assert expression(text)(CONTEXT) in (True, False)


@QUICK
@given(st.text("-\n a:{}[]", max_size=40))
def test_front_matter_never_moves_a_line(text: str) -> None:
    """The body has the text's lines at the same numbers, blank where the front matter was."""
    head, body = split(text)
    if head is not None and head != text:
        rows = body.split("\n")
        start = next(number for number, line in enumerate(text.split("\n")[1:], 2) if line.rstrip() == "---")
        assert rows[:start] == [""] * start
        assert rows[start:] == text.split("\n")[start:]


@pytest.mark.parametrize("name", sorted(FILTERS))
def test_every_filter_is_bounded_and_repeatable(name: str) -> None:
    """Each filter on text, list, map and number: a prompt or an InputError, and the same one again."""
    for value in ("'abc def'", "c", "d", "n", "['b', 'a']", "zz"):
        for arguments in ("", "(2)", "('a')", "('a', 'b')", "(10**9)"):
            text = "{{ " + value + " | " + name + arguments + " }}"
            assert attempt(text, CONTEXT) == attempt(text, CONTEXT)
