"""A client for the app in-process, and a clock that tests own."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from promptlab.simulator import IN_PROCESS_KEY, App

Talk = Callable[[App, Callable[[httpx.AsyncClient], Awaitable[Any]]], Any]


@dataclass
class Clock:
    """Time that moves when somebody sleeps, or by hand."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def talk() -> Talk:
    """Run a scenario with a client of the app; gives what the scenario returns."""

    def run(app: App, scenario: Callable[[httpx.AsyncClient], Awaitable[Any]]) -> Any:
        async def inside() -> Any:
            transport = httpx.ASGITransport(app)
            headers = {"Authorization": f"Bearer {IN_PROCESS_KEY}"}
            async with httpx.AsyncClient(transport=transport, base_url="http://simulator", headers=headers) as client:
                return await scenario(client)

        return asyncio.run(inside())

    return run


@pytest.fixture
def order() -> dict[str, Any]:
    """The smallest valid request."""
    return {"model": "gpt-image-2", "prompt": "ceramic teapot on linen"}
