"""Loopback servers that misbehave on purpose, written to the byte."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

CERTIFICATES = Path(__file__).parent / "certificates"


@dataclass
class Seen:
    """One request as it stood on the wire."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int


Handler = Callable[[Seen, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """A loopback server; `seen` is what came, `connections` how many were made."""

    port: int = 0
    connections: int = 0
    seen: list[Seen] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def answer(status: int = 200, body: bytes = b"{}", **headers: str) -> bytes:
    """A whole HTTP response with its length."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


@contextlib.asynccontextmanager
async def serve(handler: Handler | bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A server on a free port of this loop; bytes are the same answer for everyone."""
    server = Server()
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        server.connections += 1
        number = server.connections
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *lines = head.strip().split("\r\n")
                headers = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in lines}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                seen = Seen(first.split()[0], first.split()[1], headers, body, number)
                server.seen.append(seen)
                if isinstance(handler, bytes):
                    writer.write(handler)
                else:
                    await handler(seen, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.transport.abort()

    listener = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def raw(handler: Raw) -> AsyncIterator[str]:
    """A server that does what `handler` does with each connection, without reading a request first; its URL."""
    tasks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            await handler(reader, writer)

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)


class Elsewhere:
    """A network where names have the addresses a test says; connections to public ones land on loopback."""

    def __init__(self, names: dict[str, list[str]], port: int) -> None:
        self.names = names
        self.port = port
        self.opened: list[str] = []

    async def resolve(self, host: str, port: int) -> list[str]:
        if host not in self.names:
            raise OSError("no such name")
        return self.names[host]

    async def open(self, address: str, port: int) -> socket.socket:
        self.opened.append(address)
        sock = socket.socket()
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        except OSError:
            sock.close()
            raise
        return sock


class Kit:
    """The helpers above, for tests that cannot import a conftest."""

    serve = staticmethod(serve)
    raw = staticmethod(raw)
    answer = staticmethod(answer)
    Elsewhere = Elsewhere

    @staticmethod
    def server_context() -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATES / "server.pem")
        return context

    @staticmethod
    def client_context() -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(CERTIFICATES / "ca.pem"))


@pytest.fixture
def kit() -> Kit:
    """Servers and networks for one test."""
    return Kit()
