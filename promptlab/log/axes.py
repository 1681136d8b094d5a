"""The view of each experiment that has its axes as columns, so that facets need no JSON digging. Pure text."""
# ruff: noqa: S608  the SQL is put together from this package's own names; values are bound

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Final

__all__ = ["COMMON", "axis_columns", "quote", "text", "view_name", "view_sql"]

#: The columns of `gallery` that stand in front of and behind the axes.
_FRONT: Final = ("image_id", "thumbnail")
_BACK: Final = (
    *("variant", "seed", "draw", "position", "mark", "tags", "note", "prompt", "revised_prompt", "negative_prompt"),
    *("model", "aspect_ratio", "output_format", "strength", "template", "status", "simulated", "cached"),
    *("credits", "cost_usd", "latency_ms", "width", "height", "bytes", "sha256", "perceptual_hash", "path"),
    *("run_id", "created_at", "variant_id", "template_id", "generation_id", "paid_image_id", "generation_rowid"),
)
COMMON: Final = (*_FRONT, *_BACK)


def quote(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """An SQL text."""
    return "'" + value.replace("'", "''") + "'"


def view_name(experiment: str, taken: Mapping[str, str]) -> str:
    """`axes_<experiment>`, safe to type; with part of a hash where another experiment's view has that name.

    `taken` maps the views there are, in lower case, to their experiments.
    """
    slug = re.sub(r"\W+", "_", experiment.lower())
    name = f"axes_{slug}"
    if taken.get(name, experiment) == experiment:
        return name
    return f"{name}_{sha256(experiment.encode()).hexdigest()[:8]}"


def axis_columns(axes: Sequence[str]) -> dict[str, str]:
    """Axis → its column: its own name, or `axis_<name>` where a common column or another axis has it.

    SQLite gives a column named true or false another name, so these two are taken as well.
    """
    taken = {"true", "false", *COMMON}
    columns = {}
    for axis in axes:
        column = axis or "axis"
        while column.lower() in taken:
            column = f"axis_{column}"
        taken.add(column.lower())
        columns[axis] = column
    return columns


def view_sql(name: str, experiment: str, axes: Iterable[str]) -> str:
    """The view: the useful columns of `gallery`, one row per image, with a column for each axis."""
    columns = [f"  {column}" for column in _FRONT]
    columns += [f"  {_value(axis)} AS {quote(column)}" for axis, column in axis_columns(tuple(axes)).items()]
    columns += [f"  {column}" for column in _BACK]
    chosen = ",\n".join(columns)
    return f"CREATE VIEW {quote(name)} AS\nSELECT\n{chosen}\nFROM gallery\nWHERE experiment = {text(experiment)}"


def _value(axis: str) -> str:
    """The value id of an axis, out of the JSON of `variants.axes`.

    A name that JSON would escape has no path that every SQLite understands; it is looked for among the keys.
    """
    if re.search(r'["\\\x00-\x1f\x7f]', axis) or not axis:
        return f"(SELECT e.value FROM json_each(axes) e WHERE e.key = {text(axis)})"
    path = f'$."{axis}"'
    return f"json_extract(axes, {text(path)})"
