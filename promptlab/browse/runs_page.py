"""The runs page: the latest runs, with their images."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from promptlab.browse import page_data, shell

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.utils.asgi import Request, Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

__all__ = ["ROUTES"]


async def runs_page(request: Request, datasette: Datasette) -> Response:
    """The latest runs, with their images."""
    log, links = await shell.open_log(request, datasette)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    experiment, page = request.args.get("experiment") or None, shell.number(request.args.get("page"), 1, 10_000)

    def read(connection: sqlite3.Connection) -> tuple[list[page_data.RunCard], bool, list[str]]:
        cards, more = page_data.recent_runs(connection, experiment=experiment, page=page)
        return cards, more, page_data.experiments(connection)

    cards, more, names = await shell.read(datasette, log, read)
    return shell.page(
        "runs.html",
        links,
        cards=cards,
        more=more,
        page=page,
        experiment=experiment,
        experiments=names,
        live=any(card.run["status"] == "running" for card in cards),
    )


ROUTES: list[shell.Route] = [(r"^/-/promptlab/?\Z", runs_page)]
