"""Account plans as a provider declares them: their limits, their package of credits, and what a credit costs.

`promptlab.yaml` overrides any figure and may add plans: `plans: {enterprise: {requests_per_minute: 600, ...}}`.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from promptlab.errors import InputError
from promptlab.providers.response import number

__all__ = ["Plan", "RateLimits", "find_plan", "plans"]


@dataclass(frozen=True, slots=True)
class RateLimits:
    """An account's limits; None means no limit. `named`: a plan or a setting says so, headers may only tighten it."""

    requests: int | None = None
    window_s: float = 60.0
    concurrent: int | None = None
    daily: int | None = None
    named: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
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


def plans(declared: Mapping[str, Plan], overrides: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Plan]:
    """A provider's plans, with the overrides of promptlab.yaml; InputError for a wrong figure."""
    found = dict(declared)
    figures = {field.name for field in fields(Plan)} - {"name", "negotiated"}
    for name, changes in (overrides or {}).items():
        unknown = sorted(set(changes) - figures)
        if unknown:
            raise InputError(f"plans.{name}: unknown figure {unknown[0]!r}{_nearest(unknown[0], figures)}", code="plan")
        typed: dict[str, Any] = {key: _figure(name, key, value) for key, value in changes.items()}
        found[name] = replace(found.get(name, Plan(name)), **typed)
    return found


def find_plan(name: str | None, known: Mapping[str, Plan]) -> Plan | None:
    """The plan of a name, whatever its case; None for None; InputError with the nearest name for an unknown one."""
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
            raise InputError(f"plans.{plan}.window_s: a window needs a length in seconds", code="plan")
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
