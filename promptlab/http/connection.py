"""One exchange on one connection: connect, TLS or a proxy's tunnel, the bytes, and HTTP/1.1 by h11.

A connection carries one exchange and is closed. What is left over on a kept connection (a second answer, a late 408, a
line end) would be taken for the answer to the next request: another prompt's image, paid for and wrong. A close that
meets the next POST would leave it of unknown outcome. A new connection costs milliseconds, an image half a minute.

Names are resolved once and every address is shown to a guard: the one that was checked is the one connected to, while
TLS still verifies the certificate for the *name*.
"""

from __future__ import annotations

import asyncio
import functools
import os
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import h11

from promptlab.http.address import Origin, ProxyServer, Url, literal

__all__ = [
    "BadAnswer",
    "Broken",
    "Guard",
    "Incoming",
    "Network",
    "NotConnected",
    "Outgoing",
    "Refused",
    "Route",
    "SystemNetwork",
    "TooSlow",
    "Unwritable",
    "exchange",
    "tls_context",
]

#: Shown every address a host has; raises Refused if one of them must not be connected to.
Guard = Callable[[str, list[str]], None]
#: A proxy resolves names by itself, so a name that is not found here within this time is left to it.
_LOOKUP_S = 2.0
_HEAD = 100 * 1024  # the largest head of an answer
#: Bytes taken in before the server has to wait for a reader.
_FULL = 512 * 1024
_PIECE = 256 * 1024
#: A final answer that is not a success, after any interim ones: what is still to be sent is not wanted any more.
_NOT_WANTED = re.compile(rb"(?:\A|\r?\n\r?\n)HTTP/1\.[01] [345]\d\d")


class Refused(Exception):
    """The guard refuses a host's addresses; the text says why."""


class NotConnected(Exception):
    """No connection came about, so nothing was sent. `lasting`: trying again can't help, such as with a certificate."""

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting


class Unwritable(Exception):
    """The request can't be written as HTTP; the text may quote a header."""


class Broken(Exception):
    """The connection broke after it stood: the request may have been seen."""


class TooSlow(Broken):
    """The server took, or said, nothing for too long."""


class BadAnswer(Broken):
    """What came is not HTTP, or ended before it was whole."""


class _NotWanted(Broken):
    """The server left, or refused, before it had read everything; it may have answered."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request as it goes out. `left` is called once it has left this machine, which connecting may delay."""

    method: str
    target: Url
    headers: Mapping[str, str]  # beside Host
    body: bytes | Iterator[bytes]
    connect_s: float
    read_s: float
    write_s: float
    left: Callable[[], object] | None = None


class Incoming(Protocol):
    """An answer whose body is still to be read; names of headers in lower case, a repeated one joined by commas."""

    status: int
    headers: Mapping[str, str]

    async def read(self) -> bytes:
        """The next bytes of the body, at least one; empty at its end."""
        ...

    async def aclose(self) -> None:
        """Drop the connection."""
        ...


# --- connecting ---------------------------------------------------------------------------------------------------


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
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
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
        import httpx

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
        """Connect; NotConnected where it can't be, Refused by the guard."""
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
            lasting = isinstance(error, ssl.SSLError)
            raise NotConnected(f"TLS: no certificates to trust: {_reason(error)}", lasting=lasting) from error

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
                sock = await self._to_any(host, port, guard, seconds)
                return (await asyncio.get_running_loop().create_connection(ByteStream, sock=sock))[1]
        except TimeoutError as error:
            raise NotConnected(f"no connection to {host} port {port} in {seconds:g} s") from error

    async def _to_any(self, host: str, port: int, guard: Guard | None, seconds: float) -> socket.socket:
        """A socket to the first of a host's addresses that answers."""
        try:
            addresses = await self.network.resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise NotConnected(f"{host} is not found: {_reason(error)}") from error
        if guard is not None:
            guard(host, addresses)
        problem = "it has no address"
        for address in addresses[:-1]:
            try:
                # An address that swallows everything must not use up the time of those after it.
                async with asyncio.timeout(seconds / len(addresses)):
                    return await self.network.open(address, port)
            except OSError:  # TimeoutError is one: the next address
                continue
        for address in addresses[-1:]:
            try:
                return await self.network.open(address, port)
            except TimeoutError:
                raise
            except OSError as error:
                problem = _reason(error)
        raise NotConnected(f"{host} port {port}: {problem}")


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
                raise NotConnected(f"the proxy {proxy.origin} closed the connection", lasting=True)
    except (h11.RemoteProtocolError, Broken) as error:
        stream.abort()
        raise NotConnected(f"the proxy {proxy.origin} does not answer: {error}", lasting=True) from error
    if event.status_code >= 300 or machine.trailing_data[0]:
        stream.abort()
        said = event.reason.decode("latin-1")[:100]
        message = f"the proxy {proxy.origin} refused {place}: HTTP {event.status_code} {said}".rstrip()
        raise NotConnected(message, lasting=True)


# --- bytes --------------------------------------------------------------------------------------------------------


class ByteStream(asyncio.Protocol):
    """One TCP connection, later perhaps under TLS; one reader or writer at a time. Nothing that came is ever lost.

    asyncio's own StreamReader throws its buffer away when the connection breaks, so that a server which answers 413
    and closes while a large body is still being sent would never be heard.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._came: list[bytes] = []
        self._size = 0
        self._ended = False
        self._error: BaseException | None = None
        self._writable = True
        self._throttled = False
        self._waiter: asyncio.Future[None] | None = None

    # --- what asyncio calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._came.append(data)
        self._size += len(data)
        if self._size > _FULL and not self._throttled and self._transport is not None:
            self._throttled = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._ended = True
        self._wake()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._ended = True
        self._error = self._error or exc
        self._wake()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._wake()

    # --- what a connection does ---

    async def read(self, seconds: float) -> bytes:
        """The next bytes, at least one; empty at the end. What came before the connection broke is read first."""
        while not self._came and not self._ended:
            await self._change(seconds, "nothing came for")
        if not self._came and self._error is not None:
            raise Broken(_reason(self._error)) from self._error
        data = self._came[0] if len(self._came) == 1 else b"".join(self._came)
        self._came, self._size = [], 0
        if self._throttled and self._transport is not None:
            self._throttled = False
            self._transport.resume_reading()
        return data

    async def write(self, data: bytes, seconds: float) -> None:
        """Send; _NotWanted where the server is gone, or has refused before it read everything."""
        if self._ended or self._transport is None or self._transport.is_closing():
            raise _NotWanted("the connection was closed")
        if len(data) <= _PIECE:
            self._transport.write(data)
            if not self._writable:
                await self._drained(seconds)
            return
        view = memoryview(data)
        for start in range(0, len(view), _PIECE):  # what the system does not take at once is copied: never all of it
            self._transport.write(view[start : start + _PIECE])
            if not self._writable:
                await self._drained(seconds)

    async def _drained(self, seconds: float) -> None:
        """Wait until the system takes more; _NotWanted once it is clear that no more is wanted."""
        while not self._writable:
            if self._ended or _NOT_WANTED.search(b"".join(self._came)[:4096]):
                raise _NotWanted("the server did not want all of the request")
            await self._change(seconds, "the server took nothing for")
        if self._ended:
            raise _NotWanted("the connection was closed")

    async def start_tls(self, context: ssl.SSLContext, host: str, seconds: float) -> None:
        """Go on under TLS, verified for `host`; NotConnected where it can't be."""
        if self._came or self._ended or self._transport is None:
            raise NotConnected("TLS: the server spoke, or closed, before the handshake")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                secure = await loop.start_tls(self._transport, self, context, server_hostname=host)
        except TimeoutError as error:
            self.abort()
            raise NotConnected("the TLS handshake took too long") from error
        except OSError as error:  # ssl.SSLError is one
            self.abort()
            raise NotConnected(f"TLS: {_reason(error)}", lasting=isinstance(error, ssl.SSLError)) from error
        except BaseException:
            self.abort()
            raise
        if secure is None:
            raise NotConnected("TLS: the connection was closed during the handshake")
        self._transport = secure

    def abort(self) -> None:
        """Drop the connection at once: an orderly TLS goodbye can take 30 s, and every answer has its length."""
        self._ended = True
        if self._transport is not None:
            self._transport.abort()

    async def _change(self, seconds: float, complaint: str) -> None:
        """Wait for anything to happen; TooSlow where nothing does. (asyncio.timeout costs twice the CPU.)"""
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(seconds, self._expire, TooSlow(f"{complaint} {seconds:g} s"))
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _expire(self, error: TooSlow) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _reason(error: BaseException) -> str:
    """What the system says, short: `Connection refused`, `certificate verify failed: …`."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or "failed").replace("_", " ").lower()
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)  # asyncio's own text is "Connect call failed"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


# --- HTTP ---------------------------------------------------------------------------------------------------------


async def exchange(route: Route, request: Outgoing) -> Incoming:
    """Connect, send, and read the head of the answer. NotConnected, Refused, Unwritable or Broken where that fails."""
    stream = await route.open(request.connect_s)
    answer = _Answer(stream, request.read_s)
    try:
        try:
            await answer.send(route, request)
            if request.left is not None:
                request.left()
        except _NotWanted:
            pass  # a server that closed early may have answered: what it said is read, or the reader says what broke
        await answer.head()
    except BaseException:
        stream.abort()
        raise
    return answer


class _Answer:
    """One exchange through h11; closing it closes the connection."""

    def __init__(self, stream: ByteStream, read_s: float) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self._stream, self._read_s = stream, read_s
        self._machine = h11.Connection(our_role=h11.CLIENT, max_incomplete_event_size=_HEAD)
        self._began = False  # whether the answer's first byte has come

    async def send(self, route: Route, request: Outgoing) -> None:
        """Write head and body, gathered: a system call each costs more than anything else about a small request."""
        target, headers = request.target.path, [("Host", request.target.origin.authority), *request.headers.items()]
        if route.proxy is not None and route.forwards:
            target = f"{route.origin}{target}"
            if route.proxy.authorization is not None:
                headers.append(("Proxy-Authorization", route.proxy.authorization))
        machine, stream, seconds = self._machine, self._stream, request.write_s
        try:
            gathered = machine.send(h11.Request(method=request.method, target=target, headers=headers)) or b""
        except (h11.LocalProtocolError, UnicodeError) as error:
            raise Unwritable(str(error)) from error
        for piece in (request.body,) if isinstance(request.body, bytes) else request.body:
            data = (machine.send(h11.Data(data=piece)) or b"") if piece else b""
            if len(gathered) + len(data) > _PIECE and gathered:  # an edit's megabytes are not copied once more
                await stream.write(gathered, seconds)
                gathered = b""
                await asyncio.sleep(0)  # let in what has come meanwhile: a write to a closed connection would lose it
            gathered = gathered + data if gathered else data
        await stream.write(gathered + (machine.send(h11.EndOfMessage()) or b""), seconds)

    async def head(self) -> None:
        """Read up to the final answer's head."""
        while not isinstance(event := await self._event(), h11.Response):
            if not isinstance(event, h11.InformationalResponse):
                raise BadAnswer("the server closed the connection without an answer")
        self.status = event.status_code
        found: dict[str, str] = {}
        for raw_name, raw_value in event.headers:  # h11 gives names in lower case
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            found[name] = f"{found[name]}, {value}" if name in found else value  # RFC 9110 5.3
        self.headers = found

    async def _event(self) -> Any:
        """h11's next event, reading as much as it needs."""
        machine = self._machine
        while True:
            try:
                event = machine.next_event()
                if event is not h11.NEED_DATA:
                    return event
                data = await self._stream.read(self._read_s)
                if not data and machine.their_state is h11.SEND_RESPONSE:
                    raise BadAnswer("the server closed the connection without an answer")
                if data and not self._began:  # a line end before the head is not part of an answer
                    data = data.lstrip(b"\r\n")
                    if not data:
                        continue
                    self._began = True
                machine.receive_data(data)
            except h11.RemoteProtocolError as error:
                raise BadAnswer(str(error)) from error

    async def read(self) -> bytes:
        while isinstance(event := await self._event(), h11.Data):
            if event.data:
                return event.data
        return b""

    async def aclose(self) -> None:
        self._stream.abort()
