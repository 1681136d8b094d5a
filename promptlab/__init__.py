"""Prompt templates and experiment tracking for image generation.

What the command line does can be done from Python::

    from pathlib import Path
    import promptlab

    job = promptlab.prepare(Path("experiments/shelf_photos.yaml"), limit=4)   # every problem at once, nothing sent
    summary = promptlab.run_experiment(job, promptlab.Options(budget=promptlab.Amount.parse("400cr")))
    with promptlab.open_log() as log:
        for image in log.images(summary.run_id):
            print(image.path, image.revised_prompt)

docs/python.md shows the rest. The names in `__all__` are public, and listed in `__init__.pyi`; what the packages below
hold may move. Each name is imported when it is first used, so that `import promptlab` stays light. `promptlab.run`,
`promptlab.plan`, `promptlab.log` and the rest are packages, hence `run_experiment` and not `run`.
"""

from __future__ import annotations

from functools import cache

from ._version import __version__ as __version__


@cache
def _homes() -> dict[str, tuple[str, str]]:
    """Public name → the module that defines it, and what it is called there.

    One list for all: type checkers read the stub, so it is read here too, once something of it is asked for.
    """
    import ast
    import pkgutil

    stub = ast.parse(pkgutil.get_data(__name__, "__init__.pyi") or b"")
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name: (node.module or "", alias.name) for node in imports for alias in node.names}


def __getattr__(name: str) -> object:
    if name == "__all__":
        value: object = sorted(_homes())
    elif name.startswith("_") or name not in (homes := _homes()):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    else:
        from importlib import import_module

        module, own = homes[name]
        value = getattr(import_module(module), own)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_homes()})
