"""What a request says beside its prompt: parameters and negative prompt, merged in SPEC.md's order.

Base template, template, experiment, axis values (by axis name), override; parameter axes last. Few axes matter here,
so each combination of those is merged once (a `Shape`) and shared by all requests that have it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii
from operator import itemgetter
from typing import Any

from promptlab.model import Axis, Experiment, Operation, Parameter, Scalar
from promptlab.prompts import clean

from .counting import Weight
from .identity import canonical
from .product import Cell, Space, Test, matches

__all__ = ["Layer", "Layers", "Shape", "Shaper", "parameter_name", "split_parts"]

DEFAULT_MODEL = "gpt-image-2"  # SPEC.md, page one
#: What a request has as a field of its own, so that no parameter's default may stand for it.
FIELDS = frozenset({"model", "prompt", "negative_prompt", "seed", "image"})
#: Parameters that only an edit has (guide, Image-to-Image Editing, Additional Parameters).
EDIT_ONLY = frozenset({"strength"})
MEMO = 4096  # shapes kept; more are merged again, so that a million of them never stand in memory


def split_parts(texts: Iterable[str]) -> tuple[str, ...]:
    """The parts of a negative prompt: each text is one, cleaned and never split; without exact repeats, in order."""
    return tuple(dict.fromkeys(cleaned for text in texts if (cleaned := clean(text))))


def parameter_name(axis: Axis) -> str:
    """The parameter that a parameter axis sets: `params.n` sets n."""
    return axis.name.removeprefix("params.")


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source adds: typed parameters, and parts of the negative prompt."""

    params: Mapping[str, Scalar] = field(default_factory=dict)
    negative_prompt: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.params or self.negative_prompt)


@dataclass(frozen=True, slots=True)
class Layers:
    """All sources: `values` maps an axis' place in the cell to one layer a value; one template without an axis."""

    base: Layer
    templates: Sequence[Layer]
    values: Mapping[int, Sequence[Layer]]
    overrides: Sequence[Layer]


@dataclass(slots=True, eq=False)
class Shape:
    """Everything of a request but its prompt, image, seed and draw; `head` is its part of the canonical JSON."""

    params: Mapping[str, Any]
    defaults: Mapping[str, Any]
    model: str
    operation: Operation
    negative_prompt: str | None
    terms: tuple[str, ...]  # the negative prompt at its commas, case folded: what should not be in the prompt as well
    seed: int | None  # a seed given as a parameter
    n: int
    overrides: tuple[int, ...]  # which overrides applied
    head: str
    price_key: str


class Shaper:
    """Merges the layers of a cell."""

    def __init__(self, experiment: Experiment, space: Space, parameters: Sequence[Parameter], layers: Layers) -> None:
        self._operation: Operation = "generate" if experiment.image is None else "edit"
        self._base = layers.base
        self._templates = layers.templates
        self._template_at = next((at for at, a in enumerate(space.axes) if a.kind in ("prompt", "template")), None)
        self._values = [(at, layers.values[at]) for at in space.by_name if at in layers.values]
        self._last = [(at, values) for at, values in self._values if space.axes[at].kind == "param"]
        self._overrides: list[tuple[Test, Layer]] = [
            (space.test(override.match), layer)
            for override, layer in zip(experiment.override, layers.overrides, strict=True)
        ]
        self._model = next((str(p.default) for p in parameters if p.name == "model" and p.default), DEFAULT_MODEL)
        self._defaults = {
            parameter.name: parameter.default
            for parameter in parameters
            if parameter.default is not None
            and parameter.name not in FIELDS
            and (self._operation == "edit" or parameter.name not in EDIT_ONLY)
        }
        self._memo: dict[Any, Shape] = {}
        self.positions = self._relevant()
        self._key: Callable[[Cell], Any] = itemgetter(*self.positions) if self.positions else lambda _: None

    def _relevant(self) -> list[int]:
        """The places of the axes that can change a shape."""
        places = {at for at, values in self._values if any(values)}
        places |= {at for test, _ in self._overrides for at, _ in test}
        if self._template_at is not None and any(self._templates):
            places.add(self._template_at)
        return sorted(places)

    def weight(self, space: Space) -> Weight:
        """How many images a call of each cell makes, and which axes decide that."""
        axes = {space.axes[at].name for at, values in self._values if any("n" in layer.params for layer in values)}
        for test, layer in self._overrides:
            if "n" in layer.params:
                axes |= {space.axes[at].name for at, _ in test}
        if self._template_at is not None and any("n" in layer.params for layer in self._templates):
            axes.add(space.axes[self._template_at].name)
        layers = [self._base, *self._templates, *(layer for _, layer in self._overrides)]
        layers += [layer for _, values in self._values for layer in values]
        most = max([int(self._defaults.get("n") or 1), *(int(la.params.get("n") or 1) for la in layers)])
        return Weight(frozenset(axes), lambda named: self.shape(space.find(named)).n, most)

    def shape(self, cell: Cell) -> Shape:
        """The shape of a cell, merged once for each combination that matters."""
        key = self._key(cell)
        found = self._memo.get(key)
        if found is None:
            if len(self._memo) >= MEMO:
                self._memo.clear()
            found = self._memo[key] = self._merge(cell)
        return found

    def _merge(self, cell: Cell) -> Shape:
        template = self._templates[0 if self._template_at is None else cell[self._template_at].index]
        values = [layers[cell[at].index] for at, layers in self._values if cell[at].index >= 0]
        applied = tuple(i for i, (test, _) in enumerate(self._overrides) if matches(cell, test))
        stack = [template, self._base, *values, *(self._overrides[i][1] for i in applied)]
        params: dict[str, Any] = {}
        for layer in stack:
            params.update(layer.params)
        for at, layers in self._last:
            if cell[at].index >= 0:
                params.update(layers[cell[at].index].params)
        return self._shape(params, split_parts(part for layer in stack for part in layer.negative_prompt), applied)

    def _shape(self, params: dict[str, Any], parts: tuple[str, ...], applied: tuple[int, ...]) -> Shape:
        model = str(params.pop("model", self._model))
        seed = params.pop("seed", None)
        defaults = {name: value for name, value in self._defaults.items() if name not in params}
        negative = ", ".join(parts) or None
        all_params = canonical({**defaults, **params})
        said = "null" if negative is None else encode_basestring_ascii(negative)
        return Shape(
            params=params,
            defaults=defaults,
            model=model,
            operation=self._operation,
            negative_prompt=negative,
            terms=tuple(term for part in parts for term in map(str.strip, part.casefold().split(",")) if term),
            seed=seed,
            n=int(params.get("n", defaults.get("n", 1))),
            overrides=applied,
            head=f'"model":{encode_basestring_ascii(model)},"negative_prompt":{said},'
            f'"operation":"{self._operation}","params":{all_params},"prompt":',
            price_key=f"{model} {self._operation} {all_params}",
        )
