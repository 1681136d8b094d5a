"""What has to fit together in an experiment: the source, matchers and axes, baseline and design, file names."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Mapping

from promptlab.model import Axis, Place

from .extends import SOURCES
from .forms import ExperimentForm, ImageForm, RowsForm, SampleForm, ValuesForm
from .names import CHAIN_AXIS, did_you_mean, listed, quoted
from .report import Report
from .yaml_tree import Map, Seq

__all__ = ["check"]

#: The ids of every axis, in order; None where only the log knows them (the images of a chain).
Known = Mapping[str, Mapping[str, None] | None]

#: Repeats beyond this are named in the plan.
MANY = 16
_FILE_PARTS = ("seed", "draw", "position", "ext")


def check(whole: Map, root: Map, form: ExperimentForm, axes: tuple[Axis, ...], report: Report) -> None:
    """Report everything in the experiment that does not fit together.

    `whole` is the tree as written, `root` what is right of it and has become `form`.
    """
    _source(whole, report)
    named = {name for match in _matches(form) for name in match}  # a file of rows that none names is not held twice
    known: dict[str, Mapping[str, None] | None]
    known = {axis.name: dict.fromkeys(value.id for value in axis.values) if axis.name in named else {} for axis in axes}
    if isinstance(form.image, ImageForm):
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
    _design(form, whole, report)
    _seeds(form, root, axes, report)
    _repeats(form, root, report)
    if form.files is not None and "files" in root:
        _files(form.files, root.value_place("files"), known, report)


def _matches(form: ExperimentForm) -> Iterator[Iterable[str]]:
    """The axes that each matcher of the experiment names."""
    yield from form.skip
    yield from (override.match for override in form.override)
    yield form.baseline or ()
    yield from (axis.when or () for axis in form.axes.values() if isinstance(axis, (RowsForm, ValuesForm)))


def _source(root: Map, report: Report) -> None:
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


def _design(form: ExperimentForm, root: Map, report: Report) -> None:
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
