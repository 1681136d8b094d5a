"""Asynchronous jobs and their webhooks, after the contract that promptlab assumes (the guide names no endpoint)."""

from __future__ import annotations

import asyncio
import json
import math
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from promptlab.signing import sign
from promptlab.simulator import loopback
from promptlab.simulator.responses import ApiRefusal, Response, json_answer
from promptlab.simulator.settings import SimulatorSettings

__all__ = ["JobQueue", "SimulatedJob"]

_TERMINAL = ("completed", "failed")


@dataclass(slots=True)
class SimulatedJob:
    """One job; `owner` is the key that may see it."""

    owner: str
    created: int
    expires_at: int
    webhook_url: str | None = None
    id: str = field(default_factory=lambda: f"job_{secrets.token_hex(12)}")
    status: str = "queued"
    result: dict[str, Any] | None = None
    error: dict[str, str] | None = None

    def body(self, now: float) -> dict[str, Any]:
        """The job as JSON; past its time only that it is expired."""
        status = "expired" if now >= self.expires_at else self.status
        out: dict[str, Any] = {"id": self.id, "status": status, "created": self.created, "expires_at": self.expires_at}
        if status == "completed":
            out["result"] = self.result
        if status == "failed":
            out["error"] = self.error
        return out


class JobQueue:
    """Jobs under way and done, and the tasks that carry them."""

    def __init__(self, settings: SimulatorSettings, on_webhook: Callable[[bool], None]) -> None:
        self._settings, self._on_webhook = settings, on_webhook
        self._jobs: dict[str, SimulatedJob] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, owner: str, webhook_url: str | None, work: Callable[[], Awaitable[dict[str, Any]]]) -> Response:
        """Start a job; 202 with its id, Location and Retry-After."""
        now = self._settings.clock()
        if webhook_url is not None and not loopback.is_loopback(webhook_url):
            message = (
                "'webhook_url': the simulator only calls http addresses of this machine (127.0.0.1, ::1, localhost)."
            )
            raise ApiRefusal(400, "invalid_webhook_url", message, "invalid_request_error")
        job = SimulatedJob(owner, int(now), math.ceil(now + self._settings.job_ttl_s), webhook_url)
        self._jobs = {id: old for id, old in self._jobs.items() if now < old.expires_at + self._settings.job_ttl_s}
        self._jobs[job.id] = job
        task = asyncio.get_running_loop().create_task(self._carry(job, work))
        self._tasks.add(task)  # the loop itself holds tasks only weakly
        task.add_done_callback(self._tasks.discard)
        return json_answer(202, job.body(now), {"Location": f"/v1/jobs/{job.id}", "Retry-After": "1"})

    def poll(self, owner: str, id: str) -> Response:
        """A job's state; 404 for one that never was or is another key's."""
        job = self._jobs.get(id)
        if job is None or job.owner != owner:
            raise ApiRefusal(404, "job_not_found", f"There is no job {id[:60]!a}.", "invalid_request_error")
        headers = {} if job.status in _TERMINAL else {"Retry-After": "1"}
        return json_answer(200, job.body(self._settings.clock()), headers)

    async def _carry(self, job: SimulatedJob, work: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        job.status = "processing"
        try:
            job.result = await work()
            job.status = "completed"
        except ApiRefusal as error:
            job.error = {"code": error.code, "message": error.message, "type": error.type}
            job.status = "failed"
        if job.webhook_url is not None:
            await self._call_back(job, job.webhook_url)

    async def _call_back(self, job: SimulatedJob, url: str) -> None:
        """Deliver the webhook, signed as Standard Webhooks, a few times until the answer is 2xx."""
        message_id = f"msg_{secrets.token_hex(12)}"
        now = self._settings.clock()
        stamp = datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")
        event = {"type": f"image.job.{job.status}", "timestamp": stamp, "data": job.body(now)}
        body = json.dumps(event).encode("ascii")
        for attempt in range(self._settings.webhook_attempts):
            if attempt:
                await self._settings.sleep(0.2 * 2**attempt)
            sent = int(self._settings.clock())
            headers = {
                "Content-Type": "application/json", "webhook-id": message_id, "webhook-timestamp": str(sent),
                "webhook-signature": sign(self._settings.webhook_secret, message_id, sent, body),
            }  # fmt: skip
            try:
                delivered = 200 <= await loopback.post(url, body, headers) < 300
            except (OSError, ValueError):  # no listener, or not HTTP: counted below, tried again
                delivered = False
            self._on_webhook(delivered)
            if delivered:
                return
