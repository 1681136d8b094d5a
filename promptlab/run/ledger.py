"""A run's entries in the log: one transaction a step, so that a process killed anywhere leaves a story that is true.

planned → in_flight (with its attempt, before the send) → answered (response stored) → completed (files on disk), or
an end that is not so good. Only the run's driver writes here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any

from promptlab.http import Decision, Reply
from promptlab.log import Log
from promptlab.model import Amount, Attempt, Generation, GenerationStatus, Image, new_id, utc_now
from promptlab.pacing.owner import state_of
from promptlab.providers import Cost, Job, Result
from promptlab.run.budget import Budget
from promptlab.run.rows import copy_changes
from promptlab.run.session import CLAIM_S

__all__ = ["Blocked", "Busy", "Full", "Hit", "Ledger", "Look"]


@dataclass(frozen=True, slots=True)
class Hit:
    """The log has this request's result already."""

    paid: Generation
    images: tuple[Image, ...]


@dataclass(frozen=True, slots=True)
class Busy:
    """Somebody is sending this very request now."""

    owner: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """An earlier send of this request may have been billed, and nobody said to send it again."""

    earlier: Generation


@dataclass(frozen=True, slots=True)
class Full:
    """No money for it now: for good, or until something in flight ends for less."""

    reached: bool
    cap: str


Look = Hit | Busy | Blocked | Full


@dataclass(slots=True)
class Ledger:
    """The writer of one run's generations.

    `owner` is this process and run, for claims. `fresh` uses no earlier run's results; `resend` are the statuses
    (unknown, lost) of earlier generations that the person said may be sent again.
    """

    log: Log
    run_id: str
    owner: str
    fresh: bool = False
    resend: frozenset[str] = frozenset()
    has_files: Callable[[Sequence[str]], bool] = lambda sha256s: True
    sending: dict[str, str] = field(default_factory=dict)  # request hash → the generation of this run that sends it
    seen: int | None = None  # SQLite's data_version: it changes when another process writes

    # --- before a send ---

    def look(self, generation: Generation) -> Hit | Busy | Blocked | None:
        """What stands in the way of sending this generation, if anything."""
        hash_ = generation.request_hash
        claim, others = self.log.standing(hash_, generation.draw, generation.id)
        found = self.log.cached(hash_, self.has_files) if others else None
        if found is not None and (not self.fresh or found[0].run_id == self.run_id):
            return Hit(found[0], tuple(found[1]))
        if self.sending.get(hash_, generation.id) != generation.id:
            return Busy(self.owner)
        if claim is not None and claim != self.owner:
            if state_of(claim.partition("#")[0]) != "dead":
                return Busy(claim)
            self.log.release_claims(claim)
        earlier = self.log.open_generation(hash_) if others else None
        if earlier is None or earlier.id == generation.id or earlier.status in ("failed", *self.resend):
            return None
        if self.fresh and earlier.run_id != self.run_id:
            return None
        return Blocked(earlier)

    def begin(
        self, generation: Generation, attempt: Attempt, budget: Budget, price: Amount,
        *, dropped: Sequence[str] = (), emulated: Sequence[str] = (),
    ) -> Look | None:  # fmt: skip
        """Reserve, claim and write the attempt, in one commit before its send; or say what stands in the way.

        Until its end is known an attempt may be billed, and says so: a killed process leaves a bound that holds, and
        the caps of other processes count it.
        """
        attempt = replace(attempt, may_be_billed=True, credits_at_risk=price.credits, cost_usd_at_risk=price.usd)
        with self.log.transaction():
            if (look := self.look(generation)) is not None:
                return look
            if budget.caps and (version := self.log.value("PRAGMA data_version")) != self.seen:
                self.seen = version
                budget.refresh()
            verdict, cap = budget.reserve(price, attempt.started_at)
            if verdict != "granted":
                return Full(verdict == "reached", str(cap))
            self.log.claim(generation.request_hash, generation.draw, self.owner, CLAIM_S)
            self.log.update(
                Generation, generation.id, status="in_flight", started_at=attempt.started_at,
                attempts=attempt.number, error_code=None, error_type=None, error_message=None,
                dropped=_names(dropped), emulated=_names(emulated),
            )  # fmt: skip
            self.log.insert(attempt)
        self.sending[generation.request_hash] = generation.id
        return None

    def renew(self) -> None:
        """Say that this run's claims still hold."""
        self.log.renew_claims(self.owner, CLAIM_S)

    # --- after an answer ---

    def submitted(self, generation: Generation, result: Result, job: Job) -> None:
        """The provider took the request as a job: from here on it can be collected, and is never sent again."""
        response = json.dumps({**result.response, "poll_url": job.poll_url}, ensure_ascii=False)
        self.log.update(Generation, generation.id, job_id=job.id, response=response)

    def answered(
        self, generation: Generation, attempt: Attempt, event: Reply, decision: Decision, result: Result, cost: Cost,
        *, risk: Amount | None, latency_ms: int, images: Sequence[Image] = (),
    ) -> Generation:  # fmt: skip
        """The result is known, before its files are: whatever happens now, it is fetched and never asked for again.

        `images` came inside the answer and are on disk already.
        """
        changes: dict[str, Any] = {
            "provider_id": result.id, "response_model": result.model, "provider_created_at": _iso(result.created),
            "response": json.dumps(result.response, ensure_ascii=False, separators=(",", ":")),
            "credits": cost.credits, "cost_usd": cost.usd, "cost_source": cost.source, "latency_ms": latency_ms,
            "status": "in_flight", "attempts": attempt.number,
        }  # fmt: skip
        with self.log.transaction():
            self._end_attempt(attempt, decision, event, risk)
            self.log.update(Generation, generation.id, **changes)
            self.log.insert_many(images)
        return replace(generation, **changes)

    def attempt_ended(
        self, generation: Generation, attempt: Attempt, decision: Decision, event: object, risk: Amount | None
    ) -> None:
        """An attempt that brought no result; a generation that will be sent again is `planned` until then."""
        with self.log.transaction():
            self._end_attempt(attempt, decision, event, risk)
            if decision.retry or decision.stop is not None:
                self.log.update(Generation, generation.id, status="planned")
            if decision.stop is not None:
                self.release(generation)

    def _end_attempt(self, attempt: Attempt, decision: Decision, event: object, risk: Amount | None) -> None:
        headers = event.headers if isinstance(event, Reply) else {}
        self.log.update(
            Attempt, attempt.id, ended_at=utc_now(),
            status_code=event.status if isinstance(event, Reply) else None, outcome=decision.outcome,
            request_id=headers.get("x-request-id") or headers.get("request-id"),
            error_code=decision.code, error_message=decision.message,
            retry_after_s=decision.wait.seconds if decision.wait else None, may_be_billed=risk is not None,
            credits_at_risk=risk.credits if risk else None, cost_usd_at_risk=risk.usd if risk else None,
        )  # fmt: skip

    # --- ends ---

    def completed(self, generation: Generation, images: Sequence[Image], note: str | None) -> Generation:
        """Every image is on disk: the row is complete. `note` says what was short."""
        return self._end(
            generation, "completed", images, error_code="short" if note else None, error_message=note, file_name=None
        )

    def lost(self, generation: Generation, images: Sequence[Image], code: str, message: str) -> Generation:
        """A result that was paid for, but an image of it could not be had; what came is kept."""
        return self._end(generation, "lost", images, error_code=code, error_message=message)

    def ended_badly(self, generation: Generation, decision: Decision) -> Generation:
        """Failed for good, or of unknown outcome."""
        status: GenerationStatus = "unknown" if decision.outcome == "unknown" else "failed"
        return self._end(
            generation, status, (), error_code=decision.code, error_type=decision.type, error_message=decision.message
        )

    def skipped(self, generation: Generation, earlier: Generation) -> Generation:
        """Not sent: an earlier generation of the same request may have been billed."""
        why = (
            "is of unknown outcome and may have been billed" if earlier.status != "lost" else "was paid, its image lost"
        )
        return self._end(
            generation, "skipped", (), error_code=f"{'lost' if earlier.status == 'lost' else 'unknown'}_before",
            error_message=f"the same request {why}: generation {earlier.id} of run {earlier.run_id}",
        )  # fmt: skip

    def copied(self, generation: Generation, hit: Hit, paths: Sequence[str | None]) -> tuple[Generation, list[Image]]:
        """The cache's answer: rows of its own, no cost, and where they were paid."""
        changes = copy_changes(hit.paid)
        images = [
            replace(image, id=new_id(), generation_id=generation.id, path=path)
            for image, path in zip(hit.images, paths, strict=True)
        ]
        with self.log.transaction():
            self.log.update(Generation, generation.id, **changes)
            self.log.insert_many(images)
        return replace(generation, **changes), images

    def release(self, generation: Generation) -> None:
        """Let others have this request."""
        self.log.release_claim(generation.request_hash, generation.draw, self.owner)
        if self.sending.get(generation.request_hash) == generation.id:
            del self.sending[generation.request_hash]

    def _end(
        self, generation: Generation, status: GenerationStatus, images: Sequence[Image], **changes: Any
    ) -> Generation:
        changes |= {"status": status, "ended_at": utc_now()}
        with self.log.transaction():
            self._put_images(generation.id, images)
            self.log.update(Generation, generation.id, **changes)
            self.release(generation)
        return replace(generation, **changes)

    def _put_images(self, generation_id: str, images: Sequence[Image]) -> None:
        """Write images; one that stood as lost and could be fetched after all takes its place."""
        known = (
            {image.position: image.id for image in self.log.images_of([generation_id])[generation_id]} if images else {}
        )
        for image in images:
            if image.position in known:
                changes = {field.name: getattr(image, field.name) for field in fields(image) if field.name != "id"}
                self.log.update(Image, known[image.position], **changes)
            else:
                self.log.insert(image)


def _names(names: Sequence[str]) -> str | None:
    return json.dumps(list(names)) if names else None


def _iso(epoch: float | None) -> str | None:
    return None if epoch is None else datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
