"""What the tests of this package share: a studio on disk, the parameters of a provider, an editor's view of YAML."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from promptlab.errors import InputError
from promptlab.model import Experiment, Parameter, Place
from promptlab.spec.load import load_experiment, load_text

PARAMETERS = {
    parameter.name: parameter
    for parameter in (
        Parameter("model", "string", "Which model.", default="gpt-image-2"),
        Parameter("aspect_ratio", "string", "Shape.", default="1:1", choices=("1:1", "16:9", "9:16", "4:3", "3:4")),
        Parameter("output_format", "string", "Format.", default="png", choices=("png", "jpg", "webp")),
        Parameter("n", "integer", "Images a call.", default=1, minimum=1, maximum=4),
        Parameter("strength", "number", "How far an edit goes.", default=0.8, minimum=0, maximum=1),
        Parameter("seed", "integer", "The seed."),
        Parameter("transparent", "boolean", "No background."),
    )
}


class _Editor(yaml.SafeLoader):
    """YAML 1.2's core schema, as an editor's language server reads a file."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        return {key.value: self.construct_object(value, deep=True) for key, value in node.value}


def _int(loader: _Editor, node: Any) -> int:
    text = loader.construct_scalar(node)
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


for tag, pattern, first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
):
    _Editor.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), list(first))
_Editor.add_constructor("tag:yaml.org,2002:int", _int)


@pytest.fixture(scope="session")
def parameters() -> Mapping[str, Parameter]:
    """What the installed providers declare."""
    return PARAMETERS


@pytest.fixture(scope="session")
def as_editor() -> Callable[[str], Any]:
    """A YAML text as YAML 1.2 types it."""
    return lambda text: yaml.load(text, Loader=_Editor)


@pytest.fixture
def studio(tmp_path: Path) -> Path:
    """A studio with an experiments folder and some rows."""
    data = tmp_path / "experiments" / "data"
    data.mkdir(parents=True)
    (data / "items.csv").write_text("sku,name,price\nA1,teapot,1.10\nA7,oak stool,00123\n")
    (data / "items.jsonl").write_text(
        '{"sku": "A1", "name": "teapot", "price": 12.50, "stock": "yes"}\n'
        '{"sku": "A7", "name": "stool", "price": 11.0, "stock": "yes"}\n'
        '{"sku": "B1", "name": "cup", "price": 3, "stock": "yes"}\n'
    )
    return tmp_path


def _filter(expression: str, place: Place) -> Callable[[Mapping[str, object]], bool]:
    """As much of a sandbox as these tests need."""
    if expression == "price | float > 10 and stock == 'yes'":
        return lambda row: float(str(row["price"])) > 10 and row["stock"] == "yes"
    if expression == "none":
        return lambda row: False
    raise InputError(f"{place.path}:{place.line}:{place.column}: no such expression", code="template-syntax")


@pytest.fixture
def load(studio: Path) -> Callable[..., Experiment]:
    """Load a text as experiments/exp.yaml of the studio."""

    def load_one(text: str, name: str = "exp.yaml") -> Experiment:
        path = studio / "experiments" / name
        return load_text(text, path, studio=studio, parameters=PARAMETERS, row_filter=_filter)

    return load_one


@pytest.fixture
def load_file(studio: Path) -> Callable[..., Experiment]:
    """Write files below the studio and load the first of them."""

    def load_files(files: Mapping[str, str | bytes]) -> Experiment:
        for name, content in files.items():
            path = studio / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return load_experiment(studio / next(iter(files)), parameters=PARAMETERS, row_filter=_filter)

    return load_files


@pytest.fixture
def headlines(load: Callable[..., Experiment]) -> Callable[[str], list[str]]:
    """The first lines of all problems of a text, without the code; empty where it loads."""

    def first_lines(text: str) -> list[str]:
        try:
            load(text)
        except InputError as error:
            return [problem.headline() for problem in error.problems]
        return []

    return first_lines
