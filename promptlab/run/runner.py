"""Running and resuming: the thin shell that opens what a run needs, drives it, and says how it ended."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from promptlab.errors import InputError, PromptlabError, ProviderFault, TakenOver
from promptlab.log import Log, Totals
from promptlab.log.batch import undecoded
from promptlab.model import Amount, Generation, Mode, Run, RunStatus
from promptlab.providers import Endpoint
from promptlab.run.begin import Begun, begin, check_ready, shortage
from promptlab.run.context import RunContext, is_live, owner_of, sweep, take
from promptlab.run.events import Listener, Message, Planned, RunEvent, ignore
from promptlab.run.recovery import left_over, may_be_sent, mendable, plan_again, to_send, unsettled
from promptlab.run.rows import request_of
from promptlab.run.summary import Summary, summarise
from promptlab.studio.cached import LoggedFiles, look_up
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
    options, listener = options or Options(), _unbroken(listener)
    studio, store = job.studio, job.studio.store()
    ahead = _looked_ahead(job, options, found, confirm)
    with studio.log() as log:
        alert = job.experiment.alert_cost
        context = RunContext(studio, job.endpoint, log, store, options, listener, alert, options.fresh)
        _get_ready(context, ahead.to_send)
        _settle_the_dead(context, job.experiment.name)
        settings = {"fresh": options.fresh, "mode": job.experiment.mode, **job.said, **options.settings}
        settings["alert_cost"] = None if alert is None else str(alert)
        with context.closing():
            begun = begin(job, context, settings)
            _say_files(context, begun)
            if begun.note is not None:
                listener(Message(begun.note, "warning"))
            listener(Planned(begun.run.id, begun.planned, begun.cached, seeds=log.count_seeds(begun.run.id)))
            return _drive(context, begun.run, job.experiment.mode, begun.planned - begun.cached)


def _unbroken(listener: Listener) -> Listener:
    """The listener, whose terminal may close at any moment: what it can't print must not end a paid run."""

    def tell(event: RunEvent) -> None:
        try:
            listener(event)
        except OSError:  # a broken pipe; EIO once ssh has closed the terminal
            return
        except ValueError as error:
            if "closed file" not in str(error):
                raise

    return tell


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
    options, listener = options or Options(), _unbroken(listener)
    with studio.log(create=False) as log:
        earlier = _resumable(log, run_text)
        endpoint = _same_endpoint(studio, earlier)
        said = json.loads(earlier.settings or "{}")
        alert = Amount.parse(said["alert_cost"]) if said.get("alert_cost") else None
        fresh = options.fresh or bool(said.get("fresh"))
        context = RunContext(studio, endpoint, log, studio.store(), options, listener, alert, fresh)
        if is_live(log, earlier.id):
            raise InputError(f"run {earlier.id} is still going; wait for it, or end it first", code="still-running")
        rows = may_be_sent(context, earlier)
        if not rows and not unsettled(context, earlier):
            return _unchanged(context, earlier)
        _confirm_resume(context, earlier, rows, confirm)
        return _resume(context, earlier, _mode(said.get("mode")))


def _confirm_resume(context: RunContext, earlier: Run, rows: Sequence[Generation], confirm: Confirm | None) -> None:
    """Ceilings and consent, by the most that may be sent; then whether this machine can keep what comes."""
    ahead, log, settings = _ahead(context, rows), context.log, context.studio.settings
    check_ceilings(
        ahead, settings, context.options.ceiling, log, log.totals(earlier.id),
        lambda unit: unknown_price(context.endpoint, map(request_of, rows), unit),
    )  # fmt: skip
    confirmed(ahead, settings, context.options, confirm)
    _get_ready(context, max(ahead.to_send, 1))  # there is something to fetch, where nothing is sent


def _resume(context: RunContext, earlier: Run, mode: Mode) -> Summary:
    log = context.log
    unended = earlier.status == "running" or next(log.generations(earlier.id, statuses=("in_flight",)), None)
    _settle_the_dead(context, earlier.experiment)
    with context.closing():
        context.own(earlier)
        mended = _mend(context, earlier)
        again = to_send(context, earlier.id)
        if not (again or mended or unended):
            return _unchanged(context, earlier)
        plan_again(context, earlier, again)
        total = log.totals(earlier.id).generations
        context.listener(Planned(earlier.id, total, total - len(again), seeds=log.count_seeds(earlier.id)))
        return _drive(context, earlier, mode, len(again))


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


# --- the steps that both share ------------------------------------------------------------------------------------


def _get_ready(context: RunContext, to_send: int) -> None:
    """Try, before anything is sent, whether this machine can keep what comes back."""
    if not to_send:
        return
    jobs = context.options.jobs or context.studio.settings.jobs or context.endpoint.limits.concurrent or to_send
    check_ready(context.log, context.store, to_send, jobs)
    if (text := shortage(context.log, context.store, to_send)) is not None:
        context.listener(Message(text, "warning"))


def _say_files(context: RunContext, begun: Begun) -> None:
    """Tell what became of images that the folder of images has lost."""
    if begun.restored:
        images, store = f"{begun.restored:,} image{'' if begun.restored == 1 else 's'}", context.store
        context.listener(Message(f"{images} missing from {store.folder} came back from {store.names}"))
    if begun.gone:
        are = "image of earlier runs is" if begun.gone == 1 else "images of earlier runs are"
        context.listener(Message(f"{begun.gone:,} {are} no longer on disk: made again", "warning"))


def _ahead(context: RunContext, rows: Sequence[Generation]) -> Ahead:
    """What sending these would cost at worst: equal ones once, and none that the log answers."""
    hashes = {row.request_hash: row for row in rows}
    if not context.fresh:
        files = LoggedFiles(context.log, context.store, context.studio.folder)
        for hash_ in look_up(context.log, files, list(hashes)).hits:
            del hashes[hash_]
    prices = [context.endpoint.price(request_of(row)) for row in hashes.values()]
    credits, usd = [price.credits for price in prices], [price.usd for price in prices]
    return Ahead(
        len(prices),
        context.endpoint.provider.name,
        context.endpoint.simulated,
        None if None in credits else sum(filter(None, credits)),
        None if None in usd else sum(filter(None, usd)),
    )


def _settle_the_dead(context: RunContext, experiment: str) -> None:
    """Runs of this experiment that were cut off: collect what can still be fetched, call the rest unknown."""
    log = context.log
    sweep(log)
    here = (context.endpoint.provider.name, context.endpoint.base_url)
    for run in log.runs(experiment=experiment):
        if run.status in ("completed", "failed") or (run.provider, run.base_url) != here:
            continue
        if is_live(log, run.id) or (run.status != "running" and not left_over(context, run)):
            continue
        if not take(log, run.id):
            continue  # another process was quicker
        rows = left_over(context, run)
        if rows:
            text = f"run {run.id} was cut off with {len(rows)} in flight; collecting what can still be fetched"
            context.listener(Message(text))
        try:
            _salvage(context, run, rows)
        except ProviderFault as fault:  # kept, and of unknown outcome until the provider is fixed
            context.listener(Message(f"an answer of run {run.id} can't be decoded: {fault}", "warning"))
        context.end(run, "interrupted")


def _mend(context: RunContext, run: Run) -> bool:
    """Try the URLs of lost images again, and poll jobs of unknown outcome: it costs nothing.

    Whether anything changed by that.
    """
    before = context.log.totals(run.id)
    try:
        _salvage(context, run, mendable(context, run))
    except ProviderFault as fault:
        if not context.options.retry_unknown:
            raise ProviderFault(
                f"{fault}; nothing was sent. Fix the provider, or request that image again with "
                f"`promptlab resume {run.id} --retry-unknown`"
            ) from fault
        context.listener(Message(str(fault), "warning"))
    return context.log.totals(run.id) != before


def _salvage(context: RunContext, run: Run, rows: Sequence[Generation]) -> None:
    unseen = undecoded(context.log, run.id)
    if rows or unseen:
        from promptlab.run.wiring import collect_rows

        driver = collect_rows(context, run, rows, unseen)
        if driver.stopped is not None:
            raise driver.stopped
        if driver.interrupted:
            raise KeyboardInterrupt


def _unchanged(context: RunContext, run: Run) -> Summary:
    """A resume that had nothing to do says so, and leaves the run's row alone."""
    context.log.release_claims(owner_of(run.id))
    context.listener(
        Message(f"nothing to do: run {run.id} has nothing to send and nothing to fetch, and stays as it is")
    )
    return summarise(context.log, run, context.studio, None, time.monotonic() - context.started)


def _drive(context: RunContext, run: Run, mode: Mode, to_send: int) -> Summary:
    """Send what is planned; the summary is read from the log."""
    stopped: PromptlabError | None = None
    interrupted = False
    if to_send:
        from promptlab.run.wiring import send_planned  # what sends is only imported where something is sent

        driver = send_planned(context, run, mode, to_send)
        stopped, interrupted = driver.stopped, driver.interrupted
    totals = context.log.totals(run.id)
    ended = context.end(run, _status(totals, stopped, interrupted), totals)
    seconds = time.monotonic() - context.started
    summary = summarise(context.log, ended, context.studio, stopped, seconds, totals)
    if to_send and not summary.simulated:
        _raise_alerts(context, summary)
    return summary


def _raise_alerts(context: RunContext, summary: Summary) -> None:
    """At the end of a run that sent: to the terminal, and to the studio's command and webhook, once."""
    settings = context.studio.settings
    if context.alert is None and not (settings.alerts.cost or settings.alerts.unusual):
        return
    from promptlab.run.alerts import alerts_of, deliver, passed

    found = alerts_of(context.log, settings)
    if context.alert is not None:
        found += tuple(passed([context.alert], summary.credits_at_most, summary.cost_usd_at_most, "this run"))
    for text in (*found, *deliver(found, settings)):
        context.listener(Message(text, "warning"))


def _status(totals: Totals, stopped: PromptlabError | None, interrupted: bool) -> RunStatus:
    is_whole = isinstance(stopped, TakenOver) and not totals.planned  # the other process was quicker to its end
    if stopped is not None and not is_whole:
        return "stopped"
    if totals.in_flight or (interrupted and totals.planned):
        return "interrupted"
    return "failed" if totals.failed + totals.unknown + totals.lost + totals.skipped else "completed"
