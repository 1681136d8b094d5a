"""Answers as servers really give them: short, inline, decorated, unreadable."""

from __future__ import annotations

import base64
from typing import Any

import pytest


def test_fewer_images_than_asked_for_complete_the_request_and_say_so(lab: Any, api: Any) -> None:
    """What came is kept; the part that may have been billed all the same is in the bound."""

    def behave(call: Any) -> Any:
        whole = api._result(call, api.act())
        return api.act(body={**whole, "data": whole["data"][:1]}, work=False)

    api.behave = behave
    lab.experiment(1, params="{n: 4}")
    summary = lab.run()
    assert (summary.completed, summary.images, summary.exit_code) == (1, 1, 0)
    assert lab.rows("SELECT error_code, error_message FROM generations") == [("short", "1 of 4 images came")]
    assert (summary.credits, summary.credits_at_most) == (50, 200)


def inline(api: Any, **change: Any) -> Any:
    """An answer with its pixels inside."""
    picture = base64.b64encode(api.png(7)).decode()
    entry = {name: value.format(picture) if isinstance(value, str) else value for name, value in change.items()}
    return {"data": [entry]}


@pytest.mark.parametrize(
    "entry",
    [
        {"url": "data:image/png;base64,{}"},
        {"b64_json": "{}"},
        {"b64_json": "{}", "revised_prompt": None, "odd": {"deep": [1]}},
        {"image_url": "data:image/png;base64,{}", "revised_prompt": "finely"},
    ],
)
def test_pixels_inside_the_answer_are_images_too(lab: Any, api: Any, entry: dict[str, Any]) -> None:
    """data: URLs and b64_json, with extra fields, without id, created, model or revised prompt."""
    api.behave = lambda call: api.act(body=inline(api, **entry))
    lab.experiment(2)
    summary = lab.run()
    assert (summary.completed, summary.images) == (2, 2)
    assert lab.one("SELECT max(length(response)) FROM generations") < 300, "pixels stay out of the log"
    assert not lab.rows("SELECT url FROM images WHERE url IS NOT NULL")


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>busy</html>", b"[]", b'"ok"', b'{"data": []}', b'{"data": "later"}', b"\xff\xfe", b'{"id": "x"'],
)
def test_a_200_that_nobody_can_read_is_of_unknown_outcome(lab: Any, api: Any, body: bytes) -> None:
    """It may have been billed, so it is not sent again unless you ask for it."""
    api.behave = lambda call: api.act(body=body)
    lab.experiment(1)
    summary = lab.run()
    assert (summary.unknown, summary.credits_at_most, len(api.calls)) == (1, 50, 1)
    assert summary.failures[0][0]
    assert (lab.resume().unknown, len(api.calls)) == (1, 1)
    lab.holds()


@pytest.mark.parametrize(
    ("act", "status", "message"),
    [
        ({"status": 301, "headers": {"Location": "https://elsewhere.example/"}}, "failed", "redirects"),
        ({"status": 400, "body": {"error": {"code": "bad", "message": "no such ratio"}}}, "failed", "no such ratio"),
        ({"status": 403, "body": {"error": {"code": "moderation", "message": "not that"}}}, "failed", "not that"),
        ({"status": 404, "body": b"<h1>Not found</h1>"}, "failed", "Not found"),
        ({"status": 422, "body": {"detail": [{"msg": "n is 9"}]}}, "failed", "n is 9"),
        ({"status": 408, "body": {}}, "unknown", "408"),
        ({"status": 502, "body": b"bad gateway"}, "unknown", "bad gateway"),
        ({"status": 504, "body": b""}, "unknown", "504"),
        ({"status": 524, "body": b""}, "unknown", "524"),
    ],
)
def test_every_refusal_is_kept_with_its_reason_and_sent_once(
    lab: Any, api: Any, act: dict[str, Any], status: str, message: str
) -> None:
    """Fatal ones and those of unknown outcome are never sent again by themselves."""
    api.behave = lambda call: api.act(**{"work": False, "body": {}, **act})
    lab.experiment(2)
    summary = lab.run()
    assert lab.statuses() == {status: 2}
    assert message in summary.failures[0][0]
    assert len(api.calls) == 2
    assert summary.attempts_at_risk == (2 if status == "unknown" else 0)
    lab.resume()
    assert len(api.calls) == 2


@pytest.mark.parametrize(
    ("first", "outcome", "risk"),
    [
        ({"status": 429, "headers": {"retry-after-ms": "50"}}, "rejected", 0),
        ({"status": 409, "headers": {"Retry-After": "0"}}, "rejected", 0),
        ({"status": 503, "headers": {"Retry-After": "0.05"}}, "rejected", 0),
        ({"status": 503}, "failed", 1),
        ({"status": 500}, "failed", 1),
    ],
)
def test_what_may_be_sent_again_is_with_the_same_idempotency_key(
    lab: Any, api: Any, first: dict[str, Any], outcome: str, risk: int
) -> None:
    """A rejection costs nothing; a failure counts as perhaps billed; both are retried as asked."""
    api.behave = lambda call: api.act() if call.again else api.act(**{"work": False, "body": {}, **first})
    lab.experiment(1)
    summary = lab.run()
    assert (summary.completed, summary.attempts_at_risk, len(api.calls)) == (1, risk, 2)
    assert len({call.headers["idempotency-key"] for call in api.calls}) == 1
    assert lab.rows("SELECT outcome, may_be_billed FROM attempts ORDER BY number") == [(outcome, risk), ("ok", 0)]
    lab.holds()


def test_a_server_that_is_not_there_costs_nothing_and_is_tried_again(
    lab: Any, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused connections are certainly not sent: failed in the end, none at risk, resumable."""
    monkeypatch.setattr("random.random", lambda: 0.02)  # of the back-off's jitter
    lab.environ["KAIRVAL_BASE_URL"] = "http://127.0.0.1:9"
    lab.experiment(1)
    summary = lab.run()
    assert (summary.failed, summary.attempts_at_risk, summary.credits_at_most) == (1, 0, 0)
    assert lab.one("SELECT count(*) FROM attempts") == 6
    assert "refused" in summary.failures[0][0]
    assert any(text.startswith("promptlab resume") for text in summary.next_commands)


def test_the_wire_body_is_the_guide_s_and_nothing_more(lab: Any, api: Any) -> None:
    """Exactly the documented fields and headers; what was not asked for is not sent."""
    lab.experiment(1, params="{aspect_ratio: 16:9, n: 2}", negative_prompt="[blurry]", seeds="[7]")
    assert lab.run().images == 2
    assert api.calls[0].body == {
        "model": "gpt-image-2", "prompt": "picture 0", "aspect_ratio": "16:9", "n": 2, "negative_prompt": "blurry",
        "seed": 7,
    }  # fmt: skip
    allowed = {"host", "authorization", "content-type", "content-length", "accept", "user-agent", "idempotency-key"}
    assert set(api.calls[0].headers) == allowed
    assert api.calls[0].headers["authorization"] == f"Bearer {lab.key}"


def test_a_server_that_repeats_the_key_in_its_error_does_not_get_it_into_the_log(lab: Any, api: Any) -> None:
    """The lab checks every file and all output for the key; here a server tries."""
    api.behave = lambda call: api.error(400, "bad_request", f"the key {lab.key} is wrong")
    lab.experiment(1)
    code, out, err = lab.cli("run", "experiments/exp.yaml", "--yes", "--json")
    assert code == 1
    assert "[key]" in out + err


def test_the_key_is_in_no_process_list(lab: Any, api: Any) -> None:
    """Neither the program nor its helper process has it among its words, nor the helper in its environment."""
    api.hold_files = False
    api.behave = lambda call: api.act(delay=0.6)
    lab.experiment(30)
    process = lab.start("run", "experiments/exp.yaml", "--yes")
    lab.wait_for(lambda: lab.one("SELECT count(*) FROM images") > 3)
    import subprocess

    family = subprocess.run(
        ["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    children = [line.split()[0] for line in family if line.split()[1] == str(process.pid)]
    assert children, "the decoder runs"
    assert all(lab.key not in line for line in family)
    for child in children:
        with open(f"/proc/{child}/environ", "rb") as file:
            assert lab.key.encode() not in file.read()
    assert lab.end(process)[0] == 0


def test_a_compatible_server_behind_a_proxy_that_strips_retry_after(lab: Any, api: Any) -> None:
    """The openai provider end to end: 429s without a word, b64 answers, cost from the usage tokens."""

    def behave(call: Any) -> Any:
        if not call.again and int(call.prompt.split()[0]) % 3 == 0:
            return api.error(429, "rate_limit_exceeded", "slow down")
        api.made += 1
        usage = {"input_tokens": 20, "output_tokens": 1000, "total_tokens": 1020}
        return api.act(body={**inline(api, b64_json="{}"), "usage": usage}, work=False)

    api.behave = behave
    lab.environ |= {"OPENAI_BASE_URL": f"{api.url}/v1", "OPENAI_API_KEY": lab.key}
    lab.experiment(9, provider="openai", prompt='"{{ i }}"', seeds="[1]", negative_prompt="[fog]")
    summary = lab.run()
    assert (summary.completed, summary.exit_code, len(api.calls)) == (9, 0, 12), summary
    assert {call.path for call in api.calls} == {"/v1/images/generations"}
    assert set(lab.rows("SELECT cost_source FROM generations")) == {"usage"}
    assert summary.cost_usd == pytest.approx(9 * (20 * 5 + 1000 * 30) / 1e6)
    assert set(lab.rows("SELECT dropped FROM generations")) == {'["seed"]'}
