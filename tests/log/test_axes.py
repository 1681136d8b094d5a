"""Each experiment's view with its axes as columns, whatever their names are."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptlab.log import Log
from promptlab.log.log import COMMON, axis_columns, view_name


class Undo(Exception):
    """Leaves a transaction without its changes, so that one log serves all examples."""


def columns(log: Log, view: str) -> list[str]:
    return [name for (name,) in log.rows("SELECT name FROM pragma_table_info(?)", (view,))]


def test_view(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """Axes are columns beside the gallery's, of this experiment's images only; one that doesn't apply is NULL."""
    run = rows.run()
    rows.generation(run, images=1, seed=1, axes={"style": "film", "grain": "fine"})
    rows.generation(run, images=1, seed=2, variant_id="v2", axes={"style": "photo"})
    rows.generation(rows.run(experiment="other"), images=1)
    assert log.ensure_axes_view("shelf", ["style", "grain"]) == "axes_shelf"
    found = log.rows("SELECT seed, style, grain, variant FROM axes_shelf ORDER BY seed")
    assert list(found) == [(1, "film", "fine", "style=film,grain=fine"), (2, "photo", None, "style=photo")]
    assert log.value("SELECT axes_view FROM experiments WHERE name = 'shelf'") == "axes_shelf"


def test_changed_axes(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """The view is made again when the axes change, and left alone when they don't."""
    rows.run()
    log.ensure_axes_view("shelf", ["style"])
    version = log.value("PRAGMA schema_version")
    log.ensure_axes_view("shelf", ["style"])
    assert log.value("PRAGMA schema_version") == version
    log.ensure_axes_view("shelf", ["look"])
    assert "look" in columns(log, "axes_shelf")
    assert "style" not in columns(log, "axes_shelf")


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        (["style"], ["style"]),
        (["prompt", "template"], ["axis_prompt", "axis_template"]),
        (["Prompt"], ["axis_Prompt"]),
        (["style", "Style"], ["style", "axis_Style"]),
        (["prompt", "axis_prompt"], ["axis_prompt", "axis_axis_prompt"]),
        (["params.n"], ["params.n"]),
        (["TRUE"], ["axis_TRUE"]),
    ],
)
def test_clashes(axes: list[str], expected: list[str]) -> None:
    """An axis named like a common column, or like another axis in other letters, gets its own column."""
    assert list(axis_columns(axes).values()) == expected


@pytest.mark.parametrize(
    ("experiment", "taken", "expected"),
    [
        ("shelf", {}, "axes_shelf"),
        ("Shelf photos-2", {}, "axes_shelf_photos_2"),
        ("shelf", {"axes_shelf": "shelf"}, "axes_shelf"),
        ("Shelf", {"axes_shelf": "shelf"}, "axes_shelf_"),
    ],
)
def test_view_name(experiment: str, taken: dict[str, str], expected: str) -> None:
    """A view's name is the experiment's, safe to type; a taken one gets part of a hash."""
    assert view_name(experiment, taken).startswith(expected)
    assert view_name(experiment, taken) not in taken or taken[view_name(experiment, taken)] == experiment


# No surrogates, which are not text, and no NUL, which ends a text in SQLite's JSON.
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
ODD = [
    "a'b",
    'a"b',
    "a\\b",
    "a.b",
    "$",
    "[0]",
    "é",
    "\u0130",
    "a\nb",
    "]",
    "`",
    "select",
    "seed",
    "False",
    "?",
    ":x",
    "--",
    "日本",
]
NAMES |= st.sampled_from(ODD)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(experiments=st.lists(NAMES, min_size=1, max_size=3, unique=True), axes=st.lists(NAMES, max_size=4, unique=True))
def test_any_names(log: Log, rows, experiments: list[str], axes: list[str]) -> None:  # type: ignore[no-untyped-def]
    """Experiments and axes may have any names: each experiment has its own view, each axis its values."""
    with contextlib.suppress(Undo), log.transaction():
        views = []
        for number, name in enumerate(experiments):
            values = {axis: f"{number}-{place}" for place, axis in enumerate(axes)}
            rows.generation(rows.run(experiment=name), images=1, axes=values)
            views.append(log.ensure_axes_view(name, axes))
        assert len({view.lower() for view in views}) == len(experiments)
        for number, view in enumerate(views):
            assert columns(log, view) == [*COMMON[:2], *axis_columns(axes).values(), *COMMON[2:]]
            [row] = log.rows(f'SELECT * FROM "{view}"')
            assert list(row[2 : 2 + len(axes)]) == [f"{number}-{place}" for place in range(len(axes))]
        raise Undo
