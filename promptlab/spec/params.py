"""Parameters: text typed by what the installed providers declare, at its line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationInfo

from promptlab.model import Parameter, Place, Scalar

from .names import did_you_mean, is_address, is_secret, listed
from .report import Report
from .scalars import kind_of, refuse
from .yaml_tree import Map

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["read_param", "read_params", "resolve_name"]

_ELSEWHERE = {
    "seed": "write `seeds: [42]` at the top for the seed 42, or `seeds: 4` for four different ones",
    "prompt": "write `prompt:` at the top",
    "negative_prompt": "write `negative_prompt:` at the top",
    "image": "write `image:` at the top",
}


def read_params(value: object, info: ValidationInfo[Any]) -> dict[str, Any]:
    """The typed parameters of a `params:` map; each problem is reported at its place."""
    if not isinstance(value, Map):
        refuse("wrong-type", f"is {kind_of(value)}; it has to be a map of parameters")
    report, parameters = info.context.report, info.context.parameters
    read: dict[str, Any] = {}
    for name, given in value.items():
        parameter = resolve_name(name, parameters, value.key_place(name), report)
        if parameter is not None:
            typed = read_param(parameter, given, value.value_place(name), report)
            if typed is not None:
                read[name] = typed
    return read


def resolve_name(name: str, parameters: Mapping[str, Parameter], place: Place, report: Report) -> Parameter | None:
    """The declared parameter of a name; an unknown one is reported."""
    if (parameter := parameters.get(name)) is not None:
        return parameter
    if is_secret(name) or is_address(name):
        message = f"{name} is not a parameter: addresses belong in promptlab.yaml, keys in the environment"
        report.add("not-in-experiment", message, place, secret=is_secret(name))
        return None
    advice = did_you_mean(name, parameters) or (f"; known: {listed(sorted(parameters), 24)}" if parameters else "")
    if name.isdecimal():
        advice = "; a number is written with a point, as in 0.5"
    if name in _ELSEWHERE:
        advice = f"; {_ELSEWHERE[name]}"
    report.add("unknown-parameter", f"no installed provider declares the parameter {name!r}{advice}", place)
    return None


def read_param(parameter: Parameter, value: object, place: Place, report: Report) -> Scalar:
    """A typed value; None, with the problem reported, where it can't be one."""
    name = parameter.name
    if value is None:
        report.add("no-value", f"{name} has no value; write one or leave the key out", place)
        return None
    if not isinstance(value, str):
        report.add("wrong-type", f"{name} is {kind_of(value)}; one text or number is needed", place)
        return None
    if any(sign in value for sign in ("{{", "{%", "{#")):
        message = f"{name} holds {{{{, {{% or {{#; parameters are data: vary them as the axis `params.{name}`"
        report.add("template-in-data", message, place)
        return None
    try:
        return parameter.read(value)
    except ValueError as error:
        report.add("bad-parameter", str(error), place)
        return None
