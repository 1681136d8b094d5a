"""A run rebuilt from the log alone: its experiment, rows, templates and source images as the run read them.

The log keeps every text that a run read (`runs.spec_text`, `inputs`, `template_files`) and the store every source
image, so nothing of the studio's files is needed. What reads an earlier run again goes through here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from promptlab.errors import InputError
from promptlab.log import Log, UsedTemplate
from promptlab.model import Experiment, Place, Run, Source
from promptlab.plan import Target, make_plan
from promptlab.prompts import Library, Template, expression
from promptlab.providers import parameters
from promptlab.spec.load import load_experiment, load_text
from promptlab.store import Store
from promptlab.studio.prepare import PreparedRun
from promptlab.studio.studio import Studio

__all__ = ["LoggedLibrary", "experiment_then", "from_log", "logged_template"]


def from_log(studio: Studio, log: Log, run: Run, folder: Path) -> PreparedRun:
    """The run as it was prepared: its requests have the hashes, and the order, of the run's own.

    Its files are laid out in `folder`, which is the caller's and has to be empty. `--where` and `--limit` of the run
    hold again. Prices, plan and address are today's. InputError where the log does not have the experiment's text,
    or this version reads it differently.
    """
    if run.spec_text is None:
        raise InputError(f"the log does not have the experiment of run {run.id}", code="no-experiment-text")
    path = lay_out(log, studio.store(), run, folder)
    experiment = load_experiment(path, parameters=parameters(), row_filter=expression, studio=folder)
    endpoint = studio.endpoint(run.provider, key_needed=False)
    provider = endpoint.provider
    target = Target(provider.name, endpoint.base_url, provider.capabilities, endpoint.price)
    said = json.loads(run.settings or "{}")
    library = LoggedLibrary(log, run.id, folder / ".templates")
    plan = make_plan(experiment, library, target, where=said.get("where") or (), limit=said.get("limit"))
    return PreparedRun(studio, experiment, endpoint, plan)


def lay_out(log: Log, store: Store, run: Run, folder: Path) -> Path:
    """Write what the run read below `folder`, each file where it was in the studio; the path of the experiment."""
    path = folder / (log.spec_path(run.experiment) or "")
    if path == folder or not _is_inside(folder, path):  # it lay outside the studio
        path = folder / "experiments" / f"{run.experiment}.yaml"
    _write(path, (run.spec_text or "").encode())
    for each in log.inputs(run.id):
        target = folder / each.path
        if not _is_inside(folder, target):
            continue
        if each.content is not None:
            _write(target, each.content.encode())
        elif store.head(each.sha256) is not None:
            _write(target, store.get(each.sha256))
    return path


def _is_inside(folder: Path, path: Path) -> bool:
    """Whether a logged path stays below the folder: what lay elsewhere (an absolute path, a URL) is not laid out."""
    return Path(os.path.normpath(path)).is_relative_to(os.path.normpath(folder))


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def experiment_then(studio: Studio, log: Log, run: Run) -> Experiment | None:
    """The experiment as the run read it, its paths those of the studio; None where the log does not have its text."""
    if run.spec_text is None:
        return None
    path = log.spec_path(run.experiment) or "experiments/experiment.yaml"
    return load_text(
        run.spec_text,
        studio.folder / path,
        studio=studio.folder,
        parameters=parameters(),
        row_filter=expression,
        read=_logged_files(studio, log, run.id),
    )


def _logged_files(studio: Studio, log: Log, run_id: str) -> Callable[[Path], bytes]:
    """Reads the files of a run as the run read them."""
    known = {(studio.folder / each.path).resolve(): each.content for each in log.inputs(run_id)}

    def read(path: Path) -> bytes:
        content = known.get(path.resolve())
        if content is None:
            raise FileNotFoundError(2, "not among the run's inputs", str(path))
        return content.encode()

    return read


def logged_template(used: UsedTemplate, folder: Path) -> Template:
    """The template as the log keeps it, whatever became of its file since; its files are written below `folder`."""
    main, *others = used.files
    for file in others if used.inline else used.files:
        _write(folder / file.path, file.source.encode())
    library = Library(folder, shown=folder)
    if used.inline:
        return library.inline(Source("prompt", main.source), used.path)
    return library.get(used.path)


class LoggedLibrary(Library):
    """The templates of one run, each version under the reference that the experiment has for it."""

    def __init__(self, log: Log, run_id: str, folder: Path) -> None:
        super().__init__(folder)
        self._used = log.run_templates(run_id)
        self._versions: dict[str, Template] = {}

    def get(self, ref: str, place: Place | None = None) -> Template:
        """The version of a template that the run used; InputError for one that it did not use."""
        name, at, revision = ref.partition("@")
        for id_, used in self._used.items():
            if not used.inline and (used.path, used.ref) == (name, revision if at else None):
                return self._version(id_, used)
        raise InputError(f"the log has no template {ref!r} of this run", code="template-missing")

    def inline(self, source: Source, name: str) -> Template:
        """A prompt of the experiment, with the includes of then; any other text includes nothing."""
        text = source.text.replace("\r\n", "\n").replace("\r", "\n")
        for id_, used in self._used.items():
            if used.inline and used.files[0].source == text:
                return self._version(id_, used)
        return super().inline(source, name)

    def _version(self, template_id: str, used: UsedTemplate) -> Template:
        if template_id not in self._versions:
            made = logged_template(used, self.folder / template_id)
            if made.id != template_id:
                message = f"the template {used.path} of this run is read differently by this version of promptlab"
                raise InputError(message, code="template-differs")
            self._versions[template_id] = made
        return self._versions[template_id]
