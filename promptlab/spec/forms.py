"""The shape of an experiment file: which keys there are, of which kind, and what each is for.

`load.py` reads the tree of a file by it, and `schema.py` makes the editors' JSON schema from it. A description is
beside every key because editors show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptlab.model import Amount, Check, Parameter, Place, Scalar

from .faults import Steps, kind_of, refuse
from .kinds import (
    AMOUNT,
    COUNT,
    DATA,
    DATA_TEXT,
    FILE_NAMES,
    FLAG,
    ID,
    IDS,
    NEGATIVE,
    REPEATS,
    SEED_COUNT,
    WHOLE,
    WORD,
    Form,
    ListOf,
    MapOf,
    OneOf,
    Reading,
    choice,
    key,
    list_or_map,
    needed,
    read_id,
    text_or_map,
)
from .names import did_you_mean, is_address, is_secret, listed, quoted
from .report import Report
from .score_checks import CHECKS
from .settings import SettingsForm
from .yaml_tree import Map

__all__ = ["ExperimentForm", "FieldsForm", "ImageForm", "OverrideForm", "RowsForm", "SampleForm", "ValuesForm"]

#: Names that an axis can't have, since the language gives them a meaning.
RESERVED = ("prompt", "template", "seed", "draw", "position", "ext")
_JINJA_WORDS = frozenset("and or not in is if else elif true false none True False None".split())  # noqa: SIM905
#: Names that Jinja fills itself, so that a variable of that name could never be seen.
_JINJA_NAMES = frozenset(
    "self super loop caller varargs kwargs range dict namespace lipsum cycler joiner context environment".split()  # noqa: SIM905
)

_ID_KEYS = {
    "propertyNames": {
        "pattern": r"^(?![\s\S]*\{[{%#])(?=[\s\S]*\S)",
        "not": {"enum": ["from", "values"]},
    }
}
NAME_PATTERN = r"^[^0-9\s!-/:-@\[-^`{-~][^\s!-/:-@\[-^`{-~]*$"
_NAME_KEYS = {
    "propertyNames": {
        "pattern": NAME_PATTERN,
        "not": {"enum": sorted(_JINJA_WORDS | _JINJA_NAMES)},
    }
}
_AXIS_KEYS = {
    "propertyNames": {
        "pattern": NAME_PATTERN,
        "not": {"enum": [*RESERVED, *sorted(_JINJA_WORDS | _JINJA_NAMES)]},
    }
}


def _variable(name: str) -> None:
    if not name.isidentifier() or name in _JINJA_WORDS:
        refuse("bad-name", "can't be written as {{ name }}: use letters, digits and _, and no word of Jinja's")
    if name in _JINJA_NAMES:
        refuse(
            "reserved-name", f"means something else in a template: Jinja keeps {{{{ {name} }}}}; choose another name"
        )


def _axis_name(name: str) -> None:
    if name in RESERVED:
        hint = f" (write `{name}s:` for an axis of {name}s)" if name in ("prompt", "template") else ""
        refuse("reserved-name", f"can't be an axis: {', '.join(RESERVED)} are reserved{hint}")
    if not name.startswith("params."):
        _variable(name)


def _value_id(name: str) -> None:
    read_id(name)
    if name in ("from", "values"):
        refuse("reserved-name", "can't be a value's id: it opens an axis' long form")


def _unique(seeds: list[int]) -> None:
    known: set[int] = set()
    for seed in seeds:
        if seed in known:
            refuse("bad-value", f"names the seed {seed} twice; use `draws` to ask for one request several times")
        known.add(seed)


# --- parameters ---------------------------------------------------------------------------------------------------

_ELSEWHERE = {
    "seed": "write `seeds: [42]` at the top for the seed 42, or `seeds: 4` for four different ones",
    "prompt": "write `prompt:` at the top",
    "negative_prompt": "write `negative_prompt:` at the top",
    "image": "write `image:` at the top",
}


class Params:
    """A map of parameters, typed by what the installed providers declare; each problem is reported at its place."""

    def read(self, value: Any, path: Steps, reading: Reading) -> dict[str, Any]:
        if not isinstance(value, Map):
            refuse("wrong-type", f"is {kind_of(value)}; it has to be a map of parameters")
        read: dict[str, Any] = {}
        for name, given in value.items():
            parameter = resolve_name(name, reading.parameters, value.key_place(name), reading.report)
            if parameter is not None:
                typed = read_param(parameter, given, value.value_place(name), reading.report)
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


# --- the forms ----------------------------------------------------------------------------------------------------

PARAMS = Params()
MATCHER = MapOf(IDS, least=1)
SOURCES_FORM = list_or_map(ListOf(WORD, least=1), MapOf(WORD, key=_value_id, least=1, schema=_ID_KEYS))


class FieldsForm(Form):
    """A value of several fields: `{{ axis.field }}`; `text` is what `{{ axis }}` renders, else the id."""

    others = DATA

    negative_prompt: list[str] = key(NEGATIVE, "Added to the negative prompt where this value is used.", list)
    params: Mapping[str, Any] = key(PARAMS, "Parameters that this value overrides.", dict)


_ITEMS = ListOf(ID, least=1, schema={"description": "Texts; each is its own id."})
_NAMED = MapOf(
    text_or_map(DATA_TEXT, FieldsForm),
    key=_value_id,
    least=1,
    schema={"description": "id: text, or id: {field: text}.", **_ID_KEYS},
)


class RowsForm(Form):
    """An axis whose values are the rows of a file."""

    from_: str = needed(
        WORD,
        "A .csv, .tsv, .jsonl or .txt file (one value per line), relative to this experiment file.",
        name="from",
    )
    id: str | None = key(WORD, "The column that names a row; default: id, sku, name or the first column.")
    where: str | None = key(WORD, "A Jinja expression over the row; rows where it is false are left out.")
    literal: bool = key(FLAG, "Take cells as they are: `{{` in one is part of the text, never a template.", False)
    when: Mapping[str, list[str]] | None = key(
        MATCHER, "The axis applies where this matches, and does not multiply elsewhere."
    )


class ValuesForm(Form):
    """An axis in its long form."""

    values: list[str] | Mapping[str, str | FieldsForm] = needed(
        list_or_map(_ITEMS, _NAMED), "The axis' values: texts, id: text, or id: fields."
    )
    when: Mapping[str, list[str]] | None = key(
        MATCHER, "The axis applies where this matches, and does not multiply elsewhere."
    )


def _axis_form(value: object) -> Any:
    if isinstance(value, list):
        return _ITEMS
    if isinstance(value, dict) and "from" in value:
        return RowsForm
    return ValuesForm if isinstance(value, dict) and "values" in value else _NAMED


class OverrideForm(Form):
    """What changes for the variants that match."""

    match: Mapping[str, list[str]] = needed(MATCHER, "axis: id, or axis: [ids]; all of them have to fit.")
    params: Mapping[str, Any] = key(PARAMS, "Parameters for these variants.", dict)
    negative_prompt: list[str] = key(NEGATIVE, "Added to these variants' negative prompt.", list)


class SampleForm(Form):
    """A stable sample of the variants, without replacement."""

    sample: int = needed(COUNT, "How many variants are kept.")
    seed: int = key(WHOLE, "Which sample; the same seed keeps the same variants.", 0)


class LimitsForm(Form):
    """Checked against the estimate before anything is sent."""

    images: int | None = key(COUNT, "The largest number of images.")
    requests: int | None = key(COUNT, "The largest number of requests.")
    cost: Amount | None = key(AMOUNT, "The highest cost: 600 USD, or 400 credits.")


class ImageForm(Form):
    """The images of another experiment as sources of edits."""

    from_: str = needed(WORD, "The experiment whose latest images are edited.", name="from")
    pick: Any = key(choice("kept", "all"), "Those marked keep, or all.", "all")
    where: Mapping[str, list[str]] | None = key(MATCHER, "Which of its variants.")


class AlertsForm(Form):
    """When to alert the user."""

    cost: Amount | None = key(AMOUNT, "Warn when the run has cost this much: 100 USD.")


_NOT_HERE = {
    "db": "PROMPTLAB_DB, --db or promptlab.yaml",
    "budget": "the command line: --budget 20usd",
}
#: What is often written for something else.
_MEANT = {
    "seed": "did you mean 'seeds'? Write `seeds: [42]` for the seed 42, or `seeds: 4` for four different ones",
    "draw": "write `draws: 3` to make every request three times",
    "variables": "write `vars:`",
    "negative": "write `negative_prompt:`",
    "where": "rows are picked in their axis: `item: {from: items.csv, where: stock == 'yes'}`; variants by `skip`",
    "matrix": "write `axes:`",
    "base": "write `extends:`",
}
#: `images` is more likely a limit that lost its map.
_STUDIO_KEYS = SettingsForm.keys.keys() - {"images"}


class ExperimentForm(Form):
    """An experiment of promptlab."""

    extends: str | None = key(WORD, "A base experiment, relative to this file: maps merge, lists replace.")
    description: str | None = key(WORD, "What this experiment is about.")
    prompt: str | None = key(WORD, "One inline prompt, as a Jinja template.")
    prompts: list[str] | Mapping[str, str] | None = key(
        SOURCES_FORM, "Inline prompts by id, or as a list: the axis `prompt`."
    )
    template: str | None = key(WORD, "A file of templates/, with @revision for that of a git revision.")
    templates: list[str] | Mapping[str, str] | None = key(
        SOURCES_FORM, "Files of templates/ by id, or as a list: the axis `template`."
    )
    negative_prompt: list[str] = key(NEGATIVE, "What no image should show: parts, or one text.", list)
    params: Mapping[str, Any] = key(PARAMS, "Parameters of every request.", dict)
    vars: Mapping[str, Any] = key(
        MapOf(DATA, key=_variable, schema=_NAME_KEYS), "Constants for the templates: text, lists and maps of it.", dict
    )
    axes: Mapping[str, Any] = key(
        MapOf(OneOf(_axis_form, _ITEMS, RowsForm, ValuesForm, _NAMED), key=_axis_name, schema=_AXIS_KEYS),
        "What varies; axes multiply.",
        dict,
    )
    skip: list[Mapping[str, list[str]]] = key(ListOf(MATCHER), "Variants that are left out.", list)
    override: list[OverrideForm] = key(ListOf(OverrideForm), "What changes for some variants.", list)
    baseline: Mapping[str, str] | None = key(
        MapOf(ID, least=1), "axis: id of the variant that comparisons are made against."
    )
    design: Any = key(
        text_or_map(choice("all", "one_factor", also=", or {sample: 200, seed: 0}"), SampleForm),
        "all, one_factor, or {sample: 200, seed: 0}.",
    )
    seeds: int | list[int] | None = key(
        list_or_map(ListOf(WHOLE, least=1, check=_unique, schema={"uniqueItems": True}), SEED_COUNT),
        "How many seeds, the same for every variant, or a list of them.",
    )
    seed_base: int = key(WHOLE, "What derived seeds are derived from.", 0)
    draws: int = key(REPEATS, "How often the very same request is made.", 1)
    order: Any = key(
        choice("interleaved", "by_variant"),
        "In which order requests are sent: every variant with its first seed, then with its second; or"
        " all seeds of a variant together.",
        "interleaved",
    )
    limits: LimitsForm | None = key(LimitsForm, "The estimate may not pass these.")
    image: str | ImageForm | None = key(
        text_or_map(WORD, ImageForm), "The source image of an edit: a path, URL or data: URI as a template, or a chain."
    )
    files: str | None = key(FILE_NAMES, "Names under results/, as {axis}_{seed}_{draw}_{position}.{ext}.")
    provider: str | None = key(WORD, "The provider that makes the images; default simulator.")
    mode: Any = key(choice("sync", "async", "auto"), "How calls are made.", "auto")
    strict: bool = key(FLAG, "A parameter that the provider would drop or emulate is an error.", False)
    alerts: AlertsForm | None = key(AlertsForm, "When to warn.")
    checks: Mapping[str, Check] = key(
        CHECKS, 'score: what it has to be, as {sharpness: "> 20"}; `promptlab score RUN --check` holds them.', dict
    )

    @classmethod
    def unknown(cls, name: str, value: Map, reading: Reading) -> None:
        """Tell of an unknown key; addresses, keys and settings have their own places."""
        message, code = "", "not-in-experiment"
        given = value[name]
        if is_secret(name):
            message = "an experiment can't hold a key: keys come from the environment alone, as KAIRVAL_API_KEY"
        elif is_address(name):
            message = (
                f"an experiment can't name an address: {name} belongs in promptlab.yaml under"
                " providers: {NAME: {base_url: …}}, or into the environment, as KAIRVAL_BASE_URL"
            )
        elif name in _NOT_HERE:
            message = f"{name} is not part of an experiment; it belongs in {_NOT_HERE[name]}"
        elif name in _STUDIO_KEYS:
            message = f"{name} is a setting of the studio; it belongs in promptlab.yaml"
        elif name in _MEANT:
            advice = _MEANT[name]
            if name == "seed" and isinstance(given, str) and given.isdecimal():
                advice = advice.replace("42", given)
            message, code = f"unknown key {quoted(name)}; {advice}", "unknown-key"
        elif name in reading.parameters:
            shown = given[:40] if isinstance(given, str) else "…"
            message = f"unknown key {quoted(name)}; it is a parameter: write `params: {{{name}: {shown}}}`"
            code = "unknown-key"
        if message:
            reading.report.add(code, message, value.key_place(name), secret=is_secret(name))
        else:
            super().unknown(name, value, reading)
