"""Several processes on one log and one key: one request is sent by one of them."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from typing import Any


def test_two_runs_of_one_experiment_at_once_pay_each_request_once(lab: Any, api: Any) -> None:
    """Claims: one process sends, the other takes the result; both end complete."""
    api.behave = lambda call: api.act(delay=0.05)
    lab.experiment(60)
    both = [lab.start("run", "experiments/exp.yaml", "--yes") for _ in range(2)]
    assert [lab.end(process)[0] for process in both] == [0, 0]
    assert len(api.calls) == api.made == 60
    assert lab.rows("SELECT status FROM runs") == ["completed", "completed"]
    assert sum(lab.rows("SELECT cached FROM runs")) == 60
    lab.holds()


def test_the_claims_of_a_dead_process_are_taken_over_at_once(lab: Any, api: Any) -> None:
    """Another experiment that wants what a killed process had claimed doesn't wait for the claims to expire."""
    api.behave = lambda call: api.act(delay=30 if call.prompt == "picture 0" and not call.again else 0)
    lab.experiment(1)
    process = lab.start("run", "experiments/exp.yaml", "--yes")
    lab.wait_for(lambda: api.calls)
    process.kill()
    lab.end(process)
    lab.experiment(2, name="other")
    summary = lab.run("other")
    assert (summary.completed, summary.skipped) == (1, 1)
    assert summary.seconds < 20
    assert len(api.calls) == 2


def test_resume_of_a_run_that_is_still_going_is_refused(lab: Any, api: Any) -> None:
    """A live run is left alone, and its rows with it."""
    api.behave = lambda call: api.act(delay=1.5)
    lab.experiment(2)
    process = lab.start("run", "experiments/exp.yaml", "--yes")
    lab.wait_for(lambda: len(api.calls) == 2)
    code, _, err = lab.cli("resume", "--yes")
    assert code == 2
    assert "still going" in err
    assert lab.end(process)[0] == 0
    assert (len(api.calls), lab.statuses()) == (2, {"completed": 2})


def test_equal_requests_of_one_plan_are_sent_once_and_each_variant_has_its_rows(lab: Any, api: Any) -> None:
    """Two names for one thing: one call, every variant its generation and image, one of them paid."""
    api.behave = lambda call: api.act(delay=0.05)
    lab.experiment(prompt='"{{ thing }}"', axes="{thing: {a: teapot, b: teapot, c: teapot}}")
    for options in ({}, {"fresh": True}):
        calls = len(api.calls)
        summary = lab.run(**options)
        assert (summary.completed, summary.images, len(api.calls) - calls) == (3, 3, 1)
        assert summary.cached == 2
        assert summary.credits == 50
    keys = {call.headers["idempotency-key"] for call in api.calls}
    assert len(keys) == 2


def test_an_equal_request_of_unknown_outcome_is_not_sent_by_its_twin(lab: Any, api: Any) -> None:
    """Not even by --fresh: within one run the rule holds."""
    api.behave = lambda call: api.act(reset=True)
    lab.experiment(prompt='"{{ thing }}"', axes="{thing: {a: teapot, b: teapot, c: teapot}}")
    summary = lab.run(fresh=True)
    assert (summary.unknown, summary.skipped, len(api.calls)) == (1, 2, 1)
    summary = lab.run(fresh=True)
    assert (summary.unknown, summary.skipped, len(api.calls)) == (1, 2, 2)


def test_a_database_that_another_program_locks_for_two_seconds_is_waited_for(lab: Any, api: Any) -> None:
    """A backup or a notebook that writes holds the run up, and does not break it."""
    lab.experiment(20)
    lab.run()
    db = sqlite3.connect(lab.folder / "promptlab.db", check_same_thread=False, isolation_level=None)
    with contextlib.closing(db):
        db.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(2, lambda: db.execute("ROLLBACK"))
        timer.start()
        summary = lab.run(fresh=True)
        timer.join()
    assert (summary.completed, summary.exit_code) == (20, 0)
    lab_calls = len(api.calls)
    assert lab_calls == 40


def test_a_studio_that_may_not_be_written_ends_with_a_sentence(lab: Any, api: Any, tmp_path: Any) -> None:
    """Nothing is sent, and the message says what to do."""
    lab.experiment(2)
    code, _, err = lab.cli("run", "experiments/exp.yaml", "--yes", "--db", "/proc/promptlab.db")
    assert code in (1, 2)
    assert "can't be opened" in err
    assert not api.calls
    (lab.folder / "images").write_text("in the way")
    code, out, err = lab.cli("run", "experiments/exp.yaml", "--yes")
    assert code == 1
    assert "cannot write an image, so nothing was sent" in err
    assert not api.calls
    (lab.folder / "images").unlink()
    code, out, err = lab.cli("run", "experiments/exp.yaml", "--yes")
    assert (code, lab.statuses()) == (0, {"completed": 2}), out + err
    assert api.made == len(api.calls) == 2
    lab.holds()
