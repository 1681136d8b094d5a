"""The grid: one run, its variants side by side."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from promptlab.browse import page_data, shell
from promptlab.browse.side_by_side import SideBySide, Wanted, side_by_side

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.utils.asgi import Request, Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

__all__ = ["ROUTES"]

_LINES = 60  # grid lines on one page; ?lines= asks for up to _MOST_LINES
_MOST_LINES = 200
_AXIS = "axis."  # ?axis.look=warm keeps only that value


async def compare_page(request: Request, datasette: Datasette) -> Response:
    """One run, its variants side by side."""
    log, links = await shell.open_log(request, datasette)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    args = request.args
    only = {key[len(_AXIS) :]: args[key] for key in args if key.startswith(_AXIS) and args[key]}
    wanted = Wanted(
        by=args.get("by") or None,
        only=only,
        page=shell.number(args.get("page"), 1, 10**6),
        across=shell.number(args.get("across"), 1, 10**6),
        size=shell.number(args.get("lines"), _LINES, _MOST_LINES),
    )
    name = args.get("run") or args.get("experiment") or "last"

    def read(connection: sqlite3.Connection) -> SideBySide | None:
        run = page_data.find_run(connection, name)
        return None if run is None else side_by_side(connection, run, wanted)

    found = await shell.read(datasette, log, read)
    if found is None:
        return shell.message(links, f"There is no run {name!r} in this log", "The runs page lists every run there is.")
    if found.run["kind"] == "verify":
        reason = "It only checks that images come out the same, so it stays out of comparisons."
        return shell.message(links, "This is a verify run", reason, status=200)
    return shell.page(
        "compare.html",
        links,
        found=found,
        grid=found.grid,
        by=found.grid.by or "variant",
        kept=wanted.size if wanted.size != _LINES else None,
        across=wanted.across,
        filters={_AXIS + axis: value for axis, value in found.only.items()},
        prompts=bool(args.get("prompts")),
        live=found.run["status"] == "running",
    )


ROUTES: list[shell.Route] = [(r"^/-/promptlab/compare\Z", compare_page)]
