"""Before anything is sent: what it would cost, whether the ceilings can be kept, and whether the user agreed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from promptlab.errors import ConfirmationNeeded, InputError
from promptlab.model import Amount, Request, utc_now

if TYPE_CHECKING:
    from promptlab.log import Log, Totals
    from promptlab.providers import Endpoint
    from promptlab.spec.settings import Settings
    from promptlab.studio.options import Options

__all__ = ["Ahead", "Confirm", "check_ceilings", "confirmed", "unknown_price"]

Unit = Literal["usd", "credits"]
NAMES: dict[Unit, str] = {"usd": "dollars", "credits": "credits"}


@dataclass(frozen=True, slots=True)
class Ahead:
    """What would be sent, and its price by the table; None is unknown."""

    to_send: int
    provider: str
    simulated: bool
    credits: float | None
    cost_usd: float | None


#: Gets the estimate of a run that has to be confirmed: False, or an exception, declines.
Confirm = Callable[[Ahead], bool | None]


def confirmed(ahead: Ahead, settings: Settings, options: Options, confirm: Confirm | None) -> None:
    """A paid run above the studio's figure, or of unknown price, needs a yes; ConfirmationNeeded without one."""
    if options.yes or ahead.simulated or not ahead.to_send:
        return
    above, worst, budget = settings.confirm_above_usd, ahead.cost_usd, options.ceiling
    if budget is not None and budget.usd is not None:
        worst = budget.usd if worst is None else min(worst, budget.usd)
    if worst is not None and worst <= above:
        return
    if confirm is None:
        raise ConfirmationNeeded(
            f"not confirmed: sending {ahead.to_send:,} calls to {ahead.provider} would cost {_price(ahead)}. Nothing "
            f"was sent; pass Options(yes=True) or confirm=, a function that gets this estimate (needed above "
            f"{Amount(usd=above)}, `confirm_above_usd` in promptlab.yaml)",
            code="not-confirmed",
        )
    if confirm(ahead) is False:
        raise ConfirmationNeeded("not confirmed; nothing was sent, and nothing was written", code="not-confirmed")


def _price(ahead: Ahead) -> str:
    credits = [] if ahead.credits is None else [str(Amount(credits=ahead.credits))]
    usd = ["dollars unknown"] if ahead.cost_usd is None else [f"~{Amount(usd=ahead.cost_usd)}"]
    return ", ".join(credits + usd) if credits or ahead.cost_usd is not None else "an unknown amount"


def check_ceilings(
    ahead: Ahead, settings: Settings, budget: Amount | None, log: Log | None, totals: Totals | None,
    culprit: Callable[[Unit], str | None],
) -> None:  # fmt: skip
    """A ceiling protects nothing where a price, or what was spent already, is unknown in its unit: InputError.

    `culprit` names a request of unknown price. What is simulated costs nothing and passes no ceiling.
    """
    if ahead.simulated or not ahead.to_send:
        return
    today = utc_now()[:10]
    for name, since, cap in (("daily", today, settings.caps.day), ("monthly", f"{today[:7]}-01", settings.caps.month)):
        if cap is None:
            continue
        spent = None if log is None else log.spent(since=since)
        known = spent is None or _figure(spent.cost_usd_at_most, spent.credits_at_most, cap) is not None
        _check(f"the studio's {name} cap", cap, ahead, culprit, known=known)
    if budget is not None:
        known = totals is None or _figure(totals.cost_usd_at_most, totals.credits_at_most, budget) is not None
        _check("the budget", budget, ahead, culprit, known=known)


def _check(name: str, amount: Amount, ahead: Ahead, culprit: Callable[[Unit], str | None], *, known: bool) -> None:
    unit: Unit = "usd" if amount.usd is not None else "credits"
    cure = _cure(unit)
    if _figure(ahead.cost_usd, ahead.credits, amount) is None:
        which = culprit(unit)
        of = f" of {which}" if which else ""
        message = f"{name} is in {NAMES[unit]}, but the price{of} in {NAMES[unit]} is unknown; {cure}"
        raise InputError(message, code="price-unknown")
    if not known:
        raise InputError(
            f"{name} is in {NAMES[unit]}, but what was spent under it already is unknown in {NAMES[unit]}, so it can't "
            f"be kept; give it in {NAMES['credits' if unit == 'usd' else 'usd']}, or leave it out",
            code="price-unknown",
        )


def _cure(unit: Unit) -> str:
    if unit == "credits":
        return "give it in dollars, or write the price under `providers:` in promptlab.yaml"
    return (
        "name your plan (KAIRVAL_PLAN, or `plan:` in promptlab.yaml), give it in credits, or write the price under "
        "`providers:` in promptlab.yaml"
    )


def _figure(usd: float | None, credits: float | None, amount: Amount) -> float | None:
    return usd if amount.usd is not None else credits


def unknown_price(endpoint: Endpoint, requests: Iterable[Request], unit: Unit) -> str | None:
    """The first request whose price is unknown, by what a price depends on."""
    for request in requests:
        if getattr(endpoint.price(request), unit) is None:
            asked = {"model": request.model} | {
                name: request.param(name)
                for name in ("aspect_ratio", "size", "quality")
                if request.param(name) is not None
            }
            kind = "an edit" if request.operation == "edit" else "a request"
            return f"{kind} with {', '.join(f'{name} {value}' for name, value in asked.items())}"
    return None
