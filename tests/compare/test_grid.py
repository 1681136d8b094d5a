"""What may stand side by side."""

from __future__ import annotations

import itertools
import json
from typing import Any

from promptlab.compare import Page, Piece, VariantRows, axes_of, build_grid, cut_page, default_axis


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


def cut(variants: list[VariantRows], by: str | None, lines: slice, columns: slice = slice(0, 24)) -> Page:
    return cut_page(variants, by, lines=lines, columns=columns)


def variants(*, rows: int = 50) -> list[VariantRows]:
    """A 2 × 2 experiment in the order of its plan, with as many rows in each variant."""
    cells = itertools.product(("film", "ink"), ("warm", "cold"))
    return [VariantRows(f"{style}-{look}", {"style": style, "look": look}, rows) for style, look in cells]


def test_pages() -> None:
    """A page names the rows it needs of each variant, and the totals still count everything."""
    page = cut(variants(), None, slice(10, 20), slice(1, 3))
    assert (page.total_lines, page.total_columns) == (50, 4)
    assert page.pieces == (Piece("film-cold", 10, 20), Piece("ink-warm", 10, 20))
    assert [column.key for column in page.columns] == ["film-cold", "ink-warm"]


def test_a_page_goes_on_into_the_next_group() -> None:
    """Lines that share other values follow each other, and a page may hold the end of one and the start of the next."""
    page = cut(variants(rows=3), "style", slice(2, 4))
    assert (page.total_lines, page.total_columns) == (6, 2)
    assert page.pieces == (
        Piece("film-warm", 2, 3), Piece("ink-warm", 2, 3), Piece("film-cold", 0, 1), Piece("ink-cold", 0, 1),
    )  # fmt: skip


def test_every_row_is_on_exactly_one_page() -> None:
    """Variants with more or fewer rows than others, or missing ones, lose nothing and repeat nothing."""
    uneven = [VariantRows(each.id, each.axes, 1 + 7 * place) for place, each in enumerate(variants())][:3]
    shown = []
    for start in range(0, 100, 4):
        for piece in cut(uneven, "style", slice(start, start + 4)).pieces:
            shown += [(piece.variant_id, row) for row in range(piece.start, piece.stop)]
    assert sorted(shown) == sorted((each.id, row) for each in uneven for row in range(each.rows))


def test_given_columns_stay() -> None:
    """A grid of a page keeps the columns of the whole, also those that none of its rows is in."""
    columns = cut(variants(), "style", slice(0, 1)).columns
    grid = build_grid([row for row in rows() if "ink" in row["axes"]], "style", columns)
    assert [column.label for column in grid.columns] == ["film", "ink"]
    assert [[len(cell) for cell in line.cells] for line in grid.lines] == [[0, 1]] * 4


def test_nothing() -> None:
    """No rows make an empty grid."""
    grid = build_grid([], "style")
    assert (grid.columns, grid.lines) == ((), ())
    assert cut([], "style", slice(0, 60)) == Page((), (), 0, 0)


def test_axes() -> None:
    """Axes and their values come in the order they first appear, and the one of fewest values is compared first."""
    axes = axes_of([{"size": "s", "style": "film"}, {"size": "s", "style": "ink", "look": "warm"}])
    assert axes == {"size": ["s"], "style": ["film", "ink"], "look": ["warm"]}
    assert default_axis(axes) == "style"
    assert default_axis({"size": ["s"]}) is None
