"""A simulator that runs as a server names itself in its answers: nothing of it is booked as money, anywhere."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from promptlab.browse.page_data import recent_runs
from promptlab.http import SIMULATED_HEADER

NAMED = {SIMULATED_HEADER.title(): "promptlab/0.1.0"}


def named(api: Any, **more: Any) -> Any:
    return api.act(headers=NAMED | more.pop("headers", {}), **more)


def refused(api: Any, status: int) -> Any:
    body = {"error": {"code": "bad", "message": "no such thing", "type": "api_error"}}
    return named(api, status=status, body=body, work=False)


def test_what_a_simulator_server_made_is_no_money(lab: Any, api: Any) -> None:
    """Completed, refused, failed and broken off: usage, spending and latencies know nothing of it."""
    acts = {
        "picture 5": lambda call: refused(api, 400),
        "picture 6": lambda call: named(api) if call.again else refused(api, 500),
        "picture 7": lambda call: api.act(reset=True),
        "picture 8": lambda call: named(api, status=502, body={}, work=False),
    }
    api.behave = lambda call: acts.get(call.prompt, lambda call: named(api))(call)
    lab.experiment(9)
    summary = lab.run(jobs=1)
    assert (summary.completed, summary.failed, summary.unknown) == (6, 1, 2)
    assert summary.simulated
    assert lab.rows("SELECT DISTINCT cost_source FROM generations") == ["simulated"]
    assert lab.one("SELECT count(*) FROM attempts WHERE may_be_billed") == 3, "as it would have been"
    assert not lab.rows("SELECT * FROM spending")
    with lab.studio().log() as log:
        spent = log.spent()
        assert (spent.generations, spent.credits_at_most, spent.attempts_at_risk) == (0, 0, 0)
        assert not log.latencies("kairval", "gpt-image-2")
        assert log.simulated_runs() == {summary.run_id}


def test_everything_says_simulated(lab: Any, api: Any) -> None:
    """The summary, `runs`, the pages; and a copy from the cache is as simulated as what it copies."""
    api.behave = lambda call: named(api)
    lab.experiment(2)
    _, out, err = lab.cli("run", "experiments/exp.yaml", "--yes")
    assert "(SIMULATED)" in out, err
    _, out, err = lab.cli("run", "experiments/exp.yaml", "--yes")
    assert "(SIMULATED)" in out, err
    assert lab.rows("SELECT cost_source, count(cached_from) FROM generations GROUP BY run_id") == [
        ("simulated", 0), ("simulated", 2),
    ]  # fmt: skip
    _, out, _ = lab.cli("runs")
    assert out.count("SIMULATED") == 2
    with closing(sqlite3.connect(lab.database)) as connection:
        connection.row_factory = sqlite3.Row
        cards, _ = recent_runs(connection)
    assert [card.simulated for card in cards] == [True, True]
    assert set(lab.rows("SELECT simulated FROM gallery")) == {1}


def test_no_cap_of_the_studio_is_used_up_by_a_rehearsal(lab: Any, api: Any) -> None:
    """A cap is for money; a run's own --budget is rehearsed, and ends it where it would end a paid one."""
    api.behave = lambda call: named(api)
    lab.settings(caps="{day: 1 USD}")
    lab.experiment(8)
    assert lab.run().completed == 8, "four dollars, had they been any"
    summary = lab.run(fresh=True, budget=lab.amount(credits=200))
    assert (summary.status, summary.completed) == ("stopped", 4)


@pytest.mark.parametrize("first", [True, False])
def test_a_server_that_is_real_after_all_is_booked_as_one(lab: Any, api: Any, first: bool) -> None:
    """A gateway in front of both: each answer counts for itself, and where none came it may have been billed."""

    def behave(call: Any) -> Any:
        if call.prompt == "picture 3":
            return api.act(reset=True)
        return named(api) if (call.number % 2 == 0) is first else api.act()

    api.behave = behave
    lab.experiment(4)
    summary = lab.run(jobs=1)
    sources = lab.rows("SELECT cost_source FROM generations ORDER BY sequence")
    assert sources == (["simulated", "table", "simulated", None] if first else ["table", "simulated", "table", None])
    assert summary.simulated
    with lab.studio().log() as log:
        spent = log.spent()
    real = sources.count("table") * 50
    assert (spent.credits, spent.credits_at_most) == (real, real + 50)


def test_what_a_simulator_server_left_in_flight_is_planned_again(lab: Any, api: Any) -> None:
    """Killed over a server that had named itself: nothing can have been billed, so nothing is unknown."""
    api.behave = lambda call: named(api, delay=0 if call.number < 3 else 4 if not call.again else 0)
    lab.experiment(6)
    process = lab.start("run", "experiments/exp.yaml", "--yes", "-j", "1")
    lab.wait_for(lambda: len(api.calls) == 4)
    process.kill()
    lab.end(process)
    summary = lab.resume()
    assert (summary.completed, summary.unknown) == (6, 0)
    assert summary.simulated
