"""The provider contract: a Request becomes a wire call, an answer becomes a Result; both directions are pure.

A provider is one small class. What differs between APIs is declared (`Capabilities`), so that the layers above can
price, refuse or warn before anything is sent; what a provider drops or emulates is returned with each call and logged.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from promptlab.http import Answer, Call, Unreadable
from promptlab.http.messages import Base64Text
from promptlab.model import CostSource, Operation, Parameter, Request
from promptlab.providers.plans import Plan, RateLimits
from promptlab.providers.prices import CreditPrice, Price, find_price
from promptlab.providers.response import read_error
from promptlab.providers.results import ApiError, Job, JobStatus, Output, Result

__all__ = [
    "ApiError",
    "Capabilities",
    "Cost",
    "ImageBytes",
    "ImageFormat",
    "Job",
    "JobStatus",
    "Output",
    "Price",
    "Provider",
    "RateLimits",
    "Result",
    "Setup",
    "Wire",
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


class Provider(Protocol):
    """An image API. Subclass it: what an API does not have keeps its default.

    The class attributes are read before there is an instance: `default_base_url` (None where the user must name
    one), `base_url_variable` its environment variable, `local_without_key`: a server on this machine may want none.
    `plans` are the accounts it sells, by name, with their limits; `price_table` what an image costs. Both are this
    provider's own: what a class does not declare it does not have.
    """

    name: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    default_base_url: ClassVar[str | None] = None
    base_url_variable: ClassVar[str | None] = None
    local_without_key: ClassVar[bool] = False
    #: Answered by `app` in this process: no address, no key, no network.
    in_process: ClassVar[bool] = False
    in_process_key: ClassVar[str | None] = None
    plans: ClassVar[Mapping[str, Plan]] = {}
    plan_variable: ClassVar[str | None] = None  # the environment variable that names the account's plan
    price_table: ClassVar[tuple[CreditPrice, ...]] = ()
    #: Limits where neither a plan nor a setting gives any.
    default_limits: ClassVar[RateLimits] = RateLimits(concurrent=8)

    def __init__(self, setup: Setup) -> None: ...

    @classmethod
    def normalise(cls, base_url: str) -> str:
        """A base URL, already in lower case and without a trailing slash, in this API's own form."""
        return base_url

    @classmethod
    def app(cls, options: Mapping[str, Any]) -> Any:
        """The ASGI app of a provider that is `in_process`."""
        raise NotImplementedError(f"{cls.name} is not in this process")

    def encode(
        self,
        request: Request,
        *,
        image: ImageBytes | None = None,
        asynchronous: bool = False,
        webhook_url: str | None = None,
    ) -> Wire:
        """The call of a request. `image` are the source's bytes where it is a file."""
        ...

    def decode(self, answer: Answer, request: Request) -> Result:
        """Read an answer of status 2xx; Unreadable is the only exception."""
        ...

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
        return find_price(self.price_table, asked, int(params.get("n") or 1), None)

    def cost(self, request: Request, result: Result, images: int) -> Cost:
        """What a generation cost: as the response says, else by the table for the images that came."""
        return Cost()
