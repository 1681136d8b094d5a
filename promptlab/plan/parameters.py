"""Parameters typed for the provider that will get them, each fault at its place, before anything is merged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from promptlab.errors import Problem, Problems
from promptlab.model import Axis, Experiment, Parameter, Place, Scalar, Value
from promptlab.spec.names import nearest
from promptlab.spec.report import split_lines
from promptlab.spec.yaml_tree import Places

from .merging import EDIT_ONLY, FIELDS, Layer, Layers, parameter_name
from .product import Space

if TYPE_CHECKING:
    from promptlab.prompts import Template
    from promptlab.providers import Capabilities

__all__ = ["Reader", "Report"]

#: Parameters that have their own key in an experiment.
_OWN_KEY = {"prompt": "prompt", "negative_prompt": "negative_prompt", "image": "image"}


@dataclass
class Report:
    """Collects problems with the source line of their place."""

    experiment: Experiment
    found: Problems = field(default_factory=Problems)
    texts: dict[str, str] = field(default_factory=dict)  # of templates, by the path that places name
    _lines: dict[str, list[str]] = field(default_factory=dict)

    def add(self, code: str, message: str, place: Place | None = None, *, warning: bool = False) -> None:
        """Keep one problem; as a warning it does not stop a run."""
        severity: Any = "warning" if warning else "error"
        if place is None:
            self.found.add(Problem(code, message, severity=severity))
            return
        source = self.line(place)
        self.found.add(Problem(code, message, place.path, place.line, place.column, source, severity))

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


class Reader:
    """Types parameters by the chosen provider, or by whichever installed one knows them.

    What only others know stays in the request, so that the provider drops it and logs that; it is reported here, and
    with `strict` it is an error.
    """

    def __init__(self, report: Report, chosen: Capabilities, known: Mapping[str, Parameter], provider: str) -> None:
        self._report = report
        self._experiment = report.experiment
        self._chosen = {parameter.name: parameter for parameter in chosen.parameters}
        self._known = known
        self._provider = provider
        self._dropped: set[str] = set()

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
        return [
            Layer(self._map(value.params, self._path(axis, value), value.place), value.negative_prompt)
            if value.params or value.negative_prompt
            else _NOTHING
            for value in axis.values
        ]

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


_NOTHING = Layer()


def strictly(experiment: Experiment) -> str:
    """The end of a sentence about something dropped: why that is an error here."""
    return "; with `strict: true` that is an error" if experiment.strict else ""
