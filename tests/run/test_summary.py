"""What a run says of itself at its end: bounds as bounds, each reason once, and nothing of what was paid left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptlab.cli.format import bounds
from promptlab.cli.run_command import tell
from promptlab.run.summary import alike


@pytest.mark.parametrize(
    ("credits", "usd", "text"),
    [
        ((600.0, 800.0), (8.0, 18.0), "600 to 800 credits, ~$8 to ~$18"),
        ((600.0, 600.0), (6.0, 6.0), "600 credits, ~$6"),
        ((None, 800.0), (None, 8.0), "at most 800 credits, at most ~$8"),
        ((None, None), (0.5, None), "at least ~$0.50"),
        ((None, None), (None, None), "unknown cost"),
        ((0.0, None), (0.0, None), "unknown cost"),
        ((0.0, 50.0), (None, None), "0 to 50 credits"),
    ],
)
def test_two_bounds_are_printed_as_two_bounds(credits: Any, usd: Any, text: str) -> None:
    """One figure only where both are the same."""
    assert bounds(credits, usd) == text


def test_lost_results_were_paid_for(lab: Any, api: Any) -> None:
    """Not one file could be had, and two hundred credits were billed: it says so, here and in `show` and `usage`."""
    api.behave = lambda call: api.act(files=("gone",))
    lab.experiment(4)
    summary = lab.run()
    assert (summary.lost, summary.credits, summary.credits_at_most) == (4, 200, 200)
    assert "cost: 200 credits, ~$2" in tell(summary)
    assert "nothing" not in tell(summary)
    _, out, _ = lab.cli("show", "last")
    assert "cost: 200 credits, ~$2" in out


def test_answers_whose_files_could_not_be_kept_are_no_unsent_requests(
    lab: Any, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills up in mid-run: what was answered is paid, still to be fetched, and `resume` fetches it."""
    from promptlab.errors import StoreError
    from promptlab.store.background import Keeper

    async def full(*args: Any) -> None:
        raise StoreError("the disk is full")

    lab.experiment(40)
    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "put_new", full)
        summary = lab.run()
    ok = lab.one("SELECT count(*) FROM attempts WHERE outcome = 'ok'")
    assert summary.unfetched == ok == api.made > 0
    assert summary.unsent == 40 - ok
    assert summary.credits == 50 * ok
    assert f"cost: {50 * ok:,} credits" in tell(summary)
    assert f"{ok} still to be fetched" in tell(summary)
    assert lab.resume().completed == api.made == 40


def test_bounds_are_said_by_run_show_runs_and_usage(lab: Any, api: Any) -> None:
    """Four attempts of unknown outcome: every place gives both figures, and --json has them under their names."""
    api.behave = lambda call: api.act(reset=True) if call.number % 4 == 0 else api.act()
    lab.experiment(16)
    code, out, _ = lab.cli("run", "experiments/exp.yaml", "--yes")
    assert code == 1
    assert "cost: 600 to 800 credits, ~$6 to ~$8" in out
    for words in (("show", "last"), ("runs",)):
        assert "600 to 800 credits, ~$6 to ~$8" in lab.cli(*words)[1]
    used = lab.cli("usage")[1]
    assert "600 to 800" in used
    assert "~$6 to ~$8" in used
    for words in (("show", "last", "--json"), ("runs", "--json"), ("usage", "--json")):
        text = lab.cli(*words)[1]
        json.loads(text)
        assert '"credits_at_most": 800' in text
        assert '"cost_usd_at_most": 8.0' in text


def test_different_reasons_are_never_merged_by_their_code(lab: Any, api: Any) -> None:
    """Sixteen reasons with one code are sixteen; the same one with other ids and addresses is one."""
    words = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet"]

    def act(call: Any) -> Any:
        if call.number < 10:
            return api.error(400, "bad_request", f"the word {words[call.number]} is not allowed")
        return api.error(400, "bad_request", f"try http://127.0.0.1/x/{call.number} (request 01J8ZX{call.number:020d})")

    api.behave = act
    lab.experiment(16)
    summary = lab.run()
    assert len(summary.failures) == 11
    assert summary.failures[0][1] == 6
    assert sum(number for _, number in summary.failures) == summary.failed == 16
    text = tell(summary)
    assert "6 × try http://127.0.0.1/" in text
    assert "3 more for other reasons: promptlab show" in text


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("timed out after 30.12 s", "timed out after 30.98 s", True),
        ("timed out after 30 s", "timed out after 60 s", False),
        ("HTTP 404 from a.example", "HTTP 500 from a.example", False),
        ("not an image: https://cdn.example/a.png", "not an image: https://cdn.example/b.png?x=1", True),
        ("not an image: https://cdn.example/a.png", "not an image: https://other.example/a.png", False),
        ("generation 01M87HD1H82KQDHW3TGNAPY9VQ is gone", "generation 01M87HD1H82KQDHW3TGNAPY9VR is gone", True),
        ("asked for webp, got png", "asked for webp, got jpg", False),
    ],
)
def test_what_makes_two_messages_one_reason(one: str, other: str, same: bool) -> None:
    """An id, a path behind a host, a fraction of a second; nothing else."""
    assert (alike(one) == alike(other)) == same


def test_a_quota_stop_says_until_when(lab: Any, api: Any) -> None:
    """In the printed summary and in --json."""
    api.behave = lambda call: api.act() if call.number < 2 else api.error(
        429, "daily_limit_exceeded", "daily quota is used up", Retry_After="7200"
    )  # fmt: skip
    lab.experiment(30)
    code, out, _ = lab.cli("run", "experiments/exp.yaml", "--yes", "--json")
    summary = json.loads(out)
    assert code == 3
    assert summary["stopped_until"].endswith("Z")
    assert summary["stopped_until"] > lab.one("SELECT max(ended_at) FROM attempts")[:19]
    code, out, _ = lab.cli("resume", "--yes")
    assert "stopped: " in out
    assert "UTC" in out
