"""Money that may be spent: a pure ledger that reserves the worst price before each send.

A cap holds even at full concurrency, because what is in flight counts as spent until its outcome is known, and an
attempt that may have been billed keeps counting (`risk`). An attempt counts on the UTC day on which it was sent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from promptlab.errors import BudgetReached
from promptlab.model import Amount, Request
from promptlab.providers import Cost, Endpoint, Result
from promptlab.providers.endpoint import provider_code

__all__ = [
    "Budget", "Cap", "Period", "Verdict", "at_risk", "cost_of", "more_expensive", "risk_of", "worst_price",
]  # fmt: skip

Verdict = Literal["granted", "wait", "reached"]
Period = Literal["run", "day", "month"]

SLACK = 1e-5  # a thousandth of a cent: sums of floats such as 0.015 must not end a run one image early


@dataclass(slots=True)
class Cap:
    """One ceiling: a run's `--budget`, or the studio's cap of a day or month.

    `used` is what was spent before or by this run, the money at risk included; in the unit of `amount`. `count` reads
    it again from the log, from a UTC day on, where other processes spend under the same cap: what is in flight counts
    there too; None is unknown, and then nothing more is granted. `since` is the day from which it counts.
    """

    name: str
    amount: Amount
    used: float = 0.0
    reserved: float = 0.0
    count: Callable[[str], float | None] | None = None
    period: Period = "run"
    since: str = ""

    def __str__(self) -> str:
        unknown = f" (what was spent under it is unknown in {self.unit})" if self.used == math.inf else ""
        return f"{self.name} of {self.amount}{unknown}"

    @property
    def unit(self) -> str:
        """Dollars or credits."""
        return "dollars" if self.amount.usd is not None else "credits"

    @property
    def ceiling(self) -> float:
        """The cap in its own unit."""
        return self.figure(self.amount) or 0.0

    def figure(self, amount: Amount) -> float | None:
        """An amount in this cap's unit; None where it is unknown."""
        return amount.usd if self.amount.usd is not None else amount.credits

    def price(self, price: Amount) -> float:
        """A price in this cap's unit; BudgetReached where it is not known, since it cannot be held then."""
        value = self.figure(price)
        if value is None:
            raise BudgetReached(f"{self.name} is in {self.unit}, but a request's price in {self.unit} is unknown")
        return value

    def begins(self, at: str) -> str:
        """The first day of the period that a moment (ISO 8601, UTC) belongs to; of a run there is one period."""
        return {"run": "", "day": at[:10], "month": f"{at[:7]}-01"}[self.period]

    def turn(self, at: str) -> None:
        """A new day or month begins with nothing reserved: what is in flight counts where it was sent."""
        if (start := self.begins(at)) > self.since:
            self.since, self.reserved = start, 0.0
            self.read()

    def read(self) -> None:
        """Read again what was spent. What this process has in flight is in the log too, and is reserved here."""
        if self.count is not None:
            spent = self.count(self.since)
            self.used = math.inf if spent is None else max(0.0, spent - self.reserved)

    def verdict(self, price: float) -> Verdict:
        """Whether one more request fits: now, perhaps once something in flight ends for less, or never."""
        if self.used + self.reserved + price <= self.ceiling + SLACK:
            return "granted"
        return "wait" if self.reserved and self.used + price <= self.ceiling + SLACK else "reached"


@dataclass(slots=True)
class Budget:
    """All caps of a run together; without caps everything is granted. `at` is when a request is, or was, sent."""

    caps: list[Cap] = field(default_factory=list)

    def verdict(self, price: Amount, at: str) -> tuple[Verdict, Cap | None]:
        """Whether one more request fits under every cap; the cap that refused, if one did."""
        worst: tuple[Verdict, Cap | None] = ("granted", None)
        for cap in self.caps:
            cap.turn(at)
            verdict = cap.verdict(cap.price(price))
            if verdict == "reached":
                return verdict, cap
            if verdict == "wait":
                worst = (verdict, cap)
        return worst

    def reserve(self, price: Amount, at: str) -> tuple[Verdict, Cap | None]:
        """Reserve the price of one request under every cap, or under none."""
        found = self.verdict(price, at)
        if found[0] == "granted":
            for cap in self.caps:
                if cap.begins(at) >= cap.since:  # else midnight came between the attempt and its commit: see `settle`
                    cap.reserved += cap.price(price)
        return found

    def refresh(self) -> None:
        """Other processes wrote to the log: read again what was spent."""
        for cap in self.caps:
            cap.read()

    def settle(self, reserved: Amount, spent: Iterable[Amount], at: str) -> None:
        """Give a reservation back and count what was spent, or may have been billed, in its place.

        Where something was spent and the amount in a cap's unit is unknown, the price that was reserved stays counted.
        """
        spent = tuple(spent)
        for cap in self.caps:
            if cap.begins(at) < cap.since:
                continue  # sent before midnight: it counts on that day, and was never reserved in this one
            price = cap.price(reserved)
            known = [figure for figure in map(cap.figure, spent) if figure is not None]
            cap.reserved = max(0.0, cap.reserved - price)
            cap.used += sum(known) if known or not spent else price


def at_risk(cost: Amount, price: Amount, missing: float = 0.0) -> Amount | None:
    """What an answer may have been billed beyond its known cost: the table's worst price where it says nothing.

    `missing` is the share of images that did not come, of an answer whose cost is the table's: they may have been
    billed all the same. None where its cost is known.
    """
    usd, credits = _beyond(cost.usd, price.usd, missing), _beyond(cost.credits, price.credits, missing)
    silent = cost.usd is None and cost.credits is None
    if not (usd or credits or silent):
        return None
    return Amount(usd=usd, credits=credits)


def _beyond(cost: float | None, price: float | None, missing: float) -> float | None:
    """In one unit: all of the price where the cost is unknown, else the missing images' part of it."""
    if cost is None:
        return price
    return 0.0 if price is None else price * missing


def more_expensive(cost: Amount, price: Amount) -> str | None:
    """How an answer's cost is above its table price, if it is by more than a hundredth: the table is out of date."""
    for name, paid, asked in (("credits", cost.credits, price.credits), ("usd", cost.usd, price.usd)):
        if paid is not None and asked is not None and paid > asked * 1.01 + 1e-9:
            return f"an answer cost {Amount(**{name: paid})}, and its price by the table is {Amount(**{name: asked})}"
    return None


# --- what a request costs -----------------------------------------------------------------------------------------


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


def cost_of(endpoint: Endpoint, request: Request, result: Result, *, simulated: bool) -> Cost:
    """What a result cost; of a simulator server's, what it would have cost."""
    with provider_code(endpoint.provider.name, "cost"):
        cost = endpoint.cost(request, result)
        return replace(cost, source="simulated") if simulated else cost


def risk_of(request: Request, result: Result, cost: Cost, price: Amount) -> Amount | None:
    """What an answer may have been billed beyond its known cost.

    The table's price where it does not say what it cost; and of images that did not come, their part of it.
    """
    missing = max(0, request.n - len(result.images)) / request.n if cost.source in ("table", "simulated") else 0.0
    return at_risk(Amount(usd=cost.usd, credits=cost.credits), price, missing)
