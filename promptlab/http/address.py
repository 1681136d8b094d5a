"""Addresses: origins, base URLs, proxies, and which hosts a download may connect to (pure but for `is_local`).

A URL in a response is untrusted. Names are resolved once and the address that was checked is the one connected to
(connection.py); here are the rules themselves. One parser decides: what it accepts is rebuilt from its parts, so that
no second parser can read another host out of the same text.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit

__all__ = [
    "Origin",
    "Proxies",
    "ProxyServer",
    "Url",
    "is_local",
    "is_public",
    "join",
    "literal",
    "normalise_base",
    "parse_url",
    "without_query",
]

_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*\.?")
_UNWRITABLE = re.compile(r"[\x00-\x20\x7f\\]")
_SAFE_PATH = re.compile(r"[A-Za-z0-9/%:@!$&'()*+,;=~._-]*")  # `quote` would change nothing, and costs more to find out
_NUMERIC = re.compile(r"(0x[0-9a-f]*|\d+)\Z")
_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")
_TEREDO = ipaddress.ip_network("2001::/32")


class Origin(NamedTuple):
    """Scheme, host (lower case, no brackets) and port: what a connection belongs to."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """The Host header: brackets round IPv6, the port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


class Url(NamedTuple):
    """A parsed URL: its origin, and the path with the query, percent-encoded."""

    origin: Origin
    path: str

    def __str__(self) -> str:
        return f"{self.origin}{self.path}"


@lru_cache(maxsize=256)  # a run has a handful of hosts, and each of its requests asks
def literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is written as, or None for a name. A zone (`%eth0`) is not a literal."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def parse_url(url: str) -> Url:
    """Parse an absolute http or https URL; ValueError says why it is none (never repeating its query)."""
    if len(url) > 8192 or _UNWRITABLE.search(url):
        raise ValueError("the URL holds spaces, control characters or backslashes, or is over 8192 characters long")
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in _PORTS:
        raise ValueError(f"the URL's scheme is {scheme[:20]!r}, not http or https")
    if "@" in parts.netloc:
        raise ValueError("the URL holds a user name")
    host = _host(parts.hostname or "")
    port = parts.port  # raises ValueError for a bad one
    path = parts.path or "/"
    if not _SAFE_PATH.fullmatch(path):
        path = quote(path, safe="/%:@!$&'()*+,;=~-._")
    query = "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?[]") if parts.query else ""
    return Url(Origin(scheme, host, _PORTS[scheme] if port is None else port), path + query)


def _host(host: str) -> str:
    """The host in its one form: a canonical literal, or an ASCII name that no resolver reads as a number."""
    address = literal(host)
    if address is not None:
        return str(address)
    try:
        name = host.encode("idna").decode("ascii").lower() if not host.isascii() else host.lower()
    except UnicodeError as error:
        raise ValueError("the URL's host is not a valid name") from error
    if not _NAME.fullmatch(name):
        raise ValueError("the URL's host is not a valid name")
    name = name.rstrip(".")
    if _NUMERIC.match(name.rsplit(".", 1)[-1]):
        # 2130706433, 0x7f.1 and 017700000001 all mean 127.0.0.1 to getaddrinfo (WHATWG URL: "ends in a number").
        raise ValueError("the URL's host is a number in an unusual form")
    return name


def join(base: Url, reference: str) -> Url:
    """A redirect's or a job's reference, resolved against the URL it came from; ValueError as `parse_url`."""
    if _UNWRITABLE.search(reference):  # urljoin would quietly take these out
        raise ValueError("the reference holds spaces, control characters or backslashes")
    return parse_url(urljoin(str(base), reference))


def without_query(url: str) -> str:
    """The URL for messages: signed queries are secrets, and a data: URL is a picture."""
    if url[:5].lower() == "data:":
        return "data:…"
    return re.sub(r"[\x00-\x1f\x7f]", "", re.sub(r"//[^/@]*@", "//", url.split("?", 1)[0].split("#", 1)[0]))[:200]


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet, looking through the IPv6 forms that carry an IPv4 one.

    IPv4-mapped, 6to4 (RFC 3056) and NAT64 (RFC 6052) are judged by the address inside; Teredo and the deprecated
    IPv4-compatible form are never public.
    """
    ip = literal(address)
    if ip is None:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        elif ip in _TEREDO or ip in _COMPATIBLE:
            return False
        if inner is not None:
            ip = inner
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_link_local)


def is_local(host: str) -> bool:
    """Whether a host the user named is this machine or a private network: every address it has is not public.

    Looks a name up in the system's resolver; a name that has no address is not local.
    """
    if literal(host) is not None:
        return not is_public(host)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    import socket  # a plan asks only for an http address that has a name

    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return bool(found) and not any(is_public(str(entry[4][0])) for entry in found)


def normalise_base(url: str) -> str:
    """A base URL in one form: scheme and host in lower case, no default port, no trailing slash or query.

    ValueError says what is wrong, for the user who set it.
    """
    text = url.strip()
    target = parse_url(text if "://" in text else f"https://{text}")
    if "?" in target.path or "#" in text:
        raise ValueError("a base URL has no query or fragment")
    return f"{target.origin}{target.path.rstrip('/')}"


# --- proxies ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProxyServer:
    """A proxy's origin, and the Proxy-Authorization that its URL's user and password make; never shown."""

    origin: Origin
    authorization: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Proxies:
    """Which proxy a connection goes through: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, as curl reads them.

    Loopback addresses and `localhost` never go to one, as in Go's net/http: a proxy's own loopback is another machine.
    """

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
    import base64

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
