"""A provider whose own code raises: the run stops in order, and what was answered is decoded again free of charge."""

from __future__ import annotations

import base64
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptlab.errors import InputError, LogError, ProviderFault
from promptlab.http import Answer
from promptlab.log import Log
from promptlab.providers import Output, Result
from promptlab.providers.kairval import Kairval
from promptlab.run.raw_answers import Answers


def inline(api: Any) -> Callable[[Any], Any]:
    """Answers with their pixels inside, some of them large enough for a separate file."""

    def behave(call: Any) -> Any:
        api.made += 1
        side = 400 if call.number % 2 else 4
        noise = bytes(range(256)) * (side if side > 4 else 0)
        picture = api.png(call.number + 1) + noise
        body = {"id": f"gen_{call.number}", "data": [{"b64_json": base64.b64encode(picture).decode()}]}
        return api.act(body=body, work=False, delay=0.02)

    return behave


def broken(monkeypatch: pytest.MonkeyPatch, method: str, when: Callable[..., bool]) -> list[int]:
    """Let a method of the provider raise when it is said; counts the calls."""
    real, calls = getattr(Kairval, method), [0]

    def raising(self: Any, *args: Any, **more: Any) -> Any:
        calls[0] += 1
        if when(*args):
            raise KeyError("no field\nof that name")
        return real(self, *args, **more)

    monkeypatch.setattr(Kairval, method, raising)
    return calls


@pytest.mark.parametrize("kind", ["url", "inline"])
@pytest.mark.parametrize("method", ["decode", "cost"])
def test_an_answer_that_cannot_be_decoded_stops_the_run_and_is_decoded_by_resume(
    lab: Any, api: Any, monkeypatch: pytest.MonkeyPatch, method: str, kind: str
) -> None:
    """At answer 3 of 20: no further sends, the text is reported, and once fixed everything that was paid is there."""
    api.behave = inline(api) if kind == "inline" else lambda call: api.act(delay=0.02)
    lab.experiment(20)
    with monkeypatch.context() as patch:
        calls = broken(patch, method, lambda *_: calls[0] > 2)
        summary = lab.run()
    assert (summary.status, summary.exit_code) == ("stopped", 1)
    assert f"the provider kairval raised KeyError in {method}" in str(summary.stopped)
    assert "no field" in str(summary.stopped)
    assert "promptlab resume" in str(summary.stopped)
    assert len(api.calls) <= 2 + 2 * 8, "what was in flight ends, nothing more is sent"
    assert summary.completed in (1, 2), "a cost is asked for twice"
    faulted = lab.rows("SELECT status, error_code FROM generations WHERE error_code IS NOT NULL")
    assert set(faulted) == {("unknown", "provider_error")}
    assert summary.next_commands[0] == f"promptlab resume {summary.run_id}"
    lab.holds()
    sent = len(api.calls)
    summary = lab.resume()
    assert (summary.completed, summary.exit_code, len(api.calls)) == (20, 0, 20)
    assert summary.images == 20
    assert not lab.rows("SELECT 1 FROM answers")
    assert not list((lab.folder / "images" / ".answers").glob("*"))
    assert sent < 20
    lab.holds()


def test_a_provider_that_is_still_broken_sends_nothing_on_resume(
    lab: Any, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`resume` says the same sentence again; --retry-unknown is the consent to ask for that picture once more."""
    lab.experiment(3)
    with monkeypatch.context() as patch:
        broken(patch, "decode", lambda *_: True)
        lab.run(jobs=1)
        assert len(api.calls) == 1
        with pytest.raises(ProviderFault, match="nothing was sent"):
            lab.resume()
        assert lab.statuses() == {"unknown": 1, "planned": 2}
        assert lab.resume(retry_unknown=True, jobs=1).status == "stopped"
    assert [call.prompt for call in api.calls] == ["picture 0", "picture 0"]
    assert lab.run().skipped == 1, "a plain run leaves that one alone"
    assert lab.resume(lab.one("SELECT min(id) FROM runs")).completed == 3
    assert len(api.calls) == 4


def test_a_refusal_that_cannot_be_read_is_read_again_by_resume(
    lab: Any, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`error` raises over a 400 and a 429: stopped with its text; mended, the one is refused and the other sent."""
    answers = {"picture 0": api.error(400, "bad", "no such thing"), "picture 1": api.error(429, "rate", "slow")}
    api.behave = lambda call: answers.pop(call.prompt, api.act())
    lab.experiment(2)
    with monkeypatch.context() as patch:
        broken(patch, "error", lambda *_: True)
        summary = lab.run()
    assert (summary.status, summary.unknown) == ("stopped", 2)
    assert "in error" in str(summary.stopped)
    summary = lab.resume()
    assert lab.statuses() == {"failed": 1, "completed": 1}
    assert summary.failures == (("no such thing", 1),)
    assert len(api.calls) == 3
    lab.holds()


@pytest.mark.parametrize("method", ["encode", "price"])
def test_a_fault_before_the_send_sends_nothing_for_that_one(
    lab: Any, api: Any, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """`encode` or `price` raises: that generation failed with the text, the run stops, and `resume` sends the rest."""
    lab.experiment(20)
    job = lab.job()
    with monkeypatch.context() as patch:
        asked: list[int] = []  # with five sent: first what the fifth has cost, then the price of the sixth

        def sixth(*_: object) -> bool:
            asked.extend([1] * (len(api.calls) == 5))
            return len(asked) == (2 if method == "price" else 1)

        calls = broken(patch, method, sixth)
        from promptlab.run.runner import run

        summary = run(job, lab.options(jobs=1, yes=True))
    assert (summary.status, summary.failed, summary.attempts_at_risk) == ("stopped", 1, 0)
    assert f"in {method}" in str(summary.stopped)
    sent = len(api.calls)
    assert calls[0]
    assert sent == summary.completed == 5
    assert lab.rows("SELECT error_code FROM generations WHERE status = 'failed'") == ["provider_error"]
    assert lab.resume().completed == 20
    assert api.made == 20


def test_the_raw_answer_is_committed_before_it_is_decoded(lab: Any, api: Any) -> None:
    """A decode that kills its own process loses nothing: the next one decodes the stored answer."""
    api.behave = inline(api)
    lab.experiment(3)
    (lab.folder / "sitecustomize.py").write_text(
        "import os, signal\n"
        "from promptlab.providers.kairval import Kairval\n"
        "Kairval.decode = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    process = lab.start("run", "experiments/exp.yaml", "--yes", "-j", "1", PYTHONPATH=str(lab.folder))
    assert lab.end(process)[0] == -signal.SIGKILL
    assert lab.statuses() == {"in_flight": 1, "planned": 2}
    assert lab.rows("SELECT status_code FROM answers") == [200]
    summary = lab.resume()
    assert (summary.completed, summary.unknown, len(api.calls)) == (3, 0, 3)
    lab.holds()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (None, "not a Result"),
        (Result("x", "m", None, ("https://x.example/a.png",)), "not an Output"),  # type: ignore[arg-type]
        (Result("x", "m", 1e40, (Output(data=b"x"),)), "OverflowError|ValueError"),
        (Result("x", "m", None, (Output(data=b"x"),), response={"at": b"x"}), "not JSON serializable"),
        (InputError("not here"), "InputError in decode: not here"),
    ],
)
def test_a_result_that_is_none_is_a_fault_too(
    lab: Any, api: Any, monkeypatch: pytest.MonkeyPatch, given: Any, text: str
) -> None:
    """What `decode` gives is held to the contract before anything stumbles over it; the answer stays."""

    def decode(*_: Any) -> Any:
        if isinstance(given, Exception):
            raise given
        return given

    lab.experiment(2)
    with monkeypatch.context() as patch:
        patch.setattr(Kairval, "decode", decode)
        summary = lab.run(jobs=1)
    assert (summary.status, summary.unknown, len(api.calls)) == ("stopped", 1, 1)
    assert re.search(text, str(summary.stopped))
    assert (lab.resume().completed, len(api.calls)) == (2, 2)


def test_a_job_s_result_that_cannot_be_decoded_is_decoded_again(
    lab: Any, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer of the last poll is kept as any other: `resume` needs no further poll."""
    results: dict[str, Any] = {}

    def submit(call: Any) -> Any:
        results[f"job_{call.number}"] = api._result(call, api.act())
        return api.act(202, body={"id": f"job_{call.number}", "status": "queued"}, work=False)

    def poll(call: Any) -> Any:
        job = call.path.rpartition("/")[2]
        return api.act(body={"id": job, "status": "succeeded", "result": results[job]})

    api.behave, api.get = submit, poll
    lab.experiment(1, mode="async")
    with monkeypatch.context() as patch:
        broken(patch, "decode", lambda answer, _: b"succeeded" in answer.body)
        summary = lab.run()
    assert (summary.status, summary.unknown) == ("stopped", 1)
    polls = len(api.polls)
    assert (lab.resume().completed, len(api.calls), len(api.polls)) == (1, 1, polls)
    lab.holds()


def test_a_fault_of_any_other_kind_sends_nothing_more(lab: Any, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unforeseen exception is raised once what is in flight has ended, and the rest stays planned."""
    lab.experiment(20)
    from promptlab.run.writer import RunWriter

    def broken_answered(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("ours")

    with monkeypatch.context() as patch:
        patch.setattr(RunWriter, "answered", broken_answered)
        with pytest.raises(ZeroDivisionError):
            lab.run(jobs=2)
    assert len(api.calls) <= 2
    assert lab.resume().completed == 20
    assert api.made == 20


@pytest.mark.parametrize("size", [10, 100_000])
def test_an_answer_is_kept_where_there_is_room(tmp_path: Path, size: int) -> None:
    """A small one in the log, a large one in a file, and each in the other's place where its own is full."""
    with Log.open(tmp_path / "promptlab.db") as log:
        log.execute("PRAGMA foreign_keys = OFF")
        answers = Answers(log, tmp_path / "images" / ".answers")
        answer = Answer(200, {"content-type": "application/json", "set-cookie": "s"}, b"x" * size, 7)
        answers.keep("A", answer, 9)
        kept = answers.get("A")
        assert kept == Answer(200, {"content-type": "application/json"}, answer.body, 9)
        assert (tmp_path / "images" / ".answers" / "A").exists() is (size > 1000)
        answers.forget("A")
        answers.drop_file("A")
        assert answers.get("A") is None
        assert not list(tmp_path.glob("images/.answers/*"))

        (tmp_path / "file").write_text("in the way of a folder")
        no_folder = Answers(log, tmp_path / "file")
        no_folder.keep("B", answer, 9)
        assert no_folder.get("B") == kept

        log.execute("PRAGMA query_only = ON")
        with pytest.raises(LogError):
            answers.keep("C", answer, 9)
        assert answers.get("C") == Answer(200, {}, answer.body)


def test_files_that_nobody_will_decode_are_swept_after_a_day(tmp_path: Path) -> None:
    """A kill between a commit and the removal of its file leaves one behind; a fresh one may be another process'."""
    folder = tmp_path / "images" / ".answers"
    folder.mkdir(parents=True)
    for name in ("old", "new"):
        (folder / name).write_bytes(b"{}")
    os.utime(folder / "old", (0, 0))
    with Log.open(tmp_path / "promptlab.db") as log:
        Answers(log, folder).sweep()
    assert [path.name for path in folder.iterdir()] == ["new"]
