"""Who is looking: the name under which marks and votes are written.

On this machine it is the user, unless they say otherwise; a name that was typed once is kept in a cookie.
"""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.utils.asgi import Request  # type: ignore[import-untyped,import-not-found,unused-ignore]

    from promptlab.browse.open_logs import OpenLog

__all__ = ["name_cookie", "who"]

_COOKIE = "promptlab_name"
_LONGEST = 60


def who(request: Request, datasette: Datasette, log: OpenLog) -> str:
    """The name of whoever sent this request."""
    typed = clean(unquote(request.cookies.get(_COOKIE) or ""))
    if typed:
        return typed
    config = datasette.plugin_config("promptlab", database=log.database) or {}
    return str(config.get("user") or getpass.getuser())


def clean(name: str) -> str:
    """A name in one line, at most 60 characters long; empty where nothing is left."""
    return " ".join("".join(each if each.isprintable() else " " for each in name).split())[:_LONGEST].strip()


def name_cookie(name: str) -> str:
    """The Set-Cookie header that keeps a name in this browser."""
    return f"{_COOKIE}={quote(clean(name), safe='')}; Path=/; Max-Age=31536000; SameSite=Strict; HttpOnly"
