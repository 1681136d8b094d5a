"""Files of rows: .csv, .tsv, .jsonl and .txt, every cell as the text that was written, every problem at file:line.

A JSONL row's scalars arrive as text: 1.10 stays `1.10`, true is `true`; null, which says "no value", is the empty text
that an empty CSV cell is. The header line says what separates the cells: comma, semicolon or tab, whichever it has
most of. No type or encoding is guessed.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import ItemsView, Iterator, Mapping
from typing import Any

from promptlab.model import Place

from .names import did_you_mean, listed, quoted
from .report import Report

__all__ = ["FORMATS", "Row", "id_column", "read_rows"]

FORMATS = (".csv", ".tsv", ".jsonl", ".txt")
#: What names the rows where the axis does not say.
ID_COLUMNS = ("id", "sku", "name")
MAX_ROWS = 1_000_000
MAX_DEPTH = 20
_TEMPLATE = re.compile(r"\{[{%#]")
_MAYBE_TEMPLATE = re.compile(r"\{[{%#]|\\u007b", re.IGNORECASE)  # JSON can write { as an escape
_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
_BETWEEN = "\x1f"  # the unit separator, which no text editor writes
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


class Cells(Mapping[str, str]):
    """The cells of a CSV row by column, kept as one text: a file may have a million rows, and most cells wait."""

    __slots__ = ("_columns", "_text")

    def __init__(self, columns: Mapping[str, int], text: str) -> None:
        self._columns, self._text = columns, text

    def __getitem__(self, column: str) -> str:
        return self._text.split(_BETWEEN)[self._columns[column]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __contains__(self, column: object) -> bool:
        return column in self._columns

    def items(self) -> ItemsView[str, str]:
        return _Items(self)

    def __repr__(self) -> str:
        return repr(dict(self))


class _Items(ItemsView[str, str]):
    _mapping: Cells

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return zip(self._mapping._columns, self._mapping._text.split(_BETWEEN), strict=True)


class Row:
    """One row: its cells by column, and the line it begins in."""

    __slots__ = ("cells", "line")

    def __init__(self, cells: Mapping[str, Any], line: int) -> None:
        self.cells, self.line = cells, line


class _BadRow(Exception):
    """A row that can't be read; the rest of the file is."""

    def __init__(self, code: str, message: str, line: int, column: int = 1) -> None:
        super().__init__(message)
        self.code, self.message, self.line, self.column = code, message, line, column


def read_rows(text: str, path: str, suffix: str, report: Report, *, literal: bool = False) -> Iterator[Row]:
    """The rows of a file's text; what is wrong is reported at its line. `literal` allows template text in cells."""
    report.show(path, text, is_yaml=False)
    reader = {".csv": _csv, ".tsv": _csv, ".jsonl": _jsonl, ".txt": _txt}[suffix]
    number = 0
    has_template = not literal and _MAYBE_TEMPLATE.search(text) is not None
    for row in reader(text):
        if isinstance(row, _BadRow):
            report.add(row.code, row.message, Place(path, row.line, row.column))
            continue
        number += 1
        if number > MAX_ROWS:
            report.add("too-large", f"more than {MAX_ROWS:,} rows", Place(path, row.line, 1))
            return
        if has_template:
            _check_data(row, path, report)
        yield row


def id_column(columns: list[str], asked: str | None, place: Place, report: Report) -> str | None:
    """The column that names the rows: the one asked for, else `id`, `sku`, `name` or the first column."""
    if asked is None:
        return next((name for name in ID_COLUMNS if name in columns), columns[0])
    if asked in columns:
        return asked
    message = (
        f"the rows have no column {quoted(asked)}{did_you_mean(asked, columns) or '; they have ' + listed(columns)}"
    )
    report.add("unknown-column", message, place)
    return None


def _csv(text: str) -> Iterator[Row | _BadRow]:
    lines = (match[0] for match in _LINE.finditer(text))
    delimiter = _delimiter(text)
    reader = csv.reader(lines, strict=True, delimiter=delimiter)
    header: list[str] | None = None
    columns: dict[str, int] = {}
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # A quote that is never closed swallows the rest, so nothing after it can be trusted.
            yield _BadRow("rows-syntax", f"this is not CSV: {error}", line)
            return
        if not cells or (header is not None and cells == [""]):
            continue
        if header is None:
            header = [name.strip() for name in cells]
            if fault := _bad_header(header):
                yield _BadRow("rows-header", fault, line)
                return
            columns = {name: place for place, name in enumerate(header)}
        elif len(cells) != len(header):
            wanted = f"{len(header)} column{'s' * (len(header) != 1)}"
            yield _BadRow(
                "ragged-row",
                f"this row has {len(cells)} cells for {wanted}; quote a cell with a {_SEPARATORS[delimiter]}",
                line,
            )
        else:
            text = _BETWEEN.join(cells)
            is_plain = text.count(_BETWEEN) == len(cells) - 1
            yield Row(Cells(columns, text) if is_plain else dict(zip(header, cells, strict=True)), line)


def _delimiter(text: str) -> str:
    """What separates the cells of the header, outside of quotes; a comma where nothing does."""
    header = next((line for line in _LINE.findall(text[:100_000]) if line.strip()), "")
    unquoted = re.sub(r'"[^"]*"?', "", header)
    return max(_SEPARATORS, key=unquoted.count)


def _bad_header(header: list[str]) -> str | None:
    if any(not name for name in header):
        return f"column {header.index('') + 1} has no name; the first line names the columns"
    if len(set(header)) < len(header):
        twice = next(name for position, name in enumerate(header) if name in header[:position])
        return f"two columns are called {quoted(twice)}"
    if "params" in header:
        return "a cell can't hold parameters; use a .jsonl file for rows with `params`"
    return None


def _txt(text: str) -> Iterator[Row | _BadRow]:
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        if value := line.strip():
            yield Row({"text": value}, number)


def _jsonl(text: str) -> Iterator[Row | _BadRow]:
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(
                line, parse_int=str, parse_float=str, parse_constant=_no_constant, object_pairs_hook=_no_duplicates
            )
        except json.JSONDecodeError as error:
            yield _BadRow("rows-syntax", f"this is not JSON: {error.msg}; each line is one object", number, error.colno)
        except ValueError as error:
            yield _BadRow("rows-syntax", f"this row can't be read: {error}", number)
        except RecursionError:
            yield _BadRow("too-large", "this row is nested too deep", number)
        else:
            yield _json_row(row, number) if _is_text(row, line) else _lone_surrogate(line, number)


def _json_row(row: object, line: int) -> Row | _BadRow:
    if not isinstance(row, dict) or not row:
        return _BadRow("rows-syntax", 'a line has to be one JSON object, as in {"sku": "A1", "name": "teapot"}', line)
    if "" in row:
        return _BadRow("rows-header", "a column has no name", line)
    try:
        return Row({str(name): _as_text(value, 1) for name, value in row.items()}, line)
    except RecursionError:
        return _BadRow("too-large", f"this row is nested more than {MAX_DEPTH} deep", line)


def _is_text(row: object, line: str) -> bool:
    """Whether everything can be written as UTF-8: JSON can escape half a character."""
    if "\\ud" not in line.lower():
        return True
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _lone_surrogate(line: str, number: int) -> _BadRow:
    column = line.lower().index("\\ud") + 1
    return _BadRow("rows-syntax", "a \\u escape here is half a character", number, column)


def _as_text(value: object, depth: int) -> Any:
    """A JSON value with text for every scalar."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if depth > MAX_DEPTH:
        raise RecursionError
    if isinstance(value, list):
        return [_as_text(item, depth + 1) for item in value]
    assert isinstance(value, dict)
    return {str(name): _as_text(item, depth + 1) for name, item in value.items()}


def _no_constant(name: str) -> str:
    raise ValueError(f"{name} is not JSON")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for position, name in enumerate(names) if name in names[:position])
        raise ValueError(f"the key {quoted(twice)} occurs twice")
    return row


def _check_data(row: Row, path: str, report: Report) -> None:
    """Report template text in a row's cells, at its place."""
    for name, value in row.cells.items():
        if _TEMPLATE.search(value if isinstance(value, str) else json.dumps(value)):
            if report.is_full("template-in-data"):
                report.add("template-in-data", "", None)
                return
            found = _MAYBE_TEMPLATE.search(report.line(path, row.line) or "")
            id_ = next((row.cells[key] for key in (*ID_COLUMNS, next(iter(row.cells))) if key in row.cells), "")
            what = (
                "this line"
                if path.lower().endswith(".txt")
                else f"the cell {quoted(name)} of the row {quoted(str(id_))}"
            )
            message = (
                f"{what} holds {{{{, {{% or {{#, and data is never"
                " filled in: take the braces out, or write `literal: true` on the axis to keep them as text"
            )
            report.add("template-in-data", message, Place(path, row.line, found.start() + 1 if found else 1))
            return
