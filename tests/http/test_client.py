"""The client on loopback servers that answer, lie, hang and break off."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from typing import Any

import pytest

from promptlab.http import Answer, Call, Part, SendError
from promptlab.http.client import Client

POST = Call("POST", "/v1/images/generate", json={"model": "m", "prompt": "thé"}, headers={"Idempotency-Key": "k1"})
KEY = "Bearer kv_secret_0123456789"


async def send(url: str, call: Call = POST, **options: Any) -> Answer:
    async with Client(url, authorization=KEY, **options) as client:
        return await client.send(call)


def test_what_goes_on_the_wire(kit: Any) -> None:
    """A call has the body as JSON, the key, the extra headers, and nothing else but what HTTP needs."""

    async def run() -> None:
        async with kit.serve(
            kit.answer(200, b'{"ok": 1}', X_Request_Id="r1", **{"Content-Type": "application/json"})
        ) as server:
            answer = await send(server.url + "/gateway/", user_agent="promptlab/1")
            assert (answer.status, json.loads(answer.body), answer.headers["x-request-id"]) == (200, {"ok": 1}, "r1")
            seen = server.seen[0]
            assert (seen.method, seen.path) == ("POST", "/gateway/v1/images/generate")
            assert json.loads(seen.body) == {"model": "m", "prompt": "thé"}
            assert seen.headers == {
                "host": f"127.0.0.1:{server.port}",
                "authorization": KEY,
                "content-type": "application/json",
                "accept": "application/json",
                "user-agent": "promptlab/1",
                "idempotency-key": "k1",
                "content-length": str(len(seen.body)),
            }

    asyncio.run(run())


def test_files_go_as_multipart(kit: Any) -> None:
    """Parts and fields make one multipart body."""

    async def run() -> None:
        async with kit.serve(kit.answer()) as server:
            part = Part("image", "image.png", b"\x89PNG", "image/png")
            await send(server.url, Call("POST", "/v1/images/edits", data={"prompt": "p", "n": "2"}, files=[part]))
            seen = server.seen[0]
            assert seen.headers["content-type"].startswith("multipart/form-data; boundary=")
            assert b'name="prompt"\r\n\r\np\r\n' in seen.body
            assert b'name="image"; filename="image.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n' in seen.body

    asyncio.run(run())


@pytest.mark.parametrize("status", [200, 202, 301, 307, 400, 429, 500, 503])
def test_every_status_is_an_answer(kit: Any, status: int) -> None:
    """Any complete response is an answer; a redirect is one too, and is not followed."""

    async def run() -> None:
        async with kit.serve(kit.answer(status, b"x", Location="/elsewhere")) as server:
            assert (await send(server.url)).status == status
            assert len(server.seen) == 1

    asyncio.run(run())


def test_refused_and_unknown_hosts_were_certainly_not_sent(kit: Any) -> None:
    """No listener, no name, no TLS: sent is False."""

    async def run() -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with pytest.raises(SendError, match="Connection refused") as refused:
            await send(f"http://127.0.0.1:{port}")
        assert not refused.value.sent
        with pytest.raises(SendError, match="not found") as unknown:
            await send("https://api.example", network=kit.Elsewhere({}, 1))
        assert not unknown.value.sent
        async with kit.serve(kit.answer()) as server:
            with pytest.raises(SendError, match="TLS") as plain:
                await send(server.url.replace("http:", "https:"), connect_timeout=0.2)
            assert not plain.value.sent

    asyncio.run(run())


def test_a_connect_timeout_was_not_sent(kit: Any) -> None:
    """A connection that never comes about is not sent."""

    class Silent:
        async def resolve(self, host: str, port: int) -> list[str]:
            return ["192.0.2.1"]

        async def open(self, address: str, port: int) -> Any:
            await asyncio.sleep(60)

    async def run() -> None:
        with pytest.raises(SendError, match=r"in 0\.05 s") as caught:
            await send("https://api.example", network=Silent(), connect_timeout=0.05)
        assert not caught.value.sent

    asyncio.run(run())


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with a TCP reset."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Encoding: gzip\r\n\r\nabc",
    ],
)
@pytest.mark.parametrize("how", ["close", "reset"])
def test_an_answer_that_breaks_off_may_have_been_billed(kit: Any, sent: bytes, how: str) -> None:
    """Whatever part of an answer came: the request was sent."""

    async def broken(seen: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()
        reset(writer) if how == "reset" else writer.close()

    async def run() -> None:
        async with kit.serve(broken) as server:
            with pytest.raises(SendError) as caught:
                await send(server.url)
            assert caught.value.sent
            assert len(server.seen) == 1
            assert "kv_secret" not in repr(caught.value) + str(caught.value.__cause__)

    asyncio.run(run())


def test_silence_and_dripping_end(kit: Any) -> None:
    """A server that says nothing, or a byte now and then, is given up on, as sent."""

    async def silent(seen: Any, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async def run() -> None:
        async with kit.serve(silent) as server:
            with pytest.raises(SendError, match="did not answer in time") as caught:
                await send(server.url, read_timeout=0.05)
            assert caught.value.sent

    asyncio.run(run())


def test_a_body_has_a_cap(kit: Any) -> None:
    """An answer larger than the cap is given up on early, also as a compressed bomb."""

    async def run() -> None:
        for body, encoding in ((b"x" * 100_000, "identity"), (gzip.compress(b"x" * 5_000_000), "gzip")):
            async with kit.serve(kit.answer(200, body, Content_Encoding=encoding)) as server:
                with pytest.raises(SendError, match="larger than") as caught:
                    await send(server.url, max_body=50_000)
                assert caught.value.sent

    asyncio.run(run())


def test_a_compressed_answer_is_read(kit: Any) -> None:
    """A gateway may compress although it was not asked to."""

    async def run() -> None:
        async with kit.serve(kit.answer(200, gzip.compress(b'{"a": 1}'), Content_Encoding="gzip")) as server:
            assert (await send(server.url)).body == b'{"a": 1}'

    asyncio.run(run())


def test_the_key_stays_on_its_origin(kit: Any) -> None:
    """A call to another origin is refused before anything is sent."""

    async def run() -> None:
        async with kit.serve(kit.answer()) as server:
            with pytest.raises(SendError, match="own origin") as caught:
                await send("http://127.0.0.1:9", Call("GET", f"{server.url}/v1/jobs/1"))
            assert not caught.value.sent
            assert server.connections == 0
            await send(server.url, Call("GET", f"{server.url}/v1/jobs/1?a=b"))
            assert server.seen[0].path == "/v1/jobs/1?a=b"

    asyncio.run(run())


def test_an_echoed_key_is_removed(kit: Any) -> None:
    """A server that repeats the key in its answer does not get it into the log."""
    body = b'{"error": {"message": "Incorrect API key provided: kv_secret_0123456789"}}'

    async def run() -> None:
        async with kit.serve(kit.answer(401, body, X_Echo=KEY)) as server:
            answer = await send(server.url)
            assert b"kv_secret" not in answer.body
            assert "kv_secret" not in str(answer.headers)
            assert b"[key]" in answer.body

    asyncio.run(run())


@pytest.mark.parametrize("key", ["Bearer kv_a\nb", "Bearer kv_ä", "Bearer ", "", "Bearer kv\x00"])
def test_a_key_no_header_can_carry(key: str) -> None:
    """A bad Authorization is refused without being shown."""
    with pytest.raises(ValueError, match="no header can carry") as caught:
        Client("http://127.0.0.1", authorization=key)
    assert "kv" not in str(caught.value)


def test_cancelling_drops_the_connection(kit: Any) -> None:
    """A cancelled call leaves no half-read connection behind."""

    async def hang(seen: Any, writer: asyncio.StreamWriter) -> None:
        if len(seen.body) and seen.connection == 1:
            await asyncio.sleep(60)
        writer.write(kit.answer())

    async def run() -> None:
        async with kit.serve(hang) as server, Client(server.url) as client:
            task = asyncio.create_task(client.send(POST))
            while not server.seen:
                await asyncio.sleep(0.005)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await client.send(POST)).status == 200
            assert server.connections == 2

    asyncio.run(run())


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """An ASGI app that says what it was asked."""
    message = await receive()
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    if scope["path"] == "/reset":
        raise ConnectionResetError("reset")
    body = json.dumps({"path": scope["path"], "auth": headers.get("authorization"), "size": len(message["body"])})
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body.encode()})


def test_an_app_in_this_process() -> None:
    """An ASGI app answers calls and downloads without a socket; its reset is an unknown outcome."""

    class Sink(bytearray):
        def write(self, data: bytes) -> None:
            self.extend(data)

    async def run() -> None:
        async with Client("simulator:", app=app) as client:
            answer = await client.send(POST)
            assert json.loads(answer.body)["path"] == "/v1/images/generate"
            sink = Sink()
            await client.fetch("http://simulator.invalid/files/1.png", sink)
            assert b"/files/1.png" in sink
            with pytest.raises(SendError) as caught:
                await client.send(Call("POST", "/reset"))
            assert caught.value.sent

    asyncio.run(run())
