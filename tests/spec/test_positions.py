"""From a place in a text to its place in the YAML file that holds it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from promptlab.spec.positions import position_in_file

WORDS = st.lists(
    st.text(st.sampled_from("abé{}%'\"\\#:-|>,.☕"), min_size=1, max_size=6)
    | st.sampled_from([" ", "  ", "\n", "\n\n", "\n  "]),
    min_size=1,
    max_size=14,
).map(" ".join)


def _start(text: str) -> tuple[str, tuple[int, int]]:
    """The value of a file `prompt: …`, and where YAML says that it begins."""
    events: list[Any] = [
        event for event in yaml.parse(text, Loader=yaml.BaseLoader) if isinstance(event, yaml.ScalarEvent)
    ]
    mark = events[1].start_mark
    return events[1].value, (mark.line + 1, mark.column + 1)


@given(WORDS, st.sampled_from(["|", ">", '"', "'", None]), st.sampled_from([20, 80]), st.booleans())
def test_each_sign_is_found_where_it_stands(text: str, style: str | None, width: int, as_ascii: bool) -> None:
    """Literal, folded, quoted and plain texts, of one line or several: every visible sign of the value."""
    file = yaml.dump({"prompt": text}, default_style=None, width=width, allow_unicode=not as_ascii)
    if style is not None:
        file = yaml.dump(_Styled(text, style), width=width, allow_unicode=not as_ascii, Dumper=_Dumper)
    value, start = _start(file)
    lines = file.split("\n")
    row = column = 1
    for sign in value:
        if not sign.isspace():
            found = position_in_file(lines, start, value, (row, column))
            assert found is not None
            there = lines[found[0] - 1][found[1] - 1]
            assert there == sign or there == "\\" or (there == "'" == sign)
        row, column = (row + 1, 1) if sign == "\n" else (row, column + 1)


class _Styled:
    def __init__(self, text: str, style: str) -> None:
        self.text, self.style = text, style


class _Dumper(yaml.SafeDumper):
    pass


def _represent(dumper: Any, value: _Styled) -> Any:
    node = yaml.ScalarNode("tag:yaml.org,2002:str", value.text, style=value.style)
    return yaml.MappingNode("tag:yaml.org,2002:map", [(yaml.ScalarNode("tag:yaml.org,2002:str", "prompt"), node)])


_Dumper.add_representer(_Styled, _represent)


@pytest.mark.parametrize(
    ("file", "start", "value", "position", "found"),
    [
        ("prompt: |  # why\n    a\n\n    b c", (1, 9), "a\n\nb c", (3, 3), (4, 7)),
        ('prompt: "a\\n\n  b\\\n  c"', (1, 9), "a\n bc", (2, 3), (3, 3)),
        ('prompt: "\\u00e9\\x41b"', (1, 9), "éAb", (1, 3), (1, 20)),
        ("prompt: 'it''s b'", (1, 9), "it's b", (1, 6), (1, 16)),
        ("prompt: *p", (1, 9), "another text", (1, 3), None),
        ("", (3, 9), "gone", (1, 1), None),
    ],
)
def test_places(
    file: str, start: tuple[int, int], value: str, position: tuple[int, int], found: tuple[int, int] | None
) -> None:
    """Comments after the indicator, escapes, doubled quotes; nothing where the text does not stand there."""
    assert position_in_file(file.split("\n"), start, value, position) == found
