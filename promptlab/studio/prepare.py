"""An experiment file → a run that is ready: every problem found at once, nothing sent, nothing written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from promptlab.errors import InputError, Problem
from promptlab.model import Experiment, ImageSource, Matcher, Parameter
from promptlab.spec.files import Reader, read_bytes
from promptlab.studio.options import wrong_option
from promptlab.studio.studio import Studio

if TYPE_CHECKING:
    from promptlab.log import Log
    from promptlab.plan import Chain, ChainImage, Plan
    from promptlab.providers import Endpoint
    from promptlab.spec.matcher import Values, Where
    from promptlab.store import Store

__all__ = ["PreparedRun", "as_said", "prepare", "still_true", "with_seeds"]


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """An experiment ready to be previewed or run: nothing sent, nothing written.

    `kind` and `parent_run` are those of the run that it makes; `said` is kept with it: what narrowed or widened the
    experiment. `folder` is where the files that it read are, if not in the studio.
    """

    studio: Studio
    experiment: Experiment
    endpoint: Endpoint
    plan: Plan
    kind: Literal["run", "redo"] = "run"
    parent_run: str | None = None
    said: Mapping[str, object] = field(default_factory=dict)
    folder: Path | None = None
    holds: object = None  # removes that folder with the last plan that reads from it


#: More seeds than this for each variant are a mistake.
MOST_SEEDS = 100_000


def _checked(path: Path | str, where: Where, limit: int | None, seeds: int | None) -> Path:
    """The experiment's path; InputError for what is of a wrong type, before it is a traceback somewhere else."""
    if not isinstance(path, Path | str):
        raise wrong_option("path", path, "a path")
    if not isinstance(where, str | Mapping | Sequence) or not all(isinstance(each, str | Mapping) for each in where):
        raise wrong_option("where", where, "a text such as 'look=neon', a mapping of axis to ids, or a list of them")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise wrong_option("limit", limit, "a whole number from 0 up")
    if seeds is not None and (isinstance(seeds, bool) or not isinstance(seeds, int) or not 1 <= seeds <= MOST_SEEDS):
        raise wrong_option("seeds", seeds, f"a whole number from 1 to {MOST_SEEDS:,}")
    return Path(path)


def as_said(where: Where, limit: int | None, seeds: int | None) -> dict[str, object]:
    """What a run keeps of how its experiment was narrowed or widened, as JSON can hold it."""
    texts = [where] if isinstance(where, str | Mapping) else list(where)
    plain = [each if isinstance(each, str) else {axis: sorted(ids) for axis, ids in each.items()} for each in texts]
    said: dict[str, object] = {"where": plain, "limit": limit}
    return said if seeds is None else said | {"seeds": seeds}


def prepare(
    path: Path | str,
    *,
    studio: Studio | None = None,
    provider: str | None = None,
    db: Path | None = None,
    where: Where = (),
    limit: int | None = None,
    seeds: int | None = None,
    key_needed: bool = True,
    environ: Mapping[str, str] | None = None,
    read: Reader = read_bytes,
) -> PreparedRun:
    """Load and check an experiment file; InputError holds every problem found, and nothing has been sent.

    The provider is, strongest first: the flag, the experiment's own, the studio's. `where` is a text as the flag takes
    it (`look=neon,item=S-*`), a matcher, or several of them, all of which must match. `key_needed` is off for a plan,
    which sends nothing. `read` gives the bytes of a file, where an experiment is not on disk.
    """
    from promptlab.plan import Target, make_plan
    from promptlab.prompts import expression
    from promptlab.providers import parameters
    from promptlab.spec.load import load_experiment

    path = _checked(path, where, limit, seeds)
    studio = studio or Studio.open(path, db=db, environ=environ)
    installed = _Installed()

    def planned(experiment: Experiment, *, key_needed: bool) -> tuple[Endpoint, Plan]:
        experiment = experiment if seeds is None else with_seeds(experiment, seeds)
        endpoint = studio.endpoint(provider or experiment.provider, key_needed=key_needed)
        target = Target(
            provider=endpoint.provider.name,
            base_url=endpoint.base_url,
            capabilities=endpoint.provider.capabilities,
            price=endpoint.price,
        )
        chain = _chain_of(studio.existing_log, studio.store)
        return endpoint, make_plan(
            experiment, studio.library(), target, where=where, limit=limit, chain=chain, parameters=installed
        )

    def further(experiment: Experiment, missing: frozenset[str]) -> list[Problem]:
        """What templates and provider say of the valid parts of a file, so that all problems are reported at once."""
        try:
            _, plan = planned(experiment, key_needed=False)
        except InputError as error:
            return still_true(error.problems, missing)
        return still_true(plan.problems, missing)

    def chosen(named: str | None) -> Mapping[str, Parameter]:
        """The parameters of the provider that will be used; a flag's is only looked up when it is connected."""
        if provider is None and named is not None:
            return parameters(named)
        try:
            return parameters(provider or studio.settings.provider)
        except InputError:
            return {}

    # Without a key first: what is wrong with the file is told before that no key is set.
    experiment = load_experiment(
        path, parameters=installed, row_filter=expression, further=further, read=read, chosen=chosen
    )
    endpoint, plan = planned(experiment, key_needed=key_needed)
    return PreparedRun(studio, plan.experiment, endpoint, plan, said=as_said(where, limit, seeds))


def with_seeds(experiment: Experiment, number: int) -> Experiment:
    """The experiment with this many seeds, the first ones those that it has anyway; InputError where it can't be."""
    from promptlab.plan import first_seeds

    if "seed" in experiment.params or any(axis.name == "params.seed" for axis in experiment.axes):
        message = f"--seeds {number}: the seed is set in the experiment's parameters; take it out there, or leave out"
        raise InputError(f"{message} --seeds", code="seed-conflict")
    listed = isinstance(experiment.seeds, tuple)
    return replace(experiment, seeds=first_seeds(experiment, number) if listed else number)


class _Installed(Mapping[str, Parameter]):
    """What any installed provider declares, read when a file names what its own provider does not: finding the others
    takes longer than to plan a small experiment.
    """

    @cached_property
    def _all(self) -> Mapping[str, Parameter]:
        from promptlab.providers import parameters

        return parameters()

    def __getitem__(self, name: str) -> Parameter:
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


#: Faults of templates and parameters, which are so whatever else of the file is missing.
_ALWAYS = ("template-", "bad-parameter", "unknown-parameter", "computed-include", "front-matter", "unknown-filter",
           "unknown-test", "undefined-macro", "variable-type", "missing-image", "bad-image", "no-edit",
           "no-async")  # fmt: skip


def still_true(problems: Sequence[Problem], missing: frozenset[str]) -> list[Problem]:
    """The errors that do not come from the parts that are missing."""
    whole = not missing & {"vars", "axes", "axes.*", "prompts", "templates", "extends"}
    names = [f"'{part.removeprefix('axes.')}'" for part in missing if part.startswith("axes.")]
    return [
        problem
        for problem in problems
        if problem.severity == "error"
        and (problem.code.startswith(_ALWAYS) or (whole and problem.code in ("undefined-variable", "undefined-field")))
        and not (problem.code.startswith("undefined-") and any(name in problem.message for name in names))
    ]


# --- chains: an experiment that edits the images of an earlier one, looked up in the log --------------------------

ID_LENGTH = 12
_IMAGES = (
    "SELECT sha256, axes, mark FROM gallery WHERE run_id = ? AND status = 'stored' ORDER BY generation_rowid, position"
)


def _chain_of(open_log: Callable[[], Log | None], open_store: Callable[[], Store]) -> Chain:
    """The look-up that a plan asks: the images of an experiment's latest run that has any.

    An image's id is the start of its sha256, so that a run whose images are the same (one from the cache, say) makes
    the same variants, and `source_image` of an edit is the `sha256` of what it came from.
    """

    def look(source: ImageSource) -> list[ChainImage]:
        log = open_log()
        if log is None or source.chain is None:
            return []
        with log:
            for run in log.runs(experiment=source.chain):
                rows = list(log.rows(_IMAGES, (run.id,)))
                if rows and run.kind != "verify":
                    where = _resolved(source, log.axis_values(run.id))
                    return list(_picked(source, where, rows, open_store()))
        return []

    return look


def _resolved(source: ImageSource, values: Values) -> tuple[Matcher, ...]:
    """The chain's `where` against what that run planned; InputError at its place for what is not there."""
    from promptlab.spec.matcher import resolve

    try:
        return resolve(source.where, values, f"image: where, in experiment '{source.chain}'")
    except InputError as error:
        if (at := source.place) is None:
            raise
        placed = [replace(p, path=at.path, line=at.line, column=at.column) for p in error.problems]
        raise InputError(placed) from None


def _picked(
    source: ImageSource, where: Sequence[Matcher], rows: list[tuple[str, str | None, str | None]], store: Store
) -> Iterator[ChainImage]:
    from promptlab.plan import ChainImage
    from promptlab.spec.matcher import matches

    for sha256, axes_text, mark in rows:
        axes = json.loads(axes_text or "{}")
        if (source.pick == "kept" and mark != "keep") or not all(matches(matcher, axes) for matcher in where):
            continue
        if store.head(sha256) is not None:
            yield ChainImage(sha256[:ID_LENGTH], store.local_copy(sha256), sha256, axes)
