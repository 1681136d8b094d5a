"""`promptlab browse`: the log in Datasette."""

from __future__ import annotations

from pathlib import Path

import click

from promptlab.cli import options

__all__ = ["command"]


@click.command("browse", short_help="Open the log in Datasette, with images.")
@click.option("--port", type=click.IntRange(0, 65535), help="0 picks a free one. [default: 8001, or a free one]")
@click.option("--open/--no-open", "open_browser", default=True, help="Open a browser. [default: open]")
@options.db
def command(port: int | None, open_browser: bool, db: Path | None) -> None:
    """Serve the log on this machine: runs with thumbnails, variants side by side, search, facets, SQL. Live while a
    run writes. Ctrl-C ends it.

    \b
    Example:
      promptlab browse --no-open --port 8002
    """
    from promptlab.browse import serve

    here = options.Here(db)
    here.log().close()  # says what to do where there is none
    settings = here.studio.settings
    serve(settings.db, settings.images, user=settings.user, port=port, open_browser=open_browser, ready=_ready)


def _ready(address: str) -> None:
    click.echo(f"{address}  (Ctrl-C ends it)")
