"""Every outcome class, by servers that misbehave: what is sent again, what is not, and what is reported."""

from __future__ import annotations

import random
from typing import Any

import pytest


def test_a_plain_run_sends_each_request_once_and_a_second_one_sends_nothing(lab: Any, api: Any) -> None:
    """What is known is never asked for again, and a cached run costs nothing."""
    lab.experiment(12)
    first = lab.run()
    again = lab.run()
    assert (first.status, first.completed, first.images, first.credits) == ("completed", 12, 12, 600.0)
    assert (again.completed, again.cached, again.credits) == (12, 12, 0.0)
    assert (len(api.calls), api.made) == (12, 12)
    lab.holds()


@pytest.mark.storm
def test_a_fault_storm_leaves_every_request_with_an_end_and_a_bound_that_holds(lab: Any, api: Any) -> None:
    """500 requests through 10 % 429, 10 % 500, 5 % resets, 5 % broken files and slow answers."""
    chance = random.Random(7)

    def behave(call: Any) -> Any:
        draw = chance.random()
        if draw < 0.05:
            return api.error(429, "rate_limited", Retry_After="0.2")
        if draw < 0.10:
            return api.error(429, "rate_limited")
        if draw < 0.20:
            return api.act(500, work=chance.random() < 0.5, body={"error": {"code": "oops", "message": "oops"}})
        if draw < 0.25:
            return api.act(reset=True)
        if draw < 0.275:
            return api.act(files=("cut",))
        if draw < 0.30:
            return api.act(files=("cut_once",))
        if draw < 0.35:
            return api.act(delay=0.3)
        return api.act()

    api.behave = behave
    lab.experiment(500)
    summary = lab.run()
    assert set(lab.statuses()) <= {"completed", "unknown", "lost", "failed"}
    assert sum(lab.statuses().values()) == 500
    assert summary.exit_code == 1
    assert summary.seconds < 60, summary
    assert all(len({call.headers["idempotency-key"] for call in api.posts(f"picture {i}")}) == 1 for i in range(500))
    lab.holds()
    print(summary.seconds, lab.statuses(), lab.bound(), api.made)
