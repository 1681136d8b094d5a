"""CSV that no spreadsheet takes for formulas.

A cell of text that begins with `=`, `+`, `-`, `@`, a tab, a line break or one of their full-width forms, also behind
spaces, gets an apostrophe in front: spreadsheets then show it as text (OWASP, CSV Injection). A text that begins with
an apostrophe gets one more, so the rule can be undone: whoever reads the file takes one leading apostrophe away. Cells
of numbers are written as they are.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from io import TextIOWrapper
from typing import IO, Any, Final

__all__ = ["cell", "text_of", "write_csv"]

_RISKY: Final = re.compile("['\t\r\n]|[\\s\ufeff]*[=+\\-@＝＋－＠]")


def cell(value: object) -> object:
    """A value as CSV may hold it: texts made safe, lists and maps as JSON, True as `true`, None as nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if _RISKY.match(text) else text


def text_of(cell: str) -> str:
    """The text that a cell was written from."""
    return cell.removeprefix("'")


def write_csv(file: IO[bytes], names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as UTF-8 with a byte order mark, which spreadsheets need to see that it is; gives how many."""
    text = TextIOWrapper(file, encoding="utf-8-sig", newline="", write_through=False)
    writer = csv.writer(text)
    writer.writerow([cell(name) for name in names])
    count = 0
    for row in rows:
        writer.writerow([cell(row[name]) for name in names])
        count += 1
    text.detach()
    return count
