"""The server of `promptlab browse`."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from promptlab.browse import application, build_datasette, serve
from promptlab.browse.serve import guard_hosts
from promptlab.errors import InputError, LogError

SERVER = """
import sys
from pathlib import Path
from promptlab.browse import serve
serve(Path(sys.argv[1]), Path(sys.argv[2]), port=0, open_browser=False, ready=lambda url: print(url, flush=True))
print("ended", flush=True)
"""


def ask(app: Any, host: str | None, path: str = "/-/promptlab") -> tuple[int, dict[bytes, bytes]]:
    """The status and headers that an ASGI app answers to one GET."""
    sent: list[Any] = []

    async def run() -> None:
        headers = [] if host is None else [(b"host", host.encode())]
        scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b""}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request"}

        async def send(message: Any) -> None:
            sent.append(message)

        await app({**scope, "headers": headers, "scheme": "http"}, receive, send)

    asyncio.run(run())
    return sent[0]["status"], dict(sent[0].get("headers", []))


async def fine(scope: Any, receive: Any, send: Any) -> None:
    """An app that answers anything."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8001", 200),
        ("LOCALHOST", 200),
        ("127.0.0.1:8001", 200),
        ("[::1]:8001", 200),
        ("studio.example", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example:8001", 403),
        ("192.168.1.7", 403),
        ("", 403),
        (None, 403),
    ],
)
def test_only_this_machine_is_answered(host: str | None, status: int) -> None:
    """A request that names another host is refused, so that no page can reach the log by its own name."""
    assert ask(guard_hosts(fine, ["studio.example"]), host)[0] == status


@pytest.mark.parametrize(("host", "status"), [("192.168.1.7:80", 200), ("[fe80::1]", 200), ("evil.example", 403)])
def test_bound_to_every_interface(host: str, status: int) -> None:
    """Bound to 0.0.0.0, plain addresses are answered and names still are not."""
    assert ask(guard_hosts(fine, ["0.0.0.0"]), host)[0] == status


@pytest.mark.parametrize("base_url", ["/", "/lab/"])
def test_the_front_is_the_runs_page(demo: Any, base_url: str) -> None:
    """The bare address leads to the runs."""
    app = application(build_datasette(demo.db, demo.images, base_url=base_url))
    status, headers = ask(app, "localhost", base_url)
    assert (status, headers[b"location"].decode()) == (302, f"{base_url}-/promptlab")


def test_images_are_guarded_too(demo: Any) -> None:
    """No image is given to a request for another host's name."""
    app = application(build_datasette(demo.db, demo.images))
    assert ask(app, "evil.example", f"/-/promptlab/file/{demo.sha256}")[0] == 403
    assert ask(app, "localhost", f"/-/promptlab/file/{demo.sha256}")[0] == 200


def test_it_serves_and_ends_in_order(demo: Any) -> None:
    """It says its address when it can be asked, answers, and ends quietly on Ctrl-C."""
    command = [sys.executable, "-c", SERVER, str(demo.db), str(demo.images)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.endswith("/-/promptlab")
        with urlopen(Request(url), timeout=20) as answer:
            assert b"shelf_photos" in answer.read()
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out.strip(), err) == (0, "ended", "")


def test_a_taken_port_is_an_error_that_says_so(demo: Any) -> None:
    """A port that was asked for and is taken stops before anything is served."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match="another port"):
            serve(demo.db, demo.images, port=taken.getsockname()[1], open_browser=False)


def test_no_log_is_an_error(tmp_path: Path) -> None:
    """Without a log there is nothing to browse, and none is made."""
    with pytest.raises(LogError):
        serve(tmp_path / "none.db", tmp_path, open_browser=False)
    assert not (tmp_path / "none.db").exists()
