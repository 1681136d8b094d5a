"""What a template may reach: text, numbers, lists and maps that it was given, and nothing behind them."""

from __future__ import annotations

from typing import Any

import pytest

from promptlab.errors import InputError
from promptlab.prompts import Fields

ESCAPES = [
    "{{ ''.__class__ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''['__class__'] }}",
    "{{ ''['__cla' ~ 'ss__'] }}",
    "{{ look['__class__'] }}",
    "{{ look.fields }}",
    "{{ look.fields.keys() }}",
    "{{ ().__class__.__base__ }}",
    "{{ [].__class__ }}",
    "{{ {}.__class__ }}",
    "{{ (1).__class__ }}",
    "{{ (1).real }}",
    "{{ (1).to_bytes(4, 'big') }}",
    "{{ ''.mro() }}",
    "{{ '' | attr('__class__') }}",
    "{{ ['a'] | map(attribute='__class__') | first }}",
    "{{ ['a'] | map(attribute='__class__.__mro__') | list | first }}",
    "{{ ['a'] | map('attr', '__class__') | first }}",
    "{{ ['a'] | groupby('__class__') | first | first }}",
    "{{ ['a', 'b'] | sort(attribute='__class__') | first }}",
    "{{ ['a'] | unique(attribute='__class__') | first }}",
    "{{ ['a'] | sum(attribute='__class__') }}",
    "{{ ['a'] | join(',', attribute='__class__') }}",
    "{{ ['a'] | selectattr('__class__') | first }}",
    "{{ '{0.__class__}'.format('a') }}",
    "{{ '{a.__class__}'.format(a='a') }}",
    "{{ '{0[__class__]}'.format('a') }}",
    "{{ '{a.__init__.__globals__}'.format_map({'a': look}) }}",
    "{{ ''.format.__self__ }}",
    "{{ ''.format.__globals__ }}",
    "{{ ''.upper.function }}",
    "{{ look.upper.value }}",
    "{{ '%s' % ''.upper }}",
    "{{ ''.join.__func__ }}",
    "{{ range.__globals__ }}",
    "{{ dict.fromkeys([1]) }}",
    "{{ dict.__mro__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ joiner().__class__ }}",
    "{{ joiner().used }}",
    "{% set n = namespace() %}{{ n.__class__ }}",
    "{% set n = namespace() %}{% set n.__class__ = 1 %}",
    "{% set n = namespace() %}{{ n._Namespace__attrs }}",
    "{% macro m() %}{% endmacro %}{{ m.__globals__ }}",
    "{% macro m() %}{% endmacro %}{{ m._environment }}",
    "{% macro m() %}{% endmacro %}{{ m.name }}",
    "{% macro m() %}{{ caller.__call__ }}{% endmacro %}{% call m() %}{% endcall %}",
    "{% macro m() %}{{ varargs.__class__ }}{{ kwargs.__class__ }}{% endmacro %}{{ m() }}",
    "{{ self.__init__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ self['__init__'] }}",
    "{{ self['_TemplateReference__context'].environment }}",
    "{% block b %}{{ self.b._context }}{% endblock %}",
    "{% block b %}{{ super.__class__ }}{% endblock %}",
    "{% block b %}{{ self.b._stack }}{% endblock %}",
    "{% for a in [1] %}{{ loop.__class__ }}{% endfor %}",
    "{% for a in [1] %}{{ loop._iterator }}{% endfor %}",
    "{% for a in [1] %}{{ loop._undefined }}{% endfor %}",
    "{% for a in [1] %}{{ loop.cycle.__self__ }}{% endfor %}",
    "{{ missing_name.__class__ }}",
    "{{ missing_name._fail_with_undefined_error() }}",
    "{{ (missing_name | default('')).__class__ }}",
    "{{ ('x' if false).__class__ }}",
    "{{ ('x' if false)._undefined_exception }}",
    "{{ config }}",
    "{{ environment }}",
    "{{ context }}",
    "{{ request }}",
    "{{ cycler }}",
    "{{ lipsum.__globals__ }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ open('/etc/passwd') }}",
    "{{ __import__('os') }}",
    "{{ [1].append(2) }}",
    "{{ {}.update({1: 2}) }}",
    "{{ {}.setdefault(1, 2) }}",
    "{{ tags.append('x') }}",
    "{{ tags.sort() }}",
    "{% do tags.append(1) %}",
    "{% import 'os' as os %}",
    "{% include '/etc/passwd' %}",
    "{% include '../x.j2' %}",
    "{{ look() }}",
    "{{ 'a'() }}",
    "{{ (1)() }}",
    "{{ [1]() }}",
    "{{ none() }}",
    "{{ namespace }}",
    "{{ range }}",
    "{{ look.upper }}",
    "{{ tags }}",
    "{{ {'a': 1} }}",
    "{{ none }}",
    "{{ [none] | join }}",
    "{{ tags ~ '' }}",
    "{{ '%s' % (tags,) }}",
    "{{ '{}'.format(tags) }}",
    "{{ tags | string }}",
    "{{ range(3) }}",
]


@pytest.mark.parametrize("source", ESCAPES)
def test_nothing_private_is_reached(inline: Any, source: str) -> None:
    """No attribute, filter, test, format or global leads out; lists and objects are never written into a prompt."""
    with pytest.raises(InputError) as caught:
        inline(source).render({"look": Fields("warm", {"light": "golden"}), "tags": ["a"]})
    assert caught.value.problems[0].line == 1
    assert " at 0x" not in str(caught.value)


def test_a_template_cannot_change_what_it_is_given(inline: Any) -> None:
    """A list, a map and fields are the same after a render."""
    given: dict[str, Any] = {"tags": ["b", "a"], "look": Fields("warm", {"k": ["v"]}), "m": {"a": 1}}
    text = "{% set tags = tags | sort %}{% for t in tags %}{% set m = t %}{% endfor %}{{ tags | join }}"
    inline(text).render(given)
    assert given["tags"] == ["b", "a"]
    assert given["m"] == {"a": 1}
    assert given["look"].fields == {"k": ["v"]}


def test_a_render_leaves_nothing_for_the_next(studio: Any) -> None:
    """State at the top level of an imported file starts again in each render, so order changes no prompt."""
    template = studio.template(
        t="{% import 'lib.j2' as lib %}{{ lib.count() }}{{ lib.count() }}",
        lib="{% set n = namespace(x=0) %}{% macro count() %}{% set n.x = n.x + 1 %}{{ n.x }}{% endmacro %}",
    )
    assert [template.render({}) for _ in range(3)] == ["12", "12", "12"]


def test_fields_are_immutable_text() -> None:
    """Fields compare, hash and pickle as what they are."""
    import pickle

    look = Fields("warm", {"light": "golden"})
    assert look == "warm"
    assert hash(look) == hash("warm")
    again = pickle.loads(pickle.dumps(look))
    assert (again, again.fields) == ("warm", {"light": "golden"})
    with pytest.raises(AttributeError):
        look.fields = {}
    with pytest.raises(TypeError):
        look.fields["light"] = "x"  # type: ignore[index]
