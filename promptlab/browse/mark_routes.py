"""Marks that are set from a page: keep, reject, take away, take back.

`POST /-/promptlab/mark` takes `image` (any number of ids) and `mark` (keep, reject or clear), or `keep` and `reject`
(any number of ids each), and with either `tag` (any number), `note` and `tags` (texts with commas).
`POST /-/promptlab/mark/undo` takes back the command that `batch` names, else this person's last one, with `run` only
on that run. `once` is a name for what is done: sent twice, it is done once. `writes.change` says how both answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

from promptlab.browse import people, shell
from promptlab.browse.writes import Given, change, once, one
from promptlab.errors import InputError

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.utils.asgi import Request, Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    from promptlab.log import Log, Mark, Marked

__all__ = ["ROUTES"]

_MOST = 1000  # images in one request
_TAGS = 20
_NOTE = 2000  # characters


async def mark(request: Request, datasette: Datasette) -> Response:
    """Mark images, as the person who is looking."""
    return await change(request, datasette, _mark)


async def undo(request: Request, datasette: Datasette) -> Response:
    """Take back a command of the person who is looking: the one that is named, else the last."""
    return await change(request, datasette, _undo)


def _mark(log: Log, by: str, given: Given) -> dict[str, Any]:
    marks = _wanted(given)
    if not 0 < len(marks) <= _MOST:
        raise InputError(f"name 1 to {_MOST:,} images")
    return _told(log.mark_each(marks, by=by, tags=_tags(given), note=_note(given), once=once(given)))


def _undo(log: Log, by: str, given: Given) -> dict[str, Any]:
    run = one(given, "run")
    run_id = log.find_run(run).id if run else None
    return _told(log.undo_marks(by=by, run_id=run_id, batch=one(given, "batch") or None, once=once(given)))


def _wanted(given: Given) -> dict[str, Mark]:
    images, kept, rejected = (list(given.get(name, ())) for name in ("image", "keep", "reject"))
    if not images and (kept or rejected):
        if len({*kept, *rejected}) != len(kept) + len(rejected):
            raise InputError("an image is named twice")
        return {**dict.fromkeys(kept, "keep"), **dict.fromkeys(rejected, "reject")}
    wanted = one(given, "mark")
    if wanted not in ("keep", "reject", "clear") or kept or rejected:
        raise InputError("a mark is keep, reject or clear")
    chosen = cast(Literal["keep", "reject"] | None, None if wanted == "clear" else wanted)
    return dict.fromkeys(images, chosen)


def _tags(given: Given) -> list[str] | None:
    """The tags, each in one line; None where the form says nothing about them, so that those there are stay."""
    if "tag" not in given and "tags" not in given:
        return None
    parts: Sequence[str] = [
        *given.get("tag", ()),
        *(part for text in given.get("tags", ()) for part in text.split(",")),
    ]
    found = list(dict.fromkeys(filter(None, map(people.clean, parts))))
    if len(found) > _TAGS:
        raise InputError(f"an image has at most {_TAGS} tags")
    return found


def _note(given: Given) -> str | None:
    note = one(given, "note").replace("\r\n", "\n").replace("\0", "").strip()
    if len(note) > _NOTE:
        raise InputError(f"a note has at most {_NOTE:,} characters; this one has {len(note):,}")
    return note or None


def _told(done: Marked) -> dict[str, Any]:
    return {
        "images": done.images,
        "before": dict(done.before),
        "after": dict(done.after),
        "batch": done.batch,
        "image_ids": list(done.image_ids),
    }


ROUTES: list[shell.Route] = [
    (r"^/-/promptlab/mark\Z", mark),
    (r"^/-/promptlab/mark/undo\Z", undo),
]
