"""The built-in measures against what they are defined as."""

from __future__ import annotations

import io
import random
import statistics
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from promptlab.scoring import pixels, scorer_names
from promptlab.scoring.decoding import decoded
from promptlab.scoring.duplicates import near_duplicates
from promptlab.scoring.facts import Drift, Label, Size
from promptlab.scoring.reading import character_error_rate, quoted_texts
from promptlab.scoring.scorer import ImageRow
from promptlab.spec.score_checks import BUILT_IN_SCORES


def noise(seed: int, size: tuple[int, int] = (31, 17)) -> Image.Image:
    return Image.frombytes("RGB", size, random.Random(seed).randbytes(size[0] * size[1] * 3))


def numbers(picture: Image.Image) -> list[tuple[int, ...]]:
    data = picture.tobytes()
    bands = len(picture.getbands())
    return [tuple(data[at : at + bands]) for at in range(0, len(data), bands)]


@pytest.mark.parametrize("seed", range(3))
def test_sharpness_is_the_variance_of_the_laplacian(seed: int) -> None:
    """Each inner pixel's four neighbours minus four times itself; the variance of that, without clipping."""
    grey = noise(seed).convert("L")
    width, height = grey.size
    at: Callable[[int, int], Any] = lambda x, y: grey.getpixel((x, y))  # noqa: E731
    laplacian: list[int] = [
        at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1) - 4 * at(x, y)
        for x in range(1, width - 1)
        for y in range(1, height - 1)
    ]
    assert pixels.sharpness(grey.convert("RGB")) == pytest.approx(statistics.pvariance(laplacian), rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_contrast_is_the_deviation_of_the_grey_levels(seed: int) -> None:
    """Root mean square contrast, as a share of full scale."""
    levels = [value for (value,) in numbers(noise(seed).convert("L"))]
    assert pixels.contrast(noise(seed)) == pytest.approx(statistics.pstdev(levels) / 255, rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_colourfulness_is_that_of_the_paper(seed: int) -> None:
    """M3 = σ(rg, yb) + 0.3 μ(rg, yb), with rg = R - G and yb = (R + G) / 2 - B."""
    pairs = [(r - g, (r + g) / 2 - b) for r, g, b in numbers(noise(seed))]
    rg, yb = zip(*pairs, strict=True)
    spread = (statistics.pvariance(rg) + statistics.pvariance(yb)) ** 0.5
    mean = (statistics.fmean(rg) ** 2 + statistics.fmean(yb) ** 2) ** 0.5
    assert pixels.colourfulness(noise(seed)) == pytest.approx(spread + 0.3 * mean, rel=1e-5)


@pytest.mark.parametrize("measure", [pixels.sharpness, pixels.contrast, pixels.colourfulness])
def test_one_flat_grey_has_nothing(measure: Callable[[Image.Image], float]) -> None:
    """A flat grey is neither sharp nor contrasty nor colourful, at any size."""
    for size in ((1, 1), (2, 2), (64, 48)):
        assert measure(Image.new("RGB", size, (90, 90, 90))) == pytest.approx(0, abs=1e-3)


def test_blurring_makes_less_sharp() -> None:
    """A blurred picture is less sharp than the same picture."""
    picture = noise(1, (64, 64))
    assert pixels.sharpness(picture.filter(ImageFilter.GaussianBlur(2))) < pixels.sharpness(picture) / 10


@pytest.mark.parametrize(
    ("box", "share"),
    [
        ((0, 0, 40, 40), 0.0),  # the picture fills the frame
        ((0, 10, 40, 30), 0.5),  # bars above and below
        ((10, 0, 40, 40), 0.25),  # one at the left
        ((10, 10, 30, 30), 0.75),  # a frame
    ],
)
def test_an_empty_border_is_the_share_of_plain_rows_and_columns(box: tuple[int, ...], share: float) -> None:
    """What is plain at each side, up to the first pixel that differs, counts with its area."""
    frame = Image.new("RGB", (40, 40), (250, 250, 250))
    frame.paste(noise(4, (box[2] - box[0], box[3] - box[1])), (box[0], box[1]))
    assert pixels.empty_border(frame) == pytest.approx(share)


def test_bars_of_two_colours_are_both_border() -> None:
    """Each side has its own colour: black above, white below."""
    frame = noise(2, (40, 40))
    frame.paste((0, 0, 0), (0, 0, 40, 8))
    frame.paste((255, 255, 255), (0, 36, 40, 40))
    assert pixels.empty_border(frame) == pytest.approx(12 / 40)


def test_a_blank_image_is_all_border() -> None:
    """One flat colour is 1, which finds blank images."""
    assert pixels.empty_border(Image.new("RGB", (30, 20), "white")) == 1.0


@pytest.mark.parametrize(
    ("mode", "suffix"), [("RGBA", "PNG"), ("P", "PNG"), ("L", "PNG"), ("I;16", "PNG"), ("RGB", "JPEG")]
)
def test_every_kind_of_file_becomes_rgb(mode: str, suffix: str) -> None:
    """Transparency lies on white, 16-bit grey is scaled, palettes and greys are converted."""
    value: Any = {"RGBA": (10, 20, 30, 0), "P": 0, "L": 128, "I;16": 128 * 257, "RGB": (128, 128, 128)}[mode]
    file = io.BytesIO()
    Image.new(mode, (8, 8), value).save(file, suffix)
    picture = decoded(file.getvalue())
    assert picture.mode == "RGB"
    if mode in ("L", "I;16", "RGB"):
        assert picture.getpixel((4, 4)) == (128, 128, 128)
    if mode == "RGBA":
        assert picture.getpixel((4, 4)) == (255, 255, 255)


def test_what_is_not_an_image_is_a_sentence() -> None:
    """Bytes that Pillow can't decode are a ValueError with words."""
    with pytest.raises(ValueError, match="can't be decoded"):
        decoded(b"<html>")


def row(**changes: Any) -> ImageRow:
    return ImageRow(**{"image_id": "i", "experiment": "e", "variant": "v", "prompt": "a teapot"} | changes)


@pytest.mark.parametrize(
    ("params", "size", "wanted"),
    [
        ({"size": "1024x1536"}, (1024, 1536), {"size_off": 0, "aspect_off": 0}),
        ({"size": "1000x1000"}, (900, 1000), {"size_off": 0.1, "aspect_off": 1 / 0.9 - 1}),
        ({"aspect_ratio": "16:9"}, (1600, 900), {"aspect_off": 0}),
        ({"aspect_ratio": "1:1"}, (1000, 800), {"aspect_off": 0.25}),
        ({"aspect_ratio": "1:1"}, (800, 1000), {"aspect_off": 0.25}),
    ],
)
def test_size_and_shape_against_what_was_asked(
    params: dict[str, str], size: tuple[int, int], wanted: dict[str, float]
) -> None:
    """Both are 0 where the image is as asked, and grow with the deviation, whichever side is too long."""
    asked = row(params=params, width=size[0], height=size[1])
    assert Size().applies(asked)
    assert Size().score(None, asked) == pytest.approx(wanted)  # type: ignore[arg-type]


def test_nothing_is_measured_where_nothing_was_asked() -> None:
    """auto, no size, no revised prompt, no label: the scorers do not apply."""
    assert not Size().applies(row(params={"size": "auto"}))
    assert not Drift().applies(row())
    assert not Label().applies(row())


def test_drift_is_what_the_revised_prompt_does_not_keep() -> None:
    """0 for the same words, 1 where none is kept."""
    drift = Drift()
    assert drift.score(None, row(revised_prompt="a teapot"))["drift"] == 0  # type: ignore[arg-type]
    assert drift.score(None, row(revised_prompt="some oak stools"))["drift"] == 1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ('a sign "OPEN" and a sign “Closed  now”', ["OPEN", "Closed now"]),
        ("un panneau «OUVERT», ein Schild „Offen“", ["OUVERT", "Offen"]),
        ("a baker's sign 'FRESH BREAD' at five o'clock", ["FRESH BREAD"]),
        ('the word "SALE" twice: "SALE"', ["SALE"]),
        ("看板「営業中」", ["営業中"]),
        ('a 12" shelf and a 14" shelf', []),
        ("nothing is quoted, it's plain", []),
    ],
)
def test_quoted_texts(prompt: str, texts: list[str]) -> None:
    """Every kind of quotes, each text once, no apostrophes."""
    assert quoted_texts(prompt) == texts


@pytest.mark.parametrize(
    ("asked", "read", "rate", "shown"),
    [
        ("SALE TODAY", "simulated\nSale  Today!", 0.0, "Sale Today"),
        ("SALE", "SALF", 0.25, "SALF"),
        ("SALE", "SAL", 0.25, "SAL"),
        ("SALE", "", 1.0, ""),
        ("50 % – off", "50 % - off", 0.0, "50 % - off"),
        ("Café", "Cafe\u0301", 0.0, "Café"),
    ],
)
def test_character_error_rate(asked: str, read: str, rate: float, shown: str) -> None:
    """Errors per character asked for, wherever it stands; case, dashes and composed letters are no errors."""
    assert character_error_rate(asked, read) == (pytest.approx(rate), shown)


@given(st.text("abc ", min_size=1, max_size=8), st.text("abc ", max_size=12))
def test_character_error_rate_is_the_best_substring(asked: str, read: str) -> None:
    """It is the least edit distance to any part of what was read."""
    wanted, seen = " ".join(asked.split()), " ".join(read.split())
    parts = {seen[i:j] for i in range(len(seen) + 1) for j in range(i, len(seen) + 1)}
    best = min(distance(wanted, part) for part in parts)
    rate, shown = character_error_rate(asked, read)
    assert rate == pytest.approx(min(1.0, best / len(wanted)) if wanted else 0.0)
    assert shown in seen


def distance(a: str, b: str) -> int:
    before = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        now = [i]
        for j, y in enumerate(b, 1):
            now.append(min(before[j] + 1, now[-1] + 1, before[j - 1] + (x != y)))
        before = now
    return before[-1]


def hashes(number: int, seed: int = 0) -> dict[str, str]:
    chance = random.Random(seed)
    return {f"i{place}": f"{chance.getrandbits(64):016x}" for place in range(number)}


@given(st.lists(st.integers(0, 2**64 - 1), max_size=12), st.integers(0, 11), st.lists(st.integers(0, 63), max_size=9))
def test_near_duplicates_are_exactly_those_within_six_bits(values: list[int], which: int, bits: list[int]) -> None:
    """What is found by parts is what comparing all pairs finds."""
    if values:
        flipped = values[which % len(values)]
        for bit in bits:
            flipped ^= 1 << bit
        values = [*values, flipped]
    named = {f"i{place}": f"{value:016x}" for place, value in enumerate(values)}
    slow = {
        a: others
        for a, x in named.items()
        if (others := [b for b, y in named.items() if b != a and (int(x, 16) ^ int(y, 16)).bit_count() <= 6])
    }
    assert near_duplicates(named) == slow


def test_near_duplicates_of_a_large_run_are_not_compared_pair_by_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 4,000 images, eight million pairs, some ten thousand are looked at."""
    from promptlab.scoring import duplicates

    looked = 0

    def counted(*arguments: Any) -> Any:
        nonlocal looked
        for pair in candidates(*arguments):
            looked += 1
            yield pair

    candidates = duplicates._candidates
    monkeypatch.setattr(duplicates, "_candidates", counted)
    many = hashes(4000)
    many["copy"] = f"{int(many['i7'], 16) ^ 0b101:016x}"
    assert near_duplicates(many) == {"i7": ["copy"], "copy": ["i7"]}
    assert looked < 150_000


def test_equal_images_are_all_found_however_many() -> None:
    """A run of flat images shares one hash: each has all the others."""
    found = near_duplicates(dict.fromkeys((f"i{place}" for place in range(300)), "0" * 16))
    assert {len(others) for others in found.values()} == {299}


def test_the_catalogue_for_editors_is_what_the_scorers_give() -> None:
    """The names that the JSON schema offers are exactly the built-in scorers' own."""
    from promptlab.scoring import BUILT_IN, scorer

    assert set(BUILT_IN) <= set(scorer_names())
    assert {name for each in BUILT_IN for name in scorer(each).scores} == set(BUILT_IN_SCORES)
    assert all(scorer(each).network is False for each in BUILT_IN)
