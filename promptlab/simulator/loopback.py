"""HTTP/1.1 over asyncio streams, to this machine only: webhooks out, source images in."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

__all__ = ["NotLoopback", "get", "is_loopback", "post"]

_MAX_BODY = 32 * 1024 * 1024


class NotLoopback(ValueError):
    """The address is not on this machine, or the exchange failed; the simulator goes nowhere else."""


def is_loopback(url: str) -> bool:
    """Whether a URL is plain http to 127.0.0.0/8, ::1 or localhost."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        if parts.scheme != "http" or not host:
            return False
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def post(url: str, body: bytes, headers: Mapping[str, str], timeout_s: float = 5.0) -> int:
    """POST a body; the status, or OSError."""
    status, _ = await asyncio.wait_for(_exchange("POST", url, body, headers), timeout_s)
    return status


async def get(url: str, timeout_s: float = 10.0) -> bytes:
    """The body of a 200; NotLoopback for any other answer, OSError where there is no answer."""
    status, body = await asyncio.wait_for(_exchange("GET", url, b"", {}), timeout_s)
    if status != 200:
        raise NotLoopback(f"the source image's address answered {status}")
    return body


async def _exchange(method: str, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    if not is_loopback(url):
        raise NotLoopback("only addresses of this machine are used")
    parts = urlsplit(url)
    # the name localhost is not looked up: a resolver could send it elsewhere
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname
    reader, writer = await asyncio.open_connection(host, parts.port or 80, limit=2**20)
    try:
        writer.write(_head(method, parts, {**headers, "Content-Length": str(len(body))}) + body)
        await writer.drain()
        answer = await reader.read(_MAX_BODY)
        while answer and len(answer) < _MAX_BODY and (more := await reader.read(2**20)):
            answer += more
    finally:
        writer.close()
    return _parse(answer)


def _head(method: str, parts: SplitResult, headers: Mapping[str, str]) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if any(ord(character) <= 32 or ord(character) == 127 for character in target + parts.netloc):
        raise NotLoopback("the address holds spaces or control characters")
    lines = [f"{method} {target} HTTP/1.0", f"Host: {parts.netloc}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("utf-8")


def _parse(answer: bytes) -> tuple[int, bytes]:
    """HTTP/1.0 was asked for, so a body ends with the connection and is not chunked."""
    head, gap, body = answer.partition(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split()
    if not gap or len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise NotLoopback("the address does not speak HTTP")
    return int(words[1]), body
