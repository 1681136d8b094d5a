"""Price tables, dated: each figure with its source beside it. What is not in a table is None, never 0.

The figures themselves are each provider's own, in its module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptlab.errors import InputError
from promptlab.providers.response import number

__all__ = ["CreditPrice", "Price", "TokenPrice", "credit_prices", "find_price", "token_prices"]

ANY = "*"
_KEYS = ("model", "operation", "aspect_ratio", "size")


@dataclass(frozen=True, slots=True)
class Price:
    """What one call will cost by a table, all its images together; None is unknown, never 0.

    `upper`: the figure is the most it can cost, where the model decides (quality auto).
    """

    credits: float | None = None
    usd: float | None = None
    source: str = "unknown"
    dated: str | None = None  # ISO date of the figure
    upper: bool = False


@dataclass(frozen=True, slots=True)
class CreditPrice:
    """The price of one image, in credits or in dollars, where the four keys fit; `*` fits everything."""

    credits: float | None
    source: str
    dated: str | None
    model: str = ANY
    operation: str = ANY
    aspect_ratio: str = ANY
    size: str = ANY
    usd: float | None = None

    def fits(self, asked: Mapping[str, str]) -> int:
        """How many keys fit by name, or -1 if one does not fit."""
        found = 0
        for key in _KEYS:
            wanted = getattr(self, key)
            if wanted == ANY:
                continue
            if asked.get(key) != wanted:
                return -1
            found += 1
        return found


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """Dollars per million tokens."""

    text_in: float
    image_in: float
    image_out: float
    source: str
    dated: str | None

    def usd(self, text_in: float, image_in: float, image_out: float) -> float:
        """The price of this many tokens."""
        return (text_in * self.text_in + image_in * self.image_in + image_out * self.image_out) / 1e6


def credit_prices(table: Sequence[CreditPrice], options: Any) -> tuple[CreditPrice, ...]:
    """A table with the studio's own rows first: a list of {model, operation, aspect_ratio, size, credits or usd}."""
    if options is None:
        return tuple(table)
    if not isinstance(options, Sequence) or isinstance(options, str):
        raise InputError(
            "prices is a list of rows: {model: gpt-image-2, aspect_ratio: '16:9', credits: 60}", code="price"
        )
    return (*(_row(position, row) for position, row in enumerate(options, 1)), *table)


def _row(position: int, row: Any) -> CreditPrice:
    where = f"prices, row {position}"
    if not isinstance(row, Mapping):
        raise InputError(f"{where}: a row is {{model: ..., credits: ...}}", code="price")
    unknown = sorted(set(row) - {*_KEYS, "credits", "usd", "source", "dated"})
    if unknown:
        raise InputError(f"{where}: unknown key {unknown[0]!r}", code="price")
    credits, usd = number(row.get("credits")), number(row.get("usd"))
    if credits is None and usd is None:
        raise InputError(f"{where}: it names neither credits nor usd", code="price")
    keys = {key: str(row[key]) for key in _KEYS if key in row}
    dated = row.get("dated")
    return CreditPrice(
        credits, str(row.get("source", "promptlab.yaml")), None if dated is None else str(dated), usd=usd, **keys
    )


def find_price(
    table: Sequence[CreditPrice], asked: Mapping[str, str], images: int, usd_per_credit: float | None
) -> Price:
    """The price of a call by the row that fits closest; of equals, the first. Unknown where none fits."""
    best, closeness = None, -1
    for row in table:
        fits = row.fits(asked)
        if fits > closeness:
            best, closeness = row, fits
    if best is None:
        return Price()
    credits = None if best.credits is None else best.credits * images
    usd = None if best.usd is None else best.usd * images
    if usd is None and credits is not None and usd_per_credit is not None:
        usd = credits * usd_per_credit
    return Price(credits, usd, best.source, best.dated)


def token_prices(table: Mapping[str, TokenPrice], options: Any) -> dict[str, TokenPrice]:
    """A table with the studio's own models: {model: {text_in: 5, image_in: 8, image_out: 30}}, in dollars."""
    found = dict(table)
    if options is None:
        return found
    if not isinstance(options, Mapping):
        raise InputError(
            "prices is {model: {text_in: 5, image_in: 8, image_out: 30}}, dollars per million tokens", code="price"
        )
    for model, row in options.items():
        figures = [
            number(row.get(key)) if isinstance(row, Mapping) else None for key in ("text_in", "image_in", "image_out")
        ]
        if None in figures:
            raise InputError(
                f"prices.{model} needs text_in, image_in and image_out, dollars per million tokens", code="price"
            )
        dated = row.get("dated")
        text_in, image_in, image_out = (float(figure or 0.0) for figure in figures)
        found[str(model)] = TokenPrice(
            text_in, image_in, image_out, "promptlab.yaml", None if dated is None else str(dated)
        )
    return found
