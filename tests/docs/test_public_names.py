"""The public API: `__all__` is exactly the public names, each loads, and importing promptlab stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import promptlab

ROOT = Path(__file__).parent.parent.parent


def test_all_is_the_public_names() -> None:
    """`__all__` is what the stub gives a type checker, one name a line, each re-exported under its own name."""
    tree = ast.parse((ROOT / "promptlab" / "__init__.pyi").read_text(encoding="utf-8"))
    names = [alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert promptlab.__all__ == sorted(name for name in names if name is not None)
    assert len(names) == len(set(names))
    assert "Studio" in names


@pytest.mark.parametrize("name", promptlab.__all__)
def test_each_name_loads(name: str) -> None:
    """Every public name is there, documented, and says in `dir` that it is."""
    value = getattr(promptlab, name)
    assert name in dir(promptlab)
    assert value.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    """An unknown name is reported as by any module."""
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        promptlab.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_the_import_is_light(unmeasured: dict[str, str]) -> None:
    """`import promptlab` loads none of its packages and no library."""
    code = "import sys, promptlab; print(sorted(n for n in sys.modules if n.startswith('promptlab') or n in 'httpx jinja2 yaml PIL sqlite3 asyncio dataclasses'.split()))"  # noqa: E501
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=unmeasured)
    assert done.stdout.strip() == "['promptlab', 'promptlab._version']"
