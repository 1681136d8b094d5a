"""What a run needs from outside, opened from settings: the client, the pacer, the caps."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from promptlab import __version__
from promptlab.errors import InputError
from promptlab.http import Client
from promptlab.log import Log, Totals
from promptlab.model import Amount, Request
from promptlab.pacing import Limits, state_folder
from promptlab.providers import Endpoint, RateLimits
from promptlab.run.budget import Cap
from promptlab.run.studio import Studio
from promptlab.spec import Settings

if TYPE_CHECKING:
    from promptlab.pacing import Pacer

__all__ = ["caps", "check_budget", "known_limits", "limits_of", "may_raise", "open_client", "open_pacer"]


def open_client(endpoint: Endpoint) -> Client:
    """The HTTP client of a run; the key goes into its one header and nowhere else."""
    return endpoint.client(user_agent=f"promptlab/{__version__}")


def limits_of(rate: RateLimits, share: float, concurrent: int | None = None) -> Limits:
    """The pacer's figures, with concurrency as chosen where it was."""
    most = rate.concurrent if concurrent is None else concurrent
    return Limits(rate.requests, rate.window_s, most, rate.daily, share, rate.named)


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


def open_pacer(studio: Studio, endpoint: Endpoint, jobs: int | None) -> Pacer:
    """The pacer of this key, shared with every process of this machine; only the key's hash is kept."""
    secret = f"{endpoint.base_url}\n{endpoint.key or ''}"
    share = studio.settings.share
    known = {
        rate.requests: limits_of(rate, share)
        for rate in known_limits(studio, endpoint).values()
        if rate.requests is not None
    }
    from promptlab.pacing import Pacer

    return Pacer.open(
        state_folder(studio.environ),
        hashlib.sha256(secret.encode()).hexdigest(),
        limits_of(endpoint.limits, share, _concurrent(endpoint, jobs)),
        plans=known,
    )


def _concurrent(endpoint: Endpoint, jobs: int | None) -> int | None:
    """The key's concurrency: `--jobs` is this process's own and changes it only where it may raise it."""
    most = endpoint.limits.concurrent
    return max(jobs, most) if jobs is not None and most is not None and may_raise(endpoint) else most


def caps(log: Log, settings: Settings, budget: Amount | None, totals: Totals) -> list[Cap]:
    """The ceilings of a run, with what counts against each already: the money at risk counts as spent."""
    found = []
    if budget is not None:
        used = totals.cost_usd_at_most if budget.usd is not None else totals.credits_at_most
        found.append(Cap("the budget", budget, used or 0.0))
    for name, since, cap in (("day", "%Y-%m-%d", settings.caps.day), ("month", "%Y-%m-01", settings.caps.month)):
        if cap is not None:
            count = partial(_spent, log, since, cap)
            found.append(Cap(f"the studio's cap a {name}", cap, count(), count=count))
    return found


def _spent(log: Log, since: str, cap: Amount) -> float:
    """What all runs have spent, or may have been billed for, since this UTC day or month began."""
    spent = log.spent(since=datetime.now(UTC).strftime(since))
    return (spent.cost_usd_at_most if cap.usd is not None else spent.credits_at_most) or 0.0


def check_budget(studio: Studio, endpoint: Endpoint, budget: Amount | None, requests: Iterable[Request]) -> None:
    """A ceiling in a unit whose price nobody knows would protect nothing: InputError, before anything is sent."""
    chosen = studio.settings.caps
    ceilings = [
        ("the budget", budget),
        ("the studio's cap a day", chosen.day),
        ("the studio's cap a month", chosen.month),
    ]
    named = [(name, amount) for name, amount in ceilings if amount is not None]
    if not named or endpoint.simulated:  # what costs nothing passes no ceiling
        return
    models = {(request.operation, request.model, request.n): request for request in requests}
    for price in map(endpoint.price, models.values()):
        for name, amount in named:
            if amount.usd is not None and price.usd is None:
                raise InputError(
                    f"{name} is in dollars, but a request's price in dollars is unknown; name your plan (KAIRVAL_PLAN "
                    "or `plan:` in promptlab.yaml), or give it in credits",
                    code="price-unknown",
                )
            if amount.credits is not None and price.credits is None:
                message = f"{name} is in credits, but this provider has no price in credits; give it in dollars"
                raise InputError(message, code="price-unknown")
