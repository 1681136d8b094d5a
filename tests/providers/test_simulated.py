"""The simulator as a provider, and Kairval's provider against it over real HTTP: request to pixels."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from promptlab.http import SendError, Unreadable
from promptlab.http.retry_policy import Event, Reply, decide
from promptlab.model import Request
from promptlab.providers import Endpoint, ImageBytes, Result, connect
from promptlab.simulator import SimulatorSettings, create_app, parse_faults, running

Make = Callable[..., Request]


class Sink(bytearray):
    def write(self, data: bytes) -> None:
        self.extend(data)


async def make(endpoint: Endpoint, request: Request, **how: Any) -> tuple[Result, list[bytes]]:
    """Send, poll if it is a job, and fetch every image."""
    provider, images = endpoint.provider, []
    async with endpoint.client() as client:
        answer = await client.send(provider.encode(request, **how).call)
        result = provider.decode(answer, request)
        if (job := result.job) is not None:
            while job.status in ("waiting", "running"):
                answer = await client.send(provider.poll(job))
                job = provider.job(answer)
                await asyncio.sleep(0.01)
            result = provider.decode(answer, request)
        for output in result.images:
            sink = Sink()
            await client.fetch(str(output.url), sink)
            images.append(bytes(sink))
    return result, images


@pytest.fixture
def simulator(settings: Any) -> Endpoint:
    return connect("simulator", settings(plan="pro"), {})


def test_generate_in_process(simulator: Endpoint, request_with: Make) -> None:
    """A request makes pictures without key or port, the same for the same seed, priced as Kairval's."""
    request = request_with(params={"n": 2, "output_format": "webp"}, seed=5, negative_prompt="blur")
    result, images = asyncio.run(make(simulator, request))
    assert len(images) == 2
    assert all(image[:4] == b"RIFF" for image in images)
    assert asyncio.run(make(simulator, request))[1] == images
    assert result.images[0].revised_prompt
    cost = simulator.cost(request, result)
    assert (cost.credits, cost.usd, cost.source) == (100, 1.5, "simulated")


def test_draws_in_process(simulator: Endpoint, request_with: Make) -> None:
    """Three draws of one request are three pictures, and the same three again."""

    def draws() -> list[bytes]:
        return [asyncio.run(make(simulator, request_with(seed=5, draw=draw)))[1][0] for draw in range(3)]

    first = draws()
    assert len(set(first)) == 3
    assert draws() == first


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://api.kairval.com", False),
        ("https://localhost.example.com", False),
        ("http://127.0.0.1:8765", True),
        ("http://localhost:8765/v1", True),
        ("http://[::1]:8765", True),
    ],
)
def test_only_this_machine_is_told_of_draws(settings: Any, request_with: Make, url: str, told: bool) -> None:
    """The number of a draw goes to a simulator on this machine, never to an API elsewhere."""
    endpoint = connect("kairval", settings(), {"KAIRVAL_API_KEY": "kv_x", "KAIRVAL_BASE_URL": url})
    assert endpoint.provider.encode(request_with()).call.headers == {}
    assert endpoint.provider.encode(request_with(draw=2)).call.headers == ({"X-Draw": "2"} if told else {})


def test_edit_in_process(simulator: Endpoint, request_with: Make) -> None:
    """An edit sends the bytes of its source and its strength."""
    _, (source,) = asyncio.run(make(simulator, request_with(seed=1)))
    request = request_with(operation="edit", image="/p.png", params={"strength": 0.3}, seed=1)
    _, (edited,) = asyncio.run(make(simulator, request, image=ImageBytes(source, "png")))
    assert edited[:4] == b"\x89PNG"
    assert edited != source


def test_a_job_in_process(simulator: Endpoint, request_with: Make) -> None:
    """An asynchronous request becomes a job, and the job the same picture."""
    request = request_with(seed=1)
    _, images = asyncio.run(make(simulator, request, asynchronous=True))
    assert images == asyncio.run(make(simulator, request))[1]


def test_over_real_http(settings: Any, request_with: Make) -> None:
    """The kairval provider speaks to a simulator server with a key; a wrong key is refused, and stops a run."""
    app = create_app(SimulatorSettings(fast=True, accepted_keys=frozenset({"kv_right_key"})))
    with running(app) as url:
        right = connect("kairval", settings(), {"KAIRVAL_API_KEY": "kv_right_key", "KAIRVAL_BASE_URL": url + "/v1/"})
        result, images = asyncio.run(make(right, request_with(params={"n": 3})))
        assert len(images) == 3
        assert app.counters.images == 3
        assert result.id is not None
        wrong = connect("kairval", settings(), {"KAIRVAL_API_KEY": "kv_wrong_key", "KAIRVAL_BASE_URL": url})

        async def refused() -> Reply:
            async with wrong.client() as client:
                answer = await client.send(wrong.provider.encode(request_with()).call)
                return Reply(answer.status, answer.headers, *wrong.provider.error(answer))

        decision = decide(asyncio.run(refused()), 1, 0.0, random=lambda: 0.5)
        assert (decision.outcome, decision.stop) == ("stop", "account")
        assert "kv_wrong_key" not in str(decision)


FAULTS = {
    "429": "rejected",
    "500": "failed",
    "502": "unknown",
    "503": "failed",
    "504": "unknown",
    "reset_before": "unknown",
    "reset_after": "unknown",
    "truncated_json": "unknown",
    "moderation": "fatal",
    "remaining_zero": "ok",
    "missing_remaining": "ok",
    "short": "short",
}


@pytest.mark.parametrize(("kind", "outcome"), FAULTS.items())
def test_faults_over_real_http(settings: Any, request_with: Make, kind: str, outcome: str) -> None:
    """The simulator's faults land in their classes of the table."""
    plan = parse_faults({"faults": [{"kind": kind, "nth": [1]}]})
    request = request_with(params={"n": 2})

    async def send(endpoint: Endpoint) -> Event:
        async with endpoint.client() as client:
            try:
                answer = await client.send(endpoint.provider.encode(request).call)
                if answer.status != 200:
                    return Reply(answer.status, answer.headers, *endpoint.provider.error(answer))
                result = endpoint.provider.decode(answer, request)
                return Reply(200, answer.headers, asked=2, images=len(result.images))
            except (SendError, Unreadable) as event:
                return event

    with running(create_app(SimulatorSettings(fast=True, faults=plan))) as url:
        environ = {"KAIRVAL_API_KEY": "kv_key_1", "KAIRVAL_BASE_URL": url}
        event = asyncio.run(send(connect("kairval", settings(), environ)))
    assert decide(event, 1, 0.0, random=lambda: 0.5).outcome == outcome
