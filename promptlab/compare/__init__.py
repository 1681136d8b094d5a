"""What can be compared with what: matched cells of a run, and word differences between two prompts. Pure."""

from promptlab.compare.grid import Column, Grid, Line, axes_of, build_grid, default_axis
from promptlab.compare.text import Op, Segment, similarity, word_diff

__all__ = [
    "Column",
    "Grid",
    "Line",
    "Op",
    "Segment",
    "axes_of",
    "build_grid",
    "default_axis",
    "similarity",
    "word_diff",
]
