"""What the language can do, and what a prompt looks like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptlab.errors import InputError
from promptlab.model import Place
from promptlab.prompts import Fields, clean, expression, render_text

CONTEXT: dict[str, Any] = {
    "style": "Studio Photo",
    "look": Fields("warm", {"light": "golden hour", "title": "a field", "0": "zero"}),
    "tags": ["b", "a", "c", "a"],
    "rows": [{"n": "2", "k": "x"}, {"n": "1", "k": "y"}, {"n": "3", "k": "x"}],
    "m": {"b": 2, "a": 1, "items": "an item"},
    "n": 3,
    "flag": True,
}

TABLE = {
    "{{ style }}": "Studio Photo",
    "{{ look }}, {{ look.light }}, {{ look['light'] }}": "warm, golden hour, golden hour",
    "{{ look.title }}": "a field",
    "{{ look.upper() }}": "WARM",
    "{{ look | upper }}": "WARM",
    "{{ look == 'warm' }}": "True",
    "{{ style | lower | title | replace('Photo', 'film') }}": "Studio film",
    "{{ ' a ' | trim }}{{ 'abc' | capitalize }}": "aAbc",
    "{{ tags | join(', ') }}": "b, a, c, a",
    "{{ tags | unique | sort | join }}": "abc",
    "{{ tags | first }}{{ tags | last }}{{ tags | length }}{{ tags | count }}": "ba44",
    "{{ tags | reverse | join }}{{ 'abc' | reverse }}": "acabcba",
    "{{ tags | batch(3, '-') | map('join') | join('/') }}": "bac/a--",
    "{{ tags | slice(3, '-') | map('join') | join('/') }}": "ba/c-/a-",
    "{{ [] | first | default('none') }}": "none",
    "{{ missing | default('x') }}{{ look.nope | d('y') }}": "xy",
    "{{ missing is defined }} {{ look.light is defined }}": "False True",
    "{{ '' | default('empty', true) }}": "empty",
    "{{ rows | map(attribute='k') | join }}": "xyx",
    "{{ rows | map(attribute='z', default='-') | join }}": "---",
    "{{ rows | sort(attribute='n') | map(attribute='n') | join }}": "123",
    "{{ rows | selectattr('k', 'eq', 'x') | map(attribute='n') | join }}": "23",
    "{{ rows | rejectattr('k', 'eq', 'x') | map(attribute='n') | join }}": "1",
    "{{ tags | select('in', ['a']) | join }}{{ tags | reject('eq', 'a') | join }}": "aabc",
    "{{ rows | map(attribute='n') | map('int') | sum }}": "6",
    "{{ rows | map(attribute='n') | map('int') | max }}{{ [3, 1] | min }}": "31",
    "{% for k, g in rows | groupby('k') %}{{ k }}{{ g | length }}{% endfor %}": "x2y1",
    "{% for g in rows | groupby('k') %}{{ g.grouper }}{{ g.list | length }}{% endfor %}": "x2y1",
    "{% for k, v in m | dictsort %}{{ k }}{{ v }}{% endfor %}": "a1b2itemsan item",
    "{% for k, v in m | items %}{{ k }} {% endfor %}": "b a items",
    "{% for k, v in look | items %}{{ k }} {% endfor %}": "light title 0",
    "{{ m.items }}{{ m.get('b') }}{{ m.get('z', '-') }}": "an item2-",
    "{{ m | tojson }}": '{"a": 1, "b": 2, "items": "an item"}',
    "{{ 'ä<b>&' | tojson }}": '"ä<b>&"',
    "{{ '1.5' | float + 1 }} {{ '7' | int * 2 }} {{ 'x' | int }}": "2.5 14 0",
    "{{ 2.567 | round(1) }} {{ 7 / 2 }} {{ 7 // 2 }} {{ 7 % 4 }} {{ 2 ** 10 }} {{ -n | abs }}": "2.6 3.5 3 3 1024 3",
    "{{ 'a' * 3 ~ 1 ~ 2.5 }}": "aaa12.5",
    "{{ [1] + [2] == [1, 2] and not (1 > 2) }}": "True",
    "{{ 1 < n < 5 }} {{ 'a' in tags }} {{ 'z' not in tags }} {{ 'olde' in look.light }}": "True True True True",
    "{{ '%s and %05.1f%%' % ('a', 2.25) }}": "a and 002.2%",
    "{{ '%s-%s' | format('a', 'b') }}{{ '%(x)s' | format(x='y') }}": "a-by",
    "{{ '{} {x:>4} {0}{{}}'.format('a', x=1) }}": "a 1 a{}",
    "{{ '{.light}|{a.light}'.format(look, a=look) }}": "golden hour|golden hour",
    "{{ 'one two three four five six' | truncate(12) }}": "one two...",
    "{{ 'a b c' | wordcount }} {{ 'a b' | urlencode }}": "3 a%20b",
    "{{ style[0] }}{{ style[:3] }}{{ tags[-1] }}{{ tags[1:3] | join }}": "SStuaac",
    "{% if flag and n is odd %}odd{% elif n %}n{% else %}no{% endif %}": "odd",
    "{{ n is divisibleby 3 }} {{ 4 is even }} {{ n is number }} {{ tags is sequence }} {{ m is mapping }}": "True " * 5,
    "{{ 'x' if false }}{{ 'y' if flag else 'z' }}": "y",
    "{% for t in tags %}{{ loop.index }}{{ t }}{% if not loop.last %}, {% endif %}{% endfor %}": "1b, 2a, 3c, 4a",
    "{% for t in tags if t != 'a' %}{{ t }}{{ loop.length }}{% else %}none{% endfor %}": "b2c2",
    "{% for t in [] %}{% else %}none{% endfor %}": "none",
    "{% for t in tags %}{{ loop.cycle('x', 'y') }}{{ loop.changed(t) }}{% endfor %}": "xTrueyTruexTrueyTrue",
    "{% for t in tags %}{{ loop.previtem | default('-') }}{{ loop.nextitem | d('-') }} {% endfor %}": "-a bc aa c-",
    "{% set x = 'a' %}{% set x = x ~ 'b' %}{{ x }}": "ab",
    "{% set x %}a {{ style }}{% endset %}{{ x | upper }}": "A STUDIO PHOTO",
    "{% set n2 = namespace(f=false) %}{% for t in tags %}{% set n2.f = true %}{% endfor %}{{ n2.f }}": "True",
    "{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}": "3",
    "{% filter upper %}a{{ style }}{% endfilter %}": "ASTUDIO PHOTO",
    "{% macro m(a, b='x') %}{{ a }}{{ b }}{{ varargs | length }}{{ kwargs | length }}{% endmacro %}"
    "{{ m(1) }} {{ m(1, 2) }} {{ m(b=1, a=2) }} {{ m(1, 2, 3, z=4) }}": "1x00 1200 2100 1211",
    "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}in{% endcall %}": "[in]",
    "{% macro m() %}{{ caller(1) }}{% endmacro %}{% call(a) m() %}{{ a }}{{ style }}{% endcall %}": "1Studio Photo",
    "{% set comma = joiner(', ') %}{% for t in tags %}{{ comma() }}{{ t }}{% endfor %}": "b, a, c, a",
    "{{ dict(a=1).a }}{{ range(3) | list | join }}{{ range(1, 9, 4) | join }}": "101215",
    "{% raw %}{{ not this }}{% endraw %}{# nor this #}": "{{ not this }}",
    "{% block a %}x{% endblock %}{{ self.a() }}": "xx",
    "a\n  b\t\tc\n\n": "a b c",
    "<b>&amp;'": "<b>&amp;'",
    "": "",
}


@pytest.mark.parametrize(("source", "prompt"), TABLE.items())
def test_the_language_renders(inline: Any, source: str, prompt: str) -> None:
    """Each construct gives what Jinja gives, less what a prompt cannot use."""
    assert inline(source).render(CONTEXT) == prompt.strip()


def test_inheritance_imports_and_includes(studio: Any) -> None:
    """Blocks, super, macros and included files work together, with context where Jinja gives it."""
    template = studio.template(
        t="{% extends 'base.j2' %}{% import 'lib.j2' as lib %}{% from 'lib.j2' import frame as f with context %}\n"
        "{% set mood = 'calm' %}{% block a %}{{ super() }}+{{ lib.frame(style) }}+{{ f('y') }}{{ mood }}{% endblock %}",
        base="({% block a %}base {{ style }}{% endblock %}|{% include 'sub/light.j2' %}"
        "|{% include 'nope.j2' ignore missing %}|{% include ['nope.j2', 'sub/light.j2'] without context %})",
        lib="{% macro frame(x) %}<{{ x }}>{% endmacro %}",
        sub__light="lit {{ style | default('-') }}",
    )
    assert template.render({"style": "s"}) == "(base s+<s>+<y>calm|lit s||lit -)"
    assert [file.path for file in template.files] == ["t.j2", "base.j2", "lib.j2", "sub/light.j2"]


def test_whitespace_is_kept_when_the_front_matter_says_so(studio: Any) -> None:
    """`whitespace: keep` keeps lines and spaces, also inherited from a base; front matter leaves no blank lines."""
    text = "---\nwhitespace: keep\n---\n  one\n\n  two  {% include 'part.j2' %}\n"
    template = studio.template(t=text, part="---\ndescription: x\n---\n three", c="{% extends 't.j2' %}")
    assert template.render({}) == "one\n\n  two   three"
    assert studio.library().get("c.j2").render({}) == "one\n\n  two   three"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("e\u0301", "é"),
        ("a\x00b\x1bc\x7fd\x9be", "abcde"),
        ("a\u202eb\u2066c\u2069d\ufeffe", "abcde"),
        ("\u200f\u05d0\u200e", "\u200f\u05d0\u200e"),
        ("👩\u200d🎨", "👩\u200d🎨"),
        ("a\u3000\u2003b\u2028c\x85d", "a b c d"),
        (" 5\u00a0kg \n de\u202fcafé\u00a0! ", "5\u00a0kg de\u202fcafé\u00a0!"),
        ("\u00a0a \u00a0 b\u2007", "\u00a0a \u00a0 b\u2007"),
        ("\u00a0 \n\u202f", ""),
        ("a\ud800b", "ab"),
        ("e\x00\u0301", "é"),
        ("  \n ", ""),
    ],
)
def test_a_prompt_is_clean(text: str, cleaned: str) -> None:
    """Unicode NFC, no control, override or half characters, single spaces; what emoji and scripts need, and no-break
    spaces, stay.
    """
    assert clean(text) == cleaned


def test_keeping_white_space_keeps_only_that() -> None:
    """With keep, breaks become line feeds and controls still go."""
    assert clean(" a\r\nb\rc\u2028d\te\x00\x0b", keep=True) == "a\nb\nc\nd\te"
    assert clean(" \u00a0a  b\u00a0\n", keep=True) == "\u00a0a  b\u00a0"


@pytest.mark.parametrize(
    ("source", "code", "place", "words"),
    [
        ("a\n{{ subjct }}", "undefined-variable", "prompt:2:4", "undefined variable 'subjct'; did you mean 'subject'?"),
        ("a\n{{ look.lihgt }}", "undefined-field", "prompt:2:9", "undefined field 'lihgt'; did you mean 'light'?"),
        ("\n\n{{ 1 / 0 }}", "template-error", "prompt:3:1", "division by zero"),
        ("{{ '3' > 2 }}", "template-error", "prompt:1:1", "put `| int`"),
        ("{{ tags }}", "template-error", "prompt:1:1", "a list cannot be written into a prompt; write `| join(', ')`"),
        ("{{ 'x' | replace('a') }}", "template-error", "prompt:1:1", "this filter, test or method missing 1 required"),
        ("{{ 'a'.format_map({}) }}", "undefined-field", "prompt:1:8", "undefined field 'format_map'"),
        ("{{ {}['a'] }}", "undefined-field", "prompt:1:8", "undefined field 'a'"),
        ("{{ look['x' ~ 1] }}", "undefined-field", "prompt:1:1", "undefined field 'x1'"),
        ("{% macro m(a) %}{{ a }}{% endmacro %}\n{{ m() }}", "undefined-field", "prompt:1:1", "'a' was not provided"),
        ("{% macro m() %}{% endmacro %}{{ m(1) }}", "template-error", "prompt:1:1", "not more than 0 argument"),
    ],
)
def test_a_failing_render_says_where_and_why(inline: Any, source: str, code: str, place: str, words: str) -> None:
    """The error of a render has the template's line, and the column of a name."""
    with pytest.raises(InputError) as caught:
        inline(source).render({"subject": "x", "look": Fields("warm", {"light": "golden"}), "tags": ["a"]})
    (problem,) = caught.value.problems
    assert (problem.code, problem.place) == (code, place)
    assert words in problem.message


def test_the_line_is_that_of_the_innermost_file(studio: Any) -> None:
    """A macro that fails is named, not the template that called it."""
    template = studio.template(
        t="{% import 'lib.j2' as lib %}\n{{ lib.m(1) }}", lib="{% macro m(a) %}\n\n{{ a.b }}{% endmacro %}"
    )
    with pytest.raises(InputError, match=r"^templates/lib\.j2:3:6: undefined field 'b'"):
        template.render({})


def test_declared_defaults_are_used_and_typed(studio: Any) -> None:
    """A variable with a default need not be given."""
    text = "---\nvars:\n  tags: {type: list, default: [a, b]}\n  n: {type: integer, default: '2'}\n---\n"
    template = studio.template(t=text + "{{ tags | join }}{{ n + 1 }}")
    assert template.render({}) == "ab3"
    assert template.render({"n": 5, "tags": []}) == "6"


@pytest.mark.parametrize(
    ("kind", "value", "typed"),
    [
        ("string", "00123", "00123"),
        ("string", 1.5, "1.5"),
        ("string", True, "true"),
        ("integer", " 7 ", 7),
        ("integer", 7, 7),
        ("number", "1.50", 1.5),
        ("number", "2", 2),
        ("boolean", "TRUE", True),
        ("boolean", False, False),
        ("list", ["a"], ["a"]),
        ("map", {"a": 1}, {"a": 1}),
        ("integer", "1.5", None),
        ("integer", "٣", None),
        ("number", "nan", None),
        ("number", "1e999", None),
        ("boolean", "yes", None),
        ("boolean", 1, None),
        ("list", "a, b", None),
        ("map", ["a"], None),
        ("string", ["a"], None),
        ("string", None, None),
        ("integer", {"a": 1}, None),
    ],
)
def test_values_become_the_declared_type(studio: Any, kind: str, value: object, typed: object) -> None:
    """coerce gives the typed value, or an InputError at the value's place; undeclared values stay as they are."""
    template = studio.template(t="---\nvars: {v: {type: " + kind + "}}\n---\n{{ v }}")
    place = Place("experiments/x.yaml", 4, 8)
    if typed is None:
        with pytest.raises(InputError, match=r"^experiments/x\.yaml:4:8: 'v' is .*it has to be") as caught:
            template.coerce("v", value, place)
        assert caught.value.problems[0].code == "variable-type"
    else:
        found = template.coerce("v", value, place)
        assert (found, type(found)) == (typed, type(typed))
    assert template.coerce("other", value, place) is value


def test_a_declared_text_keeps_its_fields(studio: Any) -> None:
    """type: string does not take the fields of a value away."""
    template = studio.template(t="---\nvars: {look: {type: string}}\n---\n{{ look.light }}")
    look = Fields("warm", {"light": "golden"})
    assert template.coerce("look", look, None) is look


@pytest.mark.parametrize(
    ("text", "row", "result"),
    [
        ("price | float > 10 and stock == 'yes'", {"price": "12.50", "stock": "yes"}, True),
        ("price | float > 10 and stock == 'yes'", {"price": "9", "stock": "yes"}, False),
        ("sku in ['A1', 'A7']", {"sku": "A7"}, True),
        ("name.startswith('tea') or not name", {"name": "teapot"}, True),
        ("extra is defined", {}, False),
        ("'%999d' is defined", {}, True),
    ],
)
def test_a_row_is_kept_by_an_expression(text: str, row: dict[str, object], result: bool) -> None:
    """`where:` is a Jinja expression over the row's texts."""
    assert expression(text, Place("x.yaml", 1, 1))(row) is result


@pytest.mark.parametrize(
    "text",
    [
        *("price >", "price }} {{ x", "", "price | nope", "a) and (b", "1 if", "price = 3", "price.__class__"),
        *("(" * 4000, "pric == 'x'", "'a' * 10**9", "price > 10", "price | attr('x')", "[1, 2", "{% include 'x' %}"),
        "9**9**9 > 1",
    ],
)
def test_a_bad_expression_is_refused_at_its_place(text: str) -> None:
    """What cannot be read fails at once, what cannot be evaluated with the row; both at the place in the experiment."""
    with pytest.raises(InputError) as caught:
        expression(text, Place("exp.yaml", 7, 12))({"price": "12"})
    assert {(problem.path, problem.line) for problem in caught.value.problems} == {("exp.yaml", 7)}


def test_a_path_is_filled_in() -> None:
    """The text of `image:` is rendered in the same sandbox; double spaces in a path stay."""
    item = Fields("A1", {"sku": "A 1  x"})
    assert render_text("photos/{{ item.sku }}.jpg", {"item": item}) == "photos/A 1  x.jpg"
    assert render_text(" plain.jpg ", {}) == "plain.jpg"
    for bad in ("{{ itm }}", "{{ 'a' * 10**9 }}", "{% include 'x.j2' %}", "{{", "{{ item | nope }}"):
        with pytest.raises(InputError, match=r"^exp\.yaml:3:5: "):
            render_text(bad, {"item": item}, Place("exp.yaml", 3, 5))


def test_templates_render_in_threads_without_sharing_a_budget(inline: Any) -> None:
    """Each thread has its own budget, so a plan in threads fails no more often than one alone."""
    from concurrent.futures import ThreadPoolExecutor

    template = inline("{% for a in range(6000) %}{{ x }}{% endfor %}")
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: template.render({"x": "ab"}), range(24)))) == 1


def test_a_render_of_one_line_is_cheap(inline: Any) -> None:
    """A one-line template with three variables renders in microseconds (8 asked for; a loaded machine gets 40)."""
    import time

    template = inline("{{ subject }} on linen, {{ look.light }}, {{ style }}")
    context = {"subject": "a teapot", "look": Fields("warm", {"light": "golden hour"}), "style": "photo"}
    best = min(_timed(lambda: template.render(context), time.process_time) for _ in range(5))
    assert best < 40e-6


def _timed(work: Any, clock: Any) -> float:
    began = clock()
    for _ in range(1000):
        work()
    return float(clock() - began) / 1000


def test_no_template_folder_is_needed_for_inline_prompts(inline: Any) -> None:
    """An inline prompt works where there is no templates/ folder."""
    assert inline("a {{ b }}").render({"b": "c"}) == "a c"
    assert not Path("/nowhere").exists()
