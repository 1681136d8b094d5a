"""`promptlab try`: a comparison typed on the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import click

from promptlab.cli import options
from promptlab.cli.plan_command import look_ahead
from promptlab.cli.run_command import run_options, start
from promptlab.errors import InputError
from promptlab.model import Amount
from promptlab.spec.files import find_studio
from promptlab.studio.options import Options

__all__ = ["DEFAULT_NEGATIVES", "command", "ids_of", "spec_of", "title_of"]

#: Common flaws; sent where no other negative prompt is given.
DEFAULT_NEGATIVES = ("blurry", "watermark", "low quality", "text artefacts", "deformed")


@click.command("try", short_help="Compare prompts typed on the command line.")
@click.argument("prompts", nargs=-1, metavar='["PROMPT"...]')
@click.option(
    "--from", "source", type=click.File(encoding="utf-8"), help="A file with a prompt on each line; - is stdin."
)
@click.option("--repeats", type=click.IntRange(min=1), default=1, show_default=True, help="Seeds for each prompt.")
@click.option(
    "--negative", "negatives", multiple=True, metavar="TEXT",
    help=f"A negative prompt; may be given several times; '' is none. [default: {', '.join(DEFAULT_NEGATIVES)}]",
)  # fmt: skip
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter, such as aspect_ratio=16:9.")
@click.option("--name", metavar="NAME", help="The experiment's name. [default: from the prompts' words]")
@options.provider
@run_options
def command(
    prompts: tuple[str, ...], source: TextIO | None, repeats: int, negatives: tuple[str, ...],
    params: tuple[str, ...], name: str | None,
    provider: str | None, budget: Amount | None, yes: bool, jobs: int | None, no_thumbnails: bool, as_json: bool,
    db: Path | None,
) -> None:  # fmt: skip
    """Write an experiment of these prompts to experiments/, plan it and run it.

    The experiment and its variants are named by the prompts' own words.

    \b
    Examples:
      promptlab try "a ceramic teapot on linen, soft light" "a ceramic teapot, hard flash" --repeats 4
      promptlab try --from prompts.txt
    """

    if source is not None:
        prompts += tuple(line.strip() for line in source if line.strip())
    if not prompts:
        raise click.UsageError("no prompt: write one in quotes, or --from FILE with one on each line")
    text = spec_of(prompts, repeats, negatives or DEFAULT_NEGATIVES, params)
    folder = find_studio(Path.cwd()) / "experiments"
    path = folder / f"{_checked(name)}.yaml" if name else _free(folder, f"try_{title_of(prompts)}", text)
    made = _write(path, text)
    try:
        job, found = look_ahead(path, provider=provider, db=db, key_needed=True)
    except InputError:
        if made:
            path.unlink()  # a question that cannot be asked leaves nothing behind
        raise
    if made:
        click.echo(f"{options.shown(path)} written", err=True)
    chosen = Options(budget=budget, jobs=jobs, thumbnails=False if no_thumbnails else None, settings={"mode": "auto"})
    start(job, found, chosen, yes=yes, as_json=as_json)


def _checked(name: str) -> str:
    """The name of a file in experiments/, and of nothing else."""
    if not re.fullmatch(r"\w[\w .-]{0,80}", name):
        message = f"{name!r} can't be a name; use letters, digits, -, _ and ."
        raise click.BadParameter(message, param_hint="--name")
    return name


def _free(folder: Path, name: str, text: str) -> Path:
    """The first of NAME, NAME_2, … that is free, or that asks exactly this."""
    for number in range(1, 10_000):
        path = folder / (f"{name}.yaml" if number == 1 else f"{name}_{number}.yaml")
        if not path.exists() or path.read_text(encoding="utf-8", errors="replace") == text:
            return path
    return path


def _write(path: Path, text: str) -> bool:
    """Write the experiment where it is not there yet; a file that says something else is never overwritten."""

    if path.exists():
        if path.read_text(encoding="utf-8", errors="replace") != text:
            message = f"{path} exists already with other content; give another --name, or `promptlab run` it"
            raise InputError(message, code="experiment-exists")
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return True


def spec_of(
    prompts: tuple[str, ...], repeats: int, negatives: tuple[str, ...] = (), params: tuple[str, ...] = ()
) -> str:
    """The text of the experiment file: the same for the same question."""

    lines = ["# Written by `promptlab try`; edit it, rename it, or turn a prompt into a template.", "prompts:"]
    # JSON strings are YAML strings: whatever a prompt holds arrives as it was typed. `{{` is data here, hence raw.
    ids = ids_of(prompts)
    lines += [f"  {_quoted(id_)}: {_quoted(_raw(prompt))}" for id_, prompt in zip(ids, prompts, strict=True)]
    if kept := [text for text in negatives if text.strip()]:
        lines.append(f"negative_prompt: {json.dumps(kept, ensure_ascii=False)}")
    if params:
        lines.append("params:")
        for pair in params:
            key, sign, value = pair.partition("=")
            if not sign:
                raise InputError(f"--param {pair!r} is not NAME=VALUE, such as aspect_ratio=16:9")
            lines.append(f"  {_quoted(key.strip())}: {_quoted(value.strip())}")
    if len(prompts) > 1:
        lines.append(f"baseline: {{prompt: {_quoted(ids[0])}}}")
    return "\n".join([*lines, f"seeds: {repeats}"]) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _raw(prompt: str) -> str:
    """The prompt as a template that renders to it."""
    if not any(sign in prompt for sign in ("{{", "{%", "{#")):
        return prompt
    if "endraw" not in prompt:
        return f"{{% raw %}}{prompt}{{% endraw %}}"
    return re.sub(r"\{(?=[{%#])", "{{ '{' }}", prompt)


# --- names for prompts that were only typed: from their own words, the same for the same prompts -------------------

#: Words that do not distinguish prompts.
_SMALL = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by for from in into is it its of off on onto or over per so that the their then this to "
        "under up with without",
    )
)
_TAKEN = frozenset(("from", "values", "none"))  # what an axis' long form and the names of files mean by these
_LONGEST = 40


def ids_of(prompts: Sequence[str]) -> list[str]:
    """An id for each prompt, from the words that the others lack: `linen-soft`, `hard-flash`; else `p1`, `p2`."""
    spoken = [_words(prompt) for prompt in prompts]
    shared = set.intersection(*map(set, spoken)) if len(spoken) > 1 else set()
    ids: list[str] = []
    for number, said in enumerate(spoken, 1):
        name = "-".join([word for word in said if word not in shared][:2])[:_LONGEST]
        ids.append(f"p{number}" if not name or name in _TAKEN or name in ids else name)
    return ids


def title_of(prompts: Sequence[str]) -> str:
    """A name for them all, from the first words that they share: `ceramic_teapot`; else from the first prompt's."""
    spoken = [_words(prompt) for prompt in prompts]
    shared = [word for word in spoken[0] if all(word in said for said in spoken)]
    return "_".join((shared or spoken[0])[:2])[:_LONGEST] or "prompts"


def _words(prompt: str) -> list[str]:
    found = re.findall(r"[^\W_]+", prompt.casefold())
    return list(dict.fromkeys(word[:24] for word in found if word not in _SMALL))
