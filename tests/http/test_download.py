"""Guarded downloads: what a URL from a response may and may not do."""

from __future__ import annotations

import asyncio
import base64
import gzip
import time
from typing import Any

import pytest

from promptlab.http import DownloadError, DownloadLimits, Fetched
from promptlab.http.client import Client
from promptlab.http.download import Intake, decode_data_url

PUBLIC = "93.184.216.34"
KEY = "Bearer kv_secret_0123456789"


class Sink(bytearray):
    def write(self, data: bytes) -> None:
        self.extend(data)


async def fetch(base: str, url: str, limits: DownloadLimits | None = None, **options: Any) -> tuple[Fetched, bytes]:
    sink = Sink()
    async with Client(base, authorization=KEY, **options) as client:
        return await client.fetch(url, sink, limits=limits), bytes(sink)


async def refusal(base: str, url: str, limits: DownloadLimits | None = None, **options: Any) -> DownloadError:
    with pytest.raises(DownloadError) as caught:
        await fetch(base, url, limits, **options)
    return caught.value


def test_an_image_arrives(kit: Any) -> None:
    """A download from the user's own local host is streamed whole."""

    async def run() -> None:
        async with kit.serve(kit.answer(200, b"x" * 300_000, Content_Type="image/png")) as server:
            fetched, data = await fetch(server.url, f"{server.url}/i.png?sig=1")
            assert (fetched.bytes, fetched.content_type, len(data)) == (300_000, "image/png", 300_000)
            assert server.seen[0].headers["accept-encoding"] == "identity"

    asyncio.run(run())


def test_the_key_is_not_sent_off_the_origin(kit: Any) -> None:
    """Another port of the same host is another origin: it gets the request, not the key."""

    async def run() -> None:
        async with kit.serve(kit.answer(200, b"x")) as api, kit.serve(kit.answer(200, b"x")) as storage:
            await fetch(api.url, f"{storage.url}/i.png")
            assert "authorization" not in storage.seen[0].headers
            redirect = kit.answer(302, b"", Location=f"{storage.url}/j.png")
            async with kit.serve(redirect) as redirecting:
                await fetch(redirecting.url, f"{redirecting.url}/i.png")
            assert "authorization" in redirecting.seen[0].headers
            assert "authorization" not in storage.seen[1].headers

    asyncio.run(run())


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/x.png",
        "http://169.254.169.254/latest/meta-data/",
        "https://127.0.0.1/x.png",
        "https://[::1]/x.png",
        "https://[::ffff:127.0.0.1]/x.png",
        "https://[64:ff9b::a9fe:a9fe]/x.png",
        "https://2130706433/x.png",
        "https://0x7f.1/x.png",
        "https://10.0.0.1/x.png",
        "https://intranet.example/x.png",
        "https://both.example/x.png",
        "https://user@public.example/x.png",
        "http://public.example/x.png",
        "file:///etc/passwd",
        "gopher://public.example/",
        "javascript:alert(1)",
        "",
    ],
)
def test_what_must_not_be_fetched(kit: Any, url: str) -> None:
    """Beside a public API no private address is connected to, in any form, and nothing goes over http."""
    network = kit.Elsewhere(
        {
            "api.example": [PUBLIC],
            "intranet.example": ["10.0.0.1"],
            "both.example": [PUBLIC, "127.0.0.1"],
            "public.example": [PUBLIC],
            **{ip: [ip] for ip in ("127.0.0.1", "::1", "::ffff:7f00:1", "64:ff9b::a9fe:a9fe", "10.0.0.1")},
        },
        1,
    )
    error = asyncio.run(refusal("https://api.example", url, network=network))
    assert (error.kind, error.retryable) == ("refused", False)
    assert network.opened == []


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2:80/x",
        "https://169.254.169.254/",
        "http://localhost/x",
        "https://intranet.example/x",
        "ftp://h/x",
    ],
)
def test_redirects_are_checked_too(kit: Any, location: str) -> None:
    """The user's own local host may not redirect to other private ones."""

    async def run() -> None:
        async with kit.serve(kit.answer(302, b"", Location=location)) as server:
            network = kit.Elsewhere(
                {"intranet.example": ["10.0.0.1"], "169.254.169.254": ["169.254.169.254"], "127.0.0.1": ["127.0.0.1"]},
                server.port,
            )
            error = await refusal(server.url, f"{server.url}/x", network=network)
            assert (error.kind, error.retryable) == ("refused", False)
            assert network.opened == ["127.0.0.1"]

    asyncio.run(run())


def test_three_redirects_and_no_more(kit: Any) -> None:
    """Three hops are followed, relative ones too; the fourth is refused."""

    async def count_down(seen: Any, writer: asyncio.StreamWriter) -> None:
        left = int(seen.path.strip("/"))
        writer.write(kit.answer(302, b"", Location=f"/{left - 1}") if left else kit.answer(200, b"image"))

    async def run() -> None:
        async with kit.serve(count_down) as server:
            assert (await fetch(server.url, f"{server.url}/3"))[1] == b"image"
            assert (await refusal(server.url, f"{server.url}/4")).kind == "refused"

    asyncio.run(run())


def test_tls_is_verified_for_the_name_on_the_address_that_was_checked(kit: Any) -> None:
    """The connection goes to the resolved public address; the certificate has to be the name's."""

    async def run() -> None:
        async with kit.serve(kit.answer(200, b"image"), kit.server_context()) as server:
            names = {"api.example": [PUBLIC], "storage.example": [PUBLIC], "other.example": [PUBLIC]}
            network = kit.Elsewhere(names, server.port)
            options = {"network": network, "context": kit.client_context()}
            assert (await fetch("https://api.example", "https://storage.example/i.png", **options))[1] == b"image"
            assert network.opened == [PUBLIC]
            assert server.seen[0].headers["host"] == "storage.example"
            wrong = await refusal("https://api.example", "https://other.example/i.png", **options)
            assert (wrong.kind, wrong.retryable) == ("network", True)
            assert "certificate" in wrong.message
            options["context"] = None  # the system's authorities don't know the test's
            untrusted = await refusal("https://api.example", "https://storage.example/i.png", **options)
            assert "certificate" in untrusted.message
            assert len(server.seen) == 1

    asyncio.run(run())


def test_a_name_that_moves_is_resolved_once(kit: Any) -> None:
    """DNS rebinding: the second look-up would say 127.0.0.1, but there is none before the connection."""

    class Moving(kit.Elsewhere):  # type: ignore[name-defined,misc]
        calls = 0

        async def resolve(self, host: str, port: int) -> list[str]:
            if host == "moving.example":
                self.calls += 1
                return [PUBLIC if self.calls == 1 else "127.0.0.1"]
            return [PUBLIC]

    async def run() -> None:
        async with kit.serve(kit.answer(200, b"x"), kit.server_context()) as server:
            network = Moving({}, server.port)
            await refusal(
                "https://api.example", "https://moving.example/", network=network, context=kit.client_context()
            )
            assert (network.opened, network.calls) == ([PUBLIC], 1)

    asyncio.run(run())


def test_ten_gigabytes_stop_early(kit: Any) -> None:
    """A declared length over the cap is not read at all, an undeclared one up to the cap."""

    async def endless(seen: Any, writer: asyncio.StreamWriter) -> None:
        if seen.path == "/declared":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        chunk = b"\0" * 65536
        for _ in range(160_000):
            writer.write(chunk)
            await writer.drain()

    async def run() -> None:
        limits = DownloadLimits(max_bytes=1_000_000)
        async with kit.serve(endless) as server:
            for path in ("/declared", "/undeclared"):
                started, sink = time.monotonic(), Sink()
                async with Client(server.url) as client:
                    with pytest.raises(DownloadError) as caught:
                        await client.fetch(server.url + path, sink, limits=limits)
                assert (caught.value.kind, caught.value.retryable) == ("too_large", False)
                assert len(sink) <= 1_000_000
                assert time.monotonic() - started < 10

    asyncio.run(run())


def test_a_bomb_does_not_go_off(kit: Any) -> None:
    """A body that was compressed unasked is decoded up to the cap; a small one is kept."""

    async def run() -> None:
        limits = DownloadLimits(max_bytes=1_000_000)
        bomb = gzip.compress(b"\0" * 50_000_000)
        async with kit.serve(kit.answer(200, bomb, Content_Encoding="gzip")) as server:
            assert (await refusal(server.url, server.url + "/x", limits)).kind == "too_large"
        small = gzip.compress(b"image")
        async with kit.serve(kit.answer(200, small, Content_Encoding="gzip")) as server:
            assert (await fetch(server.url, server.url + "/x", limits))[1] == b"image"
        async with kit.serve(kit.answer(200, small[:-9], Content_Encoding="gzip")) as server:
            assert (await refusal(server.url, server.url + "/x", limits)).kind == "cut"
        async with kit.serve(kit.answer(200, b"x", Content_Encoding="br")) as server:
            assert (await refusal(server.url, server.url + "/x", limits)).kind == "refused"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", "cut"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc", "cut"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "cut"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "cut"),
        (b"", "cut"),
        (b"nonsense\r\n\r\n", "cut"),
    ],
)
def test_a_body_that_breaks_off_is_tried_again(kit: Any, sent: bytes, kind: str) -> None:
    """Fewer bytes than declared, or none, is a cut; the URL may still answer."""

    async def broken(seen: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()
        writer.close()

    async def run() -> None:
        async with kit.serve(broken) as server:
            error = await refusal(server.url, server.url + "/x")
            assert (error.kind, error.retryable) == (kind, True)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        *((status, "gone", False) for status in (403, 404, 410)),
        *((status, "status", False) for status in (204, 206, 304, 400, 401)),
        *((status, "status", True) for status in (408, 425, 429, 500, 502, 503, 504)),
    ],
)
def test_statuses(kit: Any, status: int, kind: str, retryable: bool) -> None:
    """An expired URL is gone; a busy storage is asked again, when it says."""

    async def run() -> None:
        async with kit.serve(kit.answer(status, b"", Retry_After="3")) as server:
            error = await refusal(server.url, server.url + "/x")
            assert (error.kind, error.retryable, error.wait_s) == (kind, retryable, 3 if retryable else None)

    asyncio.run(run())


def test_rate_headers_do_not_hold_a_download_back(kit: Any) -> None:
    """A 503 with X-RateLimit-Reset says no wait: the URL would be dead before the window ends."""

    async def run() -> None:
        for status, wait in ((503, None), (500, None), (429, 60)):
            headers = {"X_RateLimit_Reset": "60", "X_RateLimit_Limit": "30"}
            async with kit.serve(kit.answer(status, b"", **headers)) as server:
                assert (await refusal(server.url, server.url + "/x")).wait_s == wait

    asyncio.run(run())


def test_a_download_that_drips_ends(kit: Any) -> None:
    """A byte now and then keeps no connection for long, although each comes within the read timeout."""

    async def drip(seen: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async def run() -> None:
        async with kit.serve(drip) as server:
            error = await refusal(server.url, server.url + "/x", DownloadLimits(grace_s=0.1))
            assert (error.kind, error.retryable) == ("cut", True)
            assert "too slow" in error.message

    asyncio.run(run())


@pytest.mark.parametrize(
    ("chunks", "slow_at"),
    [
        ([(0, 1), (19, 1)], None),  # within the grace
        ([(0, 1), (21, 1)], 1),
        ([(1, 200_000), (21, 1), (24, 1)], None),  # the mean counts
        ([(1, 200_000), (26, 1)], 1),
        ([(n, 9_000) for n in range(1, 100)], None),
    ],
)
def test_the_pace_of_a_download(chunks: list[tuple[float, int]], slow_at: int | None) -> None:
    """After twenty seconds eight kilobytes a second, on average, are the least."""
    now = 0.0
    intake = Intake({}, Sink(), DownloadLimits(), lambda: now)
    for position, (at, size) in enumerate(chunks):
        now = at
        if position == slow_at:
            with pytest.raises(DownloadError, match="too slow"):
                intake.take(b"x" * size)
            return
        intake.take(b"x" * size)
    assert slow_at is None


def test_reasons_differ_where_the_faults_do(kit: Any) -> None:
    """Each refusal names its host and what is wrong, without a signed path: grouping by text tells them apart."""

    async def run() -> None:
        async with kit.serve(kit.answer(302, b"", Location="/again")) as server:
            messages = [
                (await refusal(server.url, f"{server.url}/1?sig=secret")).message,
                (await refusal(server.url, "http://a.example/1?sig=secret")).message,
                (await refusal(server.url, "http://b.example/2")).message,
                (await refusal(server.url, "file:///etc/passwd")).message,
                (await refusal(server.url, "")).message,
            ]
        assert len(set(messages)) == len(messages)
        assert all(messages)
        assert "more than 3 redirects" in messages[0]
        assert not [message for message in messages if "sig" in message]
        again = [await refusal(server.url, f"http://a.example/{n}") for n in range(3)]
        assert len({error.message for error in again}) == 1

    asyncio.run(run())


def test_a_deadline_for_the_whole(kit: Any) -> None:
    """A body that drips forever ends at the total deadline."""

    async def drip(seen: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async def run() -> None:
        async with kit.serve(drip) as server:
            error = await refusal(server.url, server.url + "/x", DownloadLimits(total_s=0.1))
            assert (error.kind, error.retryable) == ("cut", True)

    asyncio.run(run())


def test_an_error_of_the_sink_is_its_own(kit: Any) -> None:
    """A full disk is not mistaken for the network."""

    class Full:
        def write(self, data: bytes) -> None:
            raise OSError(28, "No space left on device")

    async def run() -> None:
        async with kit.serve(kit.answer(200, b"image")) as server, Client(server.url) as client:
            with pytest.raises(OSError, match="No space"):
                await client.fetch(server.url + "/x", Full())

    asyncio.run(run())


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png;base64," + base64.b64encode(b"image\xff\xfe").decode(),
        "data:image/png;name=x;base64,aW1hZ2X__g==",
        "aW1hZ2X_\n_g",
        "data:image/png,image%FF%FE".replace("image%FF", "image%FF"),
    ],
)
def test_data_urls(url: str) -> None:
    """Base64 in its usual spellings, and percent-encoded data, are read."""
    assert decode_data_url(url) in (b"image\xff\xfe", b"imag\xe5\xff\xfe")


@pytest.mark.parametrize("url", ["data:image/png", "data:;base64,", "data:;base64,####", "a", "ä" * 60, "data:,"])
def test_damaged_data(url: str) -> None:
    """Damaged or empty data is refused."""
    with pytest.raises(DownloadError):
        decode_data_url(url)


def test_data_has_a_cap() -> None:
    """Data over the cap is refused."""
    with pytest.raises(DownloadError, match="larger"):
        decode_data_url("data:;base64," + "A" * 4000, cap=1000)
