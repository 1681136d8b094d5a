"""Signals that end, suspend or cut off a run, over HTTP and on the simulator: nothing lost, nothing twice."""

from __future__ import annotations

import base64
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

RUN = ("run", "experiments/exp.yaml", "--yes")


def test_a_closed_terminal_stops_the_run_in_order(lab: Any, api: Any) -> None:
    """SIGHUP, more than once, and stderr gone: what is in flight ends, the rest stays planned, nothing is unknown."""
    api.behave = lambda call: api.act(delay=0.6)
    lab.experiment(40)
    process = lab.start(*RUN)
    lab.wait_for(lambda: len(api.calls) == 8)
    process.stderr.close()
    for _ in range(3):  # the shell says it, then the kernel
        process.send_signal(signal.SIGHUP)
        time.sleep(0.05)
    assert process.wait(60) == 130
    process.stdout.close()
    assert lab.statuses() == {"completed": 8, "planned": 32}
    assert lab.rows("SELECT status FROM runs") == ["interrupted"]
    lab.holds()


@pytest.mark.skipif(shutil.which("setsid") is None, reason="setsid gives a process its own terminal")
def test_a_terminal_that_goes_away_breaks_nothing(lab: Any, api: Any) -> None:
    """A real terminal is closed, as by ssh: SIGHUP comes, every print fails, and the run still stops in order."""
    api.behave = lambda call: api.act(delay=0.6)
    lab.experiment(40)
    ours, theirs = os.openpty()
    words = ["setsid", "-c", sys.executable, "-m", "promptlab", *RUN]
    process = subprocess.Popen(words, cwd=lab.folder, env=lab.environ, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        lab.wait_for(lambda: len(api.calls) == 8)
    finally:
        os.close(ours)
    process.wait(60)
    assert lab.statuses() == {"completed": 8, "planned": 32}
    assert lab.rows("SELECT status FROM runs") == ["interrupted"]
    lab.holds()


def test_a_hangup_that_nohup_ignores_is_ignored(lab: Any, api: Any) -> None:
    """Under nohup a run goes on after the terminal has closed, as it was asked to."""
    api.behave = lambda call: api.act(delay=0.3)
    lab.experiment(16)
    process = subprocess.Popen(
        ["nohup", sys.executable, "-m", "promptlab", *RUN], cwd=lab.folder, env=lab.environ,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    lab.wait_for(lambda: len(api.calls) == 8)
    process.send_signal(signal.SIGHUP)
    assert process.wait(60) == 0
    assert lab.statuses() == {"completed": 16}


def test_a_listener_whose_terminal_is_gone_does_not_end_the_run(lab: Any, api: Any) -> None:
    """EIO, a broken pipe and a closed file are the terminal's trouble; anything else is the listener's own."""
    from promptlab.run.runner import run

    lab.experiment(3)
    errors = [OSError(5, "Input/output error"), BrokenPipeError(), ValueError("I/O operation on closed file.")]

    def listener(event: Any) -> None:
        raise random.choice(errors)

    assert run(lab.job(), lab.options(), listener).completed == 3


def inline(api: Any, call: Any) -> Any:
    api.made += 1
    picture = base64.b64encode(api.png(call.number + 1, 40, 40)).decode()
    return api.act(body={"data": [{"b64_json": picture}]}, work=False)


def test_a_second_ctrl_c_between_an_answer_and_its_row_loses_no_picture(
    lab: Any, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pixels came inside the answer, which is committed at once: `resume` has the picture without asking again."""
    from promptlab.run.driver import Driver
    from promptlab.store.background import Keeper

    drivers: list[Driver] = []
    real_run = Driver.run

    async def watched(self: Driver) -> None:
        drivers.append(self)
        await real_run(self)

    async def twice(self: Keeper, *part: Any) -> Any:
        drivers[0].interrupt()
        drivers[0].interrupt()
        import asyncio

        await asyncio.sleep(30)

    api.behave = lambda call: inline(api, call)
    lab.experiment(3)
    with monkeypatch.context() as patch:
        patch.setattr(Driver, "run", watched)
        patch.setattr(Keeper, "put_new", twice)
        assert lab.run(jobs=1).exit_code == 130
    assert lab.statuses()["in_flight"] == 1
    assert lab.rows("SELECT status FROM images") == [], "its picture has no row yet"
    summary = lab.resume()
    assert (summary.completed + summary.unknown, summary.lost) == (3, 0)
    assert not api.asked_again
    lab.holds()


def suspend_until_taken_over(lab: Any, process: Any) -> None:
    """Ctrl-Z, and a claim that has run out since, as after a night."""
    process.send_signal(signal.SIGSTOP)
    with lab.studio().log() as log:
        log.execute("UPDATE claims SET expires_at = '2020-01-01T00:00:00.000Z'")


def test_a_run_that_wakes_up_after_another_process_resumed_it_says_so(lab: Any, api: Any) -> None:
    """`fg`, or a laptop that slept: the one that slept sends nothing more, and what it had paid for is kept."""
    api.behave = lambda call: api.act(delay=0.4)
    lab.experiment(24)
    process = lab.start(*RUN, "-j", "4")
    lab.wait_for(lambda: len(api.calls) == 4)
    suspend_until_taken_over(lab, process)
    code, out, err = lab.cli("resume", "--yes")
    assert lab.statuses() == {"completed": 20, "unknown": 4}, out + err
    process.send_signal(signal.SIGCONT)
    code, out, err = lab.end(process)
    assert code == 3, out + err
    assert "another process has taken over run" in out
    assert "UNIQUE" not in out + err
    assert len(api.calls) == 24, "nobody sent twice"
    assert lab.statuses() == {"completed": 24}, "the four answers that had come were paid for, and are kept"
    assert lab.rows("SELECT status, completed, failed, credits FROM runs") == [("completed", 24, 0, 1200)]
    lab.holds()


def test_a_run_whose_unknown_ones_were_sent_again_leaves_them_alone(lab: Any, api: Any) -> None:
    """Resumed with --retry-unknown meanwhile: the late answers of the sleeper overwrite nothing."""
    api.behave = lambda call: api.act(delay=0.4)
    lab.experiment(4)
    process = lab.start(*RUN, "-j", "4")
    lab.wait_for(lambda: len(api.calls) == 4)
    suspend_until_taken_over(lab, process)
    code, out, err = lab.cli("resume", "--yes", "--retry-unknown")
    assert (code, lab.statuses()) == (0, {"completed": 4}), out + err
    process.send_signal(signal.SIGCONT)
    code, out, err = lab.end(process)
    assert code == 3, out + err
    assert "another process has taken over" in out
    assert lab.statuses() == {"completed": 4}
    assert lab.one("SELECT count(*) FROM attempts WHERE may_be_billed") == 4
    known, most = lab.bound()
    assert known <= api.made <= most


def test_a_log_that_is_deleted_stops_the_run_and_says_where_the_pictures_are(lab: Any, api: Any) -> None:
    """SQLite would go on writing to a file that is gone: nothing more is sent, and the files stay."""
    api.behave = lambda call: api.act(delay=0.05)
    lab.experiment(200)
    process = lab.start(*RUN, "-j", "2")
    lab.wait_for(lambda: lab.statuses().get("completed", 0) >= 3)
    for path in lab.folder.glob("promptlab.db*"):
        path.unlink()
    code, out, err = lab.end(process)
    assert code == 1, out + err
    assert "was deleted or replaced" in out
    assert f"the images that were made are in {lab.folder / 'images'}" in out
    assert len(api.calls) < 150
    assert len(list((lab.folder / "results").rglob("*.png"))) == api.made


# --- the simulator in this process ---


def simulated(lab: Any, requests: int = 60) -> None:
    lab.experiment(requests, provider="simulator")


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, *(pytest.param(each, marks=pytest.mark.storm) for each in (signal.SIGTERM, signal.SIGHUP))],
)
def test_one_signal_stops_a_simulated_run(lab: Any, number: signal.Signals) -> None:
    """At once, in order, without a second one: what was under way costs nothing and is planned again."""
    simulated(lab, 150)
    process = lab.start(*RUN)
    lab.wait_for(lambda: lab.statuses().get("completed", 0) >= 3)
    done = lab.statuses()["completed"]
    process.send_signal(number)
    code, out, err = lab.end(process)
    assert code == 130, out + err
    found = lab.statuses()
    assert set(found) == {"completed", "planned"}
    assert found["completed"] < done + 80
    assert "SIMULATED" in out


def test_what_a_killed_simulated_run_made_is_made_again(lab: Any) -> None:
    """kill -9: its files ended with it, and `resume` makes them again free of charge; none is lost or unknown."""
    simulated(lab, 12)
    process = lab.start(*RUN)
    lab.wait_for(lambda: lab.statuses().get("completed", 0) >= 2)
    process.kill()
    lab.end(process)
    summary = lab.resume()
    assert (summary.completed, summary.lost, summary.unknown, summary.exit_code) == (12, 0, 0, 0)
    assert summary.simulated
    assert lab.one("SELECT count(*) FROM attempts WHERE ended_at IS NULL") == 0


def test_a_plain_run_after_a_killed_simulated_one_skips_nothing(lab: Any) -> None:
    """Nothing of it was paid, so nothing of it is in the way."""
    simulated(lab, 12)
    process = lab.start(*RUN)
    lab.wait_for(lambda: lab.statuses().get("completed", 0) >= 2)
    process.kill()
    lab.end(process)
    summary = lab.run()
    assert (summary.completed, summary.skipped, summary.exit_code) == (12, 0, 0)


def test_rows_that_an_older_version_called_lost_are_simulated_again(lab: Any) -> None:
    """A log that says "50 lost" of the simulator: `run` and `resume` make them again, without a flag."""
    simulated(lab, 3)
    first = lab.run().run_id
    with lab.studio().log() as log:
        log.execute("UPDATE generations SET status = 'lost', error_code = 'download_status'")
        log.execute("UPDATE images SET status = 'lost', sha256 = NULL, url = 'http://simulator.invalid/files/x.png'")
        log.execute("UPDATE runs SET status = 'failed'")
    assert lab.run().skipped == 0
    summary = lab.resume(first)
    assert (summary.completed, summary.lost) == (3, 0)


# --- many instants ---

KINDS = ("kill", "hangup", "terminate", "interrupt", "interrupt twice")
SIGNALS = {"kill": signal.SIGKILL, "hangup": signal.SIGHUP, "terminate": signal.SIGTERM}


def end_at_some_instant(lab: Any, kind: str, seconds: float) -> None:
    """Start a run, wait for its first attempt and so long after it, and end it in this way."""
    process = lab.start(*RUN)
    lab.wait_for(lambda: lab.one("SELECT count(*) FROM attempts") or process.poll() is not None)
    time.sleep(seconds)
    for _ in range(2 if kind == "interrupt twice" else 1):
        process.send_signal(SIGNALS.get(kind, signal.SIGINT))
        time.sleep(0.02)
    lab.end(process)


def over_http(lab: Any, api: Any, kind: str, chance: random.Random) -> None:
    api.behave = lambda call: (
        inline(api, call)
        if call.number % 3 == 0
        else api.act(delay=0.02 * chance.random(), files=("slow",) if chance.random() < 0.1 else ())
    )
    lab.experiment(60)
    end_at_some_instant(lab, kind, chance.random() * 0.3)
    known = set(lab.rows("SELECT request_hash FROM generations WHERE response IS NOT NULL"))
    known |= set(lab.rows("SELECT request_hash FROM generations WHERE id IN (SELECT generation_id FROM answers)"))
    summary = lab.resume()
    assert known <= set(lab.rows("SELECT request_hash FROM generations WHERE status = 'completed'"))
    assert (summary.completed + summary.unknown, summary.lost) == (60, 0)
    assert summary.unknown == 0 or kind in ("kill", "interrupt twice")
    assert max(call.again for call in api.calls) == 0
    assert not lab.rows("SELECT 1 FROM answers")
    lab.holds()


def on_the_simulator(lab: Any, kind: str, chance: random.Random) -> None:
    simulated(lab)
    end_at_some_instant(lab, kind, chance.random() * 0.6)
    summary = lab.resume()
    assert (summary.completed, summary.images, summary.exit_code) == (60, 60, 0)
    assert lab.one("SELECT count(*) FROM images") == 60


@pytest.mark.parametrize("kind", ["hangup", "interrupt twice"])
def test_an_instant_of_each_kind(lab: Any, api: Any, kind: str) -> None:
    """Two of the forty, over HTTP, with answers that hold their pixels among the others."""
    over_http(lab, api, kind, random.Random(kind))


@pytest.mark.storm
@pytest.mark.parametrize("instant", range(8))
@pytest.mark.parametrize("kind", KINDS)
def test_forty_instants_over_http(lab: Any, api: Any, kind: str, instant: int) -> None:
    """kill -9, SIGHUP, SIGTERM, one and two Ctrl-C: nothing lost, nothing twice."""
    over_http(lab, api, kind, random.Random(f"{kind}{instant}"))


@pytest.mark.storm
@pytest.mark.parametrize("instant", range(4))
@pytest.mark.parametrize("kind", KINDS)
def test_twenty_instants_on_the_simulator(lab: Any, kind: str, instant: int) -> None:
    """The same in this process: everything is there in the end, once."""
    on_the_simulator(lab, kind, random.Random(f"{kind}{instant}"))
