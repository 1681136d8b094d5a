"""Any OpenAI-compatible Images API: gateways and local servers speak it (PROVIDERS.md section 4).

GPT image models have no seed and no negative prompt: the seed is dropped (and reported), the negative prompt is added
as "Avoid: …". `aspect_ratio` becomes a size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar

from promptlab.errors import GenerationError
from promptlab.http import Answer, Call, DownloadError, Part
from promptlab.model import Operation, Parameter, Request
from promptlab.providers.base import Capabilities, Cost, ImageBytes, Provider, Setup, Wire
from promptlab.providers.prices import Price, TokenPrice, token_prices
from promptlab.providers.response import (
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

__all__ = ["PARAMETERS", "OpenAI", "output_tokens", "size_of"]

PARAMETERS = (
    Parameter(
        "model", "string", "the model's identifier, such as gpt-image-2", default="gpt-image-2", pattern=r"\S{1,200}"
    ),
    Parameter(
        "aspect_ratio",
        "string",
        "a ratio such as 16:9, from 1:3 to 3:1; sent as a size",
        pattern=r"[1-9]\d{0,3}:[1-9]\d{0,3}",
    ),
    Parameter(
        "size",
        "string",
        "WxH in multiples of 16 such as 1536x1024, or auto",
        default="auto",
        pattern=r"auto|[1-9]\d{1,4}x[1-9]\d{1,4}",
    ),
    Parameter(
        "quality",
        "string",
        "how much work the model does",
        default="auto",
        choices=("auto", "low", "medium", "high", "standard", "hd"),
    ),
    Parameter("output_format", "string", "file format of the image", default="png", choices=("png", "jpg", "webp")),
    Parameter("output_compression", "integer", "quality of a jpg or webp, percent", minimum=0, maximum=100),
    Parameter("background", "string", "background", default="auto", choices=("auto", "transparent", "opaque")),
    Parameter("n", "integer", "images from one call", default=1, minimum=1, maximum=10),
    Parameter("mask", "string", "a PNG as a data: URL; an edit changes where it is transparent"),
)
_SOURCE = "OpenAI's price list, image generation"
TOKEN_PRICES: Mapping[str, TokenPrice] = {
    "gpt-image-2": TokenPrice(5.0, 8.0, 30.0, _SOURCE, "2026-04-21"),
    "gpt-image-1.5": TokenPrice(5.0, 8.0, 32.0, _SOURCE, "2025-12-16"),
    "gpt-image-1": TokenPrice(5.0, 10.0, 40.0, _SOURCE, "2025-04-23"),
    "gpt-image-1-mini": TokenPrice(2.0, 2.5, 8.0, _SOURCE, "2025-10-06"),
}
_ON_WIRE = ("n", "size", "quality", "output_format", "output_compression", "background")
_MIME = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}

#: Models that take only a few sizes; the others any multiple of 16 (gpt-image-2: 655,360 to 8,294,400 pixels).
_FIXED_SIZES: Mapping[str, tuple[tuple[int, int], ...]] = {
    "gpt-image-1": ((1024, 1024), (1536, 1024), (1024, 1536)),
    "dall-e-3": ((1024, 1024), (1792, 1024), (1024, 1792)),
    "dall-e-2": ((1024, 1024),),
}
_FEWEST_PIXELS, _STEP, _LONGEST = 655_360, 16, 3840


class OpenAI(Provider):
    """POST /images/generations (JSON) and /images/edits (multipart) below a base URL that ends in /v1."""

    name: ClassVar[str] = "openai"
    capabilities: ClassVar[Capabilities] = Capabilities(
        parameters=PARAMETERS,
        negative_prompt="appended",
        seed="none",
        operations=("generate", "edit"),
        max_prompt=32_000,  # OpenAI API reference, images/generations: prompt, GPT image models
        cost_source="usage",
        key_variable="OPENAI_API_KEY",
        models=("gpt-image-2", "gpt-image-1.5", "gpt-image-1", "gpt-image-1-mini"),
    )
    default_base_url: ClassVar[str | None] = "https://api.openai.com/v1"
    base_url_variable: ClassVar[str | None] = "OPENAI_BASE_URL"
    local_without_key: ClassVar[bool] = True

    def __init__(self, setup: Setup) -> None:
        self._base_url = setup.base_url
        self._prices = token_prices(TOKEN_PRICES, setup.options.get("prices"))

    @classmethod
    def normalise(cls, base_url: str) -> str:
        """A bare host gets the /v1 that everyone means; any other path stays as it is."""
        return base_url if base_url.count("/") > 2 else f"{base_url}/v1"

    def encode(
        self,
        request: Request,
        *,
        image: ImageBytes | None = None,
        asynchronous: bool = False,
        webhook_url: str | None = None,
    ) -> Wire:
        """The call, with what was dropped (seed, unknown parameters) and what was sent in another form."""
        asked = {name: value for name, value in request.params.items() if value is not None}
        fields: dict[str, Any] = {"model": request.model, "prompt": request.prompt}
        fields |= {name: asked[name] for name in _ON_WIRE if name in asked}
        sent, emulated = {"model", *fields}, []
        if "aspect_ratio" in asked and "size" not in asked:
            fields["size"] = size_of(str(asked["aspect_ratio"]), request.model)
            emulated.append("aspect_ratio")
        if request.negative_prompt:
            fields["prompt"] = f"{request.prompt}\n\nAvoid: {request.negative_prompt}"
            emulated.append("negative_prompt")
        if fields.get("output_format") == "jpg":
            fields["output_format"] = "jpeg"
        if request.operation == "edit":
            sent.add("mask")
        dropped = sorted(set(asked) - sent - set(emulated)) + ["seed"] * (request.seed is not None)
        call = self._edit(fields, asked, image) if request.operation == "edit" else _generation(fields)
        return Wire(call, tuple(dropped), tuple(emulated))

    def _edit(self, fields: Mapping[str, Any], asked: Mapping[str, Any], image: ImageBytes | None) -> Call:
        if image is None:
            message = "an OpenAI-compatible edit uploads its source image; give a file instead of a URL"
            raise GenerationError(message, code="image_missing")
        files = [Part("image", f"image.{image.format}", image.data, _MIME[image.format])]
        if "mask" in asked:
            from promptlab.http.download import decode_data_url  # only a mask needs it

            try:
                files.append(Part("mask", "mask.png", decode_data_url(str(asked["mask"])), "image/png"))
            except DownloadError as error:
                raise GenerationError(f"the mask is not readable: {error.message}", code="mask_unreadable") from error
        return Call("POST", "/images/edits", files=files, data={name: str(value) for name, value in fields.items()})

    def decode(self, answer: Answer, request: Request) -> Result:
        """Images as b64_json, url or data: URL; Unreadable if there is none."""
        body = read_body(answer)
        inner = unwrap(body)
        images = read_images(inner, self._base_url)
        if not images:
            raise no_image(answer)
        credits, usd = read_own_cost(body)
        return Result(
            id=text(inner.get("id") or body.get("id"), 300),
            model=text(inner.get("model") or body.get("model"), 200),
            created=epoch(inner.get("created", body.get("created"))),
            images=images,
            usage=read_usage(inner) or read_usage(body),
            credits=credits,
            cost_usd=usd,
            response=without_pixels(body),
        )

    def price(self, operation: Operation, model: str, params: Mapping[str, Any]) -> Price:
        """Output tokens by size and quality, where documented; an upper bound where the quality is left open.

        An edit's input image counts too, by an unpublished rule: unknown. Prompt tokens (some hundredths of
        a cent) are not in the figure.
        """
        table = self._table(model)
        size = self._size(model, params)
        quality = str(params.get("quality") or "auto")
        if table is None or size is None or operation != "generate":
            return Price()
        tokens = output_tokens(model, "high" if quality == "auto" else quality, *size)
        if tokens is None:
            return Price()
        usd = table.usd(0, 0, tokens * int(params.get("n") or 1))
        return Price(None, usd, table.source, table.dated, upper=quality == "auto")

    def _size(self, model: str, params: Mapping[str, Any]) -> tuple[int, int] | None:
        size = params.get("size")
        if size in (None, "auto"):
            ratio = params.get("aspect_ratio")
            size = size_of(str(ratio), model) if ratio is not None else "1024x1024"
        width, _, height = str(size).partition("x")
        return (int(width), int(height)) if width.isdigit() and height.isdigit() else None

    def _table(self, model: str) -> TokenPrice | None:
        """The price of a model; a dated snapshot (gpt-image-2-2026-04-21) costs as its model, a prefix as without."""
        name = model.rsplit("/", 1)[-1]
        if name in self._prices or model in self._prices:
            return self._prices.get(model) or self._prices[name]
        return next((price for key, price in self._prices.items() if name.startswith(f"{key}-20")), None)

    def cost(self, request: Request, result: Result, images: int) -> Cost:
        """From the response's own figure, else from its usage tokens; unknown without either."""
        if result.cost_usd is not None or result.credits is not None:
            return Cost(result.credits, result.cost_usd, "response")
        table = self._table(result.model or request.model) or self._table(request.model)
        usage = result.usage
        if table is None or usage is None:
            return Cost()
        out = number(usage.get("output_tokens"))
        if out is None:
            return Cost()
        details = usage.get("output_tokens_details")
        image_out = number(details.get("image_tokens")) if isinstance(details, dict) else None
        text_in, image_in = _input_tokens(usage)
        return Cost(None, table.usd(text_in, image_in, out if image_out is None else image_out), "usage")


def _generation(fields: Mapping[str, Any]) -> Call:
    return Call("POST", "/images/generations", json=dict(fields))


def _input_tokens(usage: Mapping[str, Any]) -> tuple[float, float]:
    """Text and image tokens that went in; without details all of them are text."""
    details = usage.get("input_tokens_details")
    if isinstance(details, dict):
        text_in, image_in = number(details.get("text_tokens")), number(details.get("image_tokens"))
        if text_in is not None or image_in is not None:
            return text_in or 0.0, image_in or 0.0
    return number(usage.get("input_tokens")) or 0.0, 0.0


@lru_cache(maxsize=512)
def size_of(ratio: str, model: str) -> str:
    """The size of an aspect ratio: `1536x1024` for 3:2; about a megapixel, as close to the ratio as the model allows.

    GPT image models' own 3:2 and 2:3 sizes are kept. GenerationError for a ratio beyond 1:3 to 3:1.
    """
    width, _, height = ratio.partition(":")
    wanted = math.log(int(width) / int(height))
    if abs(wanted) > math.log(3) + 1e-9:
        raise GenerationError(f"aspect_ratio {ratio} is beyond 1:3 to 3:1", code="aspect_ratio")
    fixed = next((sizes for key, sizes in _FIXED_SIZES.items() if model.rsplit("/", 1)[-1].startswith(key)), None)
    if fixed is None and abs(abs(wanted) - math.log(1.5)) < 1e-9:
        fixed = _FIXED_SIZES["gpt-image-1"][1:]
    best = min(fixed or _free_sizes(), key=lambda size: _distance(size, wanted))
    return f"{best[0]}x{best[1]}"


def _distance(size: tuple[int, int], wanted: float) -> float:
    """How far a size is from a ratio, and, counting far less, from a megapixel."""
    width, height = size
    return abs(math.log(width / height) - wanted) * 300 + abs(math.log(width * height / 1024**2))


@lru_cache(maxsize=1)
def _free_sizes() -> list[tuple[int, int]]:
    sides = range(_STEP * 20, _LONGEST + 1, _STEP)
    return [
        (width, height)
        for width in sides
        for height in sides
        if _FEWEST_PIXELS <= width * height <= 2 * 1024**2 and max(width, height) <= 3 * min(width, height)
    ]


#: Output tokens of one image (OpenAI guide, image generation, "Calculating costs"): fixed for the first family ...
_FAMILY_1_TOKENS: Mapping[tuple[str, int, int], int] = {
    ("low", 1024, 1024): 272,
    ("low", 1024, 1536): 408,
    ("low", 1536, 1024): 400,
    ("medium", 1024, 1024): 1056,
    ("medium", 1024, 1536): 1584,
    ("medium", 1536, 1024): 1568,
    ("high", 1024, 1024): 4160,
    ("high", 1024, 1536): 6240,
    ("high", 1536, 1024): 6208,
}
#: ... and for gpt-image-2 a grid of this many cells on the longer side.
_GRID = {"low": 16, "medium": 48, "high": 96}


def output_tokens(model: str, quality: str, width: int, height: int) -> int | None:
    """Output tokens of one image, or None where undocumented.

    gpt-image-2: cells of the quality's grid, the shorter side rounded, times (2 million + pixels) / 4 million, rounded
    up: the rule of OpenAI's own calculator (7,024 for 1024x1024 at high, 5,488 for 1536x1024).
    """
    name = model.rsplit("/", 1)[-1]
    if name.startswith("gpt-image-1"):
        return _FAMILY_1_TOKENS.get((quality, width, height))
    if not name.startswith("gpt-image-2") or quality not in _GRID:
        return None
    cells = _GRID[quality]
    long, short = max(width, height), min(width, height)
    other = math.floor(cells * short / long + 0.5)
    return math.ceil(cells * other * (2_000_000 + width * height) / 4_000_000)
