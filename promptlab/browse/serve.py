"""`promptlab browse`: Datasette over a log, live, on this machine, with promptlab's pages in front.

Never immutable, so that a run that is writing shows its rows; never open to another host's name, so that no web page
can read the log through the browser (DNS rebinding); open to other machines only by a link with a token (`sharing`).
"""

from __future__ import annotations

import contextlib
import json
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from promptlab.browse import hosts as known_hosts
from promptlab.browse import sharing
from promptlab.browse.hosts import App, Receive, Scope, Send, guard_hosts
from promptlab.errors import InputError

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]

__all__ = ["application", "build_datasette", "guard_hosts", "serve", "write_files"]

_PORT = 8001
_MOST_BYTES = 2_000_000  # of one request
_NAMED_BY_CONTENT = ("-/promptlab/file/", "-/promptlab/thumbnail/", "-/promptlab/static/")


def serve(
    db: Path,
    images: Path,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    open_browser: bool = True,
    user: str | None = None,
    base_url: str = "/",
    read_only: bool = False,
    ready: Callable[[str], None] | None = None,
    invite: Callable[[Sequence[str]], None] | None = None,
) -> None:
    """Serve the log until Ctrl-C.

    `port` None: 8001, or any free one where that is taken; 0: any free one; a number: that one, or InputError. `ready`
    is called with the address as soon as a browser may ask. LogError where `db` is not a log; an old one is brought up
    to date first.

    Where `host` is not of this machine alone, nobody is answered without a link: `ready` gets the owner's, and
    `invite`, called before, those to give to others. `read_only`: others look and don't write; on this machine alone,
    nobody writes.
    """
    import uvicorn

    from promptlab.log import Log

    Log.open(db, create=False).close()
    shared = not known_hosts.is_loopback(host)
    datasette = build_datasette(db, images, base_url=base_url, user=user, write=shared or not read_only, hosts=[host])
    listener = _listen(host, port)
    number = listener.getsockname()[1]
    app = application(datasette, hosts=[host])
    page = f":{number}{datasette.urls.path('/-/promptlab')}"
    address = f"http://{known_hosts.named(_own(host))}{page}"
    if shared:
        keys = sharing.Keys.new()
        app = guard_hosts(sharing.gate(app, keys, port=number, base_url=base_url, read_only=read_only), [host])
        address += f"?{urlencode({'token': keys.owner})}"
        if invite is not None:
            others = known_hosts.own_addresses() if known_hosts.is_any(host) else [host]
            link = f"{page}?{urlencode({'token': keys.guest})}"
            invite([f"http://{known_hosts.named(each)}{link}" for each in others])
    if ready is not None:
        ready(address)
    if open_browser:
        import webbrowser

        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    config = uvicorn.Config(
        app,
        lifespan="on",
        log_level="warning",
        access_log=False,  # it would hold the links' tokens
        timeout_graceful_shutdown=2,
    )
    with listener, contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


def _own(host: str) -> str:
    """The host by which this machine asks itself."""
    return ("::1" if ":" in host else "127.0.0.1") if known_hosts.is_any(host) else host


def build_datasette(
    db: Path,
    images: Path,
    *,
    base_url: str = "/",
    write: bool = True,
    user: str | None = None,
    hosts: Iterable[str] = (),
) -> Datasette:
    """A Datasette over one log, with every word, query and setting handed over; live, never immutable.

    `write` lets its pages write marks and votes, under the name `user` (None: this machine's user) unless the person
    who is looking gives another. `hosts` are names, beside localhost and plain addresses, under which they may.
    """
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.plugins import pm  # type: ignore[import-untyped,import-not-found,unused-ignore]

    from promptlab.browse import plugin
    from promptlab.browse.metadata import SETTINGS  # here and below: the plugin must not load the whole log

    _keep_errors_short()
    if not pm.is_registered(plugin):  # a checkout on the path has no entry point
        pm.register(plugin, name="promptlab")
    return Datasette(
        [str(db.absolute())],
        metadata=_metadata(db, images, write=write, user=user, hosts=list(hosts)),
        template_dir=str(Path(__file__).parent / "datasette_templates"),
        settings={**SETTINGS, "base_url": base_url},
    )


def application(datasette: Datasette, *, hosts: Iterable[str] = ()) -> App:
    """The whole ASGI app: Datasette, the runs page as its front, new views described, other hosts' names and what is
    too large refused."""
    return guard_hosts(sharing.limit_bodies(_front(datasette, datasette.app()), _MOST_BYTES), hosts)


def write_files(folder: Path, db: Path, images: Path) -> list[Path]:
    """Write what plain `datasette` needs to show this log the same way; gives the files written.

    Datasette 0.65: `datasette promptlab.db -m metadata.json --setting suggest_facets off`. 1.0 takes `-m metadata.json
    -c datasette.json`. The plugin comes by its entry point.
    """
    from promptlab.browse.metadata import SETTINGS, config_1_0

    whole = _metadata(db, images.absolute())
    files = {"metadata.json": whole, "datasette.json": config_1_0(whole), "settings.json": dict(SETTINGS)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return [folder / name for name in files]


def _keep_errors_short() -> None:
    """Where rich is installed, Datasette prints every 404 with all local values, and some of them it then crashes on
    (handle_exception.py: `print_exception` outside of an except clause)."""
    from datasette import handle_exception  # type: ignore[import-untyped,import-not-found,unused-ignore]

    if getattr(handle_exception, "rich", None) is not None:
        handle_exception.rich = None


# --- the parts of the app -----------------------------------------------------------------------------------------


def _front(datasette: Datasette, app: App) -> App:
    """Send the bare address to the runs page, and describe views that a run made while we were looking."""
    base_url = datasette.setting("base_url")
    name = next(name for name, database in datasette.databases.items() if database.path)
    version: list[int] = []

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if scope["path"] == base_url and not scope.get("query_string"):
                location = str(datasette.urls.path("/-/promptlab")).encode()
                await send({"type": "http.response.start", "status": 302, "headers": [(b"location", location)]})
                await send({"type": "http.response.body", "body": b""})
                return
            await _describe(datasette, name, version)
            if scope["path"].removeprefix(base_url).startswith(_NAMED_BY_CONTENT):
                send = _kept(send)
        await app(scope, receive, send)

    return front


def _kept(send: Send) -> Send:
    """Let the browser keep what was found: Datasette forbids it for any request with a cookie, also where the address
    is the content's hash, and each picture would be fetched again on each page."""

    async def kept(message: Any) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            headers = [(key, value) for key, value in message["headers"] if key.lower() != b"cache-control"]
            headers.append((b"cache-control", b"private, max-age=31536000, immutable"))
            message = {**message, "headers": headers}
        await send(message)

    return kept


async def _describe(datasette: Datasette, name: str, seen: list[int]) -> None:
    """Read the schema again when it has changed: the first run of an experiment makes a view."""
    from promptlab.browse.metadata import metadata, schema_columns

    own = getattr(datasette, "_metadata_local", {}).get("databases", {}).get(name)
    if own is None:
        return

    def read(connection: sqlite3.Connection) -> dict[str, list[str]] | None:
        version = connection.execute("pragma schema_version").fetchone()[0]
        if seen == [version]:
            return None
        seen[:] = [version]
        return schema_columns(connection)

    columns = await datasette.get_database(name).execute_fn(read)
    if columns is not None:
        own["tables"] = metadata(name, columns, None)["databases"][name]["tables"]


# --- helpers ------------------------------------------------------------------------------------------------------


def _metadata(db: Path, images: Path, **plugin: object) -> dict[str, Any]:
    from promptlab.browse.metadata import metadata, schema_columns

    with contextlib.closing(sqlite3.connect(f"{db.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        return metadata(db.stem, schema_columns(connection), images, **plugin)


def _listen(host: str, port: int | None) -> socket.socket:
    """A listening socket, made before the server starts, so that its address is known and a browser may ask at once."""
    for wanted in [_PORT, 0] if port is None else [port]:
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, wanted))
            listener.listen(128)
        except OSError as error:
            listener.close()
            reason = error.strerror or str(error)
            continue
        return listener
    raise InputError(f"cannot listen on {host} port {port if port is not None else _PORT}: {reason}; try another port")
