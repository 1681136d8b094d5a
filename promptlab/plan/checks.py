"""What can be known to be wrong without enumerating anything: axes, matchers, capabilities, templates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from promptlab.errors import InputError
from promptlab.model import Axis, Experiment, Matcher, Place
from promptlab.spec.matcher import Where, resolve
from promptlab.spec.names import nearest

from .counting import ENUMERABLE, tally
from .file_names import Pattern
from .image_sources import CHAIN_AXIS
from .parameters import Report, strictly
from .product import Space
from .recipes import visible

if TYPE_CHECKING:
    from promptlab.prompts import Template
    from promptlab.providers import Capabilities

__all__ = [
    "check_axes",
    "check_capabilities",
    "check_cycles",
    "check_files",
    "check_matchers",
    "check_templates",
    "known_names",
    "loaded",
    "resolved",
    "said",
]


def known_names(experiment: Experiment, axes: Sequence[Axis]) -> dict[str, frozenset[str] | None]:
    """The variables that templates see, each with its fields (None where any attribute may be there)."""
    known: dict[str, frozenset[str] | None] = dict.fromkeys(experiment.vars)
    for axis in axes:
        if visible(axis):
            known[axis.name] = frozenset(name for value in axis.values for name in value.fields)
    return known


def check_templates(report: Report, templates: Iterable[Template], axes: Sequence[Axis]) -> None:
    """Undefined variables and fields, which StrictUndefined would only meet in the branch that is taken."""
    known = known_names(report.experiment, axes)
    for template in templates:
        for problem in template.problems(known):
            report.found.add(problem)


def check_axes(report: Report, templates: Sequence[Template], axes: Sequence[Axis]) -> None:
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


def check_matchers(report: Report, space: Space) -> None:
    """Matchers that name what is not there, or that no variant can meet."""
    experiment = report.experiment
    for index, matcher in enumerate(experiment.skip):
        place = report.place("skip", index)
        if check_names(report, space, matcher, place, "skip") and not possible(space, matcher):
            report.add("matches-nothing", f"skip {said(matcher)} matches no variant", place)
    for index, override in enumerate(experiment.override):
        place = override.place or report.place("override", index)
        if check_names(report, space, override.match, place, "override") and not possible(space, override.match):
            report.add("matches-nothing", f"override {said(override.match)} matches no variant", place)
    for axis in space.axes:
        place = report.place("axes", axis.name, "when") or axis.place
        if axis.when is not None and check_names(report, space, axis.when, place, "when"):
            _check_when(report, space, axis, axis.when, place)
    _check_baseline(report, space)
    _check_skips(report, space)


def resolved(report: Report, space: Space, where: Where) -> tuple[Matcher, ...]:
    """`--where` as plain matchers of this plan's axes; what is not there is reported."""
    if not where:
        return ()
    values = {
        axis.name: {value.id: value.fields or value.text for value in axis.values}
        for axis in (space.axes[at] for at in space.shown)
    }
    try:
        return resolve(where, values)
    except InputError as error:
        loaded(report, error, None)
        return ()


def _check_skips(report: Report, space: Space) -> None:
    """Skips that leave no variant, or not the baseline that all others are compared with."""
    experiment = report.experiment
    if not space.skips:
        return
    left = tally(space.axes, space.skip)
    if left.exact and not left.cells:
        report.add("all-skipped", "the skips leave no variant at all; take one of them out", report.place("skip"))
        return
    if experiment.baseline is not None:
        reduced = [_reduced(axis, {name: frozenset((id_,)) for name, id_ in experiment.baseline.items()})
                   for axis in space.axes]  # fmt: skip
        left = tally(reduced, space.skip)
        if left.exact and not left.cells and all(axis.values for axis in reduced):
            named = said({name: (id_,) for name, id_ in experiment.baseline.items()})
            message = f"the baseline {named} is skipped, so nothing could be compared with it; choose another one"
            report.add("skipped-baseline", message, report.place("baseline"))


def _check_when(report: Report, space: Space, axis: Axis, when: Matcher, place: Place | None) -> None:
    if not possible(space, when):
        report.add("matches-nothing", f"when {said(when)} matches no variant, so '{axis.name}' never applies", place)


def _depends_on_itself(axes: Mapping[str, Axis], axis: Axis) -> bool:
    seen: set[str] = set()
    ahead = list(axis.when or ())
    while ahead:
        name = ahead.pop()
        if name not in seen and name in axes:
            seen.add(name)
            ahead += axes[name].when or ()
    return axis.name in seen


def check_cycles(report: Report, axes: Sequence[Axis]) -> bool:
    """Whether every `when` can be decided; nothing else can be asked of axes that wait for each other."""
    by_name = {axis.name: axis for axis in axes}
    turning = [axis for axis in axes if _depends_on_itself(by_name, axis)]
    for axis in turning:
        place = report.place("axes", axis.name, "when") or axis.place
        report.add("when-cycle", f"the `when` of '{axis.name}' depends on '{axis.name}' itself", place)
    return not turning


def _check_baseline(report: Report, space: Space) -> None:
    experiment = report.experiment
    if experiment.baseline is None:
        if experiment.design.kind == "one_factor":
            place = experiment.design.place or report.place("design")
            report.add("baseline-missing", "design one_factor changes a baseline; write `baseline: {axis: id}`", place)
        return
    matcher = {axis: frozenset((value,)) for axis, value in experiment.baseline.items()}
    check_names(report, space, matcher, report.place("baseline"), "baseline")


def check_names(report: Report, space: Space, matcher: Matcher, place: Place | None, what: str) -> bool:
    """Whether a matcher names axes and ids that are there; what is not is reported with the nearest name."""
    fine = True
    for name, ids in matcher.items():
        if name not in space.position:
            fine = False
            report.add("unknown-axis", f"{what}: no axis '{name}'{_near(name, space.position)}", place)
            continue
        known = space.indices(name)
        for missing in sorted(id_ for id_ in ids if id_ not in known):
            fine = False
            report.add("unknown-id", f"{what}: '{name}' has no value '{missing}'{_near(missing, known)}", place)
    return fine


def possible(space: Space, matcher: Matcher) -> bool:
    """Whether some cell meets a matcher, `when` counted and `skip` not.

    Only the axes that matter are walked through, each reduced to the ids asked for. True where that is too much.
    """
    needed: dict[str, None] = {}
    ahead = list(matcher)
    while ahead:
        name = ahead.pop()
        if name in space.position and name not in needed:
            needed[name] = None
            ahead += space.axes[space.position[name]].when or ()
    if all(space.axes[space.position[name]].when is None for name in needed):
        return True  # what always applies can be combined at will
    axes = [_reduced(axis, matcher) for axis in space.axes if axis.name in needed]
    part = Space(axes)
    wanted = {part.position[name] for name in matcher if name in part.position}
    cells = islice(part.cells(), ENUMERABLE)
    count = 0
    for count, cell in enumerate(cells, 1):  # noqa: B007 - the last count is read after the loop
        if all(cell[at].index >= 0 for at in wanted):
            return True
    return count == ENUMERABLE


def _reduced(axis: Axis, matcher: Matcher) -> Axis:
    if axis.name not in matcher:
        return axis
    return replace(axis, values=tuple(value for value in axis.values if value.id in matcher[axis.name]))


def check_capabilities(report: Report, capabilities: Capabilities, provider: str, has_negative: bool) -> None:
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


def check_files(report: Report, space: Space) -> Pattern | None:
    """The pattern of readable names, parsed; None for the default."""
    if report.experiment.files is None:
        return None
    pattern, place = Pattern(report.experiment.files), report.place("files")
    for fault in pattern.faults():
        report.add("bad-files", f"files: the pattern {fault}", place)
    known = [*space.position, "seed", "draw", "position", "ext"]
    for name in pattern.fields:
        if name not in known:
            report.add("bad-files", f"files: nothing is called '{name}'{_near(name, known)}", place)
    return pattern


def said(matcher: Matcher | Mapping[str, Iterable[str]]) -> str:
    """A matcher for a message: `style=film, item=A1,A7`."""
    return ", ".join(f"{axis}={','.join(sorted(ids))}" for axis, ids in matcher.items())


def loaded(report: Report, error: InputError, place: Place | None) -> None:
    """Keep the problems another package raised; those without a place get the one that asked for it."""
    for problem in error.problems:
        if problem.path is None:
            report.add(problem.code, problem.message, place)
        else:
            report.found.add(problem)


def _near(name: str, names: Iterable[str]) -> str:
    close = nearest(name, names)
    return f"; did you mean '{close}'?" if close else f"; known: {', '.join(list(names)[:12])}"
