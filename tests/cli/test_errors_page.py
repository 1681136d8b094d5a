"""docs/errors.md: every code there is, and every example makes the error that it is there for."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptlab.plan import CODES as PLAN
from promptlab.prompts.problem_codes import CODES as PROMPTS
from promptlab.spec.codes import CODES as SPEC

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"(?ms)^### `([^`]+)`\n(.*?)(?=^##|\Z)", PAGE))
BLOCK = re.compile(r"(?ms)^```(\S*) ?(\S*)\n(.*?)^```$")


def named_in_code() -> set[str]:
    """The codes that an InputError or a Problem is made with, as literals."""
    found = set()
    for path in (ROOT / "promptlab").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in ("InputError", "ConfirmationNeeded"):
                given = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
            else:
                given = node.args[:1] if name == "Problem" else []
            found |= {str(value.value) for value in given if isinstance(value, ast.Constant)}
    return found


def test_page_has_every_code_and_no_other() -> None:
    """The page and the code name the same codes."""
    assert set(SECTIONS) == {*SPEC, *PROMPTS, *PLAN, "usage"} | named_in_code()


@pytest.mark.parametrize("code", SECTIONS)
def test_section_has_meaning_example_and_fix(code: str) -> None:
    """Each code has a paragraph, an example and the fix."""
    text = SECTIONS[code]
    assert len(text.split("```")[0].strip()) > 20
    assert BLOCK.search(text)
    assert re.search(r"(?m)^Fix: \S", text)


def blocks_of(code: str) -> list[tuple[str, str, str]]:
    return [(match[1], match[2], match[3]) for match in BLOCK.finditer(SECTIONS[code])]


RUNNABLE = [code for code in SECTIONS if any(kind in ("yaml", "console") for kind, _, _ in blocks_of(code))]


@pytest.mark.parametrize("code", RUNNABLE)
def test_example_makes_its_error(code: str, studio: Path, cli: Callable[..., Any]) -> None:
    """The example, put into a studio, gives this code; and errors have exit code 2."""
    command = ["plan", "experiments/example.yaml"]
    for kind, name, body in blocks_of(code):
        if kind == "console":
            command = shlex.split(body.removeprefix("$ promptlab "))
        elif kind == "yaml" or name:
            path = studio / (name or "experiments/example.yaml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(body, encoding="utf-8")
    if command[0] in ("mark", "compare"):
        cli("try", "a teapot", "--no-thumbnails")
    if command[0] in ("show", "report"):
        cli("try", "a stool", "--no-thumbnails")
    result = cli(*command)
    assert f"[{code}]" in result.err
    is_warning = f"[{code}]" in "".join(line for line in result.err.splitlines(True) if "warning:" in line)
    assert result.code == (0 if is_warning else 2)
