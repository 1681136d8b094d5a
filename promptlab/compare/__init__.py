"""What can be compared with what: matched cells of a run, and word differences between two prompts. Pure."""

from promptlab.compare.grid import (
    Column,
    Grid,
    Line,
    Page,
    Piece,
    VariantRows,
    axes_of,
    build_grid,
    column_of,
    cut_page,
    shared_axes,
)
from promptlab.compare.layout import (
    CellsPage,
    Heading,
    Layout,
    choose_layout,
    cut_cells,
    default_axis,
)
from promptlab.compare.text import Op, Segment, similarity, word_diff

__all__ = [
    "CellsPage",
    "Column",
    "Grid",
    "Heading",
    "Layout",
    "Line",
    "Op",
    "Page",
    "Piece",
    "Segment",
    "VariantRows",
    "axes_of",
    "build_grid",
    "choose_layout",
    "column_of",
    "cut_cells",
    "cut_page",
    "default_axis",
    "shared_axes",
    "similarity",
    "word_diff",
]
