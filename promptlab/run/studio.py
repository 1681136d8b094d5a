"""A studio opened: its settings, templates, provider, log and store, each made when first asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from promptlab.errors import InputError, Problem
from promptlab.model import Experiment, Parameter
from promptlab.run.options import wrong_option
from promptlab.spec import Settings, find_studio, load_settings
from promptlab.spec.files import Reader, read_bytes

if TYPE_CHECKING:
    from promptlab.log import Log
    from promptlab.plan import Plan
    from promptlab.prompts import Library
    from promptlab.providers import Endpoint
    from promptlab.spec import Where
    from promptlab.store import Store

__all__ = ["Job", "Studio", "prepare"]


@dataclass(frozen=True, slots=True)
class Studio:
    """The folder that experiments, templates, images and the log belong to, with the settings in force."""

    settings: Settings
    environ: Mapping[str, str]

    @classmethod
    def open(
        cls,
        near: Path,
        *,
        db: Path | None = None,
        provider: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Studio:
        """The studio of an experiment file or folder; `db` and `provider` are flags, the strongest settings."""
        environ = os.environ if environ is None else environ
        settings = load_settings(find_studio(near), environ)
        if db is not None:
            settings = replace(settings, db=db.resolve())
        if provider is not None:
            settings = replace(settings, provider=provider)
        return cls(settings, environ)

    @property
    def folder(self) -> Path:
        """The studio's folder."""
        return self.settings.studio

    def library(self) -> Library:
        """The templates folder, with its git history where there is one."""
        from promptlab.git import Repository
        from promptlab.prompts import Library

        folder = self.folder / "templates"
        return Library(folder, repository=Repository.find(folder), shown=self.folder)

    def endpoint(self, provider: str | None = None, *, key_needed: bool = True) -> Endpoint:
        """The provider with its address and key; InputError where the key is missing and needed."""
        from promptlab.providers import connect

        return connect(provider or self.settings.provider, self.settings, self.environ, key_needed=key_needed)

    def log(self, *, create: bool = True, readonly: bool = False) -> Log:
        """The database, migrated to this version's schema."""
        from promptlab.log import Log

        return Log.open(self.settings.db, create=create, readonly=readonly)

    def existing_log(self) -> Log | None:
        """The database for reading, or None where nothing was ever logged."""
        return self.log(create=False, readonly=True) if self.settings.db.is_file() else None

    def store(self) -> Store:
        """The folder of images by content hash."""
        from promptlab.store import Store

        return Store(self.settings.images, self.settings.results)


@dataclass(frozen=True, slots=True)
class Job:
    """An experiment ready to be previewed or run: nothing sent, nothing written."""

    studio: Studio
    experiment: Experiment
    endpoint: Endpoint
    plan: Plan


def _checked(path: Path | str, where: Where, limit: int | None) -> Path:
    """The experiment's path; InputError for what is of a wrong type, before it is a traceback somewhere else."""
    if not isinstance(path, Path | str):
        raise wrong_option("path", path, "a path")
    if not isinstance(where, str | Mapping | Sequence) or not all(isinstance(each, str | Mapping) for each in where):
        raise wrong_option("where", where, "a text such as 'look=neon', a mapping of axis to ids, or a list of them")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise wrong_option("limit", limit, "a whole number from 0 up")
    return Path(path)


def prepare(
    path: Path | str,
    *,
    studio: Studio | None = None,
    provider: str | None = None,
    db: Path | None = None,
    where: Where = (),
    limit: int | None = None,
    key_needed: bool = True,
    environ: Mapping[str, str] | None = None,
    read: Reader = read_bytes,
) -> Job:
    """Load and check an experiment file; InputError holds every problem found, and nothing has been sent.

    The provider is, strongest first: the flag, the experiment's own, the studio's. `where` is a text as the flag takes
    it (`look=neon,item=S-*`), a matcher, or several of them, all of which must match. `key_needed` is off for a plan,
    which sends nothing. `read` gives the bytes of a file, where an experiment is not on disk.
    """
    from promptlab.plan import Target, make_plan
    from promptlab.prompts import expression
    from promptlab.providers import names, parameters
    from promptlab.run.chain import chain_of
    from promptlab.spec import load_experiment

    path = _checked(path, where, limit)
    studio = studio or Studio.open(path, db=db, environ=environ)

    def planned(experiment: Experiment, *, key_needed: bool) -> tuple[Endpoint, Plan]:
        endpoint = studio.endpoint(provider or experiment.provider, key_needed=key_needed)
        target = Target(
            provider=endpoint.provider.name,
            base_url=endpoint.base_url,
            capabilities=endpoint.provider.capabilities,
            price=endpoint.price,
        )
        chain = chain_of(studio.existing_log, studio.store)
        return endpoint, make_plan(experiment, studio.library(), target, where=where, limit=limit, chain=chain)

    def further(experiment: Experiment, missing: frozenset[str]) -> list[Problem]:
        """What templates and provider say of the valid parts of a file, so that all problems are reported at once."""
        try:
            _, plan = planned(experiment, key_needed=False)
        except InputError as error:
            return still_true(error.problems, missing)
        return still_true(plan.problems, missing)

    def chosen(named: str | None) -> Mapping[str, Parameter]:
        """The parameters of the provider that will be used; a flag's is only looked up when it is connected."""
        if provider is not None or named is None:
            name = provider or studio.settings.provider
            return parameters(name) if name in names() else {}
        return parameters(named)

    experiment = load_experiment(
        path, parameters=parameters(), row_filter=expression, further=further, read=read, chosen=chosen
    )
    endpoint, plan = planned(experiment, key_needed=key_needed)
    return Job(studio, experiment, endpoint, plan)


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
