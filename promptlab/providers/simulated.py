"""The simulator as a provider: Kairval's wire to an app in this very process; no key, no port, no cost.

No environment variable turns it into a real server: what says SIMULATED is simulated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from promptlab.account_plans import RateLimits
from promptlab.model import Request
from promptlab.providers.base import Capabilities, Cost
from promptlab.providers.kairval import Kairval
from promptlab.providers.response import Result

__all__ = ["IN_PROCESS", "Simulator"]

#: The base URL that enters request hashes: the same on every machine.
IN_PROCESS = "simulator:"


class Simulator(Kairval):
    """Deterministic pictures, priced by Kairval's table with the cost source `simulated`."""

    name: ClassVar[str] = "simulator"
    capabilities: ClassVar[Capabilities] = replace(
        Kairval.capabilities, seed="deterministic", cost_source="simulated", key_variable=None
    )
    default_base_url: ClassVar[str | None] = IN_PROCESS
    base_url_variable: ClassVar[str | None] = None
    simulated: ClassVar[bool] = True
    in_process: ClassVar[bool] = True
    in_process_key: ClassVar[str | None] = "kv_simulator"  # protects nothing, and keeps the wire whole
    default_limits: ClassVar[RateLimits] = RateLimits(concurrent=8, named=True)

    def cost(self, request: Request, result: Result, images: int) -> Cost:
        """What Kairval would have charged."""
        return replace(super().cost(request, result, images), source="simulated")

    @classmethod
    def app(cls, options: Mapping[str, Any]) -> Any:
        """The ASGI app that answers."""
        from promptlab.simulator import SimulatorSettings, create_app

        return create_app(SimulatorSettings())
