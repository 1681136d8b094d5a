"""The page that asks a name once, and changes it: what somebody judges is written under it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlab.browse import guard, people, sharing, shell
from promptlab.browse.writes import Accepted, accept, one, refuse, way_back

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.utils.asgi import Request, Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

__all__ = ["ROUTES"]


async def name_page(request: Request, datasette: Datasette) -> Response:
    """Ask for a name (GET), or keep it in a cookie of this browser (POST)."""
    if request.method == "POST":
        return await _keep(request, datasette)
    log, links = await shell.open_log(request, datasette)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    return shell.page(
        "name.html",
        links,
        name=people.who(request, datasette, log),
        may_write=guard.may_write(datasette, log),
        guest=sharing.visitor() != "owner",
        back=way_back({"back": [request.args.get("back") or ""]}, links),
        token=guard.token(request),
        address=links.address("/name"),
    )


async def _keep(request: Request, datasette: Datasette) -> Response:
    form = await accept(request, datasette)
    if not isinstance(form, Accepted):
        return form
    name = people.clean(one(form.given, "name"))
    if reason := people.objection(name, datasette, form.log):
        return refuse(request, form.links, reason, 400)
    answer = shell.redirect(way_back(form.given, form.links))
    answer.headers["set-cookie"] = people.name_cookie(name)
    return answer


ROUTES: list[shell.Route] = [(r"^/-/promptlab/name\Z", name_page)]
