"""A plan: an experiment with its templates and a provider, ready to stream. Making one is cheap; nothing is sent.

The order of the steps is SPEC.md's, always the same: axes → when → skip → design → override → seeds and draws → equal
requests → --where → --limit. What the log and the money say comes after, in the layers above.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from promptlab.errors import Problem
from promptlab.model import Experiment, Matcher, Request, RunTemplate, Variant
from promptlab.spec.matcher import Where

from .counting import tally
from .explain import Explanation, Reason, explain, find_cell
from .stream import Stream
from .survey import Survey, Surveyor
from .totals import Count, count_parts

if TYPE_CHECKING:
    from promptlab.prompts import Template

    from .parameters import Report
    from .target import Target

__all__ = ["Plan", "Step"]

#: A survey stops here unless told otherwise: half a minute, and 16 MB of hashes.
AT_MOST = 1_500_000


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the plan and what is left after it: variants, from `seeds and draws` on requests; None: not counted."""

    name: str
    count: int | None
    unit: str
    note: str = ""
    exact: bool = True


class Plan:
    """What an experiment comes to. Streams start again each time they are asked for, always in the same order."""

    def __init__(
        self,
        experiment: Experiment,
        target: Target,
        *,
        report: Report,
        streams: tuple[Stream, Stream],
        templates: Mapping[str | None, Template],
        where: Where,
        matchers: Sequence[Matcher],
        limit: int | None,
    ) -> None:
        self.experiment = experiment
        self.target = target
        self.templates = templates
        self.where = where  # as it was given: another plan, of an older revision say, resolves it again
        self._matchers = tuple(matchers)
        self.limit = limit
        self._report = report
        self._stream, self._whole = streams  # the second without --where and --limit
        self._counted: Count | None = None
        self._surveyed: Survey | None = None
        self._surveyed_at = 0

    @property
    def problems(self) -> list[Problem]:
        """Everything that could be checked without enumerating; `survey` finds the rest."""
        return self._report.found.found

    def check(self) -> Plan:
        """This plan; InputError with every static error at once, if there is one."""
        self._report.found.raise_errors()
        return self

    @property
    def run_templates(self) -> tuple[RunTemplate, ...]:
        """Which template text each value of the axis of templates stands for, as the log keeps it."""
        return tuple(
            RunTemplate(value, template.id, template.path, template.ref, template.commit, template.dirty)
            for value, template in self.templates.items()
        )

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes' names in the plan's order, one of chained images included."""
        space = self._whole.parts.space
        return tuple(space.axes[at].name for at in space.shown)

    def variants(self) -> Iterator[Variant]:
        """The variants that are planned, `--where` and `--limit` applied."""
        return (self._stream.variant(turn[1]) for turn in self._stream.parts.turns())

    def requests(self, *, by_variant: bool = False) -> Iterator[Request]:
        """Every request in the sending order, equal ones included (each variant gets its rows).

        `sequence` is its place in the sending order of the whole plan, `--where` or not; with `by_variant` they come
        variant by variant instead. InputError where a template fails on a variant's values.
        """
        return self._stream.requests(by_variant=by_variant)

    def count(self) -> Count:
        """Variants, requests and images; a product of 10¹² without conditions is counted at once."""
        if self._counted is None:
            self._counted = count_parts(self._whole.parts, self._matchers, self.limit)
        return self._counted

    def survey(self, at_most: int = AT_MOST) -> Survey:
        """One pass over the requests (the last one is kept): totals, equal requests, cost, and every problem found.

        Stops after `at_most` requests with `complete` False.
        """
        if self._surveyed is None or (not self._surveyed.complete and self._surveyed_at < at_most):
            self._surveyed = self._surveyor(self._stream, min(at_most, self.count().requests)).run(at_most)
            self._surveyed_at = at_most
        return self._surveyed

    def _surveyor(self, stream: Stream, expected: int) -> Surveyor:
        return Surveyor(stream, self.target, self._report, expected)

    def steps(self, at_most: int = AT_MOST) -> list[Step]:
        """SPEC.md's steps with what is left after each; equal requests are looked for among at most this many."""
        parts, experiment = self._whole.parts, self.experiment
        axes, space = parts.space.axes, parts.space
        after_when = tally(axes)
        after_skip = tally(axes, experiment.skip)
        chosen = count_parts(parts, (), None)
        conditions = sum(axis.when is not None for axis in axes)
        sizes = " × ".join(str(len(axes[at].values)) for at in space.shown) or "no axes"
        steps = [
            Step("axes", space.size(), "variants", sizes),
            Step("when", after_when.cells, "variants", _number(conditions, "condition"), after_when.exact),
            Step("skip", after_skip.cells, "variants", _number(len(experiment.skip), "matcher"), after_skip.exact),
            Step("design", chosen.variants, "variants", _design_note(experiment), chosen.exact),
            Step("override", chosen.variants, "variants", _number(len(experiment.override), "override"), chosen.exact),
            Step("seeds and draws", chosen.requests, "requests", _repeats_note(experiment, parts.seeds), chosen.exact),
        ]
        return steps + self._request_steps(chosen, at_most)

    def _request_steps(self, chosen: Count, at_most: int) -> list[Step]:
        narrowed = bool(self._matchers) or self.limit is not None
        whole: Survey | None = None
        if chosen.requests <= at_most:
            whole = self._surveyor(self._whole, chosen.requests).run(at_most) if narrowed else self.survey(at_most)
        repeats = "" if whole is None else f"{whole.repeats:,} equal to another"
        note = repeats if whole is not None else f"more than {at_most:,} are not compared"
        steps = [Step("equal requests", None if whole is None else whole.distinct, "requests", note)]
        if self._matchers:
            steps.append(Step("--where", count_parts(self._whole.parts, self._matchers, None).requests, "requests"))
        if self.limit is not None:
            steps.append(Step("--limit", self.count().requests, "requests", f"the first {self.limit:,}"))
        return steps

    def explain(self, variant: str | Mapping[str, str]) -> Explanation:
        """Why a variant is in or out: `style=film,look=warm`, a map of axis to id, or the beginning of its id."""
        parts = self._whole.parts
        cell = find_cell(parts.space, variant)
        found = explain(self._report, parts.space, parts.chosen, self._matchers, cell)
        if self.limit is None or not found.included:
            return found
        kept = any(variant.id == found.id for variant in self.variants())
        text = f"{'is' if kept else 'is not'} among the first {self.limit:,} requests"
        return replace(found, reasons=(*found.reasons, Reason("--limit", kept, text)))


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}" if number else "none"


def _design_note(experiment: Experiment) -> str:
    design = experiment.design
    return f"sample of {design.sample:,}, seed {design.seed}" if design.kind == "sample" else design.kind


def _repeats_note(experiment: Experiment, seeds: Sequence[int | None]) -> str:
    seeded = "no seeds" if seeds == (None,) else _number(len(seeds), "seed")
    return f"{seeded} × {_number(experiment.draws, 'draw')}"
