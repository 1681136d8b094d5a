"""The wire's faults, end to end: what a run says and does when the server, the network or the plan is not as hoped."""

from __future__ import annotations

import base64
import contextlib
import json
import random
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CERTIFICATES = Path(__file__).parents[1] / "http" / "certificates"

WINDOW = 60.0


class Faulty:
    """10 % 429, 10 % 500, 5 % resets, and the guide's rate headers on every answer."""

    def __init__(self, api: Any, limit: int, told: dict[str, str]) -> None:
        self.api, self.limit, self.told, self.count = api, limit, told, 0
        self.random = random.Random(7)
        self.started = time.time()
        self.lock = threading.Lock()
        self.bad: dict[int, str] = {}

    def headers(self) -> dict[str, str]:
        left = max(1, self.limit - self.count)
        reset = int(self.started + WINDOW) + 1
        limit = str(self.limit)
        return {"X-RateLimit-Limit": limit, "X-RateLimit-Remaining": str(left), "X-RateLimit-Reset": str(reset)}

    def __call__(self, call: Any) -> Any:
        with self.lock:
            self.count += 1
            dice = self.random.random()
        headers = self.headers()
        if dice < 0.10:
            body = {"error": {"code": "rate_limit_exceeded", "message": "slow down", "type": "rate_limit"}}
            return self.api.act(429, {**headers, **self.told}, body, work=False)
        if dice < 0.20:
            body = {"error": {"code": "server_error", "message": "try again", "type": "server_error"}}
            return self.api.act(500, headers, body, work=False)
        if dice < 0.25:
            return self.api.act(reset=True, work=False)
        return self.api.act(headers=headers, delay=0.01)


@pytest.mark.storm
@pytest.mark.parametrize("told", [{"Retry-After": "1"}, {}], ids=["told", "untold"])
def test_rate_headers_on_every_answer_slow_nothing_down(lab: Any, api: Any, told: dict[str, str]) -> None:
    """A fault with X-RateLimit-Reset backs off; the run does not wait for the window to end, and each end says why."""
    api.behave = Faulty(api, 10_000, told)
    lab.experiment(100)
    summary = lab.run(jobs=20)
    assert summary.seconds < 30
    assert summary.completed + summary.unknown == 100
    assert summary.unknown > 0
    assert not lab.rows("SELECT * FROM attempts WHERE outcome != 'ok' AND ifnull(error_message, '') = ''")
    lab.holds()


def test_a_plan_named_wrongly_follows_the_server(lab: Any, api: Any) -> None:
    """Pro on a Starter key: once the server says 30 a minute, five go at once, as Starter allows."""
    refused: list[float] = []

    def behave(call: Any) -> Any:
        headers = {"X-RateLimit-Limit": "30", "X-RateLimit-Remaining": "29"}
        if api.running > 5:
            refused.append(call.at)
            body = {"error": {"code": "concurrency_limit", "message": "5 jobs at once"}}
            return api.act(429, {**headers, "Retry-After": "0.3"}, body, work=False)
        return api.act(headers=headers, delay=0.1)

    api.behave = behave
    lab.environ["KAIRVAL_PLAN"] = "pro"
    lab.experiment(14)
    summary = lab.run()
    assert summary.completed == 14
    assert len(refused) <= 9  # of the first burst: nothing could have told before
    assert [call.again for call in api.calls].count(2) == 0
    lab.holds()


def test_free_does_not_pay_for_more_than_its_credits(lab: Any, api: Any) -> None:
    """50 credits, once: `plan` and `run` say that it does not fit, with exit code 2, and nothing is sent."""
    lab.experiment(4)
    for command in (["plan", "experiments/exp.yaml"], ["run", "experiments/exp.yaml", "--yes"]):
        code, _, err = lab.cli(*command, KAIRVAL_PLAN="free")
        assert code == 2
        assert "50 credits in all" in err
        assert "[over-plan]" in err
    assert not api.calls
    _, out, _ = lab.cli("plan", "experiments/exp.yaml", KAIRVAL_PLAN="starter")
    assert "under starter, 1 package" in out
    lab.experiment(1, name="one")
    assert lab.cli("run", "experiments/one.yaml", "--yes", KAIRVAL_PLAN="free")[0] == 0


def test_a_quota_stop_says_until_when(lab: Any, api: Any) -> None:
    """The run's own words have the time."""
    api.behave = lambda call: api.error(429, "daily_quota_exceeded", "Daily quota used up.", Retry_After="3600")
    lab.experiment(3)
    summary = lab.run(jobs=1)
    assert summary.exit_code == 3
    assert re.search(r"Daily quota used up; it resets at \d{4}-\d\d-\d\d \d\d:\d\d UTC", str(summary.stopped))


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_server_that_is_not_there_stops_the_run(lab: Any, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused connections stop it after a few requests: exit 3, with the cause and what to do; nothing is lost."""
    monkeypatch.setattr("promptlab.http.retry_policy._OUT_OF_REACH_S", 0.3)
    lab.environ["KAIRVAL_BASE_URL"] = f"http://127.0.0.1:{closed_port()}"
    lab.experiment(40)
    summary = lab.run(jobs=4)
    assert (summary.exit_code, summary.status, summary.unsent, summary.failed) == (3, "stopped", 40, 0)
    assert "Connection refused" in str(summary.stopped)
    assert "check that the server is running" in str(summary.stopped)
    assert lab.one("SELECT count(*) FROM attempts") < 40
    assert lab.one("SELECT sum(may_be_billed) FROM attempts") == 0


@pytest.fixture
def untrusted() -> Iterator[str]:
    """A TLS server whose certificate is not trusted here."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "server.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True):
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def test_a_certificate_nobody_trusts_stops_the_run_at_once(lab: Any, untrusted: str) -> None:
    """TLS that fails will fail again: five requests, not forty."""
    lab.environ["KAIRVAL_BASE_URL"] = untrusted
    lab.experiment(40)
    summary = lab.run(jobs=2)
    assert (summary.exit_code, summary.unsent) == (3, 40)
    assert "certificate verify failed" in str(summary.stopped)
    assert "SSL_CERT_FILE" in str(summary.stopped)
    assert lab.one("SELECT count(*) FROM attempts") <= 6


def test_a_poll_that_is_redirected_ends(lab: Any, api: Any) -> None:
    """A job whose poll is a redirect is unknown, with the reason; it is not polled until its hour is up."""
    api.behave = lambda call: api.act(202, body={"id": "job_1", "status": "queued"}, work=False)
    api.get = lambda call: api.act(302, {"Location": "https://login.example/sso?next=1"}, {}, work=False)
    lab.experiment(1, mode="async")
    summary = lab.run()
    assert (summary.unknown, len(api.polls)) == (1, 1)
    message = lab.one("SELECT error_message FROM generations")
    assert "HTTP 302" in message
    assert "https://login.example/sso" in message


def test_a_job_that_is_refused_as_it_is_submitted_keeps_the_words(lab: Any, api: Any) -> None:
    """A 200 that says failed is not a job to poll."""
    body = {"id": "gen_1", "status": "failed", "error": {"code": "moderation_blocked", "message": "not this prompt"}}
    api.behave = lambda call: api.act(200, body=body, work=False)
    lab.experiment(1)
    summary = lab.run()
    assert (summary.failed, len(api.polls)) == (1, 0)
    assert lab.rows("SELECT error_code, error_message FROM generations") == [("moderation_blocked", "not this prompt")]


def test_a_200_with_an_error_keeps_its_words(lab: Any, api: Any) -> None:
    """They are the row's; what was billed stays unknown."""
    api.behave = lambda call: api.act(200, body={"error": {"code": "E17", "message": "no such style"}}, work=False)
    lab.experiment(1)
    assert lab.run().unknown == 1
    code, message = lab.rows("SELECT error_code, error_message FROM generations")[0]
    assert code == "E17"
    assert "no such style" in message


def test_a_key_echoed_in_any_encoding_is_nowhere(lab: Any, api: Any) -> None:
    """Escaped, in percent, in entities or in Base64: `lab` looks for the plain key, this for the rest."""
    key = lab.environ["KAIRVAL_API_KEY"]
    forms = [
        "".join(f"\\u{ord(c):04x}" for c in key),
        "".join(f"%{ord(c):02X}" for c in key),
        "".join(f"&#{ord(c)};" for c in key),
        base64.b64encode(f"Bearer {key}".encode()).decode(),
    ]
    said = json.dumps({"error": {"code": "bad", "message": "wrong: " + " ".join(forms)}}).encode()
    api.behave = lambda call: api.act(400, body=said, work=False)
    lab.experiment(1)
    lab.run()
    stored = lab.database.read_bytes().decode("latin-1")
    assert not [form for form in forms if form in stored]
    assert "[key]" in lab.one("SELECT error_message FROM generations")
