"""The provider contract, and which providers there are.

A provider is one small class and one entry point (group `promptlab.providers`, `name = "module:Class"`). A Request
becomes a wire call, an answer becomes a Result; both directions are pure. What differs between APIs is declared
(`Capabilities`), so that the layers above can price, refuse or warn before anything is sent; what a provider drops or
emulates is returned with each call and logged.
"""

from __future__ import annotations

import base64
import functools
import os
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from promptlab.account_plans import AccountPlan, RateLimits
from promptlab.errors import InputError
from promptlab.http import Answer, Call, Unreadable
from promptlab.http.messages import Base64Text
from promptlab.model import CostSource, Operation, Parameter, Request
from promptlab.providers.prices import CreditPrice, Price, find_price
from promptlab.providers.response import ApiError, Job, Result, read_error
from promptlab.spec.names import did_you_mean

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = [
    "BUILT_IN",
    "GROUP",
    "Capabilities",
    "Cost",
    "ImageBytes",
    "ImageFormat",
    "Provider",
    "Setup",
    "Wire",
    "get",
    "merged",
    "names",
    "parameters",
]

ImageFormat = Literal["png", "jpg", "webp"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an API can do.

    `negative_prompt`: taken as it is, appended to the prompt as "Avoid: …", or dropped. `seed`: dropped, a wish, or
    kept to the byte. `image_urls`: an edit's source may be a URL; otherwise its bytes are needed. `max_prompt` is in
    characters. `key_variable` is the environment variable of the key; None where there is none.
    """

    parameters: tuple[Parameter, ...]
    negative_prompt: Literal["native", "appended", "none"] = "none"
    seed: Literal["deterministic", "best_effort", "none"] = "none"
    operations: tuple[Operation, ...] = ("generate",)
    max_prompt: int | None = None
    asynchronous: bool = False
    revised_prompt: bool = False
    image_urls: bool = False
    cost_source: CostSource | None = None
    key_variable: str | None = None
    models: tuple[str, ...] = ()

    def parameter(self, name: str) -> Parameter | None:
        """The declared parameter of that name."""
        return next((parameter for parameter in self.parameters if parameter.name == name), None)


@dataclass(frozen=True, slots=True)
class Setup:
    """What a provider is made with: where it talks to, the price of a credit, and its part of promptlab.yaml."""

    base_url: str
    usd_per_credit: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageBytes:
    """An edit's source image, read once and shared by all edits of it; so is its Base64."""

    data: bytes = field(repr=False)
    format: ImageFormat

    @functools.cached_property
    def base64(self) -> Base64Text:
        """The bytes as plain Base64, which the client sends piece by piece."""
        return Base64Text(base64.b64encode(self.data), "ascii")


@dataclass(frozen=True, slots=True)
class Wire:
    """A call, and the names of what was asked for but dropped, or sent in another form."""

    call: Call
    dropped: tuple[str, ...] = ()
    emulated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cost:
    """What one generation did cost; None is unknown, never 0."""

    credits: float | None = None
    usd: float | None = None
    source: CostSource | None = None


class Provider(ABC):
    """An image API: `name`, `capabilities`, `encode` and `decode` are its own; what it does not have keeps its default.

    The class attributes are read before there is an instance: `default_base_url` (None where the user must name
    one), `base_url_variable` its environment variable, `local_without_key`: a server on this machine may want none.
    `plans` are the accounts it sells, by name, with their limits; `price_table` what an image costs, with dollars by
    `usd_per_credit` where an instance sets it. `simulated`: nothing of it is ever billed. All are this provider's
    own: what a class does not declare it does not have.
    """

    name: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    default_base_url: ClassVar[str | None] = None
    base_url_variable: ClassVar[str | None] = None
    local_without_key: ClassVar[bool] = False
    simulated: ClassVar[bool] = False
    #: Answered by `app` in this process: no address, no key, no network.
    in_process: ClassVar[bool] = False
    in_process_key: ClassVar[str | None] = None
    plans: ClassVar[Mapping[str, AccountPlan]] = {}
    plan_variable: ClassVar[str | None] = None  # the environment variable that names the account's plan
    price_table: Sequence[CreditPrice] = ()
    usd_per_credit: float | None = None
    #: Limits where neither a plan nor a setting gives any.
    default_limits: ClassVar[RateLimits] = RateLimits(concurrent=8)

    def __init__(self, setup: Setup) -> None:
        """`setup` is what `connect` found out; a provider keeps of it what its own methods need."""
        self.usd_per_credit = setup.usd_per_credit

    @classmethod
    def normalise(cls, base_url: str) -> str:
        """A base URL, already in lower case and without a trailing slash, in this API's own form."""
        return base_url

    @classmethod
    def app(cls, options: Mapping[str, Any]) -> Any:
        """The ASGI app of a provider that is `in_process`."""
        raise NotImplementedError(f"{cls.name} is not in this process")

    @abstractmethod
    def encode(
        self,
        request: Request,
        *,
        image: ImageBytes | None = None,
        asynchronous: bool = False,
        webhook_url: str | None = None,
    ) -> Wire:
        """The call of a request. `image` are the source's bytes where it is a file."""

    @abstractmethod
    def decode(self, answer: Answer, request: Request) -> Result:
        """Read an answer of status 2xx; Unreadable is the only exception."""

    def error(self, answer: Answer) -> ApiError:
        """Read an error's envelope; never fails."""
        return read_error(answer)

    def poll(self, job: Job) -> Call:
        """The call that polls a job."""
        raise NotImplementedError(f"{self.name} has no asynchronous jobs")

    def job(self, answer: Answer) -> Job:
        """Read a poll's answer; Unreadable if there is no job in it."""
        raise Unreadable(f"{self.name} has no asynchronous jobs")

    def price(self, operation: Operation, model: str, params: Mapping[str, Any]) -> Price:
        """What a call will cost by the table; `params` with the defaults filled in.

        The plan's price of a credit makes dollars of credits where this leaves them out (`Endpoint.price`).
        """
        asked = {"model": model, "operation": operation}
        asked |= {name: str(params[name]) for name in ("aspect_ratio", "size") if params.get(name) is not None}
        return find_price(self.price_table, asked, int(params.get("n") or 1), self.usd_per_credit)

    def cost(self, request: Request, result: Result, images: int) -> Cost:
        """What a generation cost: as the response says, else by the table for the images that came."""
        return Cost()


# --- which providers there are ------------------------------------------------------------------------------------

GROUP = "promptlab.providers"
#: Found without a look at what is installed, and not to be taken over by another package.
BUILT_IN: Mapping[str, str] = {
    "kairval": "promptlab.providers.kairval:Kairval",
    "openai": "promptlab.providers.openai:OpenAI",
    "simulator": "promptlab.providers.simulated:Simulator",
}


def names() -> list[str]:
    """Every provider's name, the built-in ones first."""
    return [*BUILT_IN, *sorted(set(_entry_points()) - set(BUILT_IN))]


def get(name: str) -> type[Provider]:
    """A provider's class; InputError for an unknown name, and for an entry point that does not load."""
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        found: type[Provider] = getattr(import_module(module), attribute)
        return found
    entry = _entry_points().get(name)
    if entry is None:
        known = names()
        hint = did_you_mean(name, known) or f"; known are {', '.join(known)}"
        raise InputError(f"there is no provider {name!r}{hint}", code="provider")
    return _loaded(entry)


@functools.cache
def parameters(name: str | None = None) -> Mapping[str, Parameter]:
    """The parameters of one provider by name; without a name the union of all of them, as wide as its widest part.

    A third-party provider that does not load is left out of the union (`get` says what is wrong with it).
    """
    if name is not None:
        return {parameter.name: parameter for parameter in get(name).capabilities.parameters}
    union: dict[str, Parameter] = {}
    for each in names():
        try:
            provider = get(each)
        except InputError:
            continue
        for parameter in provider.capabilities.parameters:
            known = union.get(parameter.name)
            union[parameter.name] = parameter if known is None else merged(known, parameter)
    return union


def merged(a: Parameter, b: Parameter) -> Parameter:
    """One parameter that accepts what either accepts."""
    if a == b:
        return a
    if a.type != b.type:
        kind = "number" if {a.type, b.type} == {"integer", "number"} else "string"
        return Parameter(a.name, kind, a.description)  # type: ignore[arg-type]
    return replace(
        a,
        default=a.default if a.default == b.default else None,
        choices=tuple(dict.fromkeys(a.choices + b.choices)) if a.choices and b.choices else (),
        pattern=_wider(a, b),
        minimum=None if a.minimum is None or b.minimum is None else min(a.minimum, b.minimum),
        maximum=None if a.maximum is None or b.maximum is None else max(a.maximum, b.maximum),
        description=a.description if a.description == b.description else f"{a.description}; or {b.description}",
    )


def _wider(a: Parameter, b: Parameter) -> str | None:
    """The pattern that covers both, counting a list of choices as one."""
    patterns = [_pattern(parameter) for parameter in (a, b)]
    if None in patterns or (a.choices and b.choices):
        return None
    return "|".join(dict.fromkeys(pattern for pattern in patterns if pattern))


def _pattern(parameter: Parameter) -> str | None:
    if parameter.choices:
        return "|".join(re.escape(choice) for choice in parameter.choices)
    return parameter.pattern


@functools.cache
def _entry_points() -> Mapping[str, EntryPoint]:
    """The providers of other packages, by name."""
    if not _others():
        return {}
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _others() -> bool:
    """Whether another installed package may have a provider: `importlib.metadata` parses all of them for 20 ms.

    Looks at the same files for the group's name alone; what it can't look into, such as a zip file, may have one.
    """
    for folder in sys.path:
        try:
            installed = [entry.name for entry in os.scandir(folder or ".")]
        except OSError:
            if os.path.isfile(folder):  # noqa: PTH113 - a Path costs more than the look
                return True
            continue
        for name in installed:
            if name.endswith(".egg"):
                return True
            if name.endswith((".dist-info", ".egg-info")) and not name.startswith("promptlab_images-"):
                try:
                    with open(f"{folder or '.'}/{name}/entry_points.txt", "rb") as file:  # noqa: PTH123
                        if GROUP.encode() in file.read():
                            return True
                except OSError:
                    continue  # most packages have none
    return False


def _loaded(entry: EntryPoint) -> type[Provider]:
    owner = f" of {entry.dist.name}" if entry.dist is not None else ""
    where = f"provider {entry.name!r} ({entry.value}{owner})"
    try:
        found = entry.load()
    except Exception as error:  # whatever a third party's import raises becomes this one message
        raise InputError(f"{where} does not load: {type(error).__name__}: {error}", code="provider") from error
    problem = _misfit(found, entry.name)
    if problem is not None:
        raise InputError(f"{where} is not a provider: {problem}", code="provider")
    if issubclass(found, Provider):
        return cast("type[Provider]", found)
    try:  # written for 0.1, whose contract was a Protocol: what it does not have, it now inherits
        return cast("type[Provider]", type(found.__name__, (found, Provider), {"__module__": found.__module__}))
    except TypeError as error:
        raise InputError(f"{where} is not a provider: {error}; {_SUBCLASS}", code="provider") from error


_SUBCLASS = "subclass promptlab.providers.Provider"


def _misfit(found: Any, name: str) -> str | None:
    """What is wrong with an entry point's object, or None."""
    if not isinstance(found, type):
        return "the entry point does not name a class"
    abstract: frozenset[str] = getattr(found, "__abstractmethods__", frozenset())
    for each in ("encode", "decode"):
        if each in abstract or not callable(getattr(found, each, None)):
            return f"it has no {each}(); {_SUBCLASS}"
    if not isinstance(getattr(found, "capabilities", None), Capabilities):
        return "its `capabilities` is not a Capabilities"
    if getattr(found, "name", None) != name:
        return f"its `name` is {getattr(found, 'name', None)!r}, not {name!r}"
    return None
