"""Waits and rate headers, form by form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.http.waits import RateInfo, Wait, backoff, parse_duration, parse_wait, rate_headers

NOW = 1_714_714_140.0
DATE = "Fri, 03 May 2024 05:28:00 GMT"  # 1714714080: the server's clock is 60 s behind ours


@pytest.mark.parametrize(
    ("headers", "message", "expected"),
    [
        ({}, None, None),
        ({"retry-after": "7"}, None, Wait(7, "retry-after")),
        ({"retry-after": "1.5"}, None, Wait(1.5, "retry-after")),
        ({"retry-after": "0"}, None, Wait(0, "retry-after")),
        ({"retry-after-ms": "250", "retry-after": "7"}, None, Wait(0.25, "retry-after-ms")),
        ({"retry-after": "7", "x-ratelimit-reset": "1714714200"}, "Retry after 99 seconds", Wait(7, "retry-after")),
        ({"retry-after": "Fri, 03 May 2024 05:30:00 GMT"}, None, Wait(60, "retry-after")),
        ({"retry-after": "Fri, 03 May 2024 05:30:00 GMT", "date": DATE}, None, Wait(120, "retry-after")),
        ({"retry-after": "Fri, 03 May 2024 05:00:00 GMT"}, None, Wait(0, "retry-after")),
        ({"retry-after": "6m0s"}, None, Wait(360, "retry-after")),
        ({"retry-after": "soon"}, "Retry after 60 seconds.", Wait(60, "message")),
        ({"retry-after": "-3"}, None, None),
        ({"retry-after": "inf"}, None, None),
        ({"retry-after": "nan"}, None, None),
        ({"retry-after": "1e3"}, None, None),
        ({"retry-after": "99999999999"}, None, None),
        ({"x-ratelimit-reset": "1714714200"}, None, Wait(60, "reset")),
        ({"x-ratelimit-reset": "1714714200", "date": DATE}, None, Wait(120, "reset")),
        ({"x-ratelimit-reset": "1714714200000"}, None, Wait(60, "reset")),
        ({"x-ratelimit-reset": "60"}, None, Wait(60, "reset")),
        ({"x-ratelimit-reset": "6m0s"}, None, Wait(360, "reset")),
        ({"x-ratelimit-reset-requests": "12ms"}, None, Wait(0.012, "reset")),
        ({"x-ratelimit-reset": "2024-05-03T05:30:00Z"}, None, Wait(60, "reset")),
        ({"x-ratelimit-reset": "1714714000"}, "Retry after 5 seconds", Wait(5, "message")),
        ({"x-ratelimit-reset": "-1"}, None, None),
        ({"x-ratelimit-reset": "123456789"}, None, None),
        ({"ratelimit-reset": "30"}, None, Wait(30, "reset")),
        ({}, "Rate limit exceeded. Retry after 60 seconds.", Wait(60, "message")),
        ({}, "Please try again in 6m0s.", Wait(360, "message")),
        ({}, "Please try again in 1.5s. Contact us", Wait(1.5, "message")),
        ({}, "try again in 200 ms", Wait(0.2, "message")),
        ({}, "retry in 2 minutes", Wait(120, "message")),
        ({}, "wait 3 hours", Wait(10_800, "message")),
        ({}, "Limit of 60 requests in 60 seconds", None),
    ],
)
def test_every_form(headers: dict[str, str], message: str | None, expected: Wait | None) -> None:
    """Each form of a wait is read, in the order of trust, and junk is ignored."""
    found = parse_wait(headers, message, NOW, limited=True)
    assert (found is None) == (expected is None)
    if expected is not None:
        assert found is not None
        assert (found.seconds, found.source) == (pytest.approx(expected.seconds), expected.source)


RESET = {"x-ratelimit-limit": "30", "x-ratelimit-reset": "1714714200"}


@pytest.mark.parametrize(
    ("headers", "limited", "expected"),
    [
        ({**RESET, "x-ratelimit-remaining": "27"}, False, None),  # the guide's own headers, on a 500 or a download
        (RESET, False, None),
        (RESET, True, Wait(60, "reset")),
        ({**RESET, "x-ratelimit-remaining": "0"}, True, Wait(60, "reset")),
        ({**RESET, "x-ratelimit-remaining": "0"}, False, Wait(60, "reset")),
        ({**RESET, "x-ratelimit-remaining": "27"}, True, None),  # 27 left: another limit refused, and opens sooner
        ({"x-ratelimit-remaining": "27", "x-ratelimit-reset": "2"}, True, Wait(2, "reset")),
        ({**RESET, "x-ratelimit-remaining": "27", "retry-after": "3"}, False, Wait(3, "retry-after")),
        ({**RESET, "x-ratelimit-remaining": "-1"}, False, None),
        ({**RESET, "x-ratelimit-remaining-images": "0"}, False, Wait(60, "reset")),
    ],
)
def test_a_reset_counts_only_where_the_rate_refused(
    headers: dict[str, str], limited: bool, expected: Wait | None
) -> None:
    """X-RateLimit-Reset stands on every answer: it is waited for on a 429, or with nothing remaining."""
    assert parse_wait(headers, None, NOW, limited=limited) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, RateInfo()),
        (
            {"x-ratelimit-limit": "30", "x-ratelimit-remaining": "27", "x-ratelimit-reset": "1714714200"},
            RateInfo(30, 27, 1_714_714_200),
        ),
        ({"x-ratelimit-limit": "30", "x-ratelimit-remaining": "0"}, RateInfo(30, 0)),
        ({"x-ratelimit-limit": "-1", "x-ratelimit-remaining": "-1"}, RateInfo()),
        ({"x-ratelimit-limit": "0", "x-ratelimit-remaining": "0"}, RateInfo(None, 0)),
        ({"x-ratelimit-limit": "30", "x-ratelimit-remaining": "31"}, RateInfo(30)),
        ({"x-ratelimit-limit": "unlimited"}, RateInfo()),
        ({"x-ratelimit-limit": "30, 30;w=60"}, RateInfo(30)),
        ({"x-ratelimit-limit-requests": "5", "x-ratelimit-reset-requests": "12ms"}, RateInfo(5, None, NOW + 0.012)),
    ],
)
def test_rate_headers(headers: dict[str, str], expected: RateInfo) -> None:
    """Rate headers are read where they make sense and ignored where they don't."""
    assert rate_headers(headers, NOW) == expected


@pytest.mark.parametrize(
    ("text", "seconds"), [("1h2m3s", 3723), ("500ms", 0.5), ("1d", 86400), ("5", None), ("", None)]
)
def test_durations(text: str, seconds: float | None) -> None:
    """Durations as OpenAI writes them."""
    assert parse_duration(text) == seconds


def test_full_jitter() -> None:
    """Back-off doubles from a second to a cap, times a random share."""
    assert [backoff(n, lambda: 1.0).seconds for n in (1, 2, 3, 7, 99)] == [1, 2, 4, 60, 60]
    assert backoff(5, lambda: 0.0).seconds == 0


header_text = st.text(st.characters(codec="latin-1"), max_size=40) | st.from_regex(r"-?\d{1,20}(\.\d+)?(ms|s|m)?")
NAMES = ["retry-after", "retry-after-ms", "x-ratelimit-reset", "x-ratelimit-limit", "x-ratelimit-remaining", "date"]


@given(st.dictionaries(st.sampled_from(NAMES), header_text), st.none() | st.text(max_size=80), st.floats(0, 4e9))
def test_junk_is_never_obeyed(headers: dict[str, str], message: str | None, now: float) -> None:
    """Whatever a server sends, a wait is none or between zero and a month, and a limit is none or positive."""
    wait = parse_wait(headers, message, now)
    assert wait is None or 0 <= wait.seconds <= 32 * 86_400
    info = rate_headers(headers, now)
    assert info.limit is None or info.limit > 0
    assert info.remaining is None or info.remaining >= 0
