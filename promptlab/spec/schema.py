"""The JSON schema that editors hold against an experiment: draft-07, from the very forms that read it.

Editors give YAML 1.2 scalars types, so a text may be a string, number, boolean or null there. What needs more than
one place of the file (ids that matchers name, files, `extends`) is the loader's alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from inspect import getdoc
from typing import Any

from promptlab.model import Parameter

from .extends import SOURCES
from .forms import PARAMS, ExperimentForm
from .kinds import DATA, DATA_TEXT, SCALAR, Form, Key, Kind, Leaf, ListOf, MapOf, OneOf

__all__ = ["experiment_schema"]

_NO_TEMPLATE = r"^(?![\s\S]*\{[{%#])"
#: What YAML 1.2's core schema reads as something other than a string.
_TYPED = re.compile(r"(?i)true|false|null|~|[-+.]?[0-9].*|[-+]?\.(?:inf|nan)|")


def experiment_schema(parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    """The draft-07 schema; `params` takes the names in `parameters`. Closed objects, a description at every key."""
    definitions: dict[str, Any] = {}
    schema = _form(ExperimentForm, definitions)
    definitions = dict(sorted(definitions.items())) | {"Parameters": _parameters(parameters)}
    axes = schema["properties"]["axes"]
    names = axes["propertyNames"]
    axes["propertyNames"] = {
        "not": names["not"],
        "anyOf": [{"pattern": names["pattern"]}, {"enum": [f"params.{name}" for name in parameters]}],
    }
    axes["properties"] = {
        f"params.{name}": _parameter_axis(parameter, definitions["ValuesForm"]["properties"]["when"])
        for name, parameter in parameters.items()
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "promptlab experiment",
        **schema,
        "oneOf": _one_source(),
        "definitions": definitions,
    }


def _form(form: type[Form], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a form itself."""
    schema: dict[str, Any] = {
        "additionalProperties": False if form.others is None else _schema(form.others, definitions),
        "description": getdoc(form),
        "properties": {name: _key(key, definitions) for name, key in form.keys.items()},
        "type": "object",
    }
    if required := [name for name, key in form.keys.items() if key.required]:
        schema["required"] = required
    return schema


def _key(key: Key, definitions: dict[str, Any]) -> dict[str, Any]:
    schema = _schema(key.kind, definitions)
    if "$ref" in schema:  # draft-07 ignores what is beside a $ref
        schema = {"allOf": [schema]}
    default = {} if key.default is None or isinstance(key.default, type) else {"default": key.default}
    return {**default, **schema, "description": key.description}


def _schema(kind: Kind, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a kind; a form and data, which refer to themselves or are used often, become definitions."""
    if isinstance(kind, Leaf):
        return dict(kind.schema)
    if isinstance(kind, ListOf):
        least = {"minItems": kind.least} if kind.least else {}
        items = _schema(kind.item, definitions)
        many = {"type": "array", "items": items, **least, **kind.schema}
        return {"anyOf": [items, many]} if kind.one else many
    if isinstance(kind, MapOf):
        least = {"minProperties": kind.least} if kind.least else {}
        return {"type": "object", "additionalProperties": _schema(kind.value, definitions), **least, **kind.schema}
    if isinstance(kind, OneOf):
        return {"anyOf": [_schema(each, definitions) for each in kind.kinds]}
    if kind is PARAMS:
        return {"$ref": "#/definitions/Parameters"}
    if kind is DATA:
        return _defined("Data", _data, definitions)
    assert isinstance(kind, type)
    assert issubclass(kind, Form)
    return _defined(kind.__name__, lambda: _form(kind, definitions), definitions)


def _defined(name: str, make: Callable[[], dict[str, Any]], definitions: dict[str, Any]) -> dict[str, Any]:
    if name not in definitions:
        definitions[name] = {}  # a definition may refer to itself
        definitions[name] = make()
    return {"$ref": f"#/definitions/{name}"}


def _data() -> dict[str, Any]:
    inner = {"$ref": "#/definitions/Data"}
    return {
        "anyOf": [
            dict(DATA_TEXT.schema),
            {"type": "array", "items": inner},
            {"type": "object", "additionalProperties": inner},
        ],
        "description": "Text, or lists and maps of it; never template text.",
    }


def _parameter_axis(parameter: Parameter, when: dict[str, Any]) -> dict[str, Any]:
    """The forms of an axis whose values are one parameter's."""
    value = _parameter(parameter)
    listed = {"type": "array", "items": value, "minItems": 1}
    in_fields = {"type": "object", "required": ["text"], "additionalProperties": False, "properties": {"text": value}}
    named = {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"not": {"enum": ["from", "values"]}},
        "additionalProperties": {"anyOf": [value, in_fields]},
    }
    long = {
        "type": "object",
        "required": ["values"],
        "additionalProperties": False,
        "properties": {"values": {"description": "The values.", "anyOf": [listed, named]}, "when": when},
    }
    forms = [listed, {"$ref": "#/definitions/RowsForm"}, long, named]
    return {"description": f"The parameter {parameter.name} as an axis.", "anyOf": forms}


def _one_source() -> list[dict[str, Any]]:
    """Exactly one way to give the prompt, or none where a base gives it."""
    given = [{"required": [name]} for name in SOURCES]
    return [*given, {"required": ["extends"], "not": {"anyOf": given}}]


def _parameters(parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": "Parameters that the installed providers declare.",
        "additionalProperties": False,
        "properties": {name: _parameter(parameter) for name, parameter in parameters.items()},
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": parameter.description}
    if parameter.default is not None:
        schema["default"] = parameter.default
    if parameter.type == "boolean":
        words = r"^\s*([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])\s*$"
        return schema | {"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": words}]}
    if parameter.type == "string":
        if parameter.choices and not any(_TYPED.fullmatch(word) for word in _unratioed(parameter.choices)):
            return schema | {"enum": list(parameter.choices)}
        pattern = f"^(?:{parameter.pattern})$" if parameter.pattern else _NO_TEMPLATE
        return schema | {"type": SCALAR, "pattern": pattern}
    number: dict[str, Any] = {"type": parameter.type}
    if parameter.minimum is not None:
        number["minimum"] = parameter.minimum
    if parameter.maximum is not None:
        number["maximum"] = parameter.maximum
    text = r"^\s*[+-]?\d+\s*$" if parameter.type == "integer" else r"^\s*[+-]?[\d.]+([eE][+-]?\d+)?\s*$"
    return schema | {"anyOf": [number, {"type": "string", "pattern": text}]}


def _unratioed(words: tuple[str, ...]) -> list[str]:
    """The words that YAML 1.2 might type: `1:1` and `1024x1024` are strings there."""
    return [word for word in words if ":" not in word and "x" not in word]
