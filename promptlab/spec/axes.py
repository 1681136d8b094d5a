"""From the validated forms of `axes`, `prompts` and `templates` to the axes of model.py, with every value's place."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal
from unicodedata import normalize

from promptlab.errors import InputError
from promptlab.model import Axis, Matcher, Parameter, Place, Value

from .files import MAX_ROWS_BYTES, Files, shown
from .forms import ExperimentForm, FieldsForm, RowsForm, ValuesForm, read_param, resolve_name
from .names import all_differ, quoted
from .report import Report
from .row_files import FORMATS, Row, id_column, read_rows
from .yaml_tree import Map, Seq

__all__ = ["AxisBuilder", "RowFilter", "matcher_of"]

#: Turns an axis' `where:` into a test of a row; InputError at the place where the expression or a row is wrong.
RowFilter = Callable[[str, Place], Callable[[Mapping[str, object]], bool]]

_NO_FIELDS: Mapping[str, Any] = {}


_WORDS = re.compile(r"[^\W_]+")
_TAGS = re.compile(r"\{#.*?#\}|\{%.*?%\}|\|[^}]*", re.DOTALL)


def prompt_ids(texts: Sequence[str]) -> list[str]:
    """Ids for prompts that have none: their first words. A text more never changes the ids of those before it."""
    known: dict[str, int] = {}
    ids = []
    for text in texts:
        words = _WORDS.findall(_TAGS.sub(" ", text))
        id_ = "-".join(words[:4])[:40].lower() or "prompt"
        known[id_] = known.get(id_, 0) + 1
        ids.append(id_ if known[id_] == 1 else f"{id_}-{known[id_]}")
    return ids


def matcher_of(form: Mapping[str, Iterable[str]] | None) -> Matcher | None:
    """A validated matcher as model.py has it."""
    return None if form is None else {axis: frozenset(ids) for axis, ids in form.items()}


def _folded(id_: str) -> str:
    return " ".join((id_ if id_.isascii() else normalize("NFKC", id_)).casefold().split())


def _bare(expression: str) -> str:
    return " ".join(re.sub(r"\{\{|\}\}|\{%-?|-?%\}", " ", expression).split())


class AxisBuilder:
    """Builds the axes of one experiment."""

    def __init__(
        self, files: Files, report: Report, parameters: Mapping[str, Parameter], row_filter: RowFilter | None
    ) -> None:
        self.files, self.report, self.parameters, self.row_filter = files, report, parameters, row_filter

    def all(self, form: ExperimentForm, root: Map) -> tuple[Axis, ...]:
        """The axes in order: `prompt` or `template` where they are maps, then as written."""
        axes: list[Axis] = []
        kinds: tuple[tuple[str, Literal["prompt", "template"], Any], ...] = (
            ("prompts", "prompt", form.prompts),
            ("templates", "template", form.templates),
        )
        for name, kind, texts in kinds:
            if texts:
                axis = self._sources(kind, texts, root[name], root.key_place(name))
                self._keep(axes, kind, axis)
        raw = root.get("axes")
        for name, given in form.axes.items():
            assert isinstance(raw, Map)
            place = raw.key_place(name)
            self._keep(axes, name, self._axis(name, given, raw[name], place))
        self._warn_names(axes)
        return tuple(axes)

    def _keep(self, axes: list[Axis], name: str, axis: Axis | None) -> None:
        if axis is None:
            self.report.failed_axes.add(name)
        else:
            axes.append(axis)

    def _sources(
        self,
        kind: Literal["prompt", "template"],
        texts: Mapping[str, str] | Iterable[str],
        raw: Map | Seq,
        place: Place,
    ) -> Axis | None:
        if isinstance(raw, Map) and isinstance(texts, Mapping):
            values = [Value(id_, text, place=raw.value_place(id_)) for id_, text in texts.items()]
        else:
            listed = list(texts)
            ids = listed if kind == "template" else prompt_ids(listed)
            marks = raw.marks if isinstance(raw, Seq) else []
            values = [
                Value(id_, text, place=Place(*mark[:3])) for id_, text, mark in zip(ids, listed, marks, strict=True)
            ]
        return Axis(kind, tuple(values), kind, place=place) if self._distinct(values) else None

    def _axis(self, name: str, form: Any, raw: Any, place: Place) -> Axis | None:
        parameter: Parameter | None = None
        if name.startswith("params."):
            parameter = resolve_name(name.removeprefix("params."), self.parameters, place, self.report)
            if parameter is None:
                return None
        when = matcher_of(form.when) if isinstance(form, (RowsForm, ValuesForm)) else None
        if isinstance(form, RowsForm):
            values = self._rows(form, raw)
        else:
            listed = form.values if isinstance(form, ValuesForm) else form
            values = self._written(listed, raw["values"] if isinstance(form, ValuesForm) else raw)
        if values is None:
            return None
        if parameter is not None:
            values = self._typed(parameter, values)
        if not self._distinct(values):
            return None
        return Axis(name, tuple(values), "value" if parameter is None else "param", when, place)

    def _written(self, form: Any, raw: Map | Seq) -> list[Value]:
        """Values that stand in the experiment file itself."""
        if isinstance(raw, Seq):
            return [
                Value(text, text, _NO_FIELDS, place=Place(mark[0], mark[1], mark[2]))
                for text, mark in zip(form, raw.marks, strict=True)
            ]
        values = []
        for id_, given in form.items():
            place = raw.key_place(id_)
            if isinstance(given, FieldsForm):
                fields = {name: value for name, value in given.written.items() if name not in FieldsForm.keys}
                text = fields.get("text", id_)
                if not isinstance(text, str):
                    self.report.add("wrong-type", "the field `text` has to be one text", raw[id_].value_place("text"))
                    text = id_
                values.append(Value(id_, text, fields, tuple(given.negative_prompt), given.params, place))
            else:
                values.append(Value(id_, given, _NO_FIELDS, place=place))
        return values

    def _rows(self, form: RowsForm, raw: Map) -> list[Value] | None:
        """Values that are the rows of a file."""
        place = raw.value_place("from")
        path = self.files.resolve(form.from_, place.path)
        suffix = Path(form.from_).suffix.lower()
        if suffix not in FORMATS:
            message = f"{quoted(form.from_)} is not a file of rows: it has to end in {', '.join(FORMATS)}"
            self.report.add("rows-format", message, place)
            return None
        text = self.files.text(path, "rows", place, MAX_ROWS_BYTES)
        if text is None:
            return None
        found, name = self.report.count, shown(path, self.files.studio)
        rows = read_rows(text, name, suffix, self.report, literal=form.literal)
        values = self._of_rows(rows, form, raw, name)
        return None if self.report.count > found else values

    def _of_rows(self, rows: Iterator[Row], form: RowsForm, raw: Map, path: str) -> list[Value] | None:
        """A value per row, one row read after the other; a problem is reported, and what follows it is read too."""
        place, is_text = raw.value_place("from"), path.lower().endswith(".txt")
        first = next(rows, None)
        if first is None:
            if not self.report.tells_of(path):
                self.report.add("empty-axis", f"{path} has no rows", place)
            return None
        if is_text and form.id is not None:
            message = "a .txt file has no columns: each line is its own id"
            self.report.add("unknown-column", message, raw.key_place("id"))
            return None
        id_place = raw.value_place("id") if form.id else place
        column = id_column(list(first.cells), form.id, id_place, self.report)
        every = chain([first], rows)
        wanted = None if form.where is None else self._filter(form.where, raw.value_place("where"))
        if column is None or (form.where is not None and wanted is None):
            deque(every, maxlen=0)  # says what is wrong with the other rows
            return None
        return self._kept(every, column, wanted, path, raw)

    def _kept(
        self,
        rows: Iterator[Row],
        column: str,
        wanted: Callable[[Mapping[str, object]], bool] | None,
        path: str,
        raw: Map,
    ) -> list[Value] | None:
        values: list[Value] = []
        number = 0
        is_text = path.lower().endswith(".txt")
        try:
            for number, row in enumerate(rows, 1):  # noqa: B007 - the last number is read after the loop
                if (wanted is None or wanted(row.cells)) and (value := self._value(row, column, path, is_text)):
                    values.append(value)
        except InputError as error:
            self.report.take(error)
            return None
        if not values and wanted is not None:
            self.report.add("empty-axis", f"`where` leaves none of the {number} rows", raw.value_place("where"))
        return values

    def _filter(self, expression: str, place: Place) -> Callable[[Mapping[str, object]], bool] | None:
        """The test of a row that `where` means; None, with the problem reported, where there is none."""
        if any(sign in expression for sign in ("{{", "{%")):
            message = f"`where` is an expression already: write it without braces, as in `where: {_bare(expression)}`"
            self.report.add("row-filter", message, place)
            return None
        if self.row_filter is None:
            self.report.add("row-filter", "`where` can't be evaluated here: no filter of rows was given", place)
            return None
        try:
            return self.row_filter(expression, place)
        except InputError as error:
            self.report.take(error)
            return None

    def _value(self, row: Row, column: str, path: str, is_text: bool) -> Value | None:
        place = Place(path, row.line, 1)
        cells = row.cells
        id_ = cells.get(column)
        if not isinstance(id_, str) or not id_.strip():
            self.report.add("bad-id", f"this row has no text in the column {column!r}, which names it", place)
            return None
        if is_text:
            return Value(id_, id_, _NO_FIELDS, (), _NO_FIELDS, place)
        if "negative_prompt" in cells or "params" in cells:
            return self._special(id_, dict(cells), place)
        text = cells.get("text", id_)
        # Explicit, since a million rows would each make their own empty map of parameters.
        return Value(id_, text if isinstance(text, str) else id_, cells, (), _NO_FIELDS, place)

    def _special(self, id_: str, cells: dict[str, Any], place: Place) -> Value:
        """A row whose `negative_prompt` adds to the base and whose `params` override."""
        negative = cells.pop("negative_prompt", "")
        parts = [negative] if isinstance(negative, str) else negative
        if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
            self.report.add("wrong-type", "negative_prompt has to be a list of texts, or one text", place)
            parts = []
        given = cells.pop("params", None) or {}
        params = {}
        if not isinstance(given, dict):
            self.report.add("wrong-type", "params has to be a map of parameters", place)
            given = {}
        for name, value in given.items():
            parameter = resolve_name(name, self.parameters, place, self.report)
            if parameter is not None:
                params[name] = read_param(parameter, value, place, self.report)
        text = cells.get("text", id_)
        kept = tuple(part for part in parts if part.strip())
        return Value(id_, text if isinstance(text, str) else id_, cells, kept, params, place)

    def _typed(self, parameter: Parameter, values: list[Value]) -> list[Value]:
        """The values of a parameter axis, each read as the parameter."""
        typed = []
        for value in values:
            place = value.place
            assert place is not None
            if value.negative_prompt or value.params or (value.fields and "text" not in value.fields):
                message = f"a value of params.{parameter.name} is one text or number, as in {{low: 0.3}}"
                self.report.add("wrong-type", message, place)
                continue
            read = read_param(parameter, value.text, place, self.report)
            typed.append(Value(value.id, value.text, _NO_FIELDS, params={parameter.name: read}, place=place))
        return typed

    def _distinct(self, values: list[Value]) -> bool:
        """Whether every id is there once; a second one is reported at its place."""
        if len({value.id for value in values}) == len(values):
            self._warn_alike(values)
            return True
        first: dict[str, Value] = {}
        for value in values:
            if (other := first.setdefault(value.id, value)) is not value:
                line = other.place.line if other.place else "?"
                message = f"the id {quoted(value.id)} occurs twice: first in line {line}"
                self.report.add("duplicate-id", message, value.place or Place("", 1, 1))
        return False

    def _warn_names(self, axes: list[Axis]) -> None:
        folded: dict[str, str] = {}
        for axis in axes:
            if (other := folded.setdefault(axis.name.casefold(), axis.name)) != axis.name:
                message = f"the axes {quoted(other)} and {quoted(axis.name)} differ only in case; is one meant?"
                self.report.warn("similar-ids", message, axis.place)

    def _warn_alike(self, values: list[Value]) -> None:
        """Ids that a reader takes for one: they differ in case, spaces or the way a letter is composed only."""
        if all_differ(hash(_folded(value.id)) for value in values):
            return  # as in nearly every file; only numbers were kept, since it may have a million rows
        folded: dict[str, Value] = {}
        for value in values:
            if (other := folded.setdefault(_folded(value.id), value)) is not value:
                message = (
                    f"the ids {quoted(other.id)} and {quoted(value.id)} differ only in case or spaces; is one meant?"
                )
                self.report.warn("similar-ids", message, value.place)
