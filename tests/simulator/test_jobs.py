"""Asynchronous jobs and webhooks."""

import asyncio
import json
import time
from typing import Any

import httpx
import pytest

from promptlab.signing import verify
from promptlab.simulator import WEBHOOK_SECRET, SimulatedPlan, SimulatorSettings, create_app, parse_faults

GENERATE = "/v1/images/generate"


async def finished(client: httpx.AsyncClient, location: str) -> dict[str, Any]:
    for _ in range(1000):
        job: dict[str, Any] = (await client.get(location)).json()
        if job["status"] not in ("queued", "processing"):
            return job
        await asyncio.sleep(0.001)
    raise AssertionError(job)


def test_round_trip(talk: Any, order: dict[str, Any]) -> None:
    """A job is accepted with 202, passes queued and processing, and ends with the sync body as its result."""
    gate = asyncio.Event()

    async def wait(_: float) -> None:
        await gate.wait()

    async def scenario(client: httpx.AsyncClient) -> tuple[httpx.Response, list[str], dict[str, Any]]:
        accepted = await client.post(GENERATE, json=order | {"async": True, "n": 2})
        await asyncio.sleep(0)  # the job's task has its first turn
        states = [accepted.json()["status"], (await client.get(accepted.headers["location"])).json()["status"]]
        gate.set()
        return accepted, states, await finished(client, accepted.headers["location"])

    app = create_app(SimulatorSettings(fast=True, latency_s=1, sleep=wait))
    accepted, states, job = talk(app, scenario)
    body = accepted.json()
    assert accepted.status_code == 202
    assert set(body) == {"id", "status", "created", "expires_at"}
    assert accepted.headers["location"] == f"/v1/jobs/{body['id']}"
    assert accepted.headers["retry-after"] == "1"
    assert states == ["queued", "processing"]
    assert job["status"] == "completed"
    assert set(job["result"]) == {"id", "model", "created", "data"}
    assert app.counters.images == 2


def test_owner_and_expiry(talk: Any, order: dict[str, Any], clock: Any) -> None:
    """A job is its key's alone, and says expired after its time."""

    async def scenario(client: httpx.AsyncClient) -> tuple[int, str]:
        where = (await client.post(GENERATE, json=order | {"async": True})).headers["location"]
        await finished(client, where)
        stranger = await client.get(where, headers={"Authorization": "Bearer kv_other"})
        clock.now += 61
        return stranger.status_code, (await client.get(where)).json()["status"]

    app = create_app(SimulatorSettings(fast=True, job_ttl_s=60, clock=clock))
    assert talk(app, scenario) == (404, "expired")


def test_failed_job(talk: Any, order: dict[str, Any]) -> None:
    """A job that fails says why and gives its slot and credits back."""
    faults = parse_faults({"faults": [{"kind": "job_failed", "nth": 1}]})

    async def scenario(client: httpx.AsyncClient) -> tuple[dict[str, Any], int]:
        where = (await client.post(GENERATE, json=order | {"async": True})).headers["location"]
        job = await finished(client, where)
        return job, (await client.post(GENERATE, json=order)).status_code

    app = create_app(SimulatorSettings(fast=True, plan=SimulatedPlan(None, 1, None), credits=50, faults=faults))
    job, after = talk(app, scenario)
    assert (job["status"], job["error"]["code"], after) == ("failed", "generation_failed", 200)


def test_slot_is_held(talk: Any, order: dict[str, Any]) -> None:
    """A job holds its concurrency slot until it ends."""

    async def never(_: float) -> None:
        await asyncio.Event().wait()

    async def scenario(client: httpx.AsyncClient) -> list[int]:
        return [(await client.post(GENERATE, json=order | {"async": True})).status_code for _ in range(3)]

    app = create_app(SimulatorSettings(fast=True, plan="free", latency_s=1, sleep=never))
    assert talk(app, scenario) == [202, 202, 429]


def test_polls_count_when_told(talk: Any, order: dict[str, Any]) -> None:
    """Polls are free, unless the setting says that they count."""

    async def scenario(client: httpx.AsyncClient) -> list[int]:
        where = (await client.post(GENERATE, json=order | {"async": True})).headers["location"]
        return [(await client.get(where)).status_code for _ in range(2)]

    plan = SimulatedPlan(2, None, None)
    assert talk(create_app(SimulatorSettings(fast=True, plan=plan)), scenario) == [200, 200]
    assert talk(create_app(SimulatorSettings(fast=True, plan=plan, polls_count=True)), scenario) == [200, 429]


def _listener(replies: list[bytes]) -> tuple[Any, list[bytes]]:
    received: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        received.append(head + await reader.readexactly(length))
        writer.write(b"HTTP/1.1 " + replies[min(len(received), len(replies)) - 1] + b"\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    return handle, received


def test_webhook(talk: Any, order: dict[str, Any]) -> None:
    """A finished job calls back, signed, again with the same id after a 500, until somebody says 2xx."""

    async def soon(_: float) -> None:
        await asyncio.sleep(0)

    async def scenario(client: httpx.AsyncClient) -> tuple[str, list[bytes]]:
        handle, received = _listener([b"500 Oops", b"204 No Content"])
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        async with server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?x=1"
            job = (await client.post(GENERATE, json=order | {"async": True, "webhook_url": url})).json()
            async with asyncio.timeout(5):
                while not app.counters.webhooks_delivered:
                    await asyncio.sleep(0.005)
        return job["id"], received

    app = create_app(SimulatorSettings(fast=True, sleep=soon))
    job_id, received = talk(app, scenario)
    assert (app.counters.webhooks_failed, app.counters.webhooks_delivered) == (1, 1)
    ids = []
    for message in received:
        head, _, body = message.partition(b"\r\n\r\n")
        lines = [line.split(": ", 1) for line in head.decode().split("\r\n")[1:]]
        ids.append(verify(WEBHOOK_SECRET, dict(lines), body, now=time.time()))
        event = json.loads(body)
        assert head.startswith(b"POST /hook?x=1 HTTP/1.0")
        assert (event["type"], event["data"]["id"], event["data"]["status"]) == (
            "image.job.completed",
            job_id,
            "completed",
        )
        assert set(event["data"]["result"]) == {"id", "model", "created", "data"}
    assert len(set(ids)) == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "http://example.com/",
        "http://10.0.0.1/",
        "http://127.0.0.1.example.com/",
        "http://[::ffff:8.8.8.8]/",
        "file:///etc/passwd",
        "http://127.0.0.1:99999/",
        "nonsense",
    ],
)
def test_webhook_elsewhere(talk: Any, order: dict[str, Any], url: str) -> None:
    """Only this machine is called; anything else is refused at once and takes no slot or credits."""
    app = create_app(SimulatorSettings(fast=True, credits=50))

    async def scenario(client: httpx.AsyncClient) -> list[int]:
        refused = await client.post(GENERATE, json=order | {"async": True, "webhook_url": url})
        return [refused.status_code, (await client.post(GENERATE, json=order)).status_code]

    assert talk(app, scenario) == [400, 200]


def test_async_off(talk: Any, order: dict[str, Any]) -> None:
    """Without the assumed contract, its fields are unknown parameters."""
    app = create_app(SimulatorSettings(fast=True, asynchronous=False))
    answer = talk(app, lambda client: client.post(GENERATE, json=order | {"async": True}))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unknown_parameter")
