"""A jinja2 that no longer calls what the sandbox overrides: nothing is rendered, and the message says why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jinja2.compiler import CodeGenerator
from jinja2.environment import Environment, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from promptlab.errors import InputError
from promptlab.prompts import expression
from promptlab.prompts.sandbox import compiler
from promptlab.prompts.sandbox.compiler import Compiled, Generator, Sandbox
from promptlab.prompts.sandbox.guard import Guard


@pytest.fixture(autouse=True)
def not_yet_tried() -> Iterator[None]:
    compiler.ensure_sound.cache_clear()
    yield
    compiler.ensure_sound.cache_clear()


#: A method that jinja2 might stop calling: where it is overridden, and what would then run instead.
HOOKS = [
    *(
        (Generator, name, getattr(CodeGenerator, name))
        for name in ("visit_Concat", "visit_Compare", "visit_Getitem", "visit_List", "visit_Dict")
    ),
    (Generator, "_output_child_pre", CodeGenerator._output_child_pre),
    (Generator, "_output_child_post", CodeGenerator._output_child_post),
    (Sandbox, "getattr", Environment.getattr),
    (Sandbox, "getitem", Environment.getitem),
    (Sandbox, "call", ImmutableSandboxedEnvironment.call),
    (Guard, "call_binop", ImmutableSandboxedEnvironment.call_binop),
    (Guard, "intercepted_binops", frozenset()),
    (Compiled, "_get_default_module", Template._get_default_module),
]


@pytest.mark.parametrize(("owner", "name", "instead"), HOOKS, ids=[name for _, name, _ in HOOKS])
def test_a_hook_that_is_no_longer_called_stops_every_render(
    inline: Any, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, instead: Any
) -> None:
    """Without any one of the methods that hold a template within bounds, the first template is refused."""
    if name.startswith("_output_child"):  # they open and close one bracket
        monkeypatch.setattr(Generator, "_output_child_pre", CodeGenerator._output_child_pre)
        monkeypatch.setattr(Generator, "_output_child_post", CodeGenerator._output_child_post)
    monkeypatch.setattr(owner, name, instead)
    with pytest.raises(InputError, match=r"pip install 'jinja2>=3\.1\.5,<3\.2'") as caught:
        inline("plain")
    assert [problem.code for problem in caught.value.problems] == ["jinja-version"]


def test_loops_that_are_not_counted_stop_every_render(inline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a loop no longer passes through the sandbox, the first template is refused."""
    monkeypatch.setattr(
        "promptlab.prompts.sandbox.compiler.prepare", lambda tree: tree.set_environment(tree.environment)
    )
    with pytest.raises(InputError, match="looped over"):
        inline("plain")


def test_folding_at_compile_time_stops_every_render(inline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where constants are computed while compiling, before any check, the first template is refused."""
    monkeypatch.setattr(Guard, "intercepted_binops", frozenset())
    monkeypatch.setattr(Generator, "_output_child_to_const", CodeGenerator._output_child_to_const)
    with pytest.raises(InputError, match="multiplied"):
        inline("plain")


def test_conditions_of_rows_are_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """`where:` and `image:` run in the same sandbox, so they need it to be sound as well."""
    monkeypatch.setattr(Sandbox, "call", ImmutableSandboxedEnvironment.call)
    with pytest.raises(InputError, match="does not hold what keeps templates within bounds"):
        expression("price == '1'")


def test_this_version_of_jinja_is_sound(inline: Any) -> None:
    """The installed jinja2 passes, and is tried once."""
    inline("plain")
    inline("plain")
    assert compiler.ensure_sound.cache_info().misses == 1
