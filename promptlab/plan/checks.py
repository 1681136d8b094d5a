"""What can be known to be wrong without enumerating anything: matchers, capabilities, templates.

What an experiment says by itself (axes and ids that its matchers name, the pattern of file names, a baseline where one
is needed) `spec` has checked when it was read. Here is what takes templates, a provider, or the product to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from promptlab.errors import InputError, Problem, Problems
from promptlab.model import Axis, Experiment, Matcher, Place
from promptlab.spec.matcher import Where, resolve
from promptlab.spec.names import CHAIN_AXIS, nearest
from promptlab.spec.report import split_lines
from promptlab.spec.yaml_tree import Places

from .designs import ENUMERABLE, tally
from .product import Space

if TYPE_CHECKING:
    from promptlab.prompts import Template
    from promptlab.providers import Capabilities

__all__ = [
    "PlanReport",
    "check_axes",
    "check_capabilities",
    "check_matchers",
    "check_templates",
    "exactly",
    "loaded",
    "resolved",
    "said",
    "strictly",
    "visible",
]


@dataclass
class PlanReport:
    """Collects problems with the source line of their place."""

    experiment: Experiment
    found: Problems = field(default_factory=Problems)
    texts: dict[str, str] = field(default_factory=dict)  # of templates, by the path that places name
    _lines: dict[str, list[str]] = field(default_factory=dict)

    def add(self, code: str, message: str, place: Place | None = None, *, warning: bool = False) -> None:
        """Keep one problem; as a warning it does not stop a run."""
        self.found.add(self.problem(code, message, place, warning=warning))

    def problem(self, code: str, message: str, place: Place | None = None, *, warning: bool = False) -> Problem:
        """A problem with its place and the line that is there."""
        severity: Literal["error", "warning"] = "warning" if warning else "error"
        if place is None:
            return Problem(code, message, severity=severity)
        return Problem(code, message, place.path, place.line, place.column, self.line(place), severity)

    def line(self, place: Place) -> str | None:
        """The source line of a place in the experiment or in a file it extends or reads."""
        if place.path not in self._lines:
            texts = {
                item.path: item.content for item in self.experiment.inputs if item.role in ("spec", "base", "rows")
            }
            text = texts.get(place.path) or self.texts.get(place.path)
            if text is None and place.path.endswith(self.experiment.path.name):
                text = self.experiment.text
            if text is None:
                return None
            self._lines[place.path] = split_lines(text)
        lines = self._lines[place.path]
        return lines[place.line - 1] if 0 < place.line <= len(lines) else None

    def value_place(self, *path: str | int) -> Place | None:
        """Where the value of a key of the experiment begins."""
        places = self.experiment.places
        if path not in places:
            return None
        begins: Place = places.value(path) if isinstance(places, Places) else places[path]
        return begins

    def place(self, *path: str | int) -> Place | None:
        """Where a key of the experiment is: the nearest known path above it."""
        for length in range(len(path), 0, -1):
            if found := self.experiment.places.get(path[:length]):
                return found
        return None


def visible(axis: Axis) -> bool:
    """Whether templates see an axis: not the choice of template itself, and not a parameter."""
    return axis.kind == "value"


def known_names(experiment: Experiment, axes: Sequence[Axis]) -> dict[str, frozenset[str] | None]:
    """The variables that templates see, each with its fields (None where any attribute may be there)."""
    known: dict[str, frozenset[str] | None] = dict.fromkeys(experiment.vars)
    for axis in axes:
        if visible(axis):
            known[axis.name] = frozenset(name for value in axis.values for name in value.fields)
    return known


def check_templates(report: PlanReport, templates: Iterable[Template], axes: Sequence[Axis]) -> None:
    """Undefined variables and fields, which StrictUndefined would only meet in the branch that is taken."""
    known = known_names(report.experiment, axes)
    for template in templates:
        for problem in template.problems(known):
            report.found.add(problem)


def check_axes(report: PlanReport, templates: Sequence[Template], axes: Sequence[Axis]) -> None:
    """Axes that nothing uses: all their variants would be the same requests."""
    experiment = report.experiment
    used = {name for template in templates for name in template.names}
    matchers: list[Matcher] = [*experiment.skip, *(override.match for override in experiment.override)]
    matchers += [axis.when for axis in axes if axis.when is not None]
    used |= {name for matcher in matchers for name in matcher}
    for axis in axes:
        does_something = any(value.params or value.negative_prompt for value in axis.values)
        is_chain = axis.name == CHAIN_AXIS and experiment.image is not None and experiment.image.chain is not None
        # A mistyped {{ axis }} was already reported, with this axis as the nearest name.
        mistyped = any(p.code == "undefined-variable" and f"'{axis.name}'" in p.message for p in report.found.found)
        if axis.name in used or not visible(axis) or does_something or is_chain or mistyped:
            continue
        wanted = {name for template in templates for name in template.names} - {a.name for a in axes}
        close = nearest(axis.name, wanted - set(experiment.vars))
        advice = f"; the template has '{{{{ {close} }}}}'" if close else f"; write {{{{ {axis.name} }}}} in the prompt"
        place = axis.place or report.place("axes", axis.name)
        report.add("unused-axis", f"nothing uses the axis '{axis.name}'{advice}, or take it out", place)


def check_matchers(report: PlanReport, space: Space) -> None:
    """Matchers that no variant can meet, and images of a chain that they name and that are not there."""
    images = space.indices(CHAIN_AXIS)
    for what, matcher, place, therefore in _matchers(report, space):
        missing = sorted(id_ for id_ in matcher.get(CHAIN_AXIS, ()) if id_ not in images)
        for id_ in missing:  # only the log knows the images, so `spec` could not look
            close = nearest(id_, images)
            advice = f"; did you mean '{close}'?" if close else f"; known: {', '.join(list(images)[:12])}"
            report.add("unknown-id", f"{what}: '{CHAIN_AXIS}' has no value '{id_}'{advice}", place)
        if not missing and what != "baseline" and not possible(space, matcher):
            report.add("matches-nothing", f"{what} {said(matcher)} matches no variant{therefore}", place)
    _check_skips(report, space)


def _matchers(report: PlanReport, space: Space) -> Iterator[tuple[str, Matcher, Place | None, str]]:
    """Every matcher of the experiment: what it is, where, and what follows if it matches nothing."""
    experiment = report.experiment
    for index, matcher in enumerate(experiment.skip):
        yield "skip", matcher, report.place("skip", index), ""
    for index, override in enumerate(experiment.override):
        yield "override", override.match, override.place or report.place("override", index), ""
    for axis in space.axes:
        if axis.when is not None:
            place = report.place("axes", axis.name, "when") or axis.place
            yield "when", axis.when, place, f", so '{axis.name}' never applies"
    if experiment.baseline is not None:
        yield "baseline", exactly(experiment.baseline), report.place("baseline"), ""


def resolved(report: PlanReport, space: Space, where: Where) -> tuple[Matcher, ...]:
    """`--where` as plain matchers of this plan's axes; what is not there is reported."""
    if not where:
        return ()
    try:
        return resolve(where, space.values())
    except InputError as error:
        loaded(report, error, None)
        return ()


def _check_skips(report: PlanReport, space: Space) -> None:
    """Skips that leave no variant, or not the baseline that all others are compared with."""
    experiment = report.experiment
    if not space.skips:
        return
    left = tally(space.axes, space.skip)
    if left.exact and not left.cells:
        report.add("all-skipped", "the skips leave no variant at all; take one of them out", report.place("skip"))
        return
    if experiment.baseline is not None:
        wanted = exactly(experiment.baseline)
        reduced = [_reduced(axis, wanted) for axis in space.axes]
        left = tally(reduced, space.skip)
        if left.exact and not left.cells and all(axis.values for axis in reduced):
            message = (
                f"the baseline {said(wanted)} is skipped, so nothing could be compared with it; choose another one"
            )
            report.add("skipped-baseline", message, report.place("baseline"))


def possible(space: Space, matcher: Matcher) -> bool:
    """Whether some cell meets a matcher, `when` counted and `skip` not.

    Only the axes that matter are walked through, each reduced to the ids asked for. True where that is too much.
    """
    if not all(any(id_ in space.indices(name) for id_ in ids) for name, ids in matcher.items()):
        return False
    needed: dict[str, None] = {}
    ahead = list(matcher)
    while ahead:
        name = ahead.pop()
        if name in space.position and name not in needed:
            needed[name] = None
            ahead += space.axes[space.position[name]].when or ()
    if all(space.axes[space.position[name]].when is None for name in needed):
        return True  # what always applies can be combined at will
    part = Space([_reduced(axis, matcher) for axis in space.axes if axis.name in needed])
    wanted = [part.position[name] for name in matcher]
    for count, cell in enumerate(part.cells()):
        if count == ENUMERABLE or all(cell[at].index >= 0 for at in wanted):
            return True
    return False


def _reduced(axis: Axis, matcher: Matcher) -> Axis:
    if axis.name not in matcher:
        return axis
    return replace(axis, values=tuple(value for value in axis.values if value.id in matcher[axis.name]))


def exactly(axes: Mapping[str, str]) -> Matcher:
    """The matcher of one value on each of some axes."""
    return {axis: frozenset((id_,)) for axis, id_ in axes.items()}


def check_capabilities(report: PlanReport, capabilities: Capabilities, provider: str, has_negative: bool) -> None:
    """What the provider would drop, do another way, or can't do at all."""
    experiment, strict = report.experiment, report.experiment.strict
    end = strictly(experiment)
    seeded = experiment.seeds is not None or "seed" in experiment.params
    seeded = seeded or any(axis.name == "params.seed" for axis in experiment.axes)
    if seeded and capabilities.seed == "none":
        message = f"{provider} takes no seed, so none is sent and each seed is only another try{end}"
        report.add("dropped-seed", message, report.place("seeds"), warning=not strict)
    if not seeded and capabilities.seed != "none":
        message = "not repeatable: no seed is sent; write `seeds: 1`, or more to separate luck from style"
        report.add("not-repeatable", message, warning=True)
    if has_negative and capabilities.negative_prompt == "none":
        message = f"{provider} has no negative prompt, so it is not sent{end}"
        report.add("dropped-parameter", message, report.place("negative_prompt"), warning=not strict)
    if has_negative and capabilities.negative_prompt == "appended":
        message = f"{provider} has no negative prompt, so 'Avoid: …' is put at the prompt's end{end}"
        report.add("emulated-parameter", message, report.place("negative_prompt"), warning=not strict)
    if experiment.image is not None and "edit" not in capabilities.operations:
        place = experiment.image.place or report.place("image")
        report.add("no-edit", f"{provider} can't edit images; choose another provider, or take `image` out", place)
    if experiment.mode == "async" and not capabilities.asynchronous:
        report.add("no-async", f"{provider} takes no asynchronous jobs; write `mode: auto`", report.place("mode"))


def said(matcher: Matcher | Mapping[str, Iterable[str]]) -> str:
    """A matcher for a message: `style=film, item=A1,A7`."""
    return ", ".join(f"{axis}={','.join(sorted(ids))}" for axis, ids in matcher.items())


def loaded(report: PlanReport, error: InputError, place: Place | None) -> None:
    """Keep the problems another package raised; those without a place get the one that asked for it."""
    for problem in error.problems:
        if problem.path is None:
            report.add(problem.code, problem.message, place)
        else:
            report.found.add(problem)


def strictly(experiment: Experiment) -> str:
    """The end of a sentence about something dropped: why that is an error here."""
    return "; with `strict: true` that is an error" if experiment.strict else ""
