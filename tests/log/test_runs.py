"""Finding a run, reading its rows, counting them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptlab.errors import InputError
from promptlab.log import Failure, Log
from promptlab.model import Generation


@pytest.fixture
def three(rows) -> dict[str, str]:  # type: ignore[no-untyped-def]
    """Two runs of `shelf`, one of `portrait` between them."""
    return {
        "old": rows.run(id="01KA00000000000000000000AA", started_at="2026-01-01T00:00:00.000Z").id,
        "middle": rows.run(
            id="01KA00000000000000000000AB", started_at="2026-01-02T00:00:00.000Z", experiment="portrait"
        ).id,
        "new": rows.run(id="01KB00000000000000000000AC", started_at="2026-01-03T00:00:00.000Z").id,
    }


@pytest.mark.parametrize(
    ("text", "which"),
    [
        ("last", "new"),
        ("shelf", "new"),
        ("portrait", "middle"),
        ("01KA00000000000000000000AA", "old"),
        ("01ka00000000000000000000ab", "middle"),
        ("01KB", "new"),
        ("01kb", "new"),
        (" last ", "new"),
    ],
)
def test_find_run(log: Log, three: dict[str, str], text: str, which: str) -> None:
    """A run is found by id, unique start of an id, experiment or `last`, in either case."""
    assert log.find_run(text).id == three[which]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "01KA",
            "'01KA' is the start of several runs' ids: 01KA00000000000000000000AB, 01KA00000000000000000000AA; write",
        ),
        ("shelv", "there is no run 'shelv'; did you mean 'shelf'?"),
        ("zzzzzzz", "there is no run 'zzzzzzz'; experiments that ran: shelf, portrait"),
        ("", "there is no run ''"),
        ("%", "there is no run '%'"),
    ],
)
def test_which_run(log: Log, three: dict[str, str], text: str, words: str) -> None:
    """What names no run, or several, is an error that helps."""
    with pytest.raises(InputError) as error:
        log.find_run(text)
    assert words in str(error.value)
    assert "no-such-run" in str(error.value)


def test_no_runs(log: Log) -> None:
    """In an empty log the advice is to run something."""
    with pytest.raises(InputError, match="holds no run yet; `promptlab run EXPERIMENT` makes one"):
        log.find_run("last")


class Undo(Exception):
    """Leaves a transaction without its changes, so that one log serves all examples."""


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ids=st.lists(st.text("0123456789ABCXYZ", min_size=2, max_size=5), min_size=1, max_size=6, unique=True),
    text=st.text("0123456789ABCXYZabcxyz%_*?'\" ", max_size=5),
)
def test_prefix_rules(log: Log, rows, ids: list[str], text: str) -> None:  # type: ignore[no-untyped-def]
    """Of any ids, an id finds itself, a start of one alone finds it, and everything else is an InputError."""
    wanted = text.strip().upper()
    starts = [id_ for id_ in ids if wanted and id_.startswith(wanted)]
    expected = wanted if wanted in ids else starts[0] if len(starts) == 1 else None
    with contextlib.suppress(Undo), log.transaction():
        for id_ in ids:
            rows.run(id=id_)
        if expected is None:
            with pytest.raises(InputError):
                log.find_run(text)
        else:
            assert log.find_run(text).id == expected
        raise Undo


def test_runs(log: Log, three: dict[str, str]) -> None:
    """Runs are listed newest first, of one experiment or all, as many as wanted."""
    assert [run.id for run in log.runs()] == [three["new"], three["middle"], three["old"]]
    assert [run.id for run in log.runs(experiment="shelf", limit=1)] == [three["new"]]


def test_generations(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """A run's generations come in the order of the plan, page by page, while the caller changes them."""
    run, other = rows.run(), rows.run()
    rows.generation(other)
    for number in range(1100):
        rows.generation(run, sequence=(number * 7) % 1100, status="failed" if number % 2 else "planned")
    seen = []
    for row in log.generations(run.id):
        seen.append(row.sequence)
        log.update(Generation, row.id, status="completed" if row.status == "failed" else "failed")
    assert seen == list(range(1100))
    assert sum(1 for _ in log.generations(run.id, statuses=["failed"])) == 550
    assert log.totals(run.id).generations == 1100


def test_failures(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """Failures of one kind are counted together, the most frequent first."""
    run = rows.run()
    wrong = {"error_code": "content_policy", "error_type": "invalid_request_error", "error_message": "no"}
    rows.generation(run)
    unknown = rows.generation(run, sequence=1, status="unknown", error_code="timeout")
    first = rows.generation(run, sequence=2, status="failed", **wrong)
    rows.generation(run, sequence=3, status="failed", **wrong)
    assert log.failures(run.id) == [
        Failure("failed", "content_policy", "invalid_request_error", "no", 2, 2, first.id),
        Failure("unknown", "timeout", None, None, 1, 1, unknown.id),
    ]


def test_totals(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """Totals count each status once, copies apart, and give both bounds."""
    run = rows.run()
    paid = rows.generation(run, images=2, credits=100.0, cost_usd=1.5, latency_ms=1000)
    rows.image(paid, position=2, status="lost", sha256=None)
    rows.attempt(paid, outcome="failed", may_be_billed=True, credits_at_risk=100.0, cost_usd_at_risk=1.5)
    rows.attempt(paid, outcome="ok", credits_at_risk=100.0, cost_usd_at_risk=1.5)
    rows.generation(run, images=2, cached_from=paid.id, credits=0.0, cost_usd=0.0, cost_source="cache")
    unknown = rows.generation(run, status="unknown")
    rows.attempt(unknown, outcome="unknown", may_be_billed=True, credits_at_risk=50.0, cost_usd_at_risk=0.75)
    for status in ("failed", "planned", "in_flight", "skipped"):
        rows.generation(run, status=status)
    totals = log.totals(run.id)
    assert (totals.generations, totals.completed, totals.cached, totals.failed, totals.unknown) == (7, 1, 1, 1, 1)
    assert (totals.planned, totals.in_flight, totals.skipped, totals.lost, totals.simulated) == (1, 1, 1, 0, 0)
    assert (totals.images, totals.images_lost, totals.attempts, totals.attempts_at_risk) == (4, 1, 3, 2)
    assert (totals.credits, totals.cost_usd) == (100.0, 1.5)
    assert (totals.credits_at_most, totals.cost_usd_at_most) == (250.0, 3.75)
    assert totals.mean_latency_ms == 1000


def test_totals_unknown_price(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """What has no known price is None, not 0; a run without results has cost 0."""
    run = rows.run()
    assert log.totals(run.id).credits == log.totals(run.id).cost_usd_at_most == 0
    rows.generation(run, credits=50.0)
    totals = log.totals(run.id)
    assert (totals.credits, totals.cost_usd, totals.credits_at_most, totals.cost_usd_at_most) == (
        50.0,
        None,
        50.0,
        None,
    )
    rows.attempt(rows.generation(run, status="unknown"), outcome="unknown", may_be_billed=True)
    assert log.totals(run.id).credits_at_most is None
