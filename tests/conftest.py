"""What holds for every test: a busy machine is not a failure."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# Hypothesis fails an example that takes 200 ms of wall-clock time, which a busy neighbour is enough for.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture
def unmeasured() -> dict[str, str]:
    """The environment of a child whose modules are counted: measuring its coverage would load some."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
