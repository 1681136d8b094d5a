"""`promptlab browse`: the log in Datasette."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from promptlab.cli import options

__all__ = ["command"]


@click.command("browse", short_help="Open the log in Datasette, with images.")
@click.option("--port", type=click.IntRange(0, 65535), help="0 picks a free one. [default: 8001, or a free one]")
@click.option("--open/--no-open", "open_browser", default=True, help="Open a browser. [default: open]")
@click.option(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    help="Let others in: 0.0.0.0, or an address of this machine on the local network. Prints a link for them; "
    "without it nobody is answered. [default: this machine only]",
)
@click.option("--read-only", is_flag=True, help="Others look, and mark and vote nothing.")
@options.db
def command(port: int | None, open_browser: bool, host: str, read_only: bool, db: Path | None) -> None:
    """Serve the log on this machine: runs with thumbnails, variants side by side, search, facets, SQL, review. Live
    while a run writes. Ctrl-C ends it.

    With --host others on the local network review and vote too, each under a name of their own: whoever has the link
    that is printed. It changes at each start, and is sent unencrypted (http).

    \b
    Examples:
      promptlab browse --no-open --port 8002
      promptlab browse --host 0.0.0.0
      promptlab browse --host 192.168.1.7 --read-only
    """
    from promptlab.browse import serve

    here = options.Here(db)
    here.log().close()  # says what to do where there is none
    settings = here.studio.settings
    serve(
        settings.db,
        settings.images,
        user=settings.user,
        host=host,
        port=port,
        open_browser=open_browser,
        read_only=read_only,
        ready=_ready,
        invite=partial(_invite, settings.db, read_only),
    )


def _ready(address: str) -> None:
    click.echo(f"{address}  (Ctrl-C ends it)")


def _invite(db: Path, read_only: bool, links: Sequence[str]) -> None:
    """Say what is shared with whom, before the owner's own link."""
    may = "change nothing" if read_only else "mark and vote under names of their own"
    click.echo(f"Shared until Ctrl-C: whoever has this link sees every picture, prompt and cost in {db.name}, and can")
    click.echo(f"{may}. It is not encrypted: give it to people on a network you trust.")
    for link in links or ["(this machine has no address on a network yet)"]:
        click.echo(f"  {link}")
    click.echo("For you alone:")
