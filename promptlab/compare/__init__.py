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
from promptlab.compare.pairs import Entry, Matching, Pair, PairCell, asked_values, default_pair, match
from promptlab.compare.text import LineChange, Op, Segment, line_diff, similarity, word_diff

__all__ = [
    "Column",
    "Entry",
    "Grid",
    "Line",
    "LineChange",
    "Matching",
    "Op",
    "Page",
    "Pair",
    "PairCell",
    "Piece",
    "Segment",
    "VariantRows",
    "asked_values",
    "axes_of",
    "build_grid",
    "column_of",
    "cut_page",
    "default_axis",
    "default_pair",
    "line_diff",
    "match",
    "shared_axes",
    "similarity",
    "word_diff",
]
