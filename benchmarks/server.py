"""A loopback image API that costs almost nothing, so that a benchmark measures the client.

`python benchmarks/server.py [--latency S] [--size BYTES | --side PIXELS] [--limit N] [--refuse N]` prints its port and
serves Kairval's wire: POST /v1/images/generate answers with a URL, GET /files/... with a PNG of about that size, each
with different bytes. The first N requests of `--refuse` get a 429.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import struct
import zlib
from collections.abc import Callable


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def photo(side: int) -> tuple[bytes, bytes]:
    """A square PNG that compresses about as a photograph does: gradients with a little noise, 1.6 bytes a pixel."""
    import io

    from PIL import Image, ImageChops

    noise = Image.frombytes("RGB", (side, side), bytes(x & 15 for x in os.urandom(side * side * 3)))
    ramp = Image.merge("RGB", [Image.linear_gradient("L").resize((side, side)).rotate(turn) for turn in (0, 90, 180)])
    file = io.BytesIO()
    ImageChops.add(ramp, noise).save(file, "png", compress_level=1)
    data = file.getvalue()
    return data[:-12], data[-12:]


def picture(size: int) -> tuple[bytes, bytes]:
    """The start of a noisy RGB PNG of about `size` bytes, and its end; a text chunk between makes each one unique."""
    side = max(8, int((size / 3) ** 0.5))
    rows = b"".join(b"\0" + os.urandom(side * 3) for _ in range(side))
    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return head + chunk(b"IDAT", zlib.compress(rows, 0)), chunk(b"IEND", b"")


class Server(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, as little of it as the clients here need."""

    made = 0
    refuse = 0

    def __init__(self, port: Callable[[], int], latency: float, parts: tuple[bytes, bytes], limit: int) -> None:
        self.port, self.latency, self.parts, self.limit = port, latency, parts, limit
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].decode("latin-1")
            length = 0
            for line in head.split("\r\n")[1:]:
                name, _, value = line.partition(":")
                if name.lower() == "content-length":
                    length = int(value)
            if len(self.buffer) < end + 4 + length:
                return
            self.buffer = self.buffer[end + 4 + length :]
            self.answer(head.split(" ", 2)[0], head.split(" ", 2)[1])

    def answer(self, method: str, path: str) -> None:
        if method == "POST" and Server.refuse > 0:
            Server.refuse -= 1
            error = {"error": {"code": "rate_limited", "type": "rate_limit_error", "message": "too many requests"}}
            self.reply(json.dumps(error).encode(), "application/json", "429 Too Many Requests\r\nRetry-After: 0")
        elif method == "POST":
            if self.latency:
                asyncio.get_running_loop().call_later(self.latency, self.generated)
            else:
                self.generated()
        else:
            number = path.rpartition("/")[2].encode()
            self.reply(self.parts[0] + chunk(b"tEXt", b"n\0" + number) + self.parts[1], "image/png")

    def generated(self) -> None:
        Server.made += 1
        n = Server.made
        url = f"http://127.0.0.1:{self.port()}/files/{n}"
        body = {
            "id": f"gen_{n}", "model": "gpt-image-2", "created": 1714713600,
            "data": [{"url": url, "revised_prompt": f"A clean revised prompt, number {n}"}],
        }  # fmt: skip
        self.reply(json.dumps(body).encode(), "application/json")

    def reply(self, body: bytes, kind: str, status: str = "200 OK") -> None:
        limits = f"X-RateLimit-Limit: {self.limit}\r\nX-RateLimit-Remaining: {self.limit}\r\n" if self.limit else ""
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{limits}\r\n"
        self.transport.write(head.encode() + body)


async def main(latency: float, size: int, side: int, limit: int) -> None:
    parts, port = photo(side) if side else picture(size), 0
    server = await asyncio.get_running_loop().create_server(
        lambda: Server(lambda: port, latency, parts, limit), "127.0.0.1", 0
    )
    port = server.sockets[0].getsockname()[1]
    print(port, flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--size", type=int, default=60_000)
    parser.add_argument("--side", type=int, default=0)
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--refuse", type=int, default=0)
    arguments = parser.parse_args()
    Server.refuse = arguments.refuse
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(arguments.latency, arguments.size, arguments.side, arguments.limit))
