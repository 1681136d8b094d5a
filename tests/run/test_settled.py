"""When a generation is settled: what is committed together, what its files wait for, and what pixels change later."""

from __future__ import annotations

import ast
import asyncio
import sqlite3
import struct
import zlib
from pathlib import Path
from typing import Any, ClassVar

import pytest

import promptlab.run
from promptlab.run.group_commit import GroupCommit


def undecodable(api: Any, number: int) -> bytes:
    """A PNG that is whole by its header, its checksums and its end, but whose pixels are not there."""
    whole = bytes(api.png(number, 64, 64))
    pixels = zlib.compress(b"\0")  # of 64 rows
    chunk = struct.pack(">I", len(pixels)) + b"IDAT" + pixels + struct.pack(">I", zlib.crc32(b"IDAT" + pixels))
    return whole[:33] + chunk + whole[-12:]


# --- pixels -------------------------------------------------------------------------------------------------------


def test_an_image_whose_pixels_are_not_there_is_lost_with_its_reason(lab: Any, api: Any) -> None:
    """It was settled before anybody decoded it; when the command ends it is lost, and keeps neither file nor name."""
    api.behave = lambda call: api.act(image=undecodable(api, call.number) if call.number == 1 else None)
    lab.experiment(3)
    summary = lab.run()
    assert (summary.completed, summary.lost) == (2, 1)
    assert lab.rows("SELECT error_code FROM generations WHERE status = 'lost'") == ["image_damaged"]
    assert lab.rows("SELECT sha256, path, bytes FROM images WHERE status = 'lost'") == [(None, None, None)]
    assert len(list((lab.folder / "results").rglob("*.png"))) == 2
    assert any("cannot be decoded" in event.text for event in lab.events if hasattr(event, "text"))


def test_an_image_that_cannot_be_decoded_is_fetched_once_more(lab: Any, api: Any) -> None:
    """A proxy may have damaged it: another copy takes its place, under the same row and name."""
    lab.experiment(1)

    def get(call: Any) -> None:
        return None

    api.get = get
    bad = undecodable(api, 1)
    api.behave = lambda call: api.act(image=bad)
    served: list[str] = []
    real = api._file

    async def once(name: str, writer: Any) -> None:
        served.append(name)
        if len(served) > 1:
            api.images[name] = "whole", api.png(9, 64, 64)
        await real(name, writer)

    api._file = once
    assert lab.run().completed == 1
    assert len(served) == 2
    assert lab.one("SELECT count(*) FROM images WHERE status = 'stored' AND perceptual_hash IS NOT NULL") == 1
    assert (lab.folder / lab.one("SELECT path FROM images")).read_bytes() == api.png(9, 64, 64)


def test_every_image_has_its_perceptual_hash_when_the_command_ends(lab: Any, api: Any) -> None:
    """Hashes are written in batches, and none waits for the next run."""
    lab.experiment(12)
    lab.run()
    assert lab.one("SELECT count(*) FROM images WHERE perceptual_hash IS NULL") == 0


def test_images_that_a_killed_process_had_not_decoded_are_decoded_by_resume(lab: Any, api: Any) -> None:
    """They were settled, but nobody had looked at their pixels; what is no picture is lost now."""
    lab.experiment(3)
    api.behave = lambda call: api.act(image=api.png(call.number, 64, 64))
    lab.run()
    first = lab.one("SELECT sha256 FROM images ORDER BY rowid LIMIT 1")
    with lab.studio().log() as log:
        log.execute("UPDATE images SET perceptual_hash = NULL")
        log.execute("UPDATE runs SET status = 'running'")
        log.execute("DELETE FROM claims")
    (file,) = (lab.folder / "images").glob(f"??/{first}.png")
    file.unlink()
    file.write_bytes(undecodable(api, 1))
    api.images.clear()
    summary = lab.resume()
    assert (summary.completed, summary.lost) == (2, 1)
    assert lab.one("SELECT count(*) FROM images WHERE perceptual_hash IS NOT NULL") == 2


# --- commits ------------------------------------------------------------------------------------------------------


def test_a_result_is_in_the_log_while_its_files_are_still_on_their_way(lab: Any, api: Any) -> None:
    """A slow download: what was paid, and for what, is there for everybody to see."""
    api.hold_files = True
    lab.experiment(1)
    process = lab.start("run", "experiments/exp.yaml", "--yes")
    lab.wait_for(lambda: lab.rows("SELECT 1 FROM generations WHERE response IS NOT NULL AND credits = 50"))
    assert lab.statuses() == {"in_flight": 1}
    assert lab.rows("SELECT outcome, may_be_billed FROM attempts") == [("ok", 0)]
    api.hold_files = False
    assert lab.end(process)[0] == 0
    assert lab.rows("SELECT status, credits, cost_source FROM generations") == [("completed", 50.0, "table")]


def test_nothing_of_a_run_that_ended_stays_behind(lab: Any, api: Any) -> None:
    """Claims and kept answers of completed generations are tidied up in batches, the last ones at the end."""
    lab.experiment(10)
    lab.run()
    assert lab.rows("SELECT count(*) FROM claims") + lab.rows("SELECT count(*) FROM answers") == [0, 0]


def test_answers_that_a_killed_process_did_not_tidy_up_are_removed_by_the_next_run(lab: Any, api: Any) -> None:
    """They belong to generations that have ended."""
    lab.experiment(1)
    lab.run()
    with lab.studio().log() as log:
        generation = log.value("SELECT id FROM generations")
        row = (generation, 200, "{}", b"{}", 1, "2026-01-01T00:00:00.000Z")
        log.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?)", row)
    lab.run(fresh=True)
    assert lab.one("SELECT count(*) FROM answers") == 0


def test_a_generation_takes_few_statements(lab: Any, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen at once share their commits: fewer than eight statements each, beginning and end of the run included."""
    said: list[str] = []
    connect = sqlite3.connect

    def note(text: str) -> None:
        if not text.startswith("--") and said[-1:] != [text]:  # a trigger says its statement's text again
            said.append(text)

    def counted(database: Any, *args: Any, **options: Any) -> sqlite3.Connection:
        db: sqlite3.Connection = connect(database, *args, **options)
        if "promptlab.db" in str(database):
            db.set_trace_callback(note)
        return db

    api.behave = lambda call: api.act(delay=0.05)
    counts = []
    for images in (16, 96):
        name = f"of{images}"
        lab.experiment(images, name)
        said.clear()
        with monkeypatch.context() as patch:
            patch.setattr(sqlite3, "connect", counted)
            patch.setattr("promptlab.run.group_commit.GATHER_S", 0.03)  # also on a machine that is slow today
            lab.run(name, jobs=16, fresh=True)
        counts.append(len(said))
    assert (counts[1] - counts[0]) / 80 < 8, counts


class Entry:
    """Something to write, as the writer's own are."""

    must: ClassVar[bool] = False

    def __init__(self, text: str) -> None:
        self.text = text
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()


class MustEntry(Entry):
    """One that is written whoever waits."""

    must: ClassVar[bool] = True


class Writes:
    """Takes entries, and refuses a commit in which there is a bad one."""

    def __init__(self) -> None:
        self.commits: list[list[str]] = []

    def __call__(self, entries: Any, alone: bool) -> list[Any]:
        if any(entry.text == "bad" for entry in entries):
            raise LookupError("bad")
        self.commits.append([entry.text for entry in entries])
        return [entry.text.upper() for entry in entries]


def test_what_is_written_at_the_same_time_is_one_commit() -> None:
    """Each gets its own result."""

    async def work() -> list[Any]:
        group = GroupCommit(writes)
        return await asyncio.gather(*(group.share(Entry(text)) for text in "abc"))

    writes = Writes()
    assert asyncio.run(work()) == ["A", "B", "C"]
    assert writes.commits == [["a", "b", "c"]]


def test_an_entry_that_cannot_be_written_spoils_no_other() -> None:
    """Its exception is raised where it was waited for; the others are committed each by itself."""

    async def work() -> list[Any]:
        group = GroupCommit(writes)
        return await asyncio.gather(*(group.share(Entry(text)) for text in ("a", "bad", "c")), return_exceptions=True)

    writes = Writes()
    first, second, third = asyncio.run(work())
    assert (first, third) == ("A", "C")
    assert isinstance(second, LookupError)
    assert writes.commits == [["a"], ["c"]]


@pytest.mark.parametrize(("kind", "commits"), [(Entry, []), (MustEntry, [["a"]])])
def test_a_stop_writes_what_must_be_and_takes_back_the_rest(kind: type[Entry], commits: list[Any]) -> None:
    """An answer that is paid for is in the log before anybody hears of the stop; an attempt is not begun any more."""

    async def work() -> None:
        task = asyncio.create_task(GroupCommit(writes).share(kind("a")))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()

    writes = Writes()
    asyncio.run(work())
    assert writes.commits == commits


# --- the seam -----------------------------------------------------------------------------------------------------


def test_the_sender_knows_neither_log_nor_money_nor_pace() -> None:
    """A worker on another machine runs the same code: what it imports of promptlab has none of these."""
    folder = Path(promptlab.run.__file__ or "").parent
    seen: set[str] = set()
    wanted = ["promptlab.run.sender"]
    while wanted:
        module = wanted.pop()
        path = folder / f"{module.rpartition('.')[2]}.py"
        if module in seen or not module.startswith("promptlab.run."):
            seen.add(module)
            continue
        seen.add(module)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                wanted.append(node.module)
    assert not {name for name in seen if name.startswith(("promptlab.log", "promptlab.pacing"))}
    assert not seen & {"promptlab.run.budget", "promptlab.run.writer", "promptlab.run.driver", "promptlab.run.context"}
