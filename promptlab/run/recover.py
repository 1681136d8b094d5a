"""What may be done with a generation that an earlier process left behind: pure rules, a table in the tests.

PROVIDERS.md's outcome classes decide: what was never sent, was rejected or failed may be sent again; what may have been
billed and is not known is collected where there is a way (its stored response, its job id), else never sent again
unasked.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Literal

from promptlab.model import Generation

__all__ = ["Action", "after_interruption", "alive", "may_resend", "owner_name"]

Action = Literal["fetch", "poll", "unknown", "keep"]


def after_interruption(generation: Generation) -> Action:
    """How to settle a generation whose process died: fetch its files, poll its job, or call it unknown."""
    if generation.status != "in_flight":
        return "keep"
    if generation.response is not None:
        return "fetch"
    if generation.job_id is not None:
        return "poll"
    return "unknown"


def may_resend(generation: Generation, last_outcome: str | None, *, unknown: bool = False, lost: bool = False) -> bool:
    """Whether `resume` sends this generation (again); `unknown` and `lost` are the person's explicit consent.

    `last_outcome` is the class of its last attempt: a fatal one (a refused prompt, say) would only fail again.
    """
    match generation.status:
        case "planned":
            return True
        case "failed":
            return last_outcome != "fatal"
        case "unknown":
            return unknown
        case "lost":
            return lost
        case "skipped":
            return (generation.error_code != "unknown_before" or unknown) and (
                generation.error_code != "lost_before" or lost
            )
        case _:
            return False


def owner_name(run_id: str) -> str:
    """Who holds a claim: `host:pid:start:run`; the start time tells a reused pid from the process that claimed."""
    pid = os.getpid()
    return f"{socket.gethostname()}:{pid}:{_start_time(pid) or 0}:{run_id}"


def alive(owner: str, *, host: str | None = None, start_time: Callable[[int], int | None] | None = None) -> bool | None:
    """Whether the process behind a claim still runs; None where it is on another machine and nobody can tell."""
    parts = owner.split(":")
    if len(parts) < 4 or parts[0] != (host or socket.gethostname()):
        return None
    started = (start_time or _start_time)(int(parts[1]))
    return started is not None and (parts[2] == "0" or started == int(parts[2]))


def _start_time(pid: int) -> int | None:
    """A process's start in clock ticks since boot (proc(5), field 22); 0 where only its life is known; None dead."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except FileNotFoundError:
        pass
    except OSError:
        return 0
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return 0
    return 0
