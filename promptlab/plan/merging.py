"""What a request says beside its prompt: parameters and negative prompt, merged in SPEC.md's order.

Base template, template, experiment, axis values (by axis name), override; parameter axes last. Few axes matter here,
so each combination of those is merged once (a `Shape`) and shared by all requests that have it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from promptlab.model import Axis, Experiment, Operation, Parameter, Place, Scalar, Value
from promptlab.prompts import clean
from promptlab.spec.names import nearest

from .checks import PlanReport, strictly
from .designs import Weight
from .identity import canonical
from .product import Cell, Space, by_pivot, matches

if TYPE_CHECKING:
    from promptlab.prompts import Template
    from promptlab.providers import Capabilities

__all__ = ["EDIT_ONLY", "Layer", "Layers", "Reader", "Shape", "Shaper", "split_parts"]

DEFAULT_MODEL = "gpt-image-2"  # SPEC.md, page one
#: What a request has as a separate field, so that no parameter's default may replace it.
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


_NOTHING = Layer()
#: Parameters that have their own key in an experiment.
_OWN_KEY = {"prompt": "prompt", "negative_prompt": "negative_prompt", "image": "image"}


class Reader:
    """Types parameters by the chosen provider, or by whichever installed one knows them.

    What only others know stays in the request, so that the provider drops it and logs that; it is reported here, and
    with `strict` it is an error.
    """

    def __init__(self, report: PlanReport, chosen: Capabilities, known: Mapping[str, Parameter], provider: str) -> None:
        self._report = report
        self._experiment = report.experiment
        self._chosen = {parameter.name: parameter for parameter in chosen.parameters}
        self._known = known
        self._provider = provider
        self._dropped: set[str] = set()
        self._shared: dict[str, Layer] = {}

    def layers(self, space: Space, templates: list[Template]) -> Layers:
        """Every source of parameters and negatives of the experiment, typed."""
        experiment = self._experiment
        return Layers(
            base=Layer(self._map(experiment.params, ("params",)), experiment.negative_prompt),
            templates=[self._template(template) for template in templates],
            values={at: layers for at in range(len(space.axes)) if any(layers := self._axis(space, at))},
            overrides=[
                Layer(
                    self._map(override.params, ("override", index, "params"), override.place), override.negative_prompt
                )
                for index, override in enumerate(experiment.override)
            ],
        )

    def _axis(self, space: Space, at: int) -> list[Layer]:
        axis = space.axes[at]
        if axis.kind == "param":
            name = parameter_name(axis)
            if name in EDIT_ONLY and self._experiment.image is None:
                self._dropped.add(name)
                message = (
                    f"the axis '{axis.name}' changes nothing: '{name}' is a parameter of edits and there is no `image`,"
                    " so each value would be the same call; write `image:`, or take the axis out"
                )
                self._report.add("same-call", message, axis.place or self._report.place("axes", axis.name))
            read = [(self.read(name, value.text, value.place or axis.place)) for value in axis.values]
            return [Layer({} if typed is None else {name: typed}) for typed in read]
        return [self._of_value(axis, value) for value in axis.values]

    def _of_value(self, axis: Axis, value: Value) -> Layer:
        """The layer of one value; values that say the same share one, unless there is something to report of each."""
        if not value.params and not value.negative_prompt:
            return _NOTHING
        key = repr((value.params, value.negative_prompt))
        layer = self._shared.get(key)
        if layer is None:
            known = len(self._report.found.found)
            layer = Layer(self._map(value.params, self._path(axis, value), value.place), value.negative_prompt)
            if len(self._report.found.found) == known:
                self._shared[key] = layer
        return layer

    def _path(self, axis: Axis, value: Value) -> tuple[str | int, ...]:
        """Where the parameters of a value would stand in the experiment: in an axis' short form, or its long one."""
        short = ("axes", axis.name, value.id, "params")
        return short if short in self._experiment.places else ("axes", axis.name, "values", value.id, "params")

    def _template(self, template: Template) -> Layer:
        places = template.param_places
        for path in {place.path for place in places.values()}:
            name = path.partition("@")[0]
            source = next((file.source for file in template.files if name.endswith(file.path)), None)
            if source is not None:
                self._report.texts[path] = source
        read = {name: self.read(name, value, places.get(name)) for name, value in template.params.items()}
        return Layer({name: value for name, value in read.items() if value is not None}, template.negative_prompt)

    def _map(
        self, params: Mapping[str, Any], path: tuple[str | int, ...], otherwise: Place | None = None
    ) -> dict[str, Scalar]:
        read = {}
        for name, value in params.items():
            place = self._report.value_place(*path, name) or otherwise or self._report.place(*path)
            read[name] = self.read(name, value, place)
        return {name: value for name, value in read.items() if value is not None}

    def read(self, name: str, value: object, place: Place | None) -> Scalar:
        """The typed value; None, with the problem reported, where it is not one."""
        parameter = self._chosen.get(name) or self._known.get(name)
        if name in _OWN_KEY:
            self._report.add("bad-parameter", f"{name} is not a parameter; write `{_OWN_KEY[name]}:` at the top", place)
            return None
        if parameter is None:
            if name in FIELDS:  # model and seed are everybody's, declared or not
                parameter = Parameter(name, "integer" if name == "seed" else "string", f"the {name}")
            else:
                close = nearest(name, [*self._chosen, *self._known])
                advice = f"; did you mean '{close}'?" if close else ""
                message = f"no installed provider declares the parameter '{name}'{advice}"
                self._report.add("unknown-parameter", message, place)
                return None
        try:
            typed = parameter.read(value)
        except ValueError as error:
            self._report.add("bad-parameter", str(error), place)
            return None
        self._say_dropped(name, place)
        return typed

    def _say_dropped(self, name: str, place: Place | None) -> None:
        if name in self._dropped or name in FIELDS:
            return
        if name not in self._chosen:
            why = f"{self._provider} has no parameter '{name}', so it is not sent"
        elif name in EDIT_ONLY and self._experiment.image is None:
            why = f"'{name}' is a parameter of edits, and there is no `image`, so it is not sent"
        else:
            return
        self._dropped.add(name)
        self._report.add(
            "dropped-parameter", why + strictly(self._experiment), place, warning=not self._experiment.strict
        )


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
    wire: str  # what of all this the provider gets
    dropped: tuple[str, ...]  # and the names of what it does not get
    price_key: str


class Shaper:
    """Merges the layers of a cell.

    Values of an axis that bring the same along and that the same overrides name are of one kind, and each combination
    of kinds is merged once: a file of rows with their own `n` has as many shapes as there are different `n`.
    """

    def __init__(self, experiment: Experiment, space: Space, capabilities: Capabilities, layers: Layers) -> None:
        edit = experiment.image is not None
        self._operation: Operation = "edit" if edit else "generate"
        self._base = layers.base
        self._templates = layers.templates
        self._template_at = next((at for at, a in enumerate(space.axes) if a.kind in ("prompt", "template")), None)
        self._values = [(at, layers.values[at]) for at in space.by_name if at in layers.values]
        self._last = [(at, values) for at, values in self._values if space.axes[at].kind == "param"]
        self._overrides = layers.overrides
        self._tests = [space.test(override.match) for override in experiment.override]
        self._candidates = list(by_pivot(self._tests).items())
        self._everywhere = [number for number, test in enumerate(self._tests) if not test]
        #: The overrides that changed something where they applied.
        self.effective: set[int] = set()
        parameters = capabilities.parameters
        self._model = next((str(p.default) for p in parameters if p.name == "model" and p.default), DEFAULT_MODEL)
        self._defaults = {
            parameter.name: parameter.default
            for parameter in parameters
            if parameter.default is not None
            and parameter.name not in FIELDS
            and (edit or parameter.name not in EDIT_ONLY)
        }
        self._sent = {p.name for p in parameters if edit or p.name not in EDIT_ONLY}
        self._negative_sent = capabilities.negative_prompt != "none"
        self._seed_sent = capabilities.seed != "none"
        self._memo: dict[Any, Shape] = {}
        self._key = self._keyed(space)

    def _keyed(self, space: Space) -> Callable[[Cell], Any]:
        """What a cell's shape is remembered by: its choices where they are few, their kinds where they are many."""
        places = {at for at, values in self._values if any(values)} | {at for test in self._tests for at, _ in test}
        if self._template_at is not None and any(self._templates):
            places.add(self._template_at)
        positions = sorted(places)
        if not positions:
            return lambda _: None
        if math.prod(len(space.choices[at]) for at in positions) <= MEMO:
            return itemgetter(*positions)
        kinds = [(at, _numbered(self._kinds(space, at, _everything, lambda number: number))) for at in positions]
        if len(kinds) == 1:
            ((only, table),) = kinds
            return lambda cell: table[cell[only].index]
        return lambda cell: tuple([table[cell[at].index] for at, table in kinds])

    def _kinds(
        self, space: Space, at: int, brought: Callable[[Layer], Hashable], told: Callable[[int], Hashable]
    ) -> list[Hashable]:
        """Value index → what tells it from others: what it brings along, and (`told`) the overrides that name it."""
        named: dict[int, list[Hashable]] = {}
        for number, test in enumerate(self._tests):
            if (mark := told(number)) is not None:
                for index in itertools.chain.from_iterable(accepted for place, accepted in test if place == at):
                    named.setdefault(index, []).append(mark)
        layers = self._templates if at == self._template_at else dict(self._values).get(at)
        size = len(space.choices[at])
        shared = {id(layer): layer for layer in layers or ()}  # most values share one layer
        said = {key: brought(layer) for key, layer in shared.items()}
        return [(said[id(layers[index])] if layers else None, tuple(named.get(index, ()))) for index in range(size)]

    def weight(self, space: Space) -> Weight:
        """How many images a call of each cell makes, and what decides that."""

        def told(number: int) -> Hashable:
            """An override is known by its `n` where it names one axis alone: a thousand of them are one kind then."""
            n = self._overrides[number].params.get("n")
            return None if n is None else (n,) if len(self._tests[number]) == 1 else number

        layered = [*self._values, *([] if self._template_at is None else [(self._template_at, self._templates)])]
        places = {at for at, values in layered if any("n" in layer.params for layer in values)}
        places |= {at for number, test in enumerate(self._tests) if told(number) is not None for at, _ in test}
        kinds = {space.axes[at].name: self._kinds(space, at, lambda la: la.params.get("n"), told) for at in places}
        layers = itertools.chain(
            [self._base], self._templates, self._overrides, *(values for _, values in self._values)
        )
        most = max(int(layer.params.get("n") or self._defaults.get("n") or 1) for layer in layers)
        return Weight(kinds, lambda named: self.images(space.find(named)), most)

    def shape(self, cell: Cell) -> Shape:
        """The shape of a cell, merged once for each combination that matters."""
        key = self._key(cell)
        found = self._memo.get(key)
        if found is None:
            if len(self._memo) >= MEMO:
                self._memo.clear()
            found = self._memo[key] = self._merge(cell)
        return found

    def images(self, cell: Cell) -> int:
        """The `n` of a cell, without the rest of its shape."""
        n: Any = None
        for layer in self._stack(cell, self._applied(cell)):
            n = layer.params.get("n", n)
        return int(self._defaults.get("n", 1) if n is None else n)

    def _applied(self, cell: Cell) -> tuple[int, ...]:
        """The overrides that match a cell, in their order."""
        if not self._tests:
            return ()
        found = [
            number
            for at, table in self._candidates
            for number, rest in table.get(cell[at].index, ())
            if matches(cell, rest)
        ]
        return tuple(sorted(found + self._everywhere))

    def _stack(self, cell: Cell, applied: Iterable[int]) -> list[Layer]:
        """The layers of a cell, the strongest last; a parameter axis is there twice, for its place among the values."""
        template = self._templates[0 if self._template_at is None else cell[self._template_at].index]
        values = [layers[cell[at].index] for at, layers in self._values if cell[at].index >= 0]
        last = [layers[cell[at].index] for at, layers in self._last if cell[at].index >= 0]
        return [template, self._base, *values, *(self._overrides[i] for i in applied), *last]

    def _merge(self, cell: Cell) -> Shape:
        applied = self._applied(cell)
        shape = self._shaped(self._stack(cell, applied), applied)
        for number in applied:
            if number not in self.effective:
                without = self._stack(cell, (i for i in applied if i != number))
                if self._shaped(without, applied).head != shape.head:
                    self.effective.add(number)
        return shape

    def _shaped(self, stack: Sequence[Layer], applied: tuple[int, ...]) -> Shape:
        params: dict[str, Any] = {}
        for layer in stack:
            params.update(layer.params)
        parts = split_parts(part for layer in stack for part in layer.negative_prompt)
        model = str(params.pop("model", self._model))
        seed = params.pop("seed", None)
        defaults = {name: value for name, value in self._defaults.items() if name not in params}
        negative = ", ".join(parts) or None
        kept = negative if self._negative_sent else None
        all_params = canonical({**defaults, **params})
        head = self._head(model, negative, all_params)
        dropped = [*sorted(params.keys() - self._sent), *([] if kept == negative else ["negative_prompt"])]
        if seed is not None and not self._seed_sent:
            dropped.append("seed")
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
            head=head,
            wire=self._wire(model, kept, seed, {**defaults, **params}) if dropped else f"{head}{seed}",
            dropped=tuple(dropped),
            price_key=f"{model} {self._operation} {all_params}",
        )

    def _head(self, model: str, negative: str | None, params: str) -> str:
        said = "null" if negative is None else encode_basestring_ascii(negative)
        return (
            f'"model":{encode_basestring_ascii(model)},"negative_prompt":{said},'
            f'"operation":"{self._operation}","params":{params},"prompt":'
        )

    def _wire(self, model: str, negative: str | None, seed: int | None, params: Mapping[str, Any]) -> str:
        sent = canonical({name: value for name, value in params.items() if name in self._sent})
        return f"{self._head(model, negative, sent)}{seed if self._seed_sent else None}"

    @property
    def may_drop(self) -> bool:
        """Whether anything that is asked for somewhere is not sent."""
        names = {*self._sent, "model"} - {"seed"} | ({"seed"} if self._seed_sent else set())
        layers = {id(layer): layer for _, values in self._values for layer in values}
        every = [self._base, *self._templates, *self._overrides, *layers.values()]
        return any(
            not names.issuperset(layer.params) or (layer.negative_prompt and not self._negative_sent) for layer in every
        )


def _everything(layer: Layer) -> Hashable:
    return canonical(layer.params), layer.negative_prompt


def _numbered(kinds: Sequence[Hashable]) -> list[int]:
    """Equal kinds as equal numbers; one more at the end, for an absent axis."""
    numbers: dict[Hashable, int] = {}
    return [*(numbers.setdefault(kind, len(numbers)) for kind in kinds), len(numbers)]
