"""The tables of docs/log.md, written from the schema and the words of the browse pages.

`python tests/docs/log_tables.py` renews the page; a test compares the two.
"""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

from promptlab.browse.descriptions import TABLES, column_words
from promptlab.log import Log

PAGE = Path(__file__).parent.parent.parent / "docs" / "log.md"
START, END = "<!-- tables -->\n", "<!-- end of tables -->\n"
VIEWS = ("gallery", "variant_summary", "spending")


def tables() -> str:
    """Every view and table that users may query, with the words for each column."""
    with tempfile.TemporaryDirectory() as folder:
        db = Path(folder) / "empty.db"
        Log.open(db).close()
        connection = sqlite3.connect(db)
        kinds = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE '%fts%'"
        there = [name for (name,) in connection.execute(kinds) if not name.startswith(("_", "sqlite_"))]
        names = [*VIEWS, *(name for name in TABLES if name in there and name not in VIEWS)]
        missing = set(there) - set(names)
        assert not missing, f"no words for {missing}"
        parts = [_table(connection, name) for name in names]
        connection.close()
    return "\n".join(parts)


def _table(connection: sqlite3.Connection, name: str) -> str:
    columns = [row[1] for row in connection.execute(f'pragma table_info("{name}")')]
    rows = [f"| `{column}` | {str(column_words(name, column)).replace('|', '&#124;')} |" for column in columns]
    kind = "view" if name in VIEWS else "table"
    return "\n".join(
        [f"### {name} ({kind})", "", TABLES[name].description, "", "| column | what |", "|---|---|", *rows, ""]
    )


def page() -> str:
    """The page with its tables renewed."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    return before + START + "\n" + tables() + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
