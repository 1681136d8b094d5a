"""Which names this machine is asked by: a page of another site can make its own name point here (DNS rebinding), but
cannot make the browser send another Host header, and its name is never a plain IP address."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

__all__ = [
    "LOCAL", "App", "Receive", "Scope", "Send", "guard_hosts", "host_name", "is_address", "is_any", "is_loopback",
    "named", "own_addresses", "plain_answer",
]  # fmt: skip

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOCAL = ("localhost", "127.0.0.1", "[::1]")
_ANY = ("0.0.0.0", "[::]")  # noqa: S104  compared, not bound
_ELSEWHERE = "192.0.2.1"  # of a network that exists in documentation only (RFC 5737)


def guard_hosts(app: App, hosts: Iterable[str]) -> App:
    """Answer only requests that name this machine: localhost, 127.0.0.1, [::1] and `hosts`.

    Bound to every interface (0.0.0.0 or ::), any plain IP address and the machine's own name are answered as well.
    """
    names = {named(host).lower() for host in hosts}
    any_address = bool(names & set(_ANY))
    allowed = {*LOCAL, *names, *([socket.gethostname().lower()] if any_address else [])}

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            name = host_name(scope)
            if name not in allowed and not (any_address and is_address(name)):
                text = "promptlab browse answers only as localhost: this request was for another host name.\n"
                await plain_answer(scope, send, 403, text)
                return
        await app(scope, receive, send)

    return guarded


async def plain_answer(scope: Scope, send: Send, status: int, text: str) -> None:
    """A sentence instead of the app's answer; a websocket is closed."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff"),
               (b"cache-control", b"no-store"), (b"referrer-policy", b"no-referrer")]  # fmt: skip
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


def host_name(scope: Scope) -> str:
    """The name in a request's one Host header, without its port, in lower case; empty where there is not just one."""
    given = [value.decode("latin-1") for key, value in scope["headers"] if key == b"host"]
    name = given[0].strip().lower() if len(given) == 1 else ""
    end = name.find("]") + 1 if name.startswith("[") else name.find(":")
    return name[:end] if end > 0 else name


def is_address(name: str) -> bool:
    """Whether a host is a plain IP address, which no name server can point elsewhere."""
    return _address(name) is not None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on this host."""
    found = _address(host)
    return host.lower() == "localhost" or (found is not None and found.is_loopback)


def is_any(host: str) -> bool:
    """Whether this is every interface at once."""
    return named(host) in _ANY


def named(host: str) -> str:
    """The host as an address writes it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def own_addresses() -> list[str]:
    """This machine's addresses on its networks, the one that leads outside first; none where it is not connected."""
    found: list[str] = []
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((_ELSEWHERE, 9))  # chooses a route; nothing is sent
        found.append(str(probe.getsockname()[0]))
    with contextlib.suppress(OSError):
        every = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET, socket.SOCK_STREAM)
        found += [str(address[4][0]) for address in every]
    return [each for each in dict.fromkeys(found) if not is_loopback(each) and not is_any(each)]


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return None
