"""The webhook receiver: a small HTTP server that turns a provider's signed callbacks into hints for the poller.

A callback is checked (Standard Webhooks 1.0.0: signature, age, each id once) and then only wakes the poll of its job:
what it says is never believed, so a forged one could at most cost a poll.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from promptlab.errors import InputError
from promptlab.run.events import Listener, Message
from promptlab.run.jobs import Jobs
from promptlab.signing import ReplayGuard, SignatureError, verify

__all__ = ["receiver"]

SECRET = "PROMPTLAB_WEBHOOK_SECRET"  # noqa: S105  the variable's name
LARGEST = 1 << 20
PATIENCE_S = 10.0
LOOPBACK = "127.0.0.1"


@asynccontextmanager
async def receiver(
    url: str | None, place: tuple[str | None, int | None], jobs: Jobs, environ: Mapping[str, str], listener: Listener
) -> AsyncIterator[str | None]:
    """Serve callbacks while the block runs; yields the URL that jobs get, None where there is no webhook.

    `place` is the address and port to listen on: this machine's own unless another is named, as a proxy or tunnel
    wants it.
    """
    if url is None:
        yield None
        return
    secret = environ.get(SECRET, "").strip()
    if not secret:
        raise InputError(f"--webhook-url needs the signing secret in {SECRET}", code="webhook-secret")
    seen = ReplayGuard()
    host, port = place[0] or LOOPBACK, place[1]

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                status = await _receive(reader, secret, seen, jobs)
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            return  # not a request that could be read: no answer is possible
        finally:
            writer.close()

    try:
        server = await asyncio.start_server(handle, host, port or 0)
    except OSError as error:
        message = f"the webhook's port {port} can't be opened on {host}: {error.strerror or error}"
        raise InputError(message, code="webhook-port") from error
    listener(Message(f"webhook receiver on {host} port {server.sockets[0].getsockname()[1]}"))
    async with server:
        yield url


async def _receive(reader: asyncio.StreamReader, secret: str, seen: ReplayGuard, jobs: Jobs) -> str:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    request, *lines = head.split("\r\n")
    if not request.startswith("POST "):
        return "405 Method Not Allowed"
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
    }
    length = int(headers.get("content-length", "0"))
    if not 0 < length <= LARGEST:
        return "413 Content Too Large"
    body = await reader.readexactly(length)
    try:
        verify(secret, headers, body, time.time())
    except SignatureError:
        return "401 Unauthorized"
    if not seen.accept(headers["webhook-id"], time.time()):
        return "200 OK"  # said before; the sender may stop
    try:
        job = json.loads(body).get("data", {})
        jobs.hint(str(job.get("id") or job.get("job_id")))
    except (ValueError, AttributeError):
        return "400 Bad Request"
    return "204 No Content"
