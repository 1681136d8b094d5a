"""The pacer's rules, one at a time, in virtual time."""

import os
import sqlite3
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.errors import StoreError
from promptlab.pacing import Delay, KeyLimits, Lease, Quota
from promptlab.pacing import ledger as ledger_module
from promptlab.pacing.owner import owner
from promptlab.pacing.pacer import Pacer

SPAN = 60 + 1  # a window and its guard


def about(figure: float) -> Any:
    """A figure that takes the place of an exact one in plain data."""
    return pytest.approx(figure)


def reason(answer):
    """`lease`, or why not."""
    return answer.reason if isinstance(answer, Delay) else type(answer).__name__.lower()


def take(pacer, now, count):
    """Acquire and give back `count` times."""
    for _ in range(count):
        lease = pacer.try_acquire(now)
        assert isinstance(lease, Lease)
        pacer.release(lease)


def test_rate(pacer, start):
    """The sixth request under Free waits for a window and its guard, and no longer."""
    one = pacer(KeyLimits(requests=5))
    take(one, start, 5)
    assert one.try_acquire(start + 1) == Delay(about(SPAN - 1), "rate")
    assert isinstance(one.try_acquire(start + SPAN), Lease)


def test_two_pacers_share(pacer, start):
    """What one process sends counts for the other, another key's does not."""
    limits = KeyLimits(requests=5)
    one, two, other = pacer(limits), pacer(limits), pacer(limits, key="other")
    take(one, start, 3)
    take(two, start, 2)
    assert (reason(one.try_acquire(start)), reason(two.try_acquire(start))) == ("rate", "rate")
    take(other, start, 5)


def test_late_departure_counts_from_its_arrival(pacer, start):
    """A request that left late occupies its place from then on; a delay within the guard changes nothing."""
    one = pacer(KeyLimits(requests=1))
    lease = one.try_acquire(start)
    one.arrived(lease, start + 0.2)
    assert one.try_acquire(start + 1) == Delay(about(SPAN - 1), "rate")
    one.arrived(lease, start + 5)
    assert one.try_acquire(start + 6) == Delay(about(SPAN - 1), "rate")


def test_not_sent_gives_all_back(pacer, start):
    """A request that was certainly not sent uses neither rate nor day."""
    one = pacer(KeyLimits(requests=1, daily=1))
    one.release(one.try_acquire(start), sent=False)
    take(one, start, 1)
    assert reason(one.try_acquire(start)) == "quota"


def test_concurrency(pacer, start):
    """Slots are shared; a second release of one lease frees nothing more."""
    limits = KeyLimits(concurrent=2)
    one, two = pacer(limits), pacer(limits)
    first, second = one.try_acquire(start), two.try_acquire(start)
    assert one.try_acquire(start).seconds <= 0.1  # another process may give back any moment
    one.release(first)
    one.release(first)
    one.renew(first, start)
    third = one.try_acquire(start)
    assert isinstance(third, Lease)
    assert reason(two.try_acquire(start)) == "concurrency"
    two.release(second)
    one.release(third)


def test_lease_of_an_unknown_machine_expires(pacer, start, monkeypatch):
    """A lease whose process cannot be seen is free once it expires, unless renewed."""
    monkeypatch.setattr(ledger_module, "owner", lambda: "elsewhere|1|5")
    far = pacer(KeyLimits(concurrent=1))
    monkeypatch.undo()
    near = pacer(KeyLimits(concurrent=1))
    lease = far.try_acquire(start)
    assert reason(near.try_acquire(start + 119)) == "concurrency"
    far.renew(lease, start + 110)
    assert reason(near.try_acquire(start + 229)) == "concurrency"
    taken = near.try_acquire(start + 231)
    assert isinstance(taken, Lease)
    far.renew(lease, start + 232)  # it was alive after all: both are in flight, and counted
    near.release(taken)
    assert reason(near.try_acquire(start + 233)) == "concurrency"


def test_live_process_keeps_its_lease(pacer, start, monkeypatch):
    """An expired lease of a process that is seen to live stays: its request may take ten minutes."""
    machine = owner().split("|")[0]
    monkeypatch.setattr(ledger_module, "owner", lambda: f"{machine}|{os.getpid()}|-")  # as where there is no /proc
    far = pacer(KeyLimits(concurrent=1))
    monkeypatch.undo()
    near = pacer(KeyLimits(concurrent=1))
    far.try_acquire(start)
    assert reason(near.try_acquire(start + 600)) == "concurrency"
    assert isinstance(near.try_acquire(start + 120 + 3601), Lease)  # leaked


def test_hold_is_shared_and_never_shortened(pacer, start):
    """One 429 holds back every process until its time, and a shorter one changes nothing."""
    one, two = pacer(KeyLimits(requests=5)), pacer(KeyLimits(requests=5))
    one.hold(start + 30, start)
    two.hold(start + 10, start + 1)
    assert two.try_acquire(start + 1) == Delay(about(29), "hold")
    assert isinstance(two.try_acquire(start + 30), Lease)


def test_absurd_hold_is_capped(pacer, start):
    """A hold of a thousand years is a mistake, and lasts a day."""
    one = pacer(KeyLimits())
    one.hold(start * 1000, start)
    assert isinstance(one.try_acquire(start + 86_401), Lease)


def test_a_429_widens_the_guard_for_a_while(pacer, start):
    """After a 429 sends keep a fortieth of a window of distance, and a sixtieth again after fifteen windows."""
    one = pacer(KeyLimits(requests=1))
    one.hold(start, start)
    take(one, start, 1)
    assert one.try_acquire(start) == Delay(about(61.5), "rate")
    assert one.figures(start + 901).guard_s == about(1)


def test_daily_quota(pacer, start):
    """The day's last request is allowed, the next is answered at once with the time the first one leaves."""
    one = pacer(KeyLimits(daily=3, requests=2))
    take(one, start, 2)
    take(one, start + 100, 1)
    assert one.try_acquire(start + 100) == Quota(start + 86_400)
    take(one, start + 86_400, 2)
    assert one.try_acquire(start + 86_400) == Quota(start + 100 + 86_400)


def test_quota_that_the_server_tells(pacer, start):
    """A quota with a time holds until then, then the day counts from there, not from 24 hours back."""
    one, two = pacer(KeyLimits(daily=50)), pacer(KeyLimits(daily=50))
    opens = start - start % 86_400 + 86_400
    take(one, opens - 10, 49)
    one.quota_reached(opens, opens - 9)
    assert two.try_acquire(opens - 1) == Quota(opens)
    take(two, opens, 50)
    assert two.try_acquire(opens + 1) == Quota(about(opens + 86_400))
    take(two, opens + 86_400, 50)  # midnight again: a quota on the hour opens every day then


def test_quota_of_unknown_end(pacer, start):
    """A quota without a time stands for a quarter of an hour, then one request may ask."""
    one = pacer(KeyLimits(daily=50))
    one.quota_reached(None, start)
    assert one.try_acquire(start + 899) == Quota(None)
    assert isinstance(one.try_acquire(start + 901), Lease)


def test_changed_plan_forgets_a_told_quota(pacer, start):
    """Somebody who moved up a plan does not wait for the old plan's quota."""
    pacer(KeyLimits(daily=50)).quota_reached(start + 5000, start)
    assert isinstance(pacer(KeyLimits(daily=1000)).try_acquire(start + 1), Lease)


def test_headers_tighten_a_named_plan(pacer, start):
    """A named plan follows a lower limit, ignores a higher one, and comes back when the header does."""
    one = pacer(KeyLimits(requests=30))
    for limit, expected in ((120, 30), (10, 10), (30, 30), (5, 5)):
        one.learn(limit=limit, now=start)
        assert one.figures(start).requests == expected
    assert one.figures(start + 601).requests == 30  # tomorrow's run starts afresh


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(120, (120, 20)), (30, (30, 5)), (5, (5, 2)), (60, (60, 20)), (600, (120, 20))],
)
def test_a_plan_named_too_high_follows_the_server(pacer, start, plans, limit, expected):
    """Pro on a Starter key: rate and jobs at once are those of the plan that the server's limit is, at once."""
    one = pacer(KeyLimits(requests=120, concurrent=20, daily=10_000), plans=plans)
    one.learn(limit=limit, now=start)
    figures = one.figures(start)
    assert (figures.requests, figures.concurrent, figures.daily) == (*expected, 10_000)


@pytest.mark.parametrize("jobs", [3, 8])
def test_fewer_jobs_stay_fewer(pacer, start, plans, jobs):
    """What was lowered by hand is not raised by a plan."""
    one = pacer(KeyLimits(requests=120, concurrent=jobs), plans=plans)
    one.learn(limit=30, now=start)
    assert one.figures(start).concurrent == min(jobs, 5)


@pytest.mark.parametrize("junk", [-1, 0, 10**9, float("nan"), float("inf"), None])
def test_junk_headers(pacer, start, junk, plans):
    """Limits like -1 and 0, and counts that are not counts, teach nothing."""
    one, unnamed = pacer(KeyLimits(requests=30)), pacer(KeyLimits(requests=5, named=False), key="other", plans=plans)
    for each in (one, unnamed):
        before = each.figures(start).requests
        each.learn(limit=junk, remaining=junk, reset=junk, now=start)
        assert each.figures(start).requests == before


@pytest.mark.parametrize(("limit", "expected"), [(30, (30, 5, 1000)), (120, (120, 20, 10_000)), (600, (600, 20, None))])
def test_headers_set_an_unnamed_plan(pacer, start, plans, limit, expected):
    """Without a name the pace is Free's until X-RateLimit-Limit tells the plan, to every process."""
    limits = KeyLimits(requests=5, concurrent=2, daily=50, named=False)
    one, two = pacer(limits, plans=plans), pacer(limits, plans=plans)
    assert (one.figures(start).requests, one.figures(start).daily) == (5, None)  # the day is a guess, not enforced
    one.learn(limit=limit, remaining=limit, reset=start + 60, now=start)
    figures = two.figures(start + 1)
    assert (figures.requests, figures.concurrent, figures.daily) == expected


def test_someone_else_shares_the_key(pacer, start):
    """When the server has counted more than this machine sent, the others' sends take places until the reset."""
    one = pacer(KeyLimits(requests=5))
    lease = one.try_acquire(start)
    one.learn(limit=5, remaining=1, reset=start + 20, lease=lease, now=start + 1)  # three are someone else's
    assert isinstance(one.try_acquire(start + 1), Lease)
    assert reason(one.try_acquire(start + 1)) == "rate"
    assert isinstance(one.try_acquire(start + 20), Lease)


def test_remaining_zero_waits_for_the_reset_at_most_a_window(pacer, start):
    """Nothing left because of others: wait for the reset, never longer than a window, whatever the header says."""
    one = pacer(KeyLimits(requests=5))
    lease = one.try_acquire(start)
    one.learn(limit=5, remaining=4, reset=start + 60, lease=lease, now=start)
    one.learn(limit=5, remaining=0, reset=start + 90_000, lease=lease, now=start + 1)
    assert one.try_acquire(start + 2) == Delay(about(59), "rate")
    one.learn(limit=5, remaining=4, reset=start + 60, lease=lease, now=start + 3)  # a newer answer knows better
    assert isinstance(one.try_acquire(start + 3), Lease)


def test_a_remaining_that_is_always_zero_is_not_believed(pacer, start):
    """A 200 with Remaining 0 from a server that never says anything else delays no request."""
    one = pacer(KeyLimits(requests=5))
    for moment in range(5):
        lease = one.try_acquire(start + moment)
        assert isinstance(lease, Lease)
        one.learn(limit=5, remaining=0, reset=start + 60, lease=lease, now=start + moment)


def test_our_own_sends_are_not_others(pacer, start):
    """Used up by ourselves: the log knows it, and nothing is tightened."""
    one, two = pacer(KeyLimits(requests=5)), pacer(KeyLimits(requests=5))
    leases = [one.try_acquire(start), *(two.try_acquire(start) for _ in range(4))]
    for index, lease in enumerate(leases):
        one.learn(limit=5, remaining=4 - index, reset=start + 60, lease=lease, now=start + 30)
    assert one.figures(start + 30).requests == 5


def test_clock_set_back(pacer, start):
    """An hour back, no request waits longer than before the jump, and nothing is sent too early."""
    one = pacer(KeyLimits(requests=5, concurrent=9))
    take(one, start, 5)
    one.hold(start + 30, start + 10)
    assert one.try_acquire(start - 3600) == Delay(about(20), "hold")
    assert one.try_acquire(start - 3600 + 20) == Delay(about(61.5 - 30), "rate")
    take(one, start - 3600 + 52, 5)


def test_files_are_private(pacer, tmp_path, start):
    """The folder that is made is 0700 and the file 0600."""
    with Pacer.open(tmp_path / "new" / "state", "key", KeyLimits()) as one:
        one.try_acquire()
        folder = tmp_path / "new" / "state"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


@pytest.mark.parametrize("fault", ["not a folder", "not a database"])
def test_unusable_state(tmp_path, fault):
    """A state folder that can't be used is one sentence that names the remedy."""
    folder = tmp_path / "state"
    if fault == "not a folder":
        folder.write_text("")
    else:
        folder.mkdir()
        (folder / "pacing-1.db").write_text("something else, long enough to be looked at" * 10)
    with pytest.raises(StoreError, match="PROMPTLAB_STATE"):
        Pacer.open(folder, "key", KeyLimits())


def test_close_gives_back(pacer, start, tmp_path):
    """A closed pacer holds no slots."""
    with Pacer.open(tmp_path, "key", KeyLimits(concurrent=1)) as one:
        one.try_acquire(start)
    assert isinstance(pacer(KeyLimits(concurrent=1)).try_acquire(start), Lease)


def test_old_sends_and_keys_are_forgotten(pacer, start, tmp_path):
    """Sends older than a day, and keys unused for a week, leave the file."""
    one = pacer(KeyLimits())
    take(one, start, 250)
    take(one, start + 90_000, 10)
    with sqlite3.connect(tmp_path / "pacing-1.db") as database:
        assert database.execute("SELECT count(*) FROM sends").fetchone() == (10,)
    pacer(KeyLimits(), key="other", clock=lambda: start + 8 * 86_400)
    with sqlite3.connect(tmp_path / "pacing-1.db") as again:
        assert again.execute("SELECT hash FROM keys").fetchall() == [("other",)]
        assert again.execute("SELECT count(*) FROM sends").fetchone() == (0,)
    database.close()
    again.close()


def test_schema(pacer, tmp_path):
    """The schema is exactly this; another one needs another file name, since old and new promptlabs share a folder."""
    pacer(KeyLimits())
    database = sqlite3.connect(tmp_path / "pacing-1.db")
    columns = {
        table: [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        for table in ("keys", "sends", "leases")
    }
    database.close()
    assert columns == {
        "keys": [
            *("id", "hash", "opened", "hold_set", "hold_until", "quota_set", "quota_until", "quota_daily"),
            *("told_limit", "told_set", "others", "others_until", "counts_down"),
        ],
        "sends": ["key", "n", "at"],
        "leases": ["key", "n", "owner", "expires"],
    }


steps = st.lists(
    st.tuples(
        st.sampled_from(["take", "take", "take", "late", "unsent", "wait", "drop", "429", "learn"]), st.floats(0, 25)
    ),
    max_size=80,
)


@settings(max_examples=40, deadline=None)
@given(requests=st.integers(1, 6), concurrent=st.integers(1, 4), steps=steps)
def test_never_more_than_allowed(requests, concurrent, steps):
    """Whatever happens, no window holds more arrivals than the limit, and no moment more jobs than the slots."""
    now, arrivals, held = 1_800_000_000.0, {}, []
    limits = KeyLimits(requests=requests, window_s=30, concurrent=concurrent)
    with tempfile.TemporaryDirectory() as folder, Pacer.open(Path(folder), "key", limits) as one:
        for step, seconds in steps:
            now += seconds if step == "wait" else seconds / 100
            if step in ("take", "late", "unsent") and isinstance(lease := one.try_acquire(now), Lease):
                held.append(lease)
                arrivals[lease.number] = now
                if step == "late":
                    now += seconds
                    one.arrived(lease, now)
                    arrivals[lease.number] = now
                if step == "unsent":
                    one.release(held.pop(), sent=False)
                    del arrivals[lease.number]
            elif step == "drop" and held:
                one.release(held.pop(0))
            elif step == "429":
                one.hold(now + seconds, now)
            elif step == "learn":
                one.learn(limit=requests + int(seconds), remaining=int(seconds), reset=now + seconds, now=now)
            assert len(held) <= concurrent
        times = sorted(arrivals.values())
        assert all(later - earlier > 30 for earlier, later in zip(times, times[requests:], strict=False))


def test_no_environment_is_read(tmp_path, monkeypatch):
    """The pacer writes where it is told and nowhere else."""
    monkeypatch.setenv("PROMPTLAB_STATE", str(tmp_path / "elsewhere"))
    with Pacer.open(tmp_path / "here", "key", KeyLimits()):
        assert sorted(os.listdir(tmp_path)) == ["here"]
