"""The leaves of the language: text as it is written, read as what a key needs.

Each is a pydantic type with two sides that have to agree: a validator over text, and the JSON schema that an editor
holds against the same file after YAML 1.2 gave its scalars types (so `16` may be a number there, `~` null).
A message is a predicate; its subject, the key, is put before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from promptlab.model import Amount

from .names import did_you_mean, quoted

__all__ = [
    "NULLS",
    "Count",
    "CreditsOrDollars",
    "DataText",
    "FileNames",
    "Flag",
    "Id",
    "IdText",
    "Ids",
    "Negative",
    "NotNegative",
    "Repeats",
    "SeedCount",
    "Share",
    "Text",
    "Whole",
    "Word",
    "choice",
    "kind_of",
    "refuse",
]

#: What a text may look like to an editor.
SCALAR = ["string", "number", "boolean", "null"]
_TEMPLATE = re.compile(r"\{[{%#]")
_NO_TEMPLATE = r"^(?![\s\S]*\{[{%#])"
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
MOST = 10**18 - 1
MOST_REPEATS = 1000
NULLS = ("null", "Null", "NULL", "~")
_FILE_NAMES = r"^(?![\s/\\~])(?!.:)(?!(?:.*/)?\.{1,2}(?:/|$))(?!.*/(?:/|$))(?:[^{}\\\x00-\x1f]|\{[^{}:!]*\})+$"
_ONE_WORD = r"^(?!\s*(?:null|Null|NULL|~)?\s*$)"


def refuse(code: str, message: str) -> NoReturn:
    """Raise a problem at the value that is being read."""
    raise PydanticCustomError(code, message)


def kind_of(value: object) -> str:
    """What a value is, for "is a list; it has to be …"."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a map"
    return "a list" if isinstance(value, list) else f"the text {quoted(str(value))}"


def _text(value: object, needed: str = "one text") -> str:
    if isinstance(value, str):
        return value
    if value is None:
        refuse("no-value", 'has no value; write "" for an empty text')
    refuse("wrong-type", f"is {kind_of(value)}; it has to be {needed}")


def _word(value: object) -> str:
    text = _text(value)
    if not text.strip() or text.strip() in NULLS:
        refuse("no-value", "has no value; write one or leave the key out")
    return text


def _data(value: object) -> str:
    text = _text(value)
    if _TEMPLATE.search(text):
        refuse("template-in-data", "holds {{, {% or {#; values are data: put template text into a template")
    return text


def _id(value: object) -> str:
    text = _data(value)
    if not text.strip():
        refuse("bad-id", 'is an empty id; name the value, as in {none: ""}')
    return text


def _part(value: object) -> str:
    text = _data(value)
    if not text.strip():
        refuse("no-value", "is empty; write what is not wanted or leave it out")
    return text


def _whole(minimum: int | None) -> Callable[[object], int]:
    def read(value: object) -> int:
        text = _text(value, "a whole number").strip()
        if not _INTEGER.fullmatch(text):
            length = f" of at most 18 digits; this has {len(text)}" if text.lstrip("+-").isdecimal() else ""
            refuse("bad-value", f"is {quoted(text)}; it has to be a whole number{length}")
        if minimum is not None and int(text) < minimum:
            refuse("bad-value", f"is {text}; it has to be at least {minimum}")
        return int(text)

    return read


def _repeats(value: object) -> int:
    number = _whole(1)(value)
    if number > MOST_REPEATS:
        refuse("bad-value", f"is {number:,}, for every variant; at most {MOST_REPEATS:,} are made")
    return number


def _seed_count(value: object) -> int:
    text = _text(value, "a number, or a list as in [11, 22, 33]").strip()
    if not text.isdecimal() and not _INTEGER.fullmatch(text):
        refuse("bad-value", f"is {quoted(text)}; it has to be a whole number, or a list as in [11, 22, 33]")
    number = _whole(1)(value)
    if number > MOST_REPEATS:
        most = f"at most {MOST_REPEATS:,} are made"
        cure = f"write `seeds: [{number}]` for that one seed"
        refuse("bad-value", f"is {number:,} seeds for every variant ({most}); {cure}")
    return number


def _whole_schema(minimum: int | None, maximum: int | None = None) -> dict[str, Any]:
    number = {"type": "integer", "minimum": -MOST if minimum is None else minimum, "maximum": maximum or MOST}
    return {"anyOf": [number, {"type": "string", "pattern": r"^\s*[+-]?[0-9]{1,18}\s*$"}]}


def number(value: object) -> float:
    """A finite number from text."""
    text = _text(value, "a number").strip()
    if not _NUMBER.fullmatch(text) or (read := float(text)) in (float("inf"), float("-inf")):
        refuse("bad-value", f"is {quoted(text)}; it has to be a number")
    return read


def _share(value: object) -> float:
    read = number(value)
    if not 0 < read <= 1:
        refuse("bad-value", f"is {read:g}; it has to be above 0 and at most 1")
    return read


def _not_negative(value: object) -> float:
    read = number(value)
    if read < 0:
        refuse("bad-value", f"is {read:g}; it can't be below 0")
    return read


def _flag(value: object) -> bool:
    text = _text(value, "true or false").strip()
    if text.lower() not in ("true", "false"):
        refuse("bad-value", f"is {quoted(text)}; write true or false")
    return text.lower() == "true"


def _amount(value: object) -> Amount:
    try:
        return Amount.parse(_text(value, "an amount, as in 20usd or 400cr"))
    except ValueError as error:
        refuse("bad-value", f"has no amount: {error}")


def one_to_list(value: object) -> object:
    """One text stands for a list of one."""
    return [value] if isinstance(value, str) else value


def choice(*words: str, also: str = "") -> BeforeValidator:
    """One of a few words; `also` names what else could stand there."""

    def read(value: object) -> str:
        text = _text(value, f"one of {', '.join(words)}{also}")
        if text not in words:
            refuse("bad-value", f"is {quoted(text)}; it can be {', '.join(words)}{also}{did_you_mean(text, words)}")
        return text

    return BeforeValidator(read)


_DATA_SCHEMA = {"type": SCALAR, "pattern": _NO_TEMPLATE}
_ID_SCHEMA = {"type": SCALAR, "pattern": _NO_TEMPLATE + r"(?=[\s\S]*\S)"}
_IDS_SCHEMA = {"anyOf": [_ID_SCHEMA, {"type": "array", "items": _ID_SCHEMA, "minItems": 1}]}
_NEGATIVE_SCHEMA = {"anyOf": [_ID_SCHEMA, {"type": "array", "items": _ID_SCHEMA}]}
_UNIT = r"([Uu][Ss][Dd]|\$|[Dd][Oo][Ll][Ll][Aa][Rr][Ss]?|[Cc][Rr]([Ee][Dd][Ii][Tt][Ss]?)?)"
_AMOUNT_SCHEMA = {
    "type": "string",
    "pattern": rf"^\s*(\$\s*[\d.][\d_,.]*|[\d.][\d_,.]*\s*{_UNIT})\s*$",
}
_FLAG_SCHEMA = {
    "anyOf": [{"type": "boolean"}, {"type": "string", "pattern": r"^\s*([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])\s*$"}]
}

#: Any text, template text included.
Text = Annotated[str, PlainValidator(_text), WithJsonSchema({"type": SCALAR})]
#: A text that has to say something: a file, a reference, a prompt.
Word = Annotated[str, PlainValidator(_word), WithJsonSchema({"type": SCALAR[:3], "pattern": _ONE_WORD})]
#: Names of files: a relative path with placeholders, which `checks` reads exactly.
FileNames = Annotated[str, PlainValidator(_word), WithJsonSchema({"type": SCALAR[:3], "pattern": _FILE_NAMES})]
#: A text that is data and never template text.
DataText = Annotated[str, PlainValidator(_data), WithJsonSchema(_DATA_SCHEMA)]
#: A value's id, as a key.
Id = Annotated[str, AfterValidator(_id)]
#: A value's id, as a text.
IdText = Annotated[str, PlainValidator(_id), WithJsonSchema(_ID_SCHEMA)]
_Part = Annotated[str, PlainValidator(_part)]
#: One id or several.
Ids = Annotated[list[IdText], Field(min_length=1), BeforeValidator(one_to_list), WithJsonSchema(_IDS_SCHEMA)]
#: Parts of a negative prompt, or one text.
Negative = Annotated[list[_Part], BeforeValidator(one_to_list), WithJsonSchema(_NEGATIVE_SCHEMA)]
Count = Annotated[int, PlainValidator(_whole(1)), WithJsonSchema(_whole_schema(1))]
#: How often each variant is made: a number that is large by mistake costs money.
SeedCount = Annotated[int, PlainValidator(_seed_count), WithJsonSchema(_whole_schema(1, MOST_REPEATS))]
Repeats = Annotated[int, PlainValidator(_repeats), WithJsonSchema(_whole_schema(1, MOST_REPEATS))]
Whole = Annotated[int, PlainValidator(_whole(None)), WithJsonSchema(_whole_schema(None))]
Share = Annotated[float, PlainValidator(_share)]
NotNegative = Annotated[float, PlainValidator(_not_negative)]
Flag = Annotated[bool, PlainValidator(_flag), WithJsonSchema(_FLAG_SCHEMA)]
#: `20usd`, `600 USD`, `400cr`.
CreditsOrDollars = Annotated[Amount, PlainValidator(_amount), WithJsonSchema(_AMOUNT_SCHEMA)]
