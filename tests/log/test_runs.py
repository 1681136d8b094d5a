"""Finding a run, reading its rows, counting them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.errors import InputError
from promptlab.log import Failure, Log
from promptlab.model import Generation


@pytest.fixture
def three(rows) -> dict[str, str]:  # type: ignore[no-untyped-def]
    """Two runs of `shelf`, one of `portrait` between them."""
    return {
        "old": rows.run(id="01KA00000000000000000000AA", started_at="2026-01-01T00:00:00.000Z").id,
        "middle": rows.run(id="01KA00000000000000000000AB", started_at="2026-01-02T00:00:00.000Z", experiment="portrait").id,
        "new": rows.run(id="01KB00000000000000000000AC", started_at="2026-01-03T00:00:00.000Z").id,
    }


@pytest.mark.parametrize(
    ("text", "which"),
    [
        ("last", "new"),
        ("shelf", "new"),
        ("portrait", "middle"),
        ("01KA00000000000000000000AA", "old"),
        ("01ka00000000000000000000ab", "middle"),
        ("01KB", "new"),
        ("01kb", "new"),
        (" last ", "new"),
    ],
)
def test_find_run(log: Log, three: dict[str, str], text: str, which: str) -> None:
    """A run is found by id, unique start of an id, experiment or `last`, in either case."""
    assert log.find_run(text).id == three[which]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("01KA", "'01KA' is the start of several runs' ids: 01KA00000000000000000000AB, 01KA00000000000000000000AA; write more"),
        ("shelv", "there is no run 'shelv'; did you mean 'shelf'?"),
        ("zzzzzzz", "there is no run 'zzzzzzz'; experiments that ran: shelf, portrait"),
        ("", "there is no run ''"),
        ("%", "there is no run '%'"),
    ],
)
def test_which_run(log: Log, three: dict[str, str], text: str, words: str) -> None:
    """What names no run, or several, is an error that helps."""
    with pytest.raises(InputError) as error:
        log.find_run(text)
    assert words in str(error.value)
    assert "no-such-run" in str(error.value)


def test_no_runs(log: Log) -> None:
    """In an empty log the advice is to run something."""
    with pytest.raises(InputError, match="holds no run yet; `promptlab run EXPERIMENT` makes one"):
        log.find_run("last")


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_prefix_rules(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Of any ids, every start that only one has finds that one, and every other start finds none."""
    from conftest_rows import Rows  # pragma: no cover
