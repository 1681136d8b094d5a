"""An experiment file → Experiment: reading, `extends`, shape, axes, what has to fit together; every problem at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from promptlab.errors import InputError, Problem
from promptlab.model import (
    Axis,
    Design,
    Experiment,
    ImageSource,
    InputFile,
    Limits,
    Matcher,
    Override,
    Parameter,
    Place,
    Source,
)

from .axes import AxisBuilder, RowFilter, matcher_of
from .checks import check
from .extends import with_bases
from .files import Files, Reader, decode, find_studio, read_bytes, shown
from .forms import ExperimentForm, ImageForm, SampleForm
from .names import pair
from .report import Report
from .validate import validate
from .yaml_tree import MAX_BYTES, Map, Places, parse
from .yamlerrors import GLUED

__all__ = ["Further", "RowFilter", "load_experiment", "load_text"]

#: Checks of other packages, for a file that is wrong already: what is right of it, and which of its parts are missing
#: (`vars`, `axes.style`) → further problems. So all problems of a file are reported at once.
Further = Callable[[Experiment, frozenset[str]], Iterable[Problem]]
#: The parameters of a provider by name (None: the studio's); InputError where there is none of that name.
Chosen = Callable[[str | None], Mapping[str, Parameter]]


def load_experiment(
    path: Path,
    *,
    parameters: Mapping[str, Parameter],
    row_filter: RowFilter | None = None,
    studio: Path | None = None,
    read: Reader = read_bytes,
    further: Further | None = None,
    chosen: Chosen | None = None,
) -> Experiment:
    """The experiment of a file. InputError holds every problem, each with path:line:column and source line.

    `parameters` are those that any installed provider declares; `row_filter` evaluates an axis' `where:`; `read` gives
    the bytes of a file (a git revision brings its own). `further` is asked where there are problems. `chosen` gives the
    parameters of the provider that the file names, whose bounds messages tell. Paths in messages are relative to the
    studio.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 (a link stays the name it has)
    studio = find_studio(path) if studio is None else Path(os.path.abspath(studio))  # noqa: PTH100
    report = Report()
    files = Files(studio, report, read)
    text = files.text(path, "spec", None, MAX_BYTES)
    if text is None:
        report.raise_errors()
    assert text is not None
    return _load(text, path, files, report, parameters, row_filter, further, chosen)


def load_text(
    text: str,
    path: Path,
    *,
    studio: Path,
    parameters: Mapping[str, Parameter],
    row_filter: RowFilter | None = None,
    read: Reader = read_bytes,
) -> Experiment:
    """The same from a text, which need not be on disk; `path` is where it would be, for names and relative paths."""
    path = Path(os.path.abspath(path))  # noqa: PTH100
    studio = Path(os.path.abspath(studio))  # noqa: PTH100
    report = Report()
    files = Files(studio, report, read)
    name = shown(path, studio)
    content = text.encode("utf-8", "surrogatepass")
    if len(content) > MAX_BYTES:
        report.add("too-large", f"{len(content):,} bytes; at most {MAX_BYTES:,} are read", Place(name, 1, 1))
    decoded = decode(content, name, report)
    report.raise_errors()
    assert decoded is not None
    files.inputs.append(InputFile(name, "spec", sha256(content).hexdigest(), decoded))
    return _load(decoded, path, files, report, parameters, row_filter)


def _load(
    text: str,
    path: Path,
    files: Files,
    report: Report,
    parameters: Mapping[str, Parameter],
    row_filter: RowFilter | None,
    further: Further | None = None,
    chosen: Chosen | None = None,
) -> Experiment:
    root = _tree(text, shown(path, files.studio), report)
    root = with_bases(root, path, files, report)
    parameters = {**parameters, **_parameters_of(root, chosen, report)}
    form, valid = validate(ExperimentForm, root, parameters, report)
    axes = AxisBuilder(files, report, parameters, row_filter).all(form, valid)
    check(root, valid, form, axes, report)
    if report.count and further is not None:
        missing = {f"axes.{name}" for name in report.failed_axes} | {str(key) for key in root.keys() - valid.keys()}
        for problem in further(_experiment(text, path, files, valid, form, axes), frozenset(missing)):
            report.problems.add(problem)
    report.raise_errors()
    return replace(_experiment(text, path, files, root, form, axes), notes=tuple(report.notes))


def _parameters_of(root: Map, chosen: Chosen | None, report: Report) -> Mapping[str, Parameter]:
    """What the provider of the file declares itself; a provider that does not exist is reported where it is named."""
    name = root.get("provider")
    if chosen is None or not (name is None or isinstance(name, str)):
        return {}
    try:
        return chosen(name)
    except InputError as error:
        for problem in error.problems:
            report.add(problem.code, problem.message, root.value_place("provider") if name else None)
        return {}


def _tree(text: str, name: str, report: Report) -> Map:
    """The tree of the file itself; what is not a map goes no further."""
    tree = parse(text, name, report)
    if isinstance(tree, Map) and not report.count:
        return tree
    if not report.count:
        if tree is None:
            message = "the file has no content; the smallest experiment is `prompt: a ceramic teapot`"
            report.add("empty-file", message, Place(name, 1, 1))
        else:
            found = "a list" if isinstance(tree, list) else "one text"
            message = f"the file is {found}; an experiment is a map of keys, as in `prompt: a ceramic teapot`"
            if isinstance(tree, str) and (glued := GLUED.fullmatch(tree)):
                message = f"a key needs a space after its colon: write `{pair(glued[1], glued[2])}`"
            report.add("wrong-type", message, Place(name, 1, 1))
    if not isinstance(tree, Map):
        report.raise_errors()
    assert isinstance(tree, Map)
    return tree


def _experiment(
    text: str, path: Path, files: Files, root: Map, form: ExperimentForm, axes: tuple[Axis, ...]
) -> Experiment:
    alerts, seeds = form.alerts, form.seeds
    return Experiment(
        name=path.stem,
        path=path,
        studio=files.studio,
        text=text,
        source=_source(form, root),
        description=form.description,
        vars=form.vars,
        negative_prompt=_parts(form.negative_prompt),
        params=form.params,
        image=_image(form, root),
        axes=axes,
        skip=tuple(_matcher(match) for match in form.skip),
        override=_overrides(form, root),
        baseline=form.baseline,
        design=_design(form, root),
        seeds=tuple(seeds) if isinstance(seeds, list) else seeds,
        seed_base=form.seed_base,
        draws=form.draws,
        order=form.order,
        limits=_limits(form, root),
        files=form.files,
        provider=form.provider,
        mode=form.mode,
        strict=form.strict,
        alert_cost=alerts.cost if alerts else None,
        inputs=tuple(files.inputs),
        places=Places(root),
    )


def _parts(parts: list[str]) -> tuple[str, ...]:
    return tuple(part.strip() for part in parts)


def _matcher(form: Mapping[str, Any]) -> Matcher:
    return matcher_of(form) or {}


def _source(form: ExperimentForm, root: Map) -> Source | None:
    if form.prompt is not None:
        return Source("prompt", form.prompt, root.value_place("prompt"))
    if form.template is not None:
        return Source("template", form.template.strip(), root.value_place("template"))
    return None


def _image(form: ExperimentForm, root: Map) -> ImageSource | None:
    if form.image is None:
        return None
    place = root.value_place("image")
    if isinstance(form.image, ImageForm):
        chain = form.image
        return ImageSource(None, chain.from_.strip(), chain.pick, _matcher(chain.where or {}), place)
    return ImageSource(form.image, place=place)


def _overrides(form: ExperimentForm, root: Map) -> tuple[Override, ...]:
    return tuple(
        Override(
            _matcher(override.match),
            override.params,
            _parts(override.negative_prompt),
            Place(*root["override"].marks[position][:3]),
        )
        for position, override in enumerate(form.override)
    )


def _design(form: ExperimentForm, root: Map) -> Design:
    if form.design is None:
        return Design()
    place = root.value_place("design")
    if isinstance(form.design, SampleForm):
        return Design("sample", form.design.sample, form.design.seed, place)
    return Design(form.design, place=place)


def _limits(form: ExperimentForm, root: Map) -> Limits:
    if form.limits is None:
        return Limits()
    limits = form.limits
    return Limits(limits.images, limits.requests, limits.cost, root.key_place("limits"))
