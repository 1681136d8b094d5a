"""What `a=…&b=…` of the page that compares two means: variants, values of an axis, templates, revisions of one.

A revision is looked for in the log first (a run that used it says which commit that was), then in the git history of
the studio's templates, where the log lies in a studio.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from promptlab.browse.experiment_facts import facts_of
from promptlab.browse.page_data import Row, fetch
from promptlab.compare import asked_values, axes_of, default_axis, default_pair
from promptlab.errors import PromptlabError

if TYPE_CHECKING:
    from promptlab.prompts import Library

__all__ = ["Ask", "Side", "Sides", "TemplateText", "library_near", "sides_of"]

Kind = Literal["variant", "value", "template"]
_VARIANTS = 10_000  # of a run, looked through for the axes that it has
_VERSIONS = 200  # of templates, listed to choose from
_HASH = re.compile("[0-9a-f]{6,64}")


@dataclass(frozen=True, slots=True)
class Ask:
    """What the address says: what `a` and `b` are (`by`: an axis, `variant` or `template`; empty is found out)."""

    by: str = ""
    a: str = ""
    b: str = ""
    values: tuple[str, str] | None = None  # `axis.style=film..ink`: the axis, and the text


@dataclass(frozen=True, slots=True)
class TemplateText:
    """One version of a template, with all it includes."""

    id: str
    path: str
    files: Mapping[str, str]  # path → source
    commit: str | None = None
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two. `variants`: id → the axes that both sides share; `axes` are those of the one variant."""

    name: str
    variants: Mapping[str, Mapping[str, str]]
    template: TemplateText | None = None
    axes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sides:
    """The two, and what else could be compared: the axes of the run with their values, and template versions."""

    kind: Kind
    by: str  # the axis, "variant" or "template"
    left: Side | None
    right: Side | None
    axes: Mapping[str, Sequence[str]]
    variants: Mapping[str, str]  # id → name, of a run that has few
    templates: Sequence[Row]
    problem: str = ""


def sides_of(connection: sqlite3.Connection, run: Row, ask: Ask, library: Library | None) -> Sides:
    """Find the two sides. What is not there is said in `problem`, with what would be."""
    rows = _variants(connection, run)
    facts = facts_of(connection, run["id"])
    axes = {axis: _ordered(values, facts.order.get(axis, ()), facts.baseline.get(axis))
            for axis, values in axes_of(each["axes"] for each in rows.values()).items()}  # fmt: skip
    templates = _versions(connection, run["experiment"])
    known = {id_: str(each["name"]) for id_, each in rows.items()} if len(rows) <= _VERSIONS else {}
    by, a, b = _meant(ask, axes, rows, templates, facts.baseline)
    kind: Kind = "value" if by in axes else "template" if by == "template" else "variant"
    sides: list[Side | None] = []
    problems: list[str] = []
    for text in (a, b):
        try:
            sides.append(_side(connection, kind, by, text, rows, axes, templates, library))
        except LookupError as error:
            problems.append(str(error.args[0]))
            sides.append(None)
    left, right = sides
    if left is not None and right is not None and _same(left, right):
        problems.append("both sides are the same; choose another one to compare with")
    return Sides(kind, by, left, right, axes, known, templates, "; ".join(dict.fromkeys(problems)))


def _variants(connection: sqlite3.Connection, run: Row) -> dict[str, Row]:
    """Id → name and axes of the run's variants, in the order of its plan; of a run of very many, the first ones."""
    sql = """
        SELECT c.variant_id AS id, v.name, v.axes FROM (
          SELECT variant_id, min(rowid) AS first FROM generations INDEXED BY generations_experiment
          WHERE experiment = ?1 AND rowid BETWEEN ifnull((SELECT min(rowid) FROM generations WHERE run_id = ?2), 0)
            AND ifnull((SELECT max(rowid) FROM generations WHERE run_id = ?2), 0)
          GROUP BY variant_id LIMIT ?3
        ) c LEFT JOIN variants v ON v.experiment = ?1 AND v.id = c.variant_id ORDER BY c.first
    """
    found = {row["id"]: row for row in fetch(connection, sql, run["experiment"], run["id"], _VARIANTS)}
    for row in found.values():
        row["axes"] = json.loads(row["axes"] or "{}")
        row["name"] = row["name"] or row["id"]
    return found


def _versions(connection: sqlite3.Connection, experiment: str) -> list[Row]:
    """The versions of templates that this experiment's runs used, the last used first."""
    sql = """
        SELECT rt.template_id AS id, rt.path, rt.ref, rt.git_commit, rt.git_dirty, max(rt.value) AS value,
          max(r.started_at) AS last_used, count(DISTINCT r.id) AS runs
        FROM runs r JOIN run_templates rt ON rt.run_id = r.id WHERE r.experiment = ? AND r.kind <> 'verify'
        GROUP BY rt.template_id, rt.path ORDER BY last_used DESC, rt.rowid LIMIT ?
    """
    return fetch(connection, sql, experiment, _VERSIONS)


def _meant(
    ask: Ask,
    axes: Mapping[str, Sequence[str]],
    rows: Mapping[str, Row],
    templates: Sequence[Row],
    baseline: Mapping[str, str],
) -> tuple[str, str, str]:
    """What is compared, and the two texts; a part that the address leaves out is what one would look at first."""
    if ask.values is not None:
        axis, text = ask.values
        found = asked_values(text, axes.get(axis, ()))
        return (axis, *(found or (text, text)))
    by = ask.by or _by(ask, axes, rows, templates, baseline)
    if by in axes:
        choice: Sequence[str] = axes[by]
    elif by == "template":
        choice = [str(row["id"]) for row in templates]
    else:
        choice = list(rows)
    first, second = default_pair(choice) or ("", "")
    a = ask.a or (second if ask.b == first else first)
    b = ask.b or (second if a != second else first)
    return by, a, b


def _ordered(values: Sequence[str], order: Sequence[str], baseline: str | None) -> list[str]:
    """The values in the order of the experiment's file, its baseline first: what everything else is compared with."""
    known = [value for value in (*([baseline] if baseline else []), *order) if value in values]
    return list(dict.fromkeys([*known, *values]))


def _by(
    ask: Ask,
    axes: Mapping[str, Sequence[str]],
    rows: Mapping[str, Row],
    templates: Sequence[Row],
    baseline: Mapping[str, str],
) -> str:
    """What two names are, where the address does not say."""
    named = [text for text in (ask.a, ask.b) if text]
    if not named:
        return default_axis(axes, baseline) or ("template" if len(templates) > 1 else "variant")
    names = {str(row["name"]) for row in rows.values()}
    if all(text in rows or text in names for text in named):
        return "variant"
    for axis, values in axes.items():
        if all(text in values for text in named):
            return axis
    return "variant" if not any(_looks_like_a_template(text, templates) for text in named) else "template"


def _looks_like_a_template(text: str, templates: Sequence[Row]) -> bool:
    path = text.partition("@")[0]
    return path.endswith((".j2", ".jinja", ".yaml", ".yml")) or any(
        path == row["path"] or str(row["id"]).startswith(text) for row in templates
    )


def _same(left: Side, right: Side) -> bool:
    if left.template is not None and right.template is not None:
        return left.template.id == right.template.id
    return left.name == right.name


def _side(
    connection: sqlite3.Connection,
    kind: Kind,
    by: str,
    text: str,
    rows: Mapping[str, Row],
    axes: Mapping[str, Sequence[str]],
    templates: Sequence[Row],
    library: Library | None,
) -> Side:
    """One side; LookupError with a sentence where there is no such thing."""
    if kind == "value":
        if text not in axes[by]:
            raise LookupError(f"the axis {by} has no value {text!r} in this run")
        chosen = {id_: row["axes"] for id_, row in rows.items() if row["axes"].get(by) == text}
        return Side(text, {id_: {k: v for k, v in own.items() if k != by} for id_, own in chosen.items()})
    if kind == "variant":
        id_ = text if text in rows else next((id_ for id_, row in rows.items() if row["name"] == text), None)
        if id_ is None:
            raise LookupError(f"this run has no variant {text!r}" if text else "this run has one variant only")
        return Side(str(rows[id_]["name"]), {id_: {}}, axes=rows[id_]["axes"])
    found = _template(connection, text, templates, library)
    return Side(_named(found), {}, found)


def _named(template: TemplateText) -> str:
    version = template.ref or (template.commit or "")[:10] or template.id[:10]
    return f"{template.path}@{version}"


# --- templates ----------------------------------------------------------------------------------------------------


def _template(
    connection: sqlite3.Connection, text: str, templates: Sequence[Row], library: Library | None
) -> TemplateText:
    """A version of a template by its id, by `path`, or by `path@revision`."""
    path, _, revision = text.partition("@")
    if not text:
        raise LookupError("this experiment used one version of one template only")
    sql, values = "SELECT id, path FROM templates WHERE id = ?", [text]
    if _HASH.fullmatch(text):
        sql, values = "SELECT id, path FROM templates WHERE id BETWEEN ? AND ? LIMIT 2", [text, text + "g"]
    known = fetch(connection, sql, *values)
    if len(known) == 1:
        return _logged(connection, known[0]["id"], known[0]["path"], templates)
    if not revision:
        current = _from_folder(library, path)
        if current is not None:
            return current
        id_ = next((row["id"] for row in templates if row["path"] == path), None) or _last_used(connection, path)
        if id_ is not None:
            return _logged(connection, id_, path, templates)
        raise LookupError(f"no run of this log used a template {text!r}")
    is_commit = re.fullmatch("[0-9a-f]{7,40}", revision) is not None  # else a tag or branch, which may have moved
    found = None if is_commit else _from_folder(library, text)
    if found is None and (id_ := _id_at(connection, path, revision)) is not None:
        return _logged(connection, id_, path, templates, revision)
    found = found or _from_folder(library, text)
    if found is None:
        more = "" if library is None else " nor in git: check the path and the revision"
        raise LookupError(f"{text!r} is not in the log{more}")
    return found


def _last_used(connection: sqlite3.Connection, path: str) -> str | None:
    sql = """
        SELECT rt.template_id FROM templates t JOIN run_templates rt ON rt.template_id = t.id
        JOIN runs r ON r.id = rt.run_id WHERE t.path = ? ORDER BY r.started_at DESC LIMIT 1
    """
    row = connection.execute(sql, (path,)).fetchone()
    return str(row[0]) if row else None


def _id_at(connection: sqlite3.Connection, path: str, revision: str) -> str | None:
    """The version that a run read at this revision: the commit itself, or the name of it that the run wrote down."""
    sql = """
        SELECT rt.template_id FROM templates t JOIN run_templates rt ON rt.template_id = t.id
        WHERE t.path = ?1 AND NOT ifnull(rt.git_dirty, 0)
          AND (rt.ref = ?2 OR (length(?2) >= 7 AND substr(rt.git_commit, 1, length(?2)) = lower(?2))) LIMIT 1
    """
    row = connection.execute(sql, (path, revision)).fetchone()
    return str(row[0]) if row else None


def _logged(
    connection: sqlite3.Connection, id_: str, path: str, templates: Sequence[Row], ref: str | None = None
) -> TemplateText:
    """A version as the log keeps it."""
    sql = "SELECT path, source FROM template_files WHERE template_id = ? ORDER BY path <> ?, path"
    files = {str(row["path"]): str(row["source"]) for row in fetch(connection, sql, id_, path)}
    if not files:
        row = connection.execute("SELECT source FROM templates WHERE id = ?", (id_,)).fetchone()
        files = {path: str(row[0])} if row else {}
    used: Row = next((row for row in templates if row["id"] == id_), {})
    commit = None if used.get("git_dirty") else used.get("git_commit")
    return TemplateText(id_, path, files, commit, ref or used.get("ref"))


def _from_folder(library: Library | None, ref: str) -> TemplateText | None:
    """A version from the studio's templates folder or its git history; None where it is not there."""
    if library is None:
        return None
    try:
        found = library.get(ref)
    except PromptlabError:  # no such template or revision, or one with mistakes: what the log has is looked for
        return None
    name = ref.partition("@")[2] or "working copy"
    return TemplateText(found.id, found.path, {file.path: file.source for file in found.files}, None, name)


def library_near(db: Path) -> Library | None:
    """The templates of the studio that this log belongs to; None where it is in none."""
    from promptlab.spec.files import SETTINGS_FILE
    from promptlab.studio.studio import Studio

    folder = db.absolute().parent
    if not (folder / SETTINGS_FILE).is_file() and not (folder / "templates").is_dir():
        return None
    try:
        return Studio.open(folder, db=db, environ={}).library()
    except PromptlabError:
        return None
