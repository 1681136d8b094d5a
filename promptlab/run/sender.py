"""One attempt on the wire: send a call, follow its job, fetch its files. It knows no log, no money and no pace.

`send` says what happened and what the result is, `collect` fetches its files: plain data in and out, so that a worker
on another machine can run this very code. Around them stand the three steps of every send: *lease* (pace and money,
from the driver), *sent* (the fence: the attempt is committed just before its POST) and *done* (the driver commits what
came). Inside one process all three are plain calls of the driver.

The order of a file's checks is the order of their price: length and structure on the way in, every pixel later, in
other processes. A file that fails is fetched again while its URL lives; what stays broken is reported, never kept
silently.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from promptlab.errors import ProviderFault
from promptlab.http import Answer, Call, DownloadError, DownloadLimits, SendError, Unreadable
from promptlab.http.client import Client
from promptlab.http.retry_policy import Reply, Retries, decide
from promptlab.model import Request
from promptlab.providers import Endpoint, ImageBytes, Job, Output, Result
from promptlab.run.jobs import Jobs
from promptlab.store import BadImage, PartFile, Store, sniff
from promptlab.store.background import Keeper
from promptlab.store.labels import label_of

__all__ = ["Gate", "Kept", "Missed", "Sender", "Sent", "Task"]

#: A file that breaks off is requested again soon; a network that is down gets two minutes. What stays lost costs
#: nothing to try again: `resume` does so first, while the URL lives.
CUT, NETWORK = Retries(attempts=4, waiting_s=30.0), Retries(attempts=8, waiting_s=120.0)
TRIES_BAD = 2  # of a file that arrives whole and is not an image: again, in case a proxy cut it

Event = Reply | SendError | Unreadable


@dataclass(frozen=True, slots=True)
class Task:
    """One attempt that may be sent: the call as the provider encodes it, and what its answer is read with.

    `source` keeps an edit's image alive: equal ones are shared while a task holds them.
    """

    generation_id: str
    request: Request
    call: Call  # with the idempotency key
    source: ImageBytes | None = None
    dropped: tuple[str, ...] = ()  # what the provider leaves out of the call,
    emulated: tuple[str, ...] = ()  # or says in another form


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of an attempt: the policy's view of it, and the result if there is one.

    Its files are collected apart (`Sender.collect`): the slot of a generation is free as soon as its answer is here.
    """

    event: Event
    result: Result | None = None
    latency_ms: int = 0


class Gate(Protocol):
    """What a sender tells its driver on the way."""

    def left(self) -> None:
        """The request is on its way only now: the log, or a new connection, may have taken time since the lease."""

    async def heard(self, answer: Answer, latency_ms: int, *, always: bool = False) -> None:
        """An answer came. A 2xx is committed as it is before this returns, and nothing is decoded before that.

        `always`: commit it whatever its status.
        """

    def accepted(self, result: Result, job: Job) -> None:
        """The provider took the request as a job, which is never sent again."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An image in the store."""

    sha256: str
    bytes: int
    width: int
    height: int
    format: str
    perceptual_hash: str | None = None  # of one that was decoded before
    label: str | None = None  # what it says of its making (store.labels)
    note: str | None = None  # what is not as it was asked for

    def judged(self, wanted: str | None) -> Kept:
        """The image, with a note where it is whole, but of another format than was asked for."""
        if wanted is None or self.format == wanted:
            return self
        return replace(self, note=f"asked for {wanted}, got {self.format}: kept as it came")


@dataclass(frozen=True, slots=True)
class Missed:
    """An image that could not be had, and why; `again` says that its URL may still answer later."""

    code: str
    message: str
    again: bool = False


@dataclass(slots=True)
class Sender:
    """Sends tasks over one client and keeps their files in one store.

    Files have a concurrency of their own (`gate`), so that a slow download never holds a generation's slot.
    """

    endpoint: Endpoint
    client: Client
    jobs: Jobs
    store: Store
    keeper: Keeper
    random: Callable[[], float]
    clock: Callable[[], float]
    limits: DownloadLimits = field(default_factory=DownloadLimits)
    downloads: int = 16
    gate: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.gate = asyncio.Semaphore(self.downloads)

    # --- the call -----------------------------------------------------------------------------------------------

    def task(
        self, generation_id: str, request: Request, key: str, source: ImageBytes | None,
        *, asynchronous: bool, webhook_url: str | None,
    ) -> Task:  # fmt: skip
        """The call of a request, under an idempotency key; ProviderFault where the provider's code raises."""
        wire = self.endpoint.encode(
            request, key=key, image=source, asynchronous=asynchronous, webhook_url=webhook_url
        )  # fmt: skip
        return Task(generation_id, request, wire.call, source, wire.dropped, wire.emulated)

    async def send(self, task: Task, gate: Gate) -> Sent:
        """One POST, and for a job its polling: what happened, and the result if there is one.

        ProviderFault where the provider's code raises over the answer; AccountRefused where a job may not be polled.
        """
        started = self.clock()
        try:
            answer = await self.client.send(task.call, left=gate.left)
        except SendError as error:
            return Sent(error)
        await gate.heard(answer, answer.elapsed_ms)
        try:
            event, result = self.endpoint.read(answer, task.request)
        except ProviderFault:  # a refusal that nobody could read is kept too
            await gate.heard(answer, answer.elapsed_ms, always=True)
            raise
        if result is None or result.job is None or result.images:
            return Sent(event, result, answer.elapsed_ms)
        gate.accepted(result, result.job)

        async def heard(answer: Answer) -> None:
            await gate.heard(answer, round((self.clock() - started) * 1000))

        found, result = await self.jobs.follow(task.request, result.job, answer, heard)
        return Sent(found, result, round((self.clock() - started) * 1000))

    # --- its files ----------------------------------------------------------------------------------------------

    async def collect(
        self, outputs: Sequence[Output], wanted: str | None, known: Mapping[int, Kept] | None = None
    ) -> tuple[Kept | Missed, ...]:
        """Every image of a result, kept or missed; `known` are here already. StoreError where none can be kept."""
        here = known or {}
        if len(outputs) == 1:
            return (here.get(0) or await self.collect_one(outputs[0], wanted),)

        async def one(position: int, output: Output) -> Kept | Missed:
            return here.get(position) or await self.collect_one(output, wanted)

        return tuple(await asyncio.gather(*(one(position, output) for position, output in enumerate(outputs))))

    async def collect_one(self, output: Output, wanted: str | None) -> Kept | Missed:
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
                    decision = decide(
                        error, number, self.clock(), random=self.random, waited_s=waited, retries=retries
                    )  # fmt: skip
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
        """Whole by its structure, and durably in the store: the generation may say so."""
        seen = sniff(part)
        if isinstance(seen, BadImage):
            return Missed(f"image_{seen.kind}", seen.message)
        label = label_of(part, seen.format)
        stored = await self.keeper.put_new(part, seen.format)
        return Kept(stored.sha256, stored.bytes, seen.width, seen.height, seen.format, label=label).judged(wanted)
