"""Image files, thumbnails and static files as responses: by strict name, never sniffed, cached for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from html import escape
from typing import TYPE_CHECKING

from promptlab.browse import assets
from promptlab.errors import StoreError

if TYPE_CHECKING:
    from datasette.utils.asgi import Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    from promptlab.browse.open_logs import OpenLog
    from promptlab.store import Store, Thumbnail

__all__ = [
    "ballot_response", "gone_response", "image_response", "missing_response", "static_response", "thumbnail_response",
]  # fmt: skip

_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}
#: A file's name is the hash of its content: it can never change.
_FOREVER = "public, max-age=31536000, immutable"


@cache
def _makers() -> ThreadPoolExecutor:
    """Two threads make missing thumbnails: a page of a hundred of them must not take the machine."""
    return ThreadPoolExecutor(max_workers=2, thread_name_prefix="promptlab-thumbnail")


async def image_response(logs: Iterable[OpenLog], sha256: str) -> Response:
    """The full file, from the first log whose store has it."""
    for log in logs:
        if (store := log.store()) is not None and (stored := store.head(sha256)) is not None:
            return _file(sha256, stored.format, await asyncio.to_thread(store.get, sha256))
    return missing_response(sha256)


async def thumbnail_response(logs: Iterable[OpenLog], sha256: str) -> Response:
    """The small picture; made now, off the event loop, when there is none yet."""
    for log in logs:
        store = log.store()
        if store is None or store.head(sha256) is None:
            continue
        small = store.thumbnail(sha256)
        if small is None:
            small = await asyncio.get_running_loop().run_in_executor(_makers(), _make, store, sha256)
        if small is not None:
            return _file(sha256, small.format, small.data)
    return missing_response(sha256)


def _make(store: Store, sha256: str) -> Thumbnail | None:
    """The new thumbnail, or None where the image cannot be read: the page shows a placeholder instead."""
    from promptlab.store import thumbnail_of

    try:
        return thumbnail_of(store, sha256)
    except (StoreError, OSError):
        return None


def _file(sha256: str, format: str, body: bytes) -> Response:
    headers = {"content-disposition": f'inline; filename="{sha256}.{format}"', "cache-control": _FOREVER}
    return _response(body, _TYPES[format], headers)


def missing_response(sha256: str) -> Response:
    """404 as a small picture, so that a grid shows what is the matter."""
    text = escape(f"no file {sha256[:8]}…")
    body = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="384" height="384" viewBox="0 0 384 384">'
        '<rect width="384" height="384" fill="#8883"/><text x="192" y="198" text-anchor="middle" '
        f'font-family="sans-serif" font-size="22" fill="#888">{text}</text></svg>'
    )
    return _response(body.encode(), "image/svg+xml", {"cache-control": "no-store"}, status=404)


def ballot_response(body: bytes) -> Response:
    """A picture of a ballot: nothing is kept, so that a second look takes as long as the first."""
    return _response(body, "image/jpeg", {"cache-control": "no-store"})


def gone_response() -> Response:
    """Where a ballot is not open, or not this voter's: the same for both."""
    return _response(b"this ballot is not open", "text/plain", {"cache-control": "no-store"}, status=404)


def static_response(name: str) -> Response:
    """A bundled file, or a plain 404."""
    if name not in assets.TYPES:
        return _response(b"not found", "text/plain", {"cache-control": "no-store"}, status=404)
    return _response(assets.read(name), assets.TYPES[name], {"cache-control": _FOREVER})


def _response(body: bytes, kind: str, headers: dict[str, str], *, status: int = 200) -> Response:
    from datasette.utils.asgi import Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

    safe = {
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        "cross-origin-resource-policy": "same-origin",
    }
    return Response(body, status=status, headers={**safe, **headers}, content_type=kind)
