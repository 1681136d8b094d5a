"""Running and resuming: the thin shell that opens what a run needs, drives it, and says how it ended."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from promptlab.errors import InputError, PromptlabError, ProviderFault, TakenOver
from promptlab.log import Log, Totals
from promptlab.model import Amount, Generation, Mode, Run, RunStatus, utc_now
from promptlab.pacing.owner import owner
from promptlab.providers import Endpoint
from promptlab.run.begin import Begun, begin
from promptlab.run.claims import holds, is_live, sweep, take
from promptlab.run.events import Listener, Message, Planned, Summary, ignore, unbroken
from promptlab.run.names import Names
from promptlab.run.ready import check_ready, shortage
from promptlab.run.recover import after_interruption, may_resend
from promptlab.run.rows import request_of
from promptlab.run.session import Session
from promptlab.run.summary import summarise
from promptlab.store import Store
from promptlab.studio.cached import Files, look_up
from promptlab.studio.consent import Ahead, Confirm, check_ceilings, confirmed, unknown_price
from promptlab.studio.options import Options
from promptlab.studio.prepare import PreparedRun
from promptlab.studio.preview import Preview, preview
from promptlab.studio.studio import Studio

__all__ = ["Ahead", "Options", "resume", "run"]


def run(
    job: PreparedRun,
    options: Options | None = None,
    listener: Listener = ignore,
    confirm: Confirm | None = None,
    *,
    found: Preview | None = None,
) -> Summary:
    """Run an experiment to its end, or to where it has to stop; everything that happened is in the log.

    Everything is checked first, as by `preview`: InputError with every problem, the experiment's limits among them, and
    nothing is sent or written. ConfirmationNeeded where it would cost more than the studio's `confirm_above_usd`, or
    an unknown amount, unless `options.yes` or `confirm`, which gets the estimate, says to go ahead. `found` is
    this job's preview where there is one already. A stop is not raised: the summary says `stopped` and how to go on.
    """
    options, listener = options or Options(), unbroken(listener)
    studio, store = job.studio, job.studio.store()
    ahead = _looked_ahead(job, options, found, confirm)
    with studio.log() as log:
        alert = job.experiment.alert_cost
        work = _Work(studio, job.endpoint, log, store, options, listener, alert, options.fresh)
        work.get_ready(ahead.to_send)
        work.settle_the_dead(job.experiment.name)
        settings = {"fresh": options.fresh, "mode": job.experiment.mode, **options.settings}
        settings["alert_cost"] = None if alert is None else str(alert)
        with work.closing():
            begun = begin(job, log, store, work.names, fresh=options.fresh, settings=settings, own=work.own)
            work.say_files(begun)
            if begun.note is not None:
                listener(Message(begun.note, "warning"))
            listener(Planned(begun.run.id, begun.planned, begun.cached, seeds=log.count_seeds(begun.run.id)))
            return work.drive(begun.run, job.experiment.mode, begun.planned - begun.cached)


def _looked_ahead(job: PreparedRun, options: Options, found: Preview | None, confirm: Confirm | None) -> Ahead:
    """Every check that needs nothing but the plan and the log: limits, ceilings, consent."""
    log = job.studio.existing_log()
    try:
        if found is None or found.fresh != options.fresh or not found.complete:
            found = preview(job, log, fresh=options.fresh)
        if found.over_limits:
            raise InputError(found.over_limits)
        ahead = found.ahead()
        check_ceilings(
            ahead, job.studio.settings, options.ceiling, log, None,
            lambda unit: unknown_price(job.endpoint, job.plan.requests(), unit),
        )  # fmt: skip
    finally:
        if log is not None:
            log.close()
    confirmed(ahead, job.studio.settings, options, confirm)
    return ahead


def resume(
    studio: Studio,
    run_text: str,
    options: Options | None = None,
    listener: Listener = ignore,
    confirm: Confirm | None = None,
) -> Summary:
    """Finish a run: what was never sent, was rejected or failed is sent; what was in flight is collected or unknown.

    Confirmed like `run`, before anything is sent or written: a resume that is declined, or has nothing to do, leaves
    the log as it is.
    """
    options, listener = options or Options(), unbroken(listener)
    with studio.log(create=False) as log:
        earlier = _resumable(log, run_text)
        endpoint = _same_endpoint(studio, earlier)
        said = json.loads(earlier.settings or "{}")
        alert = Amount.parse(said["alert_cost"]) if said.get("alert_cost") else None
        fresh = options.fresh or bool(said.get("fresh"))
        work = _Work(studio, endpoint, log, studio.store(), options, listener, alert, fresh)
        if is_live(log, earlier.id):
            raise InputError(f"run {earlier.id} is still going; wait for it, or end it first", code="still-running")
        may_be_sent = work.may_be_sent(earlier)
        if not may_be_sent and not work.unsettled(earlier):
            return work.unchanged(earlier)
        unended = earlier.status == "running" or next(log.generations(earlier.id, statuses=("in_flight",)), None)
        ahead = work.ahead(may_be_sent)
        check_ceilings(
            ahead, studio.settings, options.ceiling, log, log.totals(earlier.id),
            lambda unit: unknown_price(endpoint, map(request_of, may_be_sent), unit),
        )  # fmt: skip
        confirmed(ahead, studio.settings, options, confirm)
        work.get_ready(max(ahead.to_send, 1))  # there is something to fetch, where nothing is sent
        work.settle_the_dead(earlier.experiment)
        with work.closing():
            work.own(earlier)
            mended = work.mend(earlier)
            again = work.to_send(earlier.id)
            if not (again or mended or unended):
                return work.unchanged(earlier)
            work.plan_again(earlier, again)
            total = log.totals(earlier.id).generations
            listener(Planned(earlier.id, total, total - len(again), seeds=log.count_seeds(earlier.id)))
            return work.drive(earlier, _mode(said.get("mode")), len(again))


def _resumable(log: Log, run_text: str) -> Run:
    """The run that is meant; InputError where it was killed before its plan was whole."""
    earlier = log.find_run(run_text)
    if earlier.planned is None:
        raise InputError(
            f"run {earlier.id} was killed while it was being planned; nothing of it was sent: run it again",
            code="not-planned",
        )
    return earlier


def _same_endpoint(studio: Studio, earlier: Run) -> Endpoint:
    """The run's provider, where it still is; InputError where it is not."""
    endpoint = studio.endpoint(earlier.provider)
    if endpoint.base_url != earlier.base_url:
        raise InputError(
            f"run {earlier.id} was made at {earlier.base_url}, and the provider is now at {endpoint.base_url}; "
            "set the address back, or run the experiment again",
            code="other-address",
        )
    return endpoint


def _mode(text: object) -> Mode:
    return "async" if text == "async" else "sync" if text == "sync" else "auto"


@dataclass(slots=True)
class _Work:
    """What run and resume share: one studio, endpoint, log and store, and the user's options."""

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
        """Runs of this experiment that were cut off: collect what can still be fetched, call the rest unknown."""
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
                text = f"run {run.id} was cut off with {len(rows)} in flight; collecting what can still be fetched"
                self.listener(Message(text))
            try:
                self._salvage(run, rows)
            except ProviderFault as fault:  # kept, and of unknown outcome until the provider is fixed
                self.listener(Message(f"an answer of run {run.id} can't be decoded: {fault}", "warning"))
            self._end(run, "interrupted")

    def _left_over(self, run: Run) -> list[Generation]:
        return list(self.log.generations(run.id, statuses=("in_flight",)))

    def mend(self, run: Run) -> bool:
        """Try the URLs of lost images again, and poll jobs of unknown outcome: it costs nothing.

        Whether anything changed by that.
        """
        before = self.log.totals(run.id)
        try:
            self._salvage(run, self._mendable(run))
        except ProviderFault as fault:
            if not self.options.retry_unknown:
                raise ProviderFault(
                    f"{fault}; nothing was sent. Fix the provider, or request that image again with "
                    f"`promptlab resume {run.id} --retry-unknown`"
                ) from fault
            self.listener(Message(str(fault), "warning"))
        return self.log.totals(run.id) != before

    def _mendable(self, run: Run) -> list[Generation]:
        answered = self.log.answered(run.id)
        rows = [row for row in self.log.generations(run.id, statuses=("lost", "unknown"))
                if after_interruption(row, answered=row.id in answered) != "keep"]  # fmt: skip
        images = self.log.images_of([row.id for row in rows if row.status == "lost"])
        return [row for row in rows if row.status != "lost" or any(i.status == "lost" for i in images[row.id])]

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
            budget=options.ceiling, fresh=self.fresh, jobs=options.jobs, thumbnails=options.thumbnails,
            resend=_consent(options), webhook_url=options.webhook_url, webhook_port=options.webhook_port,
            webhook_host=options.webhook_host, alert=self.alert,
        )  # fmt: skip

    def to_send(self, run_id: str) -> list[Generation]:
        """What a resume may send: never sent, rejected or failed; unknown and lost ones only as the user said."""
        found = []
        for row in self.log.generations(run_id, statuses=("planned", "failed", "unknown", "lost", "skipped")):
            attempts = self.log.attempts(row.id) if row.status == "failed" else []
            outcome = attempts[-1].outcome if attempts else None
            if may_resend(row, outcome, unknown=self.options.retry_unknown, lost=self.options.retry_lost):
                found.append(row)
        return found

    def unchanged(self, run: Run) -> Summary:
        """A resume that had nothing to do says so, and leaves the run's row alone."""
        self.log.release_claims(_owner(run.id))
        self.listener(
            Message(f"nothing to do: run {run.id} has nothing to send and nothing to fetch, and stays as it is")
        )
        return summarise(self.log, run, self.studio, None, time.monotonic() - self.started)

    def may_be_sent(self, run: Run) -> list[Generation]:
        """The most that a resume may send, before anything is settled: collecting can only make it less."""
        found, answered, consent = self.to_send(run.id), self.log.answered(run.id), _consent(self.options)
        in_process = self.endpoint.simulated and self.endpoint.make_app is not None
        for row in self._left_over(run):
            action = after_interruption(row, answered=row.id in answered, in_process=in_process)
            # What is still to be decoded may turn out to be either.
            ends = {"unknown": {"unknown"}, "decode": {"unknown", "lost"}}.get(action, {"lost"})
            if action == "again" or ends & consent:
                found.append(row)
        return found

    def unsettled(self, run: Run) -> bool:
        """Whether there is an end to write without sending anything: a killed run, results to fetch."""
        return run.status == "running" or bool(self._left_over(run) or self._mendable(run))

    def ahead(self, rows: Sequence[Generation]) -> Ahead:
        """What sending these would cost at worst: equal ones once, and none that the log answers."""
        hashes = {row.request_hash: row for row in rows}
        if not self.fresh:
            files = Files(self.log, self.store, self.studio.folder)
            for hash_ in look_up(self.log, files, list(hashes)).hits:
                del hashes[hash_]
        prices = [self.endpoint.price(request_of(row)) for row in hashes.values()]
        credits, usd = [price.credits for price in prices], [price.usd for price in prices]
        return Ahead(
            len(prices),
            self.endpoint.provider.name,
            self.endpoint.simulated,
            None if None in credits else sum(filter(None, credits)),
            None if None in usd else sum(filter(None, usd)),
        )

    def get_ready(self, to_send: int) -> None:
        """Try, before anything is sent, whether this machine can keep what comes back."""
        if not to_send:
            return
        jobs = self.options.jobs or self.studio.settings.jobs or self.endpoint.limits.concurrent or to_send
        check_ready(self.log, self.store, to_send, jobs)
        if (text := shortage(self.log, self.store, to_send)) is not None:
            self.listener(Message(text, "warning"))

    def say_files(self, begun: Begun) -> None:
        """Tell what became of images that the folder of images has lost."""
        if begun.restored:
            images = f"{begun.restored:,} image{'' if begun.restored == 1 else 's'}"
            self.listener(Message(f"{images} missing from {self.store.folder} came back from {self.store.names}"))
        if begun.gone:
            are = "image of earlier runs is" if begun.gone == 1 else "images of earlier runs are"
            self.listener(Message(f"{begun.gone:,} {are} no longer on disk: made again", "warning"))

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
        self.log.refresh_sums(run.id)
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

        Where another process has taken over the run, its row is that process' to write.
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
