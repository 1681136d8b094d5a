"""What Python code has: runs in and beside an event loop, experiments from a dict, results in a notebook, a log."""

from __future__ import annotations

import asyncio
import inspect
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import promptlab
from promptlab.log.reader import LogReader

DRAFT = {
    "prompt": "a {{ thing }}, {{ light }}",
    "axes": {"thing": ["cup", "jug"], "light": ["dusk", "neon"]},
    "seeds": 1,
}
QUIET = promptlab.Options(thumbnails=False)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty studio as the current folder."""
    for name in ("KAIRVAL_API_KEY", "KAIRVAL_BASE_URL", "KAIRVAL_PLAN", "OPENAI_API_KEY", "PROMPTLAB_DB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PROMPTLAB_STATE", str(tmp_path / "state"))
    folder = tmp_path / "studio"
    folder.mkdir()
    (folder / "promptlab.yaml").write_text("user: ada\n")
    monkeypatch.chdir(folder)
    return folder


# --- loops ---


def test_a_run_works_inside_a_running_loop() -> None:
    """In Jupyter a loop runs already: the same call works there, on a separate thread."""

    async def cell() -> Any:
        return promptlab.run_experiment(promptlab.experiment(DRAFT), QUIET)

    assert asyncio.run(cell()).completed == 4


def test_a_run_can_be_awaited() -> None:
    """`await arun_experiment` leaves the loop to others while it goes, and gives the same summary."""

    async def main() -> tuple[Any, int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        summary = await promptlab.arun_experiment(promptlab.experiment(DRAFT), QUIET)
        ticking.cancel()
        return summary, ticks

    summary, ticks = asyncio.run(main())
    assert (summary.completed, summary.exit_code) == (4, 0)
    assert ticks > 10


def test_errors_come_through() -> None:
    """What a run refuses, it refuses in a loop too, and no run is in the log."""
    over = promptlab.experiment(DRAFT, key_needed=False)

    async def cell() -> None:
        with pytest.raises(promptlab.PromptlabError):
            promptlab.resume(over.studio, "nothing")
        with pytest.raises(promptlab.PromptlabError):
            await promptlab.aresume(over.studio, "nothing")

    asyncio.run(cell())


@pytest.fixture
def slow(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A simulator server that takes a while for each answer, as Kairval."""
    app = promptlab.create_app(promptlab.SimulatorSettings(fast=True, latency_s=0.3))
    with promptlab.running(app) as url:
        yield {"KAIRVAL_BASE_URL": url, "KAIRVAL_API_KEY": "kv_test_key_123", "KAIRVAL_PLAN": "pro",
               "PROMPTLAB_STATE": str(here.parent / "state")}  # fmt: skip


def test_a_cancelled_run_stops_in_order(slow: dict[str, str]) -> None:
    """Cancelling the task lets what is in flight end and sends no more; `resume` goes on."""
    job = promptlab.experiment(DRAFT | {"seeds": 5}, provider="kairval", environ=slow)
    began = threading.Event()

    def listen(event: object) -> None:
        if isinstance(event, promptlab.Finished):
            began.set()

    async def main() -> None:
        options = promptlab.Options(thumbnails=False, jobs=2, **_confirmed())
        task = asyncio.create_task(promptlab.arun_experiment(job, options, listen))
        while not began.is_set():
            await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    with promptlab.open_log() as log:
        run = log.find_run("last")
        totals = log.totals(run.id)
    assert run.status == "interrupted"
    assert 0 < totals.completed < 20
    assert (totals.in_flight, totals.unknown) == (0, 0)
    assert totals.planned == 20 - totals.completed


@pytest.mark.parametrize("thread", ["the caller's", "the run's"])
def test_interrupting_a_cell_stops_in_order(slow: dict[str, str], thread: str) -> None:
    """Ctrl-C while a cell waits for a run (Jupyter raises KeyboardInterrupt) lets what is in flight end.

    The system may give the signal to either thread; the caller's is the one that Python tells.
    """
    job = promptlab.experiment(DRAFT | {"seeds": 5}, provider="kairval", environ=slow)
    pressed: list[int] = []

    def listen(event: object) -> None:
        if isinstance(event, promptlab.Finished) and not pressed:
            pressed.append(1)
            aim = threading.main_thread() if thread == "the caller's" else threading.current_thread()
            assert aim.ident is not None
            signal.pthread_kill(aim.ident, signal.SIGINT)

    async def cell() -> Any:
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return promptlab.run_experiment(job, promptlab.Options(thumbnails=False, jobs=2, **_confirmed()), listen)
        finally:
            signal.signal(signal.SIGINT, before)

    summary = asyncio.run(cell())
    assert (summary.status, summary.unknown) == ("interrupted", 0)
    assert 0 < summary.completed < 20
    assert summary.next_commands == (f"promptlab resume {summary.run_id}",)


def _confirmed() -> dict[str, Any]:
    """Consent for a paid run, where this version asks for it."""
    return {"yes": True} if "yes" in inspect.signature(promptlab.Options).parameters else {}


def test_a_stop_is_heard_whenever_it_is_asked() -> None:
    """A stop before the run listens is kept, one while it does arrives at once, one after is ignored."""
    from promptlab.run.stopping import Stop

    stop, heard = Stop(), []
    stop.ask()
    with stop.heard_by(lambda: heard.append(time.monotonic())):
        assert len(heard) == 1
        stop.ask()
        assert len(heard) == 2
    stop.ask()
    assert len(heard) == 2


# --- experiments without a file ---


def test_a_dict_is_the_experiment_that_its_yaml_is() -> None:
    """A dict and the YAML text that says the same give the same requests."""
    text = "prompt: a {{ thing }}, {{ light }}\naxes: {thing: [cup, jug], light: [dusk, neon]}\nseeds: 1\n"
    both = [promptlab.experiment(source, name="same") for source in (DRAFT, text)]
    hashes = [[request.request_hash for request in job.plan.requests()] for job in both]
    assert hashes[0] == hashes[1]
    assert len(hashes[0]) == 4


@pytest.mark.parametrize(
    "value", ["16:9", "yes", "null", "1.10", "a: b # c", "'", "{x}", "line\ntwo", "茶 ✓", " spaced "]
)
def test_texts_of_a_dict_arrive_as_they_are(value: str) -> None:
    """No text of a dict is taken for anything else on its way through YAML."""
    job = promptlab.experiment({"prompt": "a {{ x }}", "vars": {"x": value}})
    assert job.experiment.vars == {"x": value}


def test_paths_are_relative_to_the_studio(here: Path) -> None:
    """A CSV that a dict names is found from the studio's folder."""
    (here / "shop.csv").write_text("sku,name\nA1,cup\nA2,jug\n")
    job = promptlab.experiment({"prompt": "a {{ item.name }}", "axes": {"item": {"from": "shop.csv", "id": "sku"}}})
    assert [request.prompt for request in job.plan.requests()] == ["a cup", "a jug"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"prompt": "a", "seds": 4}, "untitled.yaml:2:1: unknown key 'seds'"),
        ({"prompt": object()}, "prompt is object; an experiment holds"),
        ({"prompt": "a", "axes": {"x": {1, 2}}}, "axes.x is set;"),
        ("prompt: [", "untitled.yaml:2:1: this is not YAML"),
    ],
)
def test_what_is_wrong_has_its_place(source: Any, message: str) -> None:
    """Problems of a dict or text are reported with their line or their path of keys."""
    with pytest.raises(promptlab.InputError) as refused:
        promptlab.experiment(source)
    assert message in str(refused.value)


def test_a_cyclic_dict_is_refused() -> None:
    """A dict that holds itself is a sentence, not a hang."""
    draft: dict[str, Any] = {"prompt": "a"}
    draft["vars"] = draft
    with pytest.raises(promptlab.InputError, match="nested more than 50 deep"):
        promptlab.experiment(draft)


@pytest.mark.parametrize("name", ["../evil", "", "promptlab", "a/b"])
def test_a_name_is_a_name(name: str) -> None:
    """What cannot be a file's name is none."""
    with pytest.raises(promptlab.InputError, match="can't be a name"):
        promptlab.experiment(DRAFT, name=name)


# --- results ---


def test_a_summary_shows_its_pictures(here: Path) -> None:
    """In a notebook a summary has its figures and small pictures inside the page, all texts escaped."""
    draft = {"prompts": {"one": 'a cup <script>alert("x")', "two": "a jug"}, "seeds": 1}
    summary = promptlab.run_experiment(promptlab.experiment(draft, name="shown"))
    html = summary._repr_html_()  # type: ignore[attr-defined]
    assert html.count('<img src="data:image/jpeg;base64,') == 2
    assert "SIMULATED" in html
    assert "<script>" not in html
    assert "a cup &lt;script&gt;" in html
    assert len(html) < 400_000
    (here / "images").rename(here / "gone")
    assert summary._repr_html_().count("no file") == 2  # type: ignore[attr-defined]
    (here / "promptlab.db").rename(here / "gone.db")
    assert "there is no log" in summary._repr_html_()  # type: ignore[attr-defined]


def test_a_summary_is_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """to_frame() gives pandas one row per image, with a column for each axis."""
    pandas = ModuleType("pandas")
    pandas.DataFrame = list  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    rows = promptlab.run_experiment(promptlab.experiment(DRAFT), QUIET).to_frame()
    assert [(row["thing"], row["light"], row["status"]) for row in rows] == [
        ("cup", "dusk", "stored"), ("cup", "neon", "stored"), ("jug", "dusk", "stored"), ("jug", "neon", "stored"),
    ]  # fmt: skip


def test_without_pandas_a_frame_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pandas is missing, to_frame() says what to install and what does without."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    summary = promptlab.run_experiment(promptlab.experiment(DRAFT), QUIET)
    with pytest.raises(promptlab.PromptlabError, match="pip install pandas"):
        summary.to_frame()


# --- the log ---


def test_the_log_that_users_get_has_no_writers() -> None:
    """open_log() reads and can do nothing else: no method that writes, and a read-only file."""
    summary = promptlab.run_experiment(promptlab.experiment(DRAFT), QUIET)
    with promptlab.open_log() as log:
        assert [image.status for image in log.images(summary.run_id)] == ["stored"] * 4
        assert next(log.rows("SELECT count(*) AS n FROM gallery")) == {"n": 4}
        with pytest.raises(promptlab.LogError):
            log.rows("DELETE FROM marks")
    public = {name for name in dir(LogReader) if not name.startswith("_")}
    writers = {"insert", "update", "execute", "executemany", "transaction", "claim", "set_marks", "count", "forget_run"}
    assert public & writers == set()


def test_marks_and_usage_are_functions() -> None:
    """mark() judges images by name or by value; usage() is what `promptlab usage` says."""
    summary = promptlab.run_experiment(promptlab.experiment(DRAFT, name="marked"), QUIET)
    assert promptlab.mark("last", "keep", ["cup_*"]) == 2
    assert promptlab.mark(summary.run_id, "reject", where="light=neon", by="bob") == 2
    with promptlab.open_log() as log:
        marks = sorted((row["by"], row["mark"]) for row in log.rows("SELECT * FROM marks"))
    assert marks == [("ada", "keep"), ("ada", "keep"), ("bob", "reject"), ("bob", "reject")]
    assert promptlab.mark("marked", None, ["*"], by="bob") == 4
    assert promptlab.usage("experiment") == []
    for wrong in ({"images": ["nothing*"]}, {"where": "light=noon"}, {}):
        with pytest.raises(promptlab.InputError):
            promptlab.mark("last", "keep", **wrong)  # type: ignore[arg-type]
