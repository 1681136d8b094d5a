"""A plan: an experiment with its templates and a provider, ready to stream. Making one is cheap; nothing is sent.

`make_plan` loads the templates, checks everything that needs no enumeration, and prepares the stream. The order of the
steps is SPEC.md's, always the same: axes → when → skip → design → override → seeds and draws → equal requests → --where
→ --limit. What the log and the money say comes after, in the layers above.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from promptlab.errors import InputError, Problem
from promptlab.model import Experiment, Matcher, Parameter, Request, RunTemplate, Source, Variant
from promptlab.prompts import Library, Template
from promptlab.spec.matcher import Where

from . import checks, images
from .checks import PlanReport
from .designs import choose, tally
from .explain import Explanation, Reason, explain, find_cell
from .identity import Pattern, seeds_of
from .merging import Layers, Reader, Shaper
from .product import Cell, Namer, Space
from .stream import KEPT, KEPT_EACH, CellRepeats, Count, ImageOf, Parts, Recipe, Repeat, Stream, Target
from .survey import Survey, Surveyor

__all__ = ["AT_MOST", "Plan", "Step", "make_plan"]

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
        report: PlanReport,
        stream: Stream,
        whole: Stream,
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
        self._stream, self._whole = stream, whole  # the second without --where and --limit
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
        variant by variant instead. InputError where a template fails on a variant's values. Once `survey` has been
        through a plan of some thousand variants, nothing is rendered again.
        """
        return self._stream.requests(by_variant=by_variant)

    def count(self) -> Count:
        """Variants, requests and images; a product of 10¹² without conditions is counted at once."""
        if self._counted is None:
            self._counted = self._whole.parts.count(self._matchers, self.limit)
        return self._counted

    def survey(self, at_most: int = AT_MOST) -> Survey:
        """One pass over the requests (the last one is kept): totals, equal requests, cost, and every problem found.

        Stops after `at_most` requests with `complete` False.
        """
        if self._surveyed is None or (not self._surveyed.complete and self._surveyed_at < at_most):
            self._surveyed = self._survey(self._stream, at_most, self.count())
            self._surveyed_at = at_most
        return self._surveyed

    def _survey(self, stream: Stream, at_most: int, count: Count) -> Survey:
        surveyor = Surveyor(stream, self._report, min(at_most, count.requests))
        return surveyor.run(at_most, keep=count.variants * KEPT_EACH <= KEPT)

    def steps(self, at_most: int = AT_MOST) -> list[Step]:
        """SPEC.md's steps with what is left after each; equal requests are looked for among at most this many."""
        parts, experiment = self._whole.parts, self.experiment
        axes, space = parts.space.axes, parts.space
        after_when = tally(axes)
        after_skip = tally(axes, experiment.skip)
        chosen = parts.count((), None)
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
        whole: Survey | None = None
        if chosen.requests <= at_most:
            narrowed = self._stream is not self._whole
            whole = self._survey(self._whole, at_most, chosen) if narrowed else self.survey(at_most)
        repeats = "" if whole is None else f"{whole.repeats:,} equal to another"
        note = repeats if whole is not None else f"more than {at_most:,} are not compared"
        steps = [Step("equal requests", None if whole is None else whole.distinct, "requests", note)]
        if self._matchers:
            steps.append(Step("--where", self._whole.parts.count(self._matchers, None).requests, "requests"))
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


# --- making one ---------------------------------------------------------------------------------------------------


def make_plan(
    experiment: Experiment,
    library: Library,
    target: Target,
    *,
    where: Where = (),
    limit: int | None = None,
    chain: images.Chain | None = None,
    parameters: Mapping[str, Parameter] | None = None,
    only: Sequence[CellRepeats] | None = None,
    templates: Mapping[str | None, Template] | None = None,
) -> Plan:
    """The plan of an experiment; InputError with every error that shows without enumerating its variants.

    All conditions of `where` have to hold; `limit` is the number of requests that are kept, in the sending order.
    `chain` looks up the images of an earlier experiment where `image:` asks for them. `parameters` are those of all
    installed providers (the default), which says what is merely dropped and what is unknown everywhere.
    `only` plans these variants with these repeats, in this order, instead of `where`, `limit`, seeds and draws.
    `templates` stand for the values of the experiment's axis of prompts or templates (None where it has no such axis)
    in place of those that the experiment names: variants keep their ids, and get other prompts.
    """
    report = PlanReport(experiment)
    for note in experiment.notes:
        report.add(note.code, note.message, note.place, warning=True)
    edited = _chain_images(experiment, chain)
    axes = experiment.axes if edited is None else (*experiment.axes, *images.chain_axis(report, edited))
    space = Space(axes, experiment.skip)
    templates = _templates(report, library, space, templates or {})
    image_template = _image_template(report, library)
    seen_by = [*templates.values(), *([image_template] if image_template else [])]
    checks.check_templates(report, seen_by, axes)
    checks.check_axes(report, seen_by, axes)
    checks.check_matchers(report, space)
    matchers = checks.resolved(report, space, where)
    reader = Reader(report, target.capabilities, _known(parameters), target.provider)
    layers = reader.layers(space, list(templates.values()))
    checks.check_capabilities(report, target.capabilities, target.provider, _has_negative(layers))
    shared: dict[str, Sequence[object]] = {}
    recipes = [Recipe(template, space, report, shared) for template in templates.values()]
    report.found.raise_errors()
    image_of = None
    if edited is not None:
        image_of = images.chained(space, edited)
    elif image_template is not None:
        image_of = images.rendered(experiment, space, image_template, report)
    whole = _parts(experiment, space, target, recipes, layers, image_of, _found(space, only))
    part = replace(whole, where=tuple(space.test(matcher) for matcher in matchers), limit=limit)
    stream = Stream(experiment, target, part)
    narrowed = bool(matchers) or limit is not None
    return Plan(
        experiment,
        target,
        report=report,
        stream=stream,
        whole=Stream(experiment, target, whole) if narrowed else stream,
        templates=templates,
        where=where,
        matchers=matchers,
        limit=limit,
    )


def _parts(
    experiment: Experiment,
    space: Space,
    target: Target,
    recipes: Sequence[Recipe],
    layers: Layers,
    image_of: ImageOf | None,
    only: tuple[tuple[Cell, tuple[Repeat, ...]], ...] | None,
) -> Parts:
    seeds = seeds_of(experiment)
    repeats = {"seed": len(seeds), "draw": experiment.draws}
    if only is not None:  # how many of each the variant with most of them has
        repeats["seed"] = max((len({repeat.seed for repeat in own}) for _, own in only), default=1)
        repeats["draw"] = max((len({repeat.draw for repeat in own}) for _, own in only), default=1)
    pattern = None if experiment.files is None else Pattern(experiment.files)
    by_parameter = "params.seed" in space.position
    return Parts(
        space=space,
        chosen=choose(experiment.design, space, experiment.baseline),
        recipes=recipes,
        image=image_of,
        shaper=Shaper(experiment, space, target.capabilities, layers),
        namer=Namer(space, pattern, repeats | ({"seed": 2} if by_parameter else {})),
        seeds=seeds,
        draws=experiment.draws,
        interleaved=experiment.order == "interleaved",
        only=only,
    )


def _found(space: Space, only: Sequence[CellRepeats] | None) -> tuple[tuple[Cell, tuple[Repeat, ...]], ...] | None:
    """The cells of chosen variants; InputError for one that this experiment does not have."""
    if only is None:
        return None
    found = []
    for each in only:
        cell = space.find(each.axes)
        if space.axes_of(cell) != dict(each.axes):
            name = ",".join(f"{axis}={value}" for axis, value in each.axes.items())
            raise InputError(f"the experiment has no variant {name}", code="unknown-variant")
        found.append((cell, each.repeats))
    return tuple(found)


def _known(parameters: Mapping[str, Parameter] | None) -> Mapping[str, Parameter]:
    if parameters is not None:
        return parameters
    from promptlab.providers import parameters as installed

    return installed()


def _chain_images(experiment: Experiment, chain: images.Chain | None) -> list[images.ChainImage] | None:
    """The images that a chain edits; None where the experiment is not a chain."""
    source = experiment.image
    if source is None or source.chain is None:
        return None
    return [] if chain is None else list(chain(source))


def _templates(
    report: PlanReport, library: Library, space: Space, instead: Mapping[str | None, Template]
) -> dict[str | None, Template]:
    """Template by value id of the axis that chooses it (None without such an axis); each loaded and compiled once."""
    experiment = report.experiment
    axis = next((axis for axis in space.axes if axis.kind in ("prompt", "template")), None)
    wanted: list[tuple[str | None, Source]] = []
    if axis is not None:
        kind: Literal["prompt", "template"] = "template" if axis.kind == "template" else "prompt"
        wanted = [(value.id, Source(kind, value.text, value.place)) for value in axis.values]
    elif experiment.source is not None:
        wanted = [(None, experiment.source)]
    found: dict[str | None, Template] = {}
    for value, source in wanted:
        try:
            found[value] = instead[value] if value in instead else _load(library, source, value)
        except InputError as error:
            checks.loaded(report, error, source.place)
    if not wanted:
        report.add("prompt-source", "an experiment needs one of prompt, prompts, template and templates")
    if len(found) < len(wanted) or not wanted:
        report.found.raise_errors()
    return found


def _load(library: Library, source: Source, value: str | None) -> Template:
    if source.kind == "template":
        return library.get(source.text, source.place)
    return library.inline(source, "prompt" if value is None else f"prompts.{value}")


def _image_template(report: PlanReport, library: Library) -> Template | None:
    """The `image:` text as a template, which tells the variables it uses; it is rendered as a path, not a prompt."""
    image = report.experiment.image
    if image is None or image.text is None:
        return None
    try:
        return library.inline(Source("prompt", image.text, image.place), "image")
    except InputError as error:
        checks.loaded(report, error, image.place)
        return None


def _has_negative(layers: Layers) -> bool:
    every = [
        layers.base,
        *layers.templates,
        *layers.overrides,
        *(la for values in layers.values.values() for la in values),
    ]
    return any(layer.negative_prompt for layer in every)
