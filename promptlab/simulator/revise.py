"""The rewrite that gives `revised_prompt`: small, the same for the same request, and easy to trace."""

from __future__ import annotations

import re

from promptlab.simulator.pictures.rng import Dice

__all__ = ["revise"]

_LIGHT = (
    "lit softly from the left", "with gentle window light", "in clear even light", "with a warm key light",
    "with a soft rim of light", "under a wide, diffuse sky",
)  # fmt: skip
_QUALITY = (
    "crisp focus", "balanced composition", "fine natural detail", "true colours", "a calm background", "clean edges",
)  # fmt: skip
_WORDS = re.compile(r"\w+")
_DETERMINERS = frozenset(_WORDS.findall("a an the one two three four five some several my your his her its our this"))
_VERBS = frozenset(_WORDS.findall("change make add remove replace turn keep draw paint show create put set give use"))


def revise(prompt: str, *key: object) -> str:
    """An article in front where a noun phrase lacks one, a phrase about light and one about quality behind."""
    text = re.sub(r"\s+", " ", prompt).strip().rstrip(".;, ")
    first = re.match(r"[^\W\d_]+", text)
    if first and first[0].lower() not in _DETERMINERS | _VERBS and not _is_plural(text):
        word = first[0]
        head = word if word.isupper() or word[1:] != word[1:].lower() else word[0].lower() + word[1:]
        text = f"{'An' if word[0].lower() in 'aeiou' else 'A'} {head}{text[len(word) :]}"
    text = text[:1].upper() + text[1:]
    dice = Dice("revise", prompt, *key)
    named_light = re.search(r"(?i)\b(light|lighting|lit|hour|sunset|neon|flash|night)\b", prompt)
    middle = "" if named_light else f", {dice.pick(_LIGHT)}"
    return f"{text}{middle}, {dice.pick(_QUALITY)}."


def _is_plural(text: str) -> bool:
    """Whether the first noun phrase ends in a plural: `red apples on a table` takes no article."""
    phrase = re.split(r"(?i)[,;.]|\b(?:on|in|at|with|of|under|by|for|and)\b", text)[0].split()
    return bool(phrase) and phrase[-1].endswith("s") and not phrase[-1].endswith(("ss", "us", "is"))
