"""The limits of an account: its plan's, or those that a setting gives."""

from __future__ import annotations

from promptlab.pacing import KeyLimits
from promptlab.providers import Endpoint, RateLimits
from promptlab.studio.studio import Studio

__all__ = ["known_limits", "limits_of", "may_raise"]


def limits_of(rate: RateLimits, share: float, concurrent: int | None = None) -> KeyLimits:
    """The pacer's figures, with concurrency as chosen where it was."""
    most = rate.concurrent if concurrent is None else concurrent
    return KeyLimits(rate.requests, rate.window_s, most, rate.daily, share, rate.named)


def known_limits(studio: Studio, endpoint: Endpoint) -> dict[str, RateLimits]:
    """The limits of every plan that this provider's accounts can have, by name; none where a setting gives its own."""
    if studio.settings.providers.get(endpoint.provider.name, {}).get("limits") is not None:
        return {}
    return {name: plan.limits() for name, plan in endpoint.plans.items()}


def may_raise(endpoint: Endpoint) -> bool:
    """Whether `--jobs` may raise concurrency: where the plan's figure is negotiated, or without any limit."""
    return (
        endpoint.simulated
        or endpoint.limits.concurrent is None
        or (endpoint.plan is not None and endpoint.plan.negotiated)
    )
