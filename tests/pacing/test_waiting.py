"""Waiting: order, wake-ups, cancellation, and real processes on one key."""

import asyncio
import os
import signal
import socket
import struct
import subprocess
import sys
import time

import pytest

from promptlab.errors import QuotaReached, StoreError
from promptlab.pacing import Delay, KeyLimits, Lease


def test_first_come_first_served(pacer):
    """Twenty workers on one slot get it in the order they asked, each as soon as the one before gives it back."""
    one, order = pacer(KeyLimits(concurrent=1), clock=time.time), []

    async def worker(number):
        lease = await one.acquire()
        order.append(number)
        await asyncio.sleep(0)
        one.release(lease)

    async def main():
        await asyncio.gather(*(worker(number) for number in range(20)))

    began = time.monotonic()
    asyncio.run(main())
    assert order == list(range(20))
    assert time.monotonic() - began < 4.0  # a release wakes the next: a nap of 0.25 s each would be 5 s


def test_cancelled_waiter_takes_nothing(pacer):
    """Cancelling waiters at any moment leaks no lease and stops no other waiter."""
    one = pacer(KeyLimits(concurrent=1), clock=time.time)

    async def main():
        held = await one.acquire()
        waiters = [asyncio.create_task(one.acquire()) for _ in range(5)]
        await asyncio.sleep(0.01)
        for waiter in waiters[:3]:
            waiter.cancel()
        one.release(held)
        lease = await waiters[3]
        waiters[4].cancel()
        await asyncio.gather(*waiters, return_exceptions=True)
        one.release(lease)
        return one.try_acquire()

    assert isinstance(asyncio.run(main()), Lease)


def test_quota_ends_all_waiters(pacer):
    """A used-up quota raises QuotaReached, with its time, for everyone who waits."""
    one = pacer(KeyLimits(daily=1, concurrent=1), clock=time.time)

    async def main():
        one.release(await one.acquire())
        return await asyncio.gather(*(one.acquire() for _ in range(3)), return_exceptions=True)

    errors = asyncio.run(main())
    assert [type(error) for error in errors] == [QuotaReached] * 3
    assert errors[0].until == pytest.approx(time.time() + 86_400, abs=60)
    assert "resets at" in str(errors[0])


def test_held_leases_renew_themselves(pacer):
    """While the event loop runs, a lease taken by acquire outlives its expiry, and the timer ends with the loop."""
    one, renewed = pacer(KeyLimits(concurrent=1), clock=time.time, lease_s=0.06), []
    real = one._ledger.renew
    one._ledger.renew = lambda numbers, now: (renewed.extend(numbers), real(numbers, now))

    async def main():
        lease = await one.acquire()
        while not renewed:
            await asyncio.sleep(0.005)
        one.release(lease)

    asyncio.run(asyncio.wait_for(main(), 5))
    asyncio.run(asyncio.wait_for(main(), 5))  # and in another loop


def test_a_renewal_that_the_disk_refuses_is_tried_again(pacer):
    """One failure, such as a file that is locked, doesn't end the renewing of what is in flight."""
    one, tries = pacer(KeyLimits(concurrent=1), clock=time.time, lease_s=0.06), []

    def renew(numbers, now):
        tries.append(now)
        if len(tries) == 1:
            raise StoreError("the file is locked")

    one._ledger.renew = renew

    async def main():
        lease = await one.acquire()
        async with asyncio.timeout(10):
            while len(tries) < 3:
                await asyncio.sleep(0.01)
        one.release(lease)

    asyncio.run(main())


def test_those_who_wait_together_share_a_transaction(pacer):
    """Twenty workers take a few transactions, not one each; what they give back is written along."""
    one = pacer(KeyLimits(concurrent=20), clock=time.time)
    seen: list[str] = []

    async def worker():
        for _ in range(5):
            lease = await one.acquire()
            await asyncio.sleep(0)
            one.release(lease)

    async def main():
        await asyncio.gather(*(worker() for _ in range(20)))

    one._ledger._db.set_trace_callback(seen.append)
    asyncio.run(main())
    assert len(seen) < 100  # of a hundred leases
    assert sum("BEGIN" in text for text in seen) <= 20


def test_a_group_gets_no_more_than_there_is(pacer):
    """Of many that ask at once as many are served as rate and slots allow, and the rest wait."""
    one, other = (
        pacer(KeyLimits(requests=3, concurrent=2), clock=time.time),
        pacer(KeyLimits(concurrent=2), clock=time.time),
    )

    async def main():
        tasks = [asyncio.create_task(one.acquire()) for _ in range(6)]
        await asyncio.sleep(0.05)
        done = [task.result() for task in tasks if task.done()]
        assert [lease.number for lease in done] == [1, 2]
        assert other.try_acquire().reason == "concurrency"  # in the file before acquire returns
        one.release(done[0], sent=False)  # its place in the rate is free again
        one.release(done[1])
        await asyncio.sleep(0.05)
        assert sum(task.done() for task in tasks) == 4
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
    assert isinstance(one.try_acquire(), Delay)


def test_a_waiter_cancelled_as_it_is_served_gives_all_back(pacer):
    """A grant that its task never sees uses neither a slot nor the rate."""
    one = pacer(KeyLimits(requests=1, concurrent=1), clock=time.time)

    async def main():
        task = asyncio.create_task(one.acquire())
        while not one._held:
            await asyncio.sleep(0)
            if one._held:  # served, but the task has not run yet
                break
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return await asyncio.wait_for(one.acquire(), 5)

    assert isinstance(asyncio.run(main()), Lease)


def test_a_file_that_refuses_fails_those_who_wait_and_keeps_what_is_unwritten(pacer):
    """StoreError reaches every waiter; what was given back is written with the next turn."""
    one = pacer(KeyLimits(concurrent=2), clock=time.time)
    real = one._ledger.turn

    def refuse(*arguments):
        raise StoreError("the file is locked")

    async def main():
        first, second = await one.acquire(), await one.acquire()
        one._ledger.turn = refuse
        one.release(first)
        one.release(second)
        errors = await asyncio.gather(one.acquire(), one.acquire(), return_exceptions=True)
        assert [type(error) for error in errors] == [StoreError] * 2
        one._ledger.turn = real
        return await asyncio.gather(one.acquire(), one.acquire())

    assert len(asyncio.run(main())) == 2


def test_headers_count_before_anything_more_is_granted(pacer):
    """What an answer taught holds for the next that asks, although it was not written at once."""
    one = pacer(KeyLimits(requests=30), clock=time.time)

    async def main():
        lease = await one.acquire()
        one.learn(limit=1, lease=lease)
        one.release(lease)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(one.acquire(), 0.1)

    asyncio.run(main())
    assert one.figures().requests == 1


HOLDER = """
import pathlib, sys, time
from promptlab.pacing import KeyLimits
from promptlab.pacing.pacer import Pacer
pacer = Pacer.open(pathlib.Path(sys.argv[1]), "key", KeyLimits(concurrent=1))
print(pacer.try_acquire(), flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="needs waitid to see a zombie")
def test_killed_process_frees_its_slot(pacer, tmp_path):
    """The slot of a process killed with -9 is free at once, even before its parent has collected it."""
    one = pacer(KeyLimits(concurrent=1), clock=time.time)
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert "Lease" in holder.stdout.readline()
        assert one.try_acquire().reason == "concurrency"
        holder.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
        assert isinstance(one.try_acquire(), Lease)


SENDER = """
import asyncio, pathlib, socket, sys, time
from promptlab.pacing import KeyLimits
from promptlab.pacing.pacer import Pacer
pacer = Pacer.open(pathlib.Path(sys.argv[1]), "key", KeyLimits(requests=20, window_s=1, concurrent=12))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.connect(("127.0.0.1", int(sys.argv[2])))
async def worker():
    while time.time() < float(sys.argv[3]):
        lease = await pacer.acquire()
        udp.send(b"x")
        pacer.arrived(lease)
        await asyncio.sleep(0.02)
        pacer.release(lease)
async def main():
    await asyncio.gather(*(worker() for _ in range(6)))
asyncio.run(main())
pacer.close()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs the kernel's arrival stamps")
def test_four_processes_on_one_key(tmp_path):
    """Four real processes together send at most 20 in any second, by the kernel's arrival stamps, and nearly that."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS: this process may be late, the kernel is not
    receiver.settimeout(0.2)
    ends = time.time() + 3.5
    arguments = [sys.executable, "-c", SENDER, tmp_path, str(receiver.getsockname()[1]), str(ends)]
    processes = [subprocess.Popen(arguments) for _ in range(4)]
    arrivals = []
    while any(process.poll() is None for process in processes):
        try:
            _, ancillary, _, _ = receiver.recvmsg(16, 64)
        except TimeoutError:
            continue
        seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
        arrivals.append(seconds + nanoseconds / 1e9)
    receiver.close()
    assert [process.returncode for process in processes] == [0] * 4
    arrivals.sort()
    gaps = [later - earlier for earlier, later in zip(arrivals, arrivals[20:], strict=False)]
    windows = (len(arrivals) - 1) // 20
    used = windows / (arrivals[windows * 20] - arrivals[0])
    print(f"{len(arrivals)} sends, smallest distance of 20: {min(gaps):.4f} s, {used:.1%} of the rate")
    assert min(gaps) > 1.0
    assert len(arrivals) >= 40


def test_delay_is_plain_data():
    """Answers compare and print by value, so that progress events can carry them."""
    assert Delay(1.0, "rate") == Delay(1.0, "rate") != Delay(1.0, "hold")
