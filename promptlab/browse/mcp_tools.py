"""Read-only tools for datasette-mcp: which prompt won, what was spent, where an image is.

datasette-mcp (0.3) calls the plugin hook `register_mcp_tools(datasette, mcp)` of every plugin; without it nothing here
is ever imported. Tools see what the actor of the request may see, and none writes.
"""

# No `from __future__ import annotations`: the MCP SDK reads the annotations of a tool as it is defined, and `Context`
# is imported only where the SDK is there.

import sqlite3
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from promptlab.browse import page_data
from promptlab.browse.gallery_data import GalleryFilter, gallery_page, scope_of
from promptlab.browse.open_logs import Links, OpenLog, find_logs, is_allowed
from promptlab.compare.scenes import compared_axis
from promptlab.compare.verdict import verdict_as_json, verdict_of
from promptlab.errors import InputError
from promptlab.log import Log

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]

__all__ = ["find_images", "register", "spend", "which_prompt_won"]

_MOST = 100
By = Literal["day", "experiment", "template", "model", "user", "project"]


def register(datasette: "Datasette", mcp: Any) -> None:
    """Add the tools to an MCP server of datasette-mcp."""
    from mcp.server.mcpserver import Context  # type: ignore[import-not-found,unused-ignore]
    from mcp.types import ToolAnnotations  # type: ignore[import-not-found,unused-ignore]

    read_only = ToolAnnotations(read_only_hint=True, open_world_hint=False)

    @mcp.tool(name="which_prompt_won", annotations=read_only)  # type: ignore[untyped-decorator,unused-ignore]
    async def which(
        ctx: Context, run: str = "last", by: str | None = None, metric: str | None = None, database: str | None = None
    ) -> dict[str, Any]:
        """Which value of an axis (prompt, template, look, ...) of a run is best: the verdict in words, its figures,
        how sure it is, whether to trust it, and what it would take to be surer.

        `run` is a run's id, an experiment's name, or "last". `by` is the compared axis ("variant": whole variants);
        `metric` is "votes", "kept" or a score's name; both are chosen where they are left out. How an open blind vote
        stands is not told.
        """
        log = await _log(datasette, ctx, database)
        return await _read(datasette, log, lambda db: which_prompt_won(db, run, by, metric))

    @mcp.tool(name="spend", annotations=read_only)  # type: ignore[untyped-decorator,unused-ignore]
    async def spent(ctx: Context, by: By = "day", since: str = "", database: str | None = None) -> dict[str, Any]:
        """What was spent on image generation, by day, experiment, template, model, user or project, from the UTC day
        `since` (ISO date) on. Costs have two bounds: results, and results with attempts that may be billed."""
        log = await _log(datasette, ctx, database)
        return await _read(datasette, log, lambda db: spend(db, by, since))

    @mcp.tool(name="find_images", annotations=read_only)  # type: ignore[untyped-decorator,unused-ignore]
    async def find(
        ctx: Context, words: str = "", run: str | None = None, experiment: str | None = None,
        mark: Literal["keep", "reject"] | None = None, limit: int = 20, database: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Images whose prompts have all these words, newest run first, with prompt, variant, mark, file and the page
        that shows each. Narrowed by run, experiment, or people's mark."""
        log = await _log(datasette, ctx, database)
        links = Links(datasette, log, several=len(await find_logs(datasette)) > 1)
        found = await _read(datasette, log, lambda db: find_images(db, words, run, experiment, mark, limit))
        for image in found["images"]:
            image["page"] = links.image(image["image_id"])
        return found


async def _log(datasette: "Datasette", ctx: Any, database: str | None) -> OpenLog:
    """The log that the actor of this request may see: the one named, or the first."""
    scope = getattr(ctx.request_context.request, "scope", None)
    actor = scope.get("actor") if isinstance(scope, dict) else None
    for name, log in (await find_logs(datasette)).items():
        if database in (None, name) and await is_allowed(datasette, actor, log):
            return log
    raise _refusal("there is no promptlab log" + (f" called {database!r}" if database else "") + " that you may see")


async def _read(datasette: "Datasette", log: OpenLog, function: Any) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = await datasette.get_database(log.database).execute_fn(function)
    except InputError as error:
        raise _refusal(str(error)) from error
    return answer


def _refusal(text: str) -> Exception:
    """The SDK's own error, whose text the client gets."""
    from mcp.server.mcpserver.exceptions import ToolError  # type: ignore[import-not-found,unused-ignore]

    error: Exception = ToolError(text)
    return error


# --- what they answer ---------------------------------------------------------------------------------------------


def which_prompt_won(connection: sqlite3.Connection, run: str, by: str | None, metric: str | None) -> dict[str, Any]:
    """The verdict as JSON; how an open blind vote stands is told to nobody who did not ask on its page."""
    log = Log(Path(), connection)
    found = log.find_whole_run(run)
    axis = compared_axis(log, found.id) if by is None else None if by == "variant" else by
    if metric in (None, "votes") and any(
        poll.blind and poll.closed_at is None and poll.axis == axis for poll in log.polls(found.id)
    ):
        text = f"A blind vote by {axis or 'variant'} is open; how it stands is hidden until it is closed."
        return {"run_id": found.id, "by": axis, "metric": "votes", "live": True, "headline": text}
    return verdict_as_json(verdict_of(log, found.id, axis, metric=metric))


def spend(connection: sqlite3.Connection, by: str, since: str) -> dict[str, Any]:
    """Spending in groups, simulated runs left out; None is unknown."""
    return {"by": by, "since": since, "rows": [asdict(row) for row in Log(Path(), connection).usage(by, since=since)]}


def find_images(
    connection: sqlite3.Connection, words: str, run: str | None, experiment: str | None,
    mark: Literal["keep", "reject"] | None, limit: int,
) -> dict[str, Any]:  # fmt: skip
    """Images that fit, at most `limit`, with what is known of each."""
    run_id = None if run is None else Log(Path(), connection).find_run(run).id
    wanted = GalleryFilter(run=run_id, experiment=experiment, query=words or None, mark=mark)
    size = min(max(limit, 1), _MOST)
    page = gallery_page(connection, wanted, scope_of(connection, wanted), size=size)
    ids = [image["id"] for image in page.images][:size]
    sql = (
        "SELECT image_id, run_id, experiment, variant, seed, mark, tags, note, prompt, revised_prompt, model, "
        "cost_usd, sha256, path, created_at FROM gallery WHERE image_id IN ({})"
    )
    rows = {row["image_id"]: row for row in page_data.where_in(connection, sql, ids)}
    return {"images": [rows[id_] for id_ in ids if id_ in rows], "more": page.after is not None}
