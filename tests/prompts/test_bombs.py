"""What a template may cost: each bomb stops at once, with the template's line, and without much memory."""

from __future__ import annotations

import time
import tracemalloc
from contextlib import suppress
from typing import Any

import pytest

from promptlab.errors import InputError
from promptlab.prompts.sandbox.functions import FILTERS, LIST, MAP, TESTS, TEXT

DOUBLED = "{% set x = 'aaaaaaaaaa' %}" + "{% set x = x ~ x %}" * 40
NESTED = "".join("{% set x = [x, x] %}{% set y = [y, y] %}" for _ in range(40))

LOOP = "{%% for i in range(9999) %%}%s{%% endfor %%}"
TEXT_A = "{% set x = 'a' * 99999 %}"
LONG_PATH = "{% set p = '0.' * 49000 ~ '0' %}{% set z = range(200) | map('string') %}"
WITH_PATHS = (
    *("map(attribute=p)", "sort(attribute=p)", "groupby(p)", "unique(attribute=p)", "sum(attribute=p)"),
    *("max(attribute=p)", "min(attribute=p)", "join(',', attribute=p)", "selectattr(p)", "rejectattr(p)"),
)

BOMBS = {
    "text times a number": "{{ 'a' * 10**9 }}",
    "number times a text": "{{ 10**9 * 'a' }}",
    "text times a number, unused": "{% if false %}{{ 'a' * 1000000000 }}{% endif %}{% set x = 'a' * 1000000000 %}",
    "list times a number": "{{ ([0] * 10**9) | length }}",
    "list literal times a number": "{% set x = [1, 2] * 1000000000 %}",
    "printf width": "{{ '%1000000000d' % 1 }}",
    "printf precision": "{{ '%.1000000000f' % 1 }}",
    "printf star": "{{ '%*d' % (1000000000, 1) }}",
    "printf by name": "{{ '%(a)1000000000d' % {'a': 1} }}",
    "printf repeated": "{% set b = 'b' * 90000 %}{{ ('%s' * 9000) % ([b] * 9000) | first }}",
    "printf of one long text": "{% set b = 'b' * 90000 %}{{ '%(a)s%(a)s%(a)s' % {'a': b} }}",
    "filter format": "{{ '%1000000000d' | format(1) }}",
    "format width": "{{ '{:1000000000}'.format(1) }}",
    "format nested width": "{{ '{:{}}'.format(1, 1000000000) }}",
    "format precision": "{{ '{:.1000000000f}'.format(1.5) }}",
    "format repeated": "{% set b = 'b' * 50000 %}{{ '{0}{0}{0}'.format(b) }}",
    "format_map": "{{ '{a:1000000000}'.format_map({'a': 1}) }}",
    "center filter": "{{ 'a' | center(10**9) }}",
    "center method": "{{ 'a'.center(10**9) }}",
    "ljust": "{{ 'a'.ljust(1000000000) }}",
    "rjust": "{{ 'a'.rjust(1000000000) }}",
    "zfill": "{{ 'a'.zfill(1000000000) }}",
    "expandtabs": "{{ '\t'.expandtabs(1000000000) }}",
    "translate": "{{ 'a'.translate({97: 'b' * 90000}) }}",
    "encode": "{{ 'a'.encode('utf-32') }}",
    "indent": "{{ 'a\\nb' | indent(10**9) }}",
    "indent of many lines": "{{ ('a\\n' * 40000) | indent(1000) }}",
    "indent with a text": "{{ 'a\\nb' | indent('a' * 90000) }}",
    "wordwrap": "{{ 'a b' | wordwrap(1, wrapstring='a' * 90000) }}",
    "batch": "{{ [1] | batch(10**9, 0) | list | length }}",
    "slice": "{{ [1] | slice(10**9) | list | length }}",
    "replace filter": "{{ ('a' * 90000) | replace('a', 'b' * 90000) | length }}",
    "replace by nothing": "{{ ('a' * 90000) | replace('', 'bb' * 900) | length }}",
    "replace method": "{{ ('a' * 90000).replace('a', 'bbbb') | length }}",
    "join": "{{ (['a' * 90000] * 2) | join('b') }}",
    "join separator": "{{ range(10000) | join('b' * 90000) }}",
    "join method": "{{ ('b' * 90000).join('abc') }}",
    "power": "{{ 10**10**10 }}",
    "power of a power": "{% set x = 10**40 %}{{ x**40 }}",
    "power in a branch not taken by folding": "{{ 1 if 9**9**9 > 1 else 2 }}",
    "multiplied in a loop": "{% set n = namespace(x=9) %}{% for i in range(99) %}{% set n.x = n.x * n.x %}{% endfor %}",
    "huge number": "{{ " + "9" * 5000 + " }}",
    "huge hexadecimal": "{{ 0x" + "f" * 59 + " }}",
    "huge float": "{{ 1e999 }}",
    "int of a long text": "{{ ('9' * 4000) | int }}",
    "int of a long text in base 16": "{{ ('f' * 90000) | int(base=16) }}",
    "round": "{{ 5 | round(-1000000000) }}",
    "round up": "{{ 5.5 | round(1000000000, 'ceil') }}",
    "doubled": DOUBLED + "{{ x | length }}",
    "doubled by adding": DOUBLED.replace("~", "+"),
    "doubled by set block": "{% set x = 'aaaaaaaaaa' %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 40,
    "doubled in a list": "{% set x = [1] %}" + "{% set x = x + x %}" * 40,
    "doubled in a loop": "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "shared lists compared": "{% set x = [1] %}{% set y = [1] %}" + NESTED + "{{ x == y }}",
    "shared lists sorted": "{% set x = [1] %}{% set y = [1] %}" + NESTED + "{{ [x, y] | sort | length }}",
    "shared tuples hashed": "{% set x = (1, 1) %}" + "{% set x = (x, x) %}" * 60 + "{{ {x: 1} | length }}",
    "shared maps": "{% set x = {'a': 1} %}" + "{% set x = {'a': x, 'b': x} %}" * 60 + "{{ x | tojson | length }}",
    "shared by dict()": "{% set x = 1 %}" + "{% set x = dict(a=x, b=x) %}" * 60 + "{{ x == x.copy }}",
    "shared by varargs": "{% macro m(n) %}{% if n %}{{ m(n - 1, varargs, varargs) }}{% else %}{{ varargs == [] }}"
    "{% endif %}{% endmacro %}{{ m(38, 1) }}",
    "deep list": "{% set n = namespace(x=[]) %}{% for i in range(999) %}{% set n.x = [n.x] %}{% endfor %}",
    "long range": "{{ range(10**9) | list | length }}",
    "longer range": "{{ range(10**30) | length }}",
    "loop over a range": "{% for i in range(99999) %}{% endfor %}",
    "nested loops": "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}",
    "loops in six levels": "{% for a in range(99) %}" * 6 + "{% endfor %}" * 6,
    "loop with a filter": "{% for a in range(9999) %}{% for b in range(9999) if false %}{% endfor %}{% endfor %}",
    "loop with much inside": "{% for a in range(9999) %}" + "{% if a %}{% endif %}" * 900 + "{% endfor %}",
    "loop of long comparisons": "{% set x = 'a' * 99999 %}{% set y = 'a' * 99998 ~ 'b' %}{% for i in range(9999) %}"
    "{% if x == y %}{% endif %}{% endfor %}",
    "loop of long searches": "{% set x = 'ab' * 49999 %}{% set y = 'ab' * 20000 ~ 'c' %}{% for i in range(9999) %}"
    "{% if y in x %}{% endif %}{% endfor %}",
    "loop of long list searches": "{% set x = range(9999) | list %}{% for i in range(9999) %}{% if 'a' in x %}"
    "{% endif %}{% endfor %}",
    "loop of slices": "{% set x = 'a' * 99999 %}{% for i in range(9999) %}{% set y = x[1:] %}{% endfor %}",
    "loop of filters": "{% set x = 'a' * 99999 %}{% for i in range(9999) %}{% set y = x | upper %}{% endfor %}",
    "loop of methods": "{% set x = 'a' * 99999 %}{% for i in range(9999) %}{% set y = x.title() %}{% endfor %}",
    "loop of tests": "{% set x = 'a' * 99999 %}{% for i in range(9999) %}{% if x is lower %}{% endif %}{% endfor %}",
    "map of maps": "{% for i in range(9999) %}{% set x = range(9999) | map('string') %}{% endfor %}",
    "output in a loop": "{% for i in range(9999) %}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{% endfor %}",
    "long output": "{% set x = 'a' * 99999 %}{{ x }}{{ x }}",
    "recursive macro": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "macros that call each other": "{% macro a() %}{{ b() }}{% endmacro %}"
    "{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
    "macro that doubles": "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(30) }}",
    "macro that calls itself by caller": "{% macro m() %}{{ caller() }}{{ caller() }}{% endmacro %}"
    + "{% call m() %}" * 20
    + "{% endcall %}" * 20,
    "recursive block": "{% block a %}{{ self.a() }}{% endblock %}",
    "recursive loop": "{% for a in [[1]] recursive %}{{ loop([a]) }}{% endfor %}",
    "lipsum": "{{ lipsum(n=100000) }}",
    "cycler": "{% set c = cycler(1, 2) %}{% for i in range(99999) %}{{ c.next() }}{% endfor %}",
    "pprint": "{{ [[1]] | pprint }}",
    "random": "{{ [1, 2] | random }}",
    "urlize": "{{ ('www.a.' * 9999) | urlize }}",
    "striptags": "{{ ('<' * 90000) | striptags }}",
    "xmlattr": "{{ {'a': 1} | xmlattr }}",
    "filesizeformat": "{{ 10**40 | filesizeformat }}",
    "odd as a format": "{{ '%999999999d' is odd }}",
    "divisibleby as a format": "{{ '%999999999d' is divisibleby 3 }}",
    "sum of lists": "{{ ([[1] * 999] * 99) | sum(start=[]) }}",
    "joiner": "{% set j = joiner('a' * 90000) %}{{ j() }}{{ j() }}{{ j() }}",
    "deep brackets": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "deep lists": "{{ " + "[" * 5000 + "]" * 5000 + " }}",
    "deep signs": "{{ " + "- " * 5000 + "1 }}",
    "deep not": "{{ " + "not " * 5000 + "1 }}",
    "deep if": "{% if a %}" * 500 + "{% endif %}" * 500,
    "deep for": "{% for a in [] %}" * 30 + "{% endfor %}" * 30,
    "deep else": "{{ " + "1 if 0 else " * 3000 + "1 }}",
    "many filters": "{{ 'a'" + " | upper" * 3000 + " }}",
    "many sums": "{{ 1" + " + 1" * 3000 + " }}",
    "many attributes": "{{ a" + ".b" * 3000 + " }}",
    "many words": "{{ a }}" * 20_000,
    "many statements": "{% set a = 1 %}" * 9_000,
    "steps given back by a hidden filter": "{% set y = ['a'] | map(' each', -999999999) %}" + LOOP % (LOOP % ""),
    **{f"long path in {call}": LONG_PATH + "{% set y = z | " + call + " %}" for call in WITH_PATHS},
    "many sort keys": "{% set p = '0,' * 40000 ~ '0' %}{% set y = range(200) | map('string') | sort(attribute=p) %}",
    "format of many places": "{% set f = '{0}' * 20000 %}" + LOOP % "{% set y = f.format('') %}",
    "format of a long path": "{% set f = '{0' ~ '.a' * 40000 ~ '}' %}" + LOOP % "{% set y = f.format('') %}",
    "format of many digits": LOOP % (LOOP % "{% set y = '{0:.999f}'.format(1.5e308) %}"),
    "printf of many places": "{% set f = '%(a)s' * 20000 %}{% set v = {'a': ''} %}" + LOOP % "{% set y = f % v %}",
    "printf of percent signs": "{% set f = '%%' * 40000 %}" + LOOP % "{% set y = f % () %}",
    "format filter of percent signs": "{% set f = '%%' * 40000 %}" + LOOP % "{% set y = f | format %}",
    "strip by a long set": TEXT_A + "{% set s = 'b' * 50000 ~ 'a' %}" + LOOP % "{% set y = x.strip(s) %}",
    "trim by a long set": TEXT_A + "{% set s = 'b' * 50000 ~ 'a' %}" + LOOP % "{% set y = x | trim(s) %}",
    **{
        f"long search by {call}": TEXT_A
        + "{% set s = 'a' * 25000 ~ 'b' ~ 'a' * 25000 %}"
        + LOOP % f"{{% set y = {call} %}}"
        for call in ("x.rfind(s)", "x.rpartition(s)", "x.rsplit(s)", "x.count(s)", "s in x", "x | replace(s, '')")
    },
    "short searches": "{% set x = 'a' * 2499 %}{% set s = 'a' * 600 ~ 'b' ~ 'a' * 600 %}"
    + LOOP % "{% set y = s in x %}",
    "searches of a range": LOOP % "{% set y = 1.5 in range(9999) %}",
    "searches of a list": "{% set x = range(9999) | list %}" + LOOP % "{% set y = 1.5 in x %}",
    "join of characters": TEXT_A + LOOP % "{% set y = ''.join(x) %}",
    "macro with many arguments": "{% macro m() %}{% endmacro %}{{ m(" + "1," * 4900 + "1) }}",
    "macro with many parameters": "{% macro m("
    + ",".join(f"a{i}" for i in range(3000))
    + ") %}{% endmacro %}{{ m() }}",
    "macro given a long list": "{% macro m() %}{% endmacro %}{% set z = range(9999) | list %}" + LOOP % "{{ m(*z) }}",
    "cycle of a long list": "{% set z = range(9999) | list %}" + LOOP % "{% set y = loop.cycle(*z) %}",
    "map with a long list of arguments": "{% set z = ['default'] + range(9999) | list %}"
    "{% set y = range(9999) | map(*z) %}",
    "round of a text": TEXT_A + "{{ x | round(4, 'ceil') }}",
    "round of a list": "{{ range(9999) | list | round(4, 'floor') }}",
    "round of large numbers": LOOP % (LOOP % "{% set y = 1.7e308 | round %}"),
    "indent of odd line breaks": "{% set x = 'a\x0b' * 30000 %}{{ x | indent(1000) }}",
    "long keys": "{% set t = (1, 2) * 8000 %}{% set d = {t: 1} %}" + LOOP % "{% set y = d[t] %}",
    "scoped blocks that copy many names": "".join(f"{{% set v{i} = 1 %}}" for i in range(400))
    + LOOP % "{% block b scoped %}{% endblock %}",
    "loop that eats itself": "{% for i in range(99) %}{% for j in loop %}{% endfor %}{% endfor %}",
    "upper of dense letters": "{% set x = 'ß' * 49999 %}" + LOOP % "{% set y = x | upper %}",
    "sort of long words": "{% set x = ['Aß' * 500] * 80 %}" + LOOP % "{% set y = x | sort %}",
    "dictsort of long keys": "{% set d = {'Aß' * 5000: 1, 'Bß' * 5000: 2} %}" + LOOP % "{% set y = d | dictsort %}",
    "many comparisons": "{{ 1" + " < 2" * 1500 + " }}",
    "many names of one include": "{% include [" + ",".join(f"'m{i}.j2'" for i in range(900)) + "] ignore missing %}",
    "many comments": "{# a #}" * 18_000,
    "many unknown tests": " " * 90_000 + "".join(f"{{{{ a is tst{i} }}}}" for i in range(690)),
    "autoescape": "{% autoescape true %}{{ '<' * 90000 }}{% endautoescape %}",
}


@pytest.mark.parametrize("source", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_stops_at_once_with_its_line(inline: Any, source: str) -> None:
    """Each is refused, when compiled or rendered, long before it could hurt, and names the template and the line."""
    text = "one line\n" + source
    began = time.process_time()
    with pytest.raises(InputError) as caught:
        inline(text).render({"a": "a"})
    took = time.process_time() - began
    assert took < 0.8, f"{took:.3f} s"  # a hang, not a speed: quiet machines take under 0.1 s
    for problem in caught.value.problems:
        if problem.count > 1:  # "and 680 more of this kind" has no place
            continue
        assert problem.path == "prompt"
        assert problem.line == 2
        assert len(problem.message) < 500


@pytest.mark.parametrize("name", [name for name in BOMBS if "deep" not in name and "many" not in name])
def test_a_bomb_takes_little_memory(inline: Any, name: str) -> None:
    """None takes more than 20 MB on its way."""
    tracemalloc.start()
    try:
        with pytest.raises(InputError):
            inline(BOMBS[name]).render({"a": "a"})
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


LARGE = {
    "text": "{% set x = 'éß ' * 33333 %}",
    "words": "{% set x = ('ab ' * 33333).split() %}",
    "map": "{% set x = {'a': 'b' * 50000, 'c': range(5000) | list} %}",
}
CALLS = [
    *(f"x | {name}{rest}" for name in sorted(FILTERS) for rest in ("", "(2)", "('a', x)", "(attribute='0')")),
    *(f"x is {name} {rest}" for name in sorted(TESTS) if name.isidentifier() for rest in ("", "x")),
    *(f"x.{name}({rest})" for name in sorted({*TEXT, *LIST, *MAP}) for rest in ("", "'a', x")),
]


@pytest.mark.parametrize("large", LARGE)
def test_no_filter_test_or_method_is_too_cheap_in_a_loop(inline: Any, large: str) -> None:
    """Each, on something large and ten thousand times: its price stops it in time (0.3 s on a machine that is busy)."""
    slow = {}
    for call in CALLS:
        began = time.process_time()
        with suppress(InputError):
            inline(LARGE[large] + "{% for i in range(9999) %}{% set y = " + call + " %}{% endfor %}").render({})
        if (took := time.process_time() - began) > 0.3:
            slow[call] = took
    assert slow == {}
