"""`promptlab browse`: Datasette over a log, live, on this machine, with promptlab's pages in front.

Never immutable, so that a run that is writing shows its rows; never open to another host's name, so that no web page
can read the log through the browser (DNS rebinding).
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptlab.errors import InputError

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]

__all__ = ["application", "build_datasette", "guard_hosts", "serve", "write_files"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_PORT = 8001
_LOCAL = ("localhost", "127.0.0.1", "[::1]")


def serve(
    db: Path,
    images: Path,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    open_browser: bool = True,
    user: str | None = None,
    base_url: str = "/",
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the log until Ctrl-C.

    `port` None: 8001, or any free one where that is taken; 0: any free one; a number: that one, or InputError. `ready`
    is called with the address as soon as a browser may ask. LogError where `db` is not a log; an old one is brought up
    to date first.
    """
    import uvicorn

    from promptlab.log import Log

    Log.open(db, create=False).close()
    datasette = build_datasette(db, images, base_url=base_url, user=user)
    listener = _listen(host, port)
    address = f"http://{_named(host)}:{listener.getsockname()[1]}{datasette.urls.path('/-/promptlab')}"
    if ready is not None:
        ready(address)
    if open_browser:
        import webbrowser

        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    config = uvicorn.Config(
        application(datasette, hosts=[host]),
        lifespan="on",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    with listener, contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


def build_datasette(
    db: Path, images: Path, *, base_url: str = "/", write: bool = True, user: str | None = None
) -> Datasette:
    """A Datasette over one log, with every word, query and setting handed over; live, never immutable.

    `write` lets its pages write marks and votes, under the name `user` (None: this machine's user) unless the person
    who is looking gives another.
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
        metadata=_metadata(db, images, write=write, user=user),
        template_dir=str(Path(__file__).parent / "datasette_templates"),
        settings={**SETTINGS, "base_url": base_url},
    )


def application(datasette: Datasette, *, hosts: Iterable[str] = ()) -> App:
    """The whole ASGI app: Datasette, the runs page as its front, new views described, other hosts' names refused."""
    return guard_hosts(_front(datasette, datasette.app()), hosts)


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


def guard_hosts(app: App, hosts: Iterable[str]) -> App:
    """Answer only requests that name this machine: localhost, 127.0.0.1, [::1] and `hosts`.

    A page of another site can make its name point here, but cannot make the browser send another Host header. Bound
    to every interface (0.0.0.0 or ::), any plain IP address is answered as well: an attacker's name is none.
    """
    named = {_named(host).lower() for host in hosts}
    any_address = bool(named & {"0.0.0.0", "[::]"})  # noqa: S104  compared, not bound
    allowed = {*_LOCAL, *named, *([socket.gethostname().lower()] if any_address else [])}

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            given = [value.decode("latin-1") for key, value in scope["headers"] if key == b"host"]
            name = _host_name(given[0]) if len(given) == 1 else ""
            if name not in allowed and not (any_address and _is_address(name)):
                await _refuse(scope, send)
                return
        await app(scope, receive, send)

    return guarded


async def _refuse(scope: Scope, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    body = b"promptlab browse answers only as localhost: this request was for another host name.\n"
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})


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
        await app(scope, receive, send)

    return front


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


def _named(host: str) -> str:
    """The host as an address writes it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _host_name(header: str) -> str:
    """The name of a Host header, without its port, in lower case."""
    name = header.strip().lower()
    end = name.find("]") + 1 if name.startswith("[") else name.find(":")
    return name[:end] if end > 0 else name


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
