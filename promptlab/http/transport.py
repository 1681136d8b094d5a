"""httpx transports that use one connection per request, driven by h11.

A connection carries one exchange and is closed. What is left over on a kept connection (a second answer, a late 408, a
line end) would be taken for the answer to the next request: another prompt's picture, paid for and wrong. A close that
meets the next POST would leave it of unknown outcome. A new connection costs milliseconds, an image half a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import h11
import httpx

from promptlab.http.address import Target
from promptlab.http.connecting import Guard, Network, Refused, Route, SystemNetwork, tls_context
from promptlab.http.stream import ByteStream

__all__ = [
    "Guard",
    "Network",
    "Refused",
    "Route",
    "SystemNetwork",
    "connection",
    "in_process",
    "request",
    "tls_context",
]

_CHUNK = 256 * 1024
_HEAD = 100 * 1024  # the largest head of an answer


class _Connection(httpx.AsyncBaseTransport):
    """An httpx transport for one request: it connects, and closing the response closes the connection."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._machine = h11.Connection(our_role=h11.CLIENT, max_incomplete_event_size=_HEAD)
        self._began = False  # whether the answer's first byte has come

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        times: Mapping[str, float] = request.extensions["timeout"]
        stream = await self._route.open(times["connect"])
        try:
            # A server that closed early may have answered: what it said is read, or the reader says what broke.
            with contextlib.suppress(httpx.WriteError):
                await self._send(stream, request, times["write"])
                if (left := request.extensions.get("left")) is not None:
                    left()
            return await self._receive(stream, times["read"])
        except BaseException:
            stream.abort()
            raise

    async def _send(self, stream: ByteStream, request: httpx.Request, seconds: float) -> None:
        """Write head and body, gathered: a system call each costs more than anything else about a small request."""
        headers, target = request.headers.raw, request.url.raw_path
        proxy = self._route.proxy
        if proxy is not None and self._route.forwards:
            target = str(self._route.origin).encode() + target
            if proxy.authorization is not None:
                headers = [*headers, (b"Proxy-Authorization", proxy.authorization.encode())]
        try:
            gathered = self._machine.send(h11.Request(method=request.method, target=target, headers=headers)) or b""
        except h11.LocalProtocolError as error:
            raise httpx.LocalProtocolError(str(error)) from error
        assert isinstance(request.stream, httpx.AsyncByteStream)
        async for chunk in request.stream:
            data = self._machine.send(h11.Data(data=chunk)) or b""
            if len(gathered) + len(data) > _CHUNK and gathered:  # an edit's megabytes are not copied once more
                await stream.write(gathered, seconds)
                gathered = b""
                await asyncio.sleep(0)  # let in what has come meanwhile: a write to a closed connection would lose it
            gathered = gathered + data if gathered else data
        await stream.write(gathered + (self._machine.send(h11.EndOfMessage()) or b""), seconds)

    async def _receive(self, stream: ByteStream, seconds: float) -> httpx.Response:
        while not isinstance(event := await self._event(stream, seconds), h11.Response):
            if not isinstance(event, h11.InformationalResponse):
                raise httpx.RemoteProtocolError("the server closed the connection without an answer")
        body = _Body(self, stream, seconds)
        return httpx.Response(event.status_code, headers=event.headers.raw_items(), stream=body)

    async def _event(self, stream: ByteStream, seconds: float) -> Any:
        """h11's next event, reading as much as it needs."""
        while True:
            try:
                event = self._machine.next_event()
                if event is not h11.NEED_DATA:
                    return event
                data = await stream.read(seconds)
                if not data and self._machine.their_state is h11.SEND_RESPONSE:
                    raise httpx.RemoteProtocolError("the server closed the connection without an answer")
                if data and not self._began:  # a line end before the head is not part of an answer
                    data = data.lstrip(b"\r\n")
                    if not data:
                        continue
                    self._began = True
                self._machine.receive_data(data)
            except h11.RemoteProtocolError as error:
                raise httpx.RemoteProtocolError(str(error)) from error

    async def body(self, stream: ByteStream, seconds: float) -> AsyncIterator[bytes]:
        """The chunks of the answer's body."""
        while isinstance(event := await self._event(stream, seconds), h11.Data):
            yield bytes(event.data)


class _Body(httpx.AsyncByteStream):
    """A response's body; closing it closes the connection."""

    def __init__(self, owner: _Connection, stream: ByteStream, seconds: float) -> None:
        self._owner, self._stream, self._seconds = owner, stream, seconds

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._owner.body(self._stream, self._seconds):
            yield chunk

    async def aclose(self) -> None:
        self._stream.abort()


def connection(route: Route) -> httpx.AsyncBaseTransport:
    """The transport of one request: a line to change for another (httpx.AsyncHTTPTransport(), AiohttpTransport())."""
    return _Connection(route)


def in_process(app: Any) -> httpx.AsyncBaseTransport:
    """A transport into an ASGI app of this process: no port, no socket."""
    return httpx.ASGITransport(app, client=("127.0.0.1", 0))


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
    """A request for a transport: nothing is added but what HTTP itself needs."""
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
