"""`promptlab try`: a comparison typed on the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click

from promptlab.cli import options
from promptlab.cli.plan_command import look_ahead
from promptlab.cli.run_command import run_options, start
from promptlab.model import Amount

__all__ = ["HOUSE_NEGATIVES", "command", "spec_of"]

#: The negative prompt of the bundled templates: what nobody wants in a first picture.
HOUSE_NEGATIVES = ("blurry", "watermark", "low quality", "text artefacts", "deformed")


@click.command("try", short_help="Compare prompts typed on the command line.")
@click.argument("prompts", nargs=-1, required=True, metavar='"PROMPT"...')
@click.option("--repeats", type=click.IntRange(min=1), default=1, show_default=True, help="Seeds for each prompt.")
@click.option(
    "--negative",
    "negatives",
    multiple=True,
    metavar="TEXT",
    help="A negative prompt instead of the usual one; may be said again, '' is none.",
)
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter, such as aspect_ratio=16:9.")
@click.option("--name", metavar="NAME", help="The experiment's name. [default: made from the prompts]")
@options.provider
@run_options
def command(
    prompts: tuple[str, ...], repeats: int, negatives: tuple[str, ...], params: tuple[str, ...], name: str | None,
    provider: str | None, budget: Amount | None, yes: bool, jobs: int | None, no_thumbnails: bool, as_json: bool,
    db: Path | None,
) -> None:  # fmt: skip
    """Write an experiment of these prompts to experiments/, plan it and run it.

    \b
    Example:
      promptlab try "a ceramic teapot on linen, soft light" "a ceramic teapot, hard flash" --repeats 4
    """
    from promptlab.errors import InputError
    from promptlab.run import Options
    from promptlab.spec import find_studio

    text, default_name = spec_of(prompts, repeats, negatives, params)
    path = find_studio(Path.cwd()) / "experiments" / f"{_checked(name or default_name)}.yaml"
    made = _write(path, text)
    try:
        job, found = look_ahead(path, provider=provider, db=db, key_needed=True)
    except InputError:
        if made:
            path.unlink()  # a question that cannot be asked leaves nothing behind
        raise
    if made:
        click.echo(f"{path} written", err=True)
    chosen = Options(budget=budget, jobs=jobs, thumbnails=False if no_thumbnails else None, settings={"mode": "auto"})
    start(job, found, chosen, yes=yes, as_json=as_json)


def _checked(name: str) -> str:
    """The name of a file in experiments/, and of nothing else."""
    if not re.fullmatch(r"\w[\w .-]{0,80}", name):
        raise click.BadParameter(f"{name!r} is no name; letters, digits, -, _ and . make one", param_hint="--name")
    return name


def _write(path: Path, text: str) -> bool:
    """Write the experiment where it is not there yet; a file that says something else is never overwritten."""
    from promptlab.errors import InputError

    if path.exists():
        if path.read_text(encoding="utf-8") != text:
            message = f"{path} is there already and asks something else; give another --name, or `promptlab run` it"
            raise InputError(message, code="experiment-exists")
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return True


def spec_of(
    prompts: tuple[str, ...], repeats: int, negatives: tuple[str, ...] = (), params: tuple[str, ...] = ()
) -> tuple[str, str]:
    """The experiment file's text, and a name that is the same for the same question."""
    import hashlib

    from promptlab.errors import InputError

    lines = ["# Written by `promptlab try`; edit it, rename it, or turn a prompt into a template.", "prompts:"]
    # JSON strings are YAML strings: whatever a prompt holds arrives as it was typed. `{{` is data here, hence raw.
    lines += [
        f"  p{number}: {json.dumps(_raw(prompt), ensure_ascii=False)}" for number, prompt in enumerate(prompts, 1)
    ]
    wanted = [text for text in negatives or HOUSE_NEGATIVES if text.strip()]
    if wanted:
        lines.append(f"negative_prompt: {json.dumps(wanted, ensure_ascii=False)}")
    if params:
        lines.append("params:")
        for pair in params:
            key, sign, value = pair.partition("=")
            if not sign:
                raise InputError(f"--param {pair!r} is no NAME=VALUE, such as aspect_ratio=16:9")
            lines.append(f"  {json.dumps(key.strip())}: {json.dumps(value.strip(), ensure_ascii=False)}")
    lines.append("baseline: {prompt: p1}" if len(prompts) > 1 else "")
    lines.append(f"seeds: {repeats}")
    text = "\n".join(line for line in lines if line) + "\n"
    return text, f"try_{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _raw(prompt: str) -> str:
    """The prompt as a template that renders to it."""
    if not any(sign in prompt for sign in ("{{", "{%", "{#")):
        return prompt
    if "endraw" not in prompt:
        return f"{{% raw %}}{prompt}{{% endraw %}}"
    return re.sub(r"\{(?=[{%#])", "{{ '{' }}", prompt)
