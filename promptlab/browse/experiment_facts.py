"""What a run's experiment says that its rows do not: the baseline, the order of values in the file, their names.

The experiment is read again from the log, once for each run; where that is not possible (no text, or one that this
version reads differently), a page does without, as for a run that had no experiment file.
"""

from __future__ import annotations

import importlib
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from promptlab.errors import InputError
from promptlab.model import Axis, Experiment, Matcher, Parameter, Value

__all__ = ["ExperimentFacts", "facts_of", "get_ready"]

_STUDIO = Path("/studio")  # no file below it is ever opened: what the run read is in the log
_NAMES = ("name", "title", "label", "product", "headline", "caption")
_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class ExperimentFacts:
    """`baseline` is axis → value id; `order` axis → value ids as in the file; `names` axis → value id → name; `skip`
    what the experiment leaves out."""

    baseline: Mapping[str, str] = field(default_factory=dict)
    order: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    skip: tuple[Matcher, ...] = ()


_NONE = ExperimentFacts()


def facts_of(connection: sqlite3.Connection, run_id: str) -> ExperimentFacts:
    """What the experiment of a run says; nothing where the log does not have its text."""
    row = connection.execute("SELECT experiment, spec_sha256 FROM runs WHERE id = ?", (run_id,)).fetchone()
    if row is None or row[1] is None:
        return _NONE
    key = (run_id, row[1])
    if key not in _known:
        while len(_known) >= 32:
            _known.pop(next(iter(_known)), None)  # another thread may have taken it
        _known[key] = _read(connection, run_id, row[0])
    return _known[key]


def get_ready() -> None:
    """Load what reads an experiment, a tenth of a second, so that the first page need not wait for it."""
    importlib.import_module("promptlab.prompts")
    importlib.import_module("promptlab.spec.load")
    _parameters()


_known: dict[tuple[str, str], ExperimentFacts] = {}


def _read(connection: sqlite3.Connection, run_id: str, name: str) -> ExperimentFacts:
    from promptlab.prompts import expression
    from promptlab.spec.load import load_text

    (text,) = connection.execute("SELECT spec_text FROM runs WHERE id = ?", (run_id,)).fetchone()
    path = connection.execute("SELECT spec_path FROM experiments WHERE name = ?", (name,)).fetchone()
    if text is None:
        return _NONE
    try:
        experiment = load_text(
            text,
            _STUDIO / ((path and path[0]) or f"experiments/{name}.yaml"),
            studio=_STUDIO,
            parameters=_parameters(),
            row_filter=expression,
            read=_logged(connection, run_id),
        )
    except InputError:  # a text of another version; its run is shown all the same, in the order of its plan
        return _NONE
    return _facts(experiment)


@lru_cache(maxsize=1)
def _parameters() -> Mapping[str, Parameter]:
    from promptlab.providers import parameters

    return parameters()


def _logged(connection: sqlite3.Connection, run_id: str) -> Callable[[Path], bytes]:
    rows = connection.execute("SELECT path, content FROM inputs WHERE run_id = ? AND content IS NOT NULL", (run_id,))
    known = {_STUDIO / path: content for path, content in rows}

    def read(path: Path) -> bytes:
        if path not in known:
            raise FileNotFoundError(2, "not among the run's inputs", str(path))
        return str(known[path]).encode()

    return read


def _facts(experiment: Experiment) -> ExperimentFacts:
    names = {axis.name: found for axis in experiment.axes if (found := _names(axis))}
    order = {axis.name: tuple(value.id for value in axis.values) for axis in experiment.axes}
    return ExperimentFacts(dict(experiment.baseline or {}), order, names, experiment.skip)


def _names(axis: Axis) -> dict[str, str]:
    """Value id → a name that says more than the id, such as a row's product name."""
    found = {value.id: _name(value) for value in axis.values} if axis.kind == "value" else {}
    return {id_: name for id_, name in found.items() if name and name != id_}


def _name(value: Value) -> str:
    fields = {key.lower(): text for key, text in value.fields.items() if isinstance(text, str)}
    for key in _NAMES:
        if fields.get(key):
            return fields[key][:_LONGEST_NAME]
    return ""
