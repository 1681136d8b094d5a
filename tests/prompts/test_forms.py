"""Names that differ in their Unicode form, front matter that begins late, and rows as maps."""

from __future__ import annotations

from typing import Any

import pytest

from promptlab.errors import InputError
from promptlab.prompts import Fields, clean

WIDE = "\uff50roduct"  # a full-width p
LIGATURE = "\ufb01n"  # fi as one sign


def codes(template: Any, **known: Any) -> list[tuple[str, str, str | None]]:
    return [(problem.code, problem.severity, problem.place) for problem in template.problems(known)]


def test_names_that_differ_in_their_form_are_one_variable_and_said(studio: Any) -> None:
    """Read in NFKC, in every place that a name can have; a warning at the place of the first, and no error."""
    template = studio.template(t=f"{{{{ {WIDE} }}}} {{{{ product }}}} {{{{ {WIDE} }}}}")
    assert codes(template, product=None) == [("unicode-name", "warning", "templates/t.j2:1:4")]
    assert template.render({"product": "cup"}) == "cup cup cup"
    assert template.names == {"product", WIDE}
    assert template.render({WIDE: "cup"}) == "cup cup cup"


@pytest.mark.parametrize(
    "text",
    [
        f"{{% set {LIGATURE} = 1 %}}{{{{ fin }}}}",
        f"{{% macro {LIGATURE}() %}}1{{% endmacro %}}{{{{ fin() }}}}",
        f"{{% macro m({LIGATURE}) %}}{{{{ fin }}}}{{% endmacro %}}{{{{ m({LIGATURE}=1) }}}}",
        f"{{% for {LIGATURE} in [1] %}}{{{{ fin }}}}{{% endfor %}}",
        f"{{% set fin = namespace(x=1) %}}{{{{ {LIGATURE}.x }}}}",
    ],
)
def test_every_kind_of_name_has_one_form(studio: Any, text: str) -> None:
    """Variables, macros, their arguments and loop variables."""
    template = studio.template(t=text)
    assert codes(template)[0][:2] == ("unicode-name", "warning")
    assert [each for each in codes(template) if each[1] == "error"] == []
    assert template.render({}) == "1"


def test_a_field_is_the_column_as_it_is_written(studio: Any) -> None:
    """Columns are data: their names are never changed."""
    template = studio.template(t=f"{{{{ item.{LIGATURE} }}}}")
    assert template.render({"item": Fields("A", {LIGATURE: "cup"})}) == "cup"
    assert codes(template, item=frozenset({LIGATURE})) == []


@pytest.mark.parametrize("before", ["\n", "  \n\n", "\ufeff\n"])
def test_front_matter_after_a_blank_line_is_said(studio: Any, before: str) -> None:
    """It is text of the prompt, which is hardly meant: a warning at its line."""
    template = studio.template(t=f"{before}---\ndescription: x\n---\na cup")
    line = before.count("\n") + 1
    assert codes(template) == [("late-front-matter", "warning", f"templates/t.j2:{line}:1")]
    assert template.render({}) == "--- description: x --- a cup"


@pytest.mark.parametrize("text", ["\n---\na cup", "a\n---\nb\n---\n", "\n----\nb\n----\n"])
def test_a_line_of_dashes_is_no_front_matter(studio: Any, text: str) -> None:
    """One line of dashes, or two after text, are text."""
    assert codes(studio.template(t=text)) == []


def test_a_front_matter_is_one_document(studio: Any) -> None:
    """What stands after `...` would be left out in silence: it is refused at its place."""
    with pytest.raises(InputError) as caught:
        studio.template(t="---\ndescription: a\n...\nparams: {n: 2}\n---\n")
    problem = caught.value.problems[0]
    assert (problem.code, problem.line, problem.column) == ("front-matter", 3, 1)


def test_a_row_is_a_map(studio: Any) -> None:
    """`type: map` takes a row: its columns are fields, and it can be walked like a map."""
    template = studio.template(
        t="---\nvars: {item: {type: map}}\n---\n{{ item.name }} {{ item }}"
        "{% for key, value in item.items() %} {{ key }}={{ value }}{% endfor %} {{ item.keys() | join(',') }}"
    )
    row = template.coerce("item", Fields("A1", {"sku": "A1", "name": "mug"}), None)
    assert template.render({"item": row}) == "mug A1 sku=A1 name=mug sku,name"
    with pytest.raises(InputError, match="it has to be a map"):
        template.coerce("item", "A1", None)


def test_long_white_space_is_cleaned_in_one_pass() -> None:
    """A no-break space among a hundred thousand spaces costs no more than one pass."""
    import time

    began = time.process_time()
    assert clean("a" + " " * 100_000 + "\u00a0b" + " " * 100_000 + "c", keep=False) == "a \u00a0b c"
    assert len(clean("a" + " " * 100_000 + "\u00a0b" + " " * 100_000 + "c", keep=True)) == 200_004
    assert time.process_time() - began < 1


def test_front_matter_that_is_probably_not_meant_is_said(studio: Any) -> None:
    """The warnings of an experiment's YAML are those of a template's: a text cut by a comment, typographic quotes."""
    template = studio.template(t="---\ndescription: red #b\nnegative_prompt: “blurry”\n---\na")
    assert codes(template) == [
        ("cut-by-comment", "warning", "templates/t.j2:2:18"),
        ("smart-quotes", "warning", "templates/t.j2:3:18"),
    ]
