"""Running and resuming: the thin shell that opens what a run needs, drives it, and says how it ended."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from promptlab.errors import InputError, PromptlabError, ProviderFault, TakenOver
from promptlab.log import Log, Totals
from promptlab.model import Amount, Generation, Mode, Run, RunStatus, utc_now
from promptlab.pacing.owner import owner
from promptlab.providers import Endpoint
from promptlab.run.begin import begin
from promptlab.run.claims import holds, is_live, sweep, take
from promptlab.run.events import Listener, Message, Planned, Summary, ignore, unbroken
from promptlab.run.names import Names
from promptlab.run.opening import check_budget
from promptlab.run.recover import after_interruption, may_resend
from promptlab.run.rows import request_of
from promptlab.run.session import Session
from promptlab.run.studio import Job, Studio
from promptlab.run.summary import summarise
from promptlab.store import Store

__all__ = ["Ahead", "Options", "resume", "run"]


@dataclass(frozen=True, slots=True)
class Options:
    """What a person may say about one run, beyond the experiment.

    `budget` ends the run in order before it would be passed. `fresh` uses no earlier result. `jobs` lowers
    concurrency. `retry_unknown` and `retry_lost` consent to sending again what may have been billed.
    """

    budget: Amount | None = None
    fresh: bool = False
    jobs: int | None = None
    retry_unknown: bool = False
    retry_lost: bool = False
    webhook_url: str | None = None
    webhook_port: int | None = None
    webhook_host: str | None = None  # to listen on; this machine's own address unless it is named
    thumbnails: bool | None = None
    settings: dict[str, object] = field(default_factory=dict)  # kept with the run: the flags as given


def run(job: Job, options: Options | None = None, listener: Listener = ignore) -> Summary:
    """Run an experiment to its end, or to where it has to stop; everything that happened is in the log.

    Raises InputError before anything is sent. A stop is not raised: the summary says `stopped` and how to go on.
    """
    options, listener = options or Options(), unbroken(listener)
    studio, store = job.studio, job.studio.store()
    check_budget(studio, job.endpoint, options.budget, job.plan.requests())
    with studio.log() as log:
        alert = job.experiment.alert_cost
        work = _Work(studio, job.endpoint, log, store, options, listener, alert, options.fresh)
        work.settle_the_dead(job.experiment.name)
        settings = {"fresh": options.fresh, "mode": job.experiment.mode} | options.settings
        settings["alert_cost"] = None if alert is None else str(alert)
        with work.closing():
            begun = begin(job, log, store, work.names, fresh=options.fresh, settings=settings, own=work.own)
            listener(Planned(begun.run.id, begun.planned, begun.cached))
            return work.drive(begun.run, job.experiment.mode, begun.planned - begun.cached)


def resume(
    studio: Studio,
    run_text: str,
    options: Options | None = None,
    listener: Listener = ignore,
    confirm: Callable[[Ahead], None] = lambda ahead: None,
) -> Summary:
    """Finish a run: what was never sent, was rejected or failed is sent; what was in flight is collected or unknown.

    `confirm` is told what would be sent before anything is, and may raise.
    """
    options, listener = options or Options(), unbroken(listener)
    with studio.log(create=False) as log:
        earlier = log.find_run(run_text)
        if earlier.planned is None:
            raise InputError(
                f"run {earlier.id} was killed while it was being planned; nothing of it was sent: run it again",
                code="not-planned",
            )
        endpoint = studio.endpoint(earlier.provider)
        if endpoint.base_url != earlier.base_url:
            raise InputError(
                f"run {earlier.id} was made at {earlier.base_url}, and the provider is now at {endpoint.base_url}; "
                "set the address back, or run the experiment again",
                code="other-address",
            )
        said = json.loads(earlier.settings or "{}")
        alert = Amount.parse(said["alert_cost"]) if said.get("alert_cost") else None
        fresh = options.fresh or bool(said.get("fresh"))
        work = _Work(studio, endpoint, log, studio.store(), options, listener, alert, fresh)
        work.settle_the_dead(earlier.experiment)
        with work.closing():
            work.own(earlier)
            work.mend(earlier)
            again = work.to_send(earlier.id)
            check_budget(studio, endpoint, options.budget, map(request_of, again))
            confirm(work.ahead(again))
            work.plan_again(earlier, again)
            total = log.totals(earlier.id).generations
            listener(Planned(earlier.id, total, total - len(again)))
            return work.drive(earlier, _mode(said.get("mode")), len(again))


def _mode(text: object) -> Mode:
    return "async" if text == "async" else "sync" if text == "sync" else "auto"


@dataclass(frozen=True, slots=True)
class Ahead:
    """What would be sent, and its price by the table; None is unknown."""

    to_send: int
    provider: str
    simulated: bool
    credits: float | None
    cost_usd: float | None


@dataclass(slots=True)
class _Work:
    """What run and resume share: one studio, endpoint, log and store, and the person's options."""

    studio: Studio
    endpoint: Endpoint
    log: Log
    store: Store
    options: Options
    listener: Listener
    alert: Amount | None = None  # of the experiment: said as the run goes
    fresh: bool = False
    current: Run | None = None
    names: Names = field(init=False)
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.names = Names(self.store, self.studio.folder)

    def own(self, run: Run) -> None:
        """Say that this process runs it; InputError while another one does."""
        if not take(self.log, run.id, _owner(run.id)):
            raise InputError(f"run {run.id} is still going; wait for it, or end it first", code="still-running")
        self.current = run

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Whatever happens inside, the run does not stay `running`, and its claims don't outlive it."""
        try:
            yield
        except BaseException:
            if self.current is not None and (run := self.log.run(self.current.id)) is not None:
                self._end(run, "interrupted" if run.status == "running" else run.status)
            raise

    def settle_the_dead(self, experiment: str) -> None:
        """Runs of this experiment that were cut off: collect what can be had, call the rest unknown."""
        sweep(self.log)
        here = (self.endpoint.provider.name, self.endpoint.base_url)
        for run in self.log.runs(experiment=experiment):
            if run.status in ("completed", "failed") or (run.provider, run.base_url) != here:
                continue
            if is_live(self.log, run.id) or (run.status != "running" and not self._left_over(run)):
                continue
            if not take(self.log, run.id, _owner(run.id)):
                continue  # another process was quicker
            rows = self._left_over(run)
            if rows:
                text = f"run {run.id} was cut off with {len(rows)} in flight; collecting what can be had"
                self.listener(Message(text))
            try:
                self._salvage(run, rows)
            except ProviderFault as fault:  # kept, and of unknown outcome until the provider is mended
                self.listener(Message(f"an answer of run {run.id} can't be decoded: {fault}", "warning"))
            self._end(run, "interrupted")

    def _left_over(self, run: Run) -> list[Generation]:
        return list(self.log.generations(run.id, statuses=("in_flight",)))

    def mend(self, run: Run) -> None:
        """Try the URLs of lost images once more, and ask after jobs of unknown outcome: it costs nothing."""
        answered = self.log.answered(run.id)
        rows = [row for row in self.log.generations(run.id, statuses=("lost", "unknown"))
                if after_interruption(row, answered=row.id in answered) != "keep"]  # fmt: skip
        images = self.log.images_of([row.id for row in rows if row.status == "lost"])
        rows = [row for row in rows if row.status != "lost" or any(i.status == "lost" for i in images[row.id])]
        try:
            self._salvage(run, rows)
        except ProviderFault as fault:
            if not self.options.retry_unknown:
                raise ProviderFault(
                    f"{fault}; nothing was sent. Mend the provider, or ask for that picture once more with "
                    f"`promptlab resume {run.id} --retry-unknown`"
                ) from fault
            self.listener(Message(str(fault), "warning"))

    def _salvage(self, run: Run, rows: Sequence[Generation]) -> None:
        if rows:
            from promptlab.run.sending import collect_rows

            driver = collect_rows(self._session(run), rows)
            if driver.stopped is not None:
                raise driver.stopped
            if driver.interrupted:
                raise KeyboardInterrupt

    def _session(self, run: Run) -> Session:
        options = self.options
        return Session(
            self.studio, self.endpoint, self.log, self.store, self.names, run, _owner(run.id), self.listener,
            budget=options.budget, fresh=self.fresh, jobs=options.jobs, thumbnails=options.thumbnails,
            resend=_consent(options), webhook_url=options.webhook_url, webhook_port=options.webhook_port,
            webhook_host=options.webhook_host, alert=self.alert,
        )  # fmt: skip

    def to_send(self, run_id: str) -> list[Generation]:
        """What a resume may send: never sent, rejected or failed; unknown and lost ones only as the person said."""
        found = []
        for row in self.log.generations(run_id, statuses=("planned", "failed", "unknown", "lost", "skipped")):
            attempts = self.log.attempts(row.id) if row.status == "failed" else []
            outcome = attempts[-1].outcome if attempts else None
            if may_resend(row, outcome, unknown=self.options.retry_unknown, lost=self.options.retry_lost):
                found.append(row)
        return found

    def ahead(self, rows: Sequence[Generation]) -> Ahead:
        """What sending these would cost at worst."""
        prices = [self.endpoint.price(request_of(row)) for row in rows]
        credits, usd = [price.credits for price in prices], [price.usd for price in prices]
        return Ahead(
            len(rows),
            self.endpoint.provider.name,
            self.endpoint.simulated,
            None if None in credits else sum(filter(None, credits)),
            None if None in usd else sum(filter(None, usd)),
        )

    def plan_again(self, run: Run, rows: Sequence[Generation]) -> None:
        """Mark them as planned, and the run as running."""
        with self.log.transaction():
            for row in rows:
                if row.status != "planned":
                    self.log.update(Generation, row.id, status="planned", ended_at=None)
            self.log.update(Run, run.id, status="running", ended_at=None)

    def drive(self, run: Run, mode: Mode, to_send: int) -> Summary:
        """Send what is planned; the summary is read from the log."""
        stopped: PromptlabError | None = None
        interrupted = False
        if to_send:
            from promptlab.run.sending import send_planned  # what sends is only imported where something is sent

            driver = send_planned(self._session(run), mode, to_send)
            stopped, interrupted = driver.stopped, driver.interrupted
        ended = self._end(run, _status(self.log.totals(run.id), stopped, interrupted))
        summary = summarise(self.log, ended, self.studio, stopped, time.monotonic() - self.started)
        if to_send and not summary.simulated:
            self._raise_alerts(summary)
        return summary

    def _raise_alerts(self, summary: Summary) -> None:
        """At the end of a run that sent: to the terminal, and to the studio's command and webhook, once."""
        from promptlab.run.alerts import alerts_of, deliver, passed

        found = alerts_of(self.log, self.studio.settings)
        if self.alert is not None:
            found += tuple(passed([self.alert], summary.credits_at_most, summary.cost_usd_at_most, "this run"))
        for text in (*found, *deliver(found, self.studio.settings)):
            self.listener(Message(text, "warning"))

    def _end(self, run: Run, status: RunStatus) -> Run:
        """Close a run's row with the figures of its rows, so that summary and database agree.

        Where another process goes on with the run, its row is that process' to write.
        """
        if not holds(self.log, run.id, _owner(run.id)) and not take(self.log, run.id, _owner(run.id)):
            return self.log.run(run.id) or run
        totals = self.log.totals(run.id)
        changes = {
            "status": status, "ended_at": utc_now(), "completed": totals.completed + totals.cached,
            "cached": totals.cached, "failed": totals.failed + totals.unknown + totals.lost + totals.skipped,
            "credits": totals.credits, "cost_usd": totals.cost_usd,
        }  # fmt: skip
        self.log.update(Run, run.id, **changes)
        self.log.release_claims(_owner(run.id))
        found = self.log.run(run.id)
        assert found is not None
        return found


def _status(totals: Totals, stopped: PromptlabError | None, interrupted: bool) -> RunStatus:
    is_whole = isinstance(stopped, TakenOver) and not totals.planned  # the other process was quicker to its end
    if stopped is not None and not is_whole:
        return "stopped"
    if totals.in_flight or (interrupted and totals.planned):
        return "interrupted"
    return "failed" if totals.failed + totals.unknown + totals.lost + totals.skipped else "completed"


def _owner(run_id: str) -> str:
    return f"{owner()}#{run_id}"


def _consent(options: Options) -> frozenset[str]:
    unknown = {"unknown", "in_flight"} if options.retry_unknown else set()
    return frozenset(unknown | ({"lost"} if options.retry_lost else set()))
