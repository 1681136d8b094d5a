"""What the user may say about one run, typed where it is made, so that a wrong type is a sentence at once; and the
limits of the account that it is held to.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from promptlab.errors import InputError
from promptlab.model import Amount
from promptlab.pacing import KeyLimits

if TYPE_CHECKING:
    from promptlab.providers import Endpoint, RateLimits
    from promptlab.studio.studio import Studio

__all__ = ["Options", "amount_of", "known_limits", "limits_of", "may_raise", "wrong_option"]

FLAGS = ("fresh", "yes", "retry_unknown", "retry_lost")


@dataclass(frozen=True, slots=True)
class Options:
    """What the user may say about one run, beyond the experiment.

    `budget` (an Amount, or a text such as "400cr") stops the run cleanly before it would be passed. `yes` confirms
    what it costs. `fresh` uses no earlier result. `jobs` lowers concurrency. `retry_unknown` and `retry_lost` consent
    to sending again what may have been billed. InputError for a value of the wrong kind.
    """

    budget: Amount | str | None = None
    fresh: bool = False
    jobs: int | None = None
    retry_unknown: bool = False
    retry_lost: bool = False
    webhook_url: str | None = None
    webhook_port: int | None = None
    webhook_host: str | None = None  # to listen on; this machine's own address unless it is named
    thumbnails: bool | None = None
    settings: Mapping[str, object] = field(default_factory=dict)  # kept with the run: the flags as given
    yes: bool = False

    def __post_init__(self) -> None:
        if self.budget is not None:
            object.__setattr__(self, "budget", amount_of(self.budget))
        for name in FLAGS:
            if not isinstance(getattr(self, name), bool):
                raise wrong_option(name, getattr(self, name), "True or False")
        if self.thumbnails is not None and not isinstance(self.thumbnails, bool):
            raise wrong_option("thumbnails", self.thumbnails, "True, False or None")
        self._check_number("jobs", 1, None)
        self._check_number("webhook_port", 1, 65535)
        for name, what in (("webhook_url", "a URL as text"), ("webhook_host", "an address as text")):
            if getattr(self, name) is not None and not isinstance(getattr(self, name), str):
                raise wrong_option(name, getattr(self, name), what)
        if not isinstance(self.settings, Mapping):
            raise wrong_option("settings", self.settings, "a mapping of names to values")

    def _check_number(self, name: str, least: int, most: int | None) -> None:
        value = getattr(self, name)
        if value is None:
            return
        above = most is not None and isinstance(value, int) and value > most
        if isinstance(value, bool) or not isinstance(value, int) or value < least or above:
            bounds = f"a whole number from {least}" + (f" to {most}" if most else " up")
            raise wrong_option(name, value, bounds)

    @property
    def ceiling(self) -> Amount | None:
        """The budget as an amount."""
        return self.budget if isinstance(self.budget, Amount) else None


def amount_of(value: object) -> Amount:
    """A budget as it may be given: an amount, or its text; InputError for anything else."""
    if isinstance(value, str):
        try:
            value = Amount.parse(value)
        except ValueError as error:
            raise InputError(f"budget: {error}", code="bad-option") from None
    if not isinstance(value, Amount):
        raise wrong_option("budget", value, "an amount with its unit, such as '20usd' or '400cr'")
    figures = [figure for figure in (value.usd, value.credits) if figure is not None]
    if len(figures) != 1:
        raise wrong_option("budget", value, "either dollars or credits")
    figure = figures[0]
    if isinstance(figure, bool) or not isinstance(figure, (int, float)) or not math.isfinite(figure) or figure < 0:
        raise wrong_option("budget", figure, "a number that is not negative")
    return value


def wrong_option(name: str, value: object, wanted: str) -> InputError:
    """The sentence for an option of the wrong kind."""
    return InputError(f"{name}: {value!r} is not {wanted}", code="bad-option")


# --- the account --------------------------------------------------------------------------------------------------


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
