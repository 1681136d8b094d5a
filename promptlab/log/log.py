"""The log: one writer, one file. Everything a run knows goes through here, and everything can be read back."""

# ruff: noqa: S608  the SQL is put together from this package's own names; values are bound

from __future__ import annotations

import json
import logging
import os
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from promptlab.errors import InputError, LogError
from promptlab.log.cache import Cache
from promptlab.log.connection import prepare, quote
from promptlab.log.forget import Forget
from promptlab.log.judging import Judging
from promptlab.log.marks import Marks
from promptlab.log.picks import Picks
from promptlab.log.rows import ROWS, Row, searchable_later, table
from promptlab.log.runs import Runs
from promptlab.log.scores import Scores
from promptlab.log.sums import Sums
from promptlab.log.templates import Templates
from promptlab.log.votes import Votes
from promptlab.model import InputFile, RunTemplate, TemplateFile, Variant, utc_now

__all__ = ["COMMON", "Log", "axis_columns", "view_name"]

_LOGGER = logging.getLogger(__name__)
_MANY: Final = 20_000  # generations: adding them up takes a second

#: The view of each experiment has its axes as columns, so that facets need no JSON digging; these columns of
#: `gallery` stand in front of and behind the axes.
_FRONT: Final = ("image_id", "thumbnail")
_BACK: Final = (
    *("variant", "seed", "draw", "position", "mark", "tags", "note", "prompt", "revised_prompt", "negative_prompt"),
    *("model", "aspect_ratio", "output_format", "strength", "template", "status", "simulated", "cached"),
    *("credits", "cost_usd", "latency_ms", "width", "height", "bytes", "sha256", "perceptual_hash", "path"),
    *("run_id", "created_at", "variant_id", "template_id", "generation_id", "paid_image_id", "generation_rowid"),
)
COMMON: Final = (*_FRONT, *_BACK)


class Log(Cache, Runs, Sums, Marks, Picks, Votes, Judging, Scores, Templates, Forget):
    """A log's file. One writer per object, from the thread that opened it; readers open their own.

    Writes outside `transaction()` commit by themselves. Every failure of the file is a LogError.
    """

    @classmethod
    def open(cls, path: Path, *, create: bool = True, readonly: bool = False) -> Log:
        """Open a log, make it where there is none, bring an older one up to date; refuse a newer one (LogError)."""
        log = cls(path, prepare(path, create=create, readonly=readonly, migrated=partial(_add_up, cls, path)))
        if not readonly:  # what a killed run left behind
            log.refresh_sums()
        return log

    def __enter__(self) -> Log:
        return self

    # --- rows ---

    def insert(self, row: Row) -> None:
        """Write a new row."""
        target = table(type(row))
        self.execute(target.insert, target.values(row))

    def insert_many(self, rows: Iterable[Row]) -> None:
        """Write new rows of any kinds in one commit, parents first."""
        kinds: dict[type[Row], list[Row]] = {kind: [] for kind in ROWS}
        for row in rows:
            kinds[type(row)].append(row)
        with self.transaction(), searchable_later(self, max(map(len, kinds.values()))):
            for kind, found in kinds.items():
                if found:
                    target = ROWS[kind]
                    self.executemany(target.insert, map(target.values, found))

    def update(self, kind: type[Row], id: str, /, **changes: Any) -> None:
        """Change columns of one row; LogError where it isn't there."""
        target = table(kind)
        if self.execute(target.update(tuple(changes)), (*changes.values(), id)).rowcount != 1:
            raise LogError(f"{self.path} has no row {id} in {target.name} to change")

    # --- what a run is about ---

    def use_experiment(self, name: str, spec_path: Path | None, description: str | None, studio: Path) -> None:
        """Note the experiment, or its file's new place; InputError where another file still has this name."""
        path = None if spec_path is None else _shown(spec_path, studio)
        with self.transaction():
            known = self.execute("SELECT spec_path FROM experiments WHERE name = ?", (name,)).fetchone()
            if known is None:
                sql = "INSERT INTO experiments (name, spec_path, description, created_at) VALUES (?, ?, ?, ?)"
                self.execute(sql, (name, path, description, utc_now()))
                return
            if known[0] and path and not _same_or_gone(studio / known[0], studio / path):
                raise InputError(
                    f"{path}: the experiment name {name!r} belongs to {known[0]}; rename one of the two files "
                    "(runs are found by their experiment's name)",
                    code="experiment-name",
                )
            sql = "UPDATE experiments SET spec_path = ifnull(?, spec_path), description = ? WHERE name = ?"
            self.execute(sql, (path, description, name))

    def add_inputs(self, run_id: str, inputs: Iterable[InputFile]) -> None:
        """Keep the files that a run read; one that is there stays as it was first read."""
        sql = "INSERT INTO inputs (run_id, path, role, sha256, content) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        self.executemany(sql, [(run_id, each.path, each.role, each.sha256, each.content) for each in inputs])

    def add_templates(self, run_id: str, templates: Iterable[tuple[RunTemplate, Sequence[TemplateFile]]]) -> None:
        """Keep the templates that a run uses, each text once: a template's id is the hash of all its files."""
        with self.transaction():
            for used, files in templates:
                self._add_template(run_id, used, files)

    def _add_template(self, run_id: str, used: RunTemplate, files: Sequence[TemplateFile]) -> None:
        id_ = used.template_id
        if self.value("SELECT 1 FROM templates WHERE id = ?", (id_,)) is None:
            main = next((file for file in files if file.path == used.path), files[0])
            self.execute("INSERT INTO templates (id, path, source) VALUES (?, ?, ?)", (id_, used.path, main.source))
            sql = "INSERT INTO template_files (template_id, path, source, git_blob) VALUES (?, ?, ?, ?)"
            self.executemany(sql, [(id_, file.path, file.source, file.git_blob) for file in files])
        sql = """
            INSERT INTO run_templates (run_id, value, template_id, path, ref, git_commit, git_dirty)
            VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
        """
        self.execute(sql, (run_id, used.value, id_, used.path, used.ref, used.git_commit, used.git_dirty))

    def add_variants(self, experiment: str, variants: Iterable[Variant]) -> None:
        """Note variants, in one commit; those that are there stay as they are."""
        sql = "INSERT INTO variants (experiment, id, name, axes) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
        self.executemany(sql, ((experiment, each.id, each.name, _json(each.axes)) for each in variants))

    def ensure_axes_view(self, experiment: str, axes: Sequence[str]) -> str:
        """Make or renew the view that has these axes as columns; gives its name, also in `experiments.axes_view`."""
        with self.transaction():
            taken = dict(self.rows("SELECT axes_view, name FROM experiments WHERE axes_view IS NOT NULL"))
            name = next((view for view, owner in taken.items() if owner == experiment), None)
            name = name or view_name(experiment, taken)
            sql = view_sql(name, experiment, axes)
            there = self.value("SELECT sql FROM sqlite_master WHERE type = 'view' AND name = ?", (name,))
            if there != sql:
                self.execute(f"DROP VIEW IF EXISTS {quote(name)}")
                self.execute(sql)
                self.execute("UPDATE experiments SET axes_view = ? WHERE name = ?", (name, experiment))
        return name


def _add_up(kind: type[Log], path: Path, connection: sqlite3.Connection) -> None:
    """The first sums of a log that was just brought up to date; killed here, they are made by its next writer."""
    log = kind(path, connection)
    if (rows := log.value("SELECT count(*) FROM generations")) > _MANY:
        _LOGGER.warning(
            "%s is brought up to date, with the sums of %s generations: once, for some seconds", path, f"{rows:,}"
        )
    log.refresh_sums()


def _text(value: str) -> str:
    """An SQL text."""
    return "'" + value.replace("'", "''") + "'"


def view_name(experiment: str, taken: Mapping[str, str]) -> str:
    """`axes_<experiment>`, safe to type; with part of a hash where another experiment's view has that name.

    `taken` maps the views there are, in lower case, to their experiments.
    """
    slug = re.sub(r"\W+", "_", experiment.lower())
    name = f"axes_{slug}"
    if taken.get(name, experiment) == experiment:
        return name
    return f"{name}_{sha256(experiment.encode()).hexdigest()[:8]}"


def axis_columns(axes: Sequence[str]) -> dict[str, str]:
    """Axis → its column: its own name, or `axis_<name>` where a common column or another axis has it.

    SQLite gives a column named true or false another name, so these two are taken as well.
    """
    taken = {"true", "false", *COMMON}
    columns = {}
    for axis in axes:
        column = axis or "axis"
        while column.lower() in taken:
            column = f"axis_{column}"
        taken.add(column.lower())
        columns[axis] = column
    return columns


def view_sql(name: str, experiment: str, axes: Iterable[str]) -> str:
    """The view: the useful columns of `gallery`, one row per image, with a column for each axis."""
    columns = [f"  {column}" for column in _FRONT]
    columns += [f"  {_axis_value(axis)} AS {quote(column)}" for axis, column in axis_columns(tuple(axes)).items()]
    columns += [f"  {column}" for column in _BACK]
    chosen = ",\n".join(columns)
    return f"CREATE VIEW {quote(name)} AS\nSELECT\n{chosen}\nFROM gallery\nWHERE experiment = {_text(experiment)}"


def _axis_value(axis: str) -> str:
    """The value id of an axis, out of the JSON of `variants.axes`.

    A name that JSON would escape has no path that every SQLite understands; it is looked for among the keys.
    """
    if re.search(r'["\\\x00-\x1f\x7f]', axis) or not axis:
        return f"(SELECT e.value FROM json_each(axes) e WHERE e.key = {_text(axis)})"
    path = f'$."{axis}"'
    return f"json_extract(axes, {_text(path)})"


def _json(value: Any) -> str:
    return json.dumps(dict(value), ensure_ascii=False, separators=(",", ":"))


def _shown(path: Path, studio: Path) -> str:
    """Relative to the studio where it is inside, so that a studio can be moved."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100  a link keeps its own name
    inside = Path(os.path.abspath(studio))  # noqa: PTH100
    return absolute.relative_to(inside).as_posix() if absolute.is_relative_to(inside) else str(absolute)


def _same_or_gone(old: Path, new: Path) -> bool:
    return not old.exists() or (new.exists() and old.samefile(new)) or old == new
