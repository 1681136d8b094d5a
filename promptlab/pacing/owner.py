"""Who holds a lease: a process, so that the slot of a killed one is free again at once."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path
from typing import Literal

__all__ = ["owner", "state_of"]

_PROC = Path("/proc")


def owner() -> str:
    """This process as text: machine, process id, start time. The start time tells a reused process id apart."""
    pid = os.getpid()
    return f"{_machine()}|{pid}|{_started(pid) or '-'}"


def state_of(text: str) -> Literal["alive", "dead", "unknown"]:
    """Whether that process still runs; unknown for one of another machine, container or system."""
    machine, _, rest = text.partition("|")
    pid_text, _, started = rest.partition("|")
    if machine != _machine() or not pid_text.isdigit():
        return "unknown"
    pid = int(pid_text)
    if started != "-":
        return "alive" if _started(pid) == started else "dead"
    if os.name != "posix":
        return "unknown"  # signal 0 is not harmless elsewhere
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "dead"
    except PermissionError:
        return "alive"
    return "alive"


@functools.cache
def _machine() -> str:
    """Where a process id means something: this boot of this host, and on Linux this process namespace."""
    boot, space = "", ""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        space = str((_PROC / "self/ns/pid").readlink())
    except OSError:  # not Linux: the host's name alone has to do
        pass
    return f"{platform.node()}/{boot[:8]}/{space}".replace("|", "")


def _started(pid: int) -> str | None:
    """The start time of a process in clock ticks since boot; None if it is gone, or where there is no /proc."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    # After the name: state is the first field, start time the twentieth (proc(5)). A zombie sends nothing any more.
    return None if fields[0] in "ZX" else fields[19]
