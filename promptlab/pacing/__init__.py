"""Request rate, concurrency and daily quota, shared by every process of this machine that uses one API key.

`limits` and `window` are pure: figures in, a verdict out. `ledger` keeps the sends and leases in one small SQLite
file in the state folder; `pacer` waits.
"""

from promptlab.pacing.folder import state_folder
from promptlab.pacing.limits import Limits, forecast
from promptlab.pacing.pacer import Pacer
from promptlab.pacing.window import Delay, Lease, Quota

__all__ = ["Delay", "Lease", "Limits", "Pacer", "Quota", "forecast", "state_folder"]
