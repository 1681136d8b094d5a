"""Kairval's API (guide: Text-to-Image Generation, Image-to-Image Editing, Pricing, Error Handling).

Its prices are `PRICES`; its plans are account_plans.py's, which the simulator shares. The guide promises submit, poll
and webhook but names no endpoint, so all of `AsyncContract` is an assumption, and can be overridden under
`providers: {kairval: {async: {...}}}` in promptlab.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, ClassVar, cast, get_args
from urllib.parse import quote, urlsplit

from promptlab.account_plans import KAIRVAL, AccountPlan, RateLimits
from promptlab.errors import GenerationError, InputError
from promptlab.http import Answer, Call, Unreadable, join, parse_url
from promptlab.model import Operation, Parameter, Request
from promptlab.providers.base import Capabilities, Cost, ImageBytes, Provider, Setup, Wire
from promptlab.providers.prices import CreditPrice, Price, credit_prices
from promptlab.providers.response import (
    Job,
    JobStatus,
    Output,
    Result,
    epoch,
    no_image,
    number,
    read_body,
    read_images,
    read_own_cost,
    read_usage,
    text,
    unwrap,
    without_pixels,
)

__all__ = ["DRAW_HEADER", "PARAMETERS", "PRICES", "AsyncContract", "Kairval", "read_job"]

MODEL = Parameter(
    "model", "string", "the model's identifier, such as gpt-image-2", default="gpt-image-2", pattern=r"\S{1,200}"
)
#: Both tables of the guide, beyond what an experiment says elsewhere (prompt, negative_prompt, seed, image).
PARAMETERS = (
    MODEL,
    Parameter("aspect_ratio", "string", "output ratio", default="1:1", choices=("1:1", "16:9", "9:16", "4:3", "3:4")),
    Parameter("output_format", "string", "file format of the image", default="png", choices=("png", "jpg", "webp")),
    Parameter("n", "integer", "images from one call", default=1, minimum=1, maximum=4),
    Parameter("strength", "number", "how much an edit changes its image", default=0.8, minimum=0.0, maximum=1.0),
)
#: The guide names one figure; what other ratios and edits cost ("may vary") it leaves to the pricing page.
PRICES = (CreditPrice(50.0, "guide, Pricing: ~50 credits/image", "2026-11-22", model="gpt-image-2"),)
_PATHS: Mapping[Operation, str] = {"generate": "/v1/images/generate", "edit": "/v1/images/edit"}
_ON_WIRE = ("aspect_ratio", "output_format", "n", "strength")
_EDIT_ONLY = ("strength",)


class Kairval(Provider):
    """The guide's wire format, to the letter: only what was asked for is sent."""

    name: ClassVar[str] = "kairval"
    capabilities: ClassVar[Capabilities] = Capabilities(
        parameters=PARAMETERS,
        negative_prompt="native",
        seed="best_effort",
        operations=("generate", "edit"),
        asynchronous=True,
        revised_prompt=True,
        image_urls=True,
        cost_source="table",
        key_variable="KAIRVAL_API_KEY",
        models=("gpt-image-2",),
    )
    default_base_url: ClassVar[str | None] = "https://api.kairval.com"
    base_url_variable: ClassVar[str | None] = "KAIRVAL_BASE_URL"
    plans: ClassVar[Mapping[str, AccountPlan]] = KAIRVAL
    plan_variable: ClassVar[str | None] = "KAIRVAL_PLAN"
    price_table: Sequence[CreditPrice] = PRICES
    #: Where no plan is named a run starts at the slowest plan's pace, until the first X-RateLimit-Limit header.
    default_limits: ClassVar[RateLimits] = KAIRVAL["free"].limits(named=False)

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._base_url = setup.base_url
        self.price_table = credit_prices(self.price_table, setup.options.get("prices"))
        self._async = AsyncContract.read(setup.options.get("async"))

    @classmethod
    def normalise(cls, base_url: str) -> str:
        """Without a trailing /v1: the paths have their own."""
        return base_url.removesuffix("/v1")

    def encode(
        self,
        request: Request,
        *,
        image: ImageBytes | None = None,
        asynchronous: bool = False,
        webhook_url: str | None = None,
    ) -> Wire:
        """The guide's body: model and prompt, then each parameter that was asked for, typed as in its tables."""
        body: dict[str, Any] = {"model": request.model, "prompt": request.prompt}
        if request.operation == "edit":
            body["image"] = _source(request, image)
        usable = _ON_WIRE if request.operation == "edit" else tuple(name for name in _ON_WIRE if name not in _EDIT_ONLY)
        asked = {name: value for name, value in request.params.items() if value is not None}
        body |= {name: asked[name] for name in usable if name in asked}
        if request.negative_prompt:
            body["negative_prompt"] = request.negative_prompt
        if request.seed is not None:
            body["seed"] = request.seed
        path = _PATHS[request.operation]
        if asynchronous:
            body[self._async.submit_field] = True
            if webhook_url is not None:
                body[self._async.webhook_field] = webhook_url
            path = self._async.submit_path or path
        call = Call("POST", path, json=body, headers=_draw_header(request, self._base_url))
        return Wire(call, dropped=tuple(sorted(set(asked) - {*usable, "model"})))

    def decode(self, answer: Answer, request: Request) -> Result:
        """The images of an answer, or the job that will have them; Unreadable if it holds neither."""
        body = read_body(answer)
        images, job, inner = self._images(body, answer)
        credits, usd = read_own_cost(inner)
        if credits is None and usd is None and inner is not body:
            credits, usd = read_own_cost(body)
        response = without_pixels(body)
        return Result(
            id=text(inner.get("id") or body.get("id"), 300),
            model=text(inner.get("model") or body.get("model"), 200),
            created=epoch(inner.get("created", body.get("created"))),
            images=images,
            job=job,
            usage=read_usage(inner) or read_usage(body),
            credits=credits,
            cost_usd=usd,
            response=response,
        )

    def _images(
        self, body: Mapping[str, Any], answer: Answer
    ) -> tuple[tuple[Output, ...], Job | None, Mapping[str, Any]]:
        job = self._job(body, answer)
        if job is not None and job.status in ("waiting", "running", "failed", "cancelled", "expired"):
            return (), job, body
        inner = unwrap(_stated(body), self._async.result_fields)
        images = read_images(inner, self._base_url)
        if images:
            return images, None, inner
        if answer.status != 202 and (job is None or job.status == "done"):
            raise no_image(answer)
        return (), job or read_job(body, answer.headers, self._async, self._base_url), body

    def _job(self, body: Mapping[str, Any], answer: Answer) -> Job | None:
        """The job, if the answer speaks of one: it has a state, or it is a 202."""
        if answer.status != 202 and not any(text(_stated(body).get(name)) for name in self._async.status_fields):
            return None
        try:
            return read_job(body, answer.headers, self._async, self._base_url)
        except Unreadable:
            return None

    def poll(self, job: Job) -> Call:
        """GET of the job: where the server said, on its own origin, or by the contract's path."""
        return Call("GET", job.poll_url or self._async.poll_path_of(job.id), timeout_s=60)

    def job(self, answer: Answer) -> Job:
        """What a poll's answer says of its job; an answer that is the result itself is a job that is done."""
        body = read_body(answer)
        found = self._job(body, answer)
        if found is not None:
            return found
        if read_images(unwrap(body, self._async.result_fields), self._base_url):
            return Job(text(body.get("id"), 300) or "", "done")
        return read_job(body, answer.headers, self._async, self._base_url)

    def cost(self, request: Request, result: Result, images: int) -> Cost:
        """As the response says, if it does; else the table's price of the images that came."""
        if result.credits is not None or result.cost_usd is not None:
            return self._own_cost(result)
        params = {**request.defaults, **request.params, "n": images}
        price = self.price(request.operation, request.model, params) if images else Price()
        known = price.credits is not None or price.usd is not None
        return Cost(price.credits, price.usd, "table" if known else None)

    def _own_cost(self, result: Result) -> Cost:
        usd = result.cost_usd
        if usd is None and result.credits is not None and self.usd_per_credit is not None:
            usd = result.credits * self.usd_per_credit
        return Cost(result.credits, usd, "response")


def _stated(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part that speaks of a job: the body, or what is under `job`."""
    job = body.get("job")
    return job if isinstance(job, dict) else body


def _source(request: Request, image: ImageBytes | None) -> str:
    """The guide's `image`: a URL, or plain Base64 without a data: prefix."""
    if image is not None:
        return image.base64
    if request.image is None or not request.image.lower().startswith(("http://", "https://")):
        raise GenerationError("an edit needs its source image: a URL, or the file's bytes", code="image_missing")
    return request.image


# --- repeats ------------------------------------------------------------------------------------------------------

DRAW_HEADER = "X-Draw"
_SIMULATED = frozenset({"127.0.0.1", "::1", "localhost", "simulator.invalid"})


def _draw_header(request: Request, base_url: str) -> Mapping[str, str]:
    """`X-Draw` for the second draw and later ones, to this process or this machine only.

    A real model makes another image each time it is asked; a simulator must know which time this is. No API
    elsewhere ever sees the header, and a first draw goes out without it.
    """
    if request.draw > 0 and urlsplit(base_url).hostname in _SIMULATED:
        return {DRAW_HEADER: str(request.draw)}
    return {}


# --- jobs ---------------------------------------------------------------------------------------------------------

_STATES: Mapping[str, JobStatus] = {
    name: status
    for status, names in cast(
        Mapping[JobStatus, str],
        {
            "waiting": "queued pending submitted in_queue starting created",
            "running": "processing in_progress running generating",
            "done": "completed succeeded success ready complete",
            "failed": "failed error failure",
            "cancelled": "canceled cancelled aborted",
            "expired": "expired",
        },
    ).items()
    for name in names.split()
}


@dataclass(frozen=True, slots=True)
class AsyncContract:
    """How a job is submitted, polled and read. `submit_path` None: the same path as the synchronous call."""

    submit_field: str = "async"
    submit_path: str | None = None
    webhook_field: str = "webhook_url"
    poll_path: str = "/v1/jobs/{id}"
    id_fields: tuple[str, ...] = ("id", "job_id", "task_id", "request_id")
    status_fields: tuple[str, ...] = ("status", "state")
    poll_fields: tuple[str, ...] = ("poll_url", "polling_url", "status_url")
    result_fields: tuple[str, ...] = ("result", "output")
    expires_fields: tuple[str, ...] = ("expires_at", "expires")
    states: Mapping[str, JobStatus] = field(default_factory=lambda: _STATES)

    @classmethod
    def read(cls, options: Any) -> AsyncContract:
        """The contract with a studio's overrides; InputError for a part that there is not."""
        if options is None:
            return cls()
        known = {each.name for each in fields(cls)}
        if not isinstance(options, Mapping) or set(options) - known:
            raise InputError(f"providers.kairval.async is a mapping of {', '.join(sorted(known))}", code="async")
        changes: dict[str, Any] = {}
        for name, value in options.items():
            if name == "states":
                changes[name] = read_states(value)
            elif name.endswith("_fields"):
                changes[name] = (value,) if isinstance(value, str) else tuple(str(item) for item in value)
            else:
                changes[name] = None if value is None else str(value)
        contract = cls(**changes)
        if "{id}" not in contract.poll_path:
            raise InputError("providers.kairval.async.poll_path needs {id}, such as /v1/jobs/{id}", code="async")
        return contract

    def poll_path_of(self, job_id: str) -> str:
        """The path that polls a job."""
        return self.poll_path.replace("{id}", quote(job_id, safe=""))


def read_states(options: Any) -> Mapping[str, JobStatus]:
    """The table of states with overrides: {class: name or [names]} or {name: class}."""
    known = [status for status in get_args(JobStatus) if status != "unknown"]
    states: dict[str, JobStatus] = dict(_STATES)
    for key, value in options.items() if isinstance(options, Mapping) else ():
        if key in known and not (isinstance(value, str) and value in known):
            names: Sequence[Any] = [value] if isinstance(value, str) else value
            states.update({str(name).casefold(): cast(JobStatus, key) for name in names})
        elif value in known:
            states[str(key).casefold()] = cast(JobStatus, value)
        else:
            raise InputError(f"async.states.{key}: {value!r} is not one of {', '.join(known)}", code="async")
    return states


def read_job(body: Mapping[str, Any], headers: Mapping[str, str], contract: AsyncContract, base_url: str) -> Job:
    """The job that an answer describes; Unreadable if it has no id."""
    if isinstance(body.get("job"), dict):
        body = body["job"]
    name = next((found for key in contract.id_fields if (found := text(body.get(key), 300))), None)
    polled = _poll_url(body, headers, contract, base_url)
    if name is None:
        raise Unreadable("the answer holds neither an image nor a job id")
    state = next((found for key in contract.status_fields if (found := text(body.get(key), 100))), "")
    status = contract.states.get(state.casefold(), "unknown" if state else "waiting")
    code, message = _problem(body)
    return Job(name, status, polled, _moment(body, contract), code, message)


def _poll_url(
    body: Mapping[str, Any], headers: Mapping[str, str], contract: AsyncContract, base_url: str
) -> str | None:
    """Where the server says the job is to be polled; only on the API's own origin, since the key goes there."""
    urls = body.get("urls")
    candidates = [body.get(key) for key in contract.poll_fields]
    candidates += [urls.get("get") if isinstance(urls, dict) else None, headers.get("location")]
    base = parse_url(base_url + "/")
    for candidate in candidates:
        if not isinstance(candidate, str) or not candidate:
            continue
        try:
            target = join(base, candidate)
        except ValueError:
            continue
        if target.origin == base.origin:
            return str(target)
    return None


def _problem(body: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """A failed job's code and message, from its `error`, or its own fields."""
    error = body.get("error")
    if isinstance(error, dict):
        return text(error.get("code") or error.get("type"), 100), text(error.get("message"))
    return text(body.get("error_code"), 100), text(error) or text(body.get("error_message"))


def _moment(body: Mapping[str, Any], contract: AsyncContract) -> float | None:
    """Epoch seconds of the job's end of life: a number in s or ms, or ISO 8601."""
    for key in contract.expires_fields:
        value = body.get(key)
        if (seconds := number(value)) is not None and seconds > 1e9:
            return seconds / 1000 if seconds >= 1e11 else seconds
        if isinstance(value, str):
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                continue
            if moment.tzinfo is not None:
                return moment.timestamp()
    return None
