"""What Datasette gets to know about a log: words for every column, facets, queries and settings, as plain data.

The words are the log's own (promptlab/log/descriptions.py); what a page offers at once is here.

Datasette 0.65 takes all of it from one metadata file. 1.0 wants queries, facets and plugin settings in its
configuration and only the words in the metadata: `config_1_0` gives that second file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from promptlab.browse.canned_queries import QUERIES
from promptlab.browse.large_tables import FACET
from promptlab.log.descriptions import DESCRIPTIONS, column_words

__all__ = ["SETTINGS", "TABLES", "TablePage", "config_1_0", "metadata", "schema_columns", "table_words"]

#: Suggesting facets scans every column (2 s at 200,000 rows); answers are never cached, since runs write as we look.
SETTINGS: Mapping[str, Any] = {
    "suggest_facets": False,
    "default_page_size": 50,
    "max_returned_rows": 1000,
    "sql_time_limit_ms": 5000,
    "facet_time_limit_ms": 300,
    "default_facet_size": 12,
    "truncate_cells_html": 600,
    "default_cache_ttl": 0,
}
_TITLE = "promptlab"
#: Keys of a table's description that 1.0 reads from its configuration.
_CONFIG_KEYS = ("facets", "sort_desc", "label_column", "fts_table", "fts_pk", "hidden")


@dataclass(frozen=True, slots=True)
class TablePage:
    """The page of one table or view."""

    title: str
    description: str = ""
    facets: tuple[str, ...] = ()
    sort_desc: str | None = None
    label: str | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    hidden: bool = False
    search: tuple[str, str] | None = None  # full-text table and key column, where Datasette cannot find them itself


_GALLERY_SEARCH = ("generations_fts", "generation_rowid")
_PAGES: Mapping[str, TablePage] = {
    "gallery": TablePage(
        "Gallery", facets=("experiment", "variant", "template", "mark"), sort_desc="created_at", search=_GALLERY_SEARCH
    ),
    "variant_summary": TablePage("Variants, summed up", facets=("experiment",)),
    "spending": TablePage("Spending", facets=("experiment",), sort_desc="day"),
    "experiments": TablePage("Experiments"),
    "runs": TablePage(
        "Runs", facets=("experiment", "status", "provider", "kind"), sort_desc="started_at", label="experiment"
    ),
    "inputs": TablePage("Inputs", facets=("role",)),
    "templates": TablePage("Templates", label="path"),
    "template_files": TablePage("Template files"),
    "run_templates": TablePage("Templates of runs"),
    "variants": TablePage("Variants", facets=("experiment",)),
    "generations": TablePage(
        "Generations",
        facets=("experiment", "status", "model", "cost_source"),
        sort_desc="created_at",
        units={"latency_ms": "ms"},
    ),
    "attempts": TablePage(
        "Attempts",
        facets=("outcome", "status_code", "may_be_billed"),
        sort_desc="id",  # in the order they were sent, as by started_at, which has no index
        units={"retry_after_s": "s"},
    ),
    "images": TablePage("Images", facets=("status", "format"), units={"bytes": "byte"}),
    "marks": TablePage("Marks", facets=("mark", "by")),
    "picks": TablePage("Picks", facets=("experiment",)),
    "vote_results": TablePage("Votes, in words", facets=("experiment", "axis", "by"), sort_desc="at"),
    "polls": TablePage("Polls", facets=("experiment", "axis", "goal")),
    "ballots": TablePage("Ballots", facets=("kind", "by"), sort_desc="at"),
    "votes": TablePage("Votes", facets=("outcome",)),
    "tally_views": TablePage("Looks at the tally", hidden=True),
    "ballot_papers": TablePage("Offline ballots", hidden=True),
    "judge_calls": TablePage("Calls of judges", facets=("model", "outcome")),
    "scores": TablePage("Scores", facets=("name", "scorer")),
    "hidden_runs": TablePage("Hidden runs", hidden=True),
    "mark_events": TablePage("History of marks", hidden=True),
    "claims": TablePage("Claims", hidden=True),
    "answers": TablePage("Answers", hidden=True),
    "_sqlite_migrations": TablePage("Migrations", hidden=True),
    "latest_marks": TablePage("Latest marks", hidden=True),
    "stale_sums": TablePage("Stale sums", hidden=True),
    "run_sums": TablePage("Sums of runs", hidden=True),
    "spending_sums": TablePage("Sums of spending", hidden=True),
    "variant_sums": TablePage("Sums of variants", hidden=True),
    "stray_sums": TablePage("Stray copies, kept", hidden=True),
    "run_parts": TablePage("Parts of runs", hidden=True),
    "spending_parts": TablePage("Parts of spending", hidden=True),
    "variant_parts": TablePage("Parts of variants", hidden=True),
    "stray_copies": TablePage("Stray copies", hidden=True),
}
TABLES: Mapping[str, TablePage] = {
    name: replace(page, description=DESCRIPTIONS[name].text) for name, page in _PAGES.items()
}


def schema_columns(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """Every table and view of a log → its columns; search indexes and SQLite's own tables left out."""
    query = """
        select m.name, c.name from sqlite_master m join pragma_table_info(m.name) c
        where m.type in ('table', 'view') and m.name not like 'sqlite@_%' escape '@'
        order by m.type, m.name, c.cid
    """
    found: dict[str, list[str]] = {}
    for table, column in connection.execute(query):
        if "_fts" not in table:
            found.setdefault(table, []).append(column)
    return found


def table_words(connection: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    """Every table and view in the order in which they are worth reading → its title, its words, and whether a list
    of what there is has it."""
    columns = schema_columns(connection)
    pages = {
        name: TABLES.get(name) or _axes_view(name, columns[name]) for name in [*TABLES, *columns] if name in columns
    }
    return {
        name: {"title": page.title, "description": page.description, "listed": not page.hidden}
        for name, page in pages.items()
    }


def metadata(database: str, columns: Mapping[str, list[str]], images: Path | None, **plugin: object) -> dict[str, Any]:
    """The metadata of one log for Datasette 0.65. `columns` is `schema_columns`; `images` the folder of its files.

    `plugin` are further settings of ours: `write` (whether pages may write marks and votes), `user` (whose they are).
    """
    own: dict[str, Any] = {
        "description": "Prompts, variants, images and costs, as promptlab logged them.",
        "tables": {table: _table(table, names) for table, names in columns.items()},
        "queries": {name: {**query, "sql": query["sql"].strip()} for name, query in QUERIES.items()},
    }
    if images is not None:
        own["plugins"] = {"promptlab": {"images": str(images), **plugin}}
    return {"title": _TITLE, "databases": {database: own}}


def config_1_0(whole: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `metadata` that Datasette 1.0 reads from its configuration, with the settings."""
    databases = {}
    for name, own in whole["databases"].items():
        tables = {
            table: {key: words[key] for key in _CONFIG_KEYS if key in words} for table, words in own["tables"].items()
        }
        databases[name] = {
            "queries": own["queries"],
            "tables": {table: kept for table, kept in tables.items() if kept},
            "plugins": own.get("plugins", {}),
        }
    return {"settings": dict(SETTINGS), "databases": databases}


def _table(name: str, columns: list[str]) -> dict[str, Any]:
    """One table's words, with only the facets and units whose columns it has."""
    words = TABLES.get(name) or _axes_view(name, columns)
    described = {column: column_words(name, column) or f"The value of the axis {column}" for column in columns}
    table: dict[str, Any] = {"title": words.title, "description": words.description, "columns": described}
    if facets := [column for column in words.facets if column in columns]:
        table["facets"] = [{FACET: column} for column in facets]
    if words.sort_desc in columns:
        table["sort_desc"] = words.sort_desc
    if words.label:
        table["label_column"] = words.label
    if words.units:
        table["units"] = dict(words.units)
    if words.hidden:
        table["hidden"] = True
    if words.search:
        table["fts_table"], table["fts_pk"] = words.search
    return table


def _axes_view(name: str, columns: list[str]) -> TablePage:
    """The words of an experiment's own view; its first facets are its axes, which come after the thumbnail."""
    if not name.startswith("axes_"):
        return TablePage(name, "")
    axes = tuple(columns[2 : columns.index("variant")]) if "variant" in columns else ()
    return TablePage(
        f"Images of {name.removeprefix('axes_')}, by axis",
        "The gallery of one experiment, with a column for each of its axes.",
        facets=axes[:6],
        sort_desc="created_at",
        search=TABLES["gallery"].search,
    )
