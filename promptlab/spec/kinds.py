"""What the values of a file can be: each kind reads text, and says what an editor may see in its place.

A file is a tree of text (`yaml_tree`). A kind turns a part of it into what a key needs, and has two sides that have to
agree: `read`, and the JSON schema that an editor holds against the same file after YAML 1.2 gave its scalars types (so
`16` may be a number there, `~` null). Leaves read one text; lists, maps and forms hold other kinds, go on after a
fault, and keep every fault with its path. A message is a predicate; its subject, the key, is put before it.

This is our own and not pydantic since a short command is mostly its start: importing pydantic and building its models
took a quarter of `promptlab plan`, and the places, sentences and the rest of a wrong file had to be ours all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol, Self, TypeVar

from promptlab.model import Amount, Parameter

from .faults import EMPTY, MISSING, SHAPE, Fault, Steps, Wrong, kind_of, refuse, tell, without
from .names import did_you_mean, listed, quoted
from .report import Report
from .yaml_tree import Map

#: What a text may look like to an editor.
SCALAR = ["string", "number", "boolean", "null"]
_TEMPLATE = re.compile(r"\{[{%#]")
_NO_TEMPLATE = r"^(?![\s\S]*\{[{%#])"
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
#: Eighteen digits: what the 64-bit integers of SQLite hold, whatever they are.
MOST = 10**18 - 1
#: How often each variant is made: a number that is large by mistake costs money.
MOST_REPEATS = 1000
#: What YAML 1.2 reads as null, and would be a text here.
NULLS = ("null", "Null", "NULL", "~")


class Reading:
    """One reading of one tree: what kinds need to know, and what they found wrong."""

    def __init__(self, report: Report, parameters: Mapping[str, Parameter]) -> None:
        self.report, self.parameters = report, parameters
        self.faults: list[Fault] = []

    def keep(self, wrong: Wrong, path: Steps, value: object, *, is_key: bool = False) -> None:
        """Keep a fault; what is left of the tree is read on."""
        self.faults.append(Fault(wrong, path, value, is_key))


class Kind(Protocol):
    """What a value can be. `read` raises Wrong for the value itself; faults inside of it go to the reading."""

    def read(self, value: Any, path: Steps, reading: Reading) -> Any: ...


class Leaf:
    """One text, read by a function."""

    def __init__(self, read: Callable[[object], Any], schema: dict[str, Any] | None = None) -> None:
        self.parse, self.schema = read, schema or {}

    def read(self, value: object, path: Steps, reading: Reading) -> Any:
        return self.parse(value)


class ListOf:
    """A list; with `one` a single text stands for a list of one."""

    def __init__(
        self,
        item: Kind,
        *,
        least: int = 0,
        one: bool = False,
        check: Callable[[list[Any]], None] | None = None,
        schema: dict[str, Any] | None = None,
    ) -> None:
        self.item, self.least, self.one, self.check, self.schema = item, least, one, check, schema or {}

    def read(self, value: Any, path: Steps, reading: Reading) -> list[Any]:
        if self.one and isinstance(value, str):
            return [self.item.read(value, path, reading)]  # its place is the text's: the file has no list
        if not isinstance(value, list):
            raise Wrong(SHAPE, "a list")
        if len(value) < self.least:
            raise Wrong(EMPTY, "")
        found, read, before = [], self.item.read, len(reading.faults)
        for position, item in enumerate(value):
            try:
                found.append(read(item, (*path, position), reading))
            except Wrong as wrong:
                reading.keep(wrong, (*path, position), item)
        if self.check is not None and len(reading.faults) == before:  # what could not be read can't be compared
            self.check(found)
        return found


class MapOf:
    """A map of any keys to values of one kind; `key` refuses a key."""

    def __init__(
        self,
        value: Kind,
        *,
        key: Callable[[str], object] | None = None,
        least: int = 0,
        schema: dict[str, Any] | None = None,
    ) -> None:
        self.value, self.key, self.least, self.schema = value, key, least, schema or {}

    def read(self, value: Any, path: Steps, reading: Reading) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Wrong(SHAPE, "a map")
        if len(value) < self.least:
            raise Wrong(EMPTY, "")
        found, read = {}, self.value.read
        for name, given in value.items():
            inside = (*path, name)
            if self.key is not None:
                try:
                    self.key(name)
                except Wrong as wrong:  # the value is read all the same, and may be wrong too
                    reading.keep(wrong, inside, name, is_key=True)
            try:
                found[name] = read(given, inside, reading)
            except Wrong as wrong:
                reading.keep(wrong, inside, given)
        return found


class OneOf:
    """One of several kinds, chosen by the value's shape alone, so that a fault is told of the form that was meant."""

    def __init__(self, choose: Callable[[object], Kind], *kinds: Kind) -> None:
        self.choose, self.kinds = choose, kinds

    def read(self, value: Any, path: Steps, reading: Reading) -> Any:
        return self.choose(value).read(value, path, reading)


def text_or_map(text: Kind, map_: Kind) -> OneOf:
    """A map, or else a text."""
    return OneOf(lambda value: map_ if isinstance(value, dict) else text, text, map_)


def list_or_map(list_: Kind, map_: Kind) -> OneOf:
    """A list, or else a map."""
    return OneOf(lambda value: list_ if isinstance(value, list) else map_, list_, map_)


# --- forms --------------------------------------------------------------------------------------------------------


class Key:
    """A key of a form: what its value is, what editors show beside it, and what holds where it is left out."""

    __slots__ = ("default", "description", "kind", "name", "required")

    def __init__(self, kind: Kind, description: str, default: object, name: str, required: bool) -> None:
        self.kind, self.description, self.default, self.name, self.required = kind, description, default, name, required


def key(kind: Kind, description: str, default: Any = None, *, name: str = "") -> Any:
    """An optional key of a form; `name` is what it is called in the file, where that can't be a name in Python."""
    return Key(kind, description, default, name, False)


def needed(kind: Kind, description: str, *, name: str = "") -> Any:
    """A key that a form needs."""
    return Key(kind, description, None, name, True)


class Form:
    """A map with a fixed set of keys. A subclass lists them as `draws: int = key(REPEATS, "How often …", 1)`.

    Its instances are what was read: an attribute for each key, and in `written` what stood in the file.
    """

    keys: ClassVar[dict[str, Key]] = {}
    #: What further keys may hold, where there may be any.
    others: ClassVar[Kind | None] = None
    _attributes: ClassVar[dict[str, str]] = {}
    written: Mapping[str, Any]

    def __init_subclass__(cls) -> None:
        found = {name: value for name, value in vars(cls).items() if isinstance(value, Key)}
        cls.keys = {value.name or name: value for name, value in found.items()}
        cls._attributes = {value.name or name: name for name, value in found.items()}

    @classmethod
    def read(cls, value: Any, path: Steps, reading: Reading) -> Self:
        """What a map says; unknown keys and keys without a value are reported where they stand, the rest is read."""
        if not isinstance(value, Map):
            raise Wrong(SHAPE, "a map")
        written: dict[str, Any] = {}
        tried = set()  # a needed key whose value is wrong is not missing as well
        for name, given in value.items():
            known = cls.keys.get(name)
            kind = cls.others if known is None else known.kind
            if kind is None:
                cls.unknown(name, value, reading)
                continue
            if known is not None and given is None:
                message = f"{name} has no value; write one or leave the key out"
                reading.report.add("no-value", message, value.key_place(name))
                continue
            tried.add(name)
            try:
                written[name] = kind.read(given, (*path, name), reading)
            except Wrong as wrong:
                reading.keep(wrong, (*path, name), given)
        for name, known in cls.keys.items():
            if known.required and name not in tried:
                reading.keep(Wrong(MISSING, name), path, value)
        return cls._made(written)

    @classmethod
    def _made(cls, written: dict[str, Any]) -> Self:
        # A default that is a class (list, dict) makes a new one for each form, so that none is shared.
        form = cls()
        for name, attribute in cls._attributes.items():
            default = cls.keys[name].default
            value = written[name] if name in written else default() if isinstance(default, type) else default
            setattr(form, attribute, value)
        form.written = written
        return form

    @classmethod
    def unknown(cls, name: str, value: Map, reading: Reading) -> None:
        """Tell of a key that is not of this map."""

        def message() -> str:
            near = did_you_mean(name, cls.keys) or "; known here: " + listed(cls.keys, 24)
            return f"unknown key {quoted(name)}{near}"

        reading.report.add("unknown-key", message, value.key_place(name))


F = TypeVar("F", bound=Form)


def read_form(form: type[F], root: Map, parameters: Mapping[str, Parameter], report: Report) -> tuple[F, Map]:
    """The form of what is right in `root`, and that part of the tree; everything wrong is reported.

    A part that is wrong (a top-level key, one axis, one entry of a list) is left out and the rest read again, so that
    the checks that follow find their faults in the same go.
    """
    reading = Reading(report, parameters)
    found = form.read(root, (), reading)
    if not reading.faults:
        return found, root
    for fault in reading.faults:
        tell(fault, root, report)
    # Nothing is told twice: the second reading has a report of its own, and finds only what is right.
    right = without(root, [fault.path for fault in reading.faults], report)
    return form.read(right, (), Reading(Report(), parameters)), right


# --- leaves -------------------------------------------------------------------------------------------------------


def _text(value: object, needed: str = "one text") -> str:
    if isinstance(value, str):
        return value
    if value is None:
        refuse("no-value", 'has no value; write "" for an empty text')
    raise Wrong("wrong-type", f"is {kind_of(value)}; it has to be {needed}")


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


def read_id(value: object) -> str:
    """A value's id: any text that is not empty, and no template."""
    text = _data(value)
    if not text.strip():
        refuse("bad-id", 'is an empty id; name the value, as in {none: ""}')
    return text


def _part(value: object) -> str:
    text = _data(value)
    if not text.strip():
        refuse("no-value", "is empty; write what is not wanted or leave it out")
    return text


def _whole(value: object) -> int:
    text = _text(value, "a whole number").strip()
    if not _INTEGER.fullmatch(text):
        length = f" of at most 18 digits; this has {len(text)}" if text.lstrip("+-").isdecimal() else ""
        refuse("bad-value", f"is {quoted(text)}; it has to be a whole number{length}")
    return int(text)


def _count(value: object) -> int:
    number = _whole(value)
    if number < 1:
        refuse("bad-value", f"is {_text(value).strip()}; it has to be at least 1")
    return number


def _repeats(value: object) -> int:
    number = _count(value)
    if number > MOST_REPEATS:
        refuse("bad-value", f"is {number:,}, for every variant; at most {MOST_REPEATS:,} are made")
    return number


def _seed_count(value: object) -> int:
    text = _text(value, "a number, or a list as in [11, 22, 33]").strip()
    if not text.isdecimal() and not _INTEGER.fullmatch(text):
        refuse("bad-value", f"is {quoted(text)}; it has to be a whole number, or a list as in [11, 22, 33]")
    number = _count(value)
    if number > MOST_REPEATS:
        most = f"at most {MOST_REPEATS:,} are made"
        cure = f"write `seeds: [{number}]` for that one seed"
        refuse("bad-value", f"is {number:,} seeds for every variant ({most}); {cure}")
    return number


def _whole_schema(minimum: int, maximum: int = MOST) -> dict[str, Any]:
    number = {"type": "integer", "minimum": minimum, "maximum": maximum}
    return {"anyOf": [number, {"type": "string", "pattern": r"^\s*[+-]?[0-9]{1,18}\s*$"}]}


def read_number(value: object) -> float:
    """A finite number from text."""
    text = _text(value, "a number").strip()
    if not _NUMBER.fullmatch(text) or (read := float(text)) in (float("inf"), float("-inf")):
        refuse("bad-value", f"is {quoted(text)}; it has to be a number")
    return read


def _share(value: object) -> float:
    read = read_number(value)
    if not 0 < read <= 1:
        refuse("bad-value", f"is {read:g}; it has to be above 0 and at most 1")
    return read


def _not_negative(value: object) -> float:
    read = read_number(value)
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


def choice(*words: str, also: str = "") -> Leaf:
    """One of a few words; `also` names what else could stand there."""

    def read(value: object) -> str:
        text = _text(value, f"one of {', '.join(words)}{also}")
        if text not in words:
            refuse("bad-value", f"is {quoted(text)}; it can be {', '.join(words)}{also}{did_you_mean(text, words)}")
        return text

    return Leaf(read, {"enum": list(words), "type": "string"})


_FLAG_WORDS = r"^\s*([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])\s*$"
_UNIT = r"([Uu][Ss][Dd]|\$|[Dd][Oo][Ll][Ll][Aa][Rr][Ss]?|[Cc][Rr]([Ee][Dd][Ii][Tt][Ss]?)?)"

#: A text that has to say something: a file, a reference, a prompt.
WORD = Leaf(_word, {"type": SCALAR[:3], "pattern": r"^(?!\s*(?:null|Null|NULL|~)?\s*$)"})
#: Names of files: a relative path with placeholders, which `checks` reads exactly.
FILE_NAMES = Leaf(
    _word,
    {
        "type": SCALAR[:3],
        "pattern": r"^(?![\s/\\~])(?!.:)(?!(?:.*/)?\.{1,2}(?:/|$))(?!.*/(?:/|$))(?:[^{}\\\x00-\x1f]|\{[^{}:!]*\})+$",
    },
)
#: A text that is data and never template text.
DATA_TEXT = Leaf(_data, {"type": SCALAR, "pattern": _NO_TEMPLATE})
#: A value's id.
ID = Leaf(read_id, {"type": SCALAR, "pattern": _NO_TEMPLATE + r"(?=[\s\S]*\S)"})
#: One id or several.
IDS = ListOf(ID, least=1, one=True)
#: Parts of a negative prompt, or one text.
NEGATIVE = ListOf(Leaf(_part, ID.schema), one=True)
WHOLE = Leaf(_whole, _whole_schema(-MOST))
COUNT = Leaf(_count, _whole_schema(1))
REPEATS = Leaf(_repeats, _whole_schema(1, MOST_REPEATS))
SEED_COUNT = Leaf(_seed_count, _whole_schema(1, MOST_REPEATS))
SHARE = Leaf(_share)
NOT_NEGATIVE = Leaf(_not_negative)
FLAG = Leaf(_flag, {"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": _FLAG_WORDS}]})
#: `20usd`, `600 USD`, `400cr`.
AMOUNT = Leaf(_amount, {"type": "string", "pattern": rf"^\s*(\$\s*[\d.][\d_,.]*|[\d.][\d_,.]*\s*{_UNIT})\s*$"})


class _Data:
    """Data of a variable or a field: text, or lists and maps of it."""

    def read(self, value: Any, path: Steps, reading: Reading) -> Any:
        kind = self.map if isinstance(value, dict) else self.list if isinstance(value, list) else DATA_TEXT
        return kind.read(value, path, reading)

    def __init__(self) -> None:
        self.list, self.map = ListOf(self), MapOf(self)


DATA = _Data()
