"""What a run needs from outside, opened from settings: the client, the pacer, the caps."""

from __future__ import annotations

import hashlib
import math
from functools import partial
from typing import TYPE_CHECKING

from promptlab._version import __version__
from promptlab.http import Client
from promptlab.log import Log, Totals
from promptlab.model import Amount, Request, utc_now
from promptlab.pacing import state_folder
from promptlab.providers import Endpoint, Result
from promptlab.run.budget import Cap, Period
from promptlab.spec.settings import Settings
from promptlab.studio.options import known_limits, limits_of, may_raise
from promptlab.studio.studio import Studio

if TYPE_CHECKING:
    from promptlab.pacing import Pacer

__all__ = ["caps", "open_client", "open_pacer", "worst_price"]


def open_client(endpoint: Endpoint) -> Client:
    """The HTTP client of a run; the key goes into its one header and nowhere else."""
    return endpoint.client(user_agent=f"promptlab/{__version__}")


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


def worst_price(endpoint: Endpoint, request: Request) -> Amount:
    """The most that one call can cost by the table, in both units as far as known.

    Where an answer is priced by its token counts, the prompt's own come on top of the image's: never more of them than
    the text has bytes.
    """
    price = endpoint.price(request)
    usd = price.usd
    if usd is not None and endpoint.provider.capabilities.cost_source == "usage":
        text = f"{request.prompt}\n\nAvoid: {request.negative_prompt or ''}"
        usage = {"input_tokens": len(text.encode("utf-8", "replace")), "output_tokens": 0}
        prompt = endpoint.cost(request, Result(None, request.model, None, (), usage=usage))
        usd += prompt.usd or 0.0
    return Amount(usd=usd, credits=price.credits)


def caps(log: Log, settings: Settings, budget: Amount | None, totals: Totals) -> list[Cap]:
    """The ceilings of a run, with what counts against each already: the money at risk counts as spent."""
    found = []
    if budget is not None:
        used = totals.cost_usd_at_most if budget.usd is not None else totals.credits_at_most
        found.append(Cap("the budget", budget, math.inf if used is None else used))
    periods: tuple[tuple[Period, str, Amount | None], ...] = (
        ("day", "daily", settings.caps.day),
        ("month", "monthly", settings.caps.month),
    )
    for period, name, cap in periods:
        if cap is not None:
            made = Cap(f"the studio's {name} cap", cap, count=partial(_spent, log, cap), period=period)
            made.turn(utc_now())
            found.append(made)
    return found


def _spent(log: Log, cap: Amount, since: str) -> float | None:
    """What all runs have spent, or may have been billed for, since this UTC day; None where not known."""
    spent = log.spent(since=since)
    return spent.cost_usd_at_most if cap.usd is not None else spent.credits_at_most
