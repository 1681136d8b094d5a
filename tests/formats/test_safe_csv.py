"""CSV that no spreadsheet takes for formulas, and that can be read back."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.export.safe_csv import cell, text_of, write_csv

ANY = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
RISKY = tuple("=+-@\t\r\n＝＋－＠")


@given(ANY | ANY.map("=".__add__) | ANY.map("'".__add__) | ANY.map(" -".__add__))
def test_a_text_comes_back(text: str) -> None:
    """The rule can be undone: one leading apostrophe away."""
    assert text_of(str(cell(text))) == text


@given(st.sampled_from(RISKY), ANY)
def test_no_cell_begins_a_formula(sign: str, rest: str) -> None:
    """A text that a spreadsheet might calculate begins with an apostrophe, also behind spaces."""
    assert str(cell(sign + rest)).startswith("'")
    assert sign.isspace() or str(cell(f"  {sign}{rest}")).startswith("'")


@pytest.mark.parametrize(
    ("value", "written"),
    [(None, ""), (True, "true"), (False, "false"), (-3, -3), (0.5, 0.5), ("a jug", "a jug"), (["=a"], '["=a"]'),
     ("", ""), ("'tis", "''tis")],
)  # fmt: skip
def test_values(value: object, written: object) -> None:
    """Numbers stay numbers, lists become JSON, nothing is an empty cell."""
    assert cell(value) == written


@given(st.lists(st.fixed_dictionaries({"=name": ANY, "b": st.none() | st.integers() | ANY}), max_size=5))
def test_a_file_is_read_back(rows: list[dict[str, Any]]) -> None:
    """Whole files are CSV as the standard library reads it, names of columns made safe too."""
    file = io.BytesIO()
    assert write_csv(file, ["=name", "b"], rows) == len(rows)
    read = list(csv.reader(io.StringIO(file.getvalue().decode("utf-8-sig"), newline="")))
    assert read[0] == ["'=name", "b"]
    assert [text_of(first) for first, _ in read[1:]] == [row["=name"] for row in rows]
