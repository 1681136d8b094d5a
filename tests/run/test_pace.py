"""Pacing end to end: through strict servers, with and without a named plan, alone and four at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest


class Strict:
    """A limiter of the server's own kind: `limit` in `window` seconds; counts what it refused.

    `slack` is for a test machine that is busy: this server, a thread of pytest, may see a request late.
    """

    def __init__(
        self, api: Any, kind: str, limit: int, window: float, concurrent: int | None = None, slack: float = 0.0
    ) -> None:
        self.api, self.kind, self.limit, self.window, self.concurrent = api, kind, limit, window - slack, concurrent
        self.taken: list[float] = []
        self.refused = 0
        self.tokens, self.last = float(limit), time.monotonic()
        api.behave = self

    def __call__(self, call: Any) -> Any:
        now = time.monotonic()
        if self.concurrent is not None and self.api.running > self.concurrent:
            self.refused += 1
            return self.api.error(429, "concurrency", "too many at once")
        left = self.left(now)
        headers = {"X-RateLimit-Limit": str(self.limit), "X-RateLimit-Remaining": str(max(0, left - 1))}
        if left < 1:
            self.refused += 1
            return self.api.error(429, "rate_limited", Retry_After="1")
        self.taken.append(now)
        self.tokens -= 1
        return self.api.act(headers=headers, delay=0.02)

    def left(self, now: float) -> int:
        match self.kind:
            case "sliding":
                return self.limit - sum(at > now - self.window for at in self.taken)
            case "fixed":
                start = now // self.window * self.window
                return self.limit - sum(at >= start for at in self.taken)
            case "first":  # a window that opens with the first request after the last one closed
                start = self.taken[0] if self.taken else now
                for at in self.taken:
                    start = at if at >= start + self.window else start
                return self.limit if now >= start + self.window else self.limit - sum(at >= start for at in self.taken)
        self.tokens = min(self.limit, self.tokens + (now - self.last) * self.limit / self.window)
        self.last = now
        return int(self.tokens)


def plan(requests: int, window: float, concurrent: int = 20) -> str:
    figures = f"requests_per_minute: {requests}, window_s: {window}, concurrent: {concurrent}, daily: none"
    return "plans: {enterprise: {" + figures + ", usd_per_credit: 0.01}}\n"


@pytest.mark.parametrize("kind", ["sliding", "fixed", "first", "bucket"])
def test_a_plan_is_used_to_the_full_without_a_429(lab: Any, api: Any, kind: str) -> None:
    """90 requests through 30 in 1.5 s wait for two windows and their guards, not for a fourth."""
    server = Strict(api, kind, 30, 1.5, slack=0.05)
    lab.settings(plan(30, 1.5))
    lab.experiment(90)
    summary = lab.run()
    assert (summary.completed, api.made) == (90, 90)
    assert server.refused <= 1
    assert api.calls[-1].at - api.calls[0].at < 4 * 1.5 + 1.2 * server.refused  # four windows: a busy machine, no more
    lab.holds()


@pytest.mark.storm
def test_fifty_requests_through_ten_in_ten_seconds(lab: Any, api: Any) -> None:
    """The real program, start-up included, in about 40 s, with exactly 50 images made."""
    server = Strict(api, "sliding", 10, 10.0)
    lab.settings(plan(10, 10.0, 8))
    lab.experiment(50)
    started = time.monotonic()
    code, _, _ = lab.cli("run", "experiments/exp.yaml", "--yes")
    seconds = time.monotonic() - started
    assert (code, api.made) == (0, 50)
    assert server.refused <= 1
    assert seconds <= 48, seconds  # 40 and the start-up, beside a busy neighbour
    lab.holds()


def test_four_processes_on_one_key_are_paced_as_one(lab: Any, api: Any) -> None:
    """Together they send what the plan allows, and concurrency is theirs together too."""
    server = Strict(api, "sliding", 20, 2.0, slack=0.5)
    lab.settings(plan(20, 2.0, 6))
    for name in "abcd":
        lab.experiment(15, name=name, prompt=f'"{name} {{{{ i }}}}"')
    four = [lab.start("run", f"experiments/{name}.yaml", "--yes") for name in "abcd"]
    assert [lab.end(process)[0] for process in four] == [0] * 4
    assert api.made == 60
    assert server.refused <= 1
    assert api.most_running <= 6
    assert api.calls[-1].at - api.calls[0].at < 8
    lab.holds()


@pytest.mark.parametrize(("limit", "requests"), [(30, 25), (120, 60)])
def test_without_a_named_plan_the_pace_is_learned(lab: Any, api: Any, limit: int, requests: int) -> None:
    """Free's pace would take minutes; the first X-RateLimit-Limit says Starter or Pro."""
    server = Strict(api, "sliding", limit, 60.0)
    lab.environ.pop("KAIRVAL_PLAN")
    lab.settings("")
    lab.experiment(requests)
    summary = lab.run()
    assert (summary.completed, server.refused) == (requests, 0)
    assert api.calls[1].at - api.calls[0].at < 5
    assert summary.seconds < 20
    assert (summary.credits, summary.cost_usd) == (50.0 * requests, None)


def test_a_200_with_nothing_remaining_is_a_success(lab: Any, api: Any) -> None:
    """The field's most popular tool asks again, and pays for 62 images of 50."""
    headers = {"X-RateLimit-Limit": "600", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}
    api.behave = lambda call: api.act(headers=headers)
    lab.experiment(50)
    summary = lab.run()
    assert (summary.completed, len(api.calls), api.made) == (50, 50, 50)
    assert summary.seconds < 20


JUNK: list[dict[str, str]] = [
    {"X-RateLimit-Limit": "-1", "X-RateLimit-Remaining": "-1", "X-RateLimit-Reset": "-1"},
    {"X-RateLimit-Limit": "0", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "0"},
    {"X-RateLimit-Limit": "unlimited", "X-RateLimit-Remaining": "nan", "X-RateLimit-Reset": "soon"},
    {"X-RateLimit-Limit": "9" * 40, "X-RateLimit-Remaining": "1e9", "Retry-After": "99999999999"},
]


@pytest.mark.parametrize("headers", JUNK)
def test_junk_headers_on_a_success_change_nothing(lab: Any, api: Any, headers: dict[str, str]) -> None:
    """They are ignored, never obeyed."""
    api.behave = lambda call: api.act(headers=headers)
    lab.experiment(20)
    summary = lab.run()
    assert (summary.completed, len(api.calls)) == (20, 20)
    assert summary.seconds < 10


WAITS: list[tuple[Callable[[], dict[str, str]], str]] = [
    (lambda: {"retry-after-ms": "600", "Retry-After": "30"}, "no"),
    (lambda: {"Retry-After": "0.6"}, "no"),
    (lambda: {"X-RateLimit-Reset": f"{time.time() + 0.7:.3f}"}, "no"),
    (lambda: {"X-RateLimit-Reset": "0.6s"}, "no"),
    (dict, "Rate limit reached. Please try again in 600ms."),
]


@pytest.mark.parametrize(("headers", "message"), WAITS)
def test_a_429_holds_every_worker_back_as_long_as_it_says(
    lab: Any, api: Any, headers: Callable[[], dict[str, str]], message: str
) -> None:
    """In whatever form it is said: nobody sets out before, and it is not waited much longer."""
    refused: list[float] = []

    def behave(call: Any) -> Any:
        if call.number == 5:
            refused.append(call.at)
            return api.act(429, headers(), {"error": {"code": "rate_limited", "message": message}}, work=False)
        return api.act()

    api.behave = behave
    lab.experiment(30)
    summary = lab.run(jobs=4)
    assert (summary.completed, len(api.calls)) == (30, 31)
    # The other three workers may have set out already: their connections stand, or their bytes are on the way.
    after = sorted(call.at - refused[0] for call in api.calls if call.at > refused[0])[3:]
    assert min(after) >= 0.5
    assert summary.seconds < 8
