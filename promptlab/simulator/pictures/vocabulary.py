"""The words the pictures know, read from vocabulary.txt: phrase → what it may mean. No Pillow here."""

from __future__ import annotations

import re
import unicodedata

from promptlab.simulator.pictures.data import text

__all__ = ["FLAWS", "LONGEST", "MEANINGS", "RELATIONS", "TABLES", "lookup", "normal", "singular"]


LONGEST = 5  # words of a phrase
#: Sections whose names are labels, not words: `under` is a place to put things before it is a direction of light.
_LABELS = frozenset(
    {"directions", "camera", "traits", "expressions", "shades", "counts", "relations", "flaws", "plurals"}
)
_WORD = re.compile(r"\d+\.\d+|[^\W_]+(?:['’][^\W_]+)?")


def normal(text: str) -> str:
    """A phrase as it is looked up: lower case, hyphens and slashes as spaces."""
    if text.isascii() and text.replace(" ", "").isalnum():  # nearly all of vocabulary.txt, which every plan reads
        return " ".join(text.lower().split())
    return " ".join(_WORD.findall(unicodedata.normalize("NFC", text).lower().replace("’", "'")))


def _load() -> dict[str, dict[str, str]]:
    """Section → phrase → name."""
    tables: dict[str, dict[str, str]] = {}
    for line in text("vocabulary.txt").replace("\n    ", " ").splitlines():
        if line.startswith("["):
            table = tables[section := line.strip("[]")] = {}
        elif line and not line.startswith("#"):
            name, _, others = line.partition(":")
            phrases = [other for other in map(normal, others.split(",")) if other]
            table.update(dict.fromkeys(phrases if section in _LABELS else [normal(name), *phrases], name))
    return tables


TABLES = _load()
_PLURALS = TABLES.pop("plurals")
#: Words between things: how the next one stands to the last.
RELATIONS = TABLES.pop("relations")
#: Words of a negative prompt → the flaw that they rule out.
FLAWS = TABLES.pop("flaws")


def singular(word: str) -> str:
    """`mugs` → `mug`, `watches` → `watch`, `cherries` → `cherry`, `women` → `woman`; `glass` and `lens` stay."""
    if word in _PLURALS:
        return _PLURALS[word]
    if len(word) > 5 and word.endswith("men"):
        return word[:-3] + "man"
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


#: Phrase → section → name.
MEANINGS: dict[str, dict[str, str]] = {}
for _section, _table in TABLES.items():
    for _phrase, _name in _table.items():
        MEANINGS.setdefault(_phrase, {})[_section] = _name


def lookup(phrase: str) -> dict[str, str]:
    """Section → name for a normal phrase; a plural stands for its singular."""
    if found := MEANINGS.get(phrase):
        return found
    head, space, last = phrase.rpartition(" ")
    one = singular(last)
    return MEANINGS.get(head + space + one, {}) if one != last else {}
