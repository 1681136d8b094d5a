"""`promptlab templates`: list, render, and their history in git."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptlab.cli import format as formats
from promptlab.cli import options
from promptlab.cli.main import Commands
from promptlab.errors import InputError, PromptlabError
from promptlab.studio.studio import Studio

if TYPE_CHECKING:
    from promptlab.history.template_versions import TemplateVersion
    from promptlab.log import Log
    from promptlab.prompts import Template

__all__ = ["command"]


@click.group("templates", cls=Commands, short_help="List, render and check templates; their history in git.")
def command() -> None:
    """Templates: what there is, what one renders to, and which version made which image."""


def _studio() -> Studio:

    return Studio.open(Path.cwd())


@command.command("list", short_help="Templates with description, variables and where they are used.")
def list_() -> None:
    """List the studio's templates: description, declared variables, and the experiments that use them.

    \b
    Example:
      promptlab templates list
    """
    from promptlab.history.template_versions import template_uses

    studio = _studio()
    library = studio.library()
    uses = template_uses(studio.folder)
    for name in library.names():
        shown = name if name.isprintable() else ascii(name)
        try:
            template = library.outline(name)
        except PromptlabError as error:
            click.echo(f"{shown}\n  ✗ {error}")
            continue
        click.echo(f"{shown}  {template.id[:12]}" + (f"  {template.description}" if template.description else ""))
        for variable, declared in template.declared.items():
            default = f" = {declared.default!r}" if declared.has_default else ""
            click.echo(
                f"    {variable}: {declared.type}{default}"
                + (f"  {declared.description}" if declared.description else "")
            )
        undeclared = sorted(template.names - template.declared.keys())
        if undeclared:
            click.echo(f"    uses: {', '.join(undeclared)}")
        if uses.get(name):
            click.echo(f"    in: {', '.join(uses[name])}")


@command.command("render", short_help="Preview a template with values.")
@click.argument("template")
@click.option(
    "--var", "variables", multiple=True, metavar="KEY=VALUE", help="A variable; KEY.FIELD=VALUE gives it fields."
)
@click.option("--watch", is_flag=True, help="Render again on every save; Ctrl-C ends it.")
def render(template: str, variables: tuple[str, ...], watch: bool) -> None:
    """Render TEMPLATE (`hero.j2`, or `hero.j2@v1.2` as it was at a revision) with these values.

    \b
    Examples:
      promptlab templates render product_hero.j2 --var product="oak stool"
      promptlab templates render shelf.j2 --var item.name=mug --var item.surface=oak --var look.light=dusk --watch
    """
    studio = _studio()
    if not watch:
        click.echo(_rendered(studio, template, variables))
        return
    seen = ""
    while True:
        try:
            text = _rendered(studio, template, variables)
        except PromptlabError as error:
            text = str(error)
        if text != seen:
            click.echo(f"{time.strftime('%H:%M:%S')}  {text}")
            seen = text
        time.sleep(0.3)


def _rendered(studio: Studio, name: str, variables: tuple[str, ...]) -> str:
    template = studio.library().get(name)
    context = _context(template, variables)
    problems = template.problems({key: _fields(value) for key, value in context.items()})
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise InputError(errors)
    return template.render(context)


def _fields(value: object) -> frozenset[str] | None:
    from promptlab.prompts import Fields

    return frozenset(value.fields) if isinstance(value, Fields) and value.fields else None


def _context(template: Template, variables: tuple[str, ...]) -> dict[str, object]:
    from promptlab.prompts import Fields

    plain: dict[str, str] = {}
    fields: dict[str, dict[str, str]] = {}
    for pair in variables:
        key, sign, value = pair.partition("=")
        if not sign:
            raise InputError(f"--var {pair!r} is not KEY=VALUE")
        name, dot, field = key.strip().partition(".")
        if dot:
            fields.setdefault(name, {})[field] = value
        else:
            plain[name] = value
    context: dict[str, object] = {name: template.coerce(name, value, None) for name, value in plain.items()}
    for name, values in fields.items():
        context[name] = Fields(plain.get(name, values.get("text", "")), values)
    return context


@command.command("log", short_help="A template's versions, newest first.")
@click.argument("template")
@options.db
def log_(template: str, db: Path | None) -> None:
    """The versions of TEMPLATE, newest first: commit, date, author, message, runs, images, credits, marks.

    \b
    Example:
      promptlab templates log shelf.j2
    """
    from promptlab.history.template_versions import template_log

    studio = options.Here(db).studio
    log = studio.existing_log()
    try:
        versions = template_log(studio, log, template, lambda sentence: click.echo(f"warning: {sentence}", err=True))
    finally:
        if log is not None:
            log.close()
    if not versions:
        click.echo(f"{template} has no version yet: it is not in git, and no run used it")
        return
    rows = [
        (version.commit[:12] if version.commit else version.note, version.date[:10], version.author,
         _cut(version.message, 40), f"{version.runs:,}", f"{version.images:,}",
         "–" if version.credits is None else formats.figure(version.credits),
         f"+{version.kept} -{version.rejected}", version.template_id[:12])
        for version in versions
    ]  # fmt: skip
    headers = ("commit", "date", "author", "message", "runs", "images", "credits", "marks", "template id")
    click.echo(formats.table(rows, headers, right=(4, 5, 6)))
    if (page := _latest_two(template, versions)) is not None:
        click.echo(_side_by_side(page), err=True)


def _latest_two(template: str, versions: Sequence[TemplateVersion]) -> str | None:
    """The page that compares the two newest versions that made images; None where there are no two."""
    from promptlab.history.template_versions import pair_page

    made = [version.commit[:12] if version.commit else version.template_id for version in versions if version.images]
    return pair_page(template, made[1], made[0]) if len(made) > 1 else None


def _side_by_side(page: str) -> str:
    return f"side by side: promptlab browse --page {shlex.quote(page)}"


@command.command("diff", short_help="What changed between two revisions, in the text and in the prompts.")
@click.argument("template")
@click.argument("old")
@click.argument("new", required=False)
@click.option("--experiment", type=click.Path(path_type=Path), help="Also render this experiment's variants with both.")
@options.db
def diff(template: str, old: str, new: str | None, experiment: Path | None, db: Path | None) -> None:
    """Words that changed in TEMPLATE from OLD to NEW (the working copy, without NEW); with --experiment also in its
    prompts, and the image pairs with the same values and seed.

    \b
    Example:
      promptlab templates diff shelf.j2 v1.2 v1.3 --experiment experiments/shelf_photos.yaml
    """
    from promptlab.compare import line_diff, word_diff
    from promptlab.history.template_versions import pair_page, template_diff

    found = template_diff(options.Here(db).studio, template, old, new, experiment)
    click.echo(f"{template}: {old} → {new or 'working copy'}")
    for path, before, after in found.sources:
        click.echo(f"\n{path}")
        for line in line_diff(before, after):
            click.echo(f"{line.number:>5}  {_coloured(line.segments)}")
    for pair in found.prompts[:20]:
        click.echo(f"\n{pair.variant}")
        click.echo("  " + _coloured(word_diff(pair.before, pair.after)))
        for seed, left, right in pair.images:
            click.echo(f"    seed {seed if seed is not None else '–'}: {left} | {right}")
    if len(found.prompts) > 20:
        click.echo(f"… {len(found.prompts) - 20:,} more variants")
    click.echo(_side_by_side(pair_page(template, old, new)), err=True)


def _coloured(parts: Sequence[tuple[str, str]]) -> str:
    marks = {"removed": ("[-", "-]", "red"), "added": ("{+", "+}", "green")}
    texts = []
    for op, text in parts:
        if op in marks:
            before, after, colour = marks[op]
            text = click.style(f"{before}{text.rstrip()}{after}", fg=colour) + " "
        texts.append(text)
    return "".join(texts).rstrip()


@command.command("blame", short_help="Who wrote each part of an image's prompt.")
@click.argument("image")
@options.db
def blame(image: str, db: Path | None) -> None:
    """Each part of the prompt that made IMAGE (an id, a hash, a file under results/): the file, line and commit that
    wrote it, and the axis value that filled it.

    \b
    Example:
      promptlab templates blame results/shelf_photos/T-100_morning_s1_0.webp
    """
    from promptlab.history.template_versions import template_blame

    here = options.Here(db)
    with here.log() as log:
        rows = list(_blame_rows(here.studio, log, image, template_blame))
    click.echo(formats.table(rows, ("part", "line", "commit", "author", "value")))


def _blame_rows(studio: Studio, log: Log, image: str, template_blame: object) -> Iterator[tuple[str, ...]]:
    for part in template_blame(studio, log, image):  # type: ignore[operator]
        yield (
            _cut(part.text, 60),
            f"{part.path}:{part.line}",
            part.commit[:12] if part.commit else part.note,
            part.author or "",
            part.value or "",
        )


def _cut(text: str, most: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"
