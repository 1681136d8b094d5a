"""Money that may be spent: a pure ledger that reserves the worst price before each send.

A cap holds even at full concurrency, because what is in flight counts as spent until its outcome is known, and an
attempt that may have been billed goes on counting (`risk`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from promptlab.model import Amount

__all__ = ["Budget", "Cap", "Verdict"]

Verdict = Literal["granted", "wait", "reached"]


@dataclass(slots=True)
class Cap:
    """One ceiling: a run's `--budget`, or the studio's cap of a day or month.

    `used` is what was spent before or by this run, the money at risk included; in the unit of `amount`. `count` reads
    it again where other processes spend under the same cap: what is in flight counts there too.
    """

    name: str
    amount: Amount
    used: float = 0.0
    reserved: float = 0.0
    count: Callable[[], float] | None = None

    def __str__(self) -> str:
        return f"{self.name} of {self.amount}"

    @property
    def ceiling(self) -> float:
        """The cap in its own unit, dollars or credits."""
        return float(self.amount.usd if self.amount.usd is not None else self.amount.credits or 0.0)

    def price(self, price: Amount) -> float:
        """A price in this cap's unit; ValueError where the price table does not know it."""
        value = price.usd if self.amount.usd is not None else price.credits
        if value is None:
            unit = "dollars" if self.amount.usd is not None else "credits"
            raise ValueError(f"{self.name} is in {unit}, but a request's price in {unit} is unknown")
        return value

    def verdict(self, price: float) -> Verdict:
        """Whether one more request fits: now, perhaps once something in flight ends for less, or never."""
        # A thousandth of a cent of slack: sums of floats such as 0.015 must not end a run one image early.
        if self.used + self.reserved + price <= self.ceiling + 1e-5:
            return "granted"
        return "wait" if self.reserved and self.used + price <= self.ceiling + 1e-5 else "reached"


@dataclass(slots=True)
class Budget:
    """All caps of a run together; without caps everything is granted."""

    caps: list[Cap] = field(default_factory=list)

    def verdict(self, price: Amount) -> tuple[Verdict, Cap | None]:
        """Whether one more request fits under every cap; the cap that refused, if one did."""
        worst: tuple[Verdict, Cap | None] = ("granted", None)
        for cap in self.caps:
            verdict = cap.verdict(cap.price(price))
            if verdict == "reached":
                return verdict, cap
            if verdict == "wait":
                worst = (verdict, cap)
        return worst

    def reserve(self, price: Amount) -> tuple[Verdict, Cap | None]:
        """Reserve the price of one request under every cap, or under none."""
        found = self.verdict(price)
        if found[0] == "granted":
            for cap in self.caps:
                cap.reserved += cap.price(price)
        return found

    def refresh(self) -> None:
        """Other processes wrote to the log: read again what was spent. What this one has in flight is reserved."""
        for cap in self.caps:
            if cap.count is not None:
                cap.used = max(0.0, cap.count() - cap.reserved)

    def settle(self, reserved: Amount, spent: Iterable[Amount]) -> None:
        """Give a reservation back and count what was spent, or may have been billed, in its place."""
        spent = tuple(spent)
        for cap in self.caps:
            cap.reserved = max(0.0, cap.reserved - cap.price(reserved))
            cap.used += sum((amount.usd if cap.amount.usd is not None else amount.credits) or 0.0 for amount in spent)
