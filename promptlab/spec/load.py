"""An experiment file → Experiment: reading, `extends`, shape, axes, what has to fit together; every problem at once."""

from __future__ import annotations

import os
import re
import string
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
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
from .extends import SOURCES, with_bases
from .files import Files, Reader, decode, find_studio, read_bytes, shown
from .forms import ExperimentForm, ImageForm, RowsForm, SampleForm, ValuesForm
from .kinds import read_form
from .names import CHAIN_AXIS, did_you_mean, listed, nearest, pair, quoted
from .report import Report
from .score_checks import BUILT_IN_SCORES
from .yaml_errors import GLUED
from .yaml_tree import MAX_BYTES, Map, Places, Seq, parse

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
    if "extends" in root:
        root = with_bases(root, path, files, report)
    # The file's own provider comes first: its bounds are the ones that will hold. The others are only asked for names
    # that it does not have, which it then drops with a warning; finding them costs as much as a small plan.
    parameters = ChainMap({**_parameters_of(root, chosen, report)}, parameters)  # type: ignore[arg-type] # only read
    form, valid = read_form(ExperimentForm, root, parameters, report)
    axes = AxisBuilder(files, report, parameters, row_filter).all(form, valid)
    _check(root, valid, form, axes, report)
    # A file that is wrong is not planned, so templates and provider are asked here about what is right of it: whoever
    # puts it right then has every problem at once, and not one after the other.
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
            if isinstance(tree, str) and (glued := re.fullmatch(GLUED, tree)):
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
        checks=tuple(
            replace(check, name=name, place=root["checks"].value_place(name)) for name, check in form.checks.items()
        ),
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


# --- what has to fit together: the source, matchers and axes, baseline and design, file names -------------------------

#: The ids of every axis, in order; None where only the log knows them (the images of a chain).
Known = Mapping[str, Mapping[str, None] | None]

#: Repeats beyond this are named in the plan.
MANY = 16
_FILE_PARTS = ("seed", "draw", "position", "ext")


def _check(whole: Map, root: Map, form: ExperimentForm, axes: tuple[Axis, ...], report: Report) -> None:
    """Report everything in the experiment that does not fit together.

    `whole` is the tree as written, `root` what is right of it and has become `form`.
    """
    _check_source(whole, report)
    named = {name for match in _matches(form) for name in match}  # a file of rows that none names is not held twice
    known: dict[str, Mapping[str, None] | None]
    known = {axis.name: dict.fromkeys(value.id for value in axis.values) if axis.name in named else {} for axis in axes}
    if isinstance(whole.get("image"), Map):  # a chain, even where something else about it is wrong
        known.setdefault(CHAIN_AXIS, None)
    matchers = _Matchers(known, report)
    for position, match in enumerate(form.skip):
        matchers.check(match, root["skip"][position])
    for position, override in enumerate(form.override):
        matchers.check(override.match, root["override"][position]["match"])
    if form.baseline is not None:
        matchers.check({axis: [id_] for axis, id_ in form.baseline.items()}, root["baseline"])
    for name, axis in form.axes.items():
        if isinstance(axis, (RowsForm, ValuesForm)) and axis.when is not None:
            matchers.check(axis.when, root["axes"][name]["when"])
        elif isinstance(axis, dict):
            _when_as_id(root["axes"][name], known, report)
    for made in axes:
        if made.name in ("when", "where") and len(known) > 1 and all(value.id in known for value in made.values):
            message = f"`{made.name}` belongs to one axis: write it there, as in {{values: […], {made.name}: {{…}}}}"
            report.add("bad-axis", message, made.place)
    _when_cycles(form, root, report)
    _clashes(form, root, axes, report)
    _check_design(form, whole, report)
    _seeds(form, root, axes, report)
    _repeats(form, root, report)
    _check_names(form, root, report)
    if form.files is not None and "files" in root:
        _files(form.files, root.value_place("files"), known, report)


def _matches(form: ExperimentForm) -> Iterator[Iterable[str]]:
    """The axes that each matcher of the experiment names."""
    yield from form.skip
    yield from (override.match for override in form.override)
    yield form.baseline or ()
    yield from (axis.when or () for axis in form.axes.values() if isinstance(axis, (RowsForm, ValuesForm)))


def _check_source(root: Map, report: Report) -> None:
    given = [name for name in SOURCES if name in root]
    if not given and not report.lost_base:
        message = "an experiment needs a prompt: write one of `prompt`, `prompts`, `template` and `templates`"
        report.add("prompt-source", message, root.place)
    for name in given[1:]:
        message = f"{name} is given beside {given[0]}; an experiment has one of {', '.join(SOURCES)}"
        report.add("prompt-source", message, root.key_place(name))


class _Matchers:
    """Whether matchers name axes and ids that exist."""

    def __init__(self, known: Known, report: Report) -> None:
        self.known, self.report = known, report

    def check(self, match: Mapping[str, Iterable[str]], raw: Map) -> None:
        for axis, ids in match.items():
            if axis not in self.known:
                if (
                    axis not in self.report.failed_axes
                    and "*" not in self.report.failed_axes
                    and not self.report.lost_base
                ):
                    advice = did_you_mean(axis, self.known) or f"; there are {listed(self.known) or 'none'}"
                    message = f"there is no axis {quoted(axis)}{advice}"
                    self.report.add("unknown-axis", message, raw.key_place(axis))
                continue
            known = self.known[axis]
            for position, id_ in enumerate(ids if known is not None else ()):
                if known is not None and id_ not in known:
                    given = raw[axis]
                    place = Place(*given.marks[position][:3]) if isinstance(given, Seq) else raw.value_place(axis)
                    self._unknown_id(axis, id_, known, place)

    def _unknown_id(self, axis: str, id_: str, ids: Mapping[str, None], place: Place) -> None:
        def message() -> str:
            advice = did_you_mean(id_, ids) or f"; there are {listed(ids)}"
            return f"the axis {axis} has no value {quoted(id_)}{advice}"

        self.report.add("unknown-id", message, place)


def _when_as_id(raw: Map, known: Known, report: Report) -> None:
    """`{fine: …, when: {style: film}}` without `values:` would make `when` a value: surely not meant."""
    for name in ("when", "where"):
        fields = raw.get(name)
        if isinstance(fields, Map) and fields and all(field in known for field in fields):
            message = f"`{name}` is among the values; write {{values: {{…}}, {name}: …}}"
            report.add("bad-axis", message, raw.key_place(name))


def _when_cycles(form: ExperimentForm, root: Map, report: Report) -> None:
    needs = {
        name: set(axis.when)
        for name, axis in form.axes.items()
        if isinstance(axis, (RowsForm, ValuesForm)) and axis.when
    }
    for name in needs:
        reached: set[str] = set()
        waiting = set(needs[name])
        while waiting:
            step = waiting.pop()
            reached.add(step)
            waiting |= needs.get(step, set()) - reached
        if name in reached:
            place = root["axes"][name].key_place("when")
            report.add("when-cycle", f"`when` of the axis {name} depends on {name} itself", place)


def _clashes(form: ExperimentForm, root: Map, axes: tuple[Axis, ...], report: Report) -> None:
    for axis in axes:
        if axis.name in form.vars:
            message = f"{axis.name} is an axis and a variable; {{{{ {axis.name} }}}} can be one of them"
            report.add("name-clash", message, root["vars"].key_place(axis.name))


def _check_design(form: ExperimentForm, root: Map, report: Report) -> None:
    if isinstance(form.design, SampleForm) or form.design != "one_factor" or "baseline" in root:
        return
    message = "one_factor changes the baseline one axis at a time: write a `baseline`"
    report.add("baseline-missing", message, root.value_place("design"))


def _seeds(form: ExperimentForm, root: Map, axes: tuple[Axis, ...], report: Report) -> None:
    if form.seeds is None:
        return
    message = "a seed is set in the parameters and in `seeds`; keep one of them"
    if "seed" in form.params:
        report.add("seed-conflict", message, root["params"].key_place("seed"))
    for axis in axes:
        if axis.name == "params.seed":
            report.add("seed-conflict", message, axis.place)


def _repeats(form: ExperimentForm, root: Map, report: Report) -> None:
    """A large bare number is more often a seed that was meant than a number of seeds."""
    if isinstance(form.seeds, int) and form.seeds > MANY:
        message = f"{form.seeds:,} seeds for every variant; for the one seed {form.seeds} write `seeds: [{form.seeds}]`"
        report.warn("many-repeats", message, root.value_place("seeds"))
    if form.draws > MANY:
        message = f"every request is made {form.draws:,} times, each time for money"
        report.warn("many-repeats", message, root.value_place("draws"))


def _check_names(form: ExperimentForm, root: Map, report: Report) -> None:
    """A name that is nearly a built-in score's; others may be of other packages, or come from outside."""
    for name in form.checks:
        near = None if name in BUILT_IN_SCORES else nearest(name, BUILT_IN_SCORES, cutoff=0.8)
        if near is not None:
            message = f"there is no built-in score {quoted(name)}; did you mean {near!r}?"
            report.warn("unknown-score", message, root["checks"].key_place(name))


def _files(pattern: str, place: Place, known: Known, report: Report) -> None:
    """A pattern of names under results/: its parts are known, and it stays inside."""
    try:
        parts = [part for part in string.Formatter().parse(pattern) if part[1] is not None]
    except ValueError as error:
        report.add("bad-files", f"files can't be read: {error}", place)
        return
    names = (*known, *(name for name in ("prompt", "template") if name not in known), *_FILE_PARTS)
    for _, name, spec, conversion in parts:
        if spec or conversion:
            report.add("bad-files", f"write {{{name}}} without a format", place)
        elif name not in names and name not in report.failed_axes and "*" not in report.failed_axes:
            advice = did_you_mean(name or "", names) or f"; there are {listed(names)}"
            report.add("unknown-axis", f"files names {{{name}}}, which is not an axis{advice}", place)
    steps = pattern.replace("\\", "/").split("/")
    if pattern.startswith(("/", "\\", "~")) or {".", ".."} & set(steps) or (len(pattern) > 1 and pattern[1] == ":"):
        report.add("bad-files", "names stay under results/: leave a leading / and .. out", place)
    elif "" in steps or "\\" in pattern or "{{" in pattern or "}}" in pattern or min(pattern) < " ":
        message = "files has an empty part between slashes, a backslash, a doubled brace or a control character"
        report.add("bad-files", message, place)
