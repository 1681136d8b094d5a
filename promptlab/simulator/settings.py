"""How a simulated account and its server behave; the defaults suit an in-process run: no limits, no delay."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from promptlab.account_plans import KAIRVAL
from promptlab.simulator.faults import FaultPlan

__all__ = ["IN_PROCESS_KEY", "PLANS", "WEBHOOK_SECRET", "Plan", "SimulatedPlan", "SimulatorSettings"]

#: What an in-process client sends; a simulator without `accepted_keys` takes any key that starts with `kv_`.
IN_PROCESS_KEY = "kv_simulator"
#: The default signing secret of webhooks; it protects nothing.
WEBHOOK_SECRET = "whsec_c2ltdWxhdGVkLXdlYmhvb2tzLW9ubHk="  # noqa: S105 - published on purpose

WindowKind = Literal["fixed", "sliding", "first_request", "bucket"]


@dataclass(frozen=True, slots=True)
class SimulatedPlan:
    """The three limits of a plan (guide, Rate Limits); None means no limit."""

    requests_per_minute: int | None
    concurrent: int | None
    daily: int | None


Plan = SimulatedPlan  # its name in 0.1


PLANS: Mapping[str, SimulatedPlan] = {
    **{
        name: SimulatedPlan(limits.requests, limits.concurrent, limits.daily)
        for name, limits in ((name, plan.limits()) for name, plan in KAIRVAL.items())
    },
    "unlimited": SimulatedPlan(None, None, None),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorSettings:
    """Settings of `create_app`.

    - `plan`: a name of `PLANS` or a `Plan`; `window` and `window_s`: how its request rate is counted.
    - `accepted_keys`: the only keys taken; None takes any that starts with `kv_`.
    - `credits`: the account's balance, None is unlimited; `credits_per_image` is what an image costs.
    - `latency_s`: how long an image takes; `url_ttl_s`, `job_ttl_s`: how long URLs and jobs live.
    - `fast`: tiny prepared images, padded to `fast_bytes`.
    - `honours_keys`: the same Idempotency-Key gives the same result and makes no new image.
    - `vary_unseeded`: without a seed, repeats of one request differ (a real provider); otherwise they are equal.
    - `models`: the only models there are; None takes any well-formed name.
    - `public_url`: the origin of image URLs; None takes it from the request's Host header.
    - `polls_count`: polls of jobs count against the request rate.
    - `clock` (epoch seconds) and `sleep` (seconds): for tests that own the time.
    """

    plan: str | SimulatedPlan = "unlimited"
    window: WindowKind = "fixed"
    window_s: float = 60.0
    accepted_keys: frozenset[str] | None = None
    credits: float | None = None
    credits_per_image: float = 50.0
    latency_s: float = 0.0
    url_ttl_s: float = 3600.0
    job_ttl_s: float = 3600.0
    fast: bool = False
    fast_bytes: int = 0
    honours_keys: bool = True
    vary_unseeded: bool = False
    models: frozenset[str] | None = None
    asynchronous: bool = True
    webhook_secret: str = WEBHOOK_SECRET
    webhook_attempts: int = 3
    polls_count: bool = False
    public_url: str | None = None
    max_body: int = 48 * 1024 * 1024
    faults: FaultPlan = field(default_factory=FaultPlan)
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    @property
    def limits(self) -> SimulatedPlan:
        """The plan's figures; ValueError names the plans there are."""
        if isinstance(self.plan, SimulatedPlan):
            return self.plan
        if self.plan not in PLANS:
            raise ValueError(f"there is no plan {self.plan!r}; there are {', '.join(PLANS)}")
        return PLANS[self.plan]
