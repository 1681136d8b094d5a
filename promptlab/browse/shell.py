"""What every page shares: which log it shows, how it reads and writes, and how an answer is put together.

A page is a module of its own (`runs_page`, `grid_page`, ...): it reads the request, asks for data, and hands the answer
to a template. `page_routes` collects them.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from promptlab.browse import page_rendering
from promptlab.browse.open_logs import Links, OpenLog, find_logs, is_allowed

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.utils.asgi import Request, Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    from promptlab.log import Log

__all__ = [
    "Route", "allowed", "as_json", "mapping", "message", "nothing_here", "now", "number", "open_log", "page", "read",
    "redirect", "write",
]  # fmt: skip

T = TypeVar("T")
Route = tuple[str, Callable[..., Any]]
HEADERS = {
    "content-security-policy": page_rendering.CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}


async def allowed(request: Request, datasette: Datasette) -> list[OpenLog]:
    """The logs that this user may see."""
    logs = (await find_logs(datasette)).values()
    return [log for log in logs if await is_allowed(datasette, request.actor, log)]


async def open_log(request: Request, datasette: Datasette) -> tuple[OpenLog | None, Links | None]:
    """The log that ?db= names, or the first one."""
    logs = await allowed(request, datasette)
    name = request.args.get("db")
    log = next((log for log in logs if name in (None, log.database)), None)
    return (log, Links(datasette, log, several=len(logs) > 1)) if log is not None else (None, None)


async def read(datasette: Datasette, log: OpenLog, function: Callable[[sqlite3.Connection], T]) -> T:
    """What a function reads from the log, in one of Datasette's threads."""
    answer: T = await datasette.get_database(log.database).execute_fn(function)
    return answer


async def write(datasette: Datasette, log: OpenLog, function: Callable[[Log], T]) -> T:
    """What a function of the log's one writer gives back, once it is committed.

    All writes of this process go through one thread, each after the other: a log has one writer per connection. The
    request must have passed `guard.refusal` first.
    """
    path = Path(str(datasette.get_database(log.database).path))
    return await asyncio.get_running_loop().run_in_executor(_writer(), lambda: function(_log(path)))


@cache
def _writer() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="promptlab-writer")


@cache
def _log(path: Path) -> Log:
    """The log as its writer opens it; only ever called in the writer's thread."""
    from promptlab.log import Log

    return Log.open(path, create=False)


def page(template: str, links: Links, *, status: int = 200, **context: Any) -> Response:
    """A page from its template."""
    from datasette.utils.asgi import Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    shared = {
        "links": links,
        "now": now(),
        "live": False,
        "seconds_between": page_rendering.seconds_between,
    }
    body = page_rendering.render(template, {**shared, **context})
    return Response.html(body, status=status, headers=dict(HEADERS))


def now() -> datetime:
    """The time that a page is made at."""
    return datetime.now(UTC)


def message(links: Links, title: str, text: str, *, status: int = 404) -> Response:
    """A page that says what is the matter."""
    return page("message.html", links, status=status, title=title, text=text)


def nothing_here(datasette: Datasette) -> Response:
    """Where no log is open, or none that this user may see."""
    from datasette.utils.asgi import Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    return Response.text("No promptlab log is open in this Datasette.", status=404)


def as_json(value: object, *, status: int = 200) -> Response:
    """A JSON answer, never cached."""
    from datasette.utils.asgi import Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status=status, headers=dict(HEADERS), content_type="application/json; charset=utf-8")


def redirect(address: str) -> Response:
    """On to another page, after a form was taken."""
    from datasette.utils.asgi import Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    return Response("", status=303, headers={**HEADERS, "location": address}, content_type="text/plain")


def number(text: str | None, default: int, most: int) -> int:
    """A number of the query string, from 1 to `most`; anything else is the default."""
    return min(max(int(text), 1), most) if text and text.isascii() and text.isdigit() and len(text) < 10 else default


def mapping(text: str | None) -> Mapping[str, Any]:
    """A JSON object of the log; empty where there is none."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
