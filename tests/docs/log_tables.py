"""The tables of docs/log.md, written from the schema and the log's own descriptions of it.

`python tests/docs/log_tables.py` renews the page; a test compares the two.
"""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

from promptlab.log import Log
from promptlab.log.descriptions import DESCRIPTIONS, column_words

PAGE = Path(__file__).parent.parent.parent / "docs" / "log.md"
SUMS = """## Sums that are kept

What `spending`, `variant_summary` and lists of runs are quick from. Ask those: nothing here is a promise.
"""
START, END = "<!-- tables -->\n", "<!-- end of tables -->\n"


def tables() -> str:
    """Every view and table that users may query, with the words for each column."""
    with tempfile.TemporaryDirectory() as folder:
        db = Path(folder) / "empty.db"
        Log.open(db).close()
        connection = sqlite3.connect(db)
        kinds = "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE '%fts%'"
        there = {name: kind for name, kind in connection.execute(kinds) if not name.startswith(("_", "sqlite_"))}
        missing = there.keys() - DESCRIPTIONS.keys()
        assert not missing, f"no words for {missing}"
        of_people = [name for name in DESCRIPTIONS if name in there and not DESCRIPTIONS[name].internal]
        of_sums = [name for name in DESCRIPTIONS if name in there and DESCRIPTIONS[name].internal]
        parts = [_table(connection, name, there[name]) for name in of_people]
        parts.append(SUMS)
        parts += [_table(connection, name, there[name]) for name in of_sums]
        connection.close()
    return "\n".join(parts)


def _table(connection: sqlite3.Connection, name: str, kind: str) -> str:
    described = DESCRIPTIONS[name]
    if described.like and described.internal:
        return f"### {name} ({kind})\n\n{described.text} It has the columns of `{described.like}`.\n"
    columns = [row[1] for row in connection.execute(f'pragma table_info("{name}")')]
    rows = [f"| `{column}` | {str(column_words(name, column)).replace('|', '&#124;')} |" for column in columns]
    return "\n".join([f"### {name} ({kind})", "", described.text, "", "| column | what |", "|---|---|", *rows, ""])


def page() -> str:
    """The page with its tables renewed."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    return before + START + "\n" + tables() + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
