"""The layers are kept: imports go down, names are documented, heavy libraries load where they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "promptlab"
LAYERS = {
    "_version": 0, "account_plans": 0, "environ": 0, "errors": 0, "model": 0, "signing": 0, "stats": 0,
    "spec": 1, "git": 1, "http": 1, "pacing": 1, "log": 1, "store": 1, "simulator": 1,
    "prompts": 2, "providers": 2,
    "plan": 3, "studio": 4, "history": 5, "run": 5, "compare": 5, "scoring": 5, "export": 6,
    "report": 7, "browse": 8, "cli": 9,
}  # fmt: skip
#: library → the packages that may import it
IMPORTERS = {"httpx": {"http"}, "sqlite_utils": {"log"}, "datasette": {"browse"}, "click": {"cli"}, "rich": {"cli"}}


def package_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[str, int]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= 1, f"{path}:{node.lineno}: another package is imported by its full name"
            found.append((node.module or "" if not node.level else f"promptlab.{package_of(path)}", node.lineno))
    return found


MODULES = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT or path.stem in LAYERS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    """An import goes to a lower layer or stays in its package, never up, never sideways."""
    here = package_of(path)
    for name, line in imports(path):
        parts = name.split(".")
        if parts[0] == "promptlab" and len(parts) > 1 and parts[1] != here:
            assert LAYERS[parts[1]] < LAYERS[here], f"{path}:{line} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_libraries_have_one_package(path: Path) -> None:
    """A library that one package may import is imported there alone."""
    for name, line in imports(path):
        allowed = IMPORTERS.get(name.split(".")[0])
        assert allowed is None or package_of(path) in allowed, f"{path}:{line} imports {name}"


def test_no_circles() -> None:
    """No module imports itself by way of others: not for its types, not inside a function, not through a package."""
    edges = {name: _modules(name) for name in NAMES}
    while leaves := {name for name, targets in edges.items() if not targets & edges.keys()}:
        edges = {name: targets for name, targets in edges.items() if name not in leaves}
    assert not edges


def _name_of(path: Path) -> str:
    """A module's name; of an __init__ its package's."""
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


#: Every module, promptlab/__init__.py and all other packages' included.
NAMES = {_name_of(path): path for path in ROOT.rglob("*.py")}


def _modules(name: str) -> set[str]:
    """The modules of promptlab that one names in an import; a name of a package is the package's."""
    package = name if NAMES[name].name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(NAMES[name].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = ".".join(part for part in (package if node.level else "", node.module) if part)
            found |= {inner if (inner := f"{module}.{alias.name}") in NAMES else module for alias in node.names}
    return (found & NAMES.keys()) - {name}


def test_every_package_has_a_layer() -> None:
    """Each folder and module of the package is on the map."""
    assert {package_of(path) for path in MODULES} == set(LAYERS)


def test_help_imports_nothing_heavy(unmeasured: dict[str, str]) -> None:
    """`promptlab --help` starts without the libraries that only commands need."""
    heavy = ["jinja2", "httpx", "sqlite_utils", "datasette", "PIL", "yaml", "rich", "sqlite3", "asyncio"]
    code = (
        "import sys\nfrom promptlab.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=unmeasured)
    assert done.stderr.strip() == "[]"
