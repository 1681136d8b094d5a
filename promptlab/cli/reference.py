"""Writes docs/cli.md from the commands' own help: `python -m promptlab.cli.reference > docs/cli.md`.

A test checks that the page is current.
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from promptlab.cli.main import COMMANDS, cli

__all__ = ["reference"]

WIDTH = 100
INTRODUCTION = """\
# The command line

Written by `python -m promptlab.cli.reference > docs/cli.md` from each command's `--help`; a test keeps it current.

`RUN` is a run's id, any unique prefix of it, an experiment's name (its latest run), or `last`. `EXPERIMENT` is a file,
or a bare name: `shelf_photos` is `experiments/shelf_photos.yaml` of the studio.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | some generations failed; or promptlab, the disk or the log did |
| 2 | the input is wrong, or a confirmation is missing; nothing was sent |
| 3 | stopped by budget, quota, a refused key or another process that took over; `promptlab resume` continues the run |
| 130 | interrupted; `promptlab resume` continues it |

Results go to stdout; progress, warnings and errors to stderr. An error's first line is complete: file:line:column where
there is one, what is wrong, what to do, and its code ([errors.md](errors.md)). Colour is for terminals only, and
`NO_COLOR` switches it off. A terminal without UTF-8 gets plain characters (`x` for `×`, `->` for `→`); at any width,
tables break between words. `PROMPTLAB_DEBUG=1` adds the traceback to an error.

## Completion

Commands, options, experiments, runs and providers complete with the Tab key. Switch it on once, in the file that your
shell reads at its start:

| shell | file | line |
|---|---|---|
| bash (4.4 or later) | `~/.bashrc` | `eval "$(_PROMPTLAB_COMPLETE=bash_source promptlab)"` |
| zsh | `~/.zshrc` | `eval "$(_PROMPTLAB_COMPLETE=zsh_source promptlab)"` |
| fish | `~/.config/fish/completions/promptlab.fish` | `_PROMPTLAB_COMPLETE=fish_source promptlab \\| source` |

## `--json`

With `--json`, stdout holds exactly one JSON document, whatever happens. Where a command cannot do its work the document
is `{"error": the first line of what stderr says, "exit_code": …, "problems": […]}`; a problem has `code`, `severity`,
`message`, `path`, `line`, `column` and `source` (null where unknown).

`plan --json` prints one object for one file, a list of them for several, also where a file is wrong (then only the
first two keys and `problems`):

| key | meaning |
|---|---|
| `file`, `ok` | the file as it was named; false with any error |
| `experiment`, `provider`, `plan`, `simulated` | names; `plan` is null where none is named |
| `variants`, `requests`, `images` | planned, `--where` and `--limit` applied |
| `equal` | requests equal to another of the plan: sent once |
| `cached` | requests that the log has answered: free |
| `blocked` | requests of unknown outcome, or lost: not sent again unless you ask for it |
| `to_send`, `images_to_make` | what a run would do |
| `credits`, `cost_usd` | estimates for what would be sent; null is unknown |
| `seconds`, `seconds_each` | the forecast, and what one request is thought to take |
| `complete` | false above 1,500,000 requests, where cost is scaled up and equal ones are not looked for |
| `choices` | where no plan is named: `{plan, cost_usd, packages, seconds}` for each that is sold |
| `gone` | images of earlier runs whose files are no longer on disk, so that they would be made again |
| `packages` | how many of the named plan's packages the credits are; null where it sells none |
| `problems` | errors and warnings |
| `steps` | with `--explain`: `{name, count, unit, note, exact}`, in the order of the language |
| `explained` | with `--variant`: `{id, axes, reasons: [{step, kept, text, place}], included}` |
| `against` | with `--against`: `{revision, added, removed, changed, same, to_send, credits, cost_usd}` |
"""


def reference() -> str:
    """The whole page."""
    return INTRODUCTION + "".join(_pages())


def _pages() -> Iterator[str]:
    root = click.Context(cli, info_name="promptlab", help_option_names=["-h", "--help"])
    for section, names in COMMANDS.items():
        yield f"\n## {section}\n"
        for name in names:
            command = cli.get_command(root, name)
            if command is not None:
                yield from _page(command, name, root)


def _page(command: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent, max_content_width=WIDTH, terminal_width=WIDTH)
    text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    yield f"\n### promptlab {context.command_path.removeprefix('promptlab ')}\n\n```text\n{text}\n```\n"
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            below = command.get_command(context, each)
            if below is not None:
                yield from _page(below, each, context)


if __name__ == "__main__":
    click.echo(reference(), nl=False)
