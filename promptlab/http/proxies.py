"""Which proxy a connection goes through: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, as curl reads them (pure).

Loopback addresses and `localhost` never go to a proxy, as in Go's net/http: a proxy's own loopback is another machine.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from promptlab.http.address import Origin, literal, parse_url

__all__ = ["Proxies", "ProxyServer"]


@dataclass(frozen=True, slots=True)
class ProxyServer:
    """A proxy's origin, and the Proxy-Authorization that its URL's user and password make; never shown."""

    origin: Origin
    authorization: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies of http and of https targets, and the hosts that are reached without."""

    http: ProxyServer | None = None
    https: ProxyServer | None = None
    without: tuple[str, ...] = ()

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Proxies:
        """As the environment says, lower-case names first; ValueError names the variable whose URL is not valid.

        HTTP_PROXY in capitals is ignored where REQUEST_METHOD is set: a CGI program's caller could have set it.
        """
        rest = _named(environ, "all_proxy")
        http = _named(environ, "http_proxy", "REQUEST_METHOD" in environ) or rest
        without = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
        hosts = tuple(part for part in without.replace(",", " ").lower().split() if part)
        return cls(http, _named(environ, "https_proxy") or rest, hosts)

    def of(self, origin: Origin) -> ProxyServer | None:
        """The proxy to take to an origin; None for a direct connection."""
        chosen = self.https if origin.scheme == "https" else self.http
        return None if chosen is None or self._is_direct(origin) else chosen

    def _is_direct(self, origin: Origin) -> bool:
        host = origin.host
        address = literal(host)
        if host == "localhost" or host.endswith(".localhost") or (address is not None and address.is_loopback):
            return True
        return any(_covers(entry, host, origin.port) for entry in self.without)


def _named(environ: Mapping[str, str], name: str, only_small: bool = False) -> ProxyServer | None:
    for variable in (name,) if only_small else (name, name.upper()):
        if text := environ.get(variable, "").strip():
            return _server(variable, text)
    return None


def _server(variable: str, text: str) -> ProxyServer:
    """A proxy's URL, taken apart; its user and password are never part of a message."""
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        if parts.scheme.lower() not in ("http", "https"):
            raise ValueError(f"{parts.scheme[:20]} is not supported")
        target = parse_url(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")
    except ValueError as error:
        message = f"{variable} is not the URL of a proxy: {error}; write http://HOST:PORT, or unset it"
        raise ValueError(message) from None  # the cause may quote the password
    user, password = parts.username, parts.password
    if user is None and password is None:
        return ProxyServer(target.origin)
    pair = f"{unquote(user or '')}:{unquote(password or '')}".encode()
    return ProxyServer(target.origin, "Basic " + base64.b64encode(pair).decode("ascii"))


def _covers(entry: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY covers a host: `*`, a name and all below it, an address, a network, with a port."""
    if entry == "*":
        return True
    name, colon, digits = entry.rpartition(":")
    if colon and digits.isdigit() and ":" not in name.strip("[]"):
        if int(digits) != port:
            return False
        entry = name
    entry = entry.strip("[]")
    address = literal(host)
    if address is not None:
        try:
            return address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name = entry.removeprefix("*").lstrip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))
