"""Files of rows: cells as written, faults at their line."""

# ruff: noqa: E501 (a table reads best with a case a line)

from __future__ import annotations

from collections.abc import Callable

import pytest

from promptlab.errors import InputError
from promptlab.model import Experiment, Value

Load = Callable[..., Experiment]


def rows(load_file: Load, name: str, content: str | bytes, more: str = "") -> tuple[Value, ...]:
    spec = f"prompt: a\naxes: {{x: {{from: {name}{more}}}}}\n"
    return load_file({"experiments/exp.yaml": spec, f"experiments/{name}": content}).axes[0].values


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("r.csv", "id,v\na,1.10\nb,NO\n", [("a", {"id": "a", "v": "1.10"}, 2), ("b", {"id": "b", "v": "NO"}, 3)]),
        ("r.csv", "\ufeffname,v\r\na,00123\r\n\r\n", [("a", {"name": "a", "v": "00123"}, 2)]),
        ("r.csv", 'v,sku\n"two\nlines",a\n"x, ""y""",b\n', [
            ("a", {"v": "two\nlines", "sku": "a"}, 2), ("b", {"v": 'x, "y"', "sku": "b"}, 4),
        ]),
        ("r.csv", " v , w\na,\n", [("a", {"v": "a", "w": ""}, 2)]),
        ("r.jsonl", '{"v": 1.10, "w": 1e3}\n\n{"v": 00, "w": 1}\n'.replace("00", "0"), [
            ("1.10", {"v": "1.10", "w": "1e3"}, 1), ("0", {"v": "0", "w": "1"}, 3),
        ]),
        ("r.jsonl", '{"name": "a", "id": "b", "t": true, "f": false, "n": null, "l": [1, {"x": 2.50}]}', [
            ("b", {"name": "a", "id": "b", "t": "true", "f": "false", "n": "", "l": ["1", {"x": "2.50"}]}, 1),
        ]),
        ("r.jsonl", '{"v": "a\u2028b", "w": 123456789012345678901234567890}\n{"v": "c", "w": 2}', [
            ("a\u2028b", {"v": "a\u2028b", "w": "123456789012345678901234567890"}, 1), ("c", {"v": "c", "w": "2"}, 2),
        ]),
        ("r.txt", "soft light\n\n  16:9 \n", [("soft light", {}, 1), ("16:9", {}, 3)]),
        ("r.TXT", "a\r\nb", [("a", {}, 1), ("b", {}, 2)]),
    ],
)  # fmt: skip
def test_rows(load_file: Load, name: str, content: str, expected: list[tuple[str, dict[str, object], int]]) -> None:
    """Every cell is text as written; the id is the column id, sku, name or the first; lines are true."""
    found = [
        (value.id, dict(value.fields), value.place.line if value.place else 0)
        for value in rows(load_file, name, content)
    ]
    assert found == expected


def test_special_columns(load_file: Load) -> None:
    """In a row too, negative_prompt adds to the base and params override; they are not fields."""
    (value,) = rows(load_file, "r.jsonl", '{"id": "a", "negative_prompt": ["b", "c"], "params": {"n": 2}, "d": 1}')
    assert (value.negative_prompt, value.params, value.fields) == (("b", "c"), {"n": 2}, {"id": "a", "d": "1"})
    first, second = rows(load_file, "r.csv", "id,negative_prompt\na,fog\nb,\n")
    assert (first.negative_prompt, second.negative_prompt) == (("fog",), ())


def test_text_column(load_file: Load) -> None:
    """A row's `text` column is what the axis itself renders."""
    (value,) = rows(load_file, "r.csv", "id,text\na,golden hour\n")
    assert (value.id, value.text) == ("a", "golden hour")


def test_asked_column(load_file: Load) -> None:
    """`id:` names the column that names the rows."""
    assert [value.id for value in rows(load_file, "r.csv", "id,v\na,b\n", ", id: v")] == ["b"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("r.csv", "", ["experiments/exp.yaml:2:18: experiments/r.csv has no rows [empty-axis]"]),
        ("r.csv", "id,v\n", ["experiments/exp.yaml:2:18: experiments/r.csv has no rows [empty-axis]"]),
        ("r.csv", "id,,v\na,b,c\n", ["experiments/r.csv:1:1: column 2 has no name; the first line names the columns [rows-header]"]),
        ("r.csv", "id,v,id\na,b,c\n", ["experiments/r.csv:1:1: two columns are called 'id' [rows-header]"]),
        ("r.csv", "id;v\na;b;c\n", ["experiments/r.csv:2:1: this row has 3 cells for 2 columns; quote a cell with a semicolon [ragged-row]"]),
        ("r.csv", "id,params\na,b\n", ["experiments/r.csv:1:1: a cell can't hold parameters; use a .jsonl file for rows with `params` [rows-header]"]),
        ("r.csv", 'id,v\n"a\nb",c\nd\ne,f,g\n', [
            "experiments/r.csv:4:1: this row has 1 cells for 2 columns; quote a cell with a comma [ragged-row]",
            "experiments/r.csv:5:1: this row has 3 cells for 2 columns; quote a cell with a comma [ragged-row]",
        ]),
        ("r.csv", 'id,v\na,"b\n', ["experiments/r.csv:2:1: this is not CSV: unexpected end of data [rows-syntax]"]),
        ("r.csv", "id,v\na,b\nc,d\na,e\n", ["experiments/r.csv:4:1: the id 'a' occurs twice: first in line 2 [duplicate-id]"]),
        ("r.csv", "id,v\n,b\n", ["experiments/r.csv:2:1: this row has no text in the column 'id', which names it [bad-id]"]),
        ("r.csv", "id,v\na,b {{ c }}\n", ["experiments/r.csv:2:5: the cell 'v' of the row 'a' holds {{, {% or {#, and data is never filled in: take the braces out, or write `literal: true` on the axis to keep them as text [template-in-data]"]),
        ("r.csv", b"id,v\na,b\xff\n", ["experiments/r.csv:2:4: the byte 0xff is not UTF-8; save the file as UTF-8 [encoding]"]),
        ("r.jsonl", '{"id": "a"}\n{"id": x}\n["b"]\n{"id": NaN}\n{"id": 1, "id": 2}\n{}\n', [
            "experiments/r.jsonl:2:8: this is not JSON: Expecting value; each line is one object [rows-syntax]",
            'experiments/r.jsonl:3:1: a line has to be one JSON object, as in {"sku": "A1", "name": "teapot"} [rows-syntax]',
            "experiments/r.jsonl:4:1: this row can't be read: NaN is not JSON [rows-syntax]",
            "experiments/r.jsonl:5:1: this row can't be read: the key 'id' occurs twice [rows-syntax]",
            'experiments/r.jsonl:6:1: a line has to be one JSON object, as in {"sku": "A1", "name": "teapot"} [rows-syntax]',
        ]),
        ("r.jsonl", '{"id": ' + "[" * 50 + "]" * 50 + "}", ["experiments/r.jsonl:1:1: this row is nested more than 20 deep [too-large]"]),
        ("r.jsonl", '{"id": ' + "[" * 100_000, ["experiments/r.jsonl:1:1: this row is nested too deep [too-large]"]),
        ("r.jsonl", '{"id": "\\ud800"}', ["experiments/r.jsonl:1:9: a \\u escape here is half a character [rows-syntax]"]),
        ("r.jsonl", '{"id": "a", "params": {"n": 9}}', ["experiments/r.jsonl:1:1: n is 9; it can be from 1 to 4 [bad-parameter]"]),
        ("r.jsonl", '{"id": "a", "params": 3, "negative_prompt": {"b": 1}}', [
            "experiments/r.jsonl:1:1: negative_prompt has to be a list of texts, or one text [wrong-type]",
            "experiments/r.jsonl:1:1: params has to be a map of parameters [wrong-type]",
        ]),
        ("r.txt", "a\nb {% c %}\na\n", ["experiments/r.txt:2:3: this line holds {{, {% or {#, and data is never filled in: take the braces out, or write `literal: true` on the axis to keep them as text [template-in-data]"]),
        ("r.txt", "a\na\n", ["experiments/r.txt:2:1: the id 'a' occurs twice: first in line 1 [duplicate-id]"]),
    ],
)  # fmt: skip
def test_bad_rows(load_file: Load, name: str, content: str | bytes, expected: list[str]) -> None:
    """A problem in a file of rows is reported at the file's own line."""
    with pytest.raises(InputError) as caught:
        rows(load_file, name, content)
    assert [problem.headline() for problem in caught.value.problems] == expected


def test_fault_in_where(load_file: Load) -> None:
    """What the row filter raises is one of the problems, and the others come too."""
    with pytest.raises(InputError, match="no such expression") as caught:
        rows(load_file, "r.csv", "id\na\n", ', where: "no such"')
    assert len(caught.value.problems) == 1


def test_where_without_filter(load_file: Load, studio: object) -> None:
    """Without a row filter, `where` is an error and not ignored."""
    from promptlab.spec.load import load_text

    with pytest.raises(InputError, match="no filter of rows"):
        load_text(
            "prompt: a\naxes: {x: {from: data/items.csv, where: b}}\n",
            studio / "experiments" / "exp.yaml",  # type: ignore[operator]
            studio=studio,  # type: ignore[arg-type]
            parameters={},
        )


def test_rows_are_inputs(load_file: Load) -> None:
    """The rows' text and hash are inputs of the experiment, once, though two axes read them."""
    spec = "prompt: a\naxes: {x: {from: r.txt}, y: {from: r.txt}}\n"
    experiment = load_file({"experiments/exp.yaml": spec, "experiments/r.txt": "one\n"})
    (rows_file,) = [file for file in experiment.inputs if file.role == "rows"]
    assert (rows_file.path, rows_file.content) == ("experiments/r.txt", "one\n")
    assert rows_file.sha256 == "2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806"


def test_rows_beside_the_file_that_names_them(load_file: Load) -> None:
    """A relative path belongs to the file it is written in, also in a base of another folder."""
    experiment = load_file(
        {
            "experiments/exp.yaml": "extends: shared/base.yaml\nprompt: a\n",
            "experiments/shared/base.yaml": "axes: {x: {from: r.txt}}\n",
            "experiments/shared/r.txt": "one\n",
        }
    )
    assert [value.id for value in experiment.axes[0].values] == ["one"]
