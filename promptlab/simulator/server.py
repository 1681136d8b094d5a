"""The simulator on a loopback port, with uvicorn (Datasette brings it).

Resets are real here: the server's protocol hands the app a function that cuts the connection, with a TCP reset where
nothing was answered, or by closing half way through a body. In-process, where there is no connection, the app raises
`SimulatedReset` (a ConnectionResetError) instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from promptlab.simulator.app import App

if TYPE_CHECKING:
    import uvicorn

__all__ = ["running", "serve"]


def _cut(transport: asyncio.Transport, reset: bool) -> None:
    """End the connection: with a TCP reset, or cleanly after what was written."""
    if not reset:
        transport.close()
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:  # lingering for zero seconds turns the close into a reset
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


@functools.cache
def _protocol() -> type[asyncio.Protocol]:
    """uvicorn's protocol, with the means to cut its connection in the scope's state; imported when it is needed."""
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Protocol(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
            super().connection_made(transport)
            self.app_state = {**self.app_state, "promptlab.cut": functools.partial(_cut, transport)}

    return Protocol


def _server(app: App) -> uvicorn.Server:
    import uvicorn

    config = uvicorn.Config(
        app, http=_protocol(), ws="none", lifespan="off", log_level="warning", access_log=False, timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
    )  # fmt: skip
    return uvicorn.Server(config)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # named TCP, or asyncio would not turn Nagle off, and every answer would wait 40 ms for an acknowledgement
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(app: App, host: str = "127.0.0.1", port: int = 0, *, ready: Callable[[str], None] | None = None) -> None:
    """Serve until interrupted; `ready` gets the URL. OSError if the port is taken."""
    listener = _listen(host, port)
    with contextlib.closing(listener):
        listener.listen(2048)  # a client may connect at once, and no other program can take the port
        if ready:
            ready(_url(listener))
        _server(app).run(sockets=[listener])


@contextlib.contextmanager
def running(app: App, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve in a thread on a free port for the length of a `with`; gives the URL."""
    listener, server = _listen(host, 0), _server(app)
    listener.listen(2048)  # connections queue until the thread is up
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="simulator", daemon=True)
    thread.start()
    try:
        yield _url(listener)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
