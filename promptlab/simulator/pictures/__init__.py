"""Pictures from prompts with Pillow alone: the same request gives the same bytes everywhere.

Layout and noise come from the seed; palette, light and treatment from the style and light words; drawn things from the
nouns; and what the negative prompt names is taken away. See `compose.SIZES` for the sizes.
"""

from promptlab.simulator.pictures.draw import draw
from promptlab.simulator.pictures.rng import digest

__all__ = ["digest", "draw"]
