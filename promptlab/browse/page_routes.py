"""The pages: read a request, ask `page_data`, hand the answer to a template. Everything is read; nothing is written."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from promptlab.browse import image_routes, page_data, page_rendering
from promptlab.browse.open_logs import Links, OpenLog, find_logs, is_allowed
from promptlab.browse.side_by_side import SideBySide, Wanted, side_by_side

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.utils.asgi import Request, Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

__all__ = ["ROUTES"]

T = TypeVar("T")
_LINES = 60  # grid lines on one page; ?lines= asks for up to _MOST_LINES
_MOST_LINES = 200
_AXIS = "axis."  # ?axis.look=warm keeps only that value


async def runs_page(request: Request, datasette: Datasette) -> Response:
    """The latest runs, with their images."""
    log, links = await _open(request, datasette)
    if log is None or links is None:
        return _nothing_here(datasette)
    experiment, page = request.args.get("experiment") or None, _number(request.args.get("page"), 1, 10_000)

    def read(connection: sqlite3.Connection) -> tuple[list[page_data.RunCard], bool, list[str]]:
        cards, more = page_data.recent_runs(connection, experiment=experiment, page=page)
        return cards, more, page_data.experiments(connection)

    cards, more, names = await _read(datasette, log, read)
    return _page(
        "runs.html",
        links,
        cards=cards,
        more=more,
        page=page,
        experiment=experiment,
        experiments=names,
        live=any(card.run["status"] == "running" for card in cards),
    )


async def compare_page(request: Request, datasette: Datasette) -> Response:
    """One run, its variants side by side."""
    log, links = await _open(request, datasette)
    if log is None or links is None:
        return _nothing_here(datasette)
    args = request.args
    only = {key[len(_AXIS) :]: args[key] for key in args if key.startswith(_AXIS) and args[key]}
    wanted = Wanted(
        by=args.get("by") or None,
        only=only,
        page=_number(args.get("page"), 1, 10**6),
        across=_number(args.get("across"), 1, 10**6),
        size=_number(args.get("lines"), _LINES, _MOST_LINES),
    )
    name = args.get("run") or args.get("experiment") or "last"

    def read(connection: sqlite3.Connection) -> SideBySide | None:
        run = page_data.find_run(connection, name)
        return None if run is None else side_by_side(connection, run, wanted)

    found = await _read(datasette, log, read)
    if found is None:
        return _message(links, f"There is no run {name!r} in this log", "The runs page lists every run there is.")
    if found.run["kind"] == "verify":
        reason = "It only checks that images come out the same, so it stays out of comparisons."
        return _message(links, "This is a verify run", reason, status=200)
    return _page(
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


async def image_page(request: Request, datasette: Datasette) -> Response:
    """One image and how it came to be."""
    log, links = await _open(request, datasette)
    if log is None or links is None:
        return _nothing_here(datasette)
    key = request.url_vars["key"]
    found = await _read(datasette, log, lambda connection: page_data.image_detail(connection, key))
    if found is None:
        return _message(links, "There is no such image in this log", "Its row may be in another database.")
    return _page("image.html", links, found=found, values=_values(found.generation), params=_params(found.generation))


async def image_file(request: Request, datasette: Datasette) -> Response:
    """The full image file."""
    logs = await _allowed(request, datasette)
    return await image_routes.image_response(logs, request.url_vars["sha256"])


async def thumbnail_file(request: Request, datasette: Datasette) -> Response:
    """The small picture, made when there is none yet."""
    logs = await _allowed(request, datasette)
    return await image_routes.thumbnail_response(logs, request.url_vars["sha256"])


async def static_file(request: Request) -> Response:
    """A bundled style sheet or script."""
    return image_routes.static_response(request.url_vars["name"])


async def no_page() -> Response:
    """A plain 404 for everything else down here: Datasette's own trips over itself where rich is installed."""
    from datasette.utils.asgi import Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    return Response.text("There is no such page.", status=404)


#: Address patterns (without the base_url) and what answers them. A hash is 64 lower-case hex digits and nothing else.
ROUTES: list[tuple[str, Callable[..., Any]]] = [
    (r"^/-/promptlab/?\Z", runs_page),
    (r"^/-/promptlab/compare\Z", compare_page),
    (r"^/-/promptlab/image/(?P<key>[0-9A-Za-z_-]{1,64})\Z", image_page),
    (r"^/-/promptlab/file/(?P<sha256>[0-9a-f]{64})\Z", image_file),
    (r"^/-/promptlab/thumbnail/(?P<sha256>[0-9a-f]{64})\Z", thumbnail_file),
    (r"^/-/promptlab/static/(?P<name>[a-z]+\.(?:css|js))\Z", static_file),
    (r"^/-/promptlab/.*", no_page),
]


# --- helpers ------------------------------------------------------------------------------------------------------


async def _allowed(request: Request, datasette: Datasette) -> list[OpenLog]:
    logs = (await find_logs(datasette)).values()
    return [log for log in logs if await is_allowed(datasette, request.actor, log)]


async def _open(request: Request, datasette: Datasette) -> tuple[OpenLog | None, Links | None]:
    """The log that ?db= names, or the first one."""
    logs = await _allowed(request, datasette)
    name = request.args.get("db")
    log = next((log for log in logs if name in (None, log.database)), None)
    return (log, Links(datasette, log, several=len(logs) > 1)) if log is not None else (None, None)


async def _read(datasette: Datasette, log: OpenLog, function: Callable[[sqlite3.Connection], T]) -> T:
    answer: T = await datasette.get_database(log.database).execute_fn(function)
    return answer


def _page(template: str, links: Links, *, status: int = 200, **context: Any) -> Response:
    from datasette.utils.asgi import Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    shared = {
        "links": links,
        "now": datetime.now(UTC),
        "live": False,
        "seconds_between": page_rendering.seconds_between,
    }
    body = page_rendering.render(template, {**shared, **context})
    headers = {
        "content-security-policy": page_rendering.CONTENT_SECURITY_POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cache-control": "no-store",
    }
    return Response.html(body, status=status, headers=headers)


def _message(links: Links, title: str, text: str, *, status: int = 404) -> Response:
    return _page("message.html", links, status=status, title=title, text=text)


def _nothing_here(datasette: Datasette) -> Response:
    from datasette.utils.asgi import Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    return Response.text("No promptlab log is open in this Datasette.", status=404)


def _number(text: str | None, default: int, most: int) -> int:
    """A number of the query string, from 1 to `most`; anything else is the default."""
    return min(max(int(text), 1), most) if text and text.isascii() and text.isdigit() and len(text) < 10 else default


def _values(generation: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The axis values that were used, each as text; a row's fields as JSON."""
    used = _mapping(generation["axis_values"])
    return [
        (axis, value if isinstance(value, str) else page_rendering.pretty_json(value)) for axis, value in used.items()
    ]


def _params(generation: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was asked for, beside the prompt: the columns that are set, then the rest of the parameters."""
    named = ("operation", "aspect_ratio", "output_format", "n", "strength")
    defaulted = page_rendering.names(generation["defaulted"])
    found = [
        (name, f"{generation[name]} (the default)" if name in defaulted else str(generation[name]))
        for name in named
        if generation[name] is not None
    ]
    return found + [(name, str(value)) for name, value in _mapping(generation["params"]).items() if name not in named]


def _mapping(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
