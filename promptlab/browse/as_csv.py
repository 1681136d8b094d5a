"""A page's rows as CSV: one header, one line per row, and no cell that a spreadsheet would run as a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from promptlab.browse import shell

if TYPE_CHECKING:
    from datasette.utils.asgi import Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

__all__ = ["as_csv", "csv_text"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_csv(name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Response:
    """The rows as a file to download, `name` without its suffix."""
    from datasette.utils.asgi import Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    headers = {**shell.HEADERS, "content-disposition": f'attachment; filename="{name}.csv"'}
    body = csv_text(columns, rows)
    return Response(body, status=200, headers=headers, content_type="text/csv; charset=utf-8")


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """CSV (RFC 4180) of these columns; None is empty."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    """A text that a spreadsheet takes for a formula gets an apostrophe (OWASP, "CSV injection")."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
