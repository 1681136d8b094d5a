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
    default_axis,
    shared_axes,
)
from promptlab.compare.text import Op, Segment, similarity, word_diff

__all__ = [
    "Column",
    "Grid",
    "Line",
    "Op",
    "Page",
    "Piece",
    "Segment",
    "VariantRows",
    "axes_of",
    "build_grid",
    "column_of",
    "cut_page",
    "default_axis",
    "shared_axes",
    "similarity",
    "word_diff",
]
