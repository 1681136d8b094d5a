"""`promptlab doctor`: what is set up, what is missing, what clashes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from promptlab.cli import format as formats
from promptlab.errors import PromptlabError
from promptlab.studio.studio import Studio

__all__ = ["command"]


@click.command("doctor", short_help="Show what is set up, what is missing and what conflicts.")
def command() -> None:
    """Check this machine and studio: Python, packages, keys (only whether they are set), folders, the log.

    \b
    Example:
      promptlab doctor
    """
    bad = 0
    for mark, text in _findings():
        click.echo(formats.folded(f"{mark} {text}", "  "))
        bad += mark == "✗"
    if bad:
        raise click.exceptions.Exit(1)


def _findings() -> list[tuple[str, str]]:
    return [*_install(), *_studio(), *_providers(), *_tools()]


def _install() -> list[tuple[str, str]]:
    from importlib import metadata

    import promptlab

    found = [("✓", f"promptlab {promptlab.__version__} on Python {sys.version.split()[0]}")]
    installed = {str(dist.metadata["Name"]).lower().replace("_", "-") for dist in metadata.distributions()}
    if "promptlab" in installed:
        found.append(
            (
                "✗",
                "the distribution 'promptlab' is another project that installs the same module and command: "
                "`pip uninstall promptlab`, then `pip install --force-reinstall promptlab-images`",
            )
        )
    elif "promptlab-images" not in installed:
        found.append(("!", "not installed as promptlab-images: running from a source folder"))
    return found


def _studio() -> list[tuple[str, str]]:

    try:
        studio = Studio.open(Path.cwd())
    except PromptlabError as error:
        return [("✗", str(error))]
    found = [("✓", f"studio: {studio.folder}")]
    templates = studio.folder / "templates"
    if templates.is_dir():
        found.append(("✓", f"templates: {len(studio.library().names())} in {templates}"))
    else:
        found.append(("!", f"no templates folder yet ({templates}): `promptlab init` makes one"))
    db = studio.settings.db
    folder = next(parent for parent in db.parents if parent.exists())
    if not os.access(folder, os.W_OK):
        found.append(("✗", f"{folder} cannot be written to: there is nowhere to put the log and the images"))
    try:
        log = studio.existing_log()
        found.append(("✓", f"log: {db}" if log else f"log: {db} (made by the first run)"))
        if log:
            log.close()
    except PromptlabError as error:
        found.append(("✗", str(error)))
    plan = studio.settings.plan
    found.append(
        ("✓", f"plan: {plan}") if plan else ("!", "no plan named: dollars are unknown (set KAIRVAL_PLAN=starter)")
    )
    return found


def _providers() -> list[tuple[str, str]]:
    from promptlab.providers import get, names

    found = []
    for name in names():
        try:
            variable = get(name).capabilities.key_variable
        except PromptlabError as error:
            found.append(("✗", str(error)))
            continue
        if variable is None:
            found.append(("✓", f"provider {name}: needs no key"))
        elif os.environ.get(variable):
            found.append(("✓", f"provider {name}: {variable} is set"))
        else:
            found.append(("!", f"provider {name}: {variable} is not set; --provider simulator needs none"))
    return found


def _tools() -> list[tuple[str, str]]:
    import shutil
    import sqlite3

    git = ("✓", "git is installed") if shutil.which("git") else ("!", "no git: templates are logged but not versioned")
    enough = sqlite3.sqlite_version_info >= (3, 37)
    sqlite = ("✓", f"SQLite {sqlite3.sqlite_version}") if enough else (
        "✗", f"SQLite {sqlite3.sqlite_version} is too old: 3.37 or later is needed for STRICT tables")  # fmt: skip
    return [sqlite, git]
