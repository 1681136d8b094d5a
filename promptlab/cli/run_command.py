"""`promptlab run`: an experiment from its file to images and a log."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptlab.cli import format as formats
from promptlab.cli import options
from promptlab.cli.plan_command import describe, look_ahead, report
from promptlab.cli.progress import reporter
from promptlab.errors import ConfirmationNeeded
from promptlab.model import Amount
from promptlab.studio.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable

    from promptlab.run.summary import Summary
    from promptlab.studio.consent import Ahead
    from promptlab.studio.prepare import PreparedRun
    from promptlab.studio.preview import Preview
    from promptlab.studio.studio import Studio

__all__ = ["asks", "command", "finish", "run_options", "start", "tell"]

SHOWN = 8  # reasons for failures in a summary


def run_options(command: options.F) -> options.F:
    """The flags of `run` that `resume` and `try` have too."""
    for option in (
        click.option(
            "--budget",
            callback=options.amount,
            metavar="AMOUNT",
            help="Stop before the cost passes this: 20usd, 400cr.",
        ),
        click.option("-y", "--yes", is_flag=True, help="Do not ask before a run that costs money."),
        click.option("-j", "--jobs", type=click.IntRange(min=1), metavar="N", help="At most N requests at once."),
        click.option("--no-thumbnails", is_flag=True, help="Leave thumbnails to `browse`."),
        options.json_flag,
        options.db,
    ):
        command = option(command)
    return command


@click.command("run", short_help="Run an experiment: images on disk, everything in the log.")
@options.experiment_file
@options.provider
@run_options
@click.option("--fresh", is_flag=True, help="Send everything again, whatever the log has.")
@options.where
@options.limit
@options.seeds
@click.option("--webhook-url", metavar="URL", help="The URL at which the provider reaches this machine with callbacks.")
@click.option("--webhook-port", type=click.IntRange(1, 65535), metavar="N", help="The port that URL leads to.")
@click.option("--webhook-host", metavar="HOST", help="The address to listen on. [default: 127.0.0.1]")
def command(
    path: Path, provider: str | None, budget: Amount | None, yes: bool, jobs: int | None, no_thumbnails: bool,
    as_json: bool, db: Path | None, fresh: bool, where: tuple[str, ...], limit: int | None, seeds: int | None,
    webhook_url: str | None, webhook_port: int | None, webhook_host: str | None,
) -> None:  # fmt: skip
    """Run an experiment. What the log has already costs nothing; what may have been billed is never sent again unless
    you ask for it.

    Images are kept by content hash in images/, with readable links in results/. Ctrl-C stops cleanly; `promptlab
    resume` goes on.

    \b
    Examples:
      promptlab run experiments/shelf_photos.yaml
      promptlab run experiments/shelf_photos.yaml --provider kairval --budget 20usd
      promptlab run experiments/shelf_photos.yaml --where look=neon --limit 4
      promptlab run experiments/shelf_photos.yaml --where look=neon --seeds 16
    """

    job, found = look_ahead(
        path, provider=provider, db=db, where=where, limit=limit, seeds=seeds, fresh=fresh, key_needed=True
    )
    chosen = Options(
        budget=budget, fresh=fresh, jobs=jobs, webhook_url=webhook_url, webhook_port=webhook_port,
        webhook_host=webhook_host, thumbnails=False if no_thumbnails else None,
        settings={
            "fresh": fresh, "budget": str(budget) if budget else None, "jobs": jobs, "mode": job.experiment.mode,
        },
    )  # fmt: skip
    start(job, found, chosen, yes=yes, as_json=as_json)


def start(job: PreparedRun, found: Preview, chosen: Options, *, yes: bool, as_json: bool) -> None:
    """Show the plan, run, which asks where it costs, and say how it ended."""
    from dataclasses import replace

    from promptlab.run.runner import run

    report(found.warnings)
    if not as_json:
        click.echo(describe(found), err=True)
    with reporter() as listener:
        summary = run(job, replace(chosen, yes=yes), listener, asks(job.studio), found=found)
    finish(summary, as_json=as_json)


def asks(studio: Studio) -> Callable[[Ahead], bool]:
    """Asks the user at the terminal; without one it is exit 2."""

    def confirm(ahead: Ahead) -> bool:
        price = formats.money(ahead.credits, ahead.cost_usd)
        if ahead.cost_usd is None and ahead.credits is not None:
            price += " (dollars unknown)"
        question = f"Send {formats.count(ahead.to_send, 'call')} to {ahead.provider} for {price}?"
        if not options.can_ask():
            above = formats.dollars(studio.settings.confirm_above_usd)
            raise ConfirmationNeeded(
                f"not confirmed: {question} Nothing was sent; pass --yes to go ahead (asked above {above}, "
                "`confirm_above_usd` in promptlab.yaml)",
                code="not-confirmed",
            )
        return click.confirm(question, default=False, err=True)

    return confirm


def finish(summary: Summary, *, as_json: bool) -> None:
    """Print how a run ended, and exit with its code."""
    if as_json:
        click.echo(json.dumps(asdict(summary), indent=1, ensure_ascii=False))
    else:
        click.echo(tell(summary))
    if summary.exit_code:
        raise click.exceptions.Exit(summary.exit_code)


def tell(summary: Summary) -> str:
    """The summary as text."""
    marks = {"completed": "✓", "failed": "✗", "stopped": "■", "interrupted": "■"}
    simulated = " (SIMULATED)" if summary.simulated else ""
    lines = [
        f"{marks.get(summary.status, '•')} run {summary.run_id} {summary.status}{simulated}: "
        f"{summary.completed:,} of {summary.planned:,} done, {formats.count(summary.images, 'image')}, "
        f"{formats.duration(summary.seconds)}"
    ]
    if summary.cached:
        lines.append(f"  {summary.cached:,} from the log: cost nothing")
    lines.append(f"  cost: {_cost(summary)}")
    counts = [("failed", summary.failed), ("of unknown outcome", summary.unknown), ("lost", summary.lost),
              ("skipped", summary.skipped), ("still to be fetched", summary.unfetched),
              ("not sent", summary.unsent)]  # fmt: skip
    if any(number for _, number in counts):
        lines.append("  " + ", ".join(f"{number:,} {name}" for name, number in counts if number))
    lines += [f"    {number:,} × {message}" for message, number in summary.failures[:SHOWN]]
    if (more := sum(number for _, number in summary.failures[SHOWN:]) + summary.failures_more) > 0:
        lines.append(f"    {more:,} more for other reasons: promptlab show {summary.run_id}")
    if summary.stopped:
        until = f" (until {summary.stopped_until[:16].replace('T', ' ')} UTC)" if summary.stopped_until else ""
        lines.append(f"  stopped: {summary.stopped}{until}")
    lines += [f"  continue: {text}" for text in summary.next_commands]
    if summary.images:
        lines.append(f"  images: {summary.results}/   look: promptlab browse")
    return formats.folded("\n".join(lines), "    ")


def _cost(summary: Summary) -> str:
    """What was billed, as two bounds where it is not known exactly."""
    most = [figure for figure in (summary.credits_at_most, summary.cost_usd_at_most) if figure is not None]
    if most and not any(most):
        return "nothing"
    text = formats.bounds((summary.credits, summary.credits_at_most), (summary.cost_usd, summary.cost_usd_at_most))
    if summary.simulated:
        return f"nothing; it would have been {text}"
    if not summary.attempts_at_risk:
        return text
    return (
        f"{text} ({formats.count(summary.attempts_at_risk, 'attempt')} may have been billed, or did not say how much)"
    )
