"""Generated files at temporary URLs: kept as recipes and drawn when fetched, so that a million cost little memory."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from promptlab.simulator.faults import Rule
from promptlab.simulator.responses import ApiRefusal, Response

__all__ = ["MEDIA_TYPES", "ImageFiles"]

MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}
_KEPT_DRAWN = 8
_SPOILT_PAGE = b"<!doctype html><title>Service notice</title><p>Our storage is being moved. Please come back later.</p>"


@dataclass(slots=True)
class _File:
    draw: Callable[[], bytes]
    output_format: str
    expires: float
    fault: Rule | None
    spoilt_left: int | None  # downloads still to be spoilt; None is all


class ImageFiles:
    """The storage behind `/files/`. Drawing happens in threads, so that the event loop goes on; not in `fast` mode."""

    def __init__(self, ttl_s: float, clock: Callable[[], float], fast: bool) -> None:
        self._ttl_s, self._clock, self._fast = ttl_s, clock, fast
        self._files: OrderedDict[str, _File] = OrderedDict()
        self._drawn: OrderedDict[str, bytes] = OrderedDict()
        self._pool: ThreadPoolExecutor | None = None

    def add(self, draw: Callable[[], bytes], output_format: str, fault: Rule | None) -> str:
        """Keep a recipe; the path of its file."""
        now = self._clock()
        while self._files and next(iter(self._files.values())).expires < now - self._ttl_s:
            self._files.popitem(last=False)  # long gone: 404 instead of 410
        token = f"{secrets.token_hex(12)}.{output_format}"
        expires = now if fault and fault.kind == "expired_url" else now + self._ttl_s
        self._files[token] = _File(draw, output_format, expires, fault, fault.times if fault else None)
        return f"/files/{token}"

    async def read(self, path: str) -> bytes | None:
        """The unspoilt bytes of a living file, or None."""
        token = path.removeprefix("/files/")
        file = self._files.get(token)
        if file is None or self._clock() >= file.expires:
            return None
        return await self._bytes(token, file)

    async def serve(self, path: str) -> Response:
        """The answer to a download: the file, 404 for one that never was, 410 for one past its time."""
        token = path.removeprefix("/files/")
        file = self._files.get(token)
        if file is None:
            raise ApiRefusal(404, "not_found", "There is no such file.", "invalid_request_error")
        if self._clock() >= file.expires:
            raise ApiRefusal(410, "url_expired", "This temporary URL has expired.", "invalid_request_error")
        kind = self._spoil(file)
        if kind == "wrong_content_type":
            return Response(200, _SPOILT_PAGE, content_type="text/html; charset=utf-8")
        data = await self._bytes(token, file)
        media = MEDIA_TYPES[file.output_format]
        if kind == "truncated_image":
            return Response(200, data[: len(data) // 2], content_type=media, declared=len(data))
        return Response(200, data, {"Cache-Control": "private, no-store"}, media)

    @staticmethod
    def _spoil(file: _File) -> str | None:
        if file.fault is None or file.spoilt_left == 0:
            return None
        if file.spoilt_left is not None:
            file.spoilt_left -= 1
        return file.fault.kind

    async def _bytes(self, token: str, file: _File) -> bytes:
        if self._fast:
            return file.draw()
        if (known := self._drawn.get(token)) is not None:
            return known
        self._pool = self._pool or ThreadPoolExecutor(2, thread_name_prefix="simulator")
        data = await asyncio.get_running_loop().run_in_executor(self._pool, file.draw)
        self._drawn[token] = data
        if len(self._drawn) > _KEPT_DRAWN:
            self._drawn.popitem(last=False)
        return data
