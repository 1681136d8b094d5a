"""The outcome table of PROVIDERS.md section 2, status by status and exception by exception."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.http import DownloadError, SendError, Unreadable
from promptlab.http.retry_policy import DOWNLOADS, Decision, Event, Reach, Reply, Retries, decide

NOW = 1_714_714_140.0


def half() -> float:
    return 0.5


def judge(event: Event, attempt: int = 1, honours_keys: bool = False, **more: float) -> Decision:
    return decide(event, attempt, NOW, honours_keys, random=half, **more)  # type: ignore[arg-type]


def expected(status: int) -> tuple[str, bool, bool]:
    """Outcome, retry, may_be_billed of a bare answer without headers or envelope."""
    if 200 <= status < 300:
        return "ok", False, False
    if status in (408, 499) or status in (502, 504) or (status > 505):
        return "unknown", False, True
    if status in (500, 503):
        return "failed", True, True
    if status in (401, 402):
        return "stop", False, False
    if status in (409, 425, 429):
        return "rejected", True, False
    return "fatal", False, False


@pytest.mark.parametrize("status", range(200, 600))
def test_every_status(status: int) -> None:
    """Every status from 200 to 599 has one decision."""
    decision = judge(Reply(status, {}))
    assert (decision.outcome, decision.retry, decision.may_be_billed) == expected(status)
    assert (decision.wait is not None) == decision.retry


@pytest.mark.parametrize(
    ("event", "outcome", "retry", "billed"),
    [
        (SendError("refused", sent=False), "not_sent", True, False),
        (SendError("reset", sent=True), "unknown", False, True),
        (Unreadable("HTML"), "unknown", False, True),
        (
            Reply(200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9999999999"}, asked=1, images=1),
            "ok",
            False,
            False,
        ),
        (Reply(200, {"retry-after": "60"}, asked=2, images=2), "ok", False, False),
        (Reply(200, {}, asked=4, images=3), "short", False, False),
        (Reply(202, {}), "ok", False, False),
        (Reply(503, {"retry-after": "3"}), "rejected", True, False),
        (Reply(503, {"retry-after-ms": "3"}), "rejected", True, False),
        (Reply(503, {"x-ratelimit-reset": "30"}), "failed", True, True),
        (Reply(409, {}, code="idempotency_key_reused", message="used with a different body"), "fatal", False, False),
        (Reply(409, {"retry-after": "2"}, message="still in progress"), "rejected", True, False),
        (Reply(400, {}, code="moderation_blocked", message="safety"), "fatal", False, False),
        (Reply(400, {}, code="billing_hard_limit_reached"), "stop", False, False),
        (Reply(403, {}, code="insufficient_credits"), "stop", False, False),
        (Reply(403, {}, code="forbidden"), "fatal", False, False),
        (Reply(429, {}, code="insufficient_quota"), "stop", False, False),
        (Reply(429, {}, code="daily_quota_exceeded"), "stop", False, False),
        (Reply(429, {}, code="daily_limit_exceeded"), "stop", False, False),
        (
            Reply(429, {}, code="rate_limit_exceeded", message="Daily limit of 50 requests reached."),
            "stop",
            False,
            False,
        ),
        (Reply(429, {}, code="quota_exceeded"), "stop", False, False),
        (Reply(429, {}, message="You exceeded your current quota, please check"), "stop", False, False),
        (Reply(429, {"retry-after": "8000"}), "stop", False, False),
        (Reply(429, {"x-ratelimit-reset": str(int(NOW) + 20_000)}), "stop", False, False),
        (
            Reply(429, {"retry-after": "60"}, code="rate_limit_exceeded", message="Rate limit exceeded."),
            "rejected",
            True,
            False,
        ),
        (Reply(429, {}, code="concurrency_limit", message="too many concurrent jobs"), "rejected", True, False),
        (DownloadError("gone", "404", retryable=False), "lost", False, False),
        (DownloadError("cut", "cut short", retryable=True), "lost", True, False),
    ],
)
def test_the_table(event: Event, outcome: str, retry: bool, billed: bool) -> None:
    """Exceptions, envelopes and headers are judged as the table says."""
    decision = judge(event)
    assert (decision.outcome, decision.retry, decision.may_be_billed) == (outcome, retry, billed)


def test_a_stop_says_why_and_until_when() -> None:
    """A quota names the time it may go on; a refused key is the account's."""
    quota = judge(Reply(429, {"retry-after": "3600"}, code="daily_quota_exceeded", message="Used up."))
    assert (quota.stop, quota.until) == ("quota", NOW + 3600)
    assert quota.message == "Used up; it resets at 2024-05-03 06:29 UTC"
    assert "does not say" in str(judge(Reply(429, {}, code="daily_quota_exceeded")).message)
    assert judge(Reply(401, {}, code="invalid_api_key")).stop == "account"
    assert judge(Reply(429, {}, code="insufficient_quota")).stop == "account"


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"retry-after": "9"}, None, 9),
        ({"x-ratelimit-reset": str(int(NOW) + 60)}, None, 60),
        ({}, "Rate limit exceeded. Retry after 60 seconds.", 60),
        ({}, None, 0.5),
    ],
)
def test_a_429_without_its_header(headers: dict[str, str], message: str | None, seconds: float) -> None:
    """Where a proxy stripped Retry-After, the reset header, the message or a back-off decides; it is never cut."""
    decision = judge(Reply(429, headers, message=message))
    assert decision.wait is not None
    assert decision.wait.seconds == seconds
    assert decision.hold_s == (None if decision.wait.source == "backoff" else seconds)


RATE = {"x-ratelimit-limit": "30", "x-ratelimit-remaining": "27", "x-ratelimit-reset": str(int(NOW) + 60)}


@pytest.mark.parametrize("status", [500, 503, 409, 425])
def test_rate_headers_do_not_slow_a_failure(status: int) -> None:
    """A 500 with the guide's rate headers backs off; it does not wait for the window to end."""
    decision = judge(Reply(status, RATE))
    assert decision.wait is not None
    assert (decision.wait.source, decision.wait.seconds <= 1) == ("backoff", True)


@pytest.mark.parametrize(("left", "held"), [(None, 3), ("0", 3), ("-1", 3), ("27", None)])
def test_a_429_with_requests_left_holds_only_itself(left: str | None, held: float | None) -> None:
    """It waits as asked; everyone who shares the key waits only where the key's rate is used up, or unknown."""
    headers = {"retry-after": "3"} | ({} if left is None else {"x-ratelimit-remaining": left})
    decision = judge(Reply(429, headers))
    assert decision.wait is not None
    assert (decision.wait.seconds, decision.hold_s) == (3, held)


@pytest.mark.parametrize(
    ("event", "attempt", "rejections", "longest"),
    [
        (Reply(500, {}), 1, 0, 1),
        (Reply(500, {}), 3, 0, 4),
        (Reply(500, {}), 5, 0, 8),  # not 16: the others are done by then
        (Reply(500, {}), 5, 4, 1),  # four refusals are not failures
        (Reply(429, {}), 5, 0, 1),
        (Reply(429, {}), 8, 7, 60),
        (DownloadError("network", "away", retryable=True), 8, 0, 60),
    ],
)
def test_the_longest_back_off(event: Event, attempt: int, rejections: int, longest: float) -> None:
    """It grows with outcomes of its kind; after a server's failure it stays short."""
    decision = decide(event, attempt, NOW, random=lambda: 1.0, rejections=rejections)
    assert decision.wait is not None
    assert decision.wait.seconds == longest


def test_a_200_with_an_error_keeps_the_words() -> None:
    """Its code and message are logged; what was billed stays unknown, and an empty account stops the run."""
    found = judge(Unreadable("content refused", code="moderation_blocked", type="image_error"))
    assert (found.outcome, found.code, found.type, found.message) == (
        "unknown", "moderation_blocked", "image_error", "content refused",
    )  # fmt: skip
    empty = judge(Unreadable("no credits left", code="insufficient_credits"))
    assert (empty.outcome, empty.stop, empty.may_be_billed) == ("stop", "account", True)


@pytest.mark.parametrize(
    "event",
    [SendError("", sent=False), SendError("", sent=True), Unreadable(), Unreadable(""), Reply(418, {}, message="")],
)
def test_a_reason_is_never_empty(event: Event) -> None:
    """Whatever ends badly says something."""
    assert judge(event).message


def not_sent(message: str = "h port 1: Connection refused", lasting: bool = False) -> SendError:
    return SendError(message, sent=False, lasting=lasting)


@pytest.mark.parametrize(
    ("events", "stops"),
    [
        ([(at, not_sent()) for at in (0, 0, 1, 3, 7)], None),  # a server that restarts is waited for
        ([(at, not_sent()) for at in (0, 0, 1, 3, 12)], 4),
        ([(at, not_sent()) for at in (0, 20, 30)], None),  # a few requests are not yet a pattern
        ([(0, not_sent("TLS: certificate verify failed", lasting=True))] * 5, 4),
        ([(0, not_sent()), (9, Reply(500, {})), (10, not_sent()), (11, not_sent()), (12, not_sent())], None),
        ([(0, not_sent()), (9, SendError("reset", sent=True)), *[(11, not_sent())] * 4], None),
    ],
)
def test_a_server_out_of_reach_stops_the_run(events: list[tuple[float, Event]], stops: int | None) -> None:
    """Five sends in a row that never reached it, over ten seconds or with no hope, stop; one answer starts afresh."""
    reach = Reach()
    found = [reach.note(event, judge(event), NOW + at).stop for at, event in events]
    assert found == [None if position != stops else "network" for position in range(len(events))]


def test_a_server_out_of_reach_is_named_with_advice() -> None:
    """The message has the cause, and what to do."""
    reach, event = Reach(), not_sent("TLS: certificate verify failed: self-signed", lasting=True)
    decision = [reach.note(event, judge(event), NOW) for _ in range(5)][-1]
    assert (decision.outcome, decision.retry, decision.may_be_billed) == ("stop", False, False)
    assert "self-signed" in str(decision.message)
    assert "SSL_CERT_FILE" in str(decision.message)


def test_an_unknown_outcome_is_only_sent_again_under_honoured_keys() -> None:
    """A blind second POST never happens; a provider known to honour keys is asked again, still counted as billable."""
    event = SendError("no answer in 600 s", sent=True)
    assert not judge(event).retry
    honoured = judge(event, honours_keys=True)
    assert (honoured.outcome, honoured.retry, honoured.may_be_billed) == ("unknown", True, True)


def test_tries_end() -> None:
    """Six sends at most, rejected ones apart; never past the waiting cap."""
    failed = Reply(500, {})
    assert judge(failed, 5).retry
    assert not judge(failed, 6).retry
    assert judge(failed, 9, rejections=4).retry
    assert judge(Reply(429, {}), 20, rejections=19).retry
    assert not judge(Reply(429, {}), 40, rejections=39).retry
    assert not judge(Reply(429, {"retry-after": "60"}), waited_s=3 * 3600 - 30).retry


def test_a_download_goes_on_longer() -> None:
    """A result is paid for: its URL is asked more often than a POST is sent."""
    cut = DownloadError("cut", "cut", retryable=True)
    assert judge(cut, DOWNLOADS.attempts - 1).retry
    assert not judge(cut, DOWNLOADS.attempts).retry
    told = judge(DownloadError("status", "503", retryable=True, wait_s=7))
    assert told.wait is not None
    assert told.wait.seconds == 7


replies = st.builds(
    Reply,
    st.integers(100, 599),
    st.dictionaries(
        st.sampled_from(["retry-after", "x-ratelimit-reset", "x-ratelimit-remaining"]), st.text(max_size=12)
    ),
    code=st.none() | st.text(max_size=20),
    message=st.none() | st.text(max_size=40),
    asked=st.none() | st.integers(1, 4),
    images=st.none() | st.integers(0, 4),
)
events = replies | st.builds(SendError, st.just("x"), sent=st.booleans()) | st.builds(Unreadable, st.just("x"))


@given(events, st.integers(0, 40), st.integers(1, 10), st.booleans(), st.floats(0, 1), st.floats(0, 1e5))
def test_nothing_that_may_be_billed_is_sent_again_blindly(
    event: Event, rejections: int, serious: int, honours: bool, chance: float, waited: float
) -> None:
    """For any event: a retry has a sane wait, a stop never retries, unknown never retries unless keys are honoured."""
    decision = decide(
        event, rejections + serious, NOW, honours, random=lambda: chance, rejections=rejections, waited_s=waited
    )
    if decision.retry:
        assert decision.wait is not None
        assert 0 <= decision.wait.seconds <= Retries().waiting_s
        assert decision.outcome in ("not_sent", "rejected", "failed") or (decision.outcome == "unknown" and honours)
        of_its_kind = (rejections + 1, Retries().rejections)
        if decision.outcome != "rejected":
            of_its_kind = (serious, Retries().attempts)
        assert of_its_kind[0] < of_its_kind[1]
    if decision.outcome in ("unknown", "failed"):
        assert decision.may_be_billed
    if decision.stop:
        assert decision.outcome == "stop"
