"""Putting a plan together: load the templates, check everything that needs no enumeration, prepare the stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from promptlab.errors import InputError
from promptlab.model import Axis, Experiment, Parameter, Source
from promptlab.prompts import Library, Template, render_text
from promptlab.spec.matcher import Where

from . import checks, image_sources
from .designs import choose
from .file_names import Namer, Pattern
from .images import ImageOf
from .merging import Layers, Shaper
from .parameters import Reader, Report
from .plan import Plan
from .product import Space
from .recipes import Recipe, Shared
from .seeds import seeds_of
from .stream import Parts, Stream
from .target import Target

__all__ = ["make_plan"]


def make_plan(
    experiment: Experiment,
    library: Library,
    target: Target,
    *,
    where: Where = (),
    limit: int | None = None,
    chain: image_sources.Chain | None = None,
    parameters: Mapping[str, Parameter] | None = None,
) -> Plan:
    """The plan of an experiment; InputError with every error that shows without enumerating its variants.

    All conditions of `where` have to hold; `limit` is the number of requests that are kept, in the sending order.
    `chain` looks up the images of an earlier experiment where `image:` asks for them. `parameters` are those of all
    installed providers (the default), which says what is merely dropped and what is unknown everywhere.
    """
    report = Report(experiment)
    for note in experiment.notes:
        report.add(note.code, note.message, note.place, warning=True)
    images = _chain_images(experiment, chain)
    axes = _axes(report, images)
    if not checks.check_cycles(report, axes):
        report.found.raise_errors()
    space = Space(axes, experiment.skip)
    templates = _templates(report, library, space)
    image_template = _image_template(report, library)
    seen_by = [*templates.values(), *([image_template] if image_template else [])]
    checks.check_templates(report, seen_by, axes)
    checks.check_axes(report, seen_by, axes)
    checks.check_matchers(report, space)
    matchers = checks.resolved(report, space, where)
    pattern = checks.check_files(report, space)
    reader = Reader(report, target.capabilities, _known(parameters), target.provider)
    layers = reader.layers(space, list(templates.values()))
    checks.check_capabilities(report, target.capabilities, target.provider, _has_negative(layers))
    shared: Shared = {}
    recipes = [Recipe(template, space, report, shared) for template in templates.values()]
    report.found.raise_errors()
    image_of = _image_of(experiment, space, image_template, images, report)
    whole = _parts(experiment, space, target, recipes, layers, image_of, pattern)
    part = replace(whole, where=tuple(space.test(matcher) for matcher in matchers), limit=limit)
    streams = (Stream(experiment, target, part), Stream(experiment, target, whole))
    return Plan(
        experiment, target, report=report, streams=streams, templates=templates, where=where, matchers=matchers,
        limit=limit,
    )  # fmt: skip


def _parts(
    experiment: Experiment,
    space: Space,
    target: Target,
    recipes: Sequence[Recipe],
    layers: Layers,
    image_of: ImageOf | None,
    pattern: Pattern | None,
) -> Parts:
    seeds = seeds_of(experiment)
    by_parameter = "params.seed" in space.position
    return Parts(
        space=space,
        chosen=choose(experiment.design, space, experiment.baseline),
        recipes=recipes,
        image=image_of,
        shaper=Shaper(experiment, space, target.capabilities, layers),
        namer=Namer(space, pattern, {"seed": 2 if by_parameter else len(seeds), "draw": experiment.draws}),
        seeds=seeds,
        draws=experiment.draws,
        interleaved=experiment.order == "interleaved",
    )


def _known(parameters: Mapping[str, Parameter] | None) -> Mapping[str, Parameter]:
    if parameters is not None:
        return parameters
    from promptlab.providers import parameters as installed

    return installed()


def _chain_images(experiment: Experiment, chain: image_sources.Chain | None) -> list[image_sources.ChainImage] | None:
    source = experiment.image
    if source is None or source.chain is None:
        return None
    return [] if chain is None else list(chain(source))


def _axes(report: Report, images: list[image_sources.ChainImage] | None) -> tuple[Axis, ...]:
    axes = report.experiment.axes
    if images is None:
        return axes
    extra = image_sources.chain_axis(report, images)
    return axes if extra is None else (*axes, extra)


def _templates(report: Report, library: Library, space: Space) -> dict[str | None, Template]:
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
            found[value] = _load(library, source, value)
        except InputError as error:
            checks.loaded(report, error, source.place)
    if len(found) < len(wanted) or not wanted:
        if not wanted:
            report.add("prompt-source", "an experiment needs one of prompt, prompts, template and templates")
        report.found.raise_errors()
    return found


def _load(library: Library, source: Source, value: str | None) -> Template:
    if source.kind == "template":
        return library.get(source.text, source.place)
    return library.inline(source, "prompt" if value is None else f"prompts.{value}")


def _image_template(report: Report, library: Library) -> Template | None:
    """The `image:` text as a template, which tells the variables it uses; it is rendered as a path, not a prompt."""
    image = report.experiment.image
    if image is None or image.text is None:
        return None
    try:
        return library.inline(Source("prompt", image.text, image.place), "image")
    except InputError as error:
        checks.loaded(report, error, image.place)
        return None


def _image_of(
    experiment: Experiment,
    space: Space,
    template: Template | None,
    images: list[image_sources.ChainImage] | None,
    report: Report,
) -> ImageOf | None:
    if images is not None:
        return image_sources.chained(space, images)
    if template is None:
        return None
    return image_sources.rendered(experiment, Recipe(template, space, report), render_text)


def _has_negative(layers: Layers) -> bool:
    every = [
        layers.base,
        *layers.templates,
        *layers.overrides,
        *(la for values in layers.values.values() for la in values),
    ]
    return any(layer.negative_prompt for layer in every)
