"""A Kairval-speaking server written by hand, whose every answer a test decides, and a studio that talks to it.

The server counts what it made; a test compares that with what the log knows. It shares no code with the simulator.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from promptlab.model import Amount
from promptlab.run.events import RunEvent
from promptlab.run.runner import resume, run
from promptlab.run.summary import Summary
from promptlab.studio.options import Options
from promptlab.studio.prepare import prepare
from promptlab.studio.studio import Studio

KEY = "kv_" + "s3cr3tkey" * 3


def png(number: int, width: int = 4, height: int = 4, *, claim: tuple[int, int] | None = None) -> bytes:
    """A small whole PNG, another one for each number; `claim` writes another size into its header."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixel = struct.pack(">I", number & 0xFFFFFF)[1:]
    pixels = zlib.compress((b"\0" + pixel * width) * height)
    header = struct.pack(">IIBBBBB", *(claim or (width, height)), 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@dataclass
class Call:
    """One request as the server saw it."""

    number: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    at: float
    again: int  # how often the same body was posted before

    @property
    def prompt(self) -> str:
        return str(self.body.get("prompt"))


@dataclass
class Act:
    """What the server does with one POST. Without changes: it makes the images and says so."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None  # JSON, or bytes as they are; None is the guide's answer
    delay: float = 0.0
    work: bool = True  # whether images are made, and billed
    reset: bool = False  # break off instead of answering
    files: tuple[str, ...] = ()  # what the URLs of the images do, see `Api._file`
    image: bytes | None = None  # the file, instead of a fresh PNG
    images: int | None = None  # so many come, instead of what was asked for
    more: Mapping[str, Any] = field(default_factory=dict)  # keys of the answer besides the guide's


def error(status: int, code: str, message: str = "no", **headers: str) -> Act:
    """The guide's error envelope; nothing is made."""
    body = {"error": {"code": code, "message": message, "type": "api_error"}}
    return Act(status, {name.replace("_", "-"): value for name, value in headers.items()}, body, work=False)


class Api:
    """The server, on a separate thread. `behave(call)` decides about each POST."""

    png = staticmethod(png)
    act = Act
    error = staticmethod(error)

    def __init__(self) -> None:
        self.behave: Callable[[Call], Act] = lambda call: Act()
        self.get: Callable[[Call], Act | None] = lambda call: None  # other GETs: a job's poll, say
        self.calls: list[Call] = []
        self.polls: list[Call] = []
        self.images: dict[str, tuple[str, bytes]] = {}
        self.downloads: Counter[str] = Counter()
        self.hold_files = False  # no download is answered
        self.made = 0  # images made, which is what is billed
        self.answered: list[str] = []  # bodies whose result was delivered whole
        self.asked_again: list[str] = []  # bodies posted after that
        self.running = self.most_running = 0
        self.url = ""
        self._bodies: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def start(self) -> Api:
        self._thread.start()
        self._ready.wait(10)
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._connected, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *lines = head.strip().split("\r\n")
                headers = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in lines}
                raw = await reader.readexactly(int(headers.get("content-length", 0)))
                method, path, _ = first.split()
                await self._answer(method, path, headers, raw, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.transport.abort()

    async def _answer(
        self, method: str, path: str, headers: Mapping[str, str], raw: bytes, writer: asyncio.StreamWriter
    ) -> None:
        is_json = raw[:1] == b"{"
        body = json.loads(raw) if is_json else {"raw": raw}
        if method == "GET":
            await self._get(Call(0, method, path, headers, body, time.monotonic(), 0), writer)
            return
        name = raw.decode("latin-1")
        call = Call(len(self.calls), method, path, headers, body, time.monotonic(), self._bodies[name])
        self._bodies[name] += 1
        self.calls.append(call)
        if name in self.answered:
            self.asked_again.append(name)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            act = self.behave(call)
            if act.delay:
                await asyncio.sleep(act.delay)
            reply = self._result(call, act) if act.work else {}
        finally:
            self.running -= 1
        if act.reset:
            writer.transport.abort()
            raise ConnectionResetError
        if act.status == 200 and act.work:
            self.answered.append(name)
        self.write(writer, act, act.body if act.body is not None else reply)

    def _result(self, call: Call, act: Act) -> dict[str, Any]:
        """The guide's answer; the images are made now."""
        data = []
        for position in range(int(call.body.get("n") or 1) if act.images is None else act.images):
            self.made += 1
            name = f"/files/{call.number}-{position}.png"
            how = act.files[position] if position < len(act.files) else "whole"
            self.images[name] = how, act.image or png(self.made)
            data.append({"url": self.url + name, "revised_prompt": f"{call.prompt}, finely"})
        named = {"id": f"gen_{call.number}", "model": call.body.get("model"), "created": 1790000000}
        return {**named, "data": data, **act.more}

    async def _get(self, call: Call, writer: asyncio.StreamWriter) -> None:
        if call.path in self.images:
            self.downloads[call.path] += 1
            await self._file(call.path, writer)
            return
        self.polls.append(call)
        act = self.get(call) or error(404, "not_found")
        self.write(writer, act, act.body)

    async def _file(self, name: str, writer: asyncio.StreamWriter) -> None:
        how, data = self.images[name]
        first = self.downloads[name] == 1
        while self.hold_files:
            await asyncio.sleep(0.01)
        if how == "cut" or (how == "cut_once" and first):
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data[: len(data) // 2])
            await writer.drain()
            writer.transport.abort()
            raise ConnectionResetError
        if how == "short_once" and first:  # whole by its length, but half a picture
            data = data[: len(data) // 2]
        if how == "gone":
            self.write(writer, error(404, "not_found"), b"")
            return
        if how == "slow":
            await asyncio.sleep(0.3)
        if how.startswith("to "):
            self.write(writer, Act(302, {"Location": how[3:]}), b"")
            return
        if how == "huge":  # says that ten gigabytes follow
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n" + data)
            return
        if how == "endless":
            with contextlib.suppress(ConnectionError):
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                for _ in range(1100):
                    writer.write(b"10000\r\n" + bytes(65536) + b"\r\n")
                    await writer.drain()
            raise ConnectionResetError
        self.write(writer, Act(200, {"Content-Type": "image/png"}), b"" if how == "empty" else data)

    def write(self, writer: asyncio.StreamWriter, act: Act, body: Any) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **act.headers, "Content-Length": str(len(raw))}
        lines = [f"HTTP/1.1 {act.status} Whatever", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + raw)

    def posts(self, prompt: str) -> list[Call]:
        """The calls that asked for this prompt."""
        return [call for call in self.calls if call.prompt == prompt]

    def soon(self, coroutine: Any) -> None:
        """Run a coroutine on the server's loop."""
        asyncio.run_coroutine_threadsafe(coroutine, self._loop)


ENTERPRISE = "plans: {enterprise: {requests_per_minute: none, concurrent: 8, daily: none, usd_per_credit: 0.01}}\n"


class Lab:
    """A studio in a temporary folder, run in this process or as the real program."""

    key = KEY
    options = Options
    amount = Amount

    def __init__(self, folder: Path, api: Api) -> None:
        self.folder = folder / "studio"
        self.api = api
        self.state = folder / "state"
        self.database = self.folder / "promptlab.db"
        self.output: list[str] = []  # everything that was printed
        self.events: list[RunEvent] = []
        self.started: list[subprocess.Popen[str]] = []
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith(("KAIRVAL", "OPENAI"))}
        self.environ |= {
            "KAIRVAL_BASE_URL": api.url, "KAIRVAL_API_KEY": KEY, "KAIRVAL_PLAN": "enterprise",
            "PROMPTLAB_STATE": str(self.state), "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip
        (self.folder / "experiments").mkdir(parents=True)
        self.settings()

    def settings(self, text: str = ENTERPRISE, **more: str) -> None:
        """Write promptlab.yaml; `more` are top-level keys."""
        lines = [f"{name}: {value}\n" for name, value in more.items()]
        (self.folder / "promptlab.yaml").write_text("thumbnails: false\n" + text + "".join(lines))

    def experiment(self, requests: int = 10, name: str = "exp", **more: str) -> Path:
        """An experiment of so many different requests."""
        path = self.folder / "experiments" / f"{name}.yaml"
        lines = [f"{key}: {value}\n" for key, value in {"provider": "kairval", **more}.items()]
        if "prompt" not in more:
            lines.append('prompt: "picture {{ i }}"\n')
        axes = more.get("axes") or f"{{i: [{', '.join(map(str, range(requests)))}]}}"
        if "axes" not in more:
            lines.append(f"axes: {axes}\n")
        path.write_text("".join(lines))
        return path

    # --- in this process ---

    def job(self, name: str = "exp", **more: Any) -> Any:
        return prepare(self.folder / "experiments" / f"{name}.yaml", environ=self.environ, **more)

    def run(self, name: str = "exp", **options: Any) -> Summary:
        summary = run(self.job(name), Options(**{"yes": True} | options), self._listen)
        self.agree(summary)
        return summary

    def resume(self, text: str = "last", **options: Any) -> Summary:
        summary = resume(self.studio(), text, Options(**{"yes": True} | options), self._listen)
        self.agree(summary)
        return summary

    def studio(self) -> Studio:
        return Studio.open(self.folder, environ=self.environ)

    def _listen(self, event: RunEvent) -> None:
        self.events.append(event)

    # --- as the program ---

    def start(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "promptlab", *words]
        process = subprocess.Popen(
            command, cwd=self.folder, env=self.environ | environ, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.started.append(process)
        return process

    def end(self, process: subprocess.Popen[str], seconds: float = 60) -> tuple[int, str, str]:
        """Wait for it: exit code, stdout, stderr. A traceback is a failure wherever it is."""
        out, err = process.communicate(timeout=seconds)
        self.output += [out, err]
        assert "Traceback" not in out + err, out + err
        return process.returncode, out, err

    def cli(self, *words: str, **environ: str) -> tuple[int, str, str]:
        return self.end(self.start(*words, **environ))

    def wait_for(self, condition: Callable[[], object], seconds: float = 30) -> None:
        """Poll until it holds; what is waited for is an event of another process, which nothing announces."""
        end = time.monotonic() + seconds
        while not _holds(condition):
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.005)

    # --- what the log says ---

    def rows(self, sql: str, *values: Any) -> list[Any]:
        uri = self.database.as_uri() + "?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=10)) as db:
            found = db.execute(sql, values).fetchall()
        return [row[0] for row in found] if found and len(found[0]) == 1 else found

    def one(self, sql: str, *values: Any) -> Any:
        return self.rows(sql, *values)[0]

    def statuses(self, run_id: str | None = None) -> dict[str, int]:
        sql = "SELECT status, count(*) FROM generations WHERE run_id = ifnull(?, run_id) GROUP BY 1"
        return dict(self.rows(sql, run_id))

    def bound(self) -> tuple[int, int]:
        """Images known (paid for, whether kept or lost), and with those that attempts may have been billed for."""
        known = self.one(
            "SELECT ifnull(sum(max(1, (SELECT count(*) FROM images i WHERE i.generation_id = g.id))), 0)"
            " FROM generations g WHERE g.cached_from IS NULL AND g.status IN ('completed', 'lost')"
        )
        risk = self.one("SELECT ifnull(sum(may_be_billed * g.n), 0) FROM attempts a JOIN generations g"
                        " ON g.id = a.generation_id")  # fmt: skip
        return known, known + risk

    def holds(self) -> None:
        """The bound: known ≤ made ≤ known + may be billed; and no known result was asked for again."""
        known, most = self.bound()
        assert known <= self.api.made <= most, (known, self.api.made, most)
        assert not self.api.asked_again
        assert self.one("SELECT count(*) FROM attempts WHERE ended_at IS NULL") == 0
        assert not self.one("SELECT count(*) FROM generations WHERE status IN ('failed', 'unknown', 'lost', 'skipped')"
                            " AND error_message IS NULL")  # fmt: skip

    def agree(self, summary: Summary) -> None:
        """The summary and the database are the same figures."""
        found = self.statuses(summary.run_id)
        assert sum(found.values()) == summary.planned
        assert found.get("completed", 0) == summary.completed
        assert (found.get("failed", 0), found.get("unknown", 0)) == (summary.failed, summary.unknown)
        assert (found.get("lost", 0), found.get("skipped", 0)) == (summary.lost, summary.skipped)
        assert (found.get("planned", 0), found.get("in_flight", 0)) == (summary.unsent, summary.unfetched)
        bad = summary.failed + summary.unknown + summary.lost + summary.skipped
        row = self.rows("SELECT status, completed, cached, failed, credits, cost_usd FROM runs WHERE id = ?",
                        summary.run_id)[0]  # fmt: skip
        assert row == (summary.status, summary.completed, summary.cached, bad, summary.credits, summary.cost_usd)

    def no_leak(self) -> None:
        """The key is in no file of the studio or the state folder, and in nothing that was printed."""
        for root in (self.folder, self.state):
            for file in root.rglob("*") if root.exists() else ():
                if file.is_file():
                    assert KEY.encode() not in file.read_bytes(), file
        assert all(KEY not in text for text in self.output)


def _holds(condition: Callable[[], object]) -> bool:
    try:
        return bool(condition())
    except sqlite3.OperationalError:  # no database yet, or no table
        return False


@pytest.fixture
def api() -> Iterator[Api]:
    server = Api().start()
    yield server
    server.stop()


@pytest.fixture
def lab(tmp_path: Path, api: Api) -> Iterator[Lab]:
    made = Lab(tmp_path, api)
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
            process.communicate()
    made.no_leak()
    assert not list(made.folder.rglob("?*.part")), "partial files are never left"
