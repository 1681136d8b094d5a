"""An exchange by any httpx transport instead of a connection of our own: its ASGITransport, into this process.

Another network's transport (httpx.AsyncHTTPTransport, a continuation of it, httpx-aiohttp) is one line of
`Client._exchange`; the guard of downloads would have to be written again for it.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import httpx

from promptlab.http.address import Url
from promptlab.http.connection import Broken, Incoming, NotConnected, Outgoing, TooSlow

__all__ = ["in_process", "through_httpx"]


def in_process(app: Any) -> httpx.AsyncBaseTransport:
    """A transport into an ASGI app of this process: no port, no socket."""
    return httpx.ASGITransport(app, client=("127.0.0.1", 0))


async def through_httpx(transport: httpx.AsyncBaseTransport, request: Outgoing) -> Incoming:
    """Send, and read the head of the answer; raises as `connection.exchange`."""
    body = request.body if isinstance(request.body, bytes) else _in_turn(request.body)
    times = {"connect": request.connect_s, "read": request.read_s, "write": request.write_s, "pool": None}
    headers = {"Host": request.target.origin.authority, **request.headers}
    sent = httpx.Request(
        request.method, _url(request.target), headers=headers, content=body, extensions={"timeout": times}
    )
    try:
        response = await transport.handle_async_request(sent)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
        raise NotConnected(str(error), lasting=isinstance(error, httpx.ProxyError)) from error
    except httpx.TimeoutException as error:
        raise TooSlow(str(error)) from error
    except httpx.HTTPError as error:
        raise Broken(str(error)) from error
    if request.left is not None:
        request.left()
    return _HttpxAnswer(response)


class _HttpxAnswer:
    """An httpx response as an answer."""

    def __init__(self, response: httpx.Response) -> None:
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}
        self._response = response
        assert isinstance(response.stream, httpx.AsyncByteStream)
        self._chunks = aiter(response.stream)

    async def read(self) -> bytes:
        async for chunk in self._chunks:
            if chunk:
                return bytes(chunk)
        return b""

    async def aclose(self) -> None:
        await self._response.aclose()


async def _in_turn(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """A stream for httpx's asynchronous side, which takes no other."""
    for piece in pieces:
        yield piece


@functools.lru_cache(maxsize=64)  # an API has a handful of paths; a URL costs httpx 50 µs to parse
def _url(target: Url) -> httpx.URL:
    return httpx.URL(str(target))
