"""Experiments in a line: axes from plain values, a target without a network, plans from both."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptlab.model import Axis, Experiment, Matcher, Parameter, Place, Request, Source, Value
from promptlab.plan import Plan, Target, make_plan
from promptlab.prompts import Library
from promptlab.providers import Capabilities, Price

PARAMETERS = (
    Parameter("model", "string", "the model", default="gpt-image-2"),
    Parameter("aspect_ratio", "string", "width to height", default="1:1", choices=("1:1", "16:9", "4:3", "3:4")),
    Parameter("output_format", "string", "the file format", default="png", choices=("png", "jpg", "webp")),
    Parameter("n", "integer", "images a call", default=1, minimum=1, maximum=4),
    Parameter("seed", "integer", "the seed"),
    Parameter("strength", "number", "how much an edit changes", default=0.8, minimum=0, maximum=1),
)
ELSEWHERE = Parameter("quality", "string", "how much care", choices=("low", "high"))
KNOWN = {parameter.name: parameter for parameter in (*PARAMETERS, ELSEWHERE)}
FILE = "experiments/e.yaml"


def matcher(**ids: str | Sequence[str]) -> Matcher:
    return {name: frozenset([found] if isinstance(found, str) else found) for name, found in ids.items()}


def make_axis(name: str, values: Sequence[str] | Mapping[str, Any], **more: Any) -> Axis:
    place = Place(FILE, 5, 3)
    if not isinstance(values, Mapping):
        values = {text: text for text in values}
    made = []
    for value_id, said in values.items():
        if isinstance(said, str):
            made.append(Value(value_id, said, place=place))
        else:
            fields = {key: text for key, text in said.items() if key not in ("negative_prompt", "params")}
            made.append(
                Value(
                    value_id,
                    fields.get("text", value_id),
                    fields,
                    tuple(said.get("negative_prompt", ())),
                    said.get("params", {}),
                    place,
                )
            )
    return Axis(name, tuple(made), place=place, **more)


def make_experiment(prompt: str | None = "{{ item }}, {{ style }}", *axes: Axis, **more: Any) -> Experiment:
    source = None if prompt is None else Source("prompt", prompt, Place(FILE, 1, 9))
    if not axes and prompt == "{{ item }}, {{ style }}":
        axes = (
            make_axis("item", ["teapot", "stool"]),
            make_axis("style", {"photo": "studio photo", "film": "35mm film"}),
        )
    plain: dict[str, Any] = {"seeds": (11,), **more}
    path = Path("/studio/experiments/e.yaml")
    return Experiment(
        name="e", path=path, studio=Path("/studio"), text="prompt: x\n", source=source, axes=axes, **plain
    )


CAPABILITIES = Capabilities(
    parameters=PARAMETERS,
    negative_prompt="native",
    seed="deterministic",
    operations=("generate", "edit"),
    max_prompt=200,
)


def price_of(request: Request) -> Price:
    return Price(credits=50.0 * request.n, usd=None, source="a table", dated="2026-01-01")


def make_png(shade: int) -> bytes:
    """A whole picture of one grey pixel."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes([0, shade]))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.fixture(scope="session")
def png() -> Callable[[int], bytes]:
    return make_png


@pytest.fixture(scope="session")
def axis() -> Callable[..., Axis]:
    return make_axis


@pytest.fixture(scope="session")
def match() -> Callable[..., Matcher]:
    return matcher


@pytest.fixture(scope="session")
def experiment() -> Callable[..., Experiment]:
    return make_experiment


@pytest.fixture(scope="session")
def target() -> Callable[..., Target]:
    """A provider that takes everything; keywords change its capabilities."""

    def make(base_url: str = "simulator:", **capabilities: Any) -> Target:
        return Target("simulator", base_url, replace(CAPABILITIES, **capabilities), price_of)

    return make


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studio") / "templates"


@pytest.fixture(scope="session")
def plan(templates: Path, target: Callable[..., Target]) -> Callable[..., Plan]:
    """The plan of an experiment, or of what `make_experiment` makes of the arguments."""
    templates.mkdir(exist_ok=True)

    def make(what: Any = None, *axes: Axis, **more: Any) -> Plan:
        options = {name: more.pop(name) for name in ("where", "limit", "chain") if name in more}
        to = more.pop("to", None) or target()
        if not isinstance(what, Experiment):
            what = make_experiment(*([] if what is None else [what]), *axes, **more)
        return make_plan(what, Library(templates), to, parameters=KNOWN, **options)

    return make
