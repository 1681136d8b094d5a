"""Matched cells: what shares a scene, what is missing in it, and whose images they are."""

from __future__ import annotations

import pytest

from promptlab.compare.scenes import cell_status, scenes_of
from promptlab.errors import InputError

from .conftest import Said, Studio


def test_a_scene_holds_all_but_the_axis(studio: Studio) -> None:
    """Two prompts, two looks, three seeds: six scenes, each with both prompts, in the order of the plan."""
    run = studio.run({"prompt": ["calm", "bold"], "look": ["warm", "cold"]}, [1, 2, 3])
    found = scenes_of(studio.log, run.id, "prompt")
    assert (found.values, len(found), len(found.matched)) == (("calm", "bold"), 6, 6)
    first = found.scenes[0]
    assert (dict(first.axes), first.seed, first.draw, first.seeded) == ({"look": "warm"}, 1, 0, True)
    assert first.cells["bold"].images[0].image_id == studio.image(run, "bold", "warm", 1)
    assert len({scene.key for scene in found}) == 6


def test_missing_cells_say_why(studio: Studio) -> None:
    """A failure, one that a content filter caused, and a skipped cell have no picture; the scene is not matched."""
    said: dict[int | None, Said] = {
        1: ("failed", "server_error"), 2: ("failed", "content_policy_violation"), 3: ("skipped", None),
    }  # fmt: skip
    fine: Said = ("completed", None)
    run = studio.run(
        {"prompt": ["calm", "bold"]},
        [1, 2, 3, 4],
        status=lambda axes, seed: said.get(seed, fine) if axes["prompt"] == "bold" else fine,
    )
    found = scenes_of(studio.log, run.id, "prompt")
    assert [scene.cells["bold"].status for scene in found] == ["failed", "moderated", "skipped", "completed"]
    assert [list(scene.shown) for scene in found] == [["calm"]] * 3 + [["calm", "bold"]]
    assert len(found.matched) == 1


def test_copies_show_the_paid_image(studio: Studio) -> None:
    """A later run with more seeds has the images of the first from the cache: under ids of its own, paid once."""
    first = studio.run({"prompt": ["calm", "bold"]}, [1, 2])
    more = studio.run({"prompt": ["calm", "bold"]}, [1, 2, 3], id="R2", copies="R1")
    cell = scenes_of(studio.log, more.id, "prompt").scenes[0].cells["calm"]
    assert cell.images[0].paid_id == studio.image(first, "calm", 1) != cell.images[0].image_id


def test_images_of_one_call_share_their_scene(studio: Studio) -> None:
    """n = 3: one scene with three images of each value."""
    run = studio.run({"prompt": ["calm", "bold"]}, [1], n=3)
    (scene,) = scenes_of(studio.log, run.id, "prompt")
    assert [image.position for image in scene.cells["calm"].images] == [0, 1, 2]


def test_where_narrows_and_none_compares_whole_variants(studio: Studio) -> None:
    """`where` picks variants before they are laid out; without an axis each variant is a value with its name."""
    run = studio.run({"prompt": ["calm", "bold"], "look": ["warm", "cold"]}, [1, 2])
    assert len(scenes_of(studio.log, run.id, "prompt", "look=warm")) == 2
    whole = scenes_of(studio.log, run.id, None)
    assert len(whole) == 2
    assert next(iter(whole.labels.values())) == "prompt=calm, look=warm"


def test_without_seeds_only_the_axes_are_shared(studio: Studio) -> None:
    """Unseeded generations meet by draw, and say that they are not seeded."""
    run = studio.run({"prompt": ["calm", "bold"]}, [None])
    (scene,) = scenes_of(studio.log, run.id, "prompt")
    assert not scene.seeded


@pytest.mark.parametrize(("by", "where"), [("promt", ()), ("prompt", "prompt=clam"), ("prompt", "lok=warm")])
def test_what_is_not_there_is_named(studio: Studio, by: str, where: str) -> None:
    """An axis or id that the run has not is an error that names the nearest."""
    run = studio.run({"prompt": ["calm", "bold"], "look": ["warm"]}, [1])
    with pytest.raises(InputError, match="did you mean"):
        scenes_of(studio.log, run.id, by, where)


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        ("completed", None, "completed"),
        ("failed", "content_policy", "moderated"),
        ("failed", "moderation_blocked", "moderated"),
        ("failed", "timeout", "failed"),
        ("failed", None, "failed"),
        ("unknown", "content_policy", "unknown"),
    ],
)
def test_what_a_content_filter_refused_is_moderated(status: str, code: str | None, said: str) -> None:
    """Only failures whose code says so."""
    assert cell_status(status, code) == said
