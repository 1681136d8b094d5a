"""The central terms, under the same names in Python, YAML, SQL, the CLI and the pages.

Experiment (what was asked) → Variant (one cell of it) → Request (one call, fully rendered) → Generation (what
happened to it) → Image (one output). Each is frozen, made by one package and only read by the layers above it. The rows
of the log (`Run`, `Generation`, `Attempt`, `Image`) have exactly the log's columns as fields.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

__all__ = [
    "Amount",
    "Attempt",
    "Axis",
    "Check",
    "Design",
    "Experiment",
    "Generation",
    "Image",
    "ImageSource",
    "InputFile",
    "Limits",
    "Matcher",
    "Note",
    "Operation",
    "Override",
    "Parameter",
    "Place",
    "Request",
    "Run",
    "RunTemplate",
    "Source",
    "TemplateFile",
    "Value",
    "Variant",
    "is_simulated",
    "new_id",
    "utc_now",
]

Operation = Literal["generate", "edit"]
Mode = Literal["sync", "async", "auto"]
GenerationStatus = Literal["planned", "in_flight", "completed", "failed", "unknown", "lost", "skipped"]
RunStatus = Literal["running", "completed", "failed", "stopped", "interrupted"]
CostSource = Literal["response", "usage", "table", "cache", "simulated"]
Scalar = str | int | float | bool | None

#: A matcher picks variants: axis name → the value ids it accepts. Used by skip, when, override, baseline, --where.
Matcher = Mapping[str, frozenset[str]]


# --- what was asked -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a text file: 1-based line and column."""

    path: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Note:
    """What loads and is probably not meant: a warning with every plan."""

    code: str
    message: str
    place: Place


@dataclass(frozen=True, slots=True)
class Value:
    """One value of an axis.

    `text` is what `{{ axis }}` renders; `fields` are `{{ axis.field }}`. The axes `prompt` and `template` hold an
    inline text or a template reference (`hero.j2@v1.2`) in `text`; a parameter axis holds the parameter as written.
    """

    id: str
    text: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    negative_prompt: tuple[str, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Axis:
    """A named list of values; axes multiply. `kind` says what the values are."""

    name: str
    values: tuple[Value, ...]
    kind: Literal["value", "prompt", "template", "param"] = "value"
    when: Matcher | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where a prompt comes from: an inline text, or a reference to a file of templates/ (with `@revision`)."""

    kind: Literal["prompt", "template"]
    text: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class ImageSource:
    """The source image of an edit: a template text that renders to a path, URL or data: URI, or a chain.

    In a chain, `chain` names an experiment whose latest images are edited; `pick` says which of them.
    """

    text: str | None = None
    chain: str | None = None
    pick: Literal["kept", "all"] = "all"
    where: Matcher = field(default_factory=dict)
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """What changes for the variants that `match` picks."""

    match: Matcher
    params: Mapping[str, Any] = field(default_factory=dict)
    negative_prompt: tuple[str, ...] = ()
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Design:
    """Which cells of the product are kept: all, the baseline and each single change, or a stable sample."""

    kind: Literal["all", "one_factor", "sample"] = "all"
    sample: int | None = None
    seed: int = 0
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of money, credits or, of a price, both; a ceiling is one of them (`20usd`, `$20`, `400cr`)."""

    usd: float | None = None
    credits: float | None = None

    @classmethod
    def parse(cls, text: str) -> Amount:
        """Read an amount; ValueError says how one is written."""
        pattern = r"(?i)\s*(\$)?\s*(\d[\d_,]*(?:\.\d+)?|\.\d+)\s*(usd|\$|dollars?|cr|credits?)?\s*"
        match = re.fullmatch(pattern, text)
        if match is None or bool(match[1]) == bool(match[3]):
            raise ValueError(f"{text!r} is not an amount; write 20usd or 400cr")
        number = float(match[2].replace(",", "").replace("_", ""))
        is_credits = (match[3] or "").lower().startswith("cr")
        return cls(credits=number) if is_credits else cls(usd=number)

    def __str__(self) -> str:
        return f"{self.credits:,.10g} credits" if self.usd is None else f"{self.usd:,.2f} USD"


@dataclass(frozen=True, slots=True)
class Limits:
    """Checked against the estimate before anything is sent."""

    images: int | None = None
    requests: int | None = None
    cost: Amount | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """What a score has to be: within bounds, or a text (or, with `differs`, any other). It changes no request.

    `written` is how the file says it. A bound is part of what passes unless `strict`.
    """

    name: str
    written: str
    low: float | None = None
    high: float | None = None
    strict: bool = False
    text: str | None = None
    differs: bool = False
    place: Place | None = None

    def passes(self, value: float | str) -> bool:
        """Whether a score is as it has to be; a number is compared with a text by its value."""
        if self.text is not None:
            return _same(value, self.text) != self.differs
        if isinstance(value, str):
            return False
        if self.strict:
            return (self.low is None or value > self.low) and (self.high is None or value < self.high)
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


def _same(value: float | str, text: str) -> bool:
    if isinstance(value, str):
        return value == text
    try:
        return value == float(text)
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that an experiment read: enough, with the templates, to run again from the log alone."""

    path: str  # relative to the studio where it is inside it
    role: Literal["spec", "base", "rows", "image", "settings"]
    sha256: str
    content: str | None  # text; images are in the store by their hash


@dataclass(frozen=True, slots=True)
class Experiment:
    """A loaded experiment file: everything typed, everything with its place, nothing rendered yet.

    Exactly one of `source` and an axis of kind prompt or template is there. `params` and `override` params are typed
    where their names are known. `places` maps a path of keys to its position, `("axes", "style", "film")`.
    """

    name: str
    path: Path
    studio: Path
    text: str
    source: Source | None = None
    description: str | None = None
    vars: Mapping[str, Any] = field(default_factory=dict)
    negative_prompt: tuple[str, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    image: ImageSource | None = None
    axes: tuple[Axis, ...] = ()
    skip: tuple[Matcher, ...] = ()
    override: tuple[Override, ...] = ()
    baseline: Mapping[str, str] | None = None
    design: Design = Design()
    seeds: int | tuple[int, ...] | None = None
    seed_base: int = 0
    draws: int = 1
    order: Literal["interleaved", "by_variant"] = "interleaved"  # in which requests are sent
    limits: Limits = Limits()
    files: str | None = None
    provider: str | None = None
    mode: Mode = "auto"
    strict: bool = False
    alert_cost: Amount | None = None
    checks: tuple[Check, ...] = ()
    inputs: tuple[InputFile, ...] = ()
    notes: tuple[Note, ...] = ()
    places: Mapping[tuple[str | int, ...], Place] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter that a provider declares; `read` types the text of a YAML scalar, before any money."""

    name: str
    type: Literal["string", "integer", "number", "boolean"]
    description: str
    default: Scalar = None
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None

    def read(self, value: object) -> Scalar:
        """The typed value, or ValueError with what would be right."""
        typed = self._typed(value)
        if self.choices and typed not in self.choices:
            raise ValueError(f"{self.name} is {typed!r}; it can be {', '.join(self.choices)}")
        if self.pattern and not re.fullmatch(self.pattern, str(typed)):
            raise ValueError(f"{self.name} is {typed!r}; {self.description}")
        if isinstance(typed, (int, float)) and not isinstance(typed, bool):
            low, high = self.minimum, self.maximum
            if (low is not None and typed < low) or (high is not None and typed > high):
                bounds = (
                    f"from {low:g} to {high:g}"
                    if low is not None and high is not None
                    else (f"at least {low:g}" if low is not None else f"at most {high:g}")
                )
                raise ValueError(f"{self.name} is {typed}; it can be {bounds}")
        return typed

    def _typed(self, value: object) -> str | int | float | bool:
        text = str(value).strip()
        if self.type == "string":
            return str(value)
        if self.type == "boolean":
            if text.lower() in ("true", "false"):
                return text.lower() == "true"
            raise ValueError(f"{self.name} is {text!r}; write true or false")
        if self.type == "integer":
            if re.fullmatch(r"[+-]?\d{1,18}", text):
                return int(text)
            raise ValueError(f"{self.name} is {text!r}; it has to be a whole number, of at most 18 digits")
        if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text):
            return float(text)
        raise ValueError(f"{self.name} is {text!r}; it has to be a number")


# --- what is sent -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Variant:
    """One cell of an experiment: a value id for each axis that applies (`when` may leave one out)."""

    id: str
    axes: Mapping[str, str]  # axis → value id, in the experiment's order

    @property
    def name(self) -> str:
        """`style=film,look=warm`, for people."""
        return ",".join(f"{axis}={value}" for axis, value in self.axes.items())


@dataclass(frozen=True, slots=True)
class Request:
    """One call, fully rendered: everything a provider needs, and everything the log wants to know.

    `params` holds what was asked for and nothing else: a parameter left out is left out on the wire too. `defaults`
    are the documented values of those left out; both enter `request_hash`, so that writing a default out changes
    nothing. `image` is a URL or a path within `images`' reach; its bytes' sha256 enters the hash.
    """

    sequence: int
    experiment: str
    variant: Variant
    template_id: str
    template_path: str
    provider: str
    operation: Operation
    model: str
    prompt: str
    negative_prompt: str | None
    params: Mapping[str, Any]
    defaults: Mapping[str, Any]
    seed: int | None
    seed_index: int | None
    draw: int
    image: str | None  # a URL, or the path of a local file (absolute)
    image_sha256: str | None  # of a local file's bytes; None for a URL
    request_hash: str
    axis_values: Mapping[str, Any]  # the values used: text, or the row's fields
    files: str  # the name under results/, with {position} and {ext} still open

    def param(self, name: str) -> Any:
        """The value asked for, or the documented default, or None."""
        return self.params.get(name, self.defaults.get(name))

    @property
    def n(self) -> int:
        """How many images this one call asks for."""
        return int(self.param("n") or 1)


# --- what happened: rows of the log -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TemplateFile:
    """One file of a template's closure, as it was read."""

    path: str  # relative to the templates folder, or the experiment file for an inline prompt
    source: str
    git_blob: str | None = None


@dataclass(frozen=True, slots=True)
class RunTemplate:
    """Which template text a run used for an axis value (`value` is None where there is one template)."""

    value: str | None
    template_id: str
    path: str
    ref: str | None = None
    git_commit: str | None = None
    git_dirty: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A row of `runs`."""

    id: str
    kind: Literal["run", "redo", "verify", "rerun"] = "run"
    parent_run: str | None = None
    experiment: str
    project: str | None = None
    user: str | None = None
    host: str | None = None
    spec_text: str | None = None
    spec_sha256: str | None = None
    settings: str | None = None  # JSON
    price_table: str | None = None  # JSON
    provider: str
    base_url: str | None = None
    plan: str | None = None
    status: RunStatus = "running"
    started_at: str
    ended_at: str | None = None
    git_commit: str | None = None
    git_branch: str | None = None
    git_dirty: bool | None = None
    promptlab_version: str
    planned: int | None = None
    completed: int = 0
    cached: int = 0
    failed: int = 0
    credits: float | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """A row of `generations`: what happened to one request."""

    id: str
    run_id: str
    sequence: int
    experiment: str
    variant_id: str
    template_id: str
    provider: str
    model: str
    response_model: str | None = None
    operation: Operation
    seed: int | None = None
    seed_index: int | None = None
    draw: int = 0
    axis_values: str | None = None  # JSON
    prompt: str
    negative_prompt: str | None = None
    aspect_ratio: str | None = None
    output_format: str | None = None
    n: int = 1
    strength: float | None = None
    source_image: str | None = None  # sha256 or URL
    params: str | None = None  # JSON of what was sent beyond the columns above
    dropped: str | None = None  # JSON
    emulated: str | None = None  # JSON
    defaulted: str | None = None  # JSON: columns that hold the documented default, since nothing was asked for
    file_name: str | None = None  # the name under results/ while there is no image; {position} and {ext} are open
    request_hash: str
    status: GenerationStatus = "planned"
    provider_id: str | None = None
    provider_created_at: str | None = None
    job_id: str | None = None
    response: str | None = None  # JSON as received, without pixels
    cached_from: str | None = None
    credits: float | None = None
    cost_usd: float | None = None
    cost_source: CostSource | None = None
    attempts: int = 0
    error_code: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    created_at: str
    started_at: str | None = None
    ended_at: str | None = None
    latency_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A row of `attempts`: one send, written before it and completed after it."""

    id: str
    generation_id: str
    number: int
    idempotency_key: str
    started_at: str
    ended_at: str | None = None
    status_code: int | None = None
    outcome: str | None = None  # a class of http.policy: ok, not_sent, rejected, failed, unknown, ...
    request_id: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    retry_after_s: float | None = None
    may_be_billed: bool = False
    credits_at_risk: float | None = None
    cost_usd_at_risk: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A row of `images`: one output of a generation."""

    id: str
    generation_id: str
    position: int  # 0-based, in the order of the response
    status: Literal["stored", "lost"] = "stored"
    revised_prompt: str | None = None
    sha256: str | None = None
    perceptual_hash: str | None = None
    bytes: int | None = None
    width: int | None = None
    height: int | None = None
    format: str | None = None  # png, jpg, webp
    url: str | None = None
    path: str | None = None  # the readable name, relative to the studio
    label: str | None = None  # what the file says of its making: c2pa, iptc, both, or none; None: not looked at


def is_simulated(row: Run | Generation) -> bool:
    """Whether the simulator made it, in this process or as a server that named itself: nothing of it is ever billed.

    `log.schema.SIMULATED` says the same in SQL. A failed row of the simulator has no cost source.
    """
    return row.provider == "simulator" or (isinstance(row, Generation) and row.cost_source == "simulated")


# --- ids and times ------------------------------------------------------------------------------------------------

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(high + low for high in _CROCKFORD for low in _CROCKFORD)
_SHIFTS = range(120, -1, -10)


def new_id() -> str:
    """A ULID: 26 characters, sortable by time, 80 random bits, so that two logs can be merged (ulid/spec)."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in _SHIFTS])


def utc_now() -> str:
    """The time as ISO 8601 UTC text with milliseconds: `2026-11-22T13:00:50.123Z`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
