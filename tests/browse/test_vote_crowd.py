"""Voting against a real server process: many people at once, and a server that is killed while they vote."""

from __future__ import annotations

import itertools
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from promptlab.log import Log
from promptlab.store import Store

SERVER = """
import sys
from pathlib import Path
from promptlab.browse import polls, serve
polls.SIDE, polls.LENGTH = 96, 8192  # the pictures are not what this is about
serve(Path(sys.argv[1]), Path(sys.argv[2]), port=0, open_browser=False, ready=lambda url: print(url, flush=True))
"""
RUN = "01RUNRUNRUNRUNRUNRUNRUN00"


@pytest.fixture
def studio(tmp_path: Path, writer_class: Any) -> Path:
    """Three styles at twelve seeds, in small pictures."""
    from PIL import Image as Picture

    folder = tmp_path / "studio"
    folder.mkdir()
    with Log.open(folder / "promptlab.db") as log:
        writer = writer_class(log, Store(folder / "images"), folder)
        run = writer.run(RUN, "ads", planned=36, completed=36)
        for number, (style, seed) in enumerate(itertools.product(("film", "ink", "neon"), range(12))):
            made = writer.generation(run, number, {"style": style}, seed=seed)
            out = folder / "picture.png"
            Picture.new("RGB", (32, 32), (number * 7, 90, 120)).save(out)
            writer.image(made, out.read_bytes())
        log.open_poll(RUN, "style", by="owner")
    return folder


@pytest.fixture
def server(studio: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process over it, and its address."""
    command = [sys.executable, "-c", SERVER, str(studio / "promptlab.db"), str(studio / "images")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        process.terminate()


@dataclass
class Voter:
    """Somebody's browser."""

    url: str
    name: str

    def __post_init__(self) -> None:
        self.client = httpx.Client(cookies={"promptlab_name": self.name}, timeout=60, trust_env=False)
        page = self.client.get(f"{self.url}/vote?run={RUN}&by=style").text
        found = {name: re.search(rf'name="{name}" value="([^"]+)"', page) for name in ("csrftoken", "poll")}
        self.fields = {name: match[1] for name, match in found.items() if match}

    def __enter__(self) -> Voter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.client.close()

    def next(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"{self.url}/vote.json?poll={self.fields['poll']}").json()
        return found

    def cast(self, token: str) -> dict[str, Any]:
        headers = {"accept": "application/json", "origin": self.url.split("/-/")[0], "sec-fetch-site": "same-origin"}
        data = self.fields | {"token": token, "outcome": "left"}
        answer: dict[str, Any] = self.client.post(f"{self.url}/vote/cast", data=data, headers=headers).json()
        return answer


def counted(studio: Path) -> dict[str, int]:
    """Voter → ballots in the log."""
    with Log.open(studio / "promptlab.db", create=False) as log:
        (poll,) = log.polls(RUN)
        voted = Counter(ballot.by for ballot in log.ballots(RUN))
        assert log.value("PRAGMA integrity_check") == "ok"
        assert dict(voted) == log.voters(poll.id)
        return dict(voted)


def test_twenty_voters_at_once_lose_none(studio: Path, server: tuple[Any, str]) -> None:
    """And double none, though everybody sends every ballot twice at the same time."""
    _, url = server

    def vote(number: int) -> int:
        mine = 0
        with Voter(url, f"voter{number}") as voter, ThreadPoolExecutor(2) as pool:
            for _ in range(4):
                token = voter.next()["token"]
                answers = list(pool.map(voter.cast, [token, token]))
                mine += sum(answer["counted"] for answer in answers)
        return mine

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(vote, range(20))) == [4] * 20
    assert counted(studio) == {f"voter{number}": 4 for number in range(20)}


def test_a_killed_server_loses_no_acknowledged_vote(studio: Path, server: tuple[Any, str]) -> None:
    """`kill -9` while eight people vote: the log has every ballot that was acknowledged, and at most one more each."""
    process, url = server
    acknowledged: Counter[str] = Counter()
    many = threading.Event()

    def vote(voter: Voter) -> None:
        try:
            while (found := voter.next())["state"] == "open":
                if voter.cast(found["token"])["counted"]:
                    acknowledged[voter.name] += 1
                if acknowledged.total() >= 40:
                    many.set()
        except httpx.HTTPError:
            return  # it is dead

    with ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        voters = [stack.enter_context(Voter(url, f"voter{number}")) for number in range(8)]
        done = [pool.submit(vote, voter) for voter in voters]
        assert many.wait(60)
        process.send_signal(signal.SIGKILL)
        for each in done:
            each.result()
    found = counted(studio)
    assert sum(found.values()) >= 40
    for voter in voters:
        assert acknowledged[voter.name] <= found.get(voter.name, 0) <= acknowledged[voter.name] + 1
