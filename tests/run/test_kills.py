"""kill -9 at any instant, then resume: no known result is lost, none is paid twice, and the bound holds."""

from __future__ import annotations

import random
import signal
import time
from typing import Any

import pytest

REQUESTS = 200


def kill_and_resume(lab: Any, api: Any, chance: random.Random, *, at: int) -> None:
    """Run 200 requests at concurrency 8, kill at the answer `at` and a moment, and resume."""
    api.behave = lambda call: api.act(delay=0.01 * chance.random(), files=("slow",) if chance.random() < 0.1 else ())
    lab.experiment(REQUESTS)
    process = lab.start("run", "experiments/exp.yaml", "--yes")
    lab.wait_for(lambda: len(api.calls) >= at or process.poll() is not None)
    time.sleep(chance.random() * 0.03)
    process.send_signal(signal.SIGKILL)
    lab.end(process)
    before = api.made
    completed = lab.one("SELECT count(*) FROM generations WHERE status = 'completed'")
    answered = lab.one("SELECT count(*) FROM generations WHERE response IS NOT NULL")
    known = set(lab.rows("SELECT request_hash FROM generations WHERE response IS NOT NULL"))
    most = lab.one("SELECT count(*) FROM attempts WHERE may_be_billed = 1 OR outcome = 'ok'")
    assert answered <= before <= most, "the bound stands before anyone resumes, too"

    summary = lab.resume()
    assert known <= set(lab.rows("SELECT request_hash FROM generations WHERE status = 'completed'"))
    assert summary.completed >= completed
    assert summary.completed + summary.unknown == REQUESTS
    assert summary.unknown <= 8
    assert summary.status == ("failed" if summary.unknown else "completed")
    assert max(call.again for call in api.calls) == 0, "what may have been billed was not sent again"
    lab.holds()


@pytest.mark.parametrize("at", [1, 40, 90, 140, 195])
def test_a_run_killed_at_some_instant_is_resumed_without_paying_twice(lab: Any, api: Any, at: int) -> None:
    """Five instants of the fifty."""
    kill_and_resume(lab, api, random.Random(at), at=at)


@pytest.mark.storm
@pytest.mark.parametrize("at", random.Random(50).sample(range(1, REQUESTS), 50))
def test_fifty_random_instants(lab: Any, api: Any, at: int) -> None:
    """Fifty instants, as the field's tools were measured."""
    kill_and_resume(lab, api, random.Random(at), at=at)


def test_the_program_resumes_in_a_process_of_its_own(lab: Any, api: Any) -> None:
    """`resume` after a kill, from the shell: exit code, the numbers it prints, and what it offers next."""
    api.behave = lambda call: api.act(delay=0.2 if call.number == 20 else 0.001)
    lab.experiment(40)
    process = lab.start("run", "experiments/exp.yaml", "--yes")
    lab.wait_for(lambda: len(api.calls) >= 30)
    process.kill()
    lab.end(process)
    code, out, err = lab.cli("resume", "--yes")
    unknown = lab.statuses()["unknown"]
    assert unknown >= 1
    assert code == 1
    assert f"{unknown} of unknown outcome" in out
    assert "--retry-unknown" in out
    assert f"at most {50 * unknown} credits, ~${0.5 * unknown:.2f} on top" in out
    assert "was cut off with" in err
    lab.holds()
    code, out, err = lab.cli("resume", "--retry-unknown")
    assert (code, lab.statuses()) == (0, {"completed": 40}), out + err
    known, most = lab.bound()
    assert known <= api.made <= most


def test_a_plain_run_after_a_kill_obeys_the_same_rule(lab: Any, api: Any) -> None:
    """What may have been billed is skipped with its reason; everything else is sent or taken from the log."""
    api.behave = lambda call: api.act(delay=30 if call.prompt == "picture 3" and not call.again else 0)
    lab.experiment(8)
    process = lab.start("run", "experiments/exp.yaml", "--yes")
    lab.wait_for(lambda: lab.statuses().get("completed") == 7)
    process.kill()
    lab.end(process)
    summary = lab.run()
    assert (summary.completed, summary.cached, summary.skipped, summary.exit_code) == (7, 7, 1, 1)
    code, message = lab.rows("SELECT error_code, error_message FROM generations WHERE status = 'skipped'")[0]
    assert code == "unknown_before"
    assert "may have been billed" in message
    first, second = lab.rows("SELECT id, status FROM runs ORDER BY id")
    assert (first[1], second[1]) == ("interrupted", "failed")
    assert len(api.calls) == 8
    assert any("--retry-unknown" in text and "50 credits" in text for text in summary.next_commands)
    again = lab.resume(second[0], retry_unknown=True)
    assert (again.completed, again.skipped, len(api.calls)) == (8, 0, 9)


def test_a_kill_while_planning_leaves_nothing_that_is_sent(lab: Any, api: Any) -> None:
    """A run whose plan was not whole is not resumed, says why, and a new one starts clean."""
    lab.experiment(5)
    lab.run()
    path = lab.folder / "experiments" / "exp.yaml"
    path.write_text('provider: kairval\nprompt: "{{ a }} {{ b }}"\naxes:\n  a: {from: a.txt}\n  b: {from: a.txt}\n')
    (path.parent / "a.txt").write_text("\n".join(f"value {i}" for i in range(200)))
    process = lab.start("run", "experiments/exp.yaml", "--yes")
    lab.wait_for(lambda: lab.one("SELECT count(*) FROM generations") > 6)
    process.kill()
    lab.end(process)
    assert lab.one("SELECT count(*) FROM runs WHERE planned IS NULL") == 1
    code, _, err = lab.cli("resume", "--yes")
    assert code == 2
    assert "nothing of it was sent" in err
    lab.experiment(5)
    assert lab.run().cached == 5
    assert len(api.calls) == 5
    assert lab.rows("SELECT status FROM runs ORDER BY id") == ["completed", "interrupted", "completed"]


def test_a_kill_during_downloads_loses_no_image(lab: Any, api: Any) -> None:
    """The response is in the log before its files are fetched, so `resume` fetches them without asking again."""
    api.behave = lambda call: api.act(files=("never",))
    lab.experiment(6)
    api.hold_files = True
    process = lab.start("run", "experiments/exp.yaml", "--yes")
    lab.wait_for(lambda: len(api.downloads) == 6)
    process.kill()
    lab.end(process)
    assert lab.statuses() == {"in_flight": 6}
    api.hold_files = False
    summary = lab.resume()
    assert (summary.completed, summary.images, summary.exit_code) == (6, 6, 0)
    assert len(api.calls) == 6
    lab.holds()


def test_lost_images_are_fetched_again_for_nothing_once_their_url_lives(lab: Any, api: Any) -> None:
    """`resume` tries a lost image's URL first; --retry-lost asks for a new one, and says what that costs."""
    api.behave = lambda call: api.act(files=("gone",) if call.number < 2 else ())
    lab.experiment(4)
    summary = lab.run()
    assert (summary.lost, summary.completed, summary.exit_code) == (2, 2, 1)
    assert any("--retry-lost" in text and "100 credits" in text for text in summary.next_commands)
    api.images["/files/0-0.png"] = "whole", api.images["/files/0-0.png"][1]
    summary = lab.resume()
    assert (summary.lost, summary.completed, len(api.calls)) == (1, 3, 4)
    assert lab.run().skipped == 1, "a plain run leaves the other one alone"
    summary = lab.resume(summary.run_id, retry_lost=True)
    assert (summary.lost, summary.completed, len(api.calls)) == (0, 4, 5)


def test_of_a_result_with_several_images_the_ones_that_are_here_stay(lab: Any, api: Any) -> None:
    """One of three was lost: fetching it again doesn't touch the other two, whose URLs have died since."""
    api.behave = lambda call: api.act(files=("whole", "gone", "whole"))
    lab.experiment(1, params="{n: 3}")
    assert (lab.run().lost, lab.one("SELECT count(*) FROM images WHERE status = 'stored'")) == (1, 2)
    for position, how in enumerate(("gone", "whole", "gone")):
        api.images[f"/files/0-{position}.png"] = how, api.images[f"/files/0-{position}.png"][1]
    summary = lab.resume()
    assert (summary.completed, summary.images, len(api.calls)) == (1, 3, 1)
    lab.holds()


def test_a_fresh_run_stays_fresh_when_it_is_resumed(lab: Any, api: Any) -> None:
    """--fresh asks for everything again with new idempotency keys, also for what a resume sends."""
    lab.experiment(6)
    lab.run()
    api.behave = lambda call: api.error(402, "insufficient_credits") if call.number == 9 else api.act()
    summary = lab.run(fresh=True, jobs=1)
    assert (summary.status, summary.exit_code, summary.completed, summary.cached) == ("stopped", 3, 3, 0)
    summary = lab.resume()
    assert (summary.completed, summary.cached) == (6, 0)
    assert api.made == 12
    keys = [call.headers["idempotency-key"] for call in api.calls]
    assert len(set(keys)) == 12, "one of thirteen sends was the second of its generation"


def test_pixels_that_came_inside_an_answer_survive_a_kill(lab: Any, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log keeps no pixels, so they are on disk before the answer is in the log."""
    import base64

    api.behave = lambda call: api.act(
        body={"id": "x", "data": [{"b64_json": base64.b64encode(api.png(call.number, 64, 999)).decode()}]}
    )
    lab.experiment(1)

    async def killed(self: Any, *result: Any, again: bool = False) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("promptlab.run.results.Results.collect", killed)
        with pytest.raises(KeyboardInterrupt):
            lab.run()
    assert lab.statuses() == {"in_flight": 1}
    summary = lab.resume()
    assert (summary.completed, summary.images, summary.lost, len(api.calls)) == (1, 1, 0, 1)
    assert all((lab.folder / path).is_file() for path in lab.rows("SELECT path FROM images"))


def test_a_run_whose_resumes_are_killed_too_ends_with_the_same_bound(lab: Any, api: Any) -> None:
    """Killed four times on its way: every time what was known is kept and what was in flight is not sent again."""
    api.behave = lambda call: api.act(delay=0.02, files=("slow",) if call.number % 9 == 0 else ())
    lab.experiment(120)
    words: tuple[str, ...] = ("run", "experiments/exp.yaml", "--yes")
    for kills in range(1, 5):
        at = kills * 22
        process = lab.start(*words)
        lab.wait_for(lambda: len(api.calls) >= at or process.poll() is not None)  # noqa: B023
        process.kill()
        lab.end(process)
        words = ("resume", "--yes")
    summary = lab.resume()
    assert summary.completed + summary.unknown == 120
    assert summary.unknown <= 4 * 8
    assert max(call.again for call in api.calls) == 0
    lab.holds()
