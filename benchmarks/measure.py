"""Run a command and say what it cost: wall seconds, CPU seconds of itself and of its children, peak memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# The child reports on itself at its end: only so can its own CPU be told from that of its decoder process. Its peak is
# /proc's where there is one: getrusage's begins with the memory of the process that started it.
REPORT = """
import atexit, json, os, resource, runpy, sys, time
start = time.time()
def peak_mb(usage):
    try:
        lines = open("/proc/self/status").read().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
    except OSError:
        return usage.ru_maxrss / 1024
def report():
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    json.dump({"wall": time.time() - start, "cpu": own.ru_utime + own.ru_stime,
               "children": children.ru_utime + children.ru_stime, "peak_mb": peak_mb(own)},
              open(os.environ["BENCHMARK_REPORT"], "w"))
atexit.register(report)
target, sys.argv = sys.argv[1], sys.argv[1:]
if target.endswith(".py"):
    sys.path.insert(0, os.path.dirname(target))
    runpy.run_path(target, run_name="__main__")
else:
    runpy.run_module(target, run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command took; `wall` includes the start of Python."""

    wall: float
    cpu: float
    children: float
    peak_mb: float
    output: str


def measure(command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Cost:
    """Run `python -m NAME ...` or `python FILE.py ...` (the command without `python`); its failure is ours."""
    import time

    with tempfile.NamedTemporaryFile() as report:
        environ = {**os.environ, **(env or {}), "BENCHMARK_REPORT": report.name}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its bytecode
        start = time.time()
        done = subprocess.run(
            [sys.executable, "-c", REPORT, *command], cwd=cwd, env=environ, capture_output=True, text=True, check=False
        )
        wall = time.time() - start
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed ({done.returncode}):\n{done.stderr[-3000:]}")
        figures = json.loads(Path(report.name).read_text())
    return Cost(wall, figures["cpu"], figures["children"], figures["peak_mb"], done.stdout)
