"""The Kairval API, simulated: an ASGI app in-process, or a server on a loopback port. A public way to test.

app = create_app(SimulatorSettings(plan="pro", faults=load_faults(Path("storm.yaml"))))
with running(app) as url: ...          # or give `app` to an ASGI transport, with the key IN_PROCESS_KEY
assert app.counters.images == 40

Names are loaded when they are used: `undrawn_words` needs neither the app nor Pillow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promptlab.simulator.app import App, Counters, create_app
    from promptlab.simulator.faults import KINDS, FaultPlan, Rule, load_faults, parse_faults
    from promptlab.simulator.pictures.prompt_reader import undrawn_words
    from promptlab.simulator.responses import SimulatedReset
    from promptlab.simulator.server import running, serve
    from promptlab.simulator.settings import (
        IN_PROCESS_KEY,
        PLANS,
        WEBHOOK_SECRET,
        Plan,
        SimulatedPlan,
        SimulatorSettings,
    )

__all__ = [
    "IN_PROCESS_KEY",
    "KINDS",
    "PLANS",
    "WEBHOOK_SECRET",
    "App",
    "Counters",
    "FaultPlan",
    "Plan",
    "Rule",
    "SimulatedPlan",
    "SimulatedReset",
    "SimulatorSettings",
    "create_app",
    "load_faults",
    "parse_faults",
    "running",
    "serve",
    "undrawn_words",
]

_HOMES = {
    "responses": "SimulatedReset",
    "app": "App Counters create_app",
    "faults": "KINDS FaultPlan Rule load_faults parse_faults",
    "pictures.prompt_reader": "undrawn_words",
    "server": "running serve",
    "settings": "IN_PROCESS_KEY PLANS WEBHOOK_SECRET Plan SimulatedPlan SimulatorSettings",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
