"""What a request must show before it may write: that it came from a page of ours, in this browser, for this address.

A page of another site can make a browser send a form here. Datasette 0.65 lets such a request through where it has no
cookies, and both versions answer under any Host, so each write asks for itself:

- `Sec-Fetch-Site` and `Origin`, where the browser sends them, have to say that the page is ours;
- the form has to bring the token that belongs to this browser's cookie (Datasette's own, `csrftoken`); where a
  Datasette has none, the browser has to have said where the page is from;
- nothing is written by a GET, whatever it asks for.

A log that Datasette opened as immutable is never written.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.utils.asgi import Request  # type: ignore[import-untyped,import-not-found,unused-ignore]

    from promptlab.browse.open_logs import OpenLog

__all__ = ["may_write", "refusal", "token"]

_COOKIE = "ds_csrftoken"


def token(request: Request) -> str:
    """The token that a page's forms and scripts send back as `csrftoken`; empty where this Datasette has none."""
    make = request.scope.get("csrftoken")
    return str(make()) if make is not None else ""


def may_write(datasette: Datasette, log: OpenLog) -> bool:
    """Whether pages may offer buttons that write: `promptlab browse` allows it, a plain Datasette when it is told to.

    The metadata of a plain Datasette says so with `"plugins": {"promptlab": {"write": true}}` beside the database.
    """
    config = datasette.plugin_config("promptlab", database=log.database) or {}
    return bool(config.get("write")) and bool(datasette.get_database(log.database).is_mutable)


def refusal(request: Request, datasette: Datasette, log: OpenLog, given: str) -> str | None:
    """Why this request may not write, in a sentence; None where it may. `given` is the token its form brings."""
    if request.method != "POST":
        return "only a form of this page writes"
    if not may_write(datasette, log):
        return "this Datasette shows the log and does not write to it; `promptlab browse` does"
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None and site != "same-origin":
        return "the request came from another site"
    if origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower():
        return "the request came from another address"
    if "csrftoken" not in request.scope:
        return None if site is not None or origin is not None else "the request does not say which page it came from"
    given = given or request.headers.get("x-csrftoken") or ""
    kept = request.cookies.get(_COOKIE) or ""
    if not kept or not hmac.compare_digest(given.encode(), kept.encode()):
        return "the page is too old; load it again"
    return None
