"""`promptlab schema`: the JSON Schema of experiment files."""

from __future__ import annotations

import json
from pathlib import Path

import click

from promptlab.spec.schema import experiment_schema

__all__ = ["command"]


@click.command("schema", short_help="Print the JSON Schema of experiment files, for editors.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file.")
def command(output: Path | None) -> None:
    """Print the draft-07 JSON Schema, made from the model that validates experiments.

    Editors with a YAML language server complete and check experiments with it; `promptlab init` puts it in place.

    \b
    Example:
      promptlab schema -o .promptlab/experiment.schema.json
    """
    from promptlab.providers import parameters

    text = json.dumps(experiment_schema(parameters()), indent=1, ensure_ascii=False) + "\n"
    if output is None:
        click.echo(text, nl=False)
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")
    click.echo(f"{output} written", err=True)
