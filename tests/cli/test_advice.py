"""Every command and option that a message, a help text or a page of the program advises exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from promptlab.cli.main import cli

ROOT = Path(__file__).parent.parent.parent / "promptlab"
#: What follows the name where it is a noun in a sentence, or the prefix of a hashed text (`promptlab seed`).
SENTENCES = frozenset(
    (
        *(
            "asks",
            "assumes",
            "does",
            "experiment",
            "from",
            "itself",
            "loads",
            "log",
            "logged",
            "logs",
            "makes",
            "raises",
        ),
        *("and", "did", "missing", "seed", "that", "wrote"),
        *("bootstrap", "max-t", "ranking", "vote"),  # what draws are seeded with
    )
)
ADVICE = re.compile(r"\bpromptlab ([a-z][a-z-]*)([^`\n#]*)")


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """Every text of a file; what a formatted one fills in is an ellipsis."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values]
            yield node.lineno, "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def advised() -> list[tuple[str, str, str]]:
    found = {
        (f"{path.relative_to(ROOT)}:{line}", match[1], match[2])
        for path in sorted(ROOT.rglob("*.py"))
        for line, text in literals(path)
        for match in ADVICE.finditer(text)
        if match[1] not in SENTENCES
    }
    return sorted(found)


def problem(name: str, rest: str) -> str | None:
    """What of `promptlab NAME REST` there is not."""
    command = cli.get_command(click.Context(cli), name)
    if command is None:
        return f"there is no command {name}"
    words = rest.split()
    if isinstance(command, click.Group) and words and words[0].isalpha():
        try:
            command = command.resolve_command(click.Context(command), words)[1] or command
        except click.UsageError:
            return f"{command.name} has no command {words[0]}"
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    wrong = [word for word in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", rest) if word not in known | {"--help", "-h"}]
    return f"{name} has no option {', '.join(wrong)}" if wrong else None


def test_every_command_that_a_message_advises_exists() -> None:
    """Collected from the texts in the source, so that a message can't promise what is not there."""
    found = advised()
    assert {"run", "resume", "plan", "browse"} <= {name for _, name, _ in found}
    wrong = [f"{place}: {text}" for place, name, rest in found if (text := problem(name, rest))]
    assert not wrong


@pytest.mark.parametrize(
    ("name", "rest", "text"),
    [
        ("store", " check", "there is no command store"),
        ("resume", " last --retry-everything", "resume has no option --retry-everything"),
        ("templates", " merge", "templates has no command merge"),
        ("resume", " last --retry-unknown", None),
        ("runs", " -n 5", None),
    ],
)
def test_a_wrong_advice_is_found(name: str, rest: str, text: str | None) -> None:
    """The check itself: a command, an option and a subcommand that there are not."""
    assert problem(name, rest) == text
