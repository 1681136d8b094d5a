"""Asynchronous jobs: submitted once, polled until their end, also by another process."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import urllib.error
import urllib.request
from typing import Any

import pytest

from promptlab.run.jobs import first_poll, poll_interval
from promptlab.run.webhook import receiver
from promptlab.signing import sign

SECRET = "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"


class Jobs:
    """Makes the server asynchronous: a job is done after so many polls, or when `done` says so."""

    def __init__(self, api: Any, polls: int = 1, **accepted: Any) -> None:
        self.api, self.polls, self.accepted = api, polls, accepted
        self.asked: dict[str, list[float]] = {}
        self.results: dict[str, dict[str, Any]] = {}
        self.end: dict[str, Any] = {}
        self.headers: dict[str, str] = {}
        self.path = "/v1/jobs/"
        api.behave, api.get = self.submit, self.poll

    def submit(self, call: Any) -> Any:
        assert call.body["async"] is True
        job = f"job_{call.number}"
        self.results[job] = self.api._result(call, self.api.act())
        body = {"id": job, "status": "queued", "created": 1790000000, **self.accepted}
        headers = {"Location": f"{self.path}{job}", **self.headers}
        return self.api.act(202, headers=headers, body=body, work=False)

    def poll(self, call: Any) -> Any:
        if not call.path.startswith(self.path):
            return None
        job = call.path.removeprefix(self.path)
        asked = self.asked.setdefault(job, [])
        asked.append(time.monotonic())
        if len(asked) < self.polls:
            return self.api.act(body={"id": job, "status": "running"}, headers={"Retry-After": "0.1"})
        return self.api.act(body={"id": job, "status": "succeeded", "result": self.results[job], **self.end})


def test_a_job_is_submitted_once_and_polled_to_its_end(lab: Any, api: Any) -> None:
    """`mode: async` in the experiment is all it takes; Location is followed, Retry-After kept."""
    jobs = Jobs(api, polls=3)
    jobs.path, jobs.headers = "/v1/elsewhere/", {"Retry-After": "0.2"}
    lab.experiment(6, mode="async")
    summary = lab.run()
    assert (summary.completed, summary.images, len(api.calls)) == (6, 6, 6)
    assert all(len(asked) == 3 for asked in jobs.asked.values())
    assert all(asked[0] - api.calls[0].at >= 0.2 for asked in jobs.asked.values())
    assert set(lab.rows("SELECT job_id FROM generations")) == set(jobs.asked)
    lab.holds()


def test_a_server_that_answers_at_once_needs_no_poll(lab: Any, api: Any) -> None:
    """A 200 with data is the result, whatever was asked."""
    lab.experiment(3, mode="async")
    assert lab.run().completed == 3
    assert not api.polls


@pytest.mark.parametrize(
    ("end", "status", "message"),
    [
        (
            {"status": "failed", "error": {"code": "safety", "message": "not that"}, "result": None},
            "failed",
            "not that",
        ),
        ({"status": "expired", "result": None}, "failed", "expired"),
        ({"status": "succeeded", "result": {"odd": 1}}, "unknown", "no image"),
    ],
)
def test_a_job_that_ends_badly_says_why(lab: Any, api: Any, end: Any, status: str, message: str) -> None:
    """Failed and expired jobs are failures; an unreadable result may have been billed."""
    jobs = Jobs(api)
    jobs.end, jobs.headers = end, {"Retry-After": "0.05"}
    lab.experiment(1, mode="async")
    summary = lab.run()
    assert lab.statuses() == {status: 1}
    assert message in summary.failures[0][0]


def test_a_job_is_collected_by_the_next_process_and_never_submitted_again(lab: Any, api: Any) -> None:
    """kill -9 while jobs run: their ids are in the log, with where they are polled."""
    jobs = Jobs(api, polls=10**6)
    jobs.path = "/v1/elsewhere/"
    lab.experiment(5, mode="async")
    process = lab.start("run", "experiments/exp.yaml", "--yes")
    lab.wait_for(lambda: lab.one("SELECT count(*) FROM generations WHERE job_id IS NOT NULL") == 5)
    process.kill()
    lab.end(process)
    jobs.polls = 0
    summary = lab.resume()
    assert (summary.completed, summary.unknown, len(api.calls)) == (5, 0, 5)
    assert lab.one("SELECT sum(may_be_billed) FROM attempts") == 0
    lab.holds()


def test_a_second_ctrl_c_leaves_jobs_to_be_collected(lab: Any, api: Any) -> None:
    """They are not of unknown outcome: their ids are known."""
    import signal

    jobs = Jobs(api, polls=10**6)
    lab.experiment(2, mode="async")
    process = lab.start("run", "experiments/exp.yaml", "--yes")
    lab.wait_for(lambda: len(jobs.asked) == 2)
    process.send_signal(signal.SIGINT)
    lab.wait_for(lambda: "waiting for 2" in process.stderr.readline())
    process.send_signal(signal.SIGINT)
    assert lab.end(process, 10)[0] == 130
    assert lab.statuses() == {"in_flight": 2}
    jobs.polls = 0
    assert (lab.resume().completed, len(api.calls)) == (2, 2)


def test_a_key_that_may_not_ask_after_a_job_stops_the_run_and_keeps_the_job(lab: Any, api: Any) -> None:
    """A 401 on a poll says nothing about the job: with a good key it is polled again."""
    jobs = Jobs(api)
    jobs.headers = {"Retry-After": "0.05"}
    poll, api.get = api.get, lambda call: api.error(401, "invalid_api_key", "no such key")
    lab.experiment(1, mode="async")
    summary = lab.run()
    assert (summary.exit_code, summary.unfetched, summary.unsent, summary.credits_at_most) == (3, 1, 0, 50)
    api.get = poll
    assert (lab.resume().completed, len(api.calls)) == (1, 1)
    lab.holds()


def post(port: int, job: str, secret: str) -> int:
    body = json.dumps({"type": "image.job.completed", "timestamp": "x", "data": {"id": job}}).encode()
    now = int(time.time())
    signature = sign(secret, f"msg_{job}", now, body)
    headers = {"webhook-id": f"msg_{job}", "webhook-timestamp": str(now), "webhook-signature": signature}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/hook", body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_signed_callback_wakes_the_poll_and_a_forged_one_does_nothing(lab: Any, api: Any) -> None:
    """The job is done a second in, the next poll would be at ten: the callback brings it at once."""
    jobs = Jobs(api, polls=2)
    jobs.headers = {"Retry-After": "30"}
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    seen: list[int] = []
    jobs.polls = 1

    async def call_back() -> None:
        await asyncio.sleep(0.3)
        for secret in ("whsec_" + "Zm9yZ2VkZm9yZ2VkZm9yZ2Vk", SECRET):
            seen.append(await asyncio.to_thread(post, port, "job_0", secret))

    submit = api.behave

    def behave(call: Any) -> Any:
        assert call.body["webhook_url"] == "https://me.example/hook"
        api.soon(call_back())
        return submit(call)

    api.behave = behave
    lab.experiment(1, mode="async")
    lab.environ["PROMPTLAB_WEBHOOK_SECRET"] = SECRET
    summary = lab.run(webhook_url="https://me.example/hook", webhook_port=port)
    assert (summary.completed, seen) == (1, [401, 204])
    assert summary.seconds < 10
    assert len(jobs.asked["job_0"]) == 1


def test_a_webhook_without_its_secret_is_refused_before_anything_is_sent(lab: Any, api: Any) -> None:
    """A receiver that believes everybody would be worse than none."""
    lab.experiment(1, mode="async")
    code, _, err = lab.cli("run", "experiments/exp.yaml", "--yes", "--webhook-url", "https://me.example/hook")
    assert code == 2
    assert "PROMPTLAB_WEBHOOK_SECRET" in err
    assert not api.calls


@pytest.mark.parametrize(
    ("past", "seconds"),
    [([], 1.0), ([9000] * 4, 1.0), ([10, 20, 30, 40, 50], 0.2), (list(range(1000, 11000, 100)), 2.0)],
)
def test_the_first_poll_comes_at_the_tenth_percentile_of_past_latencies(past: list[int], seconds: float) -> None:
    """Before any job can be done a poll only costs a request; without a past it is a second."""
    assert first_poll(past) == seconds


@pytest.mark.parametrize(
    ("number", "remaining", "reset", "seconds"),
    [(1, None, None, 1), (25, None, None, 2), (1, 10, 60, 6), (1, 0, 30, 30), (25, 100, 10, 2), (1, 5, None, 1)],
)
def test_polls_widen_where_they_are_seen_to_use_up_the_rate(
    number: int, remaining: int | None, reset: float | None, seconds: float
) -> None:
    """What is left until the reset is spread over it."""
    assert poll_interval(number, remaining, reset) == seconds


@pytest.mark.parametrize(("host", "bound"), [(None, "127.0.0.1"), ("127.0.0.2", "127.0.0.2")])
def test_the_webhook_listens_on_this_machine_unless_it_is_told(host: str | None, bound: str) -> None:
    """Nobody else on the network reaches it, unless an address is named."""
    said: list[str] = []
    environ = {"PROMPTLAB_WEBHOOK_SECRET": SECRET}

    def listen(event: Any) -> None:
        said.append(event.text)

    async def listening() -> None:
        nobody: Any = None
        async with receiver("https://me.example/hook", (host, 0), nobody, environ, listen):
            port = int(said[0].rpartition(" ")[2])
            _, writer = await asyncio.open_connection(bound, port)
            writer.close()
            with pytest.raises(OSError, match="Connect call failed"):
                await asyncio.open_connection("127.0.0.3", port)

    asyncio.run(listening())
    assert said[0].startswith(f"webhook receiver on {bound} port ")
