"""The simulator behind a real socket."""

import httpx
import pytest

from promptlab.simulator import SimulatorSettings, create_app, parse_faults, running

ORDER = {"model": "gpt-image-2", "prompt": "mug"}
HEADERS = {"Authorization": "Bearer kv_test"}


def test_server() -> None:
    """A client on loopback generates and downloads; image URLs are on the server's own origin."""
    app = create_app(SimulatorSettings(fast=True, fast_bytes=60_000))
    with running(app) as url, httpx.Client(base_url=url, headers=HEADERS) as client:
        image = client.post("/v1/images/generate", json=ORDER).json()["data"][0]["url"]
        assert image.startswith(url + "/files/")
        assert len(client.get(image).content) == 60_000
        head = client.head(image)
        assert (head.content, head.headers["content-length"]) == (b"", "60000")
        edited = client.post("/v1/images/edit", json=ORDER | {"image": image})
        assert "x-simulator-note" not in edited.headers


def test_foreign_loopback_source() -> None:
    """A source image on another port of this machine is fetched."""
    here, there = create_app(SimulatorSettings(fast=True)), create_app(SimulatorSettings(fast=True))
    with running(here) as url, running(there) as other, httpx.Client(headers=HEADERS) as client:
        image = client.post(f"{other}/v1/images/generate", json=ORDER).json()["data"][0]["url"]
        answer = client.post(f"{url}/v1/images/edit", json=ORDER | {"image": image})
        assert (answer.status_code, there.counters.downloads) == (200, 1)
        assert "x-simulator-note" not in answer.headers


@pytest.mark.parametrize(("kind", "made"), [("reset_before", 0), ("reset_after", 1)])
def test_reset(kind: str, made: int) -> None:
    """A reset is a reset of the TCP connection; the server goes on."""
    app = create_app(SimulatorSettings(fast=True, faults=parse_faults({"faults": [{"kind": kind, "nth": 1}]})))
    with running(app) as url, httpx.Client(base_url=url, headers=HEADERS) as client:
        with pytest.raises(httpx.ReadError, match="reset"):
            client.post("/v1/images/generate", json=ORDER)
        assert app.counters.images == made
        assert client.post("/v1/images/generate", json=ORDER).status_code == 200


def test_truncated_image() -> None:
    """A truncated file ends with its connection before the length it declared."""
    plan = parse_faults({"faults": [{"kind": "truncated_image", "nth": 1, "times": 1}]})
    app = create_app(SimulatorSettings(fast=True, faults=plan))
    with running(app) as url, httpx.Client(base_url=url, headers=HEADERS) as client:
        image = client.post("/v1/images/generate", json=ORDER).json()["data"][0]["url"]
        with pytest.raises(httpx.RemoteProtocolError, match=r"incomplete|without sending complete"):
            client.get(image)
        assert client.get(image).status_code == 200


def test_port_taken() -> None:
    """A taken port is an OSError, not a silent other port."""
    from promptlab.simulator import serve

    with running(create_app()) as url, pytest.raises(OSError, match="in use"):
        serve(create_app(), port=int(url.rpartition(":")[2]))
