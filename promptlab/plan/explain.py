"""Why a variant is in or out: the steps of a plan, each with its verdict on one cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from promptlab.errors import InputError
from promptlab.model import Experiment, Matcher, Place
from promptlab.spec.matcher import Where, resolve

from .checks import PlanReport, said
from .designs import ENUMERABLE, Chosen, OneFactor
from .product import Cell, Space, matches

__all__ = ["Explanation", "Reason", "explain", "find_cell"]


@dataclass(frozen=True, slots=True)
class Reason:
    """What one step says about a variant; `place` is the line that decides it."""

    step: str
    kept: bool
    text: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A variant and what each step says about it, in the plan's order, up to the step that leaves it out."""

    id: str
    axes: Mapping[str, str]
    reasons: tuple[Reason, ...]

    @property
    def included(self) -> bool:
        """Whether the variant is in the plan."""
        return all(reason.kept for reason in self.reasons)


def find_cell(space: Space, selector: str | Mapping[str, str]) -> Cell:
    """The cell of {axis: id}, of a text as `--where` takes it, or of a variant id or its beginning."""
    if isinstance(selector, str) and "=" not in selector:
        unskipped = Space([space.axes[at] for at in space.shown])
        for cell in islice(unskipped.cells(), ENUMERABLE):
            if unskipped.id_of(cell).startswith(selector):
                return space.find(unskipped.axes_of(cell))
        raise InputError(f"no variant's id begins with '{selector}'; name it: axis=id,axis=id", code="unknown-variant")
    where: Where = selector if isinstance(selector, str) else {name: frozenset((i,)) for name, i in selector.items()}
    picked: dict[str, frozenset[str]] = {}
    for matcher in resolve(where, space.values(), "--variant"):
        for name, ids in matcher.items():
            picked[name] = ids & picked.get(name, ids)
    for name, ids in picked.items():
        if len(ids) != 1:
            message = f"a variant has one value on every axis, and this picks {len(ids)} of '{name}'"
            raise InputError(message, code="unknown-variant")
    return _cell_of(space, {name: next(iter(ids)) for name, ids in picked.items()})


def _cell_of(space: Space, axes: Mapping[str, str]) -> Cell:
    cell = space.find(axes)
    needed = [
        axis.name
        for axis, choice, when in zip(space.axes, cell, space.whens, strict=True)
        if choice.index < 0 and (when is None or matches(cell, when))
    ]
    if needed:
        message = f"a variant has a value on every axis; add {', '.join(f'{name}=…' for name in needed)}"
        raise InputError(message, code="unknown-variant")
    return cell


def explain(report: PlanReport, space: Space, chosen: Chosen, where: Sequence[Matcher], cell: Cell) -> Explanation:
    """Judge a cell by every step in turn; the first that leaves it out is the last that is asked."""
    reasons: list[Reason] = []
    steps = (_when, _skip, _design, _override)
    for step in steps:
        reasons += step(report, space, chosen, cell)
        if not all(reason.kept for reason in reasons):
            break
    else:
        for matcher in where:
            kept = matches(cell, space.test(matcher))
            reasons.append(Reason("--where", kept, f"{said(matcher)} {'matches' if kept else 'does not match'}"))
    return Explanation(space.id_of(cell), space.axes_of(cell), tuple(reasons))


def _when(report: PlanReport, space: Space, chosen: Chosen, cell: Cell) -> list[Reason]:
    reasons = []
    for axis, choice, when in zip(space.axes, cell, space.whens, strict=True):
        if axis.when is None or when is None:
            continue
        applies = matches(cell, when)
        place = report.place("axes", axis.name, "when") or axis.place
        verb = "applies" if applies else "does not apply"
        text = f"'{axis.name}' {verb}, since {said(axis.when)} {'matches' if applies else 'does not match'}"
        kept = applies or choice.index < 0
        reasons.append(Reason("when", kept, text, place))
    return reasons or [Reason("axes", True, "every axis applies to every variant")]


def _skip(report: PlanReport, space: Space, chosen: Chosen, cell: Cell) -> list[Reason]:
    for index, matcher in enumerate(space.skip):
        if matches(cell, space.test(matcher)):
            return [Reason("skip", False, f"skip {said(matcher)} matches", report.place("skip", index))]
    return [Reason("skip", True, "no skip matches")] if space.skip else []


def _design(report: PlanReport, space: Space, chosen: Chosen, cell: Cell) -> list[Reason]:
    design = report.experiment.design
    if design.kind == "all":
        return []
    kept, place = chosen.has(cell), design.place or report.place("design")
    if isinstance(chosen, OneFactor):
        changes = chosen.changes(cell)
        text = f"differs from the baseline in {', '.join(changes)}" if changes else "is the baseline"
        return [Reason("design", kept, text + ("" if kept else "; one_factor changes one at a time"), place)]
    drawn = "is" if kept else "is not"
    return [Reason("design", kept, f"{drawn} in the sample of {design.sample:,} with seed {design.seed}", place)]


def _override(report: PlanReport, space: Space, chosen: Chosen, cell: Cell) -> list[Reason]:
    experiment: Experiment = report.experiment
    return [
        Reason(
            "override",
            True,
            f"override {said(override.match)} applies: {_changes(override.params, override.negative_prompt)}",
            override.place,
        )
        for override in experiment.override
        if matches(cell, space.test(override.match))
    ]


def _changes(params: Mapping[str, object], negative: Sequence[str]) -> str:
    changes = [f"{name}={value}" for name, value in params.items()]
    if negative:
        changes.append(f"negative_prompt + {', '.join(negative)}")
    return ", ".join(changes) or "nothing"
