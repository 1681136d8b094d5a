"""Pictures from prompts with Pillow alone: the same request gives the same bytes everywhere.

Layout and noise come from the seed; palette, light and treatment from the style and light words; drawn things from the
nouns; and what the negative prompt names is taken away. The entry point is `draw.draw`; nothing is imported here, so
that the simulator can start without Pillow.
"""

__all__: list[str] = []
