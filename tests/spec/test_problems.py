"""How problems are reported: ten of a kind, no secret, nothing that a terminal obeys, the caret where it belongs."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.errors import GenerationError, InputError, Problem, Problems, at_most_ten
from promptlab.model import Place
from promptlab.spec.report import Report

#: A source line, and what may not be in what is shown of it; the rest stays.
SECRET_LINES = [
    ("api_key: hush-hush", "hush"),
    ("  - {access_key: hush, n: 9}", "hush"),
    ('{"kairval_token": "hush, hush", "n": 9}', "hush"),
    ("authorization: Bearer hush hush", "hush"),
    ("passwords: [hush, hush]", "hush"),
    ("base_url: https://bob:hush@example.com/v1", "hush"),
    ("prompt: a cup kv_hushhush12 on linen", "hush"),
    ("prompt: sk-hushhush", "hush"),
    ("KAIRVAL_API_KEY=hush", "hush"),
    ("prompt: hush-from-the-environment on linen", "hush"),
]


@pytest.mark.parametrize(("line", "secret"), SECRET_LINES)
def test_a_secret_in_a_source_line_is_starred_out_at_its_width(
    monkeypatch: pytest.MonkeyPatch, line: str, secret: str
) -> None:
    """Keys, tokens, passwords, credentials in a URL, and whatever the environment has under such a name."""
    monkeypatch.setenv("SOME_API_TOKEN", "hush-from-the-environment")
    (shown,) = InputError(Problem("x", "wrong", "e.yaml", 1, 3, line)).problems
    assert shown.source is not None
    assert secret not in shown.source
    assert len(shown.source) == len(line)
    assert secret not in str(Problem("x", "wrong", "e.yaml", 1, 3, line))


@pytest.mark.parametrize(
    "line", ["prompt: monkey with a key light", "look: {key_light: soft}", "style: keyboard: blue"]
)
def test_what_is_no_secret_is_shown(line: str) -> None:
    """A word with `key` in it hides nothing."""
    assert line in str(Problem("x", "wrong", "e.yaml", 1, 3, line))


def test_a_secret_in_a_message_is_starred_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a sentence a value stands in quotes; the words around it stay, also in the errors of one generation."""
    monkeypatch.setenv("OTHER_SECRET", "hush-from-the-environment")
    told = str(Problem("x", "the axis 'token' is the text 'hush'; it has to be a list; see kv_hushhush"))
    assert told == "the axis 'token' is the text '****'; it has to be a list; see kv_******** [x]"
    assert "hush" not in str(GenerationError("the server said: hush-from-the-environment is wrong"))
    kept = "an experiment can't hold a key: keys come from the environment"
    assert kept in str(Problem("x", kept))


@pytest.mark.parametrize("text", ["api_key:\n  hush hush: a\n", "vars:\n  token: >-\n    hush\n  hush: {{ a }}\n"])
def test_a_secret_below_its_name_is_starred_out(text: str) -> None:
    """A value on the line after its key is a value all the same."""
    report = Report()
    report.show("e.yaml", text)
    number = next(number for number, line in enumerate(text.split("\n"), 1) if "hush" in line)
    report.add("x", "wrong", Place("e.yaml", number, 3))
    assert "hush" not in str(report.problems.found[0])


@given(st.text(max_size=60), st.text(max_size=30))
def test_no_control_character_is_shown(message: str, line: str) -> None:
    """Escape codes, bidi overrides and half characters become visible; a source line keeps its width."""
    problem = Problem("x", message, message, 1, 1, line)
    shown = problem.presentable()
    for text in (str(problem).replace("\n    ", ""), shown.message, shown.path or "", shown.source or ""):
        text.encode()
        assert not any(ord(sign) < 32 and sign != "\t" for sign in text)
        assert not set(text) & set("\x7f\x9b\u202a\u202b\u202d\u202e\u2066\u2067\u2069\u2028")
    assert len(shown.source or "") == len(line)


def test_ten_of_a_kind_and_a_count() -> None:
    """Beyond ten, problems of one kind are counted, also those that were counted before; each kind by itself."""
    many = [Problem("a", f"wrong {number}") for number in range(4_000)]
    told = at_most_ten([*many, Problem("b", "other"), Problem("a", "and 7 more like this", count=7)])
    assert [problem.code for problem in told] == ["a"] * 10 + ["b", "a"]
    assert told[-1].message == "and 3,997 more of this kind"
    assert sum(problem.count for problem in told) == 4_008
    assert at_most_ten(told) == told
    assert len(str(InputError(many)).splitlines()) == 11


def test_an_error_can_be_pickled() -> None:
    """An InputError crosses to another process with its problems."""
    error = InputError([Problem("a", "wrong", "e.yaml", 1, 2)])
    assert pickle.loads(pickle.dumps(error)).problems == error.problems


def test_adding_problems_is_linear() -> None:
    """Each problem is compared with none of the others: equal ones meet by their hash."""
    compared = 0

    class Counted(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    problems = Problems()
    for number in range(3_000):
        problems.add(Problem(Counted(f"code-{number}"), "wrong"))
        problems.add(Problem(Counted(f"code-{number}"), "wrong"))
    assert len(problems.found) == 3_000
    assert compared < 20_000


def test_one_kind_hides_no_other(headlines: Callable[[str], list[str]]) -> None:
    """Sixteen thousand wrong skips are ten and a count; the wrong number below them is reported too."""
    skips = "".join(f"  - {{s: x{number}}}\n" for number in range(16_000))
    found = headlines(f"prompt: a\naxes: {{s: [a, b]}}\nskip:\n{skips}seeds: four\n")
    assert len(found) == 12
    assert any("seeds is 'four'" in line for line in found)
    assert found[-1] == "and 15,990 more of this kind [unknown-id]"
