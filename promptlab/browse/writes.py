"""One way for a page to write: check the request, write in one commit, answer its script or go back to its page."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from promptlab.browse import guard, people, shell
from promptlab.errors import InputError, LogError

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.utils.asgi import Request, Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    from promptlab.browse.open_logs import Links
    from promptlab.log import Log

__all__ = ["Given", "change", "one"]

#: The fields of a form, each with all its values.
Given = Mapping[str, Sequence[str]]
_MOST_BYTES = 1_000_000
_HERE = re.compile(r"/(?![/\\])[^\\\x00-\x20]*")  # a path of this address, and of no other


async def change(
    request: Request, datasette: Datasette, function: Callable[[Log, str, Given], Mapping[str, Any]]
) -> Response:
    """Call `function(log, who, form)` in the log's one writer, if the request may write at all.

    Its answer is the JSON that a script gets (`Accept: application/json`); a form is sent to the page in its field
    `back`. A refused request is 403, an InputError 400, a log that can't be written 503; none of them writes anything.
    """
    log, links = await shell.open_log(request, datasette)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    given = await _form(request)
    if given is None:
        return _no(request, links, "the form is not one of this page", 413)
    if reason := guard.refusal(request, datasette, log, one(given, "csrftoken")):
        return _no(request, links, reason, 403)
    by = people.who(request, datasette, log)
    try:
        answer = await shell.write(datasette, log, lambda writer: function(writer, by, given))
    except InputError as error:
        return _no(request, links, str(error), 400)
    except LogError as error:
        return _no(request, links, str(error), 503)
    if _is_script(request):
        return shell.as_json({"ok": True, **answer})
    back = one(given, "back")
    return shell.redirect(back if _HERE.fullmatch(back) else links.runs())


def one(given: Given, name: str) -> str:
    """The first value of a field; empty where there is none."""
    return next(iter(given.get(name, ())), "")


async def _form(request: Request) -> Given | None:
    """The fields of a form; None where it is too large, or text that is none."""
    body = bytes(await request.post_body()) if request.method == "POST" else b""
    if len(body) > _MOST_BYTES:
        return None
    try:
        return parse_qs(body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=10_000)
    except ValueError:  # not UTF-8, or more fields than any page sends
        return None


def _is_script(request: Request) -> bool:
    return "application/json" in (request.headers.get("accept") or "")


def _no(request: Request, links: Links, reason: str, status: int) -> Response:
    if _is_script(request):
        return shell.as_json({"ok": False, "error": reason}, status=status)
    return shell.message(links, "Nothing was changed", f"{reason[:1].upper()}{reason[1:]}.", status=status)
