"""A chat model on a loopback port that looks at the pictures it is sent, and can be told to misbehave."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

Answer = tuple[int, dict[str, Any] | bytes, dict[str, str]]


def brighter(first: float, second: float) -> str:
    """Prefers the brighter picture, whichever comes first."""
    return "tie" if abs(first - second) < 0.5 else "A" if first > second else "B"


@dataclass
class FakeJudge:
    """`choose` gets the mean brightness of both pictures; `misbehave` may answer the nth request otherwise, or with
    None close the connection after reading it."""

    choose: Callable[[float, float], str] = brighter
    misbehave: Callable[[int], Answer | str | None] = lambda number: "go on"
    requests: list[dict[str, Any]] = field(default_factory=list)
    usage: dict[str, int] | None = field(default_factory=lambda: {"prompt_tokens": 2000, "completion_tokens": 50})
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, headers: Any, body: dict[str, Any]) -> Answer | None:
        with self.lock:
            self.requests.append({"headers": dict(headers), "body": body})
            number = len(self.requests)
        found = self.misbehave(number)
        if found is None or isinstance(found, tuple):
            return found
        pictures = [part["image_url"]["url"] for part in body["messages"][1]["content"] if part["type"] == "image_url"]
        choice = self.choose(*map(brightness, pictures))
        text = json.dumps({"choice": choice, "reason": "it is what it is"})
        reply: dict[str, Any] = {"choices": [{"message": {"role": "assistant", "content": f"```json\n{text}\n```"}}]}
        return 200, reply | ({"usage": self.usage} if self.usage else {}), {}


def brightness(url: str) -> float:
    """The mean grey level of a picture that came as a data URL."""
    kind, _, data = url.partition(",")
    assert kind == "data:image/jpeg;base64"
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert not picture.getexif()
    assert max(picture.size) <= 1024
    levels = picture.convert("L").resize((1, 1), Image.Resampling.BOX).tobytes()
    return float(levels[0])


def serve(judge: FakeJudge) -> tuple[ThreadingHTTPServer, threading.Thread]:
    """The server, answering in a thread."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/chat/completions", self.path
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found = judge.answer(self.headers, body)
            if found is None:
                self.close_connection = True
                self.connection.close()
                return
            status, reply, headers = found
            data = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
            self.send_response(status)
            for name, value in (
                {"Content-Type": "application/json", "Content-Length": str(len(data))} | headers
            ).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def finish(self) -> None:
            with suppress(OSError, ValueError):  # closed on purpose
                super().finish()

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that left before its answer is no fault here."""

    server = Quiet(("127.0.0.1", 0), Handler)
    judge.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    return server, thread
