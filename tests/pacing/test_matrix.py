"""Every plan against every kind of server, in virtual time, with arrivals that overtake each other."""

import pytest

from promptlab.pacing import KeyLimits

KINDS = ("fixed", "sliding", "first", "bucket")
#: name → limits, seconds an answer
CASES = {
    "free": (KeyLimits(requests=5, concurrent=2), (1.0, 8.0)),
    "starter": (KeyLimits(requests=30, concurrent=5), (0.5, 5.0)),
    "pro": (KeyLimits(requests=120, concurrent=20), (0.5, 6.0)),
    "10 in 10 s": (KeyLimits(requests=10, window_s=10, concurrent=5), (0.1, 1.5)),
    "2 in 1 s": (KeyLimits(requests=2, window_s=1, concurrent=2), (0.05, 0.3)),
    "20 in 1 s": (KeyLimits(requests=20, window_s=1, concurrent=10), (0.02, 0.3)),
}


@pytest.mark.parametrize("processes", [1, 4])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES)
def test_matrix(case, kind, processes, simulate):
    """No 429, and at least 97 % of what the limits allow, with arrivals late by up to most of the guard."""
    limits, service = CASES[case]
    assert limits.requests is not None
    jitter = limits.window_s / 60 * 0.9
    total = limits.requests * 10
    for seed in range(2 if limits.requests < 20 else 1):
        outcome = simulate(
            kind, limits, total=total, processes=processes, service=service, jitter=jitter, seed=seed + processes
        )
        print(f"{case}, {kind}, {processes} processes: {outcome.used(limits):.2%}")
        assert outcome.server.refused == []
        assert len(outcome.server.accepted) == total
        assert outcome.used(limits) >= 0.97


@pytest.mark.parametrize("kind", KINDS)
def test_fifty_through_ten_in_ten_seconds(kind, simulate):
    """50 requests through a limit of 10 in 10 s finish within 43 s, each sent once."""
    limits = KeyLimits(requests=10, window_s=10, concurrent=5)
    outcome = simulate(kind, limits, total=50, service=(0.1, 0.6), jitter=0.1)
    assert outcome.finished - outcome.sends[0] <= 43
    assert (len(outcome.sends), outcome.server.refused) == (50, [])


def test_pro_at_1_05_of_ideal(simulate):
    """240 requests under Pro take at most 1.05 of a minute and an answer, without a 429."""
    outcome = simulate("fixed", KeyLimits(requests=120, concurrent=20), total=240, service=(2, 2.2), jitter=0.2)
    # 20 at once of 2.1 s: the first 120 are out after 12 s, the 240th at the earliest a minute after the 120th
    assert outcome.finished - outcome.sends[0] <= 1.05 * (60 + 6 * 2.1)
    assert outcome.server.refused == []


@pytest.mark.parametrize("kind", KINDS)
def test_five_machines_with_a_fifth_each(kind, simulate):
    """With `share: 0.2` a machine uses a fifth of the rate, fully."""
    limits = KeyLimits(requests=120, concurrent=20, share=0.2)
    outcome = simulate(
        kind, limits, total=24 * 6, service=(1, 3), jitter=0.5, allowed=KeyLimits(requests=24, concurrent=4)
    )
    assert outcome.server.refused == []
    assert outcome.used(KeyLimits(requests=24)) >= 0.97


def test_server_stricter_than_the_plan(simulate):
    """Told a limit that is too high, the shared hold keeps four processes to few 429s, and all requests get through."""
    outcome = simulate(
        "sliding",
        KeyLimits(requests=30, concurrent=5),
        total=60,
        processes=4,
        service=(0.1, 0.4),
        jitter=0.05,
        allowed=KeyLimits(requests=20, concurrent=5),
    )
    assert len(outcome.server.accepted) == 60
    assert len(outcome.server.refused) <= 60
