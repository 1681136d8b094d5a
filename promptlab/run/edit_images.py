"""Source images of edits: held once however many edits want them; what is behind a URL is fetched once, guarded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from promptlab.errors import GenerationError
from promptlab.log import Log
from promptlab.model import InputFile
from promptlab.providers import ImageBytes, Output
from promptlab.run.begin import LARGEST_SOURCE
from promptlab.run.sender import Kept, Missed, Sender
from promptlab.store import BadImage, Decoded

__all__ = ["Sources"]


@dataclass(slots=True)
class Sources:
    """Fetches a URL for the first edit that needs it; the others, and a resumed run, take the same bytes.

    The request hash of such an edit holds the URL's text. What was behind it is among the run's `inputs`.
    """

    log: Log
    run_id: str
    sender: Sender
    decoded: Callable[[str], Awaitable[Decoded | BadImage]]  # has an image of the store decoded
    found: dict[str, asyncio.Task[str]] = field(default_factory=dict)
    held: WeakValueDictionary[str, ImageBytes] = field(default_factory=WeakValueDictionary)

    def bytes_of(self, sha256: str) -> ImageBytes:
        """The bytes of an image of the store, one copy for all edits of it that are on their way."""
        held = self.held.get(sha256)
        if held is None:
            stored = self.sender.store.head(sha256)
            if stored is None:
                raise GenerationError(f"the source image {sha256[:12]}… is no longer in the store", code="no_source")
            held = self.held[sha256] = ImageBytes(self.sender.store.get(sha256), stored.format)
        return held

    async def get(self, url: str) -> str:
        """The sha256 of the image, which is then in the store; GenerationError where it can't be had."""
        task = self.found.get(url)
        if task is None or task.cancelled():
            task = self.found[url] = asyncio.create_task(self._get(url))
        return await asyncio.shield(task)

    async def _get(self, url: str) -> str:
        for known in self.log.inputs(self.run_id):
            if known.path == url and known.role == "image" and self.sender.store.head(known.sha256):
                return known.sha256
        kept = await self.sender.collect_one(Output(url=url), None)
        if isinstance(kept, Missed):
            raise GenerationError(f"the source image can't be fetched: {kept.message}", code=f"source_{kept.code}")
        # What is sent for money is decoded before.
        if isinstance(bad := await self.decoded(kept.sha256), BadImage):
            code = f"source_image_{bad.kind}"
            raise GenerationError(f"the source image can't be fetched: {bad.message}", code=code)
        return self._keep(url, kept)

    def _keep(self, url: str, kept: Kept) -> str:
        if kept.bytes > LARGEST_SOURCE:
            message = f"the source image has {kept.bytes:,} bytes; at most {LARGEST_SOURCE:,} are sent"
            raise GenerationError(message, code="source_too_large")
        self.log.add_inputs(self.run_id, [InputFile(url, "image", kept.sha256, None)])
        return kept.sha256
