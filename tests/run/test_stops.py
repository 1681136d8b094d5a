"""What ends a run early: quota, account, Ctrl-C, a full disk; always in order, always to be resumed."""

from __future__ import annotations

import signal
import struct
import subprocess
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from promptlab.errors import StoreError
from promptlab.store.background import Keeper


def test_a_daily_quota_ends_the_run_at_once_with_the_time_it_may_go_on(lab: Any, api: Any) -> None:
    """A 429 with a quota code, or a reset hours away, is exit 3 and never a loop."""
    later = datetime.now(UTC) + timedelta(hours=5)
    api.behave = lambda call: (
        api.error(429, "daily_quota_exceeded", "quota", X_RateLimit_Reset=str(int(later.timestamp())))
        if len(api.answered) >= 3
        else api.act()
    )
    lab.experiment(20)
    started = time.monotonic()
    code, out, err = lab.cli("run", "experiments/exp.yaml", "--yes")
    assert code == 3, out + err
    assert time.monotonic() - started < 15
    assert "stopped:" in out
    assert "promptlab resume" in out
    stopped = lab.one("SELECT count(*) FROM generations WHERE status = 'planned'")
    assert stopped >= 9
    calls = len(api.calls)
    code, out, _ = lab.cli("resume", "--yes")
    assert (code, len(api.calls)) == (3, calls), "the quota is remembered: nothing is asked before it opens"
    assert f"resets at {later:%Y-%m-%d %H:%M} UTC" in out
    lab.holds()


def test_the_plan_s_own_daily_limit_is_kept_before_the_server_says_so(lab: Any, api: Any) -> None:
    """The ledger of the last 24 hours: the run ends with exit 3 after as many requests as a day has."""
    lab.settings("plans: {enterprise: {requests_per_minute: none, concurrent: 8, daily: 7}}\n")
    lab.experiment(20)
    summary = lab.run()
    assert (summary.completed, summary.unsent, summary.exit_code, len(api.calls)) == (7, 13, 3, 7)
    assert "resets at" in str(summary.stopped)
    assert lab.resume().completed == 7
    assert len(api.calls) == 7


@pytest.mark.parametrize(("status", "code"), [(401, "invalid_api_key"), (402, "insufficient_credits")])
def test_a_refused_key_or_an_empty_account_stops_the_run(lab: Any, api: Any, status: int, code: str) -> None:
    """Exit 3; what was in flight ends; after topping up, `resume` sends the rest."""
    api.behave = lambda call: api.error(status, code, "sorry, no") if call.number >= 10 else api.act(delay=0.02)
    lab.experiment(30)
    summary = lab.run()
    assert summary.exit_code == 3
    assert "sorry, no" in str(summary.stopped)
    assert summary.completed + summary.unsent == 30
    assert len(api.calls) <= 10 + 8
    api.behave = lambda call: api.act()
    assert lab.resume().completed == 30
    assert api.made == 30
    lab.holds()


def test_one_ctrl_c_lets_what_is_in_flight_end(lab: Any, api: Any) -> None:
    """130, resumable, and nothing is of unknown outcome."""
    api.behave = lambda call: api.act(delay=0.6)
    lab.experiment(40)
    process = lab.start("run", "experiments/exp.yaml", "--yes")
    lab.wait_for(lambda: len(api.calls) == 8)
    process.send_signal(signal.SIGINT)
    code, out, err = lab.end(process)
    assert code == 130, out + err
    assert lab.statuses() == {"completed": 8, "planned": 32}
    assert "waiting for 8 in flight" in err
    api.behave = lambda call: api.act()
    code, _, _ = lab.cli("resume", "--yes")
    assert (code, lab.statuses(), api.made) == (0, {"completed": 40}, 40)
    lab.holds()


def test_a_second_ctrl_c_leaves_at_once_and_what_was_in_flight_is_unknown(lab: Any, api: Any) -> None:
    """Nobody waits for a server that doesn't answer."""
    api.behave = lambda call: api.act(delay=20)
    lab.experiment(40)
    process = lab.start("run", "experiments/exp.yaml", "--yes")
    lab.wait_for(lambda: len(api.calls) == 8)
    process.send_signal(signal.SIGINT)
    lab.wait_for(lambda: "waiting for 8" in process.stderr.readline())
    process.send_signal(signal.SIGINT)
    code, out, _ = lab.end(process, 10)
    assert code == 130
    assert lab.statuses() == {"unknown": 8, "planned": 32}
    assert "--retry-unknown" in out
    assert lab.one("SELECT sum(may_be_billed) FROM attempts") == 8


def test_a_second_ctrl_c_during_downloads_leaves_them_for_resume(lab: Any, api: Any) -> None:
    """An answer is known once it is stored: what was not fetched yet is fetched by `resume`, not asked for again."""
    api.hold_files = True
    lab.experiment(6)
    process = lab.start("run", "experiments/exp.yaml", "--yes")
    lab.wait_for(lambda: len(api.downloads) == 6)
    process.send_signal(signal.SIGINT)
    lab.wait_for(lambda: "waiting for 6" in process.stderr.readline())
    process.send_signal(signal.SIGINT)
    code, out, _ = lab.end(process, 10)
    assert (code, lab.statuses()) == (130, {"in_flight": 6}), out
    assert "promptlab resume" in out
    api.hold_files = False
    assert lab.run().cached == 6, "a plain run collects them too"
    assert (lab.resume(lab.one("SELECT min(id) FROM runs")).completed, len(api.calls)) == (6, 6)
    lab.holds()


def test_a_polite_kill_is_a_ctrl_c(lab: Any, api: Any) -> None:
    """SIGTERM stops in order."""
    api.behave = lambda call: api.act(delay=0.3)
    lab.experiment(40)
    process = lab.start("run", "experiments/exp.yaml", "--yes")
    lab.wait_for(lambda: len(api.calls) == 8)
    process.send_signal(signal.SIGTERM)
    assert lab.end(process)[0] == 130
    assert lab.statuses() == {"completed": 8, "planned": 32}


def test_ctrl_c_while_waiting_for_the_rate_ends_the_run_at_once(lab: Any, api: Any) -> None:
    """A worker that has nothing in flight has nothing to wait for."""
    lab.settings("plans: {enterprise: {requests_per_minute: 3, concurrent: 8, daily: none, window_s: 60}}\n")
    lab.experiment(10)
    process = lab.start("run", "experiments/exp.yaml", "--yes")
    lab.wait_for(lambda: lab.statuses().get("completed") == 3)
    process.send_signal(signal.SIGINT)
    assert lab.end(process, 10)[0] == 130
    assert lab.statuses() == {"completed": 3, "planned": 7}


def test_a_full_disk_stops_in_order_and_loses_nothing_that_was_paid(
    lab: Any, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence says what to do, exit 1; answers are in the log, so that `resume` fetches their files."""
    kept, keep = [0], Keeper.put_new

    async def full(self: Keeper, *part: Any) -> Any:
        kept[0] += 1
        if kept[0] > 5:
            raise StoreError("images: cannot keep the image; the disk is full: free some space")
        return await keep(self, *part)

    monkeypatch.setattr(Keeper, "put_new", full)
    api.behave = lambda call: api.act(delay=0.02)
    lab.experiment(40)
    summary = lab.run()
    assert (summary.status, summary.exit_code) == ("stopped", 1)
    assert "the disk is full" in str(summary.stopped)
    assert len(api.calls) < 40
    assert any("promptlab resume" in text for text in summary.next_commands)
    monkeypatch.setattr(Keeper, "put_new", keep)
    assert lab.resume().completed == 40
    assert api.made == 40
    lab.holds()


def large(api: Any, number: int) -> bytes:
    """A whole PNG of some 30 KB, another one for each number."""
    small, noise = api.png(number), bytes(30_000)
    chunk = struct.pack(">I", len(noise)) + b"noIs" + noise + struct.pack(">I", zlib.crc32(b"noIs" + noise))
    return bytes(small[:33] + chunk + small[33:])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte; skipped where this user may not make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True)
    if made.returncode:
        pytest.skip("only root can make a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("what", ["images", "db"])
def test_a_disk_that_is_really_full_ends_the_program_in_order(lab: Any, api: Any, small_disk: Path, what: str) -> None:
    """The images', or the database's: a sentence, exit 1, and after freeing space `resume` has everything."""
    api.behave = lambda call: api.act(image=large(api, call.number), delay=0.01)
    place = {"images": "images", "db": "promptlab.db"}[what]
    lab.settings(**{what: str(small_disk / place)})
    lab.database = small_disk / place if what == "db" else lab.database
    lab.experiment(60)
    if what == "db":
        lab.run(budget=lab.amount(credits=50))
        (small_disk / "ballast").write_bytes(bytes(420_000))
    command = ("resume", "--yes") if what == "db" else ("run", "experiments/exp.yaml", "--yes")
    code, out, err = lab.cli(*command)
    assert code == 1, out + err
    assert "full" in out + err
    assert len(api.calls) < 60
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    lab.resume()
    assert lab.statuses().get("completed", 0) + lab.statuses().get("unknown", 0) == 60
    assert max(call.again for call in api.calls) == 0
    assert what == "db" or lab.statuses() == {"completed": 60}
    lab.holds()


def test_a_killed_run_s_jobs_can_be_left_by_ctrl_c(lab: Any, api: Any) -> None:
    """Collecting what a dead process left ends at the first Ctrl-C, and can be done again."""
    api.behave = lambda call: api.act(202, body={"id": f"job_{call.number}", "status": "queued"})
    api.get = lambda call: api.act(body={"id": "job_0", "status": "running"})
    lab.experiment(1, mode="async")
    process = lab.start("run", "experiments/exp.yaml", "--yes")
    lab.wait_for(lambda: api.polls)
    process.kill()
    lab.end(process)
    polls = len(api.polls)
    process = lab.start("resume", "--yes")
    lab.wait_for(lambda: len(api.polls) > polls)
    process.send_signal(signal.SIGINT)
    code, _, err = lab.end(process, 10)
    assert (code, lab.statuses()) == (130, {"in_flight": 1}), err
    assert len(api.calls) == 1
