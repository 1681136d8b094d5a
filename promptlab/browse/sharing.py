"""`promptlab browse --host`: who may come in, once other machines can reach the server.

Two links are made at each start, each with a random token: one for the owner, one for guests. A token is good for one
thing, a cookie that no script can read and no other site makes the browser send; the address that held it is left at
once. Whatever comes without that cookie is 403: pages, pictures and Datasette's own, from this machine too.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from typing import Literal
from urllib.parse import parse_qsl, quote, urlencode

from promptlab.browse.hosts import App, Receive, Scope, Send

__all__ = ["Keys", "Visitor", "as_visitor", "gate", "limit_bodies", "visitor"]

#: The owner is whoever started the server; a guest has the shared link, an onlooker one that may not write.
Visitor = Literal["owner", "guest", "onlooker"]

_PATH = "/~!$&'()*+,;=:@-._"
_DATASETTES_OWN = "-/"  # settings, plugins, paths of files: not for guests
_FOR_GUESTS = ("-/promptlab", "-/static/", "-/static-plugins/")
_visitor: ContextVar[Visitor] = ContextVar("promptlab_visitor", default="owner")


@dataclass(frozen=True, slots=True)
class Keys:
    """The tokens of one start: 192 random bits each, never stored."""

    owner: str
    guest: str

    @classmethod
    def new(cls) -> Keys:
        """Two new tokens."""
        return cls(secrets.token_urlsafe(24), secrets.token_urlsafe(24))

    def holder(self, token: str) -> Visitor | None:
        """Whose token this is; every comparison takes the same time."""
        return self._match(token, self.owner, self.guest)

    def bearer(self, cookie: str) -> Visitor | None:
        """Whose cookie this is."""
        return self._match(cookie, _cookie(self.owner), _cookie(self.guest))

    def cookie(self, holder: Visitor) -> str:
        """The value of a holder's cookie, from which the link can't be made."""
        return _cookie(self.owner if holder == "owner" else self.guest)

    @staticmethod
    def _match(given: str, owner: str, guest: str) -> Visitor | None:
        is_owner = hmac.compare_digest(given.encode(), owner.encode())
        is_guest = hmac.compare_digest(given.encode(), guest.encode())
        return "owner" if is_owner else "guest" if is_guest else None


def visitor() -> Visitor:
    """Who sent the request that is being answered; without sharing, the owner."""
    return _visitor.get()


@contextmanager
def as_visitor(who: Visitor) -> Iterator[None]:
    """Answer what is in the block as to this visitor."""
    token = _visitor.set(who)
    try:
        yield
    finally:
        _visitor.reset(token)


def gate(app: App, keys: Keys, *, port: int, base_url: str = "/", read_only: bool = False) -> App:
    """Let in who has one of the links, and tell the app who it is; `read_only` lets guests look and not write."""
    cookie = f"promptlab_key_{port}"  # cookies do not know ports

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await app(scope, receive, send)
            return
        known = next((who for each in _cookies(scope, cookie) if (who := keys.bearer(each))), None)
        given, rest = _token(scope)
        holder = keys.holder(given) if given else None
        if holder is not None:
            header = f"{cookie}={keys.cookie(holder)}; Path={base_url}; HttpOnly; SameSite=Strict"
            await _welcome(scope, send, header, _onward(scope, rest, base_url, ask=holder == "guest" and not read_only))
        elif known is None:
            await _refuse(scope, send, "To see this, open the link with its token, as it was given to you.")
        elif known == "guest" and not _is_for_guests(scope, base_url):
            await _refuse(scope, send, "This page is for whoever started the server.")
        else:
            with as_visitor("onlooker" if known == "guest" and read_only else known):
                await app(scope, receive, _discreet(send))

    return guarded


def limit_bodies(app: App, most: int) -> App:
    """Refuse a request of more than `most` bytes before anything else reads it into memory."""

    async def limited(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await app(scope, receive, send)
            return
        messages, size, more = [], 0, True
        while more:
            message = await receive()
            messages.append(message)
            size += len(message.get("body", b""))
            more = message["type"] == "http.request" and message.get("more_body", False)
            if size > most:
                headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
                await send({"type": "http.response.start", "status": 413, "headers": headers})
                await send({"type": "http.response.body", "body": b"This is more than any page sends.\n"})
                return

        async def again() -> object:
            return messages.pop(0) if messages else await receive()

        await app(scope, again, send)

    return limited


# --- requests -----------------------------------------------------------------------------------------------------


def _cookie(token: str) -> str:
    return sha256(f"cookie of {token}".encode()).hexdigest()


def _cookies(scope: Scope, name: str) -> Iterator[str]:
    for key, value in scope["headers"]:
        if key == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                found, _, text = pair.strip().partition("=")
                if found == name:
                    yield text


def _token(scope: Scope) -> tuple[str, str]:
    """The one token in the address of a GET, and the rest of its query; empty where there is none."""
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
        return "", ""
    pairs = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    tokens = [value for key, value in pairs if key == "token"]
    return (tokens[0] if len(tokens) == 1 else ""), urlencode([pair for pair in pairs if pair[0] != "token"])


def _onward(scope: Scope, rest: str, base_url: str, *, ask: bool) -> str:
    """The address without its token; for a guest without a name, the page that asks for one first."""
    path = "/" + quote(scope["path"].lstrip("/"), safe=_PATH)
    address = f"{path}?{rest}" if rest else path
    if ask and not any(_cookies(scope, "promptlab_name")):
        return f"{base_url}-/promptlab/name?{urlencode({'back': address})}"
    return address


def _is_for_guests(scope: Scope, base_url: str) -> bool:
    """Datasette looks at the path as it was sent, and answers without the base_url too."""
    sent = scope.get("raw_path") or b""
    inside = [path.removeprefix(base_url).lstrip("/") for path in (scope["path"], sent.decode("latin-1"))]
    return all(not path.startswith(_DATASETTES_OWN) or path.startswith(_FOR_GUESTS) for path in inside)


# --- answers ------------------------------------------------------------------------------------------------------


async def _welcome(scope: Scope, send: Send, cookie: str, address: str) -> None:
    """Set the cookie and go on. A link that was clicked on another site is answered with a page that goes on by
    itself: the browser would leave a strict cookie out of a redirect there (RFC 6265bis, 5.2)."""
    site = next((value for key, value in scope["headers"] if key == b"sec-fetch-site"), b"none")
    if site in (b"none", b"same-origin"):
        await _answer(send, 303, "", (b"location", address.encode()), (b"set-cookie", cookie.encode()))
        return
    text = f'<meta http-equiv="refresh" content="0;url={escape(address)}"><p><a href="{escape(address)}">Go on</a></p>'
    await _answer(send, 200, text, (b"set-cookie", cookie.encode()))


async def _refuse(scope: Scope, send: Send, sentence: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    text = f"<title>promptlab</title><p>{escape(sentence)}</p>"
    if (b"sec-fetch-site", b"cross-site") in [tuple(header) for header in scope["headers"]]:
        address = escape(_onward(scope, _token(scope)[1], "/", ask=False))
        text += f'<p>If you opened it before, <a href="{address}">go on</a>.</p>'
    await _answer(send, 403, text)


async def _answer(send: Send, status: int, text: str, *more: tuple[bytes, bytes]) -> None:
    page = f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark">{text}'
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": page.encode()})


def _discreet(send: Send) -> Send:
    """Tell no other site where somebody came from."""

    async def discreet(message: object) -> None:
        if isinstance(message, dict) and message.get("type") == "http.response.start":
            headers = list(message.get("headers", []))
            if not any(key.lower() == b"referrer-policy" for key, _ in headers):
                headers.append((b"referrer-policy", b"same-origin"))
            message = {**message, "headers": headers}
        await send(message)

    return discreet
