"""What a prompt says, as far as the pictures understand it. Pure, without Pillow, and total over any text."""

from __future__ import annotations

import functools
import re

from promptlab.simulator.pictures.reader import Reader, items
from promptlab.simulator.pictures.reading import Reading, Thing
from promptlab.simulator.pictures.vocabulary import FLAWS, lookup, normal, singular

__all__ = ["Reading", "Thing", "read", "undrawn_words"]

_MAX_THINGS = 5
_QUOTES = '"'  # in Reading.removed: the quoted text is not wanted
_NO_QUOTES = frozenset({"text", "words", "lettering", "letters", "typography", "caption"})
_QUOTED = re.compile(r"[\"“]([^\"“”]{1,60})[\"”]|(?<!\w)['‘]([^'‘’]{2,60})['’](?!\w)|«([^«»]{1,60})»")


def _negatives(text: str) -> tuple[frozenset[str], frozenset[str]]:
    removed, calm = set[str](), set[str]()
    for part in re.split(r"[,;.\n]", text.lower()):
        words = normal(part).split()
        if " ".join(words) in _NO_QUOTES:
            removed.add(_QUOTES)
        for start in range(len(words)):
            for stop in range(start + 1, min(len(words), start + 3) + 1):
                phrase = " ".join(words[start:stop])
                removed.update((phrase, singular(phrase)))
                calm.update(FLAWS.get(phrase, ()))
                means = lookup(phrase)
                removed.update(name for section, name in means.items() if section in ("things", "places", "grounds"))
                removed.update(f"{section}:{name}" for section, name in means.items())
    return frozenset(removed), frozenset(calm)


def _on_ground(things: list[Thing]) -> list[Thing]:
    """A desk or table that other things stand on is the ground, not a thing beside them."""
    others = [thing for thing in things if thing.glyph not in ("desk", "table") or thing.relation not in ("", "and")]
    return others or things


_SOMEBODY = frozenset({"portrait", "self portrait", "face", "human", "model"})


def _distinct(things: list[Thing]) -> tuple[Thing, ...]:
    """One of each kind and look; the same thing said twice is one thing."""
    people = [thing for thing in things if thing.glyph == "person" and thing.word not in _SOMEBODY]
    if people:  # `portrait of a man` is one person
        things = [thing for thing in things if thing.word not in _SOMEBODY]
    kept: list[Thing] = []
    for thing in things:
        again = any(thing.glyph == known.glyph and _same(thing.word, known.word) for known in kept)
        plain = not (thing.colour or thing.material or thing.action)
        if not (again and plain):
            kept.append(thing)
    return tuple(kept)


def _same(word: str, known: str) -> bool:
    """`the mug` after `a coffee mug` is the mug that is there already."""
    one, other = singular(word), singular(known)
    return one == other or other.endswith(" " + one)


@functools.lru_cache(maxsize=512)
def read(prompt: str, negative: str) -> Reading:
    """Read a prompt and its negative prompt."""
    texts = tuple(text for found in _QUOTED.findall(prompt) if (text := next(filter(None, found), "").strip()))
    removed, calm = _negatives(negative)
    reader = Reader(removed)
    reader.read(list(items(_QUOTED.sub(" , ", prompt))))
    kept = {
        section: tuple(name for name in names if f"{section}:{name}" not in removed)
        for section, names in reader.whole.items()
    }
    styles, lights = kept.pop("styles", ()), kept.pop("lights", ())
    place = reader.place or (None, "")
    ground = reader.ground or (None, None, False)
    if place[0] == "space" and not lights:
        lights = ("night",)
    return Reading(
        things=_distinct(_on_ground(reader.things))[:_MAX_THINGS],
        removed=removed,
        place=place[0],
        place_word=place[1],
        ground=ground[0],
        ground_colour=ground[1],
        lights=lights,
        gel=reader.gel,
        backdrop=reader.backdrop,
        backdrop_colour=reader.backdrop_colour,
        style=styles[-1] if styles else None,
        styles=styles,
        whole=kept,
        texts=() if _QUOTES in removed else texts,
        text_size=reader.text_sizes[-1] if reader.text_sizes else "",
        calm=calm,
        nuances=tuple(dict.fromkeys(reader.nuances)),
        nudges=tuple(dict.fromkeys(reader.nudges)),
        strange=tuple(dict.fromkeys(reader.strange)),
    )


def undrawn_words(prompt: str) -> tuple[str, ...]:
    """The content words of a prompt that the simulator has no picture for, in their order, each once.

    They still change the picture, each in its own way: a tint, a prop, another place of the camera.
    """
    return tuple(word for word in read(prompt, "").strange if any(letter.isalpha() for letter in word))
