"""The public API: `__all__` is exactly the public names, each loads, and importing promptlab stays light."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import promptlab

ROOT = Path(__file__).parent.parent.parent


def declared() -> set[str]:
    """The names that a type checker sees: those imported for it, and the functions that stand in the file."""
    tree = ast.parse((ROOT / "promptlab" / "__init__.py").read_text(encoding="utf-8"))
    checking = next(node for node in tree.body if isinstance(node, ast.If))
    names = {
        alias.asname or alias.name
        for node in checking.body
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("promptlab")
        for alias in node.names
    }
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name[0] != "_"}
    return names | functions | {"__version__"}


def test_all_is_the_public_names() -> None:
    """`__all__`, the names that load lazily and the names that mypy sees are the same, and sorted."""
    assert set(promptlab.__all__) == declared()
    assert set(promptlab.__all__) == {*promptlab._HOMES, "load", "__version__"}
    assert len(promptlab.__all__) == len(set(promptlab.__all__))


@pytest.mark.parametrize("name", promptlab.__all__)
def test_each_name_loads(name: str) -> None:
    """Every public name is there, documented, and says in `dir` that it is."""
    value = getattr(promptlab, name)
    assert name in dir(promptlab)
    assert value.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    """An unknown name is reported as by any module."""
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        promptlab.nothing  # noqa: B018


def test_the_import_is_light() -> None:
    """`import promptlab` loads none of its packages and no library."""
    code = "import sys, promptlab; print(sorted(n for n in sys.modules if n.startswith('promptlab') or n in 'httpx jinja2 yaml pydantic PIL sqlite3 asyncio dataclasses'.split()))"  # noqa: E501
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}  # it loads sqlite3
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=plain)
    assert done.stdout.strip() == "['promptlab', 'promptlab._version']"
