"""Request rate, concurrency and daily quota, shared by every process of this machine that uses one API key.

`key_limits` is pure: figures in, a verdict out. `ledger` keeps the sends and leases in one small SQLite file in the
state folder; `owner` says whose they are; `pacer` waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptlab.pacing.key_limits import Delay, KeyLimits, Lease, Quota, forecast

if TYPE_CHECKING:
    from promptlab.pacing.ledger import state_folder
    from promptlab.pacing.pacer import Pacer

__all__ = ["Delay", "KeyLimits", "Lease", "Pacer", "Quota", "forecast", "state_folder"]


def __getattr__(name: str) -> Any:
    if name == "Pacer":  # asyncio costs what a cached run saves
        from promptlab.pacing.pacer import Pacer

        return Pacer
    if name == "state_folder":
        from promptlab.pacing.ledger import state_folder

        return state_folder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
