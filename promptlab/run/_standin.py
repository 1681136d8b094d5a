# mypy: ignore-errors
# ruff: noqa
from __future__ import annotations
import asyncio
from dataclasses import dataclass
from promptlab.store import BadImage, Decoder, inspect

def sniff(part):
    return inspect(part.content())

class Keeper:
    def __init__(self, store): self.store = store
    async def __aenter__(self): return self
    async def __aexit__(self, *_): pass
    async def put_new(self, part, format):
        return part.keep(format)

class Pixels:
    def __init__(self, store, found, thumbnails=True):
        self.store, self.found, self.thumbnails = store, found, thumbnails
        self.tasks = set()
    async def __aenter__(self):
        self.decoder = Decoder(); await self.decoder.__aenter__(); return self
    async def __aexit__(self, *a):
        for t in self.tasks: t.cancel()
        await self.decoder.__aexit__(*a)
    def look(self, sha256):
        t = asyncio.ensure_future(self._look(sha256)); self.tasks.add(t); t.add_done_callback(self.tasks.discard)
    async def _look(self, sha256):
        path = self.store.path(sha256)
        if path is None: return
        self.found(sha256, await self.decoder.decode(path, self.store.thumbnail_path(sha256) if self.thumbnails else None))
    async def decoded(self):
        while self.tasks: await asyncio.wait(set(self.tasks))
