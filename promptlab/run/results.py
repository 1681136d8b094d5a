"""From a result to a settled generation: its files in the store and named, its row, and later what is in the pixels."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence, Sized
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from promptlab.errors import PromptlabError, StoreError
from promptlab.model import Generation, Image, Request, new_id
from promptlab.providers import Output, Result
from promptlab.run.context import RunContext
from promptlab.run.events import Finished, Listener, Message
from promptlab.run.sender import Kept, Missed, Sender
from promptlab.run.writer import RunWriter
from promptlab.store import BadImage, Decoded
from promptlab.store.background import Pixels

__all__ = ["Results"]

TRIES = 2  # of an image whose pixels can't be decoded: again, in case a proxy damaged it


@dataclass(slots=True)
class Results:
    """Settles generations once their files are there, and has the pixels looked at afterwards.

    `stop` hears of an error that belongs to no single generation. What turns out not to be an image is fetched again
    while its URL lives, and lost where that is none either.
    """

    context: RunContext
    sender: Sender
    writer: RunWriter
    listener: Listener
    stop: Callable[[PromptlabError], None]
    pixels: Pixels = field(init=False)  # tells `seen`, and so is made later
    #: Images whose pixels are being looked at, by their content: who wants to know what was found.
    looking: dict[str, list[Callable[[Decoded | BadImage], None]]] = field(default_factory=dict)
    _mending: set[asyncio.Task[None]] = field(default_factory=set)
    _waiting: asyncio.Task[None] | None = None

    async def collect(
        self, generation: Generation, request: Request, result: Result, note: str | None, *, again: bool = False
    ) -> None:
        """Fetch every image of a result, then settle the generation: completed, or lost with the reason.

        `again`: an earlier process began, and what it kept is not fetched once more.
        """
        outputs, wanted = result.images, request.param("output_format")
        here = self.context.log.images_of([generation.id])[generation.id] if again else []
        found = await self.sender.collect(outputs, wanted, self._known(here, wanted))
        ids = {image.position: image.id for image in here}
        images = [
            self._image(ids.get(position) or new_id(), generation, position, output, one)
            for position, (output, one) in enumerate(zip(outputs, found, strict=True))
        ]
        for image in images:
            if image.status == "stored":
                self.context.names.link(image)
        missed = [one for one in found if isinstance(one, Missed)]
        if missed:
            row = self.writer.lost(generation, images, missed[0].code, _of_all(missed[0].message, len(missed), images))
        else:
            odd = next((one.note for one in found if isinstance(one, Kept) and one.note), None)
            said = "; ".join(part for part in (note, odd) if part) or None
            row = await self.writer.completed(generation, images, said, "short" if note else "image_wrong_format")
        self.listener(Finished(row, tuple(images)))
        for image, one in zip(images, found, strict=True):
            if isinstance(one, Kept) and one.perceptual_hash is None:
                self._look_at(image, wanted)

    def _known(self, images: Sequence[Image], wanted: str | None) -> dict[int, Kept]:
        """Those of a generation's images that are here already; their URLs may be dead by now."""
        found = {}
        for image in images:
            if image.status == "stored" and image.sha256 and self.context.store.head(image.sha256):
                kept = Kept(
                    image.sha256, image.bytes or 0, image.width or 0, image.height or 0, image.format or "bin",
                    image.perceptual_hash, image.label,
                )  # fmt: skip
                found[image.position] = kept.judged(wanted)
        return found

    def _image(
        self, id_: str, generation: Generation, position: int, output: Output, found: Kept | Missed
    ) -> Image:  # fmt: skip
        url = output.url
        kept = found if isinstance(found, Kept) else None
        facts: dict[str, Any] = {} if kept is None else {
            "sha256": kept.sha256, "bytes": kept.bytes, "width": kept.width, "height": kept.height,
            "format": kept.format, "perceptual_hash": kept.perceptual_hash, "label": kept.label,
            "path": self.context.names.path(generation, position, kept.format),
        }  # fmt: skip
        return Image(
            id=id_,
            generation_id=generation.id,
            position=position,
            status="lost" if kept is None else "stored",
            revised_prompt=output.revised_prompt,
            url=None if url is None or url.startswith("data:") else url,
            **facts,
        )

    # --- pixels: looked at when a generation is settled already --------------------------------------------------

    def _look_at(self, image: Image, wanted: str | None, tries: int = 1) -> None:
        """Have an image decoded; what is not an image is fetched again, and lost where that is not one either."""

        def found(decoded: Decoded | BadImage) -> None:
            if isinstance(decoded, BadImage):
                task = asyncio.create_task(self._mend(image, wanted, decoded, tries))
                self._mending.add(task)
                task.add_done_callback(self._mended)
            else:
                self.writer.hashed(image.id, decoded.perceptual_hash)

        assert image.sha256 is not None
        self.look(image.sha256, found)

    def look_again(self, images: Sequence[Image]) -> None:
        """Images of a process that was killed before it had decoded them."""
        for image in images:
            if image.sha256 is not None and self.context.store.head(image.sha256) is not None:
                self._look_at(image, None)

    def look(self, sha256: str, found: Callable[[Decoded | BadImage], None]) -> None:
        """Have an image of the store decoded, once for all who ask; `found` is called with what it is."""
        waiting = self.looking.setdefault(sha256, [])
        waiting.append(found)
        if len(waiting) == 1:
            self.pixels.look(sha256)

    async def decoded(self, sha256: str) -> Decoded | BadImage:
        """What an image of the store is; StoreError where that could not be found out."""
        found: asyncio.Future[Decoded | BadImage] = asyncio.get_running_loop().create_future()
        self.look(sha256, lambda what: None if found.done() else found.set_result(what))
        ended = asyncio.ensure_future(self.pixels.decoded())
        both: list[asyncio.Future[Any]] = [found, ended]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not found.done():
            await ended  # raises what stopped the decoders
        ended.cancel()
        return await found

    def seen(self, sha256: str, decoded: Decoded | BadImage) -> None:
        """What the decoders say of an image."""
        if isinstance(decoded, BadImage):
            with suppress(StoreError):  # removed by somebody else
                self.context.store.delete(sha256)
        for found in self.looking.pop(sha256, ()):
            found(decoded)

    def cancel(self) -> None:
        """Leave at once: what was not looked at yet stays as it is, and `browse` decodes it."""
        for task in [*self._mending, *([] if self._waiting is None else [self._waiting])]:
            task.cancel()

    async def looked(self) -> None:
        """Wait until every image of this run was decoded, and those that could not be were fetched again or lost."""
        self._waiting = asyncio.create_task(self._see_all())
        with suppress(asyncio.CancelledError):
            await self._waiting

    async def _see_all(self) -> None:
        await self.pixels.decoded()
        while self._mending:
            await asyncio.wait(set(self._mending))
            await self.pixels.decoded()

    def _mended(self, task: asyncio.Task[None]) -> None:
        self._mending.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            if not isinstance(error, PromptlabError):
                raise error
            self.stop(error)

    async def _mend(self, image: Image, wanted: str | None, bad: BadImage, tries: int) -> None:
        """An image that could not be decoded: another copy of it, or a generation that is lost, with the reason."""
        found: Kept | Missed = Missed(f"image_{bad.kind}", bad.message)
        if image.url is not None and tries < TRIES:
            found = await self.sender.collect_one(Output(url=image.url), wanted)
        self.context.names.unlink(image)
        generation = self.context.log.generation(image.generation_id)
        if generation is None or generation.status not in ("completed", "lost"):
            return
        if isinstance(found, Kept):
            image = replace(
                image, sha256=found.sha256, bytes=found.bytes, width=found.width, height=found.height,
                format=found.format, label=found.label,
            )  # fmt: skip
            self.writer.replaced(image)
            self.context.names.link(image)
            self._look_at(image, wanted, tries + 1)
            return
        gone = replace(
            image, status="lost", sha256=None, bytes=None, width=None, height=None, format=None, label=None, path=None
        )  # fmt: skip
        self.writer.lost(generation, [gone], found.code, _of_all(found.message, 1, range(generation.n)))
        self.listener(Message(f"lost, of generation {generation.id}: {found.message}", "warning"))


def _of_all(message: str, missed: int, images: Sized) -> str:
    """What is wrong with so many of a generation's images."""
    return f"{message} ({missed} of {len(images)} images)" if len(images) > 1 else message
