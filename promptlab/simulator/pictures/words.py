"""What a prompt says, as far as the pictures understand it: things, ground, place, light, style, colours, quotes."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from promptlab.simulator.pictures import vocabulary as known
from promptlab.simulator.pictures.palette import COLOUR_WORDS, MATERIALS

__all__ = ["Reading", "Thing", "read"]

_MAX_THINGS = 5
_QUOTES = '"'  # in Reading.removed: the quoted text is not wanted
_NO_QUOTES = frozenset({"text", "words", "lettering", "letters", "typography", "caption"})
_QUOTED = re.compile(r"[\"“]([^\"“”]{1,60})[\"”]|(?<!\w)['‘]([^'‘’]{2,60})['’](?!\w)")
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_CHUNK = re.compile(r"([,.;:()\n]|\b(?:and|with|in|on|at|under|over|near|beside|against|by|for|to|from|behind|into)\b)")
_ARTICLES = frozenset({"a", "an", "the", "one", "two", "three", "four"})

_NOT_DRAWN = (known.PLACES, known.GROUNDS, known.LIGHTS, known.STYLES)


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing to draw: the word it was asked by, its glyph's name (None: unknown word), a colour, a shine."""

    word: str
    glyph: str | None
    colour: str | None = None
    gloss: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """A prompt, read."""

    things: tuple[Thing, ...]
    removed: frozenset[str]  # glyph names and words the negative prompt takes away
    place: str | None
    ground: str | None
    ground_colour: str | None
    light: str | None
    style: str | None
    texts: tuple[str, ...]
    calm: frozenset[str]  # flaws the negative prompt rules out
    mood: tuple[str, ...]  # the style and light words as found


def _phrases(words: list[str]) -> list[tuple[str, int]]:
    """Every run of one to three words, longest first at each place, with how many words it takes."""
    return [(" ".join(words[i : i + k]), k) for i in range(len(words)) for k in (3, 2, 1) if i + k <= len(words)]


def singular(word: str) -> str:
    """`mugs` → `mug`, `watches` → `watch`, `cherries` → `cherry`; `glass` and `lens` stay."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def _first(table: dict[str, str], words: list[str]) -> str | None:
    for phrase, _ in _phrases(words):
        if phrase in table:
            return table[phrase]
    return None


def _glyph(phrase: str) -> str | None:
    return known.THINGS.get(phrase) or known.THINGS.get(singular(phrase))


def _is_noun(word: str) -> bool:
    if word in known.NOT_THINGS or singular(word) in known.NOT_THINGS or word in COLOUR_WORDS or word in MATERIALS:
        return False
    if any(word in table or singular(word) in table for table in _NOT_DRAWN):
        return False
    return len(word) > 2 and not word.isdigit() and not word.endswith(("ly", "ing", "ful", "ous", "ish", "ive", "ized"))


def _things_of(chunk: list[str], listed: bool) -> list[Thing]:
    """The things of one chunk of the prompt; its last noun, if nobody drew it, is a thing of unknown shape.

    `listed`: the chunk follows a comma, where an unknown word without an article is more likely a mood than a thing.
    """
    found: list[Thing] = []
    index, colour, gloss = 0, None, False
    strange: str | None = None
    while index < len(chunk):
        for length in (3, 2, 1):
            phrase = " ".join(chunk[index : index + length])
            if index + length > len(chunk):
                continue
            if glyph := _glyph(phrase):
                found.append(Thing(phrase, glyph, colour, gloss))
                colour, gloss = None, False
            elif length == 1 or not any(phrase in table for table in _NOT_DRAWN):
                continue
            index += length
            break
        else:
            word = chunk[index]
            if word in COLOUR_WORDS:
                colour = COLOUR_WORDS[word]
            elif word in MATERIALS:
                colour, gloss = (colour or MATERIALS[word][0], MATERIALS[word][1])
            elif _is_noun(word):
                strange = word
            index += 1
    if not found and strange and not (listed and _ARTICLES.isdisjoint(chunk)) and _first(known.PLACES, chunk) is None:
        found.append(Thing(singular(strange), None, colour, gloss))
    return found


def _light(words: list[str]) -> str | None:
    """The first light named; neon outshines the others, and space is dark."""
    if any(known.LIGHTS.get(phrase) == "neon" for phrase, _ in _phrases(words)):
        return "neon"
    return _first(known.LIGHTS, words) or ("night" if _first(known.PLACES, words) == "space" else None)


def _ground(grounds: dict[str, str], pieces: list[str], words: list[str]) -> str | None:
    """What things stand on: named after `on`, else anywhere; a desk or table alone counts only after `on`."""
    for separator, chunk in zip(pieces[::2], pieces[1::2], strict=True):
        if separator == "on" and (found := _first(grounds, [match[0] for match in _WORD.finditer(chunk)])):
            return found
    return _first({k: v for k, v in grounds.items() if k not in ("desk", "table", "counter")}, words)


def _ground_colour(words: list[str]) -> str | None:
    for index, word in enumerate(words[1:], start=1):
        if word in known.GROUNDS and words[index - 1] in COLOUR_WORDS:
            return COLOUR_WORDS[words[index - 1]]
    return None


def _negatives(text: str) -> tuple[frozenset[str], frozenset[str]]:
    removed, calm = set[str](), set[str]()
    for part in re.split(r"[,;.\n]", text.lower()):
        words = [match[0] for match in _WORD.finditer(part)]
        if " ".join(words) in _NO_QUOTES:
            removed.add(_QUOTES)
        for phrase, _ in _phrases(words):
            if glyph := _glyph(phrase):
                removed.add(glyph)
            calm.update(known.FLAWS.get(phrase, ()))
            removed.update((phrase, singular(phrase)))
    return frozenset(removed), frozenset(calm)


def _on_ground(things: list[Thing]) -> list[Thing]:
    """A desk or table that other things stand on is the ground, not a thing beside them."""
    others = [thing for thing in things if thing.glyph not in ("desk", "table")]
    return others or things


@functools.lru_cache(maxsize=512)
def read(prompt: str, negative: str) -> Reading:
    """Read a prompt and its negative prompt; pure, and total over any text."""
    texts = tuple(text for pair in _QUOTED.findall(prompt) if (text := (pair[0] or pair[1]).strip()))
    plain = _QUOTED.sub(" , ", prompt).lower()
    words = [match[0] for match in _WORD.finditer(plain)]
    removed, calm = _negatives(negative)
    things: dict[str, Thing] = {}
    pieces = ["and", *_CHUNK.split(plain)]
    for separator, chunk in zip(pieces[::2], pieces[1::2], strict=True):
        for thing in _things_of([match[0] for match in _WORD.finditer(chunk)], separator == ","):
            things.setdefault(thing.glyph or thing.word, thing)
    mood = tuple(p for p, _ in _phrases(words) if p in known.LIGHTS or p in known.STYLES)
    return Reading(
        things=tuple(_on_ground(list(things.values())))[:_MAX_THINGS],
        removed=removed,
        place=_first({k: v for k, v in known.PLACES.items() if k not in removed}, words),
        ground=_ground({k: v for k, v in known.GROUNDS.items() if k not in removed}, pieces, words),
        ground_colour=_ground_colour(words),
        light=_light(words),
        style=_first(known.STYLES, words),
        texts=() if _QUOTES in removed else texts,
        calm=calm,
        mood=mood,
    )
