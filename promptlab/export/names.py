"""What an exported file is called: the experiment's `files` pattern, flat, or the values of its variant.

The names are made like those under results/ (plan.identity), from what identifies the pick. One folder takes all of
them, so a slash in the pattern becomes `_`. An extension that the pattern fixes (`{item}.jpg`) is kept, and asks for
files of that format.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath

from promptlab.errors import InputError, Problem
from promptlab.log import Product
from promptlab.model import Experiment
from promptlab.plan.identity import UNSET, Pattern, Slugs, fitted

__all__ = ["ProductNames", "all_different"]

_FORMATS = {"png": "png", "jpg": "jpg", "jpeg": "jpg", "webp": "webp"}


class ProductNames:
    """The names of one experiment's products."""

    def __init__(self, experiment: Experiment | None, products: Iterable[Product]) -> None:
        ids: dict[str, dict[str, None]] = {}
        for axis in experiment.axes if experiment else ():
            ids[axis.name] = dict.fromkeys(value.id for value in axis.values)
        for product in products:
            for name, value in product.axes.items():
                ids.setdefault(name, {}).setdefault(value)
        self._slugs = {axis: Slugs(values) for axis, values in ids.items()}
        files = None if experiment is None else experiment.files
        self._parts = None if files is None else Pattern(files).parts
        last = PurePath(files).suffix[1:].lower() if files else ""
        #: The extension that the pattern fixes, and the format that it asks for.
        self.fixed = last if last in _FORMATS else None
        self.format = _FORMATS.get(last)

    def of(self, product: Product, format: str) -> str:
        """The name of a product's file of this format."""
        if self._parts is None:
            stem = "_".join(self._slug(axis, value) for axis, value in product.axes.items()) or "image"
            return f"{fitted(stem, product.variant_id)}.{format}"
        known = {"seed": product.seed, "draw": product.draw, "position": product.position, "ext": format}
        text = "".join(part if isinstance(part, str) else self._fill(part[0], product, known) for part in self._parts)
        name = text.replace("/", "_")
        if self.fixed is not None and self.format != format:  # a signed file stays what it is
            name = f"{name[: -len(self.fixed) - 1]}.{format}"
        elif self.fixed is None and PurePath(name).suffix[1:] != format:
            name = f"{name}.{format}"
        stem, dot, ending = name.rpartition(".")
        return f"{fitted(stem, product.variant_id)}{dot}{ending}"

    def _fill(self, name: str, product: Product, known: Mapping[str, object]) -> str:
        if name in self._slugs:
            return self._slug(name, product.axes[name]) if name in product.axes else UNSET
        value = known.get(name)
        return UNSET if value is None else str(value)

    def _slug(self, axis: str, value: str) -> str:
        return self._slugs[axis].of(value)


def all_different(names: Sequence[tuple[str, Product]]) -> None:
    """InputError for every two products with one name, also where only case or spelling of accents differs."""
    first: dict[str, tuple[str, Product]] = {}
    problems = []
    for name, product in names:
        key = unicodedata.normalize("NFC", name).casefold()
        if key in first:
            other, before = first[key]
            shown = name if name == other else f"{other} and {name}"
            message = f"two products would be one file, {shown}: {before.variant} and {product.variant}"
            problems.append(Problem("same-file", f"{message}; name every axis in `files:`, or narrow the run"))
        first.setdefault(key, (name, product))
    if problems:
        raise InputError(problems)
