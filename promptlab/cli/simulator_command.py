"""`promptlab simulator`: the API on this machine."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Literal

import click

from promptlab.errors import InputError

__all__ = ["command"]

WINDOWS = ["fixed", "sliding", "first_request", "bucket"]


@click.command("simulator", short_help="Serve the Kairval API on this machine, free, with faults on demand.")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 picks a free one.")
@click.option("--faults", type=click.Path(path_type=Path, dir_okay=False), help="A YAML fault plan, seeded.")
@click.option("--plan", default="unlimited", show_default=True, help="free, starter, pro, enterprise or unlimited.")
@click.option(
    "--window", type=click.Choice(WINDOWS), default="fixed", show_default=True, help="How the rate is counted."
)
@click.option("--window-s", type=float, default=60.0, show_default=True, help="The rate window in seconds.")
@click.option("--latency", type=float, default=0.0, show_default=True, help="Seconds that a generation takes.")
@click.option("--credits", type=float, help="The account's balance. [default: unlimited]")
@click.option("--fast", is_flag=True, help="Answer with a small prepared image, for load tests.")
@click.option(
    "--bytes", "fast_bytes", type=click.IntRange(min=0), default=0, help="With --fast: the size of each image in bytes."
)
def command(
    port: int, faults: Path | None, plan: str, window: Literal["fixed", "sliding", "first_request", "bucket"],
    window_s: float, latency: float, credits: float | None, fast: bool, fast_bytes: int,
) -> None:  # fmt: skip
    """Serve Kairval's API on the loopback interface, to the letter of its guide, with images made on this machine.

    Every answer has the header X-Simulated-By, so that it is never booked as real money.

    \b
    Example:
      promptlab simulator --port 8765
      KAIRVAL_BASE_URL=http://127.0.0.1:8765 KAIRVAL_API_KEY=kv_test \\
        promptlab run experiments/shelf_photos.yaml --provider kairval --yes
    """
    from promptlab.simulator import FaultPlan, SimulatorSettings, create_app, load_faults, serve

    settings = SimulatorSettings(
        plan=plan, window=window, window_s=window_s, latency_s=latency, credits=credits, fast=fast,
        fast_bytes=fast_bytes, faults=load_faults(faults) if faults else FaultPlan(),
    )  # fmt: skip
    try:
        settings.limits  # noqa: B018  a wrong plan's name is reported before the server starts
    except ValueError as error:
        raise InputError(str(error)) from error
    try:
        with contextlib.suppress(KeyboardInterrupt):
            serve(create_app(settings), "127.0.0.1", port, ready=_ready)
    except OSError as error:
        message = f"port {port} can't be opened: {error.strerror}; --port 0 picks a free one"
        raise InputError(message, code="port") from error


def _ready(url: str) -> None:
    """How to reach it, as soon as it may be asked."""
    click.echo(url)
    click.echo(f"  KAIRVAL_BASE_URL={url} KAIRVAL_API_KEY=kv_test promptlab run … --provider kairval")
    click.echo("  Ctrl-C ends it")
