"""From a provider's output to a kept file: download or decode, check, store, look at the pixels.

The order of the checks is the order of their price: length and structure on the way in, a full decode in a worker
process. A file that fails is fetched again while its URL lives; what stays broken is reported, never kept silently.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from promptlab.http import Client, DownloadError, DownloadLimits, Retries, decide
from promptlab.providers import Output
from promptlab.store import BadImage, Decoded, PartFile, Store, sniff
from promptlab.store.background import Keeper, Pixels

__all__ = ["Collector", "Kept", "Missed"]

#: A file that breaks off is requested again soon; a network that is down gets two minutes. What stays lost costs
#: nothing to try again: `resume` does so first, while the URL lives.
CUT, NETWORK = Retries(attempts=4, waiting_s=30.0), Retries(attempts=8, waiting_s=120.0)
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


@dataclass(slots=True)
class Looked:
    """What the decoder found, for who waits for it."""

    waiting: dict[str, list[asyncio.Future[Decoded | BadImage]]] = field(default_factory=dict)

    def found(self, sha256: str, result: Decoded | BadImage) -> None:
        """Hand a result over."""
        for future in self.waiting.pop(sha256, ()):
            if not future.done():
                future.set_result(result)


@dataclass(frozen=True, slots=True)
class Collector:
    """Collects outputs with its own concurrency, so that a slow download never holds a generation's slot."""

    client: Client
    store: Store
    keeper: Keeper
    pixels: Pixels
    looked: Looked
    gate: asyncio.Semaphore
    limits: DownloadLimits
    random: Callable[[], float]

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
        seen = sniff(part)
        if isinstance(seen, BadImage):
            return Missed(f"image_{seen.kind}", seen.message)
        stored = await self.keeper.put_new(part, seen.format)
        decoded = await self._decoded(stored.sha256)
        if isinstance(decoded, BadImage):
            self.store.delete(stored.sha256)
            return Missed(f"image_{decoded.kind}", decoded.message)
        kept = Kept(stored.sha256, stored.bytes, seen.width, seen.height, seen.format, decoded.perceptual_hash)
        return self.judged(kept, wanted)

    async def _decoded(self, sha256: str) -> Decoded | BadImage:
        result: asyncio.Future[Decoded | BadImage] = asyncio.get_running_loop().create_future()
        self.looked.waiting.setdefault(sha256, []).append(result)
        self.pixels.look(sha256)
        ended = asyncio.create_task(self.pixels.decoded())
        both: list[asyncio.Future[Any]] = [result, ended]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not result.done():
            await ended
        ended.cancel()
        return await result

    @staticmethod
    def judged(kept: Kept, wanted: str | None) -> Kept:
        """The image, with a note where it is whole, but of another format than was asked for."""
        if wanted is None or kept.format == wanted:
            return kept
        return replace(kept, note=f"asked for {wanted}, got {kept.format}: kept as it came")
