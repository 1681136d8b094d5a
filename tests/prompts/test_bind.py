"""The prompts of a product, made of pieces: they and their errors are those of a render of each."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.errors import InputError
from promptlab.model import Source
from promptlab.prompts import Fields, Library, Template
from promptlab.prompts.sandbox.limits import MAX_TEXT

#: What makes a difference when texts are put side by side: spaces, accents, jamo, what is removed.
ODD = [
    "a",
    "B",
    " ",
    "\n",
    "\t",
    "\r",
    "\u00a0",
    "\u202f",
    "\u0301",
    "\u0338",
    "e",
    "é",
    "<",
    "\u1100",
    "\u1161",
    "\u200d",
]
ODD += ["\ufeff", "\x00", "\x85", "\u2028", "日", "が", "\u3099", "か", "ﬁ", "\ud83d", "\u2066", ".", "ö", "\u0323"]
TEXTS = st.text(st.sampled_from(ODD), max_size=5)


def template(text: str) -> Template:
    return Library(Path("/nowhere/templates")).inline(Source("prompt", text), "prompt")


def same(found: Template, constants: Mapping[str, Any], tables: Mapping[str, Sequence[Any]]) -> None:
    """Every prompt of a product, and every error, both ways."""
    prompt = found.bind(constants, tables)
    for indices in itertools.product(*(range(-1, len(table)) for table in tables.values())):
        picked = zip(tables.items(), indices, strict=True)
        context = {**constants, **{name: table[at] for (name, table), at in picked if at >= 0}}
        assert outcome(lambda at=indices: prompt(at)) == outcome(lambda given=context: found.render(given))


def outcome(call: Any) -> Any:
    try:
        return call()
    except InputError as error:
        return [(problem.code, problem.message, problem.line, problem.column) for problem in error.problems]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(TEXTS, min_size=4, max_size=4), st.lists(TEXTS, min_size=1, max_size=3), st.lists(TEXTS, max_size=2), TEXTS
)
def test_pieces_are_the_render(texts: list[str], first: list[str], second: list[str], constant: str) -> None:
    """Whatever stands side by side, the prompt of pieces is the text that a render and its cleaning give."""
    one, two, three, four = texts
    found = template(f"{one}{{{{ a }}}}{two}{{{{ b }}}}{{{{ c }}}}{three}{{{{ a }}}}{four}")
    same(found, {"c": constant}, {"b": second, "a": first})


@pytest.mark.parametrize(
    "text",
    [
        "{{ a }} in {{ b }}",
        "{{ row.light }}, {{ row['size'] }}, {{ row }}",
        "{{ row.nothing }} of {{ a }}",
        "{{ a | upper }} and {{ a | replace('t', 'T') | title }}",
        "{{ n }} {{ yes }} {{ n | round }}",
        "{{ listed }} {{ a }}",
        "{{ listed | join(', ') }} {{ a }}",
        "{{ nowhere }} {{ a }}",
        "{{ nowhere | default('x') }} {{ a }}",
        "{{ a | default('none') }}",
        "{{ a.upper }}",
        "{{ range }} {{ a }}",
        "{% if a == 'teapot' %}hot{% else %}cold{% endif %} {{ b }}",
        "{{ a ~ b }}",
        "{{ a[0] }}{{ b[1:] }}",
        "no place",
        "",
        "---\nwhitespace: keep\n---\n  {{ a }}  \n {{ b }} ",
    ],
)
def test_every_kind_of_place(text: str, tmp_path: Path) -> None:
    """Fields, filters, numbers, lists, defaults, undefined names and tags: the same prompt or the same error."""
    (tmp_path / "t.j2").write_text(text)
    row = Fields("a row", {"light": "dim ", "size": "3"})
    tables: dict[str, list[Any]] = {
        "a": ["teapot", " kettle", ""], "b": ["fog", "two  words"], "row": [row], "n": [3, 2.5], "yes": [True],
        "listed": [["x", "y"], None],
    }  # fmt: skip
    found = Library(tmp_path).get("t.j2")
    used = {name: table for name, table in tables.items() if name in found.names}
    same(found, {}, used)
    for name, table in used.items():
        rest = {other: values[:1] for other, values in used.items() if other != name}
        same(found, {name: table[0]}, rest)


def test_a_table_that_makes_its_values_is_asked_each_time() -> None:
    """A sequence that is not a list is not read ahead: a file of a million rows is not held twice."""
    asked = []

    class Rows(Sequence[str]):
        def __len__(self) -> int:
            return 1_000_000

        def __getitem__(self, index: Any) -> Any:
            asked.append(index)
            return f"row {index}"

    prompt = template("a photo of {{ item }}").bind({}, {"item": Rows()})
    assert asked == []
    assert [prompt((0,)), prompt((999_999,))] == ["a photo of row 0", "a photo of row 999999"]
    assert asked == [0, 999_999]


def test_together_the_pieces_stay_within_the_limit() -> None:
    """Places that are each short enough are refused where the prompt would be too long."""
    same(template("{{ a }} {{ a }} {{ b }}"), {}, {"a": ["x" * (MAX_TEXT // 3), "y"], "b": ["z" * (MAX_TEXT // 2)]})


def test_together_the_pieces_stay_within_the_steps() -> None:
    """Filters that each take few enough steps are refused where the prompt takes too many."""
    text = "{{ a | length }} " + "{{ a | sort | length }} {{ a | unique | length }}" * 4
    same(template(text), {}, {"a": [[str(n) for n in range(9_000)], ["1"]]})


def test_names_in_another_unicode_form_are_bound_as_well() -> None:
    """A name that is read in its NFKC form finds the table of either form."""
    for name in ("ﬁt", "fit"):
        same(template("a {{ ﬁt }} coat, {{ fit }}"), {}, {name: ["loose", " slim"]})
