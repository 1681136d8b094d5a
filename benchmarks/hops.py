"""Follow one request through the code: `promptlab run` of one image whose first request is refused with a 429.

`python benchmarks/hops.py [-v]` prints how many files of promptlab are entered, how many calls cross a package's
border, how many SQL statements each database takes, the longest chain of imports, and files and lines. With `-v` every
file with its calls, and every statement.
"""

from __future__ import annotations

import ast
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import promptlab

HERE = Path(__file__).parent
ROOT = Path(promptlab.__file__).parent
PREFIX = f"{ROOT}{os.sep}"
MODULE = "<module>"


def package(name: str) -> str:
    return name.split(os.sep)[0].removesuffix(".py")


class Trace:
    """Counts calls of promptlab's functions: into which file, and from which package. Imports are not calls."""

    def __init__(self) -> None:
        self.entered: Counter[str] = Counter()
        self.crossed: Counter[tuple[str, str]] = Counter()

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(PREFIX) or code.co_name == MODULE:
            return
        here = code.co_filename[len(PREFIX) :]
        back = frame.f_back
        while back is not None and not back.f_code.co_filename.startswith(PREFIX):
            back = back.f_back
        if back is None or back.f_code.co_name == MODULE or _at_import(frame):
            if not _at_import(frame):
                self.entered[here] += 1
            return
        self.entered[here] += 1
        there = back.f_code.co_filename[len(PREFIX) :]
        if package(here) != package(there):
            self.crossed[package(there), package(here)] += 1


def _at_import(frame: FrameType | None) -> bool:
    """Whether a module's body is being run somewhere above: what it calls is not the request's way."""
    while frame is not None:
        if frame.f_code.co_name == MODULE and frame.f_code.co_filename.startswith(PREFIX):
            return True
        frame = frame.f_back
    return False


def statements(count: Counter[str], texts: list[str]) -> None:
    """Count every statement that a connection opened from now on runs, per database file."""
    connect = sqlite3.connect

    def counted(database: Any, *args: Any, **options: Any) -> sqlite3.Connection:
        db = connect(database, *args, **options)
        name = Path(str(database).split("?")[0]).name

        def note(text: str) -> None:
            line = f"{name}: {' '.join(text.split())[:160]}"
            if not text.startswith("--") and texts[-1:] != [line]:  # a trigger says its statement's text again
                count[name] += 1
                texts.append(line)

        db.set_trace_callback(note)
        return db

    sqlite3.connect = counted  # type: ignore[assignment]


def longest_chain() -> list[str]:
    """The longest way down the imports, those inside functions left out."""
    files = {".".join(path.relative_to(ROOT.parent).with_suffix("").parts): path for path in ROOT.rglob("*.py")}
    files = {name.removesuffix(".__init__"): path for name, path in files.items()}

    @cache
    def below(name: str) -> tuple[str, ...]:
        """Circles can't be: the layers' test sees to it."""
        targets: set[str] = set()
        for node in ast.parse(files[name].read_text()).body:
            if isinstance(node, ast.ImportFrom):
                base = name if files[name].name == "__init__.py" else name.rpartition(".")[0]
                module = f"{base}.{node.module}" if node.level and node.module else node.module or base
                inner = {f"{module}.{alias.name}" for alias in node.names} & files.keys()
                targets |= inner or ({module} & files.keys())
        return (name, *max((below(target) for target in targets if target != name), key=len, default=()))

    sys.setrecursionlimit(10_000)
    return list(max((below(name) for name in files), key=len))


def studio(folder: Path, images: int) -> None:
    folder.mkdir(exist_ok=True)
    numbers = ", ".join(str(number) for number in range(images))
    spec = f'prompt: "a teapot in {{{{ style }}}}"\naxes: {{style: [{numbers}]}}\nseeds: [1]\n'
    (folder / "exp.yaml").write_text(spec)


def run(folder: Path) -> None:
    """The command in this process; what it prints is not of interest here."""
    from promptlab.cli.main import main

    os.chdir(folder)
    sys.argv = ["promptlab", "run", "exp.yaml", "--provider", "kairval", "--yes"]
    out, sys.stdout = sys.stdout, open(os.devnull, "w")  # noqa: SIM115
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
    finally:
        sys.stdout = out


def main(verbose: bool) -> None:
    folder = Path(tempfile.mkdtemp())
    command = [sys.executable, str(HERE / "server.py"), "--size", "6000", "--refuse", "1"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    os.environ |= {
        "KAIRVAL_API_KEY": "kv_benchmark", "KAIRVAL_PLAN": "enterprise", "PROMPTLAB_STATE": str(folder / "state"),
        "KAIRVAL_BASE_URL": f"http://127.0.0.1:{server.stdout.readline().strip()}",
    }  # fmt: skip
    studio(folder / "one", 1)
    trace = Trace()
    threading.setprofile(trace)
    sys.setprofile(trace)
    try:
        run(folder / "one")
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    figures: dict[int, Counter[str]] = {}
    texts: list[str] = []
    for images in (50, 250):
        studio(folder / str(images), images)
        figures[images] = Counter()
        texts.clear()
        connect = sqlite3.connect
        statements(figures[images], texts)
        run(folder / str(images))
        sqlite3.connect = connect  # type: ignore[assignment]
    server.terminate()
    files = list(ROOT.rglob("*.py"))
    lines = sum(len(path.read_text().splitlines()) for path in files)
    print(f"{len(files)} files, {lines:,} lines; the longest chain of imports has {len(longest_chain())} modules")
    print(
        f"one image with one 429 enters {len(trace.entered)} files, crosses a package's border "
        f"{trace.crossed.total()} times, {trace.entered.total()} calls"
    )
    for name in sorted(figures[250]):
        each = (figures[250][name] - figures[50][name]) / 200
        print(f"  {each:.1f} statements per generation in {name}")
    by_package = Counter(package(name) for name in trace.entered)
    print("  files:", ", ".join(f"{name} {number}" for name, number in by_package.most_common()))
    print("  borders:", ", ".join(f"{a}→{b} {number}" for (a, b), number in trace.crossed.most_common()))
    if verbose:
        print(" → ".join(longest_chain()))
        print(*(f"{calls:5} {name}" for name, calls in sorted(trace.entered.items())), *texts[-400:-200], sep="\n")


if __name__ == "__main__":
    main("-v" in sys.argv[1:])
