"""The wire format of the guide."""

import asyncio
import base64
import hashlib
import io
import json
import re
from typing import Any

import httpx
import pytest
from PIL import Image

import promptlab
from promptlab.simulator import App, SimulatorSettings, create_app, parse_faults

GENERATE, EDIT = "/v1/images/generate", "/v1/images/edit"
FAST = SimulatorSettings(fast=True)


def envelope(answer: httpx.Response) -> dict[str, str]:
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "type"}
    return dict(body["error"])


def test_generate(talk: Any, order: dict[str, Any]) -> None:
    """The answer has exactly the guide's fields, rate headers, and a URL of a real image in the format asked for."""

    async def scenario(client: httpx.AsyncClient) -> None:
        for name, pillow in (("png", "PNG"), ("jpg", "JPEG"), ("webp", "WEBP")):
            answer = await client.post(GENERATE, json=order | {"n": 2, "seed": 5, "output_format": name})
            body = answer.json()
            assert answer.status_code == 200
            assert set(body) == {"id", "model", "created", "data"}
            assert re.fullmatch(r"gen_[0-9a-f]{24}", body["id"])
            assert body["model"] == "gpt-image-2"
            assert isinstance(body["created"], int)
            assert [set(image) for image in body["data"]] == [{"url", "revised_prompt"}] * 2
            assert {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"} <= set(answer.headers)
            files = [await client.get(image["url"], headers={"Authorization": ""}) for image in body["data"]]
            assert files[0].content != files[1].content
            for file in files:
                with Image.open(io.BytesIO(file.content)) as image:
                    image.load()
                    assert image.format == pillow
                assert int(file.headers["content-length"]) == len(file.content)

    app = create_app(FAST)
    talk(app, scenario)
    assert (app.counters.images, app.counters.credits, app.counters.downloads) == (6, 300, 6)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"model": None}, "model"),
        ({"model": "no such"}, "no such"),
        ({"prompt": 3}, "prompt"),
        ({"prompt": " "}, "prompt"),
        ({"n": 0}, "n"),
        ({"n": 5}, "n"),
        ({"n": "2"}, "n"),
        ({"n": 2.0}, "n"),
        ({"n": True}, "n"),
        ({"seed": 1.5}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"aspect_ratio": "2:1"}, "aspect_ratio"),
        ({"aspect_ratio": 969}, "aspect_ratio"),
        ({"output_format": "gif"}, "output_format"),
        ({"negative_prompt": ["a"]}, "negative_prompt"),
        ({"size": "1024x1024"}, "size"),
        ({"strength": 0.5}, "strength"),
        ({"image": "aGk="}, "image"),
        ({"async": "yes"}, "async"),
        ({"webhook_url": "http://127.0.0.1/"}, "webhook_url"),
        ({"prompt": "\ud800"}, "prompt"),
        ({"seed": None}, "seed"),
    ],
)
def test_bad_generate(talk: Any, order: dict[str, Any], change: dict[str, Any], names: str) -> None:
    """A wrong type, value or name is a 400 in the envelope that names the field, and costs nothing."""
    app = create_app(FAST)
    answer = talk(app, lambda client: client.post(GENERATE, content=json.dumps(order | change)))
    assert answer.status_code == 400
    error = envelope(answer)
    assert names in error["message"]
    assert error["type"] == "invalid_request_error"
    assert app.counters.images == 0


@pytest.mark.parametrize("missing", ["model", "prompt", "image"])
def test_required(talk: Any, order: dict[str, Any], missing: str) -> None:
    """What the guide requires is missed by name."""
    body = {name: value for name, value in (order | {"image": "aGk="}).items() if name != missing}
    answer = talk(create_app(FAST), lambda client: client.post(EDIT, json=body))
    assert (answer.status_code, envelope(answer)["code"]) == (400, "missing_parameter")
    assert missing in envelope(answer)["message"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"NaN", b'{"n": NaN}', b"\xff", b"[" * 100_000, b'{"seed": 1' + b"0" * 5000 + b"}"]
)
def test_bad_json(talk: Any, body: bytes) -> None:
    """A body that is not a JSON object is a 400, whatever it is."""
    answer = talk(create_app(FAST), lambda client: client.post(GENERATE, content=body))
    assert (answer.status_code, envelope(answer)["code"]) == (400, "invalid_json")


@pytest.mark.parametrize(
    ("header", "accepted", "status"),
    [
        ("", None, 401),
        ("Bearer ", None, 401),
        ("Bearer sk_1", None, 401),
        ("Basic kv_1", None, 401),
        ("Bearer kv_1", None, 200),
        ("bearer kv_1", None, 200),
        ("Bearer kv_1", frozenset({"kv_2"}), 401),
        ("Bearer other", frozenset({"other"}), 200),
    ],
)
def test_keys(talk: Any, order: dict[str, Any], header: str, accepted: frozenset[str] | None, status: int) -> None:
    """Any kv_ key is taken, or only those named; else 401 in the envelope, rate headers included."""
    app = create_app(SimulatorSettings(fast=True, accepted_keys=accepted))
    answer = talk(app, lambda client: client.post(GENERATE, json=order, headers={"Authorization": header}))
    assert answer.status_code == status
    assert "x-ratelimit-limit" in answer.headers
    if status == 401:
        assert envelope(answer)["type"] == "authentication_error"


def test_other_paths(talk: Any) -> None:
    """Unknown paths are 404 and wrong methods 405, both in the envelope."""

    async def scenario(client: httpx.AsyncClient) -> list[tuple[int, str]]:
        answers = [await client.get("/v1/nothing"), await client.get(GENERATE), await client.get("/files/x.png")]
        return [(answer.status_code, envelope(answer)["code"]) for answer in answers]

    assert talk(create_app(FAST), scenario) == [(404, "not_found"), (405, "method_not_allowed"), (404, "not_found")]


def test_models(talk: Any, order: dict[str, Any]) -> None:
    """With a list of models, others are refused."""
    app = create_app(SimulatorSettings(fast=True, models=frozenset({"flux"})))
    answer = talk(app, lambda client: client.post(GENERATE, json=order))
    assert (answer.status_code, envelope(answer)["code"]) == (400, "model_not_found")


def test_ttl(talk: Any, order: dict[str, Any], clock: Any) -> None:
    """A URL works for its time, then answers 410, and 404 once it is forgotten."""

    async def scenario(client: httpx.AsyncClient) -> list[int]:
        url = (await client.post(GENERATE, json=order)).json()["data"][0]["url"]
        found = [(await client.get(url)).status_code]
        for seconds in (99, 1, 101):
            clock.now += seconds
            found.append((await client.get(url)).status_code)
        await client.post(GENERATE, json=order)
        return [*found, (await client.get(url)).status_code]

    app = create_app(SimulatorSettings(fast=True, url_ttl_s=100, clock=clock))
    assert talk(app, scenario) == [200, 200, 410, 410, 404]


def test_idempotency(talk: Any, order: dict[str, Any]) -> None:
    """The same key gives the same result and makes nothing; with another body it is 422; off, it makes anew."""

    async def scenario(client: httpx.AsyncClient) -> list[httpx.Response]:
        key = {"Idempotency-Key": "k1"}
        other = order | {"prompt": "mug"}
        return [await client.post(GENERATE, json=body, headers=key) for body in (order, order, other)]

    on, off = create_app(FAST), create_app(SimulatorSettings(fast=True, honours_keys=False))
    first, again, reused = talk(on, scenario)
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert (reused.status_code, envelope(reused)["code"]) == (422, "idempotency_key_reused")
    assert (on.counters.images, on.counters.works["k1"], on.counters.keys["k1"]) == (1, 1, 3)
    assert [answer.status_code for answer in talk(off, scenario)] == [200, 200, 200]
    assert off.counters.works["k1"] == 3


def test_key_in_progress(talk: Any, order: dict[str, Any]) -> None:
    """A key whose request is still being made is 409 with Retry-After."""
    gate = asyncio.Event()

    async def wait(_: float) -> None:
        await gate.wait()

    async def scenario(client: httpx.AsyncClient) -> tuple[httpx.Response, httpx.Response]:
        key = {"Idempotency-Key": "k1"}
        first = asyncio.create_task(client.post(GENERATE, json=order, headers=key))
        while not app.counters.most_at_once:
            await asyncio.sleep(0)
        second = await client.post(GENERATE, json=order, headers=key)
        gate.set()
        return await first, second

    app = create_app(SimulatorSettings(fast=True, latency_s=1, sleep=wait))
    first, second = talk(app, scenario)
    assert (first.status_code, second.status_code, second.headers["retry-after"]) == (200, 409, "1")
    assert app.counters.images == 1


def _png() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), (10, 200, 90)).save(stream, "PNG")
    return stream.getvalue()


def test_edit_sources(talk: Any, order: dict[str, Any]) -> None:
    """Plain Base64, a data: URI and an own URL are read; an address elsewhere is replaced, said so, and not fetched."""
    text = base64.b64encode(_png()).decode()

    async def scenario(client: httpx.AsyncClient) -> None:
        own = (await client.post(GENERATE, json=order)).json()["data"][0]["url"]
        for image in (text, f"data:image/png;base64,{text}", own, "https://example.com/red_mug.jpg"):
            answer = await client.post(EDIT, json=order | {"image": image})
            assert answer.status_code == 200, answer.text
            assert ("x-simulator-note" in answer.headers) == image.startswith("https:")

    talk(create_app(FAST), scenario)


@pytest.mark.parametrize(
    "image",
    ["", "not base64!", "aGVsbG8=", "data:image/png,xyz", "data:", "http://127.0.0.1:9/x.png", _png()[:60].hex()],
)
def test_bad_sources(talk: Any, order: dict[str, Any], image: str) -> None:
    """What is not an image is a 400 before anything is made."""
    app: App = create_app(FAST)
    answer = talk(app, lambda client: client.post(EDIT, json=order | {"image": image}))
    assert answer.status_code == 400
    assert "image" in envelope(answer)["message"]
    assert app.counters.images == 0


def test_revised_prompt(talk: Any) -> None:
    """The prompt comes back rewritten a little: the same way for the same request, and with the prompt inside."""

    async def scenario(client: httpx.AsyncClient) -> list[str]:
        bodies = [{"model": "m", "prompt": "oak stool by a wall", "seed": seed} for seed in (1, 1, 2, 3, 4)]
        return [(await client.post(GENERATE, json=body)).json()["data"][0]["revised_prompt"] for body in bodies]

    revised = talk(create_app(FAST), scenario)
    assert revised[0] == revised[1]
    assert len(set(revised)) > 1
    assert all(text.startswith("An oak stool by a wall, ") and text.endswith(".") for text in revised)


def test_every_answer_names_the_simulator(talk: Any, order: dict[str, Any]) -> None:
    """Answers, refusals, jobs, polls, files, pages of faults and unknown paths all say who made them."""
    storm = parse_faults({"faults": [{"kind": "502", "nth": 3}, {"kind": "429", "nth": 4}]})

    async def scenario(client: httpx.AsyncClient) -> list[httpx.Response]:
        made = await client.post(GENERATE, json=order)
        job = await client.post(GENERATE, json=order | {"async": True})
        url = made.json()["data"][0]["url"]
        return [
            made, job, await client.get(f"/v1/jobs/{job.json()['id']}"), await client.get("/v1/jobs/none"),
            await client.get(url), await client.head(url), await client.get("/files/none.png"),
            await client.post(GENERATE, json=order), await client.post(GENERATE, json=order),
            await client.post(GENERATE, content=b"{"), await client.put(GENERATE, json=order),
            await client.post(GENERATE, json=order, headers={"Authorization": ""}), await client.get("/nowhere"),
        ]  # fmt: skip

    answers = talk(create_app(SimulatorSettings(fast=True, faults=storm)), scenario)
    assert {answer.status_code for answer in answers} == {200, 202, 400, 401, 404, 405, 429, 502}
    assert {answer.headers.get("x-simulated-by") for answer in answers} == {f"promptlab/{promptlab.__version__}"}


@pytest.mark.parametrize("seed", [{}, {"seed": 7}])
def test_draws_differ(talk: Any, order: dict[str, Any], seed: dict[str, int]) -> None:
    """Each draw of one request is a different picture, the same whenever and wherever that draw is asked for."""

    async def scenario(client: httpx.AsyncClient) -> list[str]:
        out = []
        for told in ({}, {"X-Draw": "1"}, {"X-Draw": "2"}, {"X-Draw": "nonsense"}):
            answer = await client.post(GENERATE, json=order | seed, headers=told)
            out.append(hashlib.sha256((await client.get(answer.json()["data"][0]["url"])).content).hexdigest())
        return out

    one, other = talk(create_app(FAST), scenario), talk(create_app(FAST), scenario)
    assert one == other
    assert len(set(one)) == 3
    assert one[0] == one[3]
