"""What is read out of a prompt, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Reading", "Thing"]


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing to draw: the word it was asked by, its glyph's name (None: unknown word), and how it is."""

    word: str
    glyph: str | None
    colour: str | None = None
    colours: tuple[str, ...] = ()  # more of them, after the first
    shade: str | None = None
    material: str | None = None
    pattern: str | None = None
    conditions: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    action: str | None = None
    traits: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()  # adjectives without a drawing: they change its proportions and trimmings
    count: int = 1
    relation: str = ""  # to the thing before it


@dataclass(frozen=True, slots=True)
class Reading:
    """A prompt, read. Names are those of vocabulary.txt; of a list the last one wins where only one can."""

    things: tuple[Thing, ...] = ()
    removed: frozenset[str] = frozenset()  # glyph names and words the negative prompt takes away
    place: str | None = None
    place_word: str = ""
    ground: str | None = None
    ground_colour: str | None = None
    lights: tuple[str, ...] = ()
    gel: str | None = None  # the colour of coloured light
    backdrop: str | None = None
    backdrop_colour: str | None = None
    style: str | None = None
    styles: tuple[str, ...] = ()
    whole: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # the other sections of _WHOLE
    texts: tuple[str, ...] = ()
    text_size: str = ""
    calm: frozenset[str] = frozenset()  # flaws the negative prompt rules out
    nuances: tuple[str, ...] = ()  # synonyms as written: a shade of colour each
    nudges: tuple[str, ...] = ()  # synonyms of what is about form: a step of the camera each
    strange: tuple[str, ...] = ()  # content words without a drawing

    @property
    def light(self) -> str | None:
        """The light that counts."""
        return self.lights[-1] if self.lights else None

    def of(self, section: str) -> tuple[str, ...]:
        """The names of one section, in the order in which they were said."""
        return self.whole.get(section, ())
