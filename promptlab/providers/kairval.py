"""Kairval's API (guide: Text-to-Image Generation, Image-to-Image Editing, Pricing, Error Handling)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from promptlab.errors import GenerationError
from promptlab.http import Answer, Call, Unreadable
from promptlab.model import Operation, Parameter, Request
from promptlab.providers.asynchronous import AsyncContract, read_job
from promptlab.providers.base import (
    Capabilities,
    Cost,
    ImageBytes,
    Job,
    Output,
    Price,
    Provider,
    RateLimits,
    Result,
    Setup,
    Wire,
)
from promptlab.providers.draws import draw_header
from promptlab.providers.plans import Plan
from promptlab.providers.prices import CreditPrice, credit_prices, find_price
from promptlab.providers.response import (
    epoch,
    no_image,
    read_body,
    read_images,
    read_own_cost,
    read_usage,
    text,
    unwrap,
    without_pixels,
)

__all__ = ["MODEL", "PARAMETERS", "PLANS", "Kairval"]

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
#: Guide, Pricing and Rate Limits, read on 2026-11-22; it has no date.
PLANS: Mapping[str, Plan] = {
    plan.name: plan
    for plan in (
        Plan("free", 5, 2, 50, package_credits=50, usd_per_credit=0.0),
        Plan("starter", 30, 5, 1_000, package_credits=1_000, usd_per_credit=0.02),
        Plan("pro", 120, 20, 10_000, package_credits=5_000, usd_per_credit=0.015),
        Plan("enterprise", None, 20, None, negotiated=True),
    )
}
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
    plans: ClassVar[Mapping[str, Plan]] = PLANS
    plan_variable: ClassVar[str | None] = "KAIRVAL_PLAN"
    price_table: ClassVar[tuple[CreditPrice, ...]] = PRICES
    #: Where no plan is named a run starts at the slowest plan's pace, until the first X-RateLimit-Limit header.
    default_limits: ClassVar[RateLimits] = PLANS["free"].limits(named=False)

    def __init__(self, setup: Setup) -> None:
        self._base_url = setup.base_url
        self._usd_per_credit = setup.usd_per_credit
        self._prices = credit_prices(self.price_table, setup.options.get("prices"))
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
        call = Call("POST", path, json=body, headers=draw_header(request, self._base_url))
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

    def price(self, operation: Operation, model: str, params: Mapping[str, Any]) -> Price:
        """By the dated table: credits an image, times n; dollars where the plan names a credit's price."""
        asked = {"model": model, "operation": operation}
        asked |= {name: str(params[name]) for name in ("aspect_ratio", "size") if params.get(name) is not None}
        return find_price(self._prices, asked, int(params.get("n") or 1), self._usd_per_credit)

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
        if usd is None and result.credits is not None and self._usd_per_credit is not None:
            usd = result.credits * self._usd_per_credit
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
