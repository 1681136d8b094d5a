"""One way for a page to write: check the request, write in one commit, answer its script or go back to its page."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from promptlab.browse import guard, people, shell
from promptlab.errors import InputError, LogError
from promptlab.model import new_id

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.utils.asgi import Request, Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    from promptlab.browse.open_logs import Links, OpenLog
    from promptlab.log import Log

__all__ = ["Accepted", "Given", "accept", "change", "new_once", "once", "one", "refuse", "way_back"]

#: The fields of a form, each with all its values.
Given = Mapping[str, Sequence[str]]
_MOST_BYTES = 1_000_000
_HERE = re.compile(r"/(?![/\\])[^\\\x00-\x20]*")  # a path of this address, and of no other
_ONCE = re.compile(r"[0-9A-Za-z-]{16,64}")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A form that may write: to which log, and what it says."""

    log: OpenLog
    links: Links
    given: Given


async def change(
    request: Request, datasette: Datasette, function: Callable[[Log, str, Given], Mapping[str, Any]]
) -> Response:
    """Call `function(log, who, form)` in the log's one writer, if the request may write at all.

    Its answer is the JSON that a script gets (`Accept: application/json`); a form is sent to the page in its field
    `back`. A refused request is 403, an InputError 400, a log that can't be written 503; none of them writes anything,
    and nothing is answered before it is committed.
    """
    form = await accept(request, datasette)
    if not isinstance(form, Accepted):
        return form
    by = people.who(request, datasette, form.log)
    if not by:
        return refuse(request, form.links, people.NO_NAME, 403)

    def committed(writer: Log) -> Mapping[str, Any]:
        writer.check_there()
        with writer.transaction():
            return function(writer, by, form.given)

    try:
        answer = await shell.write(datasette, form.log, committed)
    except InputError as error:
        return refuse(request, form.links, str(error), 400)
    except LogError as error:
        return refuse(request, form.links, str(error), 503)
    if _is_script(request):
        return shell.as_json({"ok": True, **answer})
    return shell.redirect(way_back(form.given, form.links))


async def accept(request: Request, datasette: Datasette) -> Accepted | Response:
    """The form of a request that may write, or the answer to one that may not."""
    log, links = await shell.open_log(request, datasette)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    given = await _form(request)
    if given is None:
        return refuse(request, links, "the form is not one of this page", 413)
    if reason := guard.refusal(request, datasette, log, one(given, "csrftoken")):
        return refuse(request, links, reason, 403)
    return Accepted(log, links, given)


def refuse(request: Request, links: Links, reason: str, status: int) -> Response:
    """Say why nothing was written, to a script or to a person."""
    if _is_script(request):
        return shell.as_json({"ok": False, "error": reason}, status=status)
    return shell.message(links, "Nothing was changed", f"{reason[:1].upper()}{reason[1:]}.", status=status)


def one(given: Given, name: str) -> str:
    """The first value of a field; empty where there is none."""
    return next(iter(given.get(name, ())), "")


def new_once() -> str:
    """A name for what a form does, for its field `once`: sent twice, it is done once."""
    return new_id()


def once(given: Given) -> str | None:
    """The name of what a form does; InputError for one that can't be a name."""
    name = one(given, "once")
    if name and not _ONCE.fullmatch(name):
        raise InputError("`once` is 16 to 64 letters and digits, new for each form")
    return name or None


def way_back(given: Given, links: Links) -> str:
    """The page that a form came from, if it names one of this address."""
    back = one(given, "back")
    return back if _HERE.fullmatch(back) else links.runs()


async def _form(request: Request) -> Given | None:
    """The fields of a form; None where it is too large, or text that is none."""
    body = await _body(request) if request.method == "POST" else b""
    if body is None:
        return None
    try:
        return parse_qs(body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=10_000)
    except ValueError:  # not UTF-8, or more fields than any page sends
        return None


async def _body(request: Request) -> bytes | None:
    """What was sent; None as soon as it is too large, whatever its headers promised."""
    parts, size, more = [], 0, True
    while more:
        message = await request.receive()
        if message["type"] != "http.request":  # gone before it was all here
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
        if size > _MOST_BYTES:
            return None
    return b"".join(parts)


def _is_script(request: Request) -> bool:
    return "application/json" in (request.headers.get("accept") or "")
