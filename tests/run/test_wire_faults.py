"""Faults of the wire, many in one run: every end is right and has its own words, nothing is sent twice, no mix-up.

Each prompt of one run meets one fault; between them stand prompts whose server is well. The server writes bytes.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

OK = b"HTTP/1.1 200 OK\r\n"
UNKNOWN, FAILED, LOST, DONE = "unknown", "failed", "lost", "completed"


@dataclass(frozen=True)
class Fault:
    """What is written for one POST, how the generation ends, and words that its reason has."""

    name: str
    wire: bytes | Callable[[str], bytes]  # `str` is the URL of the prompt's own image
    end: str
    words: str = ""
    posts: int = 1
    reset: bool = False  # close with a TCP reset instead of a FIN
    close: bool = True


def sized(body: bytes, status: str = "200 OK", extra: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode("latin-1") + body


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n", extra: bytes = b"") -> bytes:
    pieces = b"".join(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks)
    return OK + b"Transfer-Encoding: chunked\r\n" + extra + b"\r\n" + pieces + end


def good(url: str) -> bytes:
    return json.dumps({"id": "gen", "created": 1, "data": [{"url": url}]}).encode()


def said(status: str, code: str, message: str, extra: str = "") -> bytes:
    return sized(json.dumps({"error": {"code": code, "message": message}}).encode(), status, extra)


def json_of(text: str | bytes) -> bytes:
    return sized(text if isinstance(text, bytes) else text.encode())


ZIPPED = gzip.compress(b'{"data": []}')
DEEP = b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}"

FRAMING = [
    Fault("silence, then a close", b"", UNKNOWN, "without an answer"),
    Fault("silence, then a reset", b"", UNKNOWN, "reset", reset=True),
    Fault("half a status line", b"HTTP/1.1 20", UNKNOWN, "broke off"),
    Fault("half a head", OK + b"Content-Le", UNKNOWN, "broke off"),
    Fault("half a body", OK + b"Content-Length: 999\r\n\r\n{", UNKNOWN, "broke off"),
    Fault("half a body, reset", OK + b"Content-Length: 999\r\n\r\n{", UNKNOWN, "broke off", reset=True),
    Fault("half a chunk", OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{", UNKNOWN, "broke off"),
    Fault("no last chunk", chunked(b"{}", end=b""), UNKNOWN, "broke off"),
    Fault("a chunk size in words", OK + b"Transfer-Encoding: chunked\r\n\r\nlots\r\n", UNKNOWN, "chunk"),
    Fault("a negative chunk", OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n", UNKNOWN, "chunk"),
    Fault("an enormous chunk", OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 30 + b"\r\n", UNKNOWN, "broke off"),
    Fault("an unknown transfer coding", OK + b"Transfer-Encoding: br\r\n\r\n{}", UNKNOWN, "broke off"),
    Fault("two lengths", OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", UNKNOWN, "Content-Length"),
    Fault("a length in words", OK + b"Content-Length: two\r\n\r\n{}", UNKNOWN, "Content-Length"),
    Fault("a negative length", OK + b"Content-Length: -1\r\n\r\n{}", UNKNOWN, "Content-Length"),
    Fault("a head without end", OK + b"X: " + b"x" * 200_000, UNKNOWN, "broke off"),
    Fault("a thousand headers", OK + b"X-A: 1\r\n" * 20_000, UNKNOWN, "broke off"),
    Fault("a NUL in a header", OK + b"X-A: a\0b\r\nContent-Length: 2\r\n\r\n{}", UNKNOWN, "broke off"),
    Fault("a header without a name", OK + b": x\r\nContent-Length: 2\r\n\r\n{}", UNKNOWN, "broke off"),
    Fault("a header without a colon", OK + b"nonsense\r\nContent-Length: 2\r\n\r\n{}", UNKNOWN, "broke off"),
    Fault("no HTTP at all", b"220 mail.example ESMTP\r\n", UNKNOWN, "broke off"),
    Fault("TLS alert bytes", b"\x15\x03\x03\x00\x02\x02\x28", UNKNOWN, "broke off"),
    Fault("HTTP/2 preface", b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", UNKNOWN, "broke off"),
    Fault("a status of 999", sized(b"{}", "999 Odd"), UNKNOWN, "HTTP 999"),
    Fault("a status of 99", sized(b"{}", "99 Odd"), UNKNOWN, "broke off"),
    Fault("HTTP/3.0", b"HTTP/3.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", UNKNOWN, "no image"),
    Fault("a switch of protocols", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", UNKNOWN, "broke off"),
    Fault("only a 100", b"HTTP/1.1 100 Continue\r\n\r\n", UNKNOWN, "without an answer"),
    Fault("a hundred 103s and no end", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100, UNKNOWN, "without an answer"),
]
BODIES = [
    Fault("no JSON", json_of("<html>busy</html>"), UNKNOWN, "not JSON"),
    Fault("no content", OK + b"Content-Length: 0\r\n\r\n", UNKNOWN, "not JSON"),
    Fault("204", b"HTTP/1.1 204 No Content\r\n\r\n", UNKNOWN, "HTTP 204"),
    Fault("206 of something", sized(b"{}", "206 Partial Content"), UNKNOWN, "HTTP 206"),
    Fault("half of a JSON", json_of('{"data": [{"url": "https://'), UNKNOWN, "not JSON"),
    Fault("a number", json_of("17"), UNKNOWN, "JSON int"),
    Fault("null", json_of("null"), UNKNOWN, "JSON NoneType"),
    Fault("a string", json_of('"done"'), UNKNOWN, "JSON str"),
    Fault("an empty list", json_of("[]"), UNKNOWN, "no image"),
    Fault("an empty object", json_of("{}"), UNKNOWN, "no image"),
    Fault("no data", json_of('{"data": []}'), UNKNOWN, "no image"),
    Fault("null data", json_of('{"data": null}'), UNKNOWN, "no image"),
    Fault("data in words", json_of('{"data": "soon"}'), UNKNOWN, "no image"),
    Fault("data of numbers", json_of('{"data": [1, 2]}'), UNKNOWN, "no image"),
    Fault("a URL that is a number", json_of('{"data": [{"url": 7}]}'), LOST, "names no image"),
    Fault("a URL that is a list", json_of('{"data": [{"url": ["a"]}]}'), LOST, "names no image"),
    Fault("a URL with a password", json_of('{"data": [{"url": "https://u:p@h.example/x"}]}'), LOST, "user name"),
    Fault("a URL of a file", json_of('{"data": [{"url": "file:///etc/passwd"}]}'), LOST, ""),
    Fault("a private URL", json_of('{"data": [{"url": "https://10.1.2.3/x"}]}'), LOST, "not a public address"),
    Fault("plain http elsewhere", json_of('{"data": [{"url": "http://h.example/x"}]}'), LOST, "only fetched over"),
    Fault("Base64 that is not Base64", json_of('{"data": [{"b64_json": "####"}]}'), LOST, ""),
    Fault("Base64 of no image", json_of('{"data": [{"b64_json": "' + "QUJD" * 40 + '"}]}'), LOST, ""),
    Fault("NaN for an image", json_of('{"data": [{"url": NaN}]}'), LOST, "names no image"),
    Fault("lone surrogates", json_of('{"data": [], "message": "\\ud800"}'), UNKNOWN, "with an error"),
    Fault("a nest of brackets", sized(DEEP), UNKNOWN, "not JSON"),
    Fault("bytes that are not text", sized(b'{"data": "\xff\xfe"}'), UNKNOWN, "not JSON"),
    Fault("gzip cut short", sized(ZIPPED[:-6], extra="Content-Encoding: gzip\r\n"), UNKNOWN, "no end"),
    Fault("gzip that is not gzip", sized(b"plain", extra="Content-Encoding: gzip\r\n"), UNKNOWN, "damaged"),
    Fault("a coding that was not asked for", sized(b"x", extra="Content-Encoding: br\r\n"), UNKNOWN, "not asked for"),
    Fault("a 200 that refuses", said("200 OK", "moderation", "not in this house"), UNKNOWN, "not in this house"),
    Fault("a job without an id", sized(b'{"status": "queued"}', "202 Accepted"), UNKNOWN, "job id"),
]
STATUSES = [
    Fault("400", said("400 Bad Request", "bad_prompt", "too few words"), FAILED, "too few words"),
    Fault("403", said("403 Forbidden", "region", "not from here"), FAILED, "not from here"),
    Fault("404", sized(b"<h1>No such <b>page</b></h1>", "404 Not Found"), FAILED, "No such page"),
    Fault("405 without words", sized(b"", "405 Method Not Allowed"), FAILED, "HTTP 405"),
    Fault("413", said("413 Content Too Large", "too_large", "at most 4 MB"), FAILED, "at most 4 MB"),
    Fault("422 in another form", sized(b'{"errors": {"n": ["too many"]}}', "422 X"), FAILED, "too many"),
    Fault("422 of FastAPI", sized(b'{"detail": [{"msg": "field required"}]}', "422 X"), FAILED, "field required"),
    Fault("451", said("451 X", "legal", "by order"), FAILED, "by order"),
    Fault("301", sized(b"", "301 Moved", "Location: https://10.0.0.1/\r\n"), FAILED, "redirects"),
    Fault("307", sized(b"", "307 X", "Location: /v1/images/generate\r\n"), FAILED, "redirects"),
    Fault("304", b"HTTP/1.1 304 Not Modified\r\n\r\n", FAILED, "redirects"),
    Fault("501", said("501 X", "no_such", "cannot draw"), FAILED, "cannot draw"),
    Fault("408", said("408 X", "late", "gave up"), UNKNOWN, "gave up"),
    Fault("502", sized(b"<title>bad gateway</title>", "502 Bad Gateway"), UNKNOWN, "bad gateway"),
    Fault("504", sized(b"", "504 Gateway Timeout"), UNKNOWN, "HTTP 504"),
    Fault("524", sized(b"error code: 524", "524 X"), UNKNOWN, "error code: 524"),
    Fault("500 for ever", said("500 X", "oops", "on fire"), FAILED, "on fire", posts=6),
    Fault("503 for ever", said("503 X", "busy", "come later"), FAILED, "come later", posts=6),
    Fault("500 in a broken body", sized(b"\xff\xfe\x00", "500 X"), FAILED, "", posts=6),
]
#: What looks odd and is right: the prompt's own image comes of it.
FINE = [
    Fault("HTTP/1.0 until the close", lambda url: b"HTTP/1.0 200 OK\r\n\r\n" + good(url), DONE),
    Fault("no length, until the close", lambda url: OK + b"\r\n" + good(url), DONE),
    Fault("one byte per chunk", lambda url: chunked(*(good(url)[i : i + 1] for i in range(len(good(url))))), DONE),
    Fault("trailers", lambda url: chunked(good(url), end=b"0\r\nX-T: 1\r\n\r\n"), DONE, close=False),
    Fault("chunk extensions", lambda url: OK + b"Transfer-Encoding: chunked\r\n\r\n"
          + f"{len(good(url)):X};a=b\r\n".encode() + good(url) + b"\r\n0\r\n\r\n", DONE, close=False),
    Fault("a 100 first", lambda url: b"HTTP/1.1 100 Continue\r\n\r\n" + sized(good(url)), DONE, close=False),
    Fault("103s first", lambda url: b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 3 + sized(good(url)), DONE),
    Fault("gzip unasked", lambda url: sized(gzip.compress(good(url)), extra="Content-Encoding: gzip\r\n"), DONE),
    Fault("a byte order mark", lambda url: sized(b"\xef\xbb\xbf" + good(url)), DONE),
    Fault("called text/html", lambda url: sized(good(url), extra="Content-Type: text/html\r\n"), DONE, close=False),
    Fault("a header twice", lambda url: sized(good(url), extra="X-A: 1\r\nX-A: 2\r\n"), DONE, close=False),
    Fault("odd letters in a header", lambda url: sized(good(url), extra="X-A: \xe9\xff\r\n"), DONE, close=False),
    Fault("Remaining 0", lambda url: sized(good(url), extra="X-RateLimit-Remaining: 0\r\n"), DONE, close=False),
    Fault("201", lambda url: sized(good(url), "201 Created"), DONE, close=False),
    Fault("NaN beside the image", lambda url: sized(good(url).replace(b'"created": 1', b'"created": NaN')), DONE),
    Fault("a relative URL", lambda url: sized(good(url[url.index("/", 8):])), DONE, close=False),
    Fault("under result", lambda url: sized(b'{"result": ' + good(url) + b"}"), DONE, close=False),
    Fault("a list of entries", lambda url: sized(json.dumps([{"url": url}]).encode()), DONE, close=False),
    Fault("more images than asked for", lambda url: sized(json.dumps({"data": [{"url": url}] * 2}).encode()), DONE),
    Fault("CRLF after the JSON", lambda url: sized(good(url)) + b"\r\n", DONE, close=False),
    Fault("a late 408", lambda url: sized(good(url)) + sized(b"", "408 Request Timeout"), DONE, close=False),
    Fault("a second answer", lambda url: sized(good(url)) * 2, DONE, close=False),
    Fault("a line end before the head", lambda url: b"\r\n" + sized(good(url)), DONE, close=False),
    Fault("closed at once after", lambda url: sized(good(url)), DONE),
    Fault("reset after", lambda url: sized(good(url), extra="Connection: close\r\n"), DONE),
]  # fmt: skip
FAULTS = [*FRAMING, *BODIES, *STATUSES, *FINE]
BY_NAME = {fault.name: fault for fault in FAULTS}
WELL = 20


class Bytes:
    """The server: it finds the fault by the prompt's name, and gives every prompt the image of its number."""

    def __init__(self, png: Callable[[int], bytes]) -> None:
        self.png, self.posts, self.loop = png, Counter[str](), asyncio.new_event_loop()
        self.numbers = {name: number for number, name in enumerate([*BY_NAME, *(f"well {n}" for n in range(WELL))])}
        self.url, ready = "", threading.Event()
        self.thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self.thread.start()
        ready.wait(10)

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self._connected, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        self.loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0.01))
        self.loop.close()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                if head.startswith("GET /file/"):
                    writer.write(sized(self.png(int(head[len("GET /file/") :].split()[0]))))
                    continue
                length = int(head.lower().partition("content-length:")[2].split()[0])
                prompt = json.loads(await reader.readexactly(length))["prompt"]
                self.posts[prompt] += 1
                url = f"{self.url}/file/{self.numbers[prompt]}"
                fault = BY_NAME.get(prompt) or Fault(prompt, lambda url: sized(good(url)), DONE, close=False)
                writer.write(fault.wire if isinstance(fault.wire, bytes) else fault.wire(url))
                if fault.reset:
                    await asyncio.sleep(0.02)
                    linger = struct.pack("ii", 1, 0)
                    writer.get_extra_info("socket").setsockopt(1, 13, linger)  # SOL_SOCKET, SO_LINGER
                    writer.transport.abort()
                    return
                await writer.drain()
                if fault.close:
                    writer.close()
                    return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.transport.abort()


@pytest.fixture
def server(api: Any) -> Iterator[Bytes]:
    found = Bytes(api.png)
    yield found
    found.stop()


@pytest.mark.parametrize("jobs", [1, 12])
def test_every_fault_ends_right_and_with_its_own_words(
    lab: Any, api: Any, server: Bytes, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    """A hundred faults in one run: each end, its words, its number of POSTs, and every picture under its own prompt."""
    monkeypatch.setattr("promptlab.run.wiring.random.random", lambda: 0.0)
    lab.environ["KAIRVAL_BASE_URL"] = server.url
    order = interleaved(list(BY_NAME), [name for name in server.numbers if name not in BY_NAME])
    (lab.folder / "names.csv").write_text("n\n" + "".join(f'"{name}"\n' for name in order))
    axes = json.dumps({"fault": {"from": "../names.csv", "id": "n"}})
    lab.experiment(prompt='"{{ fault.n }}"', axes=axes)
    summary = lab.run(jobs=jobs)
    assert summary.stopped is None, summary.stopped

    sql = "SELECT prompt, status, ifnull(error_message, ''), attempts, id FROM generations"
    rows = lab.rows(sql)
    assert len(rows) == len(server.numbers)
    wrong: list[tuple[Any, ...]] = []
    for prompt, status, message, attempts, row in rows:
        fault = BY_NAME.get(prompt) or Fault(prompt, b"", DONE)
        right = status == fault.end and fault.words in message and bool(message) == (fault.end != DONE)
        if not right or not server.posts[prompt] == fault.posts == attempts:
            wrong.append((prompt, status, message, server.posts[prompt], attempts))
        if status == DONE:
            image = lab.rows("SELECT sha256 FROM images WHERE generation_id = ? ORDER BY position", row)[0]
            stored = next(lab.folder.glob(f"images/**/{image}*"))
            if stored.read_bytes() != api.png(server.numbers[prompt]):
                wrong.append((prompt, "has another's image"))
    assert not wrong, "\n".join(map(str, wrong))


def interleaved(faults: list[str], well: list[str]) -> list[str]:
    """The faults in their order, a prompt whose server is well after every few."""
    step = -(-len(faults) // len(well))
    return [name for i, good in enumerate(well) for name in [*faults[i * step : (i + 1) * step], good]]
