"""`promptlab init`: a studio that runs as it is."""

from __future__ import annotations

import json
from pathlib import Path

import click

from promptlab.spec.schema import experiment_schema

__all__ = ["EXAMPLES", "command", "examples_folder", "lay_out"]

SETTINGS = """\
# promptlab.yaml: this folder is a studio. Every line is optional; those commented out are defaults or examples.
# Never write keys here: KAIRVAL_API_KEY and OPENAI_API_KEY come from the environment.

provider: simulator          # free and offline; kairval or openai when you mean it (or: run --provider kairval)
# plan: starter              # free, starter, pro, enterprise: prices and limits (or KAIRVAL_PLAN)
# confirm_above_usd: 5       # a run estimated above this asks first
# caps: {day: 50 USD, month: 400 USD}
# alerts: {cost: 100 USD}
"""

IGNORE = """\
# What promptlab makes. Templates and experiments belong in git; results are in the log.
promptlab.db*
/images/
/results/
"""

#: What the distribution brings, file by file: installed from a clone, these folders may hold a user's own work too.
EXAMPLES = (
    "templates/_lib.j2",
    "templates/_photo_base.j2",
    "templates/portrait.j2",
    "templates/product_hero.j2",
    "templates/retouch.j2",
    "templates/shelf.j2",
    "experiments/ad_variants.yaml",
    "experiments/data/shop.csv",
    "experiments/guide_example.yaml",
    "experiments/photos/stool.jpg",
    "experiments/photos/teapot.jpg",
    "experiments/photos/vase.jpg",
    "experiments/portrait.yaml",
    "experiments/product_hero.yaml",
    "experiments/retouch.yaml",
    "experiments/shelf_photos.yaml",
)


@click.command("init", short_help="Make a studio: templates, experiments and settings, ready to run.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".", metavar="[DIR]")
def command(folder: Path) -> None:
    """Make a studio in DIR (here, without DIR): templates/, experiments/, promptlab.yaml, .gitignore.

    A file that is there already is left as it is.

    \b
    Example:
      promptlab init studio && cd studio
      promptlab run experiments/shelf_photos.yaml
    """
    made, kept = lay_out(folder)
    click.echo(f"{len(made)} files made in {folder.resolve()}" + (f", {len(kept)} left as they were" if kept else ""))
    where = "" if folder == Path() else f"cd {folder} && "
    click.echo(f"Next: {where}promptlab plan experiments/shelf_photos.yaml")


def lay_out(folder: Path) -> tuple[list[Path], list[Path]]:
    """Write the studio's files; which were made, and which were there already and left alone."""
    made: list[Path] = []
    kept: list[Path] = []
    for path, content in _files().items():
        target = folder / path
        if target.exists():
            kept.append(target)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        made.append(target)
    return made, kept


def _files() -> dict[str, bytes]:
    from promptlab.providers import parameters

    source = examples_folder()
    files = {name: (source / name).read_bytes() for name in EXAMPLES}
    schema = json.dumps(experiment_schema(parameters()), indent=1, ensure_ascii=False) + "\n"
    return files | {
        "promptlab.yaml": SETTINGS.encode(),
        ".gitignore": IGNORE.encode(),
        ".promptlab/experiment.schema.json": schema.encode(),
    }


def examples_folder() -> Path:
    """Where templates/ and experiments/ of the distribution are: inside the wheel, or beside the source."""
    import promptlab

    package = Path(promptlab.__file__).parent
    packaged = package / "_studio"
    return packaged if packaged.is_dir() else package.parent
