"""A run's entries in the log: one commit a step, so that a process killed anywhere leaves a story that is true.

planned → in_flight (with its attempt, before the send) → the answer as it came (before anything decodes it) →
completed (its files on disk), or an end that is not so good. Only the run's driver writes here.

What many generations write at about the same time goes into one commit (`begin`, `keep`, `completed`: they are
awaited); what is rare is written at once. No step of a generation is made before the commit of the one before it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from promptlab.errors import LogError, ProviderFault, TakenOver
from promptlab.http import Answer
from promptlab.http.retry_policy import Decision, Reply
from promptlab.log import Log, RawAnswer
from promptlab.log.batch import Batch, asked_before, claim_all, forget_all, keep_all, release_all
from promptlab.model import Amount, Attempt, Generation, GenerationStatus, Image, is_simulated, new_id, utc_now
from promptlab.providers import Cost, Job, Result
from promptlab.run.budget import Budget
from promptlab.run.context import CLAIM_S, holds, is_dead
from promptlab.run.group_commit import GroupCommit
from promptlab.run.raw_answers import Answers
from promptlab.run.rows import copy_changes

__all__ = ["Blocked", "Busy", "CacheHit", "Full", "Look", "RunWriter"]

#: Claims, answers and perceptual hashes of completed generations are tidied up so many at a time.
TIDY = 64
#: A result whose files take longer than this is written before they are there.
DUE_S = 0.5


@dataclass(frozen=True, slots=True)
class CacheHit:
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


Look = CacheHit | Busy | Blocked | Full


@dataclass(slots=True)
class _Begin:
    """What a send waits for: its money reserved, its request claimed, its attempt in the log."""

    generation: Generation
    attempt: Attempt
    budget: Budget
    price: Amount
    changes: dict[str, Any]  # of the generation
    future: asyncio.Future[Any]
    must: ClassVar[bool] = False  # a stop that comes before its commit takes it back

    @property
    def key(self) -> tuple[str, int]:
        """Its claim."""
        return self.generation.request_hash, self.generation.draw


@dataclass(slots=True)
class _Keep:
    """An answer as it came."""

    generation: Generation
    answer: Answer
    latency_ms: int
    row: RawAnswer
    future: asyncio.Future[Any]
    must: ClassVar[bool] = True  # it is paid for


@dataclass(slots=True)
class _Complete:
    """A generation whose files are on disk."""

    generation: Generation
    images: Sequence[Image]
    changes: dict[str, Any]
    future: asyncio.Future[Any]
    must: ClassVar[bool] = True


@dataclass(slots=True)
class _Due:
    """A result that is known: what changes in its attempt and its generation, and whether that is written."""

    attempt_id: str
    attempt: dict[str, Any]
    generation: dict[str, Any]
    since: float = field(default_factory=time.monotonic)
    written: bool = False


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
    numbers: dict[str, int] = field(default_factory=dict)  # generation → its attempt that this process sent
    #: SQLite's data_version, which changes when another process writes: when the hold was last seen, and when money
    #: under the caps was last counted.
    seen: int | None = None
    counted: int | None = None
    #: The requests that other generations have asked for too; None once another process wrote: it may be any then.
    asked: set[str] | None = None
    commits: GroupCommit = field(init=False)
    _due: dict[str, _Due] = field(default_factory=dict)
    _settled: list[tuple[str, tuple[str, int]]] = field(default_factory=list)  # generation, claim: to be tidied up
    _hashes: list[tuple[str, str]] = field(default_factory=list)  # image, perceptual hash

    def __post_init__(self) -> None:
        self.commits = GroupCommit(self._together)

    # --- commits that generations share ---

    async def begin(
        self, generation: Generation, attempt: Attempt, budget: Budget, price: Amount,
        *, dropped: Sequence[str] = (), emulated: Sequence[str] = (), simulated: bool = False,
    ) -> Look | None:  # fmt: skip
        """Reserve, claim and write the attempt, in one commit before its send; or say what prevents it.

        Until its end is known an attempt may be billed, and says so: a killed process leaves a bound that holds, and
        the caps of other processes count it. `simulated`: the server has named itself a simulator so far.
        """
        attempt = replace(attempt, may_be_billed=True, credits_at_risk=price.credits, cost_usd_at_risk=price.usd)
        changes = {
            "status": "in_flight", "started_at": attempt.started_at, "attempts": attempt.number,
            "error_code": None, "error_type": None, "error_message": None,
            "dropped": _names(dropped), "emulated": _names(emulated),
            "cost_source": "simulated" if simulated else None,
        }  # fmt: skip
        future: asyncio.Future[Look | None] = asyncio.get_running_loop().create_future()
        look: Look | None = await self.commits.share(_Begin(generation, attempt, budget, price, changes, future))
        return look

    def began(self, attempt: Attempt) -> bool:
        """Whether this attempt is in the log: where a stop came while its commit was waited for."""
        return self.numbers.get(attempt.generation_id) == attempt.number

    async def keep(self, generation: Generation, answer: Answer, latency_ms: int) -> None:
        """The answer as it came, committed before anything decodes it."""
        row = self.answers.prepared(generation.id, answer, latency_ms)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self.commits.share(_Keep(generation, answer, latency_ms, row, future))

    async def completed(
        self, generation: Generation, images: Sequence[Image], note: str | None, code: str = "short"
    ) -> Generation:
        """Every image is on disk: the row is complete. `note` says what is not as it was asked for."""
        changes: dict[str, Any] = {
            "error_code": code if note else None, "error_message": note, "file_name": None, "status": "completed",
            "ended_at": utc_now(),
        }  # fmt: skip
        due = self._due.get(generation.id)
        known = {} if due is None else due.generation
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self.commits.share(_Complete(generation, images, changes, future))
        return replace(generation, **{**known, **changes})

    def _together(self, entries: Sequence[Any], alone: bool) -> list[Any]:
        """One commit; the result of each. What an exception undoes in the log is undone here as well."""
        begins = [entry for entry in entries if isinstance(entry, _Begin)]
        keeps = [entry for entry in entries if isinstance(entry, _Keep)]
        ends = [entry for entry in entries if isinstance(entry, _Complete)]
        if keeps and len(entries) == 1:  # needs no transaction, and has a place of its own where the log refuses
            self.answers.keep(keeps[0].generation.id, keeps[0].answer, keeps[0].latency_ms, keeps[0].row)
            return [None]
        if begins:
            self._check_file()
        reserved: list[_Begin] = []
        looks: dict[int, Look] = {}
        try:
            with self.log.transaction():
                self._look_around(entries)
                batch = Batch()
                if begins:
                    self._begin(begins, batch, reserved, looks)
                for end in ends:
                    self._complete(end, batch, alone=alone)
                batch.write(self.log)
                if keeps:
                    keep_all(self.log, [entry.row for entry in keeps])
                self._tidy()
        except BaseException:
            for entry in reserved:
                entry.budget.settle(entry.price, (Amount(usd=0.0, credits=0.0),), entry.attempt.started_at)
            raise
        for entry in reserved:
            self.sending[entry.generation.request_hash] = entry.generation.id
            self.numbers[entry.generation.id] = entry.attempt.number
            if self.asked is not None:
                self.asked.add(entry.generation.request_hash)
        for end in ends:
            self._due.pop(end.generation.id, None)
            self.answers.drop_file(end.generation.id)
            self._settled.append((end.generation.id, (end.generation.request_hash, end.generation.draw)))
            self._done(end.generation)
        return [looks.get(id(entry)) for entry in entries]

    def _look_around(self, entries: Sequence[Any]) -> None:
        """Where another process wrote since: whether the run is still ours, and that its requests may be anybody's."""
        version = self.log.value("PRAGMA data_version")
        if version == self.seen:
            return
        if not self._check_hold(entries[0].generation if len(entries) == 1 else None):
            return
        self.asked = asked_before(self.log, self.run_id) if self.seen is None else None
        self.seen = version

    def _begin(
        self, begins: Sequence[_Begin], batch: Batch, reserved: list[_Begin], looks: dict[int, Look]
    ) -> None:  # fmt: skip
        """Of each send what prevents it, else its claim, its money and its rows."""
        hashes: set[str] = set()
        for entry in begins:
            hash_ = entry.generation.request_hash
            look: Look | None = Busy(self.owner) if hash_ in hashes else self._prevents(entry.generation)
            look = look or self._reserve(entry)
            if look is not None:
                looks[id(entry)] = look
                continue
            hashes.add(hash_)
            reserved.append(entry)
        ours = claim_all(self.log, [entry.key for entry in reserved], self.owner, CLAIM_S)
        for entry in list(reserved):
            if entry.key not in ours and (look := self._refused(entry)) is not None:
                looks[id(entry)] = look
                reserved.remove(entry)
                entry.budget.settle(entry.price, (Amount(usd=0.0, credits=0.0),), entry.attempt.started_at)
                continue
            batch.update(Generation, entry.generation.id, **entry.changes)
            batch.insert(entry.attempt)
            if entry.attempt.number > 1:
                self.answers.forget(entry.generation.id)  # an earlier attempt's, should it have been kept

    def _prevents(self, generation: Generation) -> CacheHit | Busy | Blocked | None:
        """`look`, without asking the log where only this process can have asked for this request."""
        hash_ = generation.request_hash
        if self.sending.get(hash_, generation.id) != generation.id:
            return Busy(self.owner)
        return self.look(generation) if self.asked is None or hash_ in self.asked else None

    def _reserve(self, entry: _Begin) -> Full | None:
        budget = entry.budget
        if budget.caps and (version := self.log.value("PRAGMA data_version")) != self.counted:
            self.counted = version
            budget.refresh()
        verdict, cap = budget.reserve(entry.price, entry.attempt.started_at)
        return None if verdict == "granted" else Full(verdict == "reached", str(cap))

    def _refused(self, entry: _Begin) -> Look | None:
        """Another owner's claim stands in the way: what it is, or None where its process is gone and it is taken."""
        look = self.look(entry.generation)
        if look is not None:
            return look
        return None if claim_all(self.log, [entry.key], self.owner, CLAIM_S) else Busy("another process")

    def _complete(self, end: _Complete, batch: Batch, *, alone: bool) -> None:
        id_ = end.generation.id
        due, changes = self._due.get(id_), end.changes
        if due is not None and not due.written:
            batch.update(Attempt, due.attempt_id, **due.attempt)
            changes = {**due.generation, **changes}
        batch.update(Generation, id_, **changes)
        if alone:  # one that stood as lost may be here already, and then this takes its place
            self._put_images(id_, end.images)
            return
        for image in end.images:
            batch.insert(image)

    def _tidy(self, least: int = TIDY) -> None:
        """Release claims and answers of what is completed, and write what was seen of its pixels."""
        if len(self._settled) >= least:
            release_all(self.log, [claim for _, claim in self._settled], self.owner)
            forget_all(self.log, [id_ for id_, _ in self._settled])
            self._settled = []
        if len(self._hashes) >= least:
            batch = Batch()
            for image_id, hash_ in self._hashes:
                batch.update(Image, image_id, perceptual_hash=hash_)
            batch.write(self.log)
            self._hashes = []

    # --- before a send ---

    def look(self, generation: Generation) -> CacheHit | Busy | Blocked | None:
        """What prevents sending this generation, if anything."""
        hash_ = generation.request_hash
        claim, others = self.log.standing(hash_, generation.draw, generation.id)
        found = self.log.cached(hash_, self.has_files) if others else None
        if found is not None and (not self.fresh or found[0].run_id == self.run_id):
            return CacheHit(found[0], tuple(found[1]))
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

    def _check_hold(self, generation: Generation | None = None) -> bool:
        """Whether the run is ours; TakenOver where another process has taken it over.

        What this one had sent before that, and no other sent since, it may still settle: an answer that was paid for is
        better than an unknown outcome.
        """
        if holds(self.log, self.run_id, self.owner):
            return True
        if generation is not None and (number := self.numbers.get(generation.id)) is not None:
            row = self.log.generation(generation.id)
            if row is not None and row.attempts == number and row.status in ("in_flight", "unknown"):
                return False
        raise TakenOver(
            f"another process has taken over run {self.run_id}, since this one was suspended for longer than "
            f"{CLAIM_S:.0f} s; nothing more is sent from here"
        )

    # --- after an answer ---

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
    ) -> None:  # fmt: skip
        """The result is known, before its files are: whatever happens now, it is fetched and never requested again.

        The answer as it came is in the log, and says all of it; this is written with its files, or by `write_due`
        where they take longer.
        """
        changes: dict[str, Any] = {
            "provider_id": result.id, "response_model": result.model, "provider_created_at": _iso(result.created),
            "response": json.dumps(result.response, ensure_ascii=False, separators=(",", ":")),
            "credits": cost.credits, "cost_usd": cost.usd, "cost_source": cost.source, "latency_ms": latency_ms,
            "status": "in_flight", "attempts": attempt.number,
        }  # fmt: skip
        self._due[generation.id] = _Due(attempt.id, _end_of(decision, event, risk), changes)

    def write_due(self, older_than_s: float = DUE_S) -> None:
        """Write the results whose files are slow to come."""
        now = time.monotonic()
        late = {id_: due for id_, due in self._due.items() if not due.written and now - due.since >= older_than_s}
        if not late:
            return
        with self.log.transaction():
            self._check_hold()
            for id_, due in late.items():
                self._write_due(id_, due)
        for due in late.values():
            due.written = True

    def _write_due(self, generation_id: str, due: _Due) -> None:
        self.log.update(Attempt, due.attempt_id, **due.attempt)
        self.log.update(Generation, generation_id, **due.generation)

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
        self._due.pop(attempt.generation_id, None)  # an end that is known better
        self.log.update(Attempt, attempt.id, **_end_of(decision, event, risk))

    # --- ends ---

    def hashed(self, image_id: str, perceptual_hash: str) -> None:
        """What a decoder saw of an image; written with others."""
        self._hashes.append((image_id, perceptual_hash))

    def close(self) -> None:
        """Write whatever waited for company."""
        self.commits.flush()
        self.write_due(0.0)
        if self._settled or self._hashes:
            with self.log.transaction():
                self._tidy(1)

    def lost(self, generation: Generation, images: Sequence[Image], code: str, message: str) -> Generation:
        """A result that was paid for, but an image of it could not be had; what came is kept."""
        return self._end(generation, "lost", images, error_code=code, error_message=message)

    def replaced(self, image: Image) -> None:
        """Another copy of an image whose pixels could not be decoded."""
        with self.log.transaction():
            self._check_hold()
            self.log.update(Image, image.id, **_columns(image))

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

    def copied(
        self, generation: Generation, hit: CacheHit, paths: Sequence[str | None]
    ) -> tuple[Generation, list[Image]]:
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
        self._done(generation)

    def _done(self, generation: Generation) -> None:
        if self.sending.get(generation.request_hash) == generation.id:
            del self.sending[generation.request_hash]

    def _end(
        self, generation: Generation, status: GenerationStatus, images: Sequence[Image], **changes: Any
    ) -> Generation:
        changes |= {"status": status, "ended_at": utc_now()}
        is_read = status != "unknown"  # an answer that could not be read stays: it may be readable later
        with self.log.transaction():
            self._check_hold(generation)
            due = self._due.pop(generation.id, None)
            if due is not None and not due.written:
                self._write_due(generation.id, due)
            self._put_images(generation.id, images)
            self.log.update(Generation, generation.id, **changes)
            if is_read:
                self.answers.forget(generation.id)
            self.release(generation)
        if is_read:
            self.answers.drop_file(generation.id)
        return replace(generation, **{**(due.generation if due else {}), **changes})

    def _put_images(self, generation_id: str, images: Sequence[Image]) -> None:
        """Write images; one that stood as lost and could be fetched after all takes its place."""
        known = (
            {image.position: image.id for image in self.log.images_of([generation_id])[generation_id]} if images else {}
        )
        for image in images:
            if image.position in known:
                self.log.update(Image, known[image.position], **_columns(image))
            else:
                self.log.insert(image)


def _columns(image: Image) -> dict[str, Any]:
    return {field.name: getattr(image, field.name) for field in fields(image) if field.name != "id"}


def _end_of(decision: Decision, event: object, risk: Amount | None) -> dict[str, Any]:
    """What an attempt's row says at its end."""
    headers = event.headers if isinstance(event, Reply) else {}
    return {
        "ended_at": utc_now(),
        "status_code": event.status if isinstance(event, Reply) else event if isinstance(event, int) else None,
        "outcome": decision.outcome,
        "request_id": headers.get("x-request-id") or headers.get("request-id"),
        "error_code": decision.code, "error_message": decision.message,
        "retry_after_s": decision.wait.seconds if decision.wait else None, "may_be_billed": risk is not None,
        "credits_at_risk": risk.credits if risk else None, "cost_usd_at_risk": risk.usd if risk else None,
    }  # fmt: skip


def _names(names: Sequence[str]) -> str | None:
    return json.dumps(list(names)) if names else None


def _iso(epoch: float | None) -> str | None:
    return None if epoch is None else datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
