"""The Kairval API, simulated: an ASGI app in-process, or a server on a loopback port. A public seam for tests.

app = create_app(SimulatorSettings(plan="pro", faults=load_faults(Path("storm.yaml"))))
with running(app) as url: ...          # or give `app` to an ASGI transport, with the key IN_PROCESS_KEY
assert app.counters.images == 40
"""

from promptlab.simulator.answers import SimulatedReset
from promptlab.simulator.app import App, Counters, create_app
from promptlab.simulator.faults import KINDS, FaultPlan, Rule, load_faults, parse_faults
from promptlab.simulator.server import running, serve
from promptlab.simulator.settings import IN_PROCESS_KEY, PLANS, WEBHOOK_SECRET, Plan, SimulatorSettings

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
    "SimulatedReset",
    "SimulatorSettings",
    "create_app",
    "load_faults",
    "parse_faults",
    "running",
    "serve",
]
