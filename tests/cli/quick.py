"""The simulator without its drawing, for tests that are about requests and not about pictures."""

from __future__ import annotations

from typing import Any

import pytest

from promptlab.providers.simulated import Simulator
from promptlab.simulator import SimulatorSettings, create_app

__all__ = ["undrawn"]


def undrawn(patch: pytest.MonkeyPatch) -> None:
    """Every image is the same small prepared one: a tenth of the time."""

    def app(options: Any) -> Any:
        return create_app(SimulatorSettings(fast=True))

    patch.setattr(Simulator, "app", staticmethod(app))
