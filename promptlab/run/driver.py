"""The driver: workers take planned generations, send them, and hand results to the collector; one writer, the log.

Nothing here decides about money or retries; it keeps the workers busy, stops them cleanly, and settles each
generation once its files are on disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from promptlab.errors import GenerationError, LogError, PromptlabError, ProviderFault
from promptlab.http import Decision
from promptlab.model import Generation, Image, Request, new_id
from promptlab.providers import ImageBytes, Output
from promptlab.providers.faults import provider_code
from promptlab.run.collect import Collector, Kept, Missed
from promptlab.run.edit_images import Sources
from promptlab.run.events import Finished, Message
from promptlab.run.exchange import Answered, Line, Task, exchange
from promptlab.run.names import Names
from promptlab.run.rows import request_of
from promptlab.run.writer import Blocked, Busy, Hit
from promptlab.store import Store

__all__ = ["Driver"]

RENEW_S = 20.0  # between renewals of a run's claims,
RENEW_AGAIN_S = 5.0  # and after one that the log refused
PENDING = 256  # results waiting for their files; more would only hold memory
BUSY_S = 0.25
WHY_AGAIN = "interrupted; what was simulated is made again"


@dataclass(slots=True)
class Driver:
    """One run's workers. `run()` returns when everything is settled or the run has stopped cleanly."""

    line: Line
    collector: Collector
    store: Store
    names: Names
    sources: Sources
    planned: Iterator[Generation]
    workers: int
    asynchronous: bool = False
    webhook_url: str | None = None
    stopped: PromptlabError | None = None
    broken: bool = False  # a fault of ours was raised somewhere: nothing more is sent
    interrupted: bool = False
    in_flight: int = 0
    salvaging: asyncio.Future[Any] | None = None  # what a dead process left is being collected
    _collecting: set[asyncio.Task[None]] = field(default_factory=set)
    _workers: list[asyncio.Task[None]] = field(default_factory=list)
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PENDING))

    async def run(self) -> None:
        """Work until there is nothing left. An error that belongs to no single generation ends the run cleanly."""
        self._workers = [asyncio.create_task(self._work()) for _ in range(self.workers)]
        try:
            await self._gather(self._workers)
        finally:  # also past a fault: what still collects would wait for a decoder that is closed
            await self._gather(list(self._collecting))
        if self.line.in_process and self.interrupted:
            self._plan_again()

    async def _gather(self, tasks: list[asyncio.Task[None]]) -> None:
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, PromptlabError):
                self._stop(result)
            elif isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result

    def interrupt(self) -> None:
        """Ctrl-C: the first lets what is in flight end; the second leaves at once, and what is in flight is unknown."""
        if self.salvaging is not None:  # whatever is not settled yet can be settled next time
            self.interrupted = True
            self.salvaging.cancel()
            return
        if self.interrupted or self.line.in_process:  # what is simulated in this process is planned again
            self.interrupted = True
            for task in [*self._workers, *self._collecting]:
                task.cancel()
            return
        self.interrupted = True
        if self.in_flight or self._collecting:
            count = self.in_flight + len(self._collecting)
            self.line.listener(Message(f"stopping: waiting for {count} in flight (Ctrl-C again leaves them unknown)"))
        self._release_idle()

    def stop(self, error: PromptlabError) -> None:
        """Send nothing more; what is in flight ends, what is being collected for a dead process waits for its next."""
        self._stop(error)
        if self.salvaging is not None:
            self.salvaging.cancel()

    def _stop(self, error: PromptlabError) -> None:
        if self.stopped is None:
            self.stopped = error
            self._release_idle()

    def _release_idle(self) -> None:
        for task in list(self.line.idle):
            task.cancel()

    async def keep_claims(self) -> None:
        """Renew this run's claims for as long as this task lives, whatever the log says now and then.

        A run whose claims are another's by now stops, and so does one whose log is gone.
        """
        pause = RENEW_S
        while True:
            await asyncio.sleep(pause)
            try:
                self.line.ledger.renew()
            except LogError as error:
                if not self.line.ledger.log.is_there():
                    self.stop(error)
                    return
                self.line.listener(Message(f"the run's claims could not be renewed; trying again: {error}", "warning"))
                pause = RENEW_AGAIN_S
            except PromptlabError as error:
                self.stop(error)
                return
            else:
                pause = RENEW_S

    def _plan_again(self) -> None:
        ledger = self.line.ledger
        for row in list(ledger.log.generations(ledger.run_id, statuses=("in_flight",))):
            attempts = ledger.log.attempts(row.id)
            ledger.again(row, attempts[-1] if attempts else None, WHY_AGAIN)

    # --- one worker ---

    async def _work(self) -> None:
        while self.stopped is None and not self.interrupted and not self.broken:
            generation = next(self.planned, None)
            if generation is None:
                return
            try:
                await self._one(generation)
            except PromptlabError as error:  # no one generation's own: money, the key, the disk, the log
                self._stop(error)
            except Exception:  # a fault of ours, which `run` raises once what is in flight has ended
                self._break()
                raise

    def _break(self) -> None:
        self.broken = True
        self._release_idle()

    async def _one(self, generation: Generation) -> None:
        task: Task | None = None
        while True:
            look = self.line.ledger.look(generation)
            if look is None:
                try:
                    task = task or await self._task(generation)
                except GenerationError as error:
                    self._failed(generation, error.code, str(error), error.type)
                    return
                except ProviderFault as fault:  # nothing was sent for it; the next ones would go no better
                    self._failed(generation, fault.code, str(fault))
                    raise
                outcome = await self._exchange(task)
                if outcome is None or isinstance(outcome, Answered):
                    return
                look = outcome
            match look:
                case Hit():
                    self._copy(generation, look)
                    return
                case Blocked(earlier):
                    self.line.listener(Finished(self.line.ledger.skipped(generation, earlier)))
                    return
                case Busy():
                    with self.line.waiting():
                        await asyncio.sleep(BUSY_S)

    async def _exchange(self, task: Task) -> Answered | Hit | Busy | Blocked | None:
        await self._room.acquire()
        self.in_flight += 1
        outcome: Answered | Hit | Busy | Blocked | None = None
        try:
            outcome = await exchange(self.line, task)
        finally:
            self.in_flight -= 1
            if not isinstance(outcome, Answered):
                self._room.release()  # else when its files are there
        if isinstance(outcome, Answered):
            self._collect(task.request, outcome)
            if outcome.stop is not None:
                self._stop(outcome.stop)
        elif outcome is None:
            self._tell(task.generation.id)
        return outcome

    async def _task(self, generation: Generation) -> Task:
        """The call of a planned row; the idempotency key of its earlier attempts, where there are any."""
        request = request_of(generation)
        source = await self._source(request)
        provider = self.line.endpoint.provider
        with provider_code(provider.name, "encode", PromptlabError):
            wire = provider.encode(request, image=source, asynchronous=self.asynchronous, webhook_url=self.webhook_url)
            headers = dict(wire.call.headers)
        earlier = self.line.ledger.log.attempts(generation.id) if generation.attempts else []
        key = earlier[-1].idempotency_key if earlier else new_id()
        call = replace(wire.call, headers={**headers, "Idempotency-Key": key})
        return Task(
            generation, request, call, key, self.line.price(request), source, wire.dropped, wire.emulated,
            number=len(earlier),
        )  # fmt: skip

    async def _source(self, request: Request) -> ImageBytes | None:
        """The bytes of an edit's source image; None for a URL that the API fetches by itself."""
        sha256 = request.image_sha256
        if sha256 is None and request.image is not None and not self.line.endpoint.provider.capabilities.image_urls:
            sha256 = await self.sources.get(request.image)
        return None if sha256 is None else self.sources.bytes_of(sha256)

    def _failed(self, generation: Generation, code: str | None, message: str, type: str | None = None) -> None:
        decision = Decision("fatal", code=code, type=type, message=message)
        row = self.line.ledger.ended_badly(generation, decision, simulated=self.line.endpoint.simulated)
        self.line.listener(Finished(row))

    def _tell(self, generation_id: str) -> None:
        row = self.line.ledger.log.generation(generation_id)
        if row is not None:
            self.line.listener(Finished(row))

    # --- results ---

    def _copy(self, generation: Generation, hit: Hit) -> None:
        names = [self.names.path(generation, image.position, image.format) for image in hit.images]
        row, images = self.line.ledger.copied(generation, hit, names)
        for image in images:
            self.names.link(image)
        self.line.listener(Finished(row, tuple(images)))

    def _collect(self, request: Request, answered: Answered) -> None:
        task = asyncio.create_task(self.collect(request, answered))
        self._collecting.add(task)
        task.add_done_callback(self._collected)

    def _collected(self, task: asyncio.Task[None]) -> None:
        self._collecting.discard(task)
        self._room.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, PromptlabError):
                self._stop(error)
            else:
                self._break()
                self._collecting.add(task)  # a fault of ours: `run` raises it

    async def collect(self, request: Request, answered: Answered, *, again: bool = False) -> None:
        """Fetch every image of a result, then settle the generation: completed, or lost with the reason.

        `again`: an earlier process began, and what it kept is not fetched once more.
        """
        outputs, generation = answered.result.images, answered.generation
        wanted = request.param("output_format")
        known = self._known(generation, wanted) if again else {}

        async def one(position: int, output: Output) -> Kept | Missed:
            return known.get(position) or await self.collector.collect(output, wanted)

        found = await asyncio.gather(*(one(position, output) for position, output in enumerate(outputs)))
        images = [
            self._image(generation, position, output.url, output.revised_prompt, one)
            for position, (output, one) in enumerate(zip(outputs, found, strict=True))
        ]
        for image in images:
            if image.status == "stored":
                self.names.link(image)
        missed = [one for one in found if isinstance(one, Missed)]
        ledger = self.line.ledger
        if missed:
            more = f" ({len(missed)} of {len(found)} images)" if len(found) > 1 else ""
            row = ledger.lost(generation, images, missed[0].code, f"{missed[0].message}{more}")
        else:
            odd = next((one.note for one in found if isinstance(one, Kept) and one.note), None)
            note = "; ".join(part for part in (answered.note, odd) if part) or None
            row = ledger.completed(generation, images, note, "short" if answered.note else "image_wrong_format")
        self.line.listener(Finished(row, tuple(images)))

    def _known(self, generation: Generation, wanted: str | None) -> dict[int, Kept]:
        """The images of a generation that are here already; their URLs may be dead by now."""
        found = {}
        for image in self.line.ledger.log.images_of([generation.id])[generation.id]:
            if image.status == "stored" and image.sha256 and self.store.head(image.sha256):
                kept = Kept(
                    image.sha256, image.bytes or 0, image.width or 0, image.height or 0, image.format or "bin",
                    image.perceptual_hash,
                )  # fmt: skip
                found[image.position] = self.collector.judged(kept, wanted)
        return found

    def _image(
        self, generation: Generation, position: int, url: str | None, revised: str | None, found: Kept | Missed
    ) -> Image:
        kept = found if isinstance(found, Kept) else None
        facts: dict[str, Any] = {} if kept is None else {
            "sha256": kept.sha256, "bytes": kept.bytes, "width": kept.width, "height": kept.height,
            "format": kept.format, "perceptual_hash": kept.perceptual_hash,
            "path": self.names.path(generation, position, kept.format),
        }  # fmt: skip
        return Image(
            id=new_id(),
            generation_id=generation.id,
            position=position,
            status="lost" if kept is None else "stored",
            revised_prompt=revised,
            url=None if url is None or url.startswith("data:") else url,
            **facts,
        )
