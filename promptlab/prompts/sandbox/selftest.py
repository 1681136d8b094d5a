"""A look at the sandbox before it is trusted: bombs and escapes that it has to stop, tried once in each process.

The sandbox overrides methods of jinja2 that are private to it. A version that no longer calls one of them would not
fail: it would let the bomb through. So the first file that is compiled is preceded by one of probes, each of which has
to be refused, and each of which is harmless where it is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import jinja2
from jinja2.exceptions import SecurityError, TemplateRuntimeError
from jinja2.parser import Parser
from jinja2.utils import Namespace

from promptlab.errors import InputError
from promptlab.prompts.sandbox.codegen import prepare
from promptlab.prompts.sandbox.environment import GLOBALS, Compiled, RenderContext, Sandbox
from promptlab.prompts.sandbox.limits import LimitReached

#: What has to be refused. Each is just above a limit, so that one that passes costs milliseconds.
BOMBS: Mapping[str, str] = {
    "multiplied": "{{ ('a' * 200000) | length }}",
    "joined": "{{ ('a' * 90000 ~ 'a' * 90000) | length }}",
    "multiplied in a loop": "{% for i in range(99) %}{{ '' if 'a' * 99999 }}{% endfor %}",
    "sliced": "{% for i in range(9) %}{{ '' if range(9999)[1:] }}{% endfor %}",
    "compared": "{% for i in range(9) %}{{ range(9999) == range(9998) }}{% endfor %}",
    "looped over": "{% for i in range(9999) %}{{ (i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i)[0] }}{% endfor %}",
    "put in lists": "{% for i in range(30) %}{% set n.x = [n.x] %}{% endfor %}",
    "put in maps": "{% for i in range(30) %}{% set n.x = {'a': n.x} %}{% endfor %}",
    "called": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
}
ESCAPES: Mapping[str, str] = {
    "an attribute": "{{ ''.__class__ | length }}",
    "an item": "{{ ''['__class__'] | length }}",
    "an attribute in a filter": "{{ [''] | map(attribute='__class__') | first | length }}",
    "a function": "{{ function() }}",
    "a list as text": "{{ [1] }}",
}
_COUNTED = "{% import 'library' as l %}{{ l.count() }}"
_LIBRARY = "{% set n = namespace(x=0) %}{% macro count() %}{% set n.x = n.x + 1 %}{{ n.x }}{% endmacro %}"


@cache
def ensure_sound() -> None:
    """InputError where the installed jinja2 lets one of the probes pass; nothing is rendered then."""
    name = _weakness()
    if name is not None:
        message = (
            f"jinja2 {jinja2.__version__} does not hold what keeps templates within bounds ({name}), so nothing is "
            "rendered; install the version that promptlab asks for: pip install 'jinja2>=3.1.5,<3.2'"
        )
        raise InputError(message, code="jinja-version")


def _weakness() -> str | None:
    """The first probe that passes, or None."""
    library: list[Compiled] = []
    sandbox = Sandbox(lambda _name: library[0])
    library.append(_compile(sandbox, _LIBRARY))
    probes = {**BOMBS, **ESCAPES}
    texts = [_COUNTED, *probes.values()]
    branches = "".join(f"{{% elif probe == {number} %}}{text}" for number, text in enumerate(texts))
    compiled = _compile(sandbox, "{% if false %}" + branches + "{% endif %}")
    if [_render(compiled, 0), _render(compiled, 0)] != ["1", "1"]:
        return "one render changes the next"
    for number, name in enumerate(probes, 1):
        try:
            _render(compiled, number)
        except LimitReached:
            continue
        except (SecurityError, TemplateRuntimeError):
            if name in ESCAPES:
                continue
        except Exception as error:  # noqa: BLE001 - whatever it is, it was not the sandbox that refused
            return f"{name}: {type(error).__name__}"
        return name
    return None


def _render(compiled: Compiled, probe: int) -> str:
    sandbox: Any = compiled.environment
    sandbox.meter.reset()
    variables = {**GLOBALS, "probe": probe, "n": Namespace(x=[]), "function": lambda: "called"}
    return "".join(compiled.root_render_func(RenderContext.quick(compiled, variables)))


def _compile(sandbox: Sandbox, text: str) -> Compiled:
    """Compile without the checks that come before, so that the sandbox is alone with the probe."""
    tree = Parser(sandbox, text, "probe", "probe").parse()
    prepare(tree)
    return sandbox.compiled(tree, "probe")
