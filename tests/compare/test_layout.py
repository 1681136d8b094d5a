"""Which axis is rows and which is columns, and what stands in a cell."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from promptlab.compare import Layout, VariantRows, choose_layout, cut_cells, default_axis
from promptlab.compare.layout import ALL, SEED, VARIANT

MANY = [f"A{number}" for number in range(12)]
AXES = {"item": MANY, "style": ["film", "ink", "clay"], "look": ["warm", "cold"], "size": ["s"]}


@pytest.mark.parametrize(
    ("axes", "baseline", "expected"),
    [
        ({"style": 3, "look": 2}, (), "look"),
        ({"style": 3, "look": 2}, ("style", "look"), "style"),
        ({"look": 2, "prompt": 6}, (), "prompt"),
        ({"look": 2, "template": 3}, (), "template"),
        ({"look": 2, "prompt": 6}, ("look",), "look"),
        ({"style": 3, "prompt": 1}, (), "style"),
        ({"style": 3}, ("size",), "style"),
        ({"size": 1}, ("size",), None),
        ({}, (), None),
    ],
)
def test_the_axis_that_is_compared(axes: dict[str, int], baseline: tuple[str, ...], expected: str | None) -> None:
    """The baseline's first axis that varies, else prompts or templates, else the axis of fewest values."""
    values = {axis: [str(number) for number in range(count)] for axis, count in axes.items()}
    assert default_axis(values, baseline) == expected


@pytest.mark.parametrize(
    ("asked", "seeds", "expected"),
    [
        ({}, 4, Layout(ALL, "look")),
        ({"baseline": ["style"]}, 4, Layout(ALL, "style")),
        ({"baseline": ["item"]}, 4, Layout("item", "look", "style")),
        ({"columns": "item"}, 4, Layout(ALL, "item")),
        ({"rows": "item"}, 4, Layout("item", "look", "style")),
        ({"rows": "item", "columns": "seed"}, 4, Layout("item", SEED, "style")),
        ({"rows": "seed"}, 4, Layout(SEED, "look")),
        ({"rows": "item", "columns": "look", "scrub": "seed"}, 4, Layout("item", "look", SEED)),
        ({"rows": "item", "columns": "look", "scrub": "none"}, 4, Layout("item", "look")),
        ({"rows": "look", "columns": "look"}, 4, Layout(ALL, "look")),
        ({"rows": "nothing", "columns": "nothing", "scrub": "nothing"}, 4, Layout(ALL, "look")),
        ({"columns": "variant", "rows": "item", "scrub": "look"}, 4, Layout(ALL, VARIANT)),
        ({"columns": "style", "scrub": "size"}, 4, Layout(ALL, "style")),
        ({"columns": "style", "scrub": "seed"}, 1, Layout(ALL, "style")),
        ({"rows": "seed"}, 0, Layout(ALL, "look")),
    ],
)
def test_the_layout(asked: dict[str, Any], seeds: int, expected: Layout) -> None:
    """What is asked for and is there; else an axis of more than eight values as rows, and the next one as columns."""
    assert choose_layout(AXES, seeds, **asked) == expected


@pytest.mark.parametrize(
    ("axes", "seeds", "expected"),
    [
        ({}, 4, Layout(ALL, SEED)),
        ({"size": ["s"]}, 0, Layout(ALL, VARIANT)),
        ({"item": MANY}, 0, Layout("item", ALL)),
        ({"item": MANY}, 4, Layout("item", SEED)),
        ({"item": MANY, "place": MANY}, 4, Layout("item", SEED, "place")),
    ],
)
def test_few_axes(axes: dict[str, list[str]], seeds: int, expected: Layout) -> None:
    """With nothing to compare, seeds stand side by side; rows of many values alone have one column."""
    assert choose_layout(axes, seeds) == expected


def variants() -> list[VariantRows]:
    """style × look, two rows each."""
    cells = itertools.product(AXES["style"], AXES["look"])
    return [VariantRows(f"{style}-{look}", {"style": style, "look": look}, 2) for style, look in cells]


def cut(layout: Layout, **more: Any) -> Any:
    """The first page of these variants."""
    values: dict[str, Any] = {"held_seed": None, "order": {}, "lines": slice(0, 10), "columns": slice(0, 10)} | more
    those = values.pop("variants", variants())
    return cut_cells(those, variants(), layout, (11, 12), **values)


def names(page: Any) -> list[list[list[str]]]:
    """The ids of the variants in each cell."""
    return [[[variant.id for variant in those] for those, _ in line] for line in page.cells]


def test_two_axes() -> None:
    """A cell has the variant of its row and its column."""
    page = cut(Layout("style", "look"))
    assert [dict(row.axes) for row in page.rows] == [{"style": "film"}, {"style": "ink"}, {"style": "clay"}]
    assert [column.label for column in page.columns] == ["warm", "cold"]
    assert names(page)[1] == [["ink-warm"], ["ink-cold"]]
    assert (page.total_rows, page.total_columns) == (3, 2)


def test_order_is_the_files() -> None:
    """Rows and columns stand as in the file, whatever came first in the log."""
    page = cut(Layout("style", "look"), order={"style": ["clay", "film", "ink"], "look": ["cold", "warm"]})
    assert [row.axes["style"] for row in page.rows] == ["clay", "film", "ink"]
    assert [column.label for column in page.columns] == ["cold", "warm"]


def test_rows_stay_while_sliding() -> None:
    """Rows and columns are those of the whole frame; what is not there at this value leaves an empty cell."""
    page = cut(Layout("style", SEED, "look"), variants=[each for each in variants() if each.id == "ink-cold"])
    assert [row.axes["style"] for row in page.rows] == ["film", "ink", "clay"]
    assert names(page) == [[[], []], [["ink-cold"], ["ink-cold"]], [[], []]]
    assert [seed for _, seed in page.cells[1]] == [11, 12]


def test_seeds_as_rows_and_held() -> None:
    """A seed is a row, a column, or the one that all cells are held to."""
    assert [row.seed for row in cut(Layout(SEED, "look")).rows] == [11, 12]
    assert [seed for line in cut(Layout("style", "look", SEED), held_seed=12).cells for _, seed in line] == [12] * 6
    scenes = cut(Layout(ALL, "look", SEED), held_seed=12)
    assert [dict(row.axes) for row in scenes.rows] == [{"style": "film"}, {"style": "ink"}, {"style": "clay"}]


def test_pages_of_rows_and_columns() -> None:
    """A page has its lines and its columns, and says of how many."""
    page = cut(Layout("style", "look"), lines=slice(2, 4), columns=slice(1, 2))
    assert names(page) == [[["clay-cold"]]]
    assert (page.total_rows, page.total_columns) == (3, 2)
