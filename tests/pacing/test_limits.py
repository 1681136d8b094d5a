"""Figures, shares, forecasts and the state folder."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.pacing import KeyLimits, forecast
from promptlab.pacing.key_limits import Figures
from promptlab.pacing.ledger import state_folder


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (KeyLimits(requests=120, concurrent=20, daily=10_000, share=0.2), (24, 60, 4, 2000)),
        (KeyLimits(requests=5, concurrent=2, daily=50, share=0.2), (1, 60, 1, 10)),
        (KeyLimits(requests=5, concurrent=2, share=0.1), (1, 120, 1, None)),  # half a request a minute
        (KeyLimits(requests=100, share=0.29), (29, 60, None, None)),
        (KeyLimits(), (None, 60, None, None)),
    ],
)
def test_share(limits, expected):
    """A machine takes its share of each figure, at least one job at once, and never more than its share of the rate."""
    figures = Figures.of(limits)
    assert (figures.requests, pytest.approx(figures.window_s), figures.concurrent, figures.daily) == expected


@pytest.mark.parametrize(
    "figures",
    [
        {"requests": 0},
        {"concurrent": -1},
        {"daily": 0},
        {"window_s": 0},
        {"window_s": float("nan")},
        {"window_s": float("inf")},
        {"share": 0},
        {"share": 1.5},
    ],
)
def test_senseless_figures(figures):
    """Figures that make no sense are refused with a sentence."""
    with pytest.raises(ValueError, match="it has to be"):
        KeyLimits(**figures)


@pytest.mark.parametrize(
    ("limits", "requests", "each", "seconds"),
    [
        (KeyLimits(requests=120, concurrent=20), 4000, 30, 100 * 60),  # the guide's Pro: 40 a minute, not 120
        (KeyLimits(requests=10, window_s=10), 50, 0.1, 4 * (10 + 10 / 60) + 0.1),
        (KeyLimits(concurrent=20), 1000, 0.2, 10),
        (KeyLimits(requests=5, concurrent=2, daily=50), 51, 1, 86_400 + 1),
        (KeyLimits(), 7, 3, 3),
        (KeyLimits(requests=5), 0, 3, 0),
    ],
)
def test_forecast(limits, requests, each, seconds):
    """The forecast is exact where rate, concurrency or the day binds."""
    assert forecast(limits, requests, each) == pytest.approx(seconds)


@given(requests=st.integers(1, 12), concurrent=st.integers(1, 12), total=st.integers(1, 60), each=st.floats(0.1, 200))
def test_forecast_is_the_schedule(requests, concurrent, total, each):
    """The closed form equals the schedule written out request by request."""
    starts: list[float] = []
    for k in range(total):
        by_rate = starts[k - requests] + 61 if k >= requests else 0.0
        by_slots = starts[k - concurrent] + each if k >= concurrent else 0.0
        starts.append(max(by_rate, by_slots))
    expected = starts[-1] + each
    assert forecast(KeyLimits(requests=requests, concurrent=concurrent), total, each) == pytest.approx(expected)


def test_forecast_is_quick():
    """A million requests are forecast in closed form."""
    limits = KeyLimits(requests=random.Random(1).randint(500, 700), concurrent=199)
    assert forecast(limits, 1_000_000, 30) > 0


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"PROMPTLAB_STATE": "/s", "XDG_STATE_HOME": "/x", "HOME": "/h"}, "/s"),
        ({"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/promptlab"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/promptlab"),
        ({"PROMPTLAB_STATE": "", "HOME": "/h"}, "/h/.local/state/promptlab"),
    ],
)
def test_state_folder(environ, folder):
    """The state folder follows PROMPTLAB_STATE, then the XDG rules."""
    assert state_folder(environ) == Path(folder)
