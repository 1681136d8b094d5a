"""The image page: one image, how it came to be, what was said of it, and what was made from it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from promptlab.browse import guard, image_routes, image_story, page_data, page_rendering, shell
from promptlab.browse.as_csv import as_csv
from promptlab.browse.image_story import ImageStory
from promptlab.browse.page_data import ImageDetail

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.utils.asgi import Request, Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    from promptlab.browse.open_logs import Links, OpenLog

__all__ = ["ROUTES"]

_GONE = ("There is no such image in this log", "Its row may be in another database.")


async def image_page(request: Request, datasette: Datasette) -> Response:
    """One image and how it came to be."""
    log, links, found, story = await _found(request, datasette)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    if found is None or story is None:
        return shell.message(links, *_GONE)
    path = Path(str(datasette.get_database(log.database).path))
    return shell.page(
        "image.html",
        links,
        found=found,
        about_run=found.run["id"],
        story=story,
        values=_values(found.generation),
        params=_params(found.generation),
        label=image_story.LABELS.get(story.label or "", story.label),
        command=image_story.command_of(found, story.spec_path),
        curl=await shell.read(datasette, log, lambda _: image_story.curl_near(path, found.generation)),
        may_write=guard.may_write(datasette, log),
        token=guard.token(request),
    )


async def image_json(request: Request, datasette: Datasette) -> Response:
    """The same as JSON."""
    _, links, found, story = await _found(request, datasette)
    if links is None:
        return shell.nothing_here(datasette)
    if found is None or story is None:
        return shell.as_json({"ok": False, "error": _GONE[0]}, status=404)
    return shell.as_json(image_story.as_data(found, story))


async def image_csv(request: Request, datasette: Datasette) -> Response:
    """The facts of the image, one line each: `image.width`, `generation.prompt`, `axis.look`."""
    _, links, found, story = await _found(request, datasette)
    if links is None:
        return shell.nothing_here(datasette)
    if found is None or story is None:
        return shell.as_json({"ok": False, "error": _GONE[0]}, status=404)
    rows = [{"name": name, "value": value} for name, value in _lines(image_story.as_data(found, story))]
    return as_csv(f"image_{found.image['id']}", ("name", "value"), rows)


async def download(request: Request, datasette: Datasette) -> Response:
    """The file under its readable name, bytes as they came."""
    log, links, found, _ = await _found(request, datasette, story=False)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    if found is None or not found.image["sha256"]:
        return shell.message(links, *_GONE)
    answer = await image_routes.image_response([log], found.image["sha256"])
    if answer.status == 200:
        name = image_story.download_name(found.image)
        plain = "".join(sign if sign.isascii() and sign.isprintable() and sign not in '"\\' else "_" for sign in name)
        # RFC 6266: the plain name for those that do not read the other one
        answer.headers["content-disposition"] = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"
        answer.headers["cache-control"] = "private, no-cache"  # a name may change, unlike what is under a hash
    return answer


async def _found(
    request: Request, datasette: Datasette, *, story: bool = True
) -> tuple[OpenLog | None, Links | None, ImageDetail | None, ImageStory | None]:
    log, links = await shell.open_log(request, datasette)
    if log is None:
        return None, None, None, None
    key = request.url_vars["key"]
    path = Path(str(datasette.get_database(log.database).path))

    def read(connection: sqlite3.Connection) -> tuple[ImageDetail | None, ImageStory | None]:
        found = page_data.image_detail(connection, key)
        told = image_story.image_story(connection, path, found) if found is not None and story else None
        return found, told

    found, told = await shell.read(datasette, log, read)
    return log, links, found, told


def _values(generation: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The axis values that were used, each as text; a row's fields as JSON."""
    used = shell.mapping(generation["axis_values"])
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
    return found + [
        (name, str(value)) for name, value in shell.mapping(generation["params"]).items() if name not in named
    ]


def _lines(data: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with the path to it."""
    for name, value in data.items():
        if isinstance(value, Mapping):
            yield from _lines(value, f"{before}{name}.")
        elif isinstance(value, list):
            yield from _lines({str(number): each for number, each in enumerate(value, 1)}, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


_KEY = "(?P<key>[0-9A-Za-z_-]{1,64})"

ROUTES: list[shell.Route] = [
    (rf"^/-/promptlab/image/{_KEY}\Z", image_page),
    (rf"^/-/promptlab/image/{_KEY}\.json\Z", image_json),
    (rf"^/-/promptlab/image/{_KEY}\.csv\Z", image_csv),
    (rf"^/-/promptlab/download/{_KEY}\Z", download),
]
