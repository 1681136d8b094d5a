"""Request rate, concurrency and daily quota, shared by every process of this machine that uses one API key.

`key_limits` is pure: figures in, a verdict out. `ledger` keeps the sends and leases in one small SQLite file in the
state folder; `owner` says whose they are; `pacer` waits.
"""

from __future__ import annotations

from promptlab.pacing.key_limits import Delay, KeyLimits, Lease, Quota, forecast

__all__ = ["Delay", "KeyLimits", "Lease", "Quota", "forecast"]
