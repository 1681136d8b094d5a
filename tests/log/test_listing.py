"""Lists of runs: short names that stay unique, and runs that are hidden."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from promptlab.log import Log
from promptlab.log.runs import LEAST, short


@given(st.sets(st.text("01AB", min_size=26, max_size=26), max_size=20))
def test_short_ids_are_unique_prefixes(ids: set[str]) -> None:
    """Each short id starts its own id and no other, has at least eight letters, and could not be shorter."""
    found = short(ids)
    assert found.keys() == ids
    for id_, name in found.items():
        assert [other for other in ids if other.startswith(name)] == [id_]
        assert len(name) >= LEAST
        assert len(name) == LEAST or sum(other.startswith(name[:-1]) for other in ids) > 1


def test_a_short_id_finds_its_run(log: Log, rows: Any) -> None:
    """What a list shows is what `find_run` takes."""
    runs = [rows.run() for _ in range(12)]
    names = log.short_ids()
    assert [log.find_run(names[run.id]).id for run in runs] == [run.id for run in runs]


def test_hiding_can_be_undone_and_changes_nothing_else(log: Log, rows: Any) -> None:
    """A hidden run is still found by its name; hiding twice is hiding once."""
    run = rows.run()
    log.hide_run(run.id)
    log.hide_run(run.id)
    assert log.hidden_runs() == {run.id}
    assert log.find_run("last") == run
    log.unhide_run(run.id)
    assert log.hidden_runs() == set()
