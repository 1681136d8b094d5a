"""`checks:` of an experiment: score → what it has to be; and the names of the built-in scores, for editors.

Whether a name is one that some scorer gives, `promptlab score --check` finds out: other packages have scorers, and
scores come from outside too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from promptlab.model import Check

from .faults import refuse
from .kinds import Leaf, MapOf, read_number
from .names import quoted

__all__ = ["BUILT_IN_SCORES", "CHECKS", "SCORE_NAME", "parse_check"]

SCORE_NAME: Final = r"[A-Za-z_][\w.-]{0,63}"
#: Score → what it is, its unit and range.
BUILT_IN_SCORES: Final[Mapping[str, str]] = {
    "sharpness": "variance of the Laplacian of the grey levels; from 0 (one flat colour), no upper end",
    "contrast": "standard deviation of the grey levels as a share of full scale; 0 to 0.5",
    "colourfulness": "Hasler and Süsstrunk's M3; 0 (grey) to about 110, 45 is average",
    "empty_border": "share of the area that plain rows and columns at the sides take up; 0 to 1 (one flat colour)",
    "size_off": "how far width or height is from the size asked for, as a share of it; from 0 (as asked)",
    "aspect_off": "how far the shape is from the one asked for: the larger ratio over the smaller, minus 1; from 0",
    "text": "whether the text that the prompt quotes can be read in the image: exact or differs",
    "text_error": "character error rate of the quoted text that is read worst; 0 (exact) to 1",
    "text_read": "each quoted text with what was read in its place and its error rate (JSON)",
    "drift": "share of the prompt that the model's revised prompt does not keep; 0 (nothing changed) to 1",
    "label": "what the file says of its making: c2pa (signed), iptc, both, or none",
    "perceptual_hash": "64-bit difference hash as 16 hexadecimal digits: similar images have similar ones",
    "near_duplicates": "how many other images of the run differ in at most 6 of the 64 bits; from 0",
    "duplicate_of": "the first image of the run, in the order of the plan, that looks nearly the same",
}
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?"
_COMPARED: Final = re.compile(rf"(>=|<=|>|<)\s*({_NUMBER})\s*")
_BETWEEN: Final = re.compile(rf"between\s+({_NUMBER})\s+and\s+({_NUMBER})\s*")
#: What begins like one of the forms and is not one: surely not meant as a text.
_MEANT: Final = re.compile(r"[<>=!≤≥]|between\b|(?:above|below|over|under|at (?:least|most))\s*[\d.+-]", re.IGNORECASE)
_FORMS: Final = "write > 20, >= 20, < 20, <= 20, between 5 and 20, != none, or the text that it has to be"


def parse_check(name: str, text: str) -> Check:
    """What a score has to be, from its text; ValueError says how one is written."""
    written = text.strip()
    if match := _COMPARED.fullmatch(written):
        sign, number = match[1], float(match[2])
        low, high = (number, None) if sign.startswith(">") else (None, number)
        return Check(name, written, low=low, high=high, strict=len(sign) == 1)
    if match := _BETWEEN.fullmatch(written):
        low, high = float(match[1]), float(match[2])
        if low > high:
            raise ValueError(f"is {quoted(written)}, and {match[1]} is above {match[2]}; write the smaller one first")
        return Check(name, written, low=low, high=high)
    if written.startswith("!=") and (other := written[2:].strip()):
        return Check(name, written, text=other, differs=True)
    if not written or _MEANT.match(written):
        raise ValueError(f"is {quoted(written)}, which is not a check; {_FORMS}")
    return Check(name, written, text=written)


def _check(value: object) -> Check:
    if value is not None and not isinstance(value, str):
        refuse("wrong-type", f"has to be one text or number; {_FORMS}")
    if value is None or not value.strip():
        refuse("no-value", f"has no value; {_FORMS}")
    try:
        check = parse_check("", value)
    except ValueError as error:
        refuse("bad-check", str(error))
    for bound in (check.low, check.high):
        if bound is not None:
            read_number(repr(bound))  # 1e999 is not finite
    return check


def _name(name: str) -> None:
    if not re.fullmatch(SCORE_NAME, name):
        refuse("bad-name", "is not the name of a score: use letters, digits, _, - and .")


_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        {"type": "number"},
        {"type": "string", "pattern": rf"^\s*(?:>=|<=|>|<)\s*{_NUMBER}\s*$"},
        {"type": "string", "pattern": rf"^\s*between\s+{_NUMBER}\s+and\s+{_NUMBER}\s*$"},
        {"type": "string", "pattern": r"^\s*!=\s*\S"},
        {"type": "string", "pattern": r"^(?!\s*(?:[<>=!≤≥]|[Bb]etween\b))(?=.*\S)"},
    ]
}
CHECK = Leaf(_check, _SCHEMA)
CHECKS = MapOf(
    CHECK,
    key=_name,
    least=1,
    schema={
        "propertyNames": {"pattern": f"^{SCORE_NAME}$"},
        "properties": {name: {"description": words, **_SCHEMA} for name, words in BUILT_IN_SCORES.items()},
    },
)
