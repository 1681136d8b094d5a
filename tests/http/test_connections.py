"""Connections: one for each request, so that nothing left over on one answers the next; and waits end."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from typing import Any

import httpx
import pytest

from promptlab.http import Answer, Call, DownloadLimits, SendError, parse_url
from promptlab.http.client import Client
from promptlab.http.connection import NotConnected, Outgoing
from promptlab.http.httpx_transport import through_httpx

LATE = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def post(prompt: str) -> Call:
    return Call("POST", "/v1/images/generate", json={"prompt": prompt})


def says(kit: Any, prompt: str) -> bytes:
    answer: bytes = kit.answer(200, json.dumps({"prompt": prompt}).encode())
    return answer


LEFT_OVER = {
    "a second answer": lambda kit, prompt: says(kit, f"not {prompt}"),
    "a late 408": lambda kit, prompt: LATE,
    "a line end after the JSON": lambda kit, prompt: b"\r\n",
    "one byte": lambda kit, prompt: b"H",
    "a megabyte": lambda kit, prompt: says(kit, "x" * 1_000_000),
}


@pytest.mark.parametrize("left", LEFT_OVER, ids=str)
@pytest.mark.parametrize("when", ["with the answer", "a moment later", "a while later"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
def test_what_is_left_over_answers_nothing(kit: Any, left: str, when: str, secure: bool) -> None:
    """Each prompt gets its own answer, on a new connection: h11, asyncio and the system may hold the stray bytes."""

    async def stray(seen: Any, writer: asyncio.StreamWriter) -> None:
        prompt = json.loads(seen.body)["prompt"]
        answer, more = says(kit, prompt), LEFT_OVER[left](kit, prompt)
        if when == "with the answer":
            writer.write(answer + more)
            return
        writer.write(answer)
        await writer.drain()
        if when == "a moment later":
            await asyncio.sleep(0)
        else:
            await asyncio.sleep(0.01)
        writer.write(more)

    async def run() -> None:
        options = {"network": kit.Elsewhere({"storage.example": ["93.184.216.34"]}, 0), "context": kit.client_context()}
        async with kit.serve(stray, kit.server_context() if secure else None) as server:
            options["network"].port = server.port
            url = "https://storage.example" if secure else server.url
            async with Client(url, **(options if secure else {})) as client:
                for number in range(4):
                    answer = await client.send(post(f"prompt {number}"))
                    assert json.loads(answer.body) == {"prompt": f"prompt {number}"}
            assert server.connections == 4

    asyncio.run(run())


def test_a_connection_carries_one_exchange(kit: Any) -> None:
    """Whatever the answer, its connection is closed with it, and the server sees the close."""
    answers = [
        kit.answer(200, b"{}"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + kit.answer(500, b"{}"),
    ]

    async def run() -> None:
        for answer in answers:
            async with kit.serve(answer) as server, Client(server.url) as client:
                for _ in range(3):
                    await client.send(post("p"))
                assert server.connections == 3

    asyncio.run(run())


def test_a_second_answer_that_comes_late_answers_nothing(kit: Any) -> None:
    """It arrives while the next request waits for its own answer: only a connection of its own keeps the two apart."""

    async def run() -> None:
        second = asyncio.Event()

        async def late(seen: Any, writer: asyncio.StreamWriter) -> None:
            prompt = json.loads(seen.body)["prompt"]
            if prompt == "second":
                second.set()
                await asyncio.sleep(0.05)
            writer.write(says(kit, prompt))
            await writer.drain()
            if prompt == "first":
                await second.wait()
                writer.write(says(kit, "not the second"))

        async with kit.serve(late) as server, Client(server.url) as client:
            for prompt in ("first", "second"):
                assert json.loads((await client.send(post(prompt))).body) == {"prompt": prompt}

    asyncio.run(run())


def test_it_is_told_when_a_request_has_left(kit: Any) -> None:
    """The pacer counts from then on: not before the connection stands, and not only once the answer is there."""
    told: list[int] = []

    async def slow(seen: Any, writer: asyncio.StreamWriter) -> None:
        while not told:
            await asyncio.sleep(0.001)
        writer.write(kit.answer())

    async def run() -> None:
        async with kit.serve(slow) as server, Client(server.url) as client:
            await client.send(post("p"), left=lambda: told.append(server.connections))
            with pytest.raises(SendError):
                await Client("http://127.0.0.1:9", network=kit.Elsewhere({}, 9)).send(
                    post("p"), left=lambda: told.append(-1)
                )

    asyncio.run(run())
    assert len(told) == 1


def test_a_close_right_after_an_answer_costs_nothing(kit: Any) -> None:
    """A server that answers and closes, without a word about it, gets the next request on a new connection."""

    async def leaves(seen: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(kit.answer())
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.transport.abort()

    async def run() -> None:
        async with kit.serve(leaves) as server, Client(server.url) as client:
            for _ in range(10):
                assert (await client.send(post("p"))).status == 200

    asyncio.run(run())


# --- answers that come before the request is sent ---


EARLY = b'{"error": {"code": "payload_too_large", "message": "at most 10 MB"}}'


@pytest.mark.parametrize("how", ["close", "reset", "stay open", "after a 100"])
@pytest.mark.parametrize("size", [10_000, 8_000_000])
def test_an_early_answer_is_heard(kit: Any, how: str, size: int) -> None:
    """A 413 that comes while the body is still being sent keeps the server's words, however the server leaves."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if how == "after a 100":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        head = f"HTTP/1.1 413 Content Too Large\r\nContent-Length: {len(EARLY)}\r\n\r\n"
        writer.write(head.encode() + EARLY)
        await writer.drain()
        if how == "reset":
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            await asyncio.sleep(0.05)  # the answer is on its way before the reset is
        if how != "stay open":
            writer.close()

    async def run() -> Answer:
        async with kit.raw(connected) as url, Client(url) as client:
            return await asyncio.wait_for(client.send(post("p" * size)), 20)

    answer = asyncio.run(run())
    assert (answer.status, answer.body) == (413, EARLY)


def test_an_early_success_does_not_cut_the_request_short(kit: Any) -> None:
    """A server that begins its answer while it still reads gets the whole request."""
    whole: list[int] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        await writer.drain()
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        whole.append(len(await reader.readexactly(length)) - length)
        writer.write(b"{}")

    async def run() -> int:
        async with kit.raw(connected) as url, Client(url) as client:
            return (await client.send(post("p" * 4_000_000))).status

    assert asyncio.run(run()) == 200
    assert whole == [0]


# --- waits end ---


def test_a_dripping_answer_ends(kit: Any) -> None:
    """A server that sends a byte now and then, each within the read timeout, is given up on, as sent."""

    async def drip(seen: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    async def run() -> None:
        async with kit.serve(drip) as server:
            async with Client(server.url, read_timeout=5, total_timeout=0.1) as client:
                with pytest.raises(SendError, match="did not answer in time") as caught:
                    await client.send(post("p"))
                assert caught.value.sent
            async with Client(server.url) as client:
                with pytest.raises(SendError, match="in time"):
                    await client.send(Call("GET", "/v1/jobs/1", timeout_s=0.05))

    asyncio.run(run())


def test_no_wait_is_without_an_end() -> None:
    """What a client allows by default: a quarter of an hour for an answer, five minutes and a pace for a download."""
    client = Client("http://127.0.0.1:9")
    assert (client._read, client._total) == (600, 900)
    limits = DownloadLimits()
    assert limits.total_s <= 300
    assert limits.min_rate * limits.grace_s > 0


ALONE = """
import asyncio, sys
from promptlab.http import Call
from promptlab.http.client import Client
async def main():
    async def answer(reader, writer):
        await reader.readuntil(b"\\r\\n\\r\\n")
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
        await writer.drain()
        writer.close()
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with Client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as client:
        print((await client.send(Call("POST", "/x", json={}))).status, "httpx" in sys.modules)
    server.close()
asyncio.run(main())
"""


def test_sending_does_not_load_httpx() -> None:
    """A run pays for httpx's import only where it is used: forms, certificates, and apps in this process."""
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["200", "False"]


def test_any_httpx_transport_fits(kit: Any) -> None:
    """Another transport is one line: httpx's own gives the same answer, and says when nothing was sent."""

    async def run() -> None:
        async with kit.serve(kit.answer(200, b'{"a": 1}', X_A="1")) as server:
            transport = httpx.AsyncHTTPTransport()
            asked = Outgoing("POST", parse_url(f"{server.url}/x"), {"X-B": "2"}, b"{}", 5, 5, 5)
            found = await through_httpx(transport, asked)
            assert (found.status, found.headers["x-a"], await found.read()) == (200, "1", b'{"a": 1}')
            assert await found.read() == b""
            await found.aclose()
            assert server.seen[0].headers["x-b"] == "2"
            await transport.aclose()
        with pytest.raises(NotConnected):
            await through_httpx(httpx.AsyncHTTPTransport(), asked)

    asyncio.run(run())
