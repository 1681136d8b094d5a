"""Connections: the only file that knows httpx and httpcore.

One connection a lane: a pool's bookkeeping is what makes httpx dear at 20 connections (measured in
docs/dependencies.md), so a lane is an httpx transport around a single httpcore connection. The network underneath
resolves a name once, shows every address to a guard, and connects to one that was shown, while TLS still verifies
the certificate for the *name*. `connection` is the one line to change for another transport.
"""

from __future__ import annotations

import asyncio
import functools
import os
import select
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

import httpcore
import httpx

from promptlab.http.address import Origin, Target, literal

__all__ = ["Guard", "Lane", "Network", "Refused", "SystemNetwork", "connection", "in_process", "request", "tls_context"]

#: Seconds an idle connection is kept. Servers close at 5 s (uvicorn, Node) and later; a POST that meets the close
#: is of unknown outcome, while a new connection costs milliseconds beside an image's half minute.
KEEPALIVE_S = 4.0
_CHUNK = 256 * 1024

#: Shown every address a host has; raises Refused if one of them must not be connected to.
Guard = Callable[[str, list[str]], None]


class Refused(Exception):
    """The guard refuses a host's addresses; the text says why."""


class Network(Protocol):
    """Names and sockets; the tests' seam for addresses that this machine does not have."""

    async def resolve(self, host: str, port: int) -> list[str]:
        """Every address of a host; OSError if it has none."""
        ...

    async def open(self, address: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A TCP connection to an address; OSError if there is none."""
        ...


class SystemNetwork:
    """The system's resolver and sockets, with TCP keepalive on: generations are silent for minutes."""

    async def resolve(self, host: str, port: int) -> list[str]:
        if literal(host) is not None:
            return [host]
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    async def open(self, address: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(address, port, limit=_CHUNK)
        sock = writer.get_extra_info("socket")
        for level, option, value in _keepalive_options():
            sock.setsockopt(level, option, value)
        return reader, writer


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


@functools.cache
def tls_context() -> ssl.SSLContext:
    """The one TLS context of this process: making one reads every root certificate, some 20 ms."""
    return httpx.create_ssl_context()


class _Stream(httpcore.AsyncNetworkStream):
    """An asyncio connection under httpcore; leaner than anyio's, and it can tell whether the other side has closed.

    Writes are gathered until the first read: httpcore writes headers and body apart, and a system call each costs
    more than anything else about a small request.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._gathered: list[bytes] = []
        self._size = 0
        self._write_timeout: float | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109  httpcore's signature
        if self._gathered:
            await self._flush()
        try:
            async with asyncio.timeout(timeout):
                return await self._reader.read(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(f"nothing came for {timeout:g} s") from error
        except OSError as error:
            raise httpcore.ReadError(_reason(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109  likewise
        if not buffer:
            return
        self._gathered.append(buffer)
        self._size += len(buffer)
        self._write_timeout = timeout
        if self._size >= _CHUNK:
            await self._flush()

    async def _flush(self) -> None:
        # Large ones piece by piece: what the socket does not take at once is copied, and a source image is shared.
        buffers = self._gathered if self._size > 2 * _CHUNK else [b"".join(self._gathered)]
        self._gathered, self._size = [], 0
        timeout = self._write_timeout
        try:
            for buffer in buffers:
                view = memoryview(buffer)
                for start in range(0, len(buffer), _CHUNK):
                    self._writer.write(view[start : start + _CHUNK])
                    async with asyncio.timeout(timeout):
                        await self._writer.drain()
        except TimeoutError as error:
            raise httpcore.WriteTimeout(f"the server took nothing for {timeout:g} s") from error
        except OSError as error:
            raise httpcore.WriteError(_reason(error)) from error

    async def aclose(self) -> None:
        self._writer.transport.abort()  # an orderly TLS goodbye can take 30 s, and every answer has its length

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  likewise
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                await self._writer.start_tls(ssl_context, server_hostname=server_hostname)
        except TimeoutError as error:
            self._writer.transport.abort()
            raise httpcore.ConnectTimeout("the TLS handshake took too long") from error
        except (OSError, ssl.SSLError) as error:
            self._writer.transport.abort()
            raise httpcore.ConnectError(f"TLS: {_reason(error)}") from error
        return self

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks: is something readable while idle? Then the server closed, or broke the protocol."""
        if info != "is_readable":
            return self._writer.get_extra_info(info)
        if self._writer.transport.is_closing() or self._reader.at_eof():
            return True
        sock = self._writer.get_extra_info("socket")
        return sock is None or _is_readable(sock.fileno())


def _is_readable(descriptor: int) -> bool:
    """Whether a socket has something to read right now: a close the event loop has not seen yet."""
    if descriptor < 0:
        return True
    if not hasattr(select, "poll"):
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


class _Backend(httpcore.AsyncNetworkBackend):
    """Connects to an address that the guard has seen, and to no other."""

    def __init__(self, network: Network, guard: Guard | None) -> None:
        self._network = network
        self._guard = guard

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  likewise
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                return await self._connect(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"no connection to {host} port {port} in {timeout:g} s") from error

    async def _connect(self, host: str, port: int) -> httpcore.AsyncNetworkStream:
        try:
            addresses = await self._network.resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} is not found: {_reason(error)}") from error
        if self._guard is not None:
            self._guard(host, addresses)
        problem = "it has no address"
        for address in addresses:
            try:
                return _Stream(*await self._network.open(address, port))
            except OSError as error:
                problem = _reason(error)
        raise httpcore.ConnectError(f"{host} port {port}: {problem}")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Body(httpx.AsyncByteStream):
    """A response body; closing it frees the connection for the next request."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._stream:
                yield chunk
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            raise _translated(error) from error

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Connection(httpx.AsyncBaseTransport):
    """An httpx transport around exactly one httpcore connection."""

    def __init__(self, origin: Origin, network: Network, guard: Guard | None, context: ssl.SSLContext | None) -> None:
        if context is None and origin.scheme == "https":
            context = tls_context()
        self._origin = origin
        self._connection = httpcore.AsyncHTTPConnection(
            httpcore.Origin(origin.scheme.encode(), origin.host.encode(), origin.port),
            ssl_context=context,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=_Backend(network, guard),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        wire = httpcore.Request(
            request.method,
            httpcore.URL(
                scheme=self._origin.scheme.encode(),
                host=self._origin.host.encode(),
                port=self._origin.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        try:
            response = await self._connection.handle_async_request(wire)
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            raise _translated(error) from error
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(response.stream),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        await self._connection.aclose()

    def is_free(self) -> bool:
        """Connected, idle, and not closed by the other side as far as the system knows."""
        return self._connection.is_idle() and not self._connection.has_expired()


def connection(
    origin: Origin, network: Network, guard: Guard | None, context: ssl.SSLContext | None
) -> httpx.AsyncBaseTransport:
    """The transport of one lane: a line to change for another (httpx.AsyncHTTPTransport(), AiohttpTransport())."""
    return _Connection(origin, network, guard, context)


def in_process(app: Any) -> httpx.AsyncBaseTransport:
    """A transport into an ASGI app of this process: no port, no socket."""
    return httpx.ASGITransport(app, client=("127.0.0.1", 0))


class Lane:
    """One request at a time over one connection; a worker takes a free lane and gives it back."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport
        self._keep_s = KEEPALIVE_S
        self._until = 0.0

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send and return the response with its body unread; raises httpx's exceptions."""
        self._until = 0.0
        response = await self._transport.handle_async_request(request)
        self._keep_s = _keepalive(response.headers.get("keep-alive", ""))
        return response

    def rest(self) -> None:
        """The response is read whole: from now on the connection idles."""
        self._until = time.monotonic() + self._keep_s

    def is_free(self) -> bool:
        """Whether a next request may use this connection without meeting its close."""
        if time.monotonic() >= self._until:
            return False
        return not isinstance(self._transport, _Connection) or self._transport.is_free()

    async def close(self) -> None:
        """Drop the connection at once."""
        await self._transport.aclose()


def _keepalive(header: str) -> float:
    """Seconds this connection may idle: ours, or a second less than the server's own `Keep-Alive: timeout=5`."""
    _, found, rest = header.lower().partition("timeout=")
    digits = rest.split(",")[0].split(";")[0].strip()
    return min(KEEPALIVE_S, float(digits) - 1) if found and digits.isdigit() and len(digits) < 9 else KEEPALIVE_S


@functools.lru_cache(maxsize=64)  # an API has a handful of paths; a URL costs httpx 50 µs to parse
def _url(target: Target) -> httpx.URL:
    origin = target.origin
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return httpx.URL(scheme=origin.scheme, host=host, port=origin.port, raw_path=target.path.encode())


def request(
    method: str,
    target: Target,
    headers: Mapping[str, str],
    *,
    timeouts: Mapping[str, float | None],
    content: bytes | Iterator[bytes] | None = None,
    data: Mapping[str, str] | None = None,
    files: list[tuple[str, tuple[str, bytes, str]]] | None = None,
) -> httpx.Request:
    """A request for `Lane.send`: nothing is added but what HTTP itself needs."""
    all_headers = {"Host": target.origin.authority, **headers}
    extensions = {"timeout": dict(timeouts)}
    sent = content if content is None or isinstance(content, bytes) else _in_turn(content)
    return httpx.Request(
        method, _url(target), headers=all_headers, content=sent, data=data, files=files, extensions=extensions
    )


async def _in_turn(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """A stream for the asynchronous client, which takes no other."""
    for piece in pieces:
        yield piece


def _translated(error: Exception) -> httpx.TransportError:
    """httpx's exception of the same name, as every transport of httpx raises."""
    kind = getattr(httpx, type(error).__name__, httpx.TransportError)
    made: httpx.TransportError = kind(str(error))
    return made


def _reason(error: BaseException) -> str:
    """What the system says, short: `Connection refused`, `certificate verify failed: …`."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or "failed").replace("_", " ").lower()
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)  # asyncio's own text is "Connect call failed"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
