"""Account plans: what an account may ask for and what a credit costs; Kairval's own table is the only one there is.

The provider and the simulator of it both read it here. `promptlab.yaml` overrides any figure and may add plans:
`plans: {enterprise: {requests_per_minute: 600, ...}}`. Other providers declare theirs in their own class.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["KAIRVAL", "AccountPlan", "RateLimits"]


@dataclass(frozen=True, slots=True)
class RateLimits:
    """An account's limits; None means no limit. `named`: a plan or a setting says so, headers may only tighten it."""

    requests: int | None = None
    window_s: float = 60.0
    concurrent: int | None = None
    daily: int | None = None
    named: bool = False


@dataclass(frozen=True, slots=True)
class AccountPlan:
    """An account plan; None means no limit, or unknown for money.

    `usd_per_credit` 0 means that the package's credits are included, and that no more can be bought. `negotiated`:
    the figures are a contract's own, so that `--jobs` may raise concurrency.
    """

    name: str
    requests_per_minute: float | None = None  # per window, where `window_s` is not a minute
    concurrent: float | None = None
    daily: float | None = None
    window_s: float = 60.0
    package_credits: float | None = None
    usd_per_credit: float | None = None
    negotiated: bool = False

    def fits(self, credits: float) -> bool:
        """Whether the plan can pay for these credits at all: a package that can't be bought again is all there is."""
        return self.usd_per_credit != 0 or self.package_credits is None or credits <= self.package_credits

    def packages(self, credits: float) -> int | None:
        """How many packages this many credits are; None where the plan sells none."""
        if not self.usd_per_credit or not self.package_credits:
            return None
        return math.ceil(credits / self.package_credits)

    def limits(self, *, named: bool = True) -> RateLimits:
        """The plan's three limits, for the pacer."""
        return RateLimits(
            requests=_whole(self.requests_per_minute),
            window_s=self.window_s,
            concurrent=_whole(self.concurrent),
            daily=_whole(self.daily),
            named=named,
        )


def _whole(value: float | None) -> int | None:
    return None if value is None else max(1, int(value))


#: Guide, Pricing and Rate Limits, read on 2026-11-22; it has no date.
KAIRVAL: Mapping[str, AccountPlan] = {
    plan.name: plan
    for plan in (
        AccountPlan("free", 5, 2, 50, package_credits=50, usd_per_credit=0.0),
        AccountPlan("starter", 30, 5, 1_000, package_credits=1_000, usd_per_credit=0.02),
        AccountPlan("pro", 120, 20, 10_000, package_credits=5_000, usd_per_credit=0.015),
        AccountPlan("enterprise", None, 20, None, negotiated=True),
    )
}
