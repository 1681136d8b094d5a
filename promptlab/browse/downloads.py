"""A page's data as a file: CSV that a spreadsheet opens as text, never as formulas."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasette.utils.asgi import Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

__all__ = ["as_csv", "csv_text"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], name: str) -> Response:
    """These columns of the rows, as the file `name`.csv."""
    from datasette.utils.asgi import Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    headers = {
        "content-disposition": f'inline; filename="{name}.csv"',
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
    }
    return Response(csv_text(columns, rows), headers=headers, content_type="text/csv; charset=utf-8")


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """The rows as CSV (RFC 4180). A text that a spreadsheet would take for a formula gets an apostrophe before it."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, (dict, list)):
        value = json.dumps(value, ensure_ascii=False)
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
