"""What a request must show before it may write: that it came from a page of ours, in this browser, for this address.

A page of another site can make a browser send a form here. Datasette 0.65 lets such a request through where it has no
cookies, and both versions answer under any Host, so each write asks for itself:

- the `Host` has to be this machine's: localhost, a plain address, or a name that the plugin's setting `hosts` lists. A
  page whose own name was made to point here (DNS rebinding) has everything else that is asked for;
- `Sec-Fetch-Site` and `Origin`, where the browser sends them, have to say that the page is ours;
- the form has to bring the token that belongs to this browser's cookie (Datasette's own, `csrftoken`, signed for this
  start of the server); where a Datasette has none, the browser has to have said where the page is from;
- nothing is written by a GET, whatever it asks for, or by anything that is not a form.

A log that Datasette opened as immutable is never written, nor by who has a link that is for looking.
"""

from __future__ import annotations

import hmac
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from promptlab.browse import hosts, sharing

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.utils.asgi import Request  # type: ignore[import-untyped,import-not-found,unused-ignore]

    from promptlab.browse.open_logs import OpenLog

__all__ = ["is_ours", "may_write", "refusal", "token"]

_FORM = "application/x-www-form-urlencoded"


def token(request: Request) -> str:
    """The token that a page's forms and scripts send back as `csrftoken`; empty where this Datasette has none."""
    make = request.scope.get("csrftoken")
    return str(make()) if make is not None else ""


def may_write(datasette: Datasette, log: OpenLog) -> bool:
    """Whether pages may offer buttons that write: `promptlab browse` allows it, a plain Datasette when it is told to.

    The metadata of a plain Datasette says so with `"plugins": {"promptlab": {"write": true}}` beside the database.
    """
    config = _config(datasette, log)
    writes = bool(config.get("write")) and sharing.visitor() != "onlooker"
    return writes and bool(datasette.get_database(log.database).is_mutable)


def refusal(request: Request, datasette: Datasette, log: OpenLog, given: str) -> str | None:
    """Why this request may not write, in a sentence; None where it may. `given` is the token its form brings."""
    if request.method != "POST":
        return "only a form of this page writes"
    if sharing.visitor() == "onlooker":
        return "this link is for looking; ask whoever gave it to you for one that writes"
    if not may_write(datasette, log):
        return "this Datasette shows the log and does not write to it; `promptlab browse` does"
    if not _is_this_machine(request, _config(datasette, log).get("hosts") or ()):
        return "the request was for another host name; the plugin's setting `hosts` lists those that may write"
    if not is_ours(request):
        return "the request came from another site or address"
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return "only a form of this page writes"
    return _wrong_token(request, given)


def is_ours(request: Request) -> bool:
    """Whether the browser, as far as it says, sent this for a page of this address, or for the person at it."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    allowed = (None, "same-origin") if request.method == "POST" else (None, "same-origin", "none")
    if site not in allowed:
        return False
    return origin is None or urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()


def _wrong_token(request: Request, given: str) -> str | None:
    if "csrftoken" not in request.scope:
        named = "sec-fetch-site" in request.headers or "origin" in request.headers
        return None if named else "the request does not say which page it came from"
    given = given or request.headers.get("x-csrftoken") or ""
    if not given or not hmac.compare_digest(given.encode(), token(request).encode()):
        return "the page is too old; load it again"
    return None


def _is_this_machine(request: Request, more: Any) -> bool:
    names = {hosts.named(str(each)).lower() for each in more}
    if any(hosts.is_any(each) for each in names):
        names.add(socket.gethostname().lower())
    name = hosts.host_name(request.scope)
    return name in hosts.LOCAL or name in names or hosts.is_address(name)


def _config(datasette: Datasette, log: OpenLog) -> Any:
    return datasette.plugin_config("promptlab", database=log.database) or {}
