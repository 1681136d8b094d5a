"""Marks that are set from a page: keep, reject, take away, take back.

`POST /-/promptlab/mark` takes `image` (any number of ids), `mark` (keep, reject or clear), and with it `tag` (any
number) and `note`. `POST /-/promptlab/mark/undo` takes back this person's last mark. `writes.change` says how both
answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from promptlab.browse import shell
from promptlab.browse.writes import Given, change, one
from promptlab.errors import InputError

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.utils.asgi import Request, Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    from promptlab.log import Log, Marked

__all__ = ["ROUTES"]

_MOST = 1000  # images in one request


async def mark(request: Request, datasette: Datasette) -> Response:
    """Mark images, as the person who is looking."""
    return await change(request, datasette, _mark)


async def undo(request: Request, datasette: Datasette) -> Response:
    """Take back the last mark of the person who is looking."""
    return await change(request, datasette, lambda log, by, given: _told(log.undo_marks(by=by)))


def _mark(log: Log, by: str, given: Given) -> dict[str, Any]:
    images, wanted = given.get("image", ()), one(given, "mark")
    if not 0 < len(images) <= _MOST:
        raise InputError(f"name 1 to {_MOST:,} images")
    if wanted not in ("keep", "reject", "clear"):
        raise InputError("a mark is keep, reject or clear")
    tags = [tag for tag in given["tag"] if tag] if "tag" in given else None
    chosen = cast(Literal["keep", "reject"] | None, None if wanted == "clear" else wanted)
    return _told(log.mark_images(images, chosen, by=by, tags=tags, note=one(given, "note") or None))


def _told(done: Marked) -> dict[str, Any]:
    return {"images": done.images, "before": dict(done.before), "after": dict(done.after)}


ROUTES: list[shell.Route] = [
    (r"^/-/promptlab/mark\Z", mark),
    (r"^/-/promptlab/mark/undo\Z", undo),
]
