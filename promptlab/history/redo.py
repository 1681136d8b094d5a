"""Only the bad ones again: the requests of a run that were rejected, or that are named, prepared once more.

The experiment is the run's own, from the log. What is chosen keeps its variant; its prompt may come from a mended
template, its seed may be the next one that the variant never had. Nothing here sends: the result goes to the same
runner, through the same preview and consent, as any run.

Asked twice, a redo is the same: what an earlier redo with the same settings asked for, and nobody has judged yet, is
asked for again, so that the log answers it.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from promptlab.errors import InputError
from promptlab.history.from_log import from_log
from promptlab.log import AskedBefore, Log, PlannedRequest
from promptlab.model import Experiment, Run
from promptlab.plan import CellRepeats, Repeat, first_seeds
from promptlab.prompts import Template
from promptlab.spec.matcher import Where, matches, resolve
from promptlab.studio.options import wrong_option
from promptlab.studio.prepare import PreparedRun, as_said
from promptlab.studio.studio import Studio

__all__ = ["Redo", "Seeds", "prepare_redo"]

Seeds = Literal["new", "same"]


@dataclass(frozen=True, slots=True)
class Redo:
    """What a redo comes to: `job` is to be run like any other, and None where there is nothing to make again.

    `notes` say what of the studio is not used, since it changed after the run.
    """

    parent: Run
    chosen: int  # requests
    job: PreparedRun | None
    notes: tuple[str, ...] = ()


class _Laid:
    """A folder for the files that a run read, removed with the last who holds it."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="promptlab-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def prepare_redo(
    run: str,
    *,
    rejected: bool = False,
    without_pick: bool = False,
    where: Where = (),
    template: str | None = None,
    seeds: Seeds | None = None,
    limit: int | None = None,
    provider: str | None = None,
    key_needed: bool = True,
    studio: Studio | Path | str | None = None,
    db: Path | None = None,
) -> Redo:
    """Choose requests of a run to be made again; nothing is sent, nothing written.

    `rejected`: the latest mark of any of its images is reject, and its variant has no pick (a kept image, of whichever
    run). `without_pick`: every request of a variant that has none, judged or not. `where` picks variants; what is
    named must all hold, and `rejected` is what is meant where nothing is. `template` is a file of templates/, with
    `@revision` if wished. `seeds` are `same` with a template and `new` without, unless named: a new seed is the
    experiment's next one, or its next draw where no seed is sent. `limit` takes the first of them. InputError where
    that would ask for exactly what the run asked for.
    """
    mode = _mode(seeds, template)
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise wrong_option("limit", limit, "a whole number from 0 up")
    opened = (
        studio if isinstance(studio, Studio) else Studio.open(Path.cwd() if studio is None else Path(studio), db=db)
    )
    with opened.log(create=False, readonly=True) as log:
        parent = log.find_whole_run(run)
        rejected = rejected or not (without_pick or where)
        chosen = _choose(log, parent, rejected=rejected, without_pick=without_pick, where=where)[:limit]
        notes = tuple(_changed_since(opened, log, parent, template))
        if not chosen:
            return Redo(parent, 0, None, notes)
        mended = None if template is None else opened.library().get(_reference(opened, template))
        plan = _Requests(chosen, parent.id, mode, mended)
        laid = _Laid()
        job = from_log(
            opened, log, parent, laid.path, provider=provider, only=plan, template=mended, key_needed=key_needed
        )
        _refuse_the_same(job, chosen, parent)
    said = as_said(where, limit, None) | {"rejected": rejected, "without_pick": without_pick}
    said = {"redo": said | {"template": template, "seeds": mode}}
    if isinstance(number := job.said.get("seeds"), int):  # the experiment is read with as many as its run had
        said["seeds"] = number
    job = replace(job, kind="redo", parent_run=parent.id, said=said, holds=laid)
    return Redo(parent, len(chosen), job, notes)


def _mode(seeds: Seeds | None, template: str | None) -> Seeds:
    if seeds is None:
        return "new" if template is None else "same"
    if seeds not in ("new", "same"):
        raise wrong_option("seeds", seeds, "'new' or 'same'")
    return seeds


def _choose(log: Log, parent: Run, *, rejected: bool, without_pick: bool, where: Where) -> list[PlannedRequest]:
    """The requests of the run that every condition chooses, in the order of its plan."""
    rows: Iterable[PlannedRequest] = log.planned_requests(parent.id)
    if where:
        matchers = resolve(where, log.axis_values(parent.id))
        rows = [row for row in rows if all(matches(matcher, row.axes) for matcher in matchers)]
    if rejected or without_pick:
        picked = log.picked_variants(parent.id)
        rows = [row for row in rows if row.variant_id not in picked]
    if rejected:
        refused = log.marked_generations("reject")
        rows = [row for row in rows if row.paid_id in refused]
    return list(rows)


# --- which requests take their place ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Requests:
    """Plans the chosen requests anew, once their experiment is read (`from_log.Choice`)."""

    chosen: Sequence[PlannedRequest]
    parent: str
    mode: Seeds
    template: Template | None

    def __call__(self, experiment: Experiment, log: Log, run: Run) -> list[CellRepeats]:
        """Variant by variant, in the order of the run's plan."""
        variants: dict[str, list[PlannedRequest]] = {}
        for row in self.chosen:
            variants.setdefault(row.variant_id, []).append(row)
        if self.mode == "same":
            return [
                CellRepeats(rows[0].axes, tuple(Repeat(row.seed_index, row.seed, row.draw) for row in rows))
                for rows in variants.values()
            ]
        asked: dict[str, list[AskedBefore]] = {}
        for each in log.asked_before(run.experiment, variants):
            asked.setdefault(each.variant_id, []).append(each)
        judged = log.marked_generations("keep") | log.marked_generations("reject")
        return [
            CellRepeats(rows[0].axes, tuple(self._new(experiment, rows, asked[id_], judged)))
            for id_, rows in variants.items()
        ]

    def _new(
        self, experiment: Experiment, rows: Sequence[PlannedRequest], asked: Sequence[AskedBefore], judged: set[str]
    ) -> list[Repeat]:
        """As many repeats as rows: what a redo like this one asked for and nobody judged, then ones never asked for."""
        template_id = rows[0].template_id if self.template is None else self.template.id
        waiting = dict.fromkeys(
            Repeat(each.seed_index, each.seed, each.draw)
            for each in asked
            if each.redo_of == self.parent and each.said.get("seeds") == "new"
            and each.template_id == template_id and each.paid_id not in judged
        )  # fmt: skip
        again = list(waiting)[: len(rows)]
        return again + never_asked(experiment, rows[0], asked, len(rows) - len(again))


def never_asked(experiment: Experiment, row: PlannedRequest, asked: Sequence[AskedBefore], number: int) -> list[Repeat]:
    """Repeats that a variant never had: the experiment's next seeds after every index in the log, or the next draws."""
    if experiment.seeds is None:  # none is sent, or a parameter gives it
        first = 1 + max(each.draw for each in asked)
        return [Repeat(row.seed_index, row.seed, draw) for draw in range(first, first + number)]
    used = {each.seed for each in asked}
    index = 1 + max((each.seed_index for each in asked if each.seed_index is not None), default=-1)
    seeds = first_seeds(experiment, index + number + len(used))
    return [Repeat(at, seeds[at]) for at in range(index, len(seeds)) if seeds[at] not in used][:number]


# --- what is said about it ----------------------------------------------------------------------------------------


def _reference(studio: Studio, template: str) -> str:
    """A template as the library names it, where a path to its file was given."""
    name, at, revision = template.partition("@")
    path, folder = Path(name).resolve(), (studio.folder / "templates").resolve()
    if path.is_relative_to(folder) and path != folder and path.exists():
        name = path.relative_to(folder).as_posix()
    return name.removeprefix("templates/") + at + revision


def _refuse_the_same(job: PreparedRun, chosen: Sequence[PlannedRequest], parent: Run) -> None:
    """The very requests of the run would only be answered by the log: InputError."""
    had = {row.request_hash for row in chosen if row.status == "completed"}
    if all(request.request_hash in had for request in job.plan.requests()):
        raise InputError(
            f"this would ask for exactly what run {parent.id} asked for, and the log has the answers; change the "
            "prompt (--template T) or take other seeds (--seeds new)",
            code="nothing-changes",
        )


def _changed_since(studio: Studio, log: Log, run: Run, template: str | None) -> Iterable[str]:
    """Sentences about files that are no longer what the run read: the redo takes them from the log."""
    changed = [
        each.path
        for each in log.inputs(run.id)
        if each.role in ("spec", "base", "rows") and _sha256(studio.folder / each.path) not in (None, each.sha256)
    ]
    if changed:
        named = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
        yield f"changed since run {run.id}, so they are used as that run read them: {named}"
    if template is not None:
        return
    for id_, used in log.run_templates(run.id).items():
        if not used.inline and used.ref is None and _now(studio, used.path) != id_:
            yield (
                f"the template {used.path} has changed since run {run.id}, and is used as that run read it; "
                f"--template {used.path} takes it as it is now"
            )


def _sha256(path: Path) -> str | None:
    """The hash of a file; None where there is none, as of an experiment that was a dict."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _now(studio: Studio, path: str) -> str | None:
    """The id of a template as it is now; None where it is gone, or can't be read."""
    try:
        return studio.library().get(path).id
    except InputError:
        return None
