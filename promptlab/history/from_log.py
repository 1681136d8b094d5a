"""A run rebuilt from the log alone: its experiment, rows, templates and source images as the run read them.

The log keeps every text that a run read (`runs.spec_text`, `inputs`, `template_files`) and the store every source
image, so nothing of the studio's files is needed. What reads an earlier run again goes through here.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from promptlab.errors import InputError
from promptlab.log import Log, UsedTemplate
from promptlab.model import Experiment, ImageSource, Place, Run, Source
from promptlab.plan import CellRepeats, Chain, ChainImage, Repeat, Target, make_plan
from promptlab.prompts import Library, Template, expression
from promptlab.providers import parameters
from promptlab.spec.load import load_experiment, load_text
from promptlab.spec.names import CHAIN_AXIS
from promptlab.store import Store
from promptlab.studio.prepare import PreparedRun, with_seeds
from promptlab.studio.studio import Studio

__all__ = ["Choice", "LoggedLibrary", "experiment_then", "from_log", "logged_template"]


def from_log(
    studio: Studio,
    log: Log,
    run: Run,
    folder: Path,
    *,
    provider: str | None = None,
    only: Choice | None = None,
    template: Template | None = None,
    key_needed: bool = False,
) -> PreparedRun:
    """The run as it was prepared: its requests have the hashes, and the order, of the run's own.

    Its files are laid out in `folder`, which is the caller's and has to be empty. `--where`, `--limit` and `--seeds` of
    the run hold again, and a redo is what it chose. Prices, plan and address are today's; `provider` is another one.
    `only` chooses requests of its own, and `template` writes their prompts. InputError where the log does not have the
    experiment's text, or this version reads it differently.
    """
    if run.spec_text is None:
        raise InputError(f"the log does not have the experiment of run {run.id}", code="no-experiment-text")
    said = json.loads(run.settings or "{}")
    store = studio.store()
    path = lay_out(log, store, run, folder)
    experiment = load_experiment(path, parameters=parameters(), row_filter=expression, studio=folder)
    if isinstance(seeds := said.get("seeds"), int):
        experiment = with_seeds(experiment, seeds)
    endpoint = studio.endpoint(provider or run.provider, key_needed=key_needed)
    target = Target(endpoint.provider.name, endpoint.base_url, endpoint.provider.capabilities, endpoint.price)
    library = LoggedLibrary(log, run.id, folder / ".templates")
    templates = dict.fromkeys(_values(experiment), template) if template else library.by_value(experiment)
    chosen = _its_own if only is None and run.kind == "redo" else only
    plan = make_plan(
        experiment, library, target, chain=_chain_then(log, store, run.id), templates=templates,
        where=(said.get("where") or ()) if chosen is None else (),
        limit=said.get("limit") if chosen is None else None,
        only=None if chosen is None else chosen(experiment, log, run),
    )  # fmt: skip
    shown = replace(experiment, path=studio.folder / path.relative_to(folder), studio=studio.folder)
    return PreparedRun(studio, shown, endpoint, plan, folder=folder, said=said)


#: Chooses requests of a run, once its experiment is read: which seed comes next is the experiment's own rule.
Choice = Callable[[Experiment, Log, Run], Sequence[CellRepeats]]


def _its_own(experiment: Experiment, log: Log, run: Run) -> list[CellRepeats]:
    """The requests that a run planned, as its rows have them."""
    found: dict[str, tuple[Mapping[str, str], list[Repeat]]] = {}
    for row in log.planned_requests(run.id):
        _, repeats = found.setdefault(row.variant_id, (row.axes, []))
        repeats.append(Repeat(row.seed_index, row.seed, row.draw))
    return [CellRepeats(axes, tuple(repeats)) for axes, repeats in found.values()]


def _values(experiment: Experiment) -> list[str | None]:
    """The values that choose a template: those of the axis of prompts or templates, None where there is none."""
    for axis in experiment.axes:
        if axis.kind in ("prompt", "template"):
            return [value.id for value in axis.values]
    return [None]


def _chain_then(log: Log, store: Store, run_id: str) -> Chain:
    """The images that a run edited, where its experiment edits those of another one."""

    def look(_: ImageSource) -> list[ChainImage]:
        return [
            ChainImage(id_, store.local_copy(sha256), sha256, axes)
            for id_, sha256, axes in log.edited_images(run_id, CHAIN_AXIS)
        ]

    return look


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
            _link(store.local_copy(each.sha256), target)
    return path


def _link(source: Path, target: Path) -> None:
    """A file under another name; a copy where there are no hard links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


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
        self._log, self._run_id = log, run_id
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

    def by_value(self, experiment: Experiment) -> dict[str | None, Template]:
        """The run's template for each value of the experiment's axis of prompts or templates, as far as it had one."""
        ids = self._log.template_of_value(self._run_id)
        return {
            value: self._version(ids[value], self._used[ids[value]]) for value in _values(experiment) if value in ids
        }

    def _version(self, template_id: str, used: UsedTemplate) -> Template:
        if template_id not in self._versions:
            made = logged_template(used, self.folder / template_id)
            if made.id != template_id:
                message = f"the template {used.path} of this run is read differently by this version of promptlab"
                raise InputError(message, code="template-differs")
            self._versions[template_id] = made
        return self._versions[template_id]
