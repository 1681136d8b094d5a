"""A plan against a git revision: which variants were added, removed or changed, and what catching up would cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from promptlab.errors import GitError, InputError
from promptlab.git import Repository
from promptlab.git.objects import Snapshot
from promptlab.model import Axis, Experiment, Source
from promptlab.plan import Plan, make_plan
from promptlab.prompts import Library, expression
from promptlab.providers import parameters
from promptlab.spec.load import load_text
from promptlab.studio.prepare import PreparedRun, with_seeds
from promptlab.studio.preview import preview

__all__ = ["RevisionChanges", "compare_revision", "pinned_plan"]


@dataclass(frozen=True, slots=True)
class RevisionChanges:
    """Variants by name; a changed one has the same axis values and other requests. Cost None is unknown."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    same: int
    to_send: int
    credits: float | None
    cost_usd: float | None


def compare_revision(job: PreparedRun, revision: str) -> RevisionChanges:
    """Compare with the experiment file and templates as they were at `revision`; InputError outside git."""
    now = dict(_requests(job.plan))
    before = dict(_requests(plan_at(job, revision)))
    log = job.studio.existing_log()
    try:
        cost = preview(job, log)
    finally:
        if log is not None:
            log.close()
    shared = now.keys() & before.keys()
    changed = [now[id_][0] for id_ in now if id_ in shared and now[id_][1] != before[id_][1]]
    return RevisionChanges(
        added=tuple(name for id_, (name, _) in now.items() if id_ not in before),
        removed=tuple(name for id_, (name, _) in before.items() if id_ not in now),
        changed=tuple(changed),
        same=len(shared) - len(changed),
        to_send=cost.to_send,
        credits=cost.credits,
        cost_usd=cost.cost_usd,
    )


def plan_at(job: PreparedRun, revision: str) -> Plan:
    """The plan that this experiment file made at a revision, with that revision's templates."""
    path = job.experiment.path
    repository = Repository.find(path.parent)
    if repository is None:
        raise InputError(f"{path} is not in a git repository, so there is no {revision} to compare with", code="no-git")
    try:
        commit = repository.resolve(revision)
    except GitError as error:
        raise InputError(str(error), code="bad-revision") from None
    inside = path.resolve().relative_to(repository.root.resolve()).as_posix()
    text = repository.read(commit, inside)
    if text is None:
        raise InputError(f"{inside} does not exist at {revision}", code="bad-revision")

    def read(file: Path) -> bytes:
        """Rows and bases as they were then; a file outside the repository has no then."""
        known = repository.relative(file)
        if known is None:
            return file.read_bytes()
        content = repository.read(commit, known)
        if content is None:
            raise FileNotFoundError(2, f"not in {revision}", str(file))
        return content

    old = load_text(
        text.decode("utf-8", "replace"),
        path,
        studio=job.studio.folder,
        parameters=parameters(),
        row_filter=expression,
        read=read,
    )
    library = job.studio.library()
    if isinstance(seeds := job.said.get("seeds"), int):
        old = with_seeds(old, seeds)
    pinned = _at(old, then) if (then := _templates_then(repository, commit, library)) else old
    return make_plan(pinned, library, job.plan.target, where=job.plan.where, limit=job.plan.limit)


def _templates_then(repository: Repository, commit: str, library: Library) -> str | None:
    """The commit of the templates then: the same, or a submodule's; None where another repository holds them."""
    if library.repository is None or library.repository.root == repository.root:
        return commit
    inside = library.folder.absolute().relative_to(library.shown.absolute()).as_posix()
    studio = repository.relative(library.shown)
    with repository.objects() as objects:
        item = Snapshot(objects, commit).find(f"{studio}/{inside}")
    return item.id if item is not None and item.is_submodule else None


def pinned_plan(job: PreparedRun, template: str, revision: str | None) -> Plan:
    """The plan of the experiment as it is, with one template file taken from a revision (None: the working copy)."""

    def pin(text: str) -> str:
        name = text.partition("@")[0]
        return text if name != template else f"{name}@{revision}" if revision else name

    experiment = job.experiment
    source = experiment.source
    if source is not None and source.kind == "template":
        source = replace(source, text=pin(source.text))
    axes = tuple(
        replace(axis, values=tuple(replace(value, text=pin(value.text)) for value in axis.values))
        if axis.kind == "template"
        else axis
        for axis in experiment.axes
    )
    changed = replace(experiment, source=source, axes=axes)
    return make_plan(changed, job.studio.library(), job.plan.target, where=job.plan.where, limit=job.plan.limit)


def _at(experiment: Experiment, commit: str) -> Experiment:
    """The same experiment with its template files pinned to a commit."""
    source = experiment.source
    if source is not None:
        source = _pin(source, commit)
    axes = tuple(_pinned_axis(axis, commit) if axis.kind == "template" else axis for axis in experiment.axes)
    return replace(experiment, source=source, axes=axes)


def _pin(source: Source, commit: str) -> Source:
    return source if source.kind == "prompt" or "@" in source.text else replace(source, text=f"{source.text}@{commit}")


def _pinned_axis(axis: Axis, commit: str) -> Axis:
    values = tuple(
        value if "@" in value.text else replace(value, text=f"{value.text}@{commit}") for value in axis.values
    )
    return replace(axis, values=values)


def _requests(plan: Plan) -> Iterator[tuple[str, tuple[str, tuple[str, ...]]]]:
    """Variant id → its name and request hashes."""
    id_, name, hashes = None, "", list[str]()
    for request in plan.requests(by_variant=True):
        if request.variant.id != id_:
            if id_ is not None:
                yield id_, (name, tuple(hashes))
            id_, name, hashes = request.variant.id, request.variant.name or "(the only variant)", []
        hashes.append(request.request_hash)
    if id_ is not None:
        yield id_, (name, tuple(hashes))
