"""The shape of an experiment file, as pydantic models over a tree of text.

They validate what `tree.parse` read, and `schema.py` makes the editors' JSON schema from them. Closed and frozen;
a description is beside every key because editors show it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from typing_extensions import TypeAliasType

from promptlab.model import Parameter

from .names import did_you_mean, is_address, is_secret, listed, quoted
from .params import read_params
from .report import Report
from .scalars import (
    Count,
    CreditsOrDollars,
    DataText,
    FileNames,
    Flag,
    Id,
    Ids,
    IdText,
    Negative,
    Repeats,
    SeedCount,
    Whole,
    Word,
    choice,
    refuse,
)
from .settings import Settings
from .yaml_tree import Map

__all__ = [
    "TAGS",
    "AxisForm",
    "Context",
    "Data",
    "DesignForm",
    "ExperimentForm",
    "FieldsForm",
    "Form",
    "ImageForm",
    "LimitsForm",
    "OverrideForm",
    "RowsForm",
    "ValuesForm",
]

#: Names that an axis can't have, since the language gives them a meaning.
RESERVED = ("prompt", "template", "seed", "draw", "position", "ext")
_JINJA_WORDS = frozenset("and or not in is if else elif true false none True False None".split())  # noqa: SIM905
#: Names that Jinja fills itself, so that a variable of that name could never be seen.
_JINJA_NAMES = frozenset(
    "self super loop caller varargs kwargs range dict namespace lipsum cycler joiner context environment".split()  # noqa: SIM905
)
#: How pydantic marks the branch of a union in an error's location.
TAGS = frozenset({"<text>", "<list>", "<map>", "<fields>", "<rows>", "<values>", "<one>", "<form>", "[key]"})


@dataclass
class Context:
    """What validators need to know and to tell."""

    report: Report
    parameters: dict[str, Parameter]


class Form(BaseModel):
    """A map with a fixed set of keys."""

    # defer_build: a nested form is built as a part of the one that holds it, not a second time.
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any, info: ValidationInfo[Any]) -> Any:
        """Report unknown keys and keys without a value where they stand, and go on with the rest."""
        if not isinstance(data, Map):
            return data
        names, is_open = _key_names(cls), cls.model_config["extra"] == "allow"
        kept = {}
        for key, value in data.items():
            if key not in names and not is_open:
                cls.unknown(key, data, names, info.context)
            elif key in names and value is None:
                message = f"{key} has no value; write one or leave the key out"
                info.context.report.add("no-value", message, data.key_place(key))
            else:
                kept[key] = value
        return kept

    @classmethod
    def unknown(cls, key: str, data: Map, names: tuple[str, ...], context: Context) -> None:
        """Tell of a key that is not of this map."""

        def message() -> str:
            return f"unknown key {quoted(key)}{did_you_mean(key, names) or '; known here: ' + listed(names, 24)}"

        context.report.add("unknown-key", message, data.key_place(key))


@cache
def _key_names(form: type[Form]) -> tuple[str, ...]:
    return tuple(field.alias or name for name, field in form.model_fields.items())


def _shape(text: str, list_: str, map_: str) -> Any:
    """Which branch of a union a value belongs to, by its shape alone."""

    def tag(value: Any) -> str:
        if isinstance(value, dict):
            return map_
        return list_ if isinstance(value, list) else text

    return Discriminator(tag)


if TYPE_CHECKING:
    Data = Any  # mypy knows no recursive alias inside Annotated
else:
    #: Data of a variable or a field: text, or lists and maps of it.
    Data = TypeAliasType(
        "Data",
        Annotated[
            Annotated[DataText, Tag("<text>")]
            | Annotated[list["Data"], Tag("<list>")]
            | Annotated[dict[str, "Data"], Tag("<map>")],
            _shape("<text>", "<list>", "<map>"),
        ],
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


def _variable(name: str) -> str:
    if not name.isidentifier() or name in _JINJA_WORDS:
        refuse("bad-name", "can't be written as {{ name }}: use letters, digits and _, and no word of Jinja's")
    if name in _JINJA_NAMES:
        refuse(
            "reserved-name", f"means something else in a template: Jinja keeps {{{{ {name} }}}}; choose another name"
        )
    return name


def _axis_name(name: str) -> str:
    if name in RESERVED:
        hint = f" (write `{name}s:` for an axis of {name}s)" if name in ("prompt", "template") else ""
        refuse("reserved-name", f"can't be an axis: {', '.join(RESERVED)} are reserved{hint}")
    if not name.startswith("params."):
        _variable(name)
    return name


def _value_id(name: str) -> str:
    if name in ("from", "values"):
        refuse("reserved-name", "can't be a value's id: it opens an axis' long form")
    return name


ValueId = Annotated[Id, AfterValidator(_value_id)]
MatcherForm = Annotated[dict[str, Ids], Field(min_length=1)]
Params = Annotated[
    dict[str, Any],
    PlainValidator(read_params),
    WithJsonSchema({"type": "object", "x-parameters": True}),
]


SourcesForm = Annotated[
    Annotated[list[Word], Field(min_length=1), Tag("<list>")]
    | Annotated[dict[ValueId, Word], Field(min_length=1, json_schema_extra=_ID_KEYS), Tag("<map>")],
    _shape("<map>", "<list>", "<map>"),
]


class FieldsForm(Form):
    """A value of several fields: `{{ axis.field }}`; `text` is what `{{ axis }}` renders, else the id."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)
    __pydantic_extra__: dict[str, Data]

    negative_prompt: Negative = Field(
        default_factory=list, description="Added to the negative prompt where this value is used."
    )
    params: Params = Field(default_factory=dict, description="Parameters that this value overrides.")


ValueForm = Annotated[
    Annotated[DataText, Tag("<text>")] | Annotated[FieldsForm, Tag("<fields>")],
    _shape("<text>", "<text>", "<fields>"),
]
_Items = Annotated[list[IdText], Field(min_length=1, description="Texts; each is its own id.")]
_Named = Annotated[
    dict[ValueId, ValueForm],
    Field(min_length=1, description="id: text, or id: {field: text}.", json_schema_extra=_ID_KEYS),
]


class RowsForm(Form):
    """An axis whose values are the rows of a file."""

    from_: Word = Field(
        alias="from",
        description="A .csv, .tsv, .jsonl or .txt file (one value per line), relative to this experiment file.",
    )
    id: Word | None = Field(
        None, description="The column that names a row; default: id, sku, name or the first column."
    )
    where: Word | None = Field(
        None, description="A Jinja expression over the row; rows where it is false are left out."
    )
    literal: Flag = Field(
        False, description="Take cells as they are: `{{` in one is part of the text, never a template."
    )
    when: MatcherForm | None = Field(
        None, description="The axis applies where this matches, and does not multiply elsewhere."
    )


class ValuesForm(Form):
    """An axis in its long form."""

    values: Annotated[
        Annotated[_Items, Tag("<list>")] | Annotated[_Named, Tag("<map>")], _shape("<map>", "<list>", "<map>")
    ] = Field(description="The axis' values: texts, id: text, or id: fields.")
    when: MatcherForm | None = Field(
        None, description="The axis applies where this matches, and does not multiply elsewhere."
    )


def _axis_shape(value: Any) -> str:
    if isinstance(value, list):
        return "<list>"
    if isinstance(value, dict) and "from" in value:
        return "<rows>"
    return "<values>" if isinstance(value, dict) and "values" in value else "<map>"


AxisForm = Annotated[
    Annotated[_Items, Tag("<list>")]
    | Annotated[RowsForm, Tag("<rows>")]
    | Annotated[ValuesForm, Tag("<values>")]
    | Annotated[_Named, Tag("<map>")],
    Discriminator(_axis_shape),
]


class OverrideForm(Form):
    """What changes for the variants that match."""

    match: MatcherForm = Field(description="axis: id, or axis: [ids]; all of them have to fit.")
    params: Params = Field(default_factory=dict, description="Parameters for these variants.")
    negative_prompt: Negative = Field(default_factory=list, description="Added to these variants' negative prompt.")


class SampleForm(Form):
    """A stable sample of the variants, without replacement."""

    sample: Count = Field(description="How many variants are kept.")
    seed: Whole = Field(0, description="Which sample; the same seed keeps the same variants.")


DesignForm = Annotated[
    Annotated[
        Literal["all", "one_factor"], choice("all", "one_factor", also=", or {sample: 200, seed: 0}"), Tag("<one>")
    ]
    | Annotated[SampleForm, Tag("<form>")],
    _shape("<one>", "<one>", "<form>"),
]


class LimitsForm(Form):
    """Checked against the estimate before anything is sent."""

    images: Count | None = Field(None, description="The largest number of images.")
    requests: Count | None = Field(None, description="The largest number of requests.")
    cost: CreditsOrDollars | None = Field(None, description="The highest cost: 600 USD, or 400 credits.")


class ImageForm(Form):
    """The images of another experiment as sources of edits."""

    from_: Word = Field(alias="from", description="The experiment whose latest images are edited.")
    pick: Annotated[Literal["kept", "all"], choice("kept", "all")] = Field(
        "all", description="Those marked keep, or all."
    )
    where: MatcherForm | None = Field(None, description="Which of its variants.")


class AlertsForm(Form):
    """When to alert the user."""

    cost: CreditsOrDollars | None = Field(None, description="Warn when the run has cost this much: 100 USD.")


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
_STUDIO_KEYS = frozenset(setting.name for setting in fields(Settings)) - {"studio", "images", "text", "places"}


class ExperimentForm(Form):
    """An experiment of promptlab."""

    extends: Word | None = Field(
        None, description="A base experiment, relative to this file: maps merge, lists replace."
    )
    description: Word | None = Field(None, description="What this experiment is about.")
    prompt: Word | None = Field(None, description="One inline prompt, as a Jinja template.")
    prompts: SourcesForm | None = Field(None, description="Inline prompts by id, or as a list: the axis `prompt`.")
    template: Word | None = Field(None, description="A file of templates/, with @revision for that of a git revision.")
    templates: SourcesForm | None = Field(
        None, description="Files of templates/ by id, or as a list: the axis `template`."
    )
    negative_prompt: Negative = Field(
        default_factory=list, description="What no image should show: parts, or one text."
    )
    params: Params = Field(default_factory=dict, description="Parameters of every request.")
    vars: Annotated[dict[Annotated[str, AfterValidator(_variable)], Data], Field(json_schema_extra=_NAME_KEYS)] = Field(
        default_factory=dict, description="Constants for the templates: text, lists and maps of it."
    )
    axes: Annotated[dict[Annotated[str, AfterValidator(_axis_name)], AxisForm], Field(json_schema_extra=_AXIS_KEYS)] = (
        Field(default_factory=dict, description="What varies; axes multiply.")
    )
    skip: list[MatcherForm] = Field(default_factory=list, description="Variants that are left out.")
    override: list[OverrideForm] = Field(default_factory=list, description="What changes for some variants.")
    baseline: Annotated[dict[str, IdText], Field(min_length=1)] | None = Field(
        None, description="axis: id of the variant that comparisons are made against."
    )
    design: DesignForm | None = Field(None, description="all, one_factor, or {sample: 200, seed: 0}.")
    seeds: (
        Annotated[
            Annotated[SeedCount, Tag("<one>")]
            | Annotated[
                list[Whole],
                Field(min_length=1, json_schema_extra={"uniqueItems": True}),
                AfterValidator(lambda seeds: _unique(seeds)),
                Tag("<list>"),
            ],
            _shape("<one>", "<list>", "<one>"),
        ]
        | None
    ) = Field(None, description="How many seeds, the same for every variant, or a list of them.")
    seed_base: Whole = Field(0, description="What derived seeds are derived from.")
    draws: Repeats = Field(1, description="How often the very same request is made.")
    order: Annotated[Literal["interleaved", "by_variant"], choice("interleaved", "by_variant")] = Field(
        "interleaved",
        description="In which order requests are sent: every variant with its first seed, then with its second; or"
        " all seeds of a variant together.",
    )
    limits: LimitsForm | None = Field(None, description="The estimate may not pass these.")
    image: (
        Annotated[
            Annotated[Word, Tag("<text>")] | Annotated[ImageForm, Tag("<form>")], _shape("<text>", "<text>", "<form>")
        ]
        | None
    ) = Field(None, description="The source image of an edit: a path, URL or data: URI as a template, or a chain.")
    files: FileNames | None = Field(None, description="Names under results/, as {axis}_{seed}_{draw}_{position}.{ext}.")
    provider: Word | None = Field(None, description="The provider that makes the images; default simulator.")
    mode: Annotated[Literal["sync", "async", "auto"], choice("sync", "async", "auto")] = Field(
        "auto", description="How calls are made."
    )
    strict: Flag = Field(False, description="A parameter that the provider would drop or emulate is an error.")
    alerts: AlertsForm | None = Field(None, description="When to warn.")

    @classmethod
    def unknown(cls, key: str, data: Map, names: tuple[str, ...], context: Context) -> None:
        """Tell of an unknown key; addresses, keys and settings have their own places."""
        message, code = "", "not-in-experiment"
        if is_secret(key):
            message = "an experiment can't hold a key: keys come from the environment alone, as KAIRVAL_API_KEY"
        elif is_address(key):
            message = (
                f"an experiment can't name an address: {key} belongs in promptlab.yaml under"
                " providers: {NAME: {base_url: …}}, or into the environment, as KAIRVAL_BASE_URL"
            )
        elif key in _NOT_HERE:
            message = f"{key} is not part of an experiment; it belongs in {_NOT_HERE[key]}"
        elif key in _STUDIO_KEYS:
            message = f"{key} is a setting of the studio; it belongs in promptlab.yaml"
        elif key in _MEANT:
            advice, value = _MEANT[key], data[key]
            if key == "seed" and isinstance(value, str) and value.isdecimal():
                advice = advice.replace("42", value)
            message, code = f"unknown key {quoted(key)}; {advice}", "unknown-key"
        elif key in context.parameters:
            value = data[key] if isinstance(data[key], str) else "…"
            message = f"unknown key {quoted(key)}; it is a parameter: write `params: {{{key}: {value[:40]}}}`"
            code = "unknown-key"
        if message:
            context.report.add(code, message, data.key_place(key), secret=is_secret(key))
        else:
            super().unknown(key, data, names, context)


def _unique(seeds: list[int]) -> list[int]:
    known: set[int] = set()
    for seed in seeds:
        if seed in known:
            refuse("bad-value", f"names the seed {seed} twice; use `draws` to ask for one request several times")
        known.add(seed)
    return seeds
