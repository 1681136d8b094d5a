"""Claims: taken in one step, renewed whatever the log says, checked before anything is sent, and swept up."""

from __future__ import annotations

import os
from typing import Any

import pytest

from promptlab.errors import LogError
from promptlab.log import Log
from promptlab.pacing.owner import owner
from promptlab.run.context import is_live, run_claim, sweep, take
from promptlab.run.events import Message


def of_a_dead_process() -> str:
    """The name of a process of this machine that is gone."""
    machine, _, _ = owner().partition("|")
    return f"{machine}|{os.getpid()}|1#RUN"


@pytest.fixture
def log(tmp_path: Any) -> Any:
    with Log.open(tmp_path / "promptlab.db") as opened:
        yield opened


def test_a_dead_run_is_taken_with_its_requests_in_one_step(log: Log) -> None:
    """All its claims are the new owner's; a third process finds none of them free."""
    dead, me = of_a_dead_process(), f"{owner()}#RUN"
    log.claim(run_claim("RUN"), 0, dead, 90)
    log.claim("hash", 0, dead, 90)
    assert not is_live(log, "RUN")
    assert take(log, "RUN", me)
    assert (log.claimed_by("hash", 0), log.claim_owner(run_claim("RUN"))) == (me, me)
    assert is_live(log, "RUN")


def test_a_live_run_is_not_taken(log: Log) -> None:
    """Of another process, or of an unreachable machine; taking one's own again renews it."""
    other = "elsewhere/1/|7|9#RUN"
    assert take(log, "RUN", other)
    assert not take(log, "RUN", f"{owner()}#RUN")
    assert take(log, "RUN", other)
    log.execute("UPDATE claims SET expires_at = '2020-01-01T00:00:00.000Z'")
    assert take(log, "RUN", f"{owner()}#RUN"), "one that ran out is anybody's"


def test_expired_claims_are_swept_but_not_a_sleeper_s(log: Log) -> None:
    """What is left of dead processes and other machines goes; a process that only sleeps may wake up."""
    log.claim("a", 0, of_a_dead_process(), -1)
    log.claim("b", 0, "elsewhere/1/|7|9#RUN", -1)
    log.claim("c", 0, f"{owner()}#RUN", -1)
    log.claim("d", 0, "elsewhere/1/|7|9#RUN", 60)
    sweep(log)
    assert list(log.rows("SELECT request_hash FROM claims ORDER BY 1")) == [("c",), ("d",)]


def test_a_run_sweeps_what_others_left(lab: Any) -> None:
    """After any run no claim that ran out is left."""
    lab.experiment(2, provider="simulator")
    with lab.studio().log() as log:
        log.claim("old", 0, of_a_dead_process(), -1)
    lab.run()
    assert lab.rows("SELECT * FROM claims") == []


def test_a_renewal_that_the_log_refuses_is_tried_again(lab: Any, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Busy, locked, an I/O error: reported, and the claims are renewed the next time."""
    renew, tries = Log.renew_claims, [0]

    def refusing(self: Log, name: str, seconds: float) -> int:
        tries[0] += 1
        if tries[0] in (2, 3):
            raise LogError("the disk hiccupped")
        return renew(self, name, seconds)

    monkeypatch.setattr(Log, "renew_claims", refusing)
    monkeypatch.setattr("promptlab.run.driver.RENEW_S", 0.02)
    monkeypatch.setattr("promptlab.run.driver.RENEW_AGAIN_S", 0.02)
    api.behave = lambda call: api.act(delay=1.0)
    lab.experiment(2)
    assert lab.run().completed == 2
    assert tries[0] > 6
    said = [event.text for event in lab.events if isinstance(event, Message) and "could not be renewed" in event.text]
    assert len(said) == 2


def test_claims_are_renewed_while_salvaging(lab: Any, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Collecting what a dead process left may take longer than a claim holds."""
    api.hold_files = True
    lab.experiment(4)
    process = lab.start("run", "experiments/exp.yaml", "--yes")
    lab.wait_for(lambda: len(api.downloads) == 4)
    process.kill()
    lab.end(process)
    renew, tries = Log.renew_claims, [0]

    def watched(self: Log, name: str, seconds: float) -> int:
        found = renew(self, name, seconds)
        assert found == 5, "the run's own claim and one of each request, taken over from the dead one"
        tries[0] += 1
        api.hold_files = tries[0] < 3
        return found

    monkeypatch.setattr(Log, "renew_claims", watched)
    monkeypatch.setattr("promptlab.run.driver.RENEW_S", 0.05)
    assert lab.resume().completed == 4
    assert tries[0] >= 3
    assert len(api.calls) == 4
    assert lab.rows("SELECT * FROM claims") == []


def test_two_processes_collect_a_dead_run_once(lab: Any, api: Any) -> None:
    """The one that took it fetches its files; the other leaves it alone, and waits for its requests' results."""
    api.hold_files = True
    lab.experiment(4)
    process = lab.start("run", "experiments/exp.yaml", "--yes")
    lab.wait_for(lambda: len(api.downloads) == 4)
    process.kill()
    lab.end(process)
    api.downloads.clear()
    both = [lab.start("run", "experiments/exp.yaml", "--yes") for _ in range(2)]
    lab.wait_for(lambda: len(api.downloads) == 4)
    code, _, err = lab.cli("resume", "--yes", lab.one("SELECT min(id) FROM runs"))
    assert (code, "still going" in err) == (2, True), err
    lab.wait_for(lambda: lab.one("SELECT count(*) FROM runs WHERE planned IS NOT NULL") >= 2)
    api.hold_files = False
    assert [lab.end(each)[0] for each in both] == [0, 0]
    assert set(api.downloads.values()) == {1}
    assert len(api.calls) == 4
    assert lab.rows("SELECT cached FROM runs ORDER BY id") == [0, 4, 4]
    lab.holds()


def test_a_run_that_lost_its_claim_stops_in_order(lab: Any, api: Any) -> None:
    """Another process has it: the next send is not made, what is in flight is kept, and a sentence says why."""

    def behave(call: Any) -> Any:
        if call.number == 6:
            with lab.studio().log() as log:
                log.execute("UPDATE claims SET owner = 'elsewhere/1/|7|9#RUN'")
        return api.act(delay=0.05)

    api.behave = behave
    lab.experiment(40)
    code, out, err = lab.cli("run", "experiments/exp.yaml", "--yes", "-j", "2")
    assert code == 3, out + err
    assert "another process has taken over run" in out
    assert len(api.calls) <= 6 + 3
    assert lab.statuses() == {"completed": len(api.calls), "planned": 40 - len(api.calls)}
    lab.holds()


def test_a_run_that_lost_its_claim_between_two_sends_hears_of_it(
    lab: Any, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting for its one slow answer, it stops at the next renewal at the latest."""
    monkeypatch.setattr("promptlab.run.driver.RENEW_S", 0.05)

    def behave(call: Any) -> Any:
        with lab.studio().log() as log:
            log.execute("DELETE FROM claims")
        return api.act(delay=0.5)

    api.behave = behave
    lab.experiment(2)
    from promptlab.run.runner import run

    summary = run(lab.job(), lab.options(jobs=1))
    assert "another process has taken over" in str(summary.stopped)
    assert (summary.completed, len(api.calls)) == (1, 1)
