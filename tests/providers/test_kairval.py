"""Kairval's wire: the guide's requests and responses, to the letter."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from promptlab.errors import GenerationError, InputError
from promptlab.http import Answer, Unreadable
from promptlab.model import Request
from promptlab.providers import Cost, ImageBytes, Job, Price, Setup
from promptlab.providers.kairval import Kairval

Make = Callable[..., Request]
Answers = Callable[..., Answer]
PNG = base64.b64encode(b"\x89PNG" + b"\0" * 60).decode()


def about(figure: float) -> Any:
    """A figure that takes the place of an exact one in plain data."""
    return pytest.approx(figure)


@pytest.fixture
def kairval() -> Kairval:
    return Kairval(Setup("https://api.kairval.com", 0.015))


def test_the_guides_first_request(kairval: Kairval, request_with: Make) -> None:
    """The guide's first request body comes out field by field, in its types; defaults stay away."""
    prompt = "A modern minimalist workspace with a laptop, coffee cup, and succulent plant on a white desk"
    request = request_with(
        prompt=prompt,
        negative_prompt="blurry, watermark, low quality",
        params={"aspect_ratio": "16:9", "output_format": "png"},
        defaults={"n": 1},
    )
    wire = kairval.encode(request)
    assert (wire.call.method, wire.call.path) == ("POST", "/v1/images/generate")
    assert wire.call.json == {
        "model": "gpt-image-2",
        "prompt": prompt,
        "aspect_ratio": "16:9",
        "output_format": "png",
        "negative_prompt": "blurry, watermark, low quality",
    }
    assert (wire.dropped, wire.emulated) == ((), ())


def test_every_parameter(kairval: Kairval, request_with: Make) -> None:
    """n and seed are integers, strength a float on edits only; what Kairval does not know is dropped by name."""
    params = {"n": 2, "aspect_ratio": "4:3", "strength": 0.7, "quality": "high", "model": "gpt-image-2"}
    wire = kairval.encode(request_with(params=params, seed=0))
    assert wire.call.json == {
        "model": "gpt-image-2",
        "prompt": "a teapot",
        "aspect_ratio": "4:3",
        "n": 2,
        "seed": 0,
    }
    assert wire.dropped == ("quality", "strength")


def test_the_guides_edit(kairval: Kairval, request_with: Make) -> None:
    """An edit sends its image as the URL, or a file as plain Base64, with strength."""
    url = "https://example.com/photo.jpg"
    params = {"strength": 0.7, "output_format": "png"}
    wire = kairval.encode(request_with(operation="edit", image=url, params=params))
    assert wire.call.path == "/v1/images/edit"
    expected = {"model": "gpt-image-2", "prompt": "a teapot", "image": url, "strength": 0.7, "output_format": "png"}
    assert wire.call.json == expected
    wire = kairval.encode(request_with(operation="edit", image="/p.png"), image=ImageBytes(b"\x89PNG", "png"))
    assert wire.call.json == {"model": "gpt-image-2", "prompt": "a teapot", "image": "iVBORw=="}
    with pytest.raises(GenerationError):
        kairval.encode(request_with(operation="edit", image="/p.png"))


def test_the_guides_response(kairval: Kairval, request_with: Make, answer: Answers) -> None:
    """The guide's response is read field by field."""
    url = "https://storage.kairval.com/generated/abc123.png"
    body = {
        "id": "gen_abc123",
        "model": "gpt-image-2",
        "created": 1714713600,
        "data": [{"url": url, "revised_prompt": "A clean modern workspace..."}],
    }
    result = kairval.decode(answer(body), request_with())
    assert (result.id, result.model, result.created, result.job) == ("gen_abc123", "gpt-image-2", 1714713600, None)
    assert [(image.url, image.revised_prompt) for image in result.images] == [(url, "A clean modern workspace...")]
    assert result.response == body


@pytest.mark.parametrize(
    "body",
    [
        {"data": [{"b64_json": PNG}]},
        {"data": [{"url": f"data:image/png;base64,{PNG}"}]},
        {"result": {"data": [{"b64_json": PNG}]}},
        {"output": {"images": [{"base64": PNG}]}},
        {"output": [f"data:image/png;base64,{PNG}"]},
        {"images": [PNG]},
        {"data": {"b64_json": PNG}},
        {"image": PNG},
        [{"b64_json": PNG}],
        {"status": "SUCCEEDED", "id": "job_1", "result": {"data": [{"image": PNG}]}},
        {"job": {"id": "job_1", "status": "completed", "output": [{"image_url": {"url": f"data:;base64,{PNG}"}}]}},
    ],
)
def test_pixels_wherever_they_stand(kairval: Kairval, request_with: Make, answer: Answers, body: Any) -> None:
    """Base64 and data: URLs are found under the usual names, and never logged."""
    result = kairval.decode(answer(body), request_with())
    assert [image.data for image in result.images] == [base64.b64decode(PNG)]
    assert PNG not in str(result.response) or len(PNG) <= 200


def test_pixels_are_not_logged(kairval: Kairval, request_with: Make, answer: Answers) -> None:
    """The response for the log has a note of the size where the pixels were."""
    pixels = base64.b64encode(b"\x89PNG" * 1000).decode()
    body = {
        "id": "g",
        "data": [{"b64_json": pixels, "revised_prompt": "p"}, {"url": f"data:image/png;base64,{pixels}"}],
    }
    result = kairval.decode(answer(body), request_with())
    assert result.response == {
        "id": "g",
        "data": [{"b64_json": "<4,000 bytes>", "revised_prompt": "p"}, {"url": "<4,000 bytes>"}],
    }


def test_a_short_and_a_holed_result(kairval: Kairval, request_with: Make, answer: Answers) -> None:
    """Fewer images than asked are what they are; an unreadable one keeps its place."""
    body = {"data": [{"url": "https://h/1.png"}, {"b64_json": "####"}, {"url": "/files/3.png"}]}
    images = kairval.decode(answer(body), request_with(params={"n": 4})).images
    assert [(image.url, image.data) for image in images] == [
        ("https://h/1.png", None),
        (None, None),
        ("https://api.kairval.com/files/3.png", None),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>ok</html>",
        b"[]",
        b"{}",
        b"null",
        b"3",
        b'{"data": []}',
        b'{"data": [{}]}',
        b"\xff\xfe",
        b"[" * 9999,
    ],
)
def test_unreadable(kairval: Kairval, request_with: Make, answer: Answers, body: bytes) -> None:
    """A 200 without an image or a job is unreadable."""
    with pytest.raises(Unreadable):
        kairval.decode(answer(body), request_with())


def test_submitting_a_job(kairval: Kairval, request_with: Make, answer: Answers) -> None:
    """An asynchronous call has the flag and the webhook; its answer is a job with the place to poll."""
    wire = kairval.encode(request_with(), asynchronous=True, webhook_url="https://me.example/hook")
    assert wire.call.json == {
        "model": "gpt-image-2",
        "prompt": "a teapot",
        "async": True,
        "webhook_url": "https://me.example/hook",
    }
    body = {"id": "job_1", "status": "queued", "created": 1, "expires_at": 1714720000}
    result = kairval.decode(answer(body, 202, location="/v1/jobs/job_1", retry_after="2"), request_with())
    assert result.images == ()
    assert result.job == Job("job_1", "waiting", "https://api.kairval.com/v1/jobs/job_1", 1714720000)
    assert kairval.poll(result.job).path == "https://api.kairval.com/v1/jobs/job_1"
    assert kairval.poll(Job("a/b?c")).path == "/v1/jobs/a%2Fb%3Fc"


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("queued", "waiting"),
        ("IN_QUEUE", "waiting"),
        ("Running", "running"),
        ("in_progress", "running"),
        ("ready", "done"),
        ("Succeeded", "done"),
        ("error", "failed"),
        ("aborted", "cancelled"),
        ("canceled", "cancelled"),
        ("expired", "expired"),
        ("thinking", "unknown"),
    ],
)
def test_states(kairval: Kairval, answer: Answers, state: str, status: str) -> None:
    """Every state has its class, whatever its case; an unknown one is not an end."""
    assert kairval.job(answer({"id": "job_1", "status": state})).status == status


def test_a_failed_job_says_why(kairval: Kairval, answer: Answers) -> None:
    """The job's error is read."""
    body = {"id": "j", "status": "failed", "error": {"code": "moderation", "message": "not this"}}
    job = kairval.job(answer(body))
    assert (job.status, job.code, job.message) == ("failed", "moderation", "not this")


@pytest.mark.parametrize(
    "place", ["https://evil.example/v1/jobs/1", "//evil.example/x", "http://api.kairval.com/x", "ftp://x/", "\x00"]
)
def test_the_key_is_not_led_elsewhere(kairval: Kairval, answer: Answers, place: str) -> None:
    """A poll address off the API's origin is not used; the contract's path is."""
    job = kairval.job(
        answer({"id": "job_1", "status": "queued", "poll_url": place, "urls": {"get": place}}, location=place)
    )
    assert job.poll_url is None
    assert kairval.poll(job).path == "/v1/jobs/job_1"


def test_the_async_contract_is_a_setting(request_with: Make, answer: Answers) -> None:
    """Fields, paths and states can be overridden; a part that does not exist is an error."""
    options = {
        "submit_field": "background",
        "poll_path": "/v2/tasks/{id}",
        "id_fields": "uuid",
        "states": {"done": "finished"},
    }
    kairval = Kairval(Setup("https://h", None, {"async": options}))
    assert kairval.encode(request_with(), asynchronous=True).call.json["background"] is True  # type: ignore[index]
    job = kairval.job(answer({"uuid": "u1", "status": "Finished", "result": {"data": [{"url": "https://h/x"}]}}))
    assert (job.id, job.status, kairval.poll(job).path) == ("u1", "done", "/v2/tasks/u1")
    for wrong in ({"pol_path": "/x"}, {"poll_path": "/x"}, {"states": {"over": "done!"}}, "async"):
        with pytest.raises(InputError):
            Kairval(Setup("https://h", None, {"async": wrong}))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {
                "error": {
                    "code": "rate_limit_exceeded",
                    "message": "Retry after 60 seconds.",
                    "type": "rate_limit_error",
                }
            },
            ("rate_limit_exceeded", "rate_limit_error", "Retry after 60 seconds."),
        ),
        ({"error": {"code": 429, "message": "slow"}}, ("429", None, "slow")),
        ({"error": "just text"}, (None, None, "just text")),
        ({"code": "x", "message": "m"}, ("x", None, "m")),
        ({"detail": [{"msg": "field required", "type": "missing"}]}, (None, "missing", "field required")),
        ({"detail": "Not Found"}, (None, None, "Not Found")),
        (
            b"<html><head><style>x</style></head><body><h1>502 Bad\n Gateway</h1></body>",
            (None, None, "502 Bad Gateway"),
        ),
        (b"", (None, None, None)),
        (b"\xff\xfe\x00", (None, None, "\ufffd\ufffd")),
        ([], (None, None, None)),
        ({}, (None, None, None)),
    ],
)
def test_error_envelopes(kairval: Kairval, answer: Answers, body: Any, expected: Any) -> None:
    """The guide's envelope and those of gateways are read; a page becomes its text."""
    assert tuple(kairval.error(answer(body, 500))) == expected


def test_prices_and_costs(kairval: Kairval, request_with: Make, answer: Answers) -> None:
    """About 50 credits an image by the dated table; the response's own figure wins; the unknown is None."""
    price = kairval.price("generate", "gpt-image-2", {"n": 4, "aspect_ratio": "16:9"})
    assert (price.credits, price.usd, price.dated) == (200, 3.0, "2026-11-22")
    assert kairval.price("generate", "another-model", {}) == Price()
    result = kairval.decode(answer({"data": [{"url": "https://h/1"}] * 3}), request_with(params={"n": 4}))
    assert kairval.cost(request_with(params={"n": 4}), result, 3) == Cost(150, about(2.25), "table")
    told = kairval.decode(answer({"data": [{"url": "https://h/1"}], "usage": {"credits": 62}}), request_with())
    assert kairval.cost(request_with(), told, 1) == Cost(62, about(0.93), "response")
    assert kairval.cost(request_with(model="another-model"), result, 3) == Cost(None, None, None)
    unnamed = Kairval(Setup("https://h")).price("generate", "gpt-image-2", {})
    assert (unnamed.credits, unnamed.usd) == (50, None)


def test_own_prices(request_with: Make) -> None:
    """A studio's rows win by how closely they fit."""
    rows = [
        {"model": "gpt-image-2", "aspect_ratio": "16:9", "credits": "60"},
        {"model": "gpt-image-2", "operation": "edit", "credits": 70},
        {"model": "lab", "usd": 0.5},
    ]
    kairval = Kairval(Setup("https://h", 0.01, {"prices": rows}))
    assert kairval.price("generate", "gpt-image-2", {"aspect_ratio": "16:9"}).credits == 60
    assert kairval.price("generate", "gpt-image-2", {"aspect_ratio": "1:1"}).credits == 50
    assert kairval.price("edit", "gpt-image-2", {}).credits == 70
    lab = kairval.price("generate", "lab", {"n": 2})
    assert (lab.credits, lab.usd) == (None, 1.0)
    for wrong in ("50", [3], [{"model": "x"}], [{"credits": 1, "ratio": "1:1"}]):
        with pytest.raises(InputError):
            Kairval(Setup("https://h", None, {"prices": wrong}))


@pytest.mark.parametrize(
    ("expires", "expected"),
    [
        (1714720000, 1714720000),
        (1714720000000, 1714720000),
        ("2024-05-03T07:06:40Z", 1714720000),
        ("soon", None),
        (5, None),
    ],
)
def test_a_jobs_end_of_life(kairval: Kairval, answer: Answers, expires: object, expected: float | None) -> None:
    """expires_at is epoch seconds or milliseconds, or ISO 8601; junk is none."""
    assert kairval.job(answer({"id": "j", "status": "queued", "expires_at": expires})).expires_at == expected
