"""One API key's account: its request rate, jobs at once, daily quota and credits (guide, Rate Limits and Pricing)."""

from __future__ import annotations

import math

from promptlab.simulator.responses import ApiError
from promptlab.simulator.settings import SimulatorSettings
from promptlab.simulator.windows import Verdict, Window, make_window

__all__ = ["Account", "rate_headers"]

_NO_LIMIT = 1_000_000
_DAY_S = 86_400


def rate_headers(limit: int | None, verdict: Verdict) -> dict[str, str]:
    """The guide's three headers; Reset in epoch seconds."""
    return {
        "X-RateLimit-Limit": str(limit if limit is not None else _NO_LIMIT),
        "X-RateLimit-Remaining": str(max(0, verdict.remaining)),
        "X-RateLimit-Reset": str(math.ceil(verdict.reset)),
    }


class Account:
    """The limits of a plan as they stand for one key."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self.plan = settings.limits
        self.credits = settings.credits
        self.active = 0
        self._seconds = settings.window_s
        self._window: Window | None = None
        if (limit := self.plan.requests_per_minute) is not None:
            self._window = make_window(settings.window, limit, settings.window_s)
        self._day, self._today = -1, 0

    def headers(self, now: float) -> dict[str, str]:
        """The rate headers as they stand."""
        verdict = self._window.look(now) if self._window else Verdict(True, _NO_LIMIT - 1, now + self._seconds)
        return rate_headers(self.plan.requests_per_minute, verdict)

    def take_request(self, now: float) -> None:
        """Count one request, or ApiError 429 with Retry-After."""
        if self._window is None:
            return
        verdict = self._window.take(now)
        if not verdict.allowed:
            wait = verdict.wait(now)
            raise ApiError(
                429, "rate_limit_exceeded", f"Rate limit exceeded. Retry after {wait} seconds.", "rate_limit_error",
                {"Retry-After": str(wait)},
            )  # fmt: skip

    def admit(self, now: float, price: float) -> None:
        """Take a job's slot, its place in the day and its credits, or ApiError 429 or 402 and nothing taken."""
        if self.plan.concurrent is not None and self.active >= self.plan.concurrent:
            raise ApiError(
                429, "concurrency_limit_exceeded", f"At most {self.plan.concurrent} jobs can run at once.",
                "rate_limit_error", {"Retry-After": "1"},
            )  # fmt: skip
        day = int(now // _DAY_S)
        if day != self._day:
            self._day, self._today = day, 0
        if self.plan.daily is not None and self._today >= self.plan.daily:
            wait = math.ceil((day + 1) * _DAY_S - now)
            raise ApiError(
                429, "daily_quota_exceeded", f"Daily limit of {self.plan.daily} reached. Retry after {wait} seconds.",
                "rate_limit_error", {"Retry-After": str(wait)},
            )  # fmt: skip
        if self.credits is not None:
            if self.credits < price:
                raise ApiError(
                    402, "insufficient_credits", f"This request costs {price:g} credits; {self.credits:g} are left.",
                    "billing_error",
                )  # fmt: skip
            self.credits -= price
        self._today += 1
        self.active += 1

    def leave(self, price: float, *, done: bool) -> None:
        """Give the slot back; where the work was not done, also its credits and its place in the day."""
        self.active -= 1
        if not done:
            self._today -= 1
            if self.credits is not None:
                self.credits += price
