"""The story that redo and export are for, as real processes: a catalogue made, reviewed, mended, and handed over."""

from __future__ import annotations

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

SPEC = """
template: first.j2
params: {output_format: png}
axes: {item: {from: items.csv, id: sku}}
seeds: 1
files: "{item}.{ext}"
provider: kairval
"""


@contextmanager
def simulator(folder: Path, *flags: str) -> Iterator[str]:
    """The provider, as a process of its own."""
    command = [sys.executable, "-u", "-m", "promptlab", "simulator", "--port", "0", "--fast", *flags]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[0]
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)


class Shop:
    """A studio of products, and the program, called as a user calls it."""

    def __init__(self, folder: Path, url: str, products: int) -> None:
        self.folder = folder
        self.environ = {
            **os.environ, "KAIRVAL_BASE_URL": url, "KAIRVAL_API_KEY": "kv_test", "KAIRVAL_PLAN": "enterprise",
            "PROMPTLAB_STATE": str(folder / "state"),
        }  # fmt: skip
        for name in ("experiments", "templates"):
            (folder / name).mkdir()
        (folder / "promptlab.yaml").write_text("")
        rows = "".join(f"P-{number:04},thing {number}\n" for number in range(products))
        (folder / "experiments" / "items.csv").write_text(f"sku,name\n{rows}")
        (folder / "experiments" / "shop.yaml").write_text(SPEC)
        (folder / "templates" / "first.j2").write_text("{{ item.name }} on linen")
        (folder / "templates" / "mended.j2").write_text("{{ item.name }} on linen, the label facing the camera")

    def call(self, *words: str, code: int = 0) -> str:
        command = [sys.executable, "-m", "promptlab", *words]
        done = subprocess.run(command, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False)
        assert done.returncode == code, (words, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout

    def run(self, *words: str, code: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.call(*words, "--json", code=code))
        return found

    def mark(self, run: str, mark: str, names: list[str]) -> None:
        listed = self.folder / "names.txt"
        listed.write_text("\n".join(names))
        self.call("mark", run, f"--{mark}", "--from", str(listed))

    def ask(self, sql: str) -> list[Any]:
        log = sqlite3.connect(self.folder / "promptlab.db")
        try:
            return log.execute(sql).fetchall()
        finally:
            log.close()


def story(folder: Path, url: str, products: int, bad: int) -> dict[str, float]:
    """Everything made, `bad` rejected, only they made again and paid for, everything exported; seconds per step."""
    shop, times, last = Shop(folder, url, products), {}, time.monotonic()

    def took(step: str) -> None:
        nonlocal last
        times[step], last = time.monotonic() - last, time.monotonic()

    go = ("--provider", "kairval", "--yes", "--no-thumbnails")
    assert shop.run("run", "experiments/shop.yaml", *go)["completed"] == products
    took("run")
    skus = [f"P-{number:04}" for number in range(products)]
    rejected = skus[:: products // bad][:bad]
    shop.mark("shop", "keep", [f"{sku}.png" for sku in skus if sku not in rejected])
    shop.mark("shop", "reject", [f"{sku}.png" for sku in rejected])
    took("mark")
    assert len(shop.run("show", "shop", "--without-pick")["without_pick"]) == bad
    took("without a pick")

    half = bad // 2
    stopped = shop.run("redo", "shop", "--template", "mended.j2", "--budget", f"{half * 50}cr", *go, code=3)
    assert stopped["completed"] == half
    assert shop.run("resume", stopped["run_id"], "--yes")["completed"] == bad
    took("redo")
    again = shop.run("redo", "shop", "--template", "mended.j2", *go)
    assert (again["cached"], again["attempts_at_risk"]) == (bad, 0)
    sent = "SELECT count(*), count(DISTINCT g.request_hash), sum(g.credits) FROM attempts a JOIN generations g"
    sent += f" ON g.id = a.generation_id WHERE g.run_id = '{stopped['run_id']}'"
    assert shop.ask(sent) == [(bad, bad, bad * 50.0)]
    assert shop.ask("SELECT count(*) FROM attempts") == [(products + bad,)]
    took("redo again")

    shop.mark(stopped["run_id"], "keep", [f"{sku}.png" for sku in rejected])
    assert shop.run("redo", "shop", "--template", "mended.j2", *go)["to_send"] == 0
    took("nothing to redo")
    assert shop.run("export", "shop", "--picked", "out", "--all-or-nothing")["written"] == products
    took("export")
    assert sorted(path.name for path in (folder / "out").glob("*.png")) == [f"{sku}.png" for sku in skus]
    assert shop.run("export", "shop", "--picked", "out")["written"] == 0
    took("export again")
    with (folder / "out" / "products.csv").open(newline="", encoding="utf-8") as file:
        prompts = {row["item"]: row["prompt"] for row in csv.DictReader(file)}
    assert [sku for sku in skus if "facing" in prompts[sku]] == rejected
    assert shop.ask("SELECT count(*) FROM attempts") == [(products + bad,)]
    return times


def test_only_what_was_rejected_is_paid_for_again(tmp_path: Path) -> None:
    """Forty products, four of them bad: interrupted, resumed, asked twice, and never more than four requests more."""
    with simulator(tmp_path) as url:
        studio = tmp_path / "studio"
        studio.mkdir()
        story(studio, url, 40, 4)


@pytest.mark.storm
def test_thirty_seven_of_four_thousand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A whole catalogue: 37 sent, 37 paid, 4,000 files with the right names, and nothing the second time."""
    with simulator(tmp_path, "--bytes", "60000") as url:
        studio = tmp_path / "studio"
        studio.mkdir()
        times = story(studio, url, 4000, 37)
    with capsys.disabled():
        print("\n" + ", ".join(f"{step} {seconds:.1f} s" for step, seconds in times.items()))
