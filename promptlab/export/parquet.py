"""Parquet by pyarrow or duckdb, whichever is installed; promptlab itself needs neither."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

from promptlab.errors import InputError
from promptlab.export.image_rows import ExportColumn

__all__ = ["check", "write"]

_BATCH: Final = 2_000
_DUCKDB: Final = {"text": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN", "json": "VARCHAR"}


def check() -> None:
    """InputError where neither library is installed."""
    if find_spec("pyarrow") is None and find_spec("duckdb") is None:
        message = "a parquet file needs pyarrow or duckdb, and neither is installed: `pip install pyarrow`"
        raise InputError(f"{message}; or write csv or jsonl", code="parquet-missing")


def write(file: IO[bytes], columns: Sequence[ExportColumn], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write typed columns, lists and maps as JSON text; gives how many rows."""
    flat = (_flat(columns, row) for row in rows)
    return _by_pyarrow(file, columns, flat) if find_spec("pyarrow") else _by_duckdb(file, columns, flat)


def _flat(columns: Sequence[ExportColumn], row: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(row)
    for column in columns:
        if column.kind == "json" and found[column.name] is not None:
            found[column.name] = json.dumps(found[column.name], ensure_ascii=False)
    return found


def _by_pyarrow(file: IO[bytes], columns: Sequence[ExportColumn], rows: Iterator[dict[str, Any]]) -> int:
    import pyarrow  # type: ignore[import-not-found,import-untyped,unused-ignore]
    from pyarrow import parquet  # type: ignore[import-not-found,import-untyped,unused-ignore]

    types = {"text": pyarrow.string(), "integer": pyarrow.int64(), "number": pyarrow.float64()}
    types |= {"boolean": pyarrow.bool_(), "json": pyarrow.string()}
    schema = pyarrow.schema([(column.name, types[column.kind]) for column in columns])
    count = 0
    with parquet.ParquetWriter(file, schema) as writer:
        while batch := list(islice(rows, _BATCH)):
            writer.write_table(pyarrow.Table.from_pylist(batch, schema=schema))
            count += len(batch)
    return count


def _by_duckdb(file: IO[bytes], columns: Sequence[ExportColumn], rows: Iterator[dict[str, Any]]) -> int:
    import duckdb  # type: ignore[import-not-found,import-untyped,unused-ignore]

    with tempfile.TemporaryDirectory(prefix="promptlab-export-") as name:
        lines, made = Path(name) / "rows.jsonl", Path(name) / "rows.parquet"
        count = 0
        with lines.open("w", encoding="utf-8", errors="replace") as text:
            for row in rows:
                text.write(json.dumps(row, ensure_ascii=False) + "\n")
                count += 1
        types = ", ".join(f"{_literal(column.name)}: {_literal(_DUCKDB[column.kind])}" for column in columns)
        source = f"read_json({_literal(str(lines))}, format = 'newline_delimited', columns = {{{types}}})"
        with duckdb.connect(":memory:") as connection:
            connection.execute(f"COPY (SELECT * FROM {source}) TO {_literal(str(made))} (FORMAT parquet)")  # noqa: S608
        with made.open("rb") as whole:
            shutil.copyfileobj(whole, file)
    return count


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
