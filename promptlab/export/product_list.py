"""The list that goes to a shop system with the files: one row per product, as CSV that a spreadsheet can open safely.

UTF-8 without a byte order mark, which shop systems read as a part of the first column's name; RFC 4180. What a
spreadsheet would run as a formula gets an apostrophe in front (`safe_csv`), but a row's price of -5 stays a number.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from promptlab.export.safe_csv import cell
from promptlab.log import Product

__all__ = ["ExportedFile", "product_list", "shop_cell"]

LONGEST_ALT = 512  # characters: what shop systems take
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d+)*|\.\d+)([eE][+-]?\d+)?%?")


class ExportedFile(NamedTuple):
    """A product's file as it is in the folder."""

    file: str
    sha256: str
    bytes: int
    width: int
    height: int


def product_list(products: Sequence[tuple[Product, ExportedFile]]) -> str:
    """The list, its columns: file and variant, the axes, the fields of their rows, then what is known of the image."""
    axes = list(dict.fromkeys(axis for product, _ in products for axis in product.axes))
    fields = list(dict.fromkeys(name for product, _ in products for name in _fields(product)))
    names = _columns(axes, fields)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([shop_cell(name) for name in (*_FRONT, *names, *_BACK)])
    for product, written in products:
        own = _fields(product)
        row = [written.file, product.variant, *(product.axes.get(axis) for axis in axes)]
        row += [own.get(name) for name in fields]
        writer.writerow([shop_cell(each) for each in (*row, *_facts(product, written))])
    return out.getvalue()


_FRONT = ("file", "variant")
_BACK = (
    "alt_text", "prompt", "revised_prompt", "model", "seed", "width", "height", "bytes", "sha256", "original_sha256",
    "cost_usd", "credits", "simulated", "picked_by", "picked_at",
)  # fmt: skip


def _columns(axes: Iterable[str], fields: Iterable[str]) -> list[str]:
    """The columns' names; an axis that is called like a common column gets `axis_` in front."""
    return [f"axis_{axis}" if axis in (*_FRONT, *_BACK) else axis for axis in axes] + list(fields)


def _fields(product: Product) -> Mapping[str, Any]:
    """`item.name` → what the row says."""
    found: dict[str, Any] = {}
    for axis, value in product.values.items():
        if isinstance(value, dict):
            found |= {f"{axis}.{name}": each for name, each in value.items()}
    return found


def _facts(product: Product, written: ExportedFile) -> tuple[object, ...]:
    return (
        _alt(product.prompt), product.prompt, product.revised_prompt, product.model, product.seed, written.width,
        written.height, written.bytes, written.sha256, product.sha256, product.cost_usd, product.credits,
        int(product.simulated), product.by, product.at,
    )  # fmt: skip


def _alt(prompt: str) -> str:
    """The prompt in one line, cut at a word: a start for a text that describes the picture."""
    line = " ".join(prompt.split())
    if len(line) <= LONGEST_ALT:
        return line
    return line[: LONGEST_ALT - 1].rsplit(" ", 1)[0] + "…"


def shop_cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula; empty for None, numbers as they are."""
    return value if isinstance(value, str) and _NUMBER.fullmatch(value) else cell(value)
