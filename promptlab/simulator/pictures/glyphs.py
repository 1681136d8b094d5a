"""Every drawn thing by its name; the words for them are in vocabulary.txt."""

from __future__ import annotations

from promptlab.simulator.pictures.glyphs_more import MORE
from promptlab.simulator.pictures.glyphs_room import ROOM
from promptlab.simulator.pictures.glyphs_table import TABLE
from promptlab.simulator.pictures.glyphs_world import WORLD

__all__ = ["GLYPHS"]

GLYPHS = TABLE | ROOM | WORLD | MORE
