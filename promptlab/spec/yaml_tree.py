"""YAML text → a tree of text with the position of every key and value.

Nothing has an implicit type: `16:9`, `NO` and `1.10` stay as written (PyYAML's CBaseLoader semantics). The tree is
built from the event stream rather than by PyYAML's composer, which recurses: depth, nodes and aliases are counted as
they come, so a bomb is refused before it exists. A plain empty value is None, for "has no value".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Union

import yaml

from promptlab.model import Place

from .names import pair, quoted
from .report import Report, split_lines
from .yaml_errors import GLUED, describe, unquoted_template

__all__ = ["FRONT_MATTER", "Map", "Mark", "ParseCaps", "Places", "Seq", "Tree", "parse"]

_SURROGATE = re.compile("[\ud800-\udfff]")  # only the pure loader lets one through

_HASH = re.compile(r"[ \t]#\w")
_CUT = re.compile(r"[ \t]*(#\w.{0,30})")
_NUMBER = re.compile(r"[-+.\d]+|true|false", re.IGNORECASE)
_SMART = {("“", "”"), ("„", "“"), ("„", "”"), ("”", "”"), ("«", "»"), ("»", "«"), ("‘", "’"), ("‚", "‘"), ("’", "’")}

MAX_BYTES = 4_000_000


class ParseCaps(NamedTuple):
    """How large a text may be, and what is said of one that is larger."""

    nodes: int
    depth: int
    too_many: str
    too_deep: str
    code: str
    no_aliases: str | None = None  # what is said of an anchor or an alias where there can be none
    no_end: str | None = None  # and of the line `...`


EXPERIMENT = ParseCaps(
    nodes=250_000,
    depth=50,
    too_many="more than 250,000 values; long lists belong in a file of rows: {from: items.csv}",
    too_deep="maps and lists are nested more than 50 deep here",
    code="too-large",
)
#: The head of a template, which comes from more hands than an experiment and says little.
FRONT_MATTER = ParseCaps(
    nodes=2_000,
    depth=9,
    too_many="a front matter of more than 2,000 values",
    too_deep="a front matter nested more than 8 deep",
    code="front-matter",
    no_aliases="a front matter has no anchors (&) and aliases (*); quote a text that begins so",
    no_end="a front matter ends with ---, not with ...",
)

#: path, line and column of the key (or list item), line and column of its value; all 1-based.
Mark = tuple[str, int, int, int, int]
Tree = Union[str, None, "Map", "Seq"]


class Map(dict[str, Any]):
    """A map; `marks` holds where each key and its value stand."""

    __slots__ = ("height", "mark", "marks", "pending", "weight")
    marks: dict[str, Mark]
    mark: Mark  # of the map itself
    pending: tuple[str, int, int] | None  # a key that waits for its value
    weight: int  # nodes inside, aliases counted as what they stand for
    height: int  # levels inside

    def key_place(self, key: str) -> Place:
        """Where a key is."""
        return Place(*self.marks[key][:3])

    def value_place(self, key: str) -> Place:
        """Where its value begins."""
        mark = self.marks[key]
        return Place(mark[0], mark[3], mark[4])

    @property
    def place(self) -> Place:
        """Where the map itself begins."""
        return Place(self.mark[0], self.mark[3], self.mark[4])


class Seq(list[Any]):
    """A list; `marks` holds where each item is."""

    __slots__ = ("height", "mark", "marks", "weight")
    marks: list[Mark]
    mark: Mark
    weight: int
    height: int


def parse(text: str, path: str, report: Report, caps: ParseCaps = EXPERIMENT) -> Tree:
    """The tree of a YAML text; what is wrong goes to `report`, and the result is None then.

    A text that begins further down in its file has as many empty lines before it: they cost nothing, and every place
    and source line is right.
    """
    report.show(path, text)
    if bad := yaml.reader.Reader.NON_PRINTABLE.search(text):
        line, column = _position(text, bad.start())
        message = f"the character U+{ord(bad[0]):04X} can't be part of a text file; remove it"
        report.add("control-character", message, Place(path, line, column))
        return None
    builder = _Builder(path, report, text, caps)
    try:
        return builder.read(getattr(yaml, "CBaseLoader", yaml.BaseLoader))
    except yaml.MarkedYAMLError as error:
        if "nesting depth" in str(error.problem):  # libyaml 0.2.6 looks far ahead; what it came past is read again
            return parse(_before(text, error.problem_mark), path, report, caps)
        problem = describe(error, text)
        report.add(problem.code, problem.message, Place(path, problem.line, problem.column))
    except _Refused as refused:
        report.add(refused.code, refused.message, refused.place)
    except yaml.YAMLError as error:  # the reader's, which have no mark
        report.add("yaml-syntax", f"this is not YAML: {error}", Place(path, 1, 1))
    return None


def _before(text: str, mark: Any) -> str:
    lines = text.split("\n")
    return "\n".join([*lines[: mark.line], lines[mark.line][: max(mark.column - 8, 0)]])


def _position(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


class _Refused(Exception):
    """The text is not read further: nothing after this place can be trusted."""

    def __init__(self, code: str, message: str, place: Place) -> None:
        super().__init__(message)
        self.code, self.message, self.place = code, message, place


class _Builder:
    """Takes events one by one; an explicit stack, no recursion."""

    def __init__(self, path: str, report: Report, text: str, caps: ParseCaps) -> None:
        self.path, self.report, self.text, self.caps = path, report, text, caps
        self.root: Tree = None
        self.stack: list[Map | Seq] = []
        self.anchors: dict[str, Map | Seq | str | None] = {}
        self.documents = 0
        self.nodes = 0
        self.hashes = split_lines(text) if _HASH.search(text) else []  # the lines, where one might be cut by ` #`

    def read(self, reader: Any) -> Tree:
        """The tree, by one of PyYAML's loaders."""
        loader = reader(self.text)
        try:
            while self.take(loader.get_event()):
                pass
        finally:
            loader.dispose()
        return self.root

    def take(self, event: yaml.Event | None) -> bool:
        """Build what the event says; False at the end."""
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._scalar(event)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            self._open(event)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self._close()
        elif kind is yaml.AliasEvent:
            self._alias(event)
        elif kind is yaml.DocumentStartEvent:
            self.documents += 1
            if self.documents > 1:
                self._refuse(
                    "yaml-documents", "a second document begins here; one file holds one, so remove '---'", event
                )
        elif kind is yaml.DocumentEndEvent and self.caps.no_end and event.explicit:  # type: ignore[union-attr]
            self._refuse(self.caps.code, self.caps.no_end, event)
        return not (event is None or kind is yaml.StreamEndEvent)

    def _scalar(self, event: Any) -> None:
        if event.tag is not None or event.anchor is not None:
            self._check_tag(event)
        value: str | None = event.value
        if not value and event.implicit[0]:
            value = None
        if event.anchor is not None:
            self._anchor(event, value)
        mark = event.start_mark
        if value and event.implicit[0]:
            self._warn_plain(event, value)
        if event.style == '"' and not event.value.isascii() and _SURROGATE.search(event.value):
            self._refuse("yaml-syntax", "this is not YAML: a \\u escape here is half a character", event)
        self._put(value, mark.line + 1, mark.column + 1, 1)

    def _warn_plain(self, event: Any, value: str) -> None:
        """What an unquoted text is often not meant to be: cut by a comment, or quoted with typographic quotes."""
        place = Place(self.path, event.start_mark.line + 1, event.start_mark.column + 1)
        if (value[0], value[-1]) in _SMART:
            message = f"the quotes {value[0]} {value[-1]} are part of the text; write straight ones, or leave them out"
            self.report.warn("smart-quotes", message, place)
        if self.hashes and not _NUMBER.fullmatch(value):
            end = event.end_mark
            line = self.hashes[end.line] if end.line < len(self.hashes) else ""
            if found := _CUT.match(line[end.column :] if line[end.column - 1 : end.column] != "#" else ""):
                message = f"the text ends before {quoted(found[1])}, which is a comment; quote the text to keep it"
                self.report.warn(
                    "cut-by-comment", message, Place(self.path, end.line + 1, end.column + found.start(1) + 1)
                )

    def _open(self, event: Any) -> None:
        mark = event.start_mark
        line, column = mark.line + 1, mark.column + 1
        self._check_tag(event)
        parent = self.stack[-1] if self.stack else None
        if type(parent) is Map and parent.pending is None:
            self._refuse_key(parent, event)
        if len(self.stack) >= self.caps.depth:
            self._refuse(self.caps.code, self.caps.too_deep, event)
        container: Map | Seq
        if type(event) is yaml.MappingStartEvent:
            container = Map()
            container.marks, container.pending = {}, None
        else:
            container = Seq()
            container.marks = []
        container.weight, container.height = 0, -1  # -1: still open
        container.mark = (self.path, line, column, line, column)
        if event.anchor is not None:
            self._anchor(event, container)
        self._put(container, line, column, 1)
        self.stack.append(container)

    def _close(self) -> None:
        done = self.stack.pop()
        children = done.values() if type(done) is Map else done
        done.height = 1 + max((child.height for child in children if isinstance(child, (Map, Seq))), default=0)
        if self.stack:
            self.stack[-1].weight += done.weight

    def _anchor(self, event: Any, value: Map | Seq | str | None) -> None:
        if self.caps.no_aliases:
            self._refuse(self.caps.code, self.caps.no_aliases, event)
        self.anchors[event.anchor] = value

    def _alias(self, event: Any) -> None:
        if self.caps.no_aliases:
            self._refuse(self.caps.code, self.caps.no_aliases, event)
        name = event.anchor
        if name not in self.anchors:
            self._refuse(
                "unknown-anchor", f"the alias *{name} has no anchor &{name} before it; quote a text with *", event
            )
        target = self.anchors[name]
        weight = 1
        if isinstance(target, (Map, Seq)):
            parent = self.stack[-1]
            if type(parent) is Map and parent.pending is None:
                self._refuse("bad-key", "a key has to be one text", event)
            if target.height < 0:
                self._refuse("alias-cycle", f"the alias *{name} is inside the value that it refers to", event)
            weight += target.weight
            if self.nodes + weight > self.caps.nodes:
                self._refuse("alias-bomb", f"aliases expand to more than {self.caps.nodes:,} values here", event)
            if len(self.stack) + target.height > self.caps.depth:
                self._refuse(self.caps.code, self.caps.too_deep, event)
        mark = event.start_mark
        self._put(target, mark.line + 1, mark.column + 1, weight)

    def _put(self, value: Any, line: int, column: int, weight: int) -> None:
        """A value (or a key) into the innermost open container."""
        self.nodes += weight
        if self.nodes > self.caps.nodes:
            raise _Refused(self.caps.code, self.caps.too_many, Place(self.path, line, column))
        if not self.stack:
            self.root = value
            return
        parent = self.stack[-1]
        parent.weight += weight
        if type(parent) is Seq:
            parent.append(value)
            parent.marks.append((self.path, line, column, line, column))
            return
        assert type(parent) is Map
        if parent.pending is None:
            parent.pending = self._key(parent, value, line, column)
            return
        key, key_line, key_column = parent.pending
        parent.pending = None
        if key in parent.marks or key in ("", "<<"):
            return  # reported when the key came; of a duplicate the first one stays
        if value is None and ":" in key and self._is_glued(key, key_line, key_column):
            return
        parent[key] = value
        parent.marks[key] = (self.path, key_line, key_column, line, column)

    def _is_glued(self, key: str, line: int, column: int) -> bool:
        """Whether a key without a value is one with its value stuck to it, as in `seeds:3`; that is reported."""
        if glued := re.fullmatch(GLUED, key):
            message = f"a key needs a space after its colon: write `{pair(glued[1], glued[2])}`"
            self.report.add("yaml-syntax", message, Place(self.path, line, column + len(glued[1]) + 1))
        return glued is not None

    def _key(self, parent: Map, key: str | None, line: int, column: int) -> tuple[str, int, int]:
        place = Place(self.path, line, column)
        if not key:
            self.report.add("bad-key", "a key can't be empty", place)
        elif key == "<<":
            self.report.add("merge-key", "merge keys (<<) are not read; write the keys out, or use `extends`", place)
        elif key in parent.marks:
            first = parent.marks[key]
            message = f"the key {quoted(key)} occurs twice: first in line {first[1]}, column {first[2]}; keep one"
            self.report.add("duplicate-key", message, place)
        return key or "", line, column

    def _refuse_key(self, parent: Map, event: Any) -> None:
        line, column = parent.mark[1], parent.mark[2]
        if unquoted_template(self.text, line, column):
            message = 'a text that begins with { is a map in YAML: quote it, as in "{{ subject }}"'
            raise _Refused("unquoted-template", message, Place(self.path, line, column))
        self._refuse("bad-key", "a key has to be one text, not a list or a map", event)

    def _check_tag(self, event: Any) -> None:
        if event.tag is not None:
            shown = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._refuse("yaml-tag", f"the tag {shown} is not read: every value is text, so remove it", event)

    def _refuse(self, code: str, message: str, event: Any) -> None:
        mark = event.start_mark
        raise _Refused(code, message, Place(self.path, mark.line + 1, mark.column + 1))


class Places(Mapping[tuple[str | int, ...], Place]):
    """The position of every key path, read from the tree when it is asked for.

    `places["axes", "style", "film"]` is where the key (or list item) is; `value(path)` where its value begins.
    """

    __slots__ = ("_root",)

    def __init__(self, root: Tree) -> None:
        self._root = root

    def _mark(self, path: tuple[str | int, ...]) -> Mark:
        node: Any = self._root
        mark: Mark | None = node.mark if isinstance(node, (Map, Seq)) else None
        for step in path:
            if not isinstance(node, (Map, Seq)):
                raise KeyError(path)
            try:
                mark, node = node.marks[step], node[step]  # type: ignore[index]
            except (IndexError, TypeError):
                raise KeyError(path) from None
        if mark is None:
            raise KeyError(path)
        return mark

    def __getitem__(self, path: tuple[str | int, ...]) -> Place:
        return Place(*self._mark(path)[:3])

    def value(self, path: tuple[str | int, ...]) -> Place:
        """Where the value at a path begins; KeyError where there is none."""
        mark = self._mark(path)
        return Place(mark[0], mark[3], mark[4])

    def __iter__(self) -> Iterator[tuple[str | int, ...]]:
        waiting: list[tuple[tuple[str | int, ...], Any]] = [((), self._root)]
        while waiting:
            path, node = waiting.pop()
            if path:
                yield path
            steps = node.items() if isinstance(node, Map) else enumerate(node) if isinstance(node, Seq) else ()
            waiting.extend(reversed([((*path, step), child) for step, child in steps]))

    def __len__(self) -> int:
        return sum(1 for _ in self)
