"""Every address below /-/promptlab and what answers it: the pages' own routes, and files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlab.browse import (
    gallery_page,
    grid_page,
    image_page,
    image_routes,
    mark_routes,
    name_page,
    pick_routes,
    ranking_page,
    review_page,
    runs_page,
    shell,
    tally_page,
    vote_page,
)

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.utils.asgi import Request, Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

__all__ = ["ROUTES"]


async def image_file(request: Request, datasette: Datasette) -> Response:
    """The full image file."""
    logs = await shell.allowed(request, datasette)
    return await image_routes.image_response(logs, request.url_vars["sha256"])


async def thumbnail_file(request: Request, datasette: Datasette) -> Response:
    """The small picture, made when there is none yet."""
    logs = await shell.allowed(request, datasette)
    return await image_routes.thumbnail_response(logs, request.url_vars["sha256"])


async def static_file(request: Request) -> Response:
    """A bundled style sheet or script."""
    return image_routes.static_response(request.url_vars["name"])


async def no_page() -> Response:
    """A plain 404 for everything else down here: Datasette's own trips over itself where rich is installed."""
    from datasette.utils.asgi import Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    return Response.text("There is no such page.", status=404)


#: Address patterns (without the base_url) and what answers them. A hash is 64 lower-case hex digits and nothing else.
ROUTES: list[shell.Route] = [
    *runs_page.ROUTES,
    *gallery_page.ROUTES,
    *grid_page.ROUTES,
    *image_page.ROUTES,
    *mark_routes.ROUTES,
    *vote_page.ROUTES,
    *tally_page.ROUTES,
    *pick_routes.ROUTES,
    *name_page.ROUTES,
    *review_page.ROUTES,
    *ranking_page.ROUTES,
    (r"^/-/promptlab/file/(?P<sha256>[0-9a-f]{64})\Z", image_file),
    (r"^/-/promptlab/thumbnail/(?P<sha256>[0-9a-f]{64})\Z", thumbnail_file),
    (r"^/-/promptlab/static/(?P<name>[a-z]+\.(?:css|js))\Z", static_file),
    (r"^/-/promptlab/.*", no_page),
]
