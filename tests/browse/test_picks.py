"""Picks: the best of a row, from a page that shows what is what."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from promptlab.browse import build_datasette
from tests.browse.voters import STYLES, Studio, Voter, make_studio, run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, writer_class: Any) -> Path:
    return make_studio(tmp_path_factory.mktemp("picks") / "studio", writer_class)


@pytest.fixture
def studio(made: Path, tmp_path: Path) -> Studio:
    folder = tmp_path / "studio"
    shutil.copytree(made, folder)
    return Studio(folder, build_datasette(folder / "promptlab.db", folder / "images", user="owner"))


def test_pickings_of_a_row(studio: Studio) -> None:
    """The best of a row is one ballot of an open poll; a second pick replaces the first, and undo brings it back."""
    from promptlab.browse.grid_picks import picks_of

    row = [studio.image(style) for style in STYLES]

    async def check() -> None:
        ana = Voter(studio)
        await ana.get(f"vote?run={studio.run}&by=style")
        first = (await ana.post("pick", run="secretads", by="style", best=row[0], among=row)).json()
        assert (first["ok"], first["images"], first["replaced"]) == (True, 5, [])
        other = (await ana.post("pick", run=studio.run, by="style", best=studio.image("inkwash", seed=12))).json()
        assert (other["images"], other["replaced"]) == (5, [])
        second = (await ana.post("pick", run=studio.run, by="style", best=row[1], worst=row[4], among=row)).json()
        assert second["replaced"] == [first["ballot"]]
        with studio.log() as log:
            (poll,) = log.polls(studio.run)
            assert not poll.blind
            kinds = {ballot.id: (ballot.kind, len(ballot.comparisons)) for ballot in log.ballots(studio.run)}
            assert kinds == {other["ballot"]: ("best", 4), second["ballot"]: ("best_worst", 7)}
            found = picks_of(log._connection, studio.run, "style", "ana")
            assert found == {row[1]: "best", row[4]: "worst", studio.image("inkwash", seed=12): "best"}
        assert (await ana.post("pick/undo", run=studio.run, by="style")).json()["ballot"] == second["ballot"]
        with studio.log() as log:
            assert [ballot.id for ballot in log.ballots(studio.run)] == [first["ballot"], other["ballot"]]

    run(check())


@pytest.mark.parametrize("case", ["two rows", "another run's", "one value", "best is worst", "no best", "cross-site"])
def test_a_pick_that_is_none_writes_nothing(studio: Studio, case: str) -> None:
    """Its images must be one row of the run, of different values."""
    row = [studio.image(style) for style in STYLES]
    fields: dict[str, Any] = {"run": studio.run, "by": "style", "best": row[0], "among": row}
    changes: dict[str, dict[str, Any]] = {
        "two rows": {"among": [*row, studio.image("inkwash", "coldlight")]},
        "another run's": {"among": [*row, "nothing"]},
        "one value": {"among": [row[0]]},
        "best is worst": {"worst": row[0]},
        "no best": {"best": ""},
        "cross-site": {"headers": {"sec-fetch-site": "cross-site"}},
    }
    fields |= changes[case]

    async def check() -> None:
        ana = Voter(studio)
        await ana.get(f"vote?run={studio.run}&by=style")
        answer = await ana.post("pick", **fields)
        assert answer.status_code == (403 if case == "cross-site" else 400)
        assert studio.counts() == (0, 0, 0, 0)

    run(check())
