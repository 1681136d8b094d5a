"""Proxies: which one the environment says, and what goes through it, on loopback proxies written to the byte."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from promptlab.http import Call, DownloadError, Origin, Proxies, SendError, parse_url
from promptlab.http.client import Client
from promptlab.http.connection import SystemNetwork

PUBLIC = "93.184.216.34"
POST = Call("POST", "/v1/images/generate", json={"prompt": "p"})
KEY = "Bearer kv_secret_0123456789"


@pytest.mark.parametrize(
    ("environ", "url", "expected"),
    [
        ({}, "https://api.example", None),
        ({"HTTPS_PROXY": "http://p:3128"}, "https://api.example", "http://p:3128"),
        ({"HTTPS_PROXY": "http://p:3128"}, "http://api.example", None),
        ({"https_proxy": "http://small:1", "HTTPS_PROXY": "http://large:1"}, "https://a", "http://small:1"),
        ({"HTTP_PROXY": "p:3128"}, "http://api.example", "http://p:3128"),
        ({"HTTP_PROXY": "p:3128", "REQUEST_METHOD": "GET"}, "http://api.example", None),
        ({"ALL_PROXY": "http://all:1", "HTTPS_PROXY": "http://p:1"}, "https://a", "http://p:1"),
        ({"ALL_PROXY": "http://all:1"}, "http://a", "http://all:1"),
        ({"HTTPS_PROXY": "https://p"}, "https://a", "https://p"),
        ({"ALL_PROXY": "http://all:1"}, "http://127.0.0.1:8000", None),
        ({"ALL_PROXY": "http://all:1"}, "https://[::1]", None),
        ({"ALL_PROXY": "http://all:1"}, "http://localhost:1", None),
        ({"ALL_PROXY": "http://all:1"}, "http://10.0.0.1", "http://all:1"),
        *(
            ({"ALL_PROXY": "http://all:1", "NO_PROXY": without}, "https://api.example.org:8443", expected)
            for without, expected in [
                ("*", None),
                ("example.org", None),
                (".example.org", None),
                ("*.example.org", None),
                ("API.Example.ORG", None),
                ("api.example.org:8443", None),
                ("api.example.org:443", "http://all:1"),
                ("ample.org", "http://all:1"),
                ("other, example.org", None),
                ("10.0.0.0/8", "http://all:1"),
                ("", "http://all:1"),
                (" , ", "http://all:1"),
            ]
        ),
        ({"ALL_PROXY": "http://all:1", "NO_PROXY": "10.0.0.0/8"}, "https://10.2.3.4", None),
        ({"ALL_PROXY": "http://all:1", "NO_PROXY": "fd00::/8"}, "https://[fd00::1]", None),
        ({"ALL_PROXY": "http://all:1", "no_proxy": "a", "NO_PROXY": "b"}, "https://b", "http://all:1"),
    ],
)
def test_which_proxy(environ: Mapping[str, str], url: str, expected: str | None) -> None:
    """As curl reads the variables; loopback is always reached directly."""
    proxy = Proxies.read(environ).of(parse_url(url).origin)
    assert (None if proxy is None else str(proxy.origin)) == expected


@pytest.mark.parametrize("text", ["socks5://u:hunter2@h:1", "http://u:hunter2@", "http://u:hunter2@h:port"])
def test_a_proxy_that_is_none_is_named_without_its_password(text: str) -> None:
    """The variable is named, its password is not shown, in the cause neither."""
    with pytest.raises(ValueError, match="HTTPS_PROXY") as caught:
        Proxies.read({"HTTPS_PROXY": text})
    assert "hunter2" not in str(caught.value) + repr(caught.value.__cause__)


def test_a_password_is_never_shown() -> None:
    """Neither as it is nor in Base64."""
    proxies = Proxies.read({"ALL_PROXY": "http://user:p%40ss@proxy.example:1"})
    assert proxies.https is not None
    assert proxies.https.authorization == "Basic dXNlcjpwQHNz"
    assert "dXNlcjpwQHNz" not in repr(proxies)
    assert "p%40ss" not in repr(proxies)


class Proxy:
    """A forwarding proxy; `heads` are the requests it got. Every tunnel leads to `port` on loopback."""

    def __init__(self, port: int, refuse: bytes | None = None) -> None:
        self.port, self.refuse, self.heads = port, refuse, list[str]()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head.decode("latin-1"))
        if self.refuse is not None:
            writer.write(self.refuse)
            writer.close()
            return
        there, to = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            if head.startswith(b"CONNECT "):
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                first, rest = head.split(b"\r\n", 1)
                method, url, version = first.split()
                to.write(b" ".join([method, b"/" + url.split(b"/", 3)[3], version]) + b"\r\n" + rest)
            await asyncio.gather(pump(reader, to), pump(there, writer))
        finally:
            to.transport.abort()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


def named(url: str, user: str = "") -> Proxies:
    return Proxies.read({"ALL_PROXY": url.replace("http://", f"http://{user}")})


class Known(dict[str, list[str]]):
    """A network that knows a few names, and the proxy by its address; every socket goes where it says."""

    async def resolve(self, host: str, port: int) -> list[str]:
        if host == "127.0.0.1":
            return [host]
        if host not in self:
            raise OSError("no such name")
        return self[host]

    async def open(self, address: str, port: int) -> Any:
        assert address == "127.0.0.1", "nothing is connected to but the proxy"
        return await SystemNetwork().open(address, port)


def test_the_api_and_downloads_go_through_a_tunnel(kit: Any) -> None:
    """TLS is the host's own inside CONNECT; the proxy sees its password and the host, and neither key nor path."""

    async def run() -> None:
        async with kit.serve(kit.answer(200, b"image"), kit.server_context()) as server:
            proxy = Proxy(server.port)
            async with kit.raw(proxy) as url:
                options = {"proxies": named(url, "me:pass@"), "context": kit.client_context(), "network": Known()}
                async with Client("https://storage.example", authorization=KEY, **options) as client:
                    assert (await client.send(POST)).body == b"image"
                    sink = Sink()
                    await client.fetch("https://storage.example/i.png", sink)
                    assert sink == b"image"
        assert server.seen[0].headers["authorization"] == KEY
        assert "proxy-authorization" not in server.seen[0].headers
        for head in proxy.heads:
            assert head.startswith("CONNECT storage.example:443 HTTP/1.1\r\n")
            assert "Proxy-Authorization: Basic bWU6cGFzcw==" in head
            assert "kv_secret" not in head

    asyncio.run(run())


def test_plain_http_is_forwarded(kit: Any) -> None:
    """The proxy gets the whole URL, and its own authorization with each request."""

    async def run() -> None:
        async with kit.serve(kit.answer(200, b"{}")) as server:
            proxy = Proxy(server.port)
            async with (
                kit.raw(proxy) as url,
                Client("http://api.example:81/v", proxies=named(url, "me:pass@"), network=Known()) as client,
            ):
                assert (await client.send(POST)).status == 200
        assert proxy.heads[0].startswith("POST http://api.example:81/v/v1/images/generate HTTP/1.1\r\n")
        assert "Proxy-Authorization: Basic bWU6cGFzcw==" in proxy.heads[0]
        assert server.seen[0].headers["host"] == "api.example:81"

    asyncio.run(run())


@pytest.mark.parametrize(
    "refuse",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 403 Forbidden\r\n\r\nno",
        b"nonsense\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",  # an answer before the request: not the server's
    ],
)
def test_a_proxy_that_refuses_has_sent_nothing(kit: Any, refuse: bytes) -> None:
    """The request has not left; the message names the proxy and not its password."""

    async def run() -> None:
        async with kit.raw(Proxy(9, refuse)) as url:
            options: dict[str, Any] = {"proxies": named(url, "me:hunter2@"), "network": Known()}
            async with Client("https://api.example", authorization=KEY, **options) as client:
                with pytest.raises(SendError, match="proxy") as caught:
                    await client.send(POST)
        assert not caught.value.sent
        assert caught.value.lasting
        assert "hunter2" not in str(caught.value)

    asyncio.run(run())


class Sink(bytearray):
    def write(self, data: bytes) -> None:
        self.extend(data)


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.1/x.png",
        "https://169.254.169.254/latest",
        "https://127.0.0.1/x.png",
        "https://[::ffff:10.0.0.1]/x",
        "https://intranet.example/x.png",
        "http://public.example/x.png",
    ],
)
def test_the_guard_checks_what_it_can_behind_a_proxy(kit: Any, url: str) -> None:
    """Literal addresses, the scheme, and names that resolve here too; nothing of it reaches the proxy."""

    async def run() -> None:
        proxy = Proxy(9)
        async with kit.raw(proxy) as proxy_url:
            network = Known({"intranet.example": ["10.0.0.1"], "public.example": [PUBLIC]})
            async with Client("https://api.example", proxies=named(proxy_url), network=network) as client:
                with pytest.raises(DownloadError) as caught:
                    await client.fetch(url, Sink())
        assert (caught.value.kind, proxy.heads) == ("refused", [])

    asyncio.run(run())


def test_a_network_without_names_leaves_them_to_the_proxy(kit: Any) -> None:
    """A name that this machine does not know is fetched through the proxy."""

    async def run() -> None:
        sink = Sink()
        async with (
            kit.serve(kit.answer(200, b"image"), kit.server_context()) as server,
            kit.raw(Proxy(server.port)) as url,
        ):
            options = {"proxies": named(url), "context": kit.client_context(), "network": Known()}
            async with Client("https://api.example", **options) as client:
                await client.fetch("https://storage.example/i.png", sink)
        assert sink == b"image"

    asyncio.run(run())


def test_authorities_of_ones_own(kit: Any) -> None:
    """SSL_CERT_FILE's certificates are trusted instead of the built-in ones; with a wrong file nothing is sent."""
    certificates = Path(__file__).parent / "certificates"

    async def run() -> None:
        async with kit.serve(kit.answer(200, b"{}"), kit.server_context()) as server:
            network = kit.Elsewhere({"storage.example": [PUBLIC]}, server.port)
            for authorities, sent in ((certificates / "ca.pem", True), (Path(__file__), False)):
                async with Client("https://storage.example", authorities=str(authorities), network=network) as client:
                    if sent:
                        assert (await client.send(POST)).status == 200
                        continue
                    with pytest.raises(SendError, match="TLS") as caught:
                        await client.send(POST)
                    assert not caught.value.sent

    asyncio.run(run())


def test_origins_have_one_form() -> None:
    """What NO_PROXY is compared with has lower-case names and a port."""
    assert Proxies(without=("a.example:443",)).of(Origin("https", "a.example", 443)) is None
