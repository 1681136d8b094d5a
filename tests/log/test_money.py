"""Both bounds of what was spent: simulated never counts, a copy never twice, unknown outcomes in the upper one."""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import Any

import pytest

from promptlab.errors import InputError
from promptlab.log import Log, Spent

SPENDING = (
    "SELECT generations, images, credits, cost_usd, attempts_at_risk, credits_at_most, cost_usd_at_most FROM spending"
)
PRICED = {"credits": 50.0, "cost_usd": 0.75, "cost_source": "table"}
RISK = {"may_be_billed": True, "credits_at_risk": 50.0, "cost_usd_at_risk": 0.75}


@pytest.mark.parametrize(
    ("run", "generation", "images", "attempts", "expected"),
    [
        ({}, PRICED, 1, [], (1, 1, 50.0, 0.75, 0, 50.0, 0.75)),
        ({}, PRICED, 4, [{"outcome": "ok"}], (1, 4, 50.0, 0.75, 0, 50.0, 0.75)),
        ({}, PRICED, 1, [RISK, RISK], (1, 1, 50.0, 0.75, 2, 150.0, 2.25)),
        ({}, PRICED | {"status": "lost"}, 0, [], (1, 0, 50.0, 0.75, 0, 50.0, 0.75)),
        ({"kind": "verify"}, PRICED, 1, [], (1, 1, 50.0, 0.75, 0, 50.0, 0.75)),
        ({}, {"status": "unknown"}, 0, [RISK], (0, 0, 0.0, 0.0, 1, 50.0, 0.75)),
        ({}, {"status": "in_flight"}, 0, [RISK], (0, 0, 0.0, 0.0, 1, 50.0, 0.75)),
        ({}, {"status": "failed"}, 0, [{"outcome": "rejected", "credits_at_risk": 50.0}], None),
        ({}, {"status": "planned"}, 0, [], None),
        ({}, {"credits": 50.0}, 1, [], (1, 1, 50.0, None, 0, 50.0, None)),
        ({}, {"cost_usd": 0.04}, 1, [], (1, 1, None, 0.04, 0, None, 0.04)),
        ({}, PRICED, 1, [{"may_be_billed": True}], (1, 1, 50.0, 0.75, 1, None, None)),
        ({}, {}, 1, [RISK | {"outcome": "ok"}], (1, 1, None, None, 1, 50.0, 0.75)),
        ({}, {}, 1, [RISK | {"outcome": "unknown"}], (1, 1, None, None, 1, None, None)),
        (
            {},
            {"cost_usd": 0.5},
            1,
            [RISK | {"outcome": "ok", "cost_usd_at_risk": 0.0}],
            (1, 1, None, 0.5, 1, 50.0, 0.5),
        ),
        ({}, {"status": "in_flight", **PRICED}, 0, [{"outcome": "ok"}], (0, 0, 50.0, 0.75, 0, 50.0, 0.75)),
        ({}, {"status": "in_flight"}, 0, [RISK | {"outcome": "ok"}], (0, 0, 0.0, 0.0, 1, 50.0, 0.75)),
        ({"provider": "simulator"}, PRICED | {"cost_source": "simulated"}, 1, [], None),
        ({"provider": "simulator"}, {"status": "failed"}, 0, [RISK], None),
        ({}, PRICED | {"cost_source": "simulated"}, 1, [RISK], None),
    ],
)
def test_spending(
    log: Log,
    rows,  # type: ignore[no-untyped-def]
    run: dict[str, Any],
    generation: dict[str, Any],
    images: int,
    attempts: list[dict[str, Any]],
    expected: tuple[float | None, ...] | None,
) -> None:
    """One generation's line in `spending`, or none; `spent` and a run's `totals` agree with it."""
    owner = rows.run(**run)
    row = rows.generation(owner, images=images, **generation)
    for attempt in attempts:
        rows.attempt(row, **attempt)
    copy = rows.generation(rows.run(**run), **generation | {"status": "completed", "cached_from": row.id})
    rows.image(copy)
    assert list(log.rows(SPENDING)) == ([expected] if expected else [])
    spent = log.spent()
    found = (spent.generations, spent.images, spent.credits, spent.cost_usd, spent.attempts_at_risk)
    assert (*found, spent.credits_at_most, spent.cost_usd_at_most) == (expected or (0, 0, 0.0, 0.0, 0, 0.0, 0.0))
    totals = log.totals(owner.id)
    if expected:
        assert (totals.credits, totals.cost_usd) == expected[2:4]
        assert (totals.credits_at_most, totals.cost_usd_at_most) == expected[5:]


@pytest.fixture
def months(log: Log, rows) -> Log:  # type: ignore[no-untyped-def]
    """Spending of two days, users, projects and templates."""
    for day, user, project, template in [
        ("10-31", "anna", "shop", "a"),
        ("11-01", "ben", None, "b"),
        ("11-01", "anna", "shop", "b"),
    ]:
        at = f"2026-{day}T10:00:00.000Z"
        run = rows.run(user=user, project=project, started_at=at, ended_at=at.replace("T10", "T11"))
        row = rows.generation(
            run, images=1, started_at=at, template_id=template, template_path=f"{template}.j2", **PRICED
        )
        rows.attempt(row, **RISK)
    return log


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        ("day", {"2026-10-31": 1, "2026-11-01": 2}),
        ("user", {"anna": 2, "ben": 1}),
        ("project", {None: 1, "shop": 2}),
        ("template", {"a.j2": 1, "b.j2": 2}),
        ("experiment", {"shelf": 3}),
        ("model", {"gpt-image-2": 3}),
    ],
)
def test_usage(months: Log, by: str, keys: dict[str | None, int]) -> None:
    """Usage is grouped by what is asked for."""
    expected = [Spent(key, n, n, n, 50.0 * n, 0.75 * n, 100.0 * n, 1.5 * n) for key, n in keys.items()]
    assert months.usage(by) == expected


@pytest.mark.parametrize(
    ("since", "project", "n"),
    [("", None, 3), ("2026-11-01", None, 2), ("2026-11-01", "shop", 1), ("2026-12-01", None, 0)],
)
def test_spent(months: Log, since: str, project: str | None, n: int) -> None:
    """A cap is checked against the days since, of all projects or one; it is the sum of `usage`."""
    assert months.spent(since=since, project=project) == Spent(None, n, n, n, 50.0 * n, 0.75 * n, 100.0 * n, 1.5 * n)
    if project is None and n:
        first, *rest = months.usage("experiment", since=since)
        assert replace(first, key=None) == months.spent(since=since)
        assert rest == []


def test_unknown_group(log: Log) -> None:
    """A grouping that is not there is an input error, not SQL."""
    with pytest.raises(InputError, match="can't be grouped by 'day; DROP'; it can be by day, experiment"):
        log.usage("day; DROP")


def test_latencies(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """Latency history holds real, completed, paid generations of one model, newest first."""
    run = rows.run()
    first = rows.generation(run, latency_ms=100, aspect_ratio="1:1")
    rows.generation(run, latency_ms=200, aspect_ratio="4:3")
    rows.generation(run, latency_ms=1, cost_source="simulated")
    rows.generation(run, latency_ms=2, cached_from=first.id)
    rows.generation(run, latency_ms=3, status="failed")
    rows.generation(run, latency_ms=4, model="other")
    rows.generation(rows.run(provider="simulator"), latency_ms=5)
    assert log.latencies("kairval", "gpt-image-2") == [200, 100]
    assert log.latencies("kairval", "gpt-image-2", limit=1) == [200]
    assert log.latencies("kairval", "gpt-image-2", operation="generate", aspect_ratio="1:1") == [100]


def test_spent_is_plain(log: Log) -> None:
    """An empty log has spent nothing, which is known."""
    assert astuple(log.spent())[:8] == (None, 0, 0, 0, 0.0, 0.0, 0.0, 0.0)
    assert log.usage() == []
