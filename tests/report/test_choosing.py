"""Which lines are shown, and how pictures are fitted: pure policies."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Picture

from promptlab.report.contents import Shot
from promptlab.report.overview import LineKey, choose_lines, spread
from promptlab.report.pictures import STEPS, Group, pack
from promptlab.store import Resized, Store
from promptlab.store.labels import label_of


def shot(sha256: str) -> Shot:
    return Shot("id", sha256, "a label", "a description", None, "0" * 64)


def lines_of(sizes: list[int]) -> list[LineKey]:
    return [((("item", str(item)),), seed, 0) for item, size in enumerate(sizes) for seed in range(size)]


@given(st.lists(st.integers(1, 6), max_size=12), st.integers(0, 40))
def test_lines_are_chosen_evenly(sizes: list[int], most: int) -> None:
    """At most as many as asked for, all where there are no more, in order, no group twice while another waits."""
    lines = lines_of(sizes)
    chosen = choose_lines(lines, most)
    assert len(chosen) == min(most, len(lines))
    assert chosen == sorted(chosen, key=lines.index)
    counts = Counter(line[0] for line in chosen)
    for item, size in enumerate(sizes):
        key = (("item", str(item)),)
        assert counts[key] >= min(size, max(counts.values(), default=0) - 1)


def test_many_groups_take_turns_with_their_seeds() -> None:
    """Where only some groups can be shown, not always their first seed is."""
    chosen = choose_lines(lines_of([4] * 100), 20)
    assert Counter(seed for _, seed, _ in chosen) == {0: 5, 1: 5, 2: 5, 3: 5}


def test_spread() -> None:
    """Even distances, the first one included."""
    assert spread(range(10), 5) == [0, 2, 4, 6, 8]
    assert spread(range(3), 5) == [0, 1, 2]
    assert spread(range(3), 0) == []


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, list[Shot]]:
    """A store with eight noisy pictures, of different shapes."""
    kept = Store(tmp_path_factory.mktemp("store") / "images")
    hashes: list[Shot] = []
    for number in range(8):
        picture = Picture.effect_noise((400 + 40 * number, 500), 60 + number).convert("RGB")
        out = io.BytesIO()
        picture.save(out, "PNG")
        with kept.part() as part:
            part.write(out.getvalue())
            hashes.append(shot(kept.put_new(part, "png").sha256))
    return kept, hashes


@pytest.mark.parametrize("budget", [120_000, 400_000, 2_000_000])
def test_pictures_fit_into_the_budget(store: tuple[Store, list[Shot]], budget: int) -> None:
    """All pictures are there, take no more than allowed, and those of a group have one size."""
    kept, hashes = store
    packed = pack(kept, [Group("winner", hashes[:1], 1600, 0.4), Group("grid", hashes, 768, 1.0)], budget)
    copies = [packed.get("grid", each.sha256) for each in hashes]
    assert packed.bytes <= budget
    assert all(isinstance(copy, Resized) for copy in copies)
    sides = [max(copy.width, copy.height) for copy in copies if isinstance(copy, Resized)]
    assert sides == [min(packed.sides["grid"], max(500, 400 + 40 * number)) for number in range(8)]
    winner, same = packed.get("winner", hashes[0].sha256), packed.get("grid", hashes[0].sha256)
    assert isinstance(winner, Resized)
    assert isinstance(same, Resized)
    assert winner.width >= same.width


def test_copies_say_that_they_were_generated(store: tuple[Store, list[Shot]]) -> None:
    """Each copy has its label in XMP, with the hash of its prompt, and SIMULATED where it was."""
    kept, shots = store
    for simulated in (False, True):
        copy = pack(kept, [Group("grid", shots[:1], 256, 1.0)], 10**6, simulated=simulated).get("grid", shots[0].sha256)
        assert isinstance(copy, Resized)
        assert label_of(copy.data, copy.format) == "iptc"
        assert ("0" * 64).encode() in copy.data
        assert (b"SIMULATED" in copy.data) is simulated


def test_without_room_the_smallest_step_is_used(store: tuple[Store, list[Shot]]) -> None:
    """A budget of nothing still gives every picture, as small as they get; the caller shows fewer."""
    kept, hashes = store
    packed = pack(kept, [Group("grid", hashes, 768, 1.0)], 0)
    assert packed.sides["grid"] == STEPS[-1][0]
    assert packed.bytes > 0


def test_what_can_not_be_shown_has_a_reason(store: tuple[Store, list[Shot]], tmp_path: Path) -> None:
    """A file that is missing, or that is no image, is a sentence in its place."""
    kept, _ = store
    gone = "0" * 64
    with kept.part() as part:
        part.write(b"\x89PNG\r\n\x1a\n not an image")
        damaged = kept.put_new(part, "png").sha256
    packed = pack(kept, [Group("grid", [shot(gone), shot(damaged)], 768, 1.0)], 100_000)
    assert packed.get("grid", gone) == "its file is not in the store"
    assert "png" in str(packed.get("grid", damaged))
