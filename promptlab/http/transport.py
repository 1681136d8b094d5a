"""Lanes: httpx transports around one connection each, driven by h11.

One connection a lane: a pool's bookkeeping is what makes httpx expensive at 20 connections (measured in
docs/dependencies.md). h11 is driven here and not by httpcore, since only so can be told what this must know before a
connection is used again: that nothing of an earlier exchange is left in it. `connection` is the one line to change
for another transport.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import h11
import httpx

from promptlab.http.address import Target
from promptlab.http.connecting import Guard, Network, Refused, Route, SystemNetwork, tls_context
from promptlab.http.stream import ByteStream

__all__ = [
    "Guard",
    "Lane",
    "Network",
    "Refused",
    "Route",
    "SystemNetwork",
    "connection",
    "in_process",
    "request",
    "tls_context",
]

#: Seconds an idle connection is kept. Servers close at 5 s (uvicorn, Node) and later; a POST that meets the close
#: is of unknown outcome, while a new connection costs milliseconds beside an image's half minute.
KEEPALIVE_S = 4.0
#: Seconds that a connection lies still before it is used again: a close that comes right after an answer, or a byte
#: that nobody asked for, has shown by then. Another one is taken meanwhile; beside an image's half minute it is free.
REST_S = 0.05
#: No connection is used for longer: names move, and load balancers share out new connections only.
LIFE_S = 300.0
_CHUNK = 256 * 1024
_HEAD = 100 * 1024  # the largest head of an answer


class _Connection(httpx.AsyncBaseTransport):
    """An httpx transport around exactly one connection, which is made when first needed."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._stream: ByteStream | None = None
        self._machine = h11.Connection(our_role=h11.CLIENT, max_incomplete_event_size=_HEAD)
        self._idle = False
        self._began = False  # whether the answer's first byte has come

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        times: Mapping[str, float] = request.extensions["timeout"]
        self._idle = self._began = False
        stream = self._stream
        if stream is not None and not stream.is_quiet():  # looked at once more, with nothing between this and the send
            stream.abort()
            stream = None
        if stream is None:
            stream = self._stream = await self._route.open(times["connect"])
            self._machine = h11.Connection(our_role=h11.CLIENT, max_incomplete_event_size=_HEAD)
        # A server that closed early may have answered: what it said is read, or the reader says what broke.
        with contextlib.suppress(httpx.WriteError):
            await self._send(stream, request, times["write"])
            if (left := request.extensions.get("left")) is not None:
                left()
        return await self._receive(stream, times["read"])

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
                if data and not self._began:  # a line end left over from before is no part of an answer
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

    def finish(self) -> None:
        """The exchange is over: keep the connection if both sides are done and not one byte is left over.

        A second answer, a late 408, a stray line end: it would answer the next request, with another's picture.
        """
        machine, stream = self._machine, self._stream
        both_done = machine.our_state is h11.DONE and machine.their_state is h11.DONE
        if stream is None or not both_done or machine.trailing_data[0] or not stream.is_quiet():
            self.abort()
            return
        machine.start_next_cycle()
        self._idle = True

    def is_free(self) -> bool:
        """Connected, idle, and quiet as far as the system knows at this moment."""
        return self._idle and self._stream is not None and self._stream.is_quiet()

    def abort(self) -> None:
        """Drop the connection at once."""
        self._idle = False
        if self._stream is not None:
            self._stream.abort()


class _Body(httpx.AsyncByteStream):
    """A response body; closing it frees the connection for the next request, or drops it."""

    def __init__(self, owner: _Connection, stream: ByteStream, seconds: float) -> None:
        self._owner, self._stream, self._seconds = owner, stream, seconds
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._owner.body(self._stream, self._seconds):
            yield chunk

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._owner.finish()


def connection(route: Route) -> httpx.AsyncBaseTransport:
    """The transport of one lane: a line to change for another (httpx.AsyncHTTPTransport(), AiohttpTransport())."""
    return _Connection(route)


def in_process(app: Any) -> httpx.AsyncBaseTransport:
    """A transport into an ASGI app of this process: no port, no socket."""
    return httpx.ASGITransport(app, client=("127.0.0.1", 0))


class Lane:
    """One request at a time over one connection; a worker takes a free lane and gives it back."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport
        self._keep_s = KEEPALIVE_S
        self._since = self._until = 0.0
        self._dies = time.monotonic() + LIFE_S

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send and return the response with its body unread; raises httpx's exceptions."""
        self._until = 0.0
        response = await self._transport.handle_async_request(request)
        self._keep_s = _keepalive(response.headers.get("keep-alive", ""))
        return response

    def rest(self) -> None:
        """The response is read whole: from now on the connection idles."""
        self._since = time.monotonic()
        self._until = min(self._since + self._keep_s, self._dies)

    def is_free(self) -> bool:
        """Whether this connection is worth keeping: young, open, and with nothing unread in it."""
        if time.monotonic() >= self._until:
            return False
        return not isinstance(self._transport, _Connection) or self._transport.is_free()

    def is_rested(self) -> bool:
        """Whether it has lain still for long enough to be used again."""
        return not isinstance(self._transport, _Connection) or time.monotonic() >= self._since + REST_S

    def close(self) -> None:
        """Drop the connection at once."""
        if isinstance(self._transport, _Connection):
            self._transport.abort()


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
