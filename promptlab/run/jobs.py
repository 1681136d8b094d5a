"""Asynchronous jobs: when to ask, how long to go on asking, and what a callback changes.

A callback (webhook) is a hint: it wakes the poll, whose answer is what counts. A job keeps its concurrency slot until
it is terminal. The first poll comes at the tenth percentile of past latencies, since polling before any job can be
done only costs requests; after it every second or two. Retry-After wins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from promptlab.errors import AccountRefused
from promptlab.http import Answer, SendError, Unreadable
from promptlab.http.client import Client
from promptlab.http.retry_policy import Reply
from promptlab.http.waits import parse_wait, rate_headers
from promptlab.model import Request
from promptlab.providers import Endpoint, Job, Result
from promptlab.providers.endpoint import checked, provider_code

__all__ = ["Jobs", "first_poll", "poll_interval"]

DEADLINE_S = 3600.0  # of a job that says no expires_at
LONGEST_S = 24 * 3600.0  # of any job, whatever it says


def first_poll(latencies_ms: Sequence[int]) -> float:
    """Seconds until the first poll: the 10th percentile of past latencies; one second without a past."""
    if len(latencies_ms) < 5:
        return 1.0
    return max(0.2, sorted(latencies_ms)[len(latencies_ms) // 10] / 1000)


def poll_interval(number: int, remaining: int | None, reset_s: float | None) -> float:
    """Seconds between polls `number` and the next: one, later two; wider where polls are seen to use up the rate."""
    base = 1.0 if number < 20 else 2.0
    if remaining is None or reset_s is None:
        return base
    return max(base, reset_s / max(remaining, 1))


def _is_refused(status: int) -> bool:
    """Whether a poll's status says the same for ever: a redirect is not followed, since the key would go along."""
    return 300 <= status < 400 or (400 <= status < 500 and status not in (408, 409, 423, 425, 429))


def _ended(job: Job, answer: Answer | None) -> Reply | None:
    """The end of a job that failed, as the policy sees it: also one that was refused as it was submitted."""
    if job.status not in ("failed", "cancelled", "expired"):
        return None
    message = job.message or f"the job ended as {job.status}"
    headers = {} if answer is None else answer.headers
    return Reply(422, headers, job.code or f"job_{job.status}", "job_error", message)


@dataclass(slots=True)
class Jobs:
    """Follows jobs to their end over one client."""

    endpoint: Endpoint
    client: Client
    clock: Callable[[], float]
    past_ms: Callable[[str], Sequence[int]]  # model → latencies of its completed generations, from the log
    hints: dict[str, asyncio.Event] = field(default_factory=dict)

    def hint(self, job_id: str) -> None:
        """A callback named this job: ask now."""
        if (event := self.hints.get(job_id)) is not None:
            event.set()

    async def follow(
        self, request: Request, job: Job, submitted: Answer | None = None,
        heard: Callable[[Answer], Awaitable[object]] | None = None,
    ) -> tuple[Reply | SendError | Unreadable, Result | None]:  # fmt: skip
        """Poll until the job is terminal or its time is up; the policy's event, and the result if there is one.

        `submitted` is the answer that accepted it; without one it is an earlier process' job, and polled at once.
        `heard` is awaited with the answer that brings the result before it is decoded. AccountRefused where the key
        may not poll: the job stays what it is. ProviderFault where the provider's code raises.
        """
        deadline = min(job.expires_at or self.clock() + DEADLINE_S, self.clock() + LONGEST_S)
        if (ended := _ended(job, submitted)) is not None:
            return ended, None
        told = parse_wait(submitted.headers, None, self.clock()) if submitted else None
        pause = first_poll(self.past_ms(request.model)) if submitted else 0.0
        if told and told.source.startswith("retry-after"):
            pause = told.seconds
        wake = self.hints.setdefault(job.id, asyncio.Event())
        number = 0
        last_left: int | None = None
        try:
            while True:
                await self._pause(wake, pause)
                number += 1
                try:
                    with provider_code(self.endpoint.provider.name, "poll"):
                        call = self.endpoint.provider.poll(job)
                    answer = await self.client.send(call)
                except SendError as error:
                    if self.clock() > deadline:
                        return SendError(f"job {job.id}: {error.message}", sent=True), None
                    pause = min(30.0, pause * 2 + 1)
                    continue
                found = await self._read(answer, request, job, heard)
                if found is not None:
                    return found
                if self.clock() > deadline:
                    return SendError(f"job {job.id} was not done in time", sent=True), None
                told = parse_wait(answer.headers, None, self.clock())
                rate = rate_headers(answer.headers, self.clock())
                counts = last_left is not None and rate.remaining is not None and rate.remaining < last_left
                last_left = rate.remaining
                reset_s = rate.reset - self.clock() if counts and rate.reset else None
                pause = poll_interval(number, rate.remaining if counts else None, reset_s)
                if told and told.source.startswith("retry-after"):
                    pause = told.seconds
        finally:
            self.hints.pop(job.id, None)

    async def _pause(self, wake: asyncio.Event, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await wake.wait()
            wake.clear()
        except TimeoutError:
            return

    async def _read(
        self, answer: Answer, request: Request, job: Job, heard: Callable[[Answer], Awaitable[object]] | None
    ) -> tuple[Reply | Unreadable, Result | None] | None:
        """What a poll says, or None to go on: 429, 5xx and unknown states are not the end of a job."""
        provider = self.endpoint.provider
        if answer.status in (401, 403) or _is_refused(answer.status):
            with provider_code(provider.name, "error"):
                error = provider.error(answer)
            said = error.message or answer.headers.get("location", "").split("?", 1)[0][:200] or "no reason given"
            if answer.status in (401, 403):
                # The job stays in flight in the log: with a key that is accepted, `resume` polls it again.
                raise AccountRefused(f"job {job.id} may not be polled ({answer.status}): {said}")
            how = "is gone" if answer.status in (404, 410) else "cannot be polled"
            return Unreadable(f"job {job.id} {how} (HTTP {answer.status}): {said}", code=error.code), None
        if not 200 <= answer.status < 300:
            return None
        try:
            with provider_code(provider.name, "job", Unreadable):
                state = provider.job(answer)
            if state.status == "done":
                if heard is not None:
                    await heard(answer)
                with provider_code(provider.name, "decode", Unreadable):
                    result = checked(provider.decode(answer, request))
                    return Reply(200, answer.headers, asked=request.n, images=len(result.images)), result
        except Unreadable as unreadable:
            return unreadable, None
        ended = _ended(state, answer)
        return None if ended is None else (ended, None)
