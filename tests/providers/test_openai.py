"""OpenAI-compatible servers: what is sent, what is dropped or emulated, and what it costs."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from promptlab.errors import GenerationError
from promptlab.http import Answer, Unreadable
from promptlab.model import Request
from promptlab.providers import Cost, ImageBytes, Price, Setup
from promptlab.providers.openai import OpenAI, output_tokens, size_of

Make = Callable[..., Request]
Answers = Callable[..., Answer]
PNG = base64.b64encode(b"\x89PNG" + b"\0" * 60).decode()


@pytest.fixture
def openai() -> OpenAI:
    return OpenAI(Setup("https://api.openai.com/v1"))


def test_a_generation(openai: OpenAI, request_with: Make) -> None:
    """Ratio becomes size, the negative prompt is appended, the seed dropped; all three are reported."""
    params = {"aspect_ratio": "16:9", "output_format": "jpg", "quality": "low", "n": 2, "strength": 0.5}
    wire = openai.encode(request_with(params=params, negative_prompt="text, hands", seed=7))
    assert (wire.call.method, wire.call.path) == ("POST", "/images/generations")
    assert wire.call.json == {
        "model": "gpt-image-2",
        "prompt": "a teapot\n\nAvoid: text, hands",
        "n": 2,
        "size": "1280x720",
        "quality": "low",
        "output_format": "jpeg",
    }
    assert (wire.dropped, wire.emulated) == (("strength", "seed"), ("aspect_ratio", "negative_prompt"))


def test_its_own_parameters(openai: OpenAI, request_with: Make) -> None:
    """size, background and compression go through; a size beats a ratio, which is then dropped."""
    params = {"size": "2048x1024", "aspect_ratio": "1:1", "background": "transparent", "output_compression": 80}
    wire = openai.encode(request_with(params=params))
    assert wire.call.json == {
        "model": "gpt-image-2",
        "prompt": "a teapot",
        "size": "2048x1024",
        "output_compression": 80,
        "background": "transparent",
    }
    assert (wire.dropped, wire.emulated) == (("aspect_ratio",), ())


def test_an_edit(openai: OpenAI, request_with: Make) -> None:
    """An edit uploads its image, and a mask if there is one; a URL alone cannot be edited."""
    request = request_with(operation="edit", params={"n": 2, "mask": f"data:image/png;base64,{PNG}"}, image="/a.jpg")
    call = openai.encode(request, image=ImageBytes(b"\xff\xd8", "jpg")).call
    assert (call.path, call.json) == ("/images/edits", None)
    assert call.data == {"model": "gpt-image-2", "prompt": "a teapot", "n": "2"}
    assert [(part.name, part.filename, part.content_type) for part in call.files or ()] == [
        ("image", "image.jpg", "image/jpeg"),
        ("mask", "mask.png", "image/png"),
    ]
    with pytest.raises(GenerationError, match="uploads"):
        openai.encode(request_with(operation="edit", image="https://h/a.jpg"))
    with pytest.raises(GenerationError, match="mask"):
        openai.encode(request_with(operation="edit", params={"mask": "#"}), image=ImageBytes(b"x", "png"))


@pytest.mark.parametrize(
    ("ratio", "free", "fixed"),
    [
        ("1:1", "1024x1024", "1024x1024"),
        ("16:9", "1280x720", "1536x1024"),
        ("9:16", "720x1280", "1024x1536"),
        ("3:2", "1536x1024", "1536x1024"),
        ("2:3", "1024x1536", "1024x1536"),
        ("4:3", "1152x864", "1536x1024"),
        ("3:1", "1776x592", "1536x1024"),
        ("21:9", "1568x672", "1536x1024"),
    ],
)
def test_sizes(ratio: str, free: str, fixed: str) -> None:
    """A ratio becomes an exact size of about a megapixel, or the nearest a model has."""
    assert (size_of(ratio, "gpt-image-2"), size_of(ratio, "gpt-image-1")) == (free, fixed)


def test_every_ratio_gives_a_size_the_model_takes() -> None:
    """Sides in multiples of 16, within 1:3 to 3:1, enough pixels, and within 1 % of the ratio; beyond is refused."""
    for width in range(1, 25):
        for height in range(1, 25):
            if max(width, height) > 3 * min(width, height):
                with pytest.raises(GenerationError):
                    size_of(f"{width}:{height}", "gpt-image-2")
                continue
            w, h = map(int, size_of(f"{width}:{height}", "gpt-image-2").split("x"))
            assert w % 16 == h % 16 == 0
            assert 655_360 <= w * h <= 8_294_400
            assert max(w, h) <= 3 * min(w, h)
            assert w / h == pytest.approx(width / height, rel=0.01)


@pytest.mark.parametrize(
    "entry",
    [
        {"b64_json": PNG},
        {"url": f"data:image/png;base64,{PNG}"},
        {"url": "https://h/x.png"},
        {"b64_json": PNG, "url": None},
    ],
)
def test_results(openai: OpenAI, request_with: Make, answer: Answers, entry: dict[str, str]) -> None:
    """Base64, data: URLs and URLs are all results."""
    result = openai.decode(answer({"created": 1, "data": [entry]}), request_with())
    assert len(result.images) == 1
    assert bool(result.images[0].url) != bool(result.images[0].data)
    with pytest.raises(Unreadable):
        openai.decode(answer({"created": 1, "data": []}), request_with())


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        ({"input_tokens": 100, "output_tokens": 1000}, (100 * 5 + 1000 * 30) / 1e6),
        (
            {
                "input_tokens": 300,
                "input_tokens_details": {"text_tokens": 100, "image_tokens": 200},
                "output_tokens": 1000,
            },
            (100 * 5 + 200 * 8 + 1000 * 30) / 1e6,
        ),
        (
            {
                "input_tokens": 0,
                "output_tokens": 1200,
                "output_tokens_details": {"image_tokens": 1000, "text_tokens": 200},
            },
            0.03,
        ),
        ({"input_tokens": 100}, None),
        ({"total_tokens": "many"}, None),
        (None, None),
    ],
)
def test_cost_of_usage(openai: OpenAI, request_with: Make, answer: Answers, usage: object, usd: float | None) -> None:
    """Tokens by kind times the dated price; without usage the cost is unknown."""
    result = openai.decode(answer({"data": [{"b64_json": PNG}], "usage": usage}), request_with())
    cost = openai.cost(request_with(), result, 1)
    assert cost.usd == (None if usd is None else pytest.approx(usd))
    assert cost.source == (None if usd is None else "usage")


def test_models_and_costs(openai: OpenAI, request_with: Make, answer: Answers) -> None:
    """A snapshot costs as its model, an unknown model is unknown, a gateway's own figure wins."""
    usage = {"input_tokens": 0, "output_tokens": 1_000_000}
    result = openai.decode(answer({"data": [{"b64_json": PNG}], "usage": usage}), request_with())
    assert openai.cost(request_with(model="openai/gpt-image-2-2026-04-21"), result, 1).usd == 30
    assert openai.cost(request_with(model="flux"), result, 1) == Cost()
    told = openai.decode(answer({"data": [{"b64_json": PNG}], "usage": {**usage, "cost": 0.04}}), request_with())
    assert openai.cost(request_with(), told, 1) == Cost(None, 0.04, "response")
    own = OpenAI(Setup("http://h/v1", None, {"prices": {"flux": {"text_in": 1, "image_in": "1", "image_out": 2}}}))
    assert own.cost(request_with(model="flux"), result, 1).usd == 2


def test_estimates(openai: OpenAI) -> None:
    """Documented output tokens give an estimate, an open quality its upper bound; the rest is unknown."""
    assert output_tokens("gpt-image-2", "high", 1024, 1024) == 7024
    assert output_tokens("gpt-image-2", "high", 1536, 1024) == 5488
    assert output_tokens("gpt-image-1.5", "medium", 1024, 1536) == 1584
    price = openai.price("generate", "gpt-image-2", {"quality": "low", "n": 2})
    assert price.usd == pytest.approx(2 * 196 * 30 / 1e6)
    assert not price.upper
    assert openai.price("generate", "gpt-image-2", {}).upper
    assert openai.price("generate", "gpt-image-1", {"size": "640x640", "quality": "low"}) == Price()
    assert openai.price("generate", "dall-e-3", {}) == Price()
    assert openai.price("edit", "gpt-image-2", {"quality": "low"}) == Price()
