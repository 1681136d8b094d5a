"""Plans: rate, concurrency, daily quota, credits."""

import asyncio
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.simulator import PLANS, Plan, SimulatedPlan, SimulatorSettings, create_app
from promptlab.simulator.account import make_window

GENERATE = "/v1/images/generate"
KINDS = ["fixed", "sliding", "first_request", "bucket"]


@pytest.mark.parametrize(("plan", "limit"), [("free", 5), ("starter", 30), ("pro", 120)])
def test_rate(talk: Any, order: dict[str, Any], clock: Any, plan: str, limit: int) -> None:
    """A plan's requests a minute pass, counted down in the headers; the next is 429 with the guide's message."""

    async def scenario(client: httpx.AsyncClient) -> list[httpx.Response]:
        return [await client.post(GENERATE, json=order) for _ in range(limit + 1)]

    answers = talk(create_app(SimulatorSettings(fast=True, plan=plan, clock=clock)), scenario)
    *passed, refused = answers
    assert {answer.status_code for answer in passed} == {200}
    assert [int(answer.headers["x-ratelimit-remaining"]) for answer in passed] == list(range(limit - 1, -1, -1))
    assert refused.status_code == 429
    wait = refused.headers["retry-after"]
    assert refused.json()["error"] == {
        "code": "rate_limit_exceeded",
        "message": f"Rate limit exceeded. Retry after {wait} seconds.",
        "type": "rate_limit_error",
    }
    assert refused.headers["x-ratelimit-limit"] == str(limit)
    assert int(refused.headers["x-ratelimit-reset"]) - clock.now <= 60


@pytest.mark.parametrize("kind", KINDS)
def test_wait_is_enough(talk: Any, order: dict[str, Any], clock: Any, kind: Any) -> None:
    """Whoever waits as told is let in, whatever the window."""

    async def scenario(client: httpx.AsyncClient) -> None:
        for _ in range(20):
            answer = await client.post(GENERATE, json=order)
            if answer.status_code == 429:
                clock.now += int(answer.headers["retry-after"])
                assert (await client.post(GENERATE, json=order)).status_code == 200
            clock.now += 0.37

    talk(
        create_app(
            SimulatorSettings(fast=True, plan=SimulatedPlan(4, None, None), window=kind, window_s=10, clock=clock)
        ),
        scenario,
    )


@given(st.sampled_from(KINDS), st.integers(1, 9), st.lists(st.floats(0, 40, allow_nan=False), max_size=60))
def test_windows(kind: str, limit: int, gaps: list[float]) -> None:
    """No window lets more than twice its limit through in one length, and remaining is never below zero."""
    window, now, passed = make_window(kind, limit, 60), 1000.0, []
    for gap in gaps:
        now += gap
        verdict = window.take(now)
        assert 0 <= verdict.remaining <= limit
        assert verdict.reset > now or verdict.allowed
        if verdict.allowed:
            passed.append(now)
    for start in passed:
        assert sum(start <= at < start + 60 for at in passed) <= 2 * limit


def test_concurrency(talk: Any, order: dict[str, Any]) -> None:
    """More jobs at once than the plan's are 429; a finished one frees its slot."""
    gate = asyncio.Event()

    async def wait(_: float) -> None:
        await gate.wait()

    async def scenario(client: httpx.AsyncClient) -> tuple[list[int], httpx.Response, int]:
        running = [asyncio.create_task(client.post(GENERATE, json=order)) for _ in range(2)]
        while app.counters.most_at_once < 2:
            await asyncio.sleep(0)
        refused = await client.post(GENERATE, json=order)
        gate.set()
        done = [(await task).status_code for task in running]
        return done, refused, (await client.post(GENERATE, json=order)).status_code

    app = create_app(SimulatorSettings(fast=True, plan="free", latency_s=1, sleep=wait))
    done, refused, after = talk(app, scenario)
    assert (done, refused.status_code, after) == ([200, 200], 429, 200)
    assert refused.json()["error"]["code"] == "concurrency_limit_exceeded"


def test_daily(talk: Any, order: dict[str, Any], clock: Any) -> None:
    """Beyond the daily limit it is 429 with its own code until the day ends."""

    async def scenario(client: httpx.AsyncClient) -> tuple[httpx.Response, int]:
        for _ in range(3):
            assert (await client.post(GENERATE, json=order)).status_code == 200
        refused = await client.post(GENERATE, json=order)
        clock.now += int(refused.headers["retry-after"])
        return refused, (await client.post(GENERATE, json=order)).status_code

    refused, after = talk(
        create_app(SimulatorSettings(fast=True, plan=SimulatedPlan(None, None, 3), clock=clock)), scenario
    )
    assert (refused.status_code, refused.json()["error"]["code"], after) == (429, "daily_quota_exceeded", 200)
    assert int(refused.headers["retry-after"]) > 3600


def test_credits(talk: Any, order: dict[str, Any]) -> None:
    """Credits go down by the image; what cannot be paid is 402 and costs nothing."""

    async def scenario(client: httpx.AsyncClient) -> list[int]:
        return [(await client.post(GENERATE, json=order | {"n": n})).status_code for n in (2, 3, 1)]

    app = create_app(SimulatorSettings(fast=True, credits=160))
    assert talk(app, scenario) == [200, 402, 200]
    assert app.counters.credits == 150


def test_keys_have_their_own_limits(talk: Any, order: dict[str, Any]) -> None:
    """One key's requests do not count against another's."""

    async def scenario(client: httpx.AsyncClient) -> list[int]:
        keys = ["kv_a", "kv_a", "kv_b"]
        headers = [{"Authorization": f"Bearer {key}"} for key in keys]
        return [(await client.post(GENERATE, json=order, headers=one)).status_code for one in headers]

    assert talk(create_app(SimulatorSettings(fast=True, plan=SimulatedPlan(1, None, None))), scenario) == [
        200,
        429,
        200,
    ]


def test_plans() -> None:
    """The plans are the guide's table; an unknown one or an unknown window is an error at once."""
    assert PLANS["starter"] == SimulatedPlan(30, 5, 1_000)
    with pytest.raises(ValueError, match="starter, pro"):
        create_app(SimulatorSettings(plan="gold"))
    with pytest.raises(ValueError, match="sliding"):
        create_app(SimulatorSettings(plan="pro", window="moon"))  # type: ignore[arg-type]


def test_a_plan_has_its_old_name_too() -> None:
    """Tests that were written for 0.1 make their own plans as `Plan`."""
    assert SimulatorSettings(plan=Plan(1, None, None)).limits == SimulatedPlan(1, None, None)
