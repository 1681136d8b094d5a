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
            from promptlab.browse.page_rendering import compile_templates

            asyncio.get_running_loop().run_in_executor(None, compile_templates)  # while the server starts

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
def menu_links(datasette: Datasette) -> list[dict[str, str]]:
    """The way from Datasette's pages to promptlab's."""
    return _navigation(_links(datasette))


@hookimpl  # type: ignore[untyped-decorator,unused-ignore]
def extra_template_vars(datasette: Datasette, database: str | None) -> dict[str, Any]:
    """The same links for the header that `promptlab browse` puts above Datasette's pages."""
    return {"promptlab_nav": _navigation(_links(datasette, database))}


@hookimpl  # type: ignore[untyped-decorator,unused-ignore]
def table_actions(datasette: Datasette, database: str, table: str) -> list[dict[str, str]]:
    """From a table of images to the same as pages."""
    links = _links(datasette, database)
    if links is None or not (table in ("gallery", "images", "generations", "runs") or table.startswith("axes_")):
        return []
    return [
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


def _links(datasette: Datasette, database: str | None = None) -> Any:
    """Links into this log, or into the first one; None where there is none, or `database` is another's."""
    from promptlab.browse.open_logs import Links, known_logs

    logs = known_logs(datasette)
    if database is None and any(each.path and name not in logs for name, each in datasette.databases.items()):
        return None  # a page of no database, where other databases are open too
    log = logs.get(database) if database is not None else next(iter(logs.values()), None)
    return log and Links(datasette, log, several=len(logs) > 1)


def _navigation(links: Any) -> list[dict[str, str]]:
    if links is None:
        return []
    from promptlab.browse.navigation import navigation

    return [{"href": each.href, "label": each.label} for each in navigation(links)]


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
