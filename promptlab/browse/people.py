"""Who is looking: the name under which marks and votes are written.

On this machine it is the user, unless they say otherwise. Whoever came by a shared link says a name once, which is kept
in a cookie; it can't be the owner's.
"""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from promptlab.browse import sharing

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.utils.asgi import Request  # type: ignore[import-untyped,import-not-found,unused-ignore]

    from promptlab.browse.open_logs import OpenLog

__all__ = ["NO_NAME", "clean", "name_cookie", "objection", "who"]

_COOKIE = "promptlab_name"
_LONGEST = 60
#: Why somebody without a name may not write.
NO_NAME = "say your name first, so that what you judge is yours"


def who(request: Request, datasette: Datasette, log: OpenLog) -> str:
    """The name of whoever sent this request; empty for a guest who has not said one, and may write nothing yet."""
    typed = clean(unquote(request.cookies.get(_COOKIE) or ""))
    if objection(typed, datasette, log) is None:
        return typed
    return "" if sharing.visitor() != "owner" else _owner(datasette, log)


def objection(name: str, datasette: Datasette, log: OpenLog) -> str | None:
    """Why a visitor can't have this name; None where they can."""
    if not name:
        return "a name has at least one letter"
    if sharing.visitor() != "owner" and name.casefold() == _owner(datasette, log).casefold():
        return f"{name} is the name of whoever shares this log; take another one"
    return None


def clean(name: str) -> str:
    """A name in one line, at most 60 characters long; empty where nothing is left."""
    return " ".join("".join(each if each.isprintable() else " " for each in name).split())[:_LONGEST].strip()


def name_cookie(name: str) -> str:
    """The Set-Cookie header that keeps a name in this browser."""
    return f"{_COOKIE}={quote(clean(name), safe='')}; Path=/; Max-Age=31536000; SameSite=Strict; HttpOnly"


def _owner(datasette: Datasette, log: OpenLog) -> str:
    config = datasette.plugin_config("promptlab", database=log.database) or {}
    return str(config.get("user") or getpass.getuser())
