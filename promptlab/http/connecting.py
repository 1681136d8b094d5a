"""Making a connection: names resolved once, every address shown to a guard, through a proxy where one is set, and TLS.

The address that was checked is the one connected to, while TLS still verifies the certificate for the *name*.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import h11
import httpx

from promptlab.http.address import Origin, literal
from promptlab.http.proxies import ProxyServer
from promptlab.http.stream import ByteStream, reason

__all__ = ["Guard", "Network", "Refused", "Route", "SystemNetwork", "tls_context"]

#: Shown every address a host has; raises Refused if one of them must not be connected to.
Guard = Callable[[str, list[str]], None]
#: A proxy resolves names by itself, so a name that is not found here within this time is left to it.
_LOOKUP_S = 2.0


class Refused(Exception):
    """The guard refuses a host's addresses; the text says why."""


class Network(Protocol):
    """Names and sockets; the tests' seam for addresses that this machine does not have."""

    async def resolve(self, host: str, port: int) -> list[str]:
        """Every address of a host; OSError if it has none."""
        ...

    async def open(self, address: str, port: int) -> socket.socket:
        """A connected TCP socket; OSError if there is none."""
        ...


class SystemNetwork:
    """The system's resolver and sockets, with TCP keepalive on: generations are silent for minutes."""

    async def resolve(self, host: str, port: int) -> list[str]:
        if literal(host) is not None:
            return [host]
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    async def open(self, address: str, port: int) -> socket.socket:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
            for level, option, value in _keepalive_options():
                sock.setsockopt(level, option, value)
        except BaseException:
            sock.close()
            raise
        return sock


@functools.cache
def _keepalive_options() -> tuple[tuple[int, int, int], ...]:
    """Probe after 60 s of silence, every 30 s: routers forget idle connections after a few minutes."""
    idle = getattr(socket, "TCP_KEEPIDLE", getattr(socket, "TCP_KEEPALIVE", None))  # macOS has its own name
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    if idle is not None:
        options.append((socket.IPPROTO_TCP, idle, 60))
    if hasattr(socket, "TCP_KEEPINTVL"):
        options.append((socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 30))
    return tuple(options)


@functools.lru_cache(maxsize=4)
def tls_context(authorities: str | None = None) -> ssl.SSLContext:
    """A TLS context of this process; making one reads every root certificate, some 20 ms.

    `authorities` is a file of certificates, or a folder of them, instead of certifi's (SSL_CERT_FILE, SSL_CERT_DIR);
    OSError or ValueError where it holds none.
    """
    if authorities is None:
        context = httpx.create_ssl_context(trust_env=False)
    elif Path(authorities).is_dir():
        context = ssl.create_default_context(capath=authorities)
    else:
        context = ssl.create_default_context(cafile=authorities)
    context.set_alpn_protocols(["http/1.1"])
    return context


@dataclass(frozen=True, slots=True)
class Route:
    """How to reach an origin; `make_context` is only called for TLS."""

    origin: Origin
    network: Network
    guard: Guard | None
    proxy: ProxyServer | None
    make_context: Callable[[], ssl.SSLContext]

    @property
    def forwards(self) -> bool:
        """Whether the proxy itself sends the request on (http), instead of carrying a tunnel."""
        return self.proxy is not None and self.origin.scheme == "http"

    async def open(self, seconds: float) -> ByteStream:
        """Connect; httpx.ConnectError, ConnectTimeout or ProxyError where it can't be, Refused by the guard."""
        origin, proxy = self.origin, self.proxy
        if proxy is None:
            stream = await self._connect(origin, self.guard, seconds)
        else:
            await self._check_behind(seconds)
            stream = await self._connect(proxy.origin, None, seconds)
            if proxy.origin.scheme == "https":
                await stream.start_tls(self._context(), proxy.origin.host, seconds)
            if not self.forwards:
                await _tunnel(stream, origin, proxy, seconds)
        if origin.scheme == "https":
            await stream.start_tls(self._context(), origin.host, seconds)
        return stream

    def _context(self) -> ssl.SSLContext:
        try:
            return self.make_context()
        except (OSError, ValueError) as error:  # SSL_CERT_FILE names no certificates
            raise httpx.ConnectError(f"TLS: no certificates to trust: {reason(error)}") from error

    async def _check_behind(self, seconds: float) -> None:
        """What the guard can check of a host that a proxy will resolve: a literal, or a name that is known here too."""
        if self.guard is None:
            return
        host = self.origin.host
        try:
            async with asyncio.timeout(min(_LOOKUP_S, seconds)):
                addresses = [host] if literal(host) else await self.network.resolve(host, self.origin.port)
        except (OSError, UnicodeError, TimeoutError):
            return  # only the proxy knows this name
        self.guard(host, addresses)

    async def _connect(self, origin: Origin, guard: Guard | None, seconds: float) -> ByteStream:
        host, port = origin.host, origin.port
        try:
            async with asyncio.timeout(seconds):
                return await self._to_any(host, port, guard, seconds)
        except TimeoutError as error:
            raise httpx.ConnectTimeout(f"no connection to {host} port {port} in {seconds:g} s") from error

    async def _to_any(self, host: str, port: int, guard: Guard | None, seconds: float) -> ByteStream:
        try:
            addresses = await self.network.resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"{host} is not found: {reason(error)}") from error
        if guard is not None:
            guard(host, addresses)
        problem = "it has no address"
        for position, address in enumerate(addresses):
            last = position == len(addresses) - 1
            try:
                # An address that swallows everything must not use up the time of those after it.
                async with asyncio.timeout(None if last else seconds / len(addresses)):
                    sock = await self.network.open(address, port)
            except TimeoutError:
                problem = "no answer"
                if last:
                    raise
            except OSError as error:
                problem = reason(error)
            else:
                _, stream = await asyncio.get_running_loop().create_connection(ByteStream, sock=sock)
                return stream
        raise httpx.ConnectError(f"{host} port {port}: {problem}")


async def _tunnel(stream: ByteStream, origin: Origin, proxy: ProxyServer, seconds: float) -> None:
    """CONNECT: ask the proxy for a connection to an origin."""
    machine = h11.Connection(our_role=h11.CLIENT)
    place = f"[{origin.host}]:{origin.port}" if ":" in origin.host else f"{origin.host}:{origin.port}"
    headers = [("Host", place)]
    if proxy.authorization is not None:
        headers.append(("Proxy-Authorization", proxy.authorization))
    asked = machine.send(h11.Request(method="CONNECT", target=place, headers=headers)) or b""
    try:
        await stream.write(asked + (machine.send(h11.EndOfMessage()) or b""), seconds)
        while True:
            event = machine.next_event()
            if event is h11.NEED_DATA:
                machine.receive_data(await stream.read(seconds))
            elif isinstance(event, h11.Response):
                break
            elif not isinstance(event, h11.InformationalResponse):
                raise httpx.ProxyError(f"the proxy {proxy.origin} closed the connection")
    except (h11.RemoteProtocolError, httpx.TransportError) as error:
        stream.abort()
        raise httpx.ProxyError(f"the proxy {proxy.origin} does not answer: {error}") from error
    if event.status_code >= 300 or machine.trailing_data[0]:
        stream.abort()
        said = event.reason.decode("latin-1")[:100]
        raise httpx.ProxyError(f"the proxy {proxy.origin} refused {place}: HTTP {event.status_code} {said}".rstrip())
