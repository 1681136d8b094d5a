"""From a provider's output to a kept file: download or decode, check, store, look at the pixels.

The order of the checks is the order of their price: length and structure on the way in, a full decode in a worker
process. A file that fails is fetched again while its URL lives; what stays broken is reported, never kept silently.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from promptlab.http import Client, DownloadError, DownloadLimits, Retries, decide
from promptlab.providers import Output
from promptlab.store import BadImage, Decoder, PartFile, Store, inspect

__all__ = ["Collector", "Kept", "Missed"]

#: A file that breaks off is requested again soon; a network that is down gets two minutes. What stays lost costs
#: nothing to try again: `resume` does so first, while the URL lives.
CUT, NETWORK = Retries(attempts=4, waiting_s=30.0), Retries(attempts=8, waiting_s=120.0)
BACKLOG = 32  # images waiting for the decoder
TRIES_BAD = 2  # of a file that arrives whole and is not an image: again, in case a proxy cut it


@dataclass(frozen=True, slots=True)
class Kept:
    """An image in the store."""

    sha256: str
    bytes: int
    width: int
    height: int
    format: str
    perceptual_hash: str | None
    note: str | None = None  # what is not as it was asked for


@dataclass(frozen=True, slots=True)
class Missed:
    """An image that could not be had, and why; `again` says that its URL may still answer later."""

    code: str
    message: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class Collector:
    """Collects outputs with its own concurrency, so that a slow download never holds a generation's slot."""

    client: Client
    store: Store
    decoder: Decoder
    gate: asyncio.Semaphore
    limits: DownloadLimits
    random: Callable[[], float]
    thumbnails: bool = True
    keeping: set[PartFile] = field(default_factory=set)

    async def collect(self, output: Output, wanted: str | None) -> Kept | Missed:
        """One image, kept or missed; a full disk raises StoreError, since nothing after it could be kept either."""
        if output.data is not None:
            with self.store.part() as part:
                part.write(output.data)
                return await self._keep(part, wanted)
        if output.url is None:
            return Missed("no_image", "the response names no image here")
        return await self._fetch(output.url, wanted)

    async def _fetch(self, url: str, wanted: str | None) -> Kept | Missed:
        waited, bad, number = 0.0, 0, 0
        while True:
            number += 1
            with self.store.part() as part:
                try:
                    async with self.gate:
                        await self.client.fetch(url, part, limits=self.limits)
                except DownloadError as error:
                    retries = CUT if error.kind == "cut" else NETWORK
                    decision = decide(error, number, time.time(), random=self.random, waited_s=waited, retries=retries)
                    if not decision.retry or decision.wait is None:
                        return Missed(f"download_{error.kind}", error.message, again=error.retryable)
                    pause = decision.wait.seconds
                else:
                    kept = await self._keep(part, wanted)
                    bad += 1
                    if isinstance(kept, Kept) or bad == TRIES_BAD:
                        return kept
                    pause = 0.2
            waited += pause
            await asyncio.sleep(pause)

    async def _keep(self, part: PartFile, wanted: str | None) -> Kept | Missed:
        try:
            inspection = inspect(part.content())
        except BadImage as bad:
            return Missed(f"image_{bad.kind}", bad.message)
        thumbnail = self._thumbnail(part.sha256)
        self.keeping.add(part)
        try:
            stored, decoded = await self.decoder.keep(part, inspection.format, thumbnail)
        finally:
            self.keeping.discard(part)
        if isinstance(decoded, BadImage):
            self.store.remove(stored.sha256)
            return Missed(f"image_{decoded.kind}", decoded.message)
        kept = Kept(
            stored.sha256, stored.bytes, inspection.width, inspection.height, inspection.format, decoded.perceptual_hash
        )
        return self.judged(kept, wanted)

    @staticmethod
    def judged(kept: Kept, wanted: str | None) -> Kept:
        """The image, with a note where it is whole, but of another format than was asked for."""
        if wanted is None or kept.format == wanted:
            return kept
        return replace(kept, note=f"asked for {wanted}, got {kept.format}: kept as it came")

    def _thumbnail(self, sha256: str) -> Path | None:
        """Where the thumbnail goes. A server that answers faster than they are made leaves them to `browse`."""
        path = self.store.thumbnail_path(sha256)
        return path if self.thumbnails and len(self.keeping) < BACKLOG and not path.is_file() else None
