"""`promptlab browse`: the log in Datasette."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import click

from promptlab.cli import options

__all__ = ["command", "page_below"]


@click.command("browse", short_help="Open the log in Datasette, with images.")
@click.option("--port", type=click.IntRange(0, 65535), help="0 picks a free one. [default: 8001, or a free one]")
@click.option("--open/--no-open", "open_browser", default=True, help="Open a browser. [default: open]")
@click.option("--page", default="", metavar="PAGE", help="Open this page: spend, 'pair?run=last', 'image/ID', ...")
@options.db
def command(port: int | None, open_browser: bool, page: str, db: Path | None) -> None:
    """Serve the log on this machine: runs with thumbnails, variants side by side, search, facets, SQL. Live while a
    run writes. Ctrl-C ends it.

    \b
    Examples:
      promptlab browse --no-open --port 8002
      promptlab browse --page 'pair?run=last&by=style&a=film&b=ink'
    """
    from promptlab.browse import serve

    here = options.Here(db)
    here.log().close()  # says what to do where there is none
    settings = here.studio.settings
    ready = partial(_ready, page=page, open_browser=open_browser)
    opens_itself = open_browser and not page
    serve(settings.db, settings.images, user=settings.user, port=port, open_browser=opens_itself, ready=ready)


def _ready(address: str, *, page: str, open_browser: bool) -> None:
    address = page_below(address, page)
    click.echo(f"{address}  (Ctrl-C ends it)")
    if page and open_browser:
        import threading
        import webbrowser

        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()


def page_below(address: str, page: str) -> str:
    """The address of a page below that of the runs page; what the address asks for itself (a token) stays."""
    if not page:
        return address
    wanted, front = urlsplit(page.lstrip("/").removeprefix("-/promptlab/")), urlsplit(address)
    query = "&".join(filter(None, (front.query, wanted.query)))
    return urlunsplit((front.scheme, front.netloc, f"{front.path}/{wanted.path}", query, wanted.fragment))
