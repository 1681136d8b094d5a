"""Kairval's account plans, as data (guide, Pricing and Rate Limits; the figures as of `DATED`).

`promptlab.yaml` overrides any figure and may add plans: `plans: {enterprise: {requests_per_minute: 600, ...}}`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from promptlab.errors import InputError
from promptlab.providers.base import RateLimits
from promptlab.providers.reading import number

__all__ = ["DATED", "PLANS", "SOURCE", "UNNAMED", "Plan", "find_plan", "plans"]

SOURCE = "guide, Pricing and Rate Limits"
DATED = "2026-11-22"  # the day the guide was read; it bears no date of its own


@dataclass(frozen=True, slots=True)
class Plan:
    """An account plan; None is no limit, or unknown for money. `usd_per_credit` 0 means included in the plan."""

    name: str
    requests_per_minute: float | None = None  # per window, where `window_s` is not a minute
    concurrent: float | None = None
    daily: float | None = None
    window_s: float = 60.0
    package_credits: float | None = None
    usd_per_credit: float | None = None

    def limits(self, *, named: bool = True) -> RateLimits:
        """The plan's three limits, for the pacer."""
        return RateLimits(
            requests=_whole(self.requests_per_minute),
            window_s=self.window_s,
            concurrent=_whole(self.concurrent),
            daily=_whole(self.daily),
            named=named,
        )


PLANS: Mapping[str, Plan] = {
    plan.name: plan
    for plan in (
        Plan("free", 5, 2, 50, package_credits=50, usd_per_credit=0.0),
        Plan("starter", 30, 5, 1_000, package_credits=1_000, usd_per_credit=0.02),
        Plan("pro", 120, 20, 10_000, package_credits=5_000, usd_per_credit=0.015),
        Plan("enterprise", None, 20, None),
    )
}


def plans(overrides: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Plan]:
    """All plans, with the overrides of promptlab.yaml; InputError for a figure that is none."""
    found = dict(PLANS)
    figures = {field.name for field in fields(Plan)} - {"name"}
    for name, changes in (overrides or {}).items():
        unknown = sorted(set(changes) - figures)
        if unknown:
            raise InputError(f"plans.{name}: unknown figure {unknown[0]!r}{_nearest(unknown[0], figures)}", code="plan")
        typed: dict[str, Any] = {key: _figure(name, key, value) for key, value in changes.items()}
        found[name] = replace(found.get(name, Plan(name)), **typed)
    return found


def find_plan(name: str | None, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> Plan | None:
    """The plan of a name, whatever its case; None for None; InputError with the nearest name for an unknown one."""
    known = plans(overrides)
    if name is None or not name.strip():
        return None
    wanted = name.strip()
    plan = known.get(wanted) or next((plan for key, plan in known.items() if key.lower() == wanted.lower()), None)
    if plan is None:
        hint = _nearest(wanted.lower(), known) or f"; known are {', '.join(known)}"
        raise InputError(f"there is no plan {wanted!r}{hint}", code="plan")
    return plan


def _figure(plan: str, key: str, value: Any) -> float | None:
    if value is None or (isinstance(value, str) and value.strip().lower() in ("", "null", "none", "~")):
        if key == "window_s":
            raise InputError(f"plans.{plan}.window_s: a window has a length in seconds", code="plan")
        return None
    found = number(value)
    if found is None or (found == 0 and key != "usd_per_credit"):
        raise InputError(f"plans.{plan}.{key}: {value!r} is not a positive number", code="plan")
    return found


def _nearest(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, list(known), 1, 0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def _whole(value: float | None) -> int | None:
    return None if value is None else max(1, int(value))


#: Where no plan is named a run starts at the slowest plan's pace, until the first X-RateLimit-Limit tells.
UNNAMED = PLANS["free"].limits(named=False)
