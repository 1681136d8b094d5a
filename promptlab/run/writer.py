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

from promptlab.errors import LogError, ProviderFault, TakenOver
from promptlab.http import Answer, Decision, Reply
from promptlab.log import Log
from promptlab.model import Amount, Attempt, Generation, GenerationStatus, Image, new_id, utc_now
from promptlab.providers import Cost, Job, Result
from promptlab.run.budget import Budget
from promptlab.run.claims import holds, is_dead
from promptlab.run.raw_answers import Answers
from promptlab.run.recover import is_simulated
from promptlab.run.rows import copy_changes
from promptlab.run.session import CLAIM_S

__all__ = ["Blocked", "Busy", "Full", "Hit", "Look", "RunWriter"]


@dataclass(frozen=True, slots=True)
class Hit:
    """The log has this request's result already."""

    paid: Generation
    images: tuple[Image, ...]


@dataclass(frozen=True, slots=True)
class Busy:
    """Another worker is sending this very request now."""

    owner: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """An earlier send of this request may have been billed, and the user did not ask to send it again."""

    earlier: Generation


@dataclass(frozen=True, slots=True)
class Full:
    """No money for it now: finally, or until something in flight ends for less."""

    reached: bool
    cap: str


Look = Hit | Busy | Blocked | Full


@dataclass(slots=True)
class RunWriter:
    """The writer of one run's generations.

    `owner` is this process and run, for claims. `fresh` uses no earlier run's results; `resend` are the statuses
    (unknown, lost) of earlier generations that the user said may be sent again. `pictures` says where files are.
    """

    log: Log
    run_id: str
    owner: str
    answers: Answers
    pictures: str = "images/"
    fresh: bool = False
    resend: frozenset[str] = frozenset()
    has_files: Callable[[Sequence[str]], bool] = lambda sha256s: True
    sending: dict[str, str] = field(default_factory=dict)  # request hash → the generation of this run that sends it
    seen: int | None = None  # SQLite's data_version: it changes when another process writes
    numbers: dict[str, int] = field(default_factory=dict)  # generation → its attempt that this process sent

    # --- before a send ---

    def look(self, generation: Generation) -> Hit | Busy | Blocked | None:
        """What prevents sending this generation, if anything."""
        hash_ = generation.request_hash
        claim, others = self.log.standing(hash_, generation.draw, generation.id)
        found = self.log.cached(hash_, self.has_files) if others else None
        if found is not None and (not self.fresh or found[0].run_id == self.run_id):
            return Hit(found[0], tuple(found[1]))
        if self.sending.get(hash_, generation.id) != generation.id:
            return Busy(self.owner)
        if claim is not None and claim != self.owner:
            if not is_dead(claim):
                return Busy(claim)
            self.log.release_claims(claim)
        earlier = self.log.open_generation(hash_) if others else None
        if earlier is None or earlier.id == generation.id or earlier.status in ("failed", *self.resend):
            return None
        if is_simulated(earlier):  # made again free of charge
            return None
        if self.fresh and earlier.run_id != self.run_id:
            return None
        return Blocked(earlier)

    def begin(
        self, generation: Generation, attempt: Attempt, budget: Budget, price: Amount,
        *, dropped: Sequence[str] = (), emulated: Sequence[str] = (), simulated: bool = False,
    ) -> Look | None:  # fmt: skip
        """Reserve, claim and write the attempt, in one commit before its send; or say what prevents it.

        Until its end is known an attempt may be billed, and says so: a killed process leaves a bound that holds, and
        the caps of other processes count it. `simulated`: the server has named itself a simulator so far.
        """
        self._check_file()
        attempt = replace(attempt, may_be_billed=True, credits_at_risk=price.credits, cost_usd_at_risk=price.usd)
        with self.log.transaction():
            self._check_hold(generation)
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
                dropped=_names(dropped), emulated=_names(emulated), cost_source="simulated" if simulated else None,
            )  # fmt: skip
            self.log.insert(attempt)
            if attempt.number > 1:
                self.answers.forget(generation.id)  # an earlier attempt's, should it have been kept
        self.sending[generation.request_hash] = generation.id
        self.numbers[generation.id] = attempt.number
        return None

    def renew(self) -> None:
        """Say that this run's claims still hold; TakenOver where they don't, LogError where the log refuses."""
        self._check_file()
        with self.log.transaction():
            self._check_hold()
            self.log.renew_claims(self.owner, CLAIM_S)
        self.log.refresh_sums(self.run_id, running=True)

    def _check_file(self) -> None:
        try:
            self.log.check_there()
        except LogError as error:
            raise LogError(
                f"{error}, so nothing more is sent; the images that were made are in {self.pictures}"
            ) from error

    def _check_hold(self, generation: Generation | None = None) -> None:
        """TakenOver where another process has taken over this run.

        What this one had sent before that, and no other sent since, it may still settle: an answer that was paid for is
        better than an unknown outcome.
        """
        if holds(self.log, self.run_id, self.owner):
            return
        if generation is not None and (number := self.numbers.get(generation.id)) is not None:
            row = self.log.generation(generation.id)
            if row is not None and row.attempts == number and row.status in ("in_flight", "unknown"):
                return
        raise TakenOver(
            f"another process has taken over run {self.run_id}, since this one was suspended for longer than "
            f"{CLAIM_S:.0f} s; nothing more is sent from here"
        )

    # --- after an answer ---

    def keep(self, generation: Generation, answer: Answer, latency_ms: int) -> None:
        """The answer as it came, committed before anything decodes it."""
        self.answers.keep(generation.id, answer, latency_ms)

    def submitted(self, generation: Generation, result: Result, job: Job) -> None:
        """The provider took the request as a job: from here on it can be collected, and is never sent again."""
        response = json.dumps({**result.response, "poll_url": job.poll_url}, ensure_ascii=False)
        with self.log.transaction():
            self._check_hold(generation)
            self.log.update(Generation, generation.id, job_id=job.id, response=response)
            self.answers.forget(generation.id)
        self.answers.drop_file(generation.id)

    def answered(
        self, generation: Generation, attempt: Attempt, event: Reply, decision: Decision, result: Result, cost: Cost,
        *, risk: Amount | None, latency_ms: int,
    ) -> Generation:  # fmt: skip
        """The result is known, before its files are: whatever happens now, it is fetched and never requested again."""
        changes: dict[str, Any] = {
            "provider_id": result.id, "response_model": result.model, "provider_created_at": _iso(result.created),
            "response": json.dumps(result.response, ensure_ascii=False, separators=(",", ":")),
            "credits": cost.credits, "cost_usd": cost.usd, "cost_source": cost.source, "latency_ms": latency_ms,
            "status": "in_flight", "attempts": attempt.number,
        }  # fmt: skip
        with self.log.transaction():
            self._check_hold(generation)
            self._end_attempt(attempt, decision, event, risk)
            self.log.update(Generation, generation.id, **changes)
        return replace(generation, **changes)

    def attempt_ended(
        self, generation: Generation, attempt: Attempt, decision: Decision, event: object, risk: Amount | None,
        *, simulated: bool = False,
    ) -> None:  # fmt: skip
        """An attempt that brought no result; a generation that will be sent again is `planned` until then."""
        with self.log.transaction():
            self._check_hold(generation)
            self._end_attempt(attempt, decision, event, risk)
            if decision.retry or decision.stop is not None:
                source = "simulated" if simulated else None
                self.log.update(Generation, generation.id, status="planned", cost_source=source)
            if decision.stop is not None:
                self.release(generation)

    def faulted(
        self, generation: Generation, attempt: Attempt, fault: ProviderFault, status: int | None, risk: Amount,
        *, simulated: bool = False,
    ) -> Generation:  # fmt: skip
        """The provider's own code raised over an answer, which stays kept: it can be decoded again free of charge."""
        decision = Decision("unknown", may_be_billed=True, code=fault.code, message=str(fault))
        with self.log.transaction():
            self._check_hold(generation)
            self._end_attempt(attempt, decision, status, risk)
            return self._end(
                generation, "unknown", (), error_code=fault.code, error_message=str(fault),
                cost_source="simulated" if simulated else None,
            )  # fmt: skip

    def planned_again(self, generation: Generation) -> None:
        """A refusal was found in what a dead process had kept: it is to be sent, and its answer is of no more use."""
        with self.log.transaction():
            self._check_hold(generation)
            self.log.update(
                Generation, generation.id, status="planned", ended_at=None,
                error_code=None, error_type=None, error_message=None,
            )  # fmt: skip
            self.answers.forget(generation.id)
            self.release(generation)
        self.answers.drop_file(generation.id)

    def again(self, generation: Generation, attempt: Attempt | None, why: str) -> Generation:
        """What was simulated is planned again, since it costs nothing; its attempt was never billed."""
        changes: dict[str, Any] = {"status": "planned", "ended_at": None, "cost_source": "simulated"}
        with self.log.transaction():
            self._check_hold(generation)
            if attempt is not None and attempt.ended_at is None:
                self._end_attempt(attempt, Decision("unknown", code="no_answer", message=why), None, None)
            self.log.update(Generation, generation.id, **changes)
            self.answers.forget(generation.id)
            self.release(generation)
        self.answers.drop_file(generation.id)
        return replace(generation, **changes)

    def _end_attempt(self, attempt: Attempt, decision: Decision, event: object, risk: Amount | None) -> None:
        headers = event.headers if isinstance(event, Reply) else {}
        self.log.update(
            Attempt, attempt.id, ended_at=utc_now(),
            status_code=event.status if isinstance(event, Reply) else event if isinstance(event, int) else None,
            outcome=decision.outcome,
            request_id=headers.get("x-request-id") or headers.get("request-id"),
            error_code=decision.code, error_message=decision.message,
            retry_after_s=decision.wait.seconds if decision.wait else None, may_be_billed=risk is not None,
            credits_at_risk=risk.credits if risk else None, cost_usd_at_risk=risk.usd if risk else None,
        )  # fmt: skip

    # --- ends ---

    def completed(
        self, generation: Generation, images: Sequence[Image], note: str | None, code: str = "short"
    ) -> Generation:
        """Every image is on disk: the row is complete. `note` says what is not as it was asked for."""
        return self._end(
            generation, "completed", images, error_code=code if note else None, error_message=note, file_name=None
        )

    def lost(self, generation: Generation, images: Sequence[Image], code: str, message: str) -> Generation:
        """A result that was paid for, but an image of it could not be had; what came is kept."""
        return self._end(generation, "lost", images, error_code=code, error_message=message)

    def ended_badly(self, generation: Generation, decision: Decision, *, simulated: bool = False) -> Generation:
        """Failed finally, or of unknown outcome."""
        status: GenerationStatus = "unknown" if decision.outcome == "unknown" else "failed"
        return self._end(
            generation, status, (), error_code=decision.code, error_type=decision.type, error_message=decision.message,
            cost_source="simulated" if simulated else None,
        )  # fmt: skip

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
        """The cache's answer: new rows, no cost, and where they were paid."""
        changes = copy_changes(hit.paid)
        images = [
            replace(image, id=new_id(), generation_id=generation.id, path=path)
            for image, path in zip(hit.images, paths, strict=True)
        ]
        with self.log.transaction():
            self._check_hold(generation)
            self.log.update(Generation, generation.id, **changes)
            self._put_images(generation.id, images)
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
        is_read = status != "unknown"  # an answer that could not be read stays: it may be readable later
        with self.log.transaction():
            self._check_hold(generation)
            self._put_images(generation.id, images)
            self.log.update(Generation, generation.id, **changes)
            if is_read:
                self.answers.forget(generation.id)
            self.release(generation)
        if is_read:
            self.answers.drop_file(generation.id)
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
