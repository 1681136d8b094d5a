"""The Datasette plugin: only hooks that 0.65 and 1.0 share, each a few lines into the rest of the package.

It is loaded into every Datasette of this Python, so importing it costs next to nothing, and in a Datasette without a
promptlab log each hook does nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from datasette import hookimpl  # type: ignore[import-untyped,import-not-found,unused-ignore]

if TYPE_CHECKING:
    import sqlite3

    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]

__all__: list[str] = []


@hookimpl  # type: ignore[untyped-decorator,unused-ignore]
def startup(datasette: Datasette) -> Callable[[], Awaitable[None]]:
    """Find the promptlab logs among the databases, and bound what their table pages cost."""

    async def look() -> None:
        from promptlab.browse.large_tables import bound_tables
        from promptlab.browse.open_logs import find_logs

        logs = await find_logs(datasette)
        for name in logs:
            bound_tables(datasette, name)
        if logs:
            from promptlab.browse import experiment_facts, page_rendering

            loop = asyncio.get_running_loop()  # both while the server starts, in a thread
            loop.run_in_executor(None, page_rendering.compile_templates)
            loop.run_in_executor(None, experiment_facts.get_ready)

    return look


@hookimpl  # type: ignore[untyped-decorator,unused-ignore]
def register_facet_classes() -> list[type]:
    """The facets that the description of a log's table asks for."""
    from promptlab.browse.large_tables import BoundedFacet

    return [BoundedFacet]


@hookimpl  # type: ignore[untyped-decorator,unused-ignore]
def register_routes(datasette: Datasette) -> list[tuple[str, Callable[..., Any]]]:
    """promptlab's own pages, image files and static files, all below /-/promptlab."""
    from promptlab.browse.page_routes import ROUTES

    return ROUTES


@hookimpl  # type: ignore[untyped-decorator,unused-ignore]
def prepare_connection(conn: sqlite3.Connection) -> None:
    """`promptlab_diff(before, after)` (JSON segments) and `promptlab_similarity(before, after)` (0 to 1) in SQL."""
    conn.create_function("promptlab_diff", 2, _diff, deterministic=True)
    conn.create_function("promptlab_similarity", 2, _similarity, deterministic=True)


@hookimpl  # type: ignore[untyped-decorator,unused-ignore]
def render_cell(
    row: Any, value: Any, column: str, table: str | None, database: str | None, datasette: Datasette
) -> str | None:
    """Pictures, JSON and costs in Datasette's tables."""
    if value is None or database is None:
        return None
    from promptlab.browse.open_logs import Links, known_logs

    logs = known_logs(datasette)
    if database not in logs:
        return None
    from promptlab.browse import column_rendering

    if column not in column_rendering.COLUMNS:
        return None
    return column_rendering.cell(Links(datasette, logs[database], several=len(logs) > 1), table, column, value, row)


@hookimpl  # type: ignore[untyped-decorator,unused-ignore]
def menu_links(datasette: Datasette) -> list[dict[str, Any]]:
    """The way from Datasette's pages to promptlab's."""
    return _navigation(_links(datasette))


@hookimpl  # type: ignore[untyped-decorator,unused-ignore]
def extra_template_vars(
    datasette: Datasette, database: str | None, view_name: str
) -> Callable[[], Awaitable[dict[str, Any]]]:
    """The same links for the header that `promptlab browse` puts above Datasette's pages, and words for its list."""

    async def read() -> dict[str, Any]:
        links = _links(datasette, database)
        tables: dict[str, Any] = {}
        if links is not None and view_name == "database":
            from promptlab.browse.metadata import table_words

            tables = await datasette.get_database(links.log.database).execute_fn(table_words)
        return {"promptlab_nav": _navigation(links), "promptlab_tables": tables}

    return read


@hookimpl  # type: ignore[untyped-decorator,unused-ignore]
def table_actions(datasette: Datasette, database: str, table: str) -> list[dict[str, str]]:
    """From a table of images to the same as pages."""
    links = _links(datasette, database)
    if links is None or not (table in ("gallery", "images", "generations", "runs") or table.startswith("axes_")):
        return []
    return [
        {"href": links.gallery(), "label": "The same as a wall of pictures"},
        {"href": links.runs(), "label": "Runs with their images"},
        {"href": links.compare(run="last"), "label": "Latest run side by side"},
    ]


@hookimpl  # type: ignore[untyped-decorator,unused-ignore]
def extra_css_urls(datasette: Datasette, database: str | None) -> list[str]:
    """promptlab's look on Datasette's pages of a log; elsewhere nothing changes."""
    links = _links(datasette, database)
    return [links.static("datasette.css")] if links is not None else []


@hookimpl  # type: ignore[untyped-decorator,unused-ignore]
def register_mcp_tools(datasette: Datasette, mcp: Any) -> None:
    """Read-only tools for datasette-mcp, which calls this hook where it is installed."""
    from promptlab.browse.mcp_tools import register

    register(datasette, mcp)


@hookimpl  # type: ignore[untyped-decorator,unused-ignore]
def extra_js_urls(datasette: Datasette, database: str | None) -> list[str]:
    """Names for the fields of Datasette's pages of a log, for those who hear or type them."""
    links = _links(datasette, database)
    return [links.static("datasette.js")] if links is not None else []


def _links(datasette: Datasette, database: str | None = None) -> Any:
    """Links into this log, or into the first one; None where there is none, or `database` is another's."""
    from promptlab.browse.open_logs import Links, known_logs

    logs = known_logs(datasette)
    if database is None and any(each.path and name not in logs for name, each in datasette.databases.items()):
        return None  # a page of no database, where other databases are open too
    log = logs.get(database) if database is not None else next(iter(logs.values()), None)
    return log and Links(datasette, log, several=len(logs) > 1)


def _navigation(links: Any) -> list[dict[str, Any]]:
    if links is None:
        return []
    from promptlab.browse.navigation import navigation

    return [{"href": each.href, "label": each.label, "here": each.key == "data"} for each in navigation(links)]


def _diff(before: object, after: object) -> str | None:
    """NULL in, NULL out, like SQLite's own functions."""
    if before is None or after is None:
        return None
    from promptlab.compare import word_diff

    return json.dumps(word_diff(str(before), str(after)), ensure_ascii=False)


def _similarity(before: object, after: object) -> float | None:
    if before is None or after is None:
        return None
    from promptlab.compare import similarity

    return similarity(str(before), str(after))
