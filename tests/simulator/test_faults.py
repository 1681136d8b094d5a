"""The fault plan."""

import io
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from promptlab.errors import InputError
from promptlab.simulator import (
    KINDS,
    FaultPlan,
    Rule,
    SimulatedReset,
    SimulatorSettings,
    create_app,
    load_faults,
    parse_faults,
)

GENERATE = "/v1/images/generate"


def app_with(clock: Any, **rule: Any) -> Any:
    faults = parse_faults({"faults": [{"nth": 1, **rule}]})
    return create_app(SimulatorSettings(fast=True, faults=faults, clock=clock, sleep=clock.sleep))


@pytest.mark.parametrize(
    ("rule", "status", "made"),
    [
        ({"kind": 429}, 429, 0),
        ({"kind": "500"}, 500, 0),
        ({"kind": 500, "work": True}, 500, 1),
        ({"kind": 502}, 502, 1),
        ({"kind": 503}, 503, 0),
        ({"kind": 504}, 504, 1),
        ({"kind": "moderation"}, 400, 0),
        ({"kind": "job_failed"}, 500, 0),
    ],
)
def test_statuses(talk: Any, order: dict[str, Any], clock: Any, rule: dict[str, Any], status: int, made: int) -> None:
    """A status fault answers with its status, and bills only where the work was done; the next request is well."""

    async def scenario(client: httpx.AsyncClient) -> list[httpx.Response]:
        return [await client.post(GENERATE, json=order) for _ in range(2)]

    app = app_with(clock, **rule)
    bad, good = talk(app, scenario)
    assert (bad.status_code, good.status_code, app.counters.images) == (status, 200, made + 1)
    assert "retry-after" not in bad.headers
    assert app.counters.faults[str(rule["kind"])] == 1


def test_waits(talk: Any, order: dict[str, Any], clock: Any) -> None:
    """A wait is told in seconds, as a date, in the message alone, or not at all."""

    def ask(**rule: Any) -> httpx.Response:
        answer: httpx.Response = talk(app_with(clock, kind=429, **rule), lambda c: c.post(GENERATE, json=order))
        return answer

    seconds, date, message, none = (ask(retry_after=7, form=form) for form in ("seconds", "date", "message", "none"))
    assert seconds.headers["retry-after"] == "7"
    assert parsedate_to_datetime(date.headers["retry-after"]).timestamp() == clock.now + 7
    assert "retry-after" not in message.headers
    assert message.json()["error"]["message"] == "Rate limit exceeded. Retry after 7 seconds."
    assert none.json()["error"]["message"] == "Rate limit exceeded."


@pytest.mark.parametrize(("kind", "made"), [("reset_before", 0), ("reset_after", 1)])
def test_resets(talk: Any, order: dict[str, Any], clock: Any, kind: str, made: int) -> None:
    """In-process a reset is a ConnectionResetError; after the work it is billed, and the key finds the result."""

    async def scenario(client: httpx.AsyncClient) -> httpx.Response:
        headers = {"Idempotency-Key": "k"}
        with pytest.raises(SimulatedReset) as caught:
            await client.post(GENERATE, json=order, headers=headers)
        assert isinstance(caught.value, ConnectionResetError)
        assert app.counters.images == made
        return await client.post(GENERATE, json=order, headers=headers)

    app = app_with(clock, kind=kind)
    answer = talk(app, scenario)
    assert (answer.status_code, app.counters.images) == (200, 1)
    assert ("idempotent-replayed" in answer.headers) == bool(made)


def test_truncated_json(talk: Any, order: dict[str, Any], clock: Any) -> None:
    """A 200 that cannot be read, billed."""
    app = app_with(clock, kind="truncated_json")
    answer = talk(app, lambda client: client.post(GENERATE, json=order))
    assert (answer.status_code, app.counters.images) == (200, 1)
    with pytest.raises(ValueError, match=r"."):
        answer.json()


@pytest.mark.parametrize("kind", ["truncated_image", "wrong_content_type"])
def test_spoilt_files(talk: Any, order: dict[str, Any], clock: Any, kind: str) -> None:
    """A spoilt file is not an image; with times: 1 the second download is whole."""

    async def scenario(client: httpx.AsyncClient) -> list[httpx.Response]:
        url = (await client.post(GENERATE, json=order)).json()["data"][0]["url"]
        return [await client.get(url) for _ in range(2)]

    bad, good = talk(app_with(clock, kind=kind, times=1), scenario)
    with pytest.raises(OSError, match=r"."):
        Image.open(io.BytesIO(bad.content)).load()
    Image.open(io.BytesIO(good.content)).load()
    if kind == "truncated_image":
        assert int(bad.headers["content-length"]) == len(good.content) > len(bad.content)
    else:
        assert bad.headers["content-type"].startswith("text/html")
        assert bad.url.path.endswith(".png")


def test_expired_url(talk: Any, order: dict[str, Any], clock: Any) -> None:
    """The URL is gone at once, and for good."""

    async def scenario(client: httpx.AsyncClient) -> list[int]:
        url = (await client.post(GENERATE, json=order)).json()["data"][0]["url"]
        return [(await client.get(url)).status_code for _ in range(2)]

    assert talk(app_with(clock, kind="expired_url"), scenario) == [410, 410]


def test_slow(talk: Any, order: dict[str, Any], clock: Any) -> None:
    """The answer takes the seconds of the rule."""
    before = clock.now
    assert (
        talk(app_with(clock, kind="slow", seconds=9), lambda client: client.post(GENERATE, json=order)).status_code
        == 200
    )
    assert clock.now - before == 9


@pytest.mark.parametrize(("rule", "count"), [({}, 2), ({"keep": 1}, 1), ({"keep": 0}, 0), ({"keep": 9}, 3)])
def test_short(talk: Any, order: dict[str, Any], clock: Any, rule: dict[str, Any], count: int) -> None:
    """Fewer images come than were asked and paid for."""
    app = app_with(clock, kind="short", **rule)
    answer = talk(app, lambda client: client.post(GENERATE, json=order | {"n": 3}))
    assert (len(answer.json()["data"]), app.counters.images, app.counters.credits) == (count, count, 150)


def test_rate_header_traps(talk: Any, order: dict[str, Any], clock: Any) -> None:
    """A success may say that nothing remains, or nothing at all."""
    zero = talk(app_with(clock, kind="remaining_zero"), lambda client: client.post(GENERATE, json=order))
    missing = talk(app_with(clock, kind="missing_remaining"), lambda client: client.post(GENERATE, json=order))
    assert (zero.status_code, zero.headers["x-ratelimit-remaining"]) == (200, "0")
    assert missing.status_code == 200
    assert not [name for name in missing.headers if name.startswith("x-ratelimit")]


def test_seeded() -> None:
    """The same seed gives the same faults, another seed others, at about the rate asked for."""
    rules = (Rule("429", rate=0.1), Rule("500", rate=0.1, operation="edit"))

    def hits(seed: int, operation: str) -> list[str | None]:
        picked = [FaultPlan(seed, rules).pick(number, operation) for number in range(1, 2001)]
        return [rule.kind if rule else None for rule in picked]

    assert hits(1, "edit") == hits(1, "edit") != hits(2, "edit")
    assert 140 < hits(1, "edit").count("429") < 260
    assert "500" in hits(1, "edit")
    assert "500" not in hits(1, "generate")


def test_file(tmp_path: Path) -> None:
    """A plan is read from YAML, numbers as kinds included."""
    path = tmp_path / "storm.yaml"
    path.write_text(
        "seed: 7\nfaults:\n  - {kind: 429, rate: 0.5, retry_after: 2, form: date}\n  - {kind: slow, nth: [2, 4]}\n"
    )
    first = Rule("429", rate=0.5, retry_after=2, form="date")
    assert load_faults(path) == FaultPlan(7, (first, Rule("slow", nth=frozenset({2, 4}))))
    path.write_text("")
    assert load_faults(path) == FaultPlan()


def test_file_problems(tmp_path: Path) -> None:
    """Every problem is reported at once, with file and line, and the nearest name."""
    path = tmp_path / "storm.yaml"
    path.write_text(
        "seed: x\nfaultz: 1\nfaults:\n  - {kind: truncated_imag, rate: 2}\n  - {kind: 500}\n  - 5\n"
        "  - {kind: 500, nth: 0, retry_afer: 1}\n  - {kind: 500, rate: .nan}\n"
    )
    with pytest.raises(InputError) as caught:
        load_faults(path)
    text = str(caught.value)
    for part in (
        "seed is 'x'",
        "unknown key 'faultz'",
        f"{path}:4: rule 1: unknown kind 'truncated_imag'; did you mean 'truncated_image'?",
        f"{path}:4: rule 1: rate is 2",
        f"{path}:5: rule 2: neither rate nor nth",
        f"{path}:6: rule 3: a rule is a mapping",
        "did you mean 'retry_after'?",
        "nth is [0]",
        "rate is nan",
    ):
        assert part in text


@pytest.mark.parametrize("text", ["[1]", "a: [", "a: &x [*x]\nfaults: 3", "x: 2024-13-45"])
def test_file_not_a_plan(tmp_path: Path, text: str) -> None:
    """What is not a plan, or not YAML, is an InputError that names the file."""
    path = tmp_path / "storm.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"storm\.yaml"):
        load_faults(path)
    with pytest.raises(InputError, match="cannot be read"):
        load_faults(tmp_path / "none.yaml")


def test_kinds_are_documented() -> None:
    """Every kind has a sentence that says what it does."""
    assert all(len(text) > 15 for text in KINDS.values())
