"""Images that are no longer on disk: found again where the same bytes are, else made again, and everybody says so."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from promptlab.errors import ConfirmationNeeded, InputError
from promptlab.run.events import Message
from promptlab.run.runner import resume, run
from promptlab.studio.preview import preview


def ahead(lab: Any, **more: Any) -> Any:
    with lab.studio().log(readonly=True) as log:
        return preview(lab.job(), log, **more)


def files(lab: Any) -> list[str]:
    return sorted(path.name for path in (lab.folder / "images").glob("??/*"))


def said(lab: Any) -> str:
    return "\n".join(event.text for event in lab.events if isinstance(event, Message))


def test_a_plan_counts_what_is_gone_as_to_be_sent(lab: Any, api: Any) -> None:
    """With neither images/ nor results/ it is a miss in plan, limits, confirmation and run alike."""
    lab.experiment(12)
    lab.run()
    shutil.rmtree(lab.folder / "images")
    shutil.rmtree(lab.folder / "results")
    found = ahead(lab)
    assert (found.cached, found.to_send, found.gone, found.cost_usd) == (0, 12, 12, 6.0)
    code, out, _ = lab.cli("plan", "experiments/exp.yaml")
    assert code == 0
    assert "12 images of earlier runs are no longer on disk: to be made again" in out
    with pytest.raises(ConfirmationNeeded, match="12 calls"):
        run(lab.job())
    lab.experiment(12, limits="{images: 3}")
    with pytest.raises(InputError, match="12 images"):
        run(lab.job())
    assert len(api.calls) == 12
    lab.experiment(12)
    summary = lab.run()
    assert (summary.cached, summary.completed, api.made) == (0, 12, 24)
    assert "12 images of earlier runs are no longer on disk: made again" in said(lab)
    assert lab.run().cached == 12


def test_the_same_bytes_under_results_are_linked_back(lab: Any, api: Any) -> None:
    """images/ is gone, its readable names are not: nothing is sent, and the plan says the same without writing."""
    lab.experiment(12)
    lab.run()
    before = files(lab)
    shutil.rmtree(lab.folder / "images")
    found = ahead(lab)
    assert (found.cached, found.to_send, found.gone) == (12, 0, 0)
    assert not (lab.folder / "images").exists()
    summary = lab.run()
    assert (summary.cached, len(api.calls)) == (12, 12)
    assert files(lab) == before
    assert "12 images" in said(lab)
    image = next((lab.folder / "images").glob("??/*"))
    assert image.stat().st_nlink >= 2


def test_a_file_that_was_renamed_is_found_and_one_that_was_edited_is_not(lab: Any, api: Any) -> None:
    """By size and then by its bytes; a name alone proves nothing."""
    lab.experiment(3)
    lab.run()
    shutil.rmtree(lab.folder / "images")
    first, second, third = sorted((lab.folder / "results" / "exp").iterdir())
    first.rename(first.with_name("the good one.png"))
    data = second.read_bytes()
    second.unlink()
    second.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    third.unlink()
    found = ahead(lab)
    assert (found.cached, found.to_send, found.gone) == (1, 2, 2)
    summary = lab.run()
    assert (summary.cached, summary.completed, api.made) == (1, 3, 5)


def test_results_are_only_read_where_the_folder_of_images_has_lost_something(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand hits cost a thousand looks at names, and not one file is opened."""
    lab.experiment(6)
    lab.run()
    looked: list[Any] = []
    monkeypatch.setattr("promptlab.studio.cached._by_size", lambda folder: looked.append(folder) or {})
    monkeypatch.setattr("promptlab.studio.cached.LoggedFiles._hash", lambda self, path: looked.append(path))
    assert ahead(lab).cached == 6
    assert lab.run().cached == 6
    assert looked == []


def test_an_older_result_whose_files_are_here_answers(lab: Any, api: Any) -> None:
    """The newest result lost its file; the one before it has not."""
    lab.experiment(1)
    lab.run()
    kept = files(lab)
    lab.run(fresh=True)
    for name in set(files(lab)) - set(kept):
        (lab.folder / "images" / name[:2] / name).unlink()
    shutil.rmtree(lab.folder / "results")
    assert ahead(lab).cached == 1
    assert (lab.run().cached, len(api.calls)) == (1, 2)


def test_a_resume_asks_the_same_question(lab: Any, api: Any) -> None:
    """Rows that another run has answered are free while its files are here, and to be paid once they are gone."""
    api.behave = lambda call: api.error(402, "insufficient_credits")
    lab.experiment(11)
    first = lab.run()
    api.behave = lambda call: api.act()
    lab.run()
    shutil.rmtree(lab.folder / "images")
    shutil.rmtree(lab.folder / "results")
    with pytest.raises(ConfirmationNeeded, match="11 calls"):
        resume(lab.studio(), first.run_id)
    made = api.made
    assert lab.resume(first.run_id).completed == 11
    assert api.made == made + 11
