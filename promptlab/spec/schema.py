"""The JSON schema that editors hold against an experiment: draft-07, from the very models that validate.

Editors give YAML 1.2 scalars types, so a text may be a string, number, boolean or null there. What needs more than
one place of the file (ids that matchers name, files, `extends`) is the loader's alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from promptlab.model import Parameter

from .extends import SOURCES
from .forms import ExperimentForm
from .scalars import SCALAR

__all__ = ["experiment_schema"]

_NO_TEMPLATE = r"^(?![\s\S]*\{[{%#])"
#: What YAML 1.2's core schema reads as something other than a string.
_TYPED = re.compile(r"(?i)true|false|null|~|[-+.]?[0-9].*|[-+]?\.(?:inf|nan)|")


def experiment_schema(parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    """The draft-07 schema; `params` takes the names in `parameters`. Closed objects, a description at every key."""
    schema = ExperimentForm.model_json_schema(ref_template="#/definitions/{model}")
    definitions = {name: _plain(body) for name, body in schema.pop("$defs").items()}
    definitions["Parameters"] = _parameters(parameters)
    definitions["Data"]["description"] = "Text, or lists and maps of it; never template text."
    definitions["FieldsForm"]["additionalProperties"] = {"$ref": "#/definitions/Data"}
    axes = schema["properties"]["axes"]
    names = axes["propertyNames"]
    names["anyOf"] = [{"pattern": names.pop("pattern")}, {"enum": [f"params.{name}" for name in parameters]}]
    axes["properties"] = {
        f"params.{name}": _parameter_axis(parameter, definitions["ValuesForm"]["properties"]["when"])
        for name, parameter in parameters.items()
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "promptlab experiment",
        **_plain(schema),
        "oneOf": _one_source(),
        "definitions": definitions,
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


def _plain(node: Any) -> Any:
    """Pydantic's schema as draft-07 has it, without noise: nothing is null that a file can't leave empty."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.pop("x-parameters", False):
        return {"allOf": [{"$ref": "#/definitions/Parameters"}]} | {k: v for k, v in node.items() if k == "description"}
    plain: dict[str, Any] = {
        key: _properties(value) if key == "properties" else _plain(value) for key, value in node.items()
    }
    if isinstance(plain.get("title"), str):
        del plain["title"]
    if plain.get("default", ...) in (None, {}, []):
        del plain["default"]
    branches = [b for b in plain.pop("anyOf", plain.pop("oneOf", [])) if b != {"type": "null"}]
    if len(branches) == 1:
        plain = {**branches[0], **plain} if "$ref" not in branches[0] else {"allOf": branches, **plain}
    elif branches:
        plain["anyOf"] = branches
    if "$ref" in plain and len(plain) > 1:  # draft-07 ignores what is beside a $ref
        plain = {"allOf": [{"$ref": plain.pop("$ref")}], **plain}
    return plain


def _properties(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {**_beside_ref(_plain(body)), "description": body["description"]} for name, body in properties.items()
    }


def _beside_ref(body: dict[str, Any]) -> dict[str, Any]:
    return {"allOf": [body]} if "$ref" in body else body


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
