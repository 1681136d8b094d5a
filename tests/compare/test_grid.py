"""What may stand side by side."""

from __future__ import annotations

import itertools
import json
from typing import Any

from promptlab.compare import axes_of, build_grid, default_axis


def rows(*, seeds: tuple[int | None, ...] = (1, 2), draws: int = 1) -> list[dict[str, Any]]:
    """Generations of a 2 × 2 experiment in the order of its plan."""
    made = []
    for style, look in itertools.product(("film", "ink"), ("warm", "cold")):
        for seed, draw in itertools.product(seeds, range(draws)):
            axes = {"style": style, "look": look}
            made.append({"variant_id": f"{style}-{look}", "axes": json.dumps(axes), "seed": seed, "draw": draw})
    return made


def test_columns_are_the_axis_values_and_lines_agree_in_the_rest() -> None:
    """One column a value in the plan's order; a line shares the other axes, the seed and the draw."""
    grid = build_grid(rows(), "style")
    assert [column.label for column in grid.columns] == ["film", "ink"]
    assert [(line.axes, line.seed) for line in grid.lines] == [
        ({"look": "warm"}, 1),
        ({"look": "warm"}, 2),
        ({"look": "cold"}, 1),
        ({"look": "cold"}, 2),
    ]
    assert all(line.matched for line in grid.lines)
    assert [cell[0]["variant_id"] for cell in grid.lines[2].cells] == ["film-cold", "ink-cold"]


def test_unseeded_rows_are_never_matched() -> None:
    """Without a seed a line is only a place to look at, in the order of the draws."""
    grid = build_grid(rows(seeds=(None,), draws=3), "style")
    assert not any(line.matched for line in grid.lines)
    assert [line.draw for line in grid.lines] == [0, 1, 2, 0, 1, 2]
    assert grid.matched_lines == 0


def test_whole_variants() -> None:
    """Without an axis each variant is a column and only the seed and the draw tie a line together."""
    grid = build_grid(rows(), None)
    assert [column.label for column in grid.columns][:2] == ["style film, look warm", "style film, look cold"]
    assert [(line.axes, line.seed) for line in grid.lines] == [({}, 1), ({}, 2)]
    assert all(line.matched for line in grid.lines)


def test_an_axis_that_does_not_apply() -> None:
    """Variants that an axis does not apply to stand in their own column."""
    extra = {"variant_id": "plain", "axes": {"look": "warm"}, "seed": 1, "draw": 0}
    grid = build_grid([*rows(), extra], "style")
    assert [column.label for column in grid.columns] == ["film", "ink", "not used"]
    assert [len(cell) for cell in grid.lines[0].cells] == [1, 1, 1]


def test_a_line_with_one_filled_column_is_not_matched() -> None:
    """A cell without a partner compares with nothing."""
    grid = build_grid(rows()[:1], "style")
    assert [line.matched for line in grid.lines] == [False]


def test_rows_of_one_cell_stay_together() -> None:
    """The images of one generation, and a repeat of the same request, share a cell."""
    grid = build_grid([*rows(seeds=(1,)), *rows(seeds=(1,))], "style")
    assert [len(cell) for cell in grid.lines[0].cells] == [2, 2]


def test_pages() -> None:
    """Slices cut the page and the totals still count everything."""
    grid = build_grid(rows(seeds=tuple(range(50))), None, lines=slice(10, 20), columns=slice(1, 3))
    assert (grid.total_lines, grid.total_columns) == (50, 4)
    assert [line.seed for line in grid.lines] == list(range(10, 20))
    assert all(line.matched for line in grid.lines)
    assert [len(line.cells) for line in grid.lines] == [2] * 10


def test_nothing() -> None:
    """No rows make an empty grid."""
    grid = build_grid([], "style")
    assert (grid.columns, grid.lines, grid.total_lines) == ((), (), 0)


def test_axes() -> None:
    """Axes and their values come in the order they first appear, and the first that varies is compared first."""
    axes = axes_of([{"size": "s", "style": "film"}, {"size": "s", "style": "ink", "look": "warm"}])
    assert axes == {"size": ["s"], "style": ["film", "ink"], "look": ["warm"]}
    assert default_axis(axes) == "style"
    assert default_axis({"size": ["s"]}) is None
