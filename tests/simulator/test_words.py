"""Words: each one shows in the picture, in the way that it says."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat

from promptlab.cli.try_command import DEFAULT_NEGATIVES
from promptlab.simulator import undrawn_words
from promptlab.simulator.pictures.compose import SIZES, PictureRequest, compose
from promptlab.simulator.pictures.glyphs import GLYPHS
from promptlab.simulator.pictures.lettering import _font, units
from promptlab.simulator.pictures.prompt_reader import read
from promptlab.simulator.pictures.styles import STYLES
from promptlab.simulator.pictures.vocabulary import TABLES

LINES = (Path(__file__).parent / "pairs.txt").read_text(encoding="utf-8").splitlines()[1:]
PAIRS = [tuple(line.partition(": ")[2].split(" | ")) for line in LINES]
SENT = ", ".join(DEFAULT_NEGATIVES)
WORDS = sorted({word for table in TABLES.values() for word in table})
BOX = Image.Resampling.BOX


@functools.cache
def picture(prompt: str, seed: int = 11, negative: str = SENT) -> Image.Image:
    return compose(PictureRequest("gpt-image-2", prompt, negative, "1:1", seed, 0))


def tone(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of colour over 32 × 32 fields, 0 to 255."""
    return sum(ImageStat.Stat(ImageChops.difference(one.resize((32, 32), BOX), other.resize((32, 32), BOX))).mean) / 3


def changed(one: Image.Image, other: Image.Image) -> float:
    """The part of 64 × 64 fields where some channel differs by more than 24 of 255: what moved, came or went."""
    difference = ImageChops.difference(one.resize((64, 64), BOX), other.resize((64, 64), BOX))
    red, green, blue = difference.split()
    most = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    return ImageStat.Stat(most.point([255 if i > 24 else 0 for i in range(256)])).mean[0] / 255


def brightness(image: Image.Image, box: tuple[float, float, float, float] = (0, 0, 1, 1)) -> float:
    width, height = image.size
    part = image.crop((round(box[0] * width), round(box[1] * height), round(box[2] * width), round(box[3] * height)))
    return ImageStat.Stat(part.convert("L")).mean[0]


def hue_of(image: Image.Image) -> tuple[float, float, float]:
    red, green, blue = ImageStat.Stat(image).mean
    return red, green, blue


def test_pairs_differ() -> None:
    """Of pairs as people compare them, house negatives on, none is equal and few hardly differ (here every third)."""
    same, close = [], []
    for one, other in PAIRS[::3]:
        if picture(one).tobytes() == picture(other).tobytes():
            same.append((one, other))
        if tone(picture(one), picture(other)) < 4 and changed(picture(one), picture(other)) < 0.04:
            close.append((one, other))
    picture.cache_clear()
    assert same == []
    assert len(close) <= 1, close
    assert len(PAIRS) >= 100


@pytest.mark.storm
@pytest.mark.parametrize("seed", [11, 1234567])
def test_all_pairs_differ_with_any_seed(seed: int) -> None:
    """All hundred of them, with several seeds."""
    close = []
    for one, other in PAIRS:
        first, second = picture(one, seed), picture(other, seed)
        assert first.tobytes() != second.tobytes()
        if tone(first, second) < 4 and changed(first, second) < 0.04:
            close.append((one, other))
    picture.cache_clear()
    assert len(close) <= 6, close


def test_words_do_what_they_say() -> None:
    """Backgrounds are dark or light, backlight is brighter behind than on the thing, coloured light is coloured."""
    edge = (0.02, 0.02, 0.3, 0.2)
    assert brightness(picture("a sneaker on a black background"), edge) < 40
    assert brightness(picture("a sneaker on a white background"), edge) > 200
    assert brightness(picture("a teapot, high key")) > brightness(picture("a teapot, low key")) + 100
    red, green, blue = hue_of(picture("a teapot, red light"))
    assert red > green + 30
    red, green, blue = hue_of(picture("a teapot on a blue background"))
    assert blue > red + 40
    grey = picture("a red car, black and white").convert("HSV").split()[1]
    assert ImageStat.Stat(grey).mean[0] < 30


def thing_area(prompt: str) -> tuple[int, float]:
    """How many things stand there, and how tall the tallest is, as a part of the picture's height."""
    from promptlab.simulator.pictures import compose as made
    from promptlab.simulator.pictures.placing import Scene, place

    recipe = PictureRequest("m", prompt, SENT, "1:1", 11, 0)
    parts = made._set(recipe)
    scene = Scene(parts.size, parts.horizon, parts.look, parts.camera, made._lamp(parts.look, parts.side), 11, 0)
    things = place(parts.reading, scene)
    return len(things), max(one.sprite.image.height for one in things) / SIZES["1:1"][1]


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ("a cup", 1),
        ("two cups", 2),
        ("three cups", 3),
        ("cups", 3),
        ("five cups", 5),
        ("a dozen cups", 12),
        ("7 cups", 7),
    ],
)
def test_counts(words: str, count: int) -> None:
    """So many things as the prompt says."""
    assert thing_area(f"{words} on linen")[0] == count


def test_framing_is_a_matter_of_size() -> None:
    """From far away to macro, the thing grows with every step."""
    steps = ["extreme wide shot", "wide shot", "medium shot", "close-up", "macro"]
    sizes = [thing_area(f"a teapot on linen, {step}")[1] for step in steps]
    assert sizes == sorted(sizes)
    assert sizes[0] < 0.2 < 0.85 < sizes[3]
    assert thing_area("a tiny robot")[1] < 0.5 * thing_area("a giant robot")[1]


@pytest.mark.parametrize(
    ("prompt", "reads"),
    [
        ("a mug, soft light, neon light", {"light": "neon"}),
        ("a mug, neon light, soft light", {"light": "soft"}),
        ("a mug, soft natural lighting", {"light": "soft"}),
        ("watercolor then oil painting", {"style": "oil"}),
        ("a mug in a living room in a forest", {"place": "forest"}),
        ("a mug on a dark red background", {"backdrop_colour": "maroon"}),
        ("a mug, red light", {"gel": "red"}),
        ("a mug without a spoon", {"light": None}),
    ],
)
def test_the_last_and_the_longest_win(prompt: str, reads: dict[str, str | None]) -> None:
    """Of two words for one thing the last counts, and a phrase counts before its words."""
    reading = read(prompt, "")
    for name, value in reads.items():
        if name == "backdrop_colour":
            assert reading.backdrop == "background"
            assert str(reading.backdrop_colour).startswith(("maroon", "red"))
        else:
            assert getattr(reading, name) == value
    assert not any(thing.word == "spoon" for thing in reading.things)


@pytest.mark.parametrize(
    ("prompt", "things"),
    [
        ("a red cat and a blue dog", [("cat", "red"), ("dog", "blue")]),
        ("a blue cat and a red dog", [("cat", "blue"), ("dog", "red")]),
        ("a mug in green", [("mug", "green")]),
        ("three yellow mugs", [("mugs", "yellow")]),
        ("an orange on a red plate", [("orange", None), ("plate", "red")]),
    ],
)
def test_colours_belong_to_their_noun(prompt: str, things: list[tuple[str, str | None]]) -> None:
    """Each thing has the colour that stands with it."""
    assert [(thing.word, thing.colour) for thing in read(prompt, SENT).things] == things


@pytest.mark.parametrize(
    ("prompt", "field", "value"),
    [
        ("a velvet sofa", "material", "velvet"),
        ("a chair made of glass", "material", "glass"),
        ("a striped mug", "pattern", "striped"),
        ("a rusty car", "conditions", ("rusty",)),
        ("a dog running in a park", "action", "run"),
        ("a sleeping cat", "action", "sleep"),
        ("a giant robot", "sizes", ("giant",)),
        ("an old woman smiling", "traits", ("smile",)),
        ("dark green sofa", "shade", "darker"),
    ],
)
def test_what_is_said_of_a_thing(prompt: str, field: str, value: object) -> None:
    """Material, pattern, condition, action, size, face and shade are the thing's."""
    assert getattr(read(prompt, SENT).things[0], field) == value


@pytest.mark.parametrize(
    ("prompt", "relation"),
    [
        ("a cat on a sofa", "on"),
        ("a cat under a chair", "under"),
        ("a cat behind a sofa", "behind"),
        ("a man holding an umbrella", "hold"),
        ("a woman wearing a hat", "wear"),
        ("an apple in a bowl", "in"),
    ],
)
def test_relations(prompt: str, relation: str) -> None:
    """The word between two things says how they stand to each other."""
    assert read(prompt, "").things[1].relation == relation


def test_a_negative_word_takes_away_what_it_names() -> None:
    """A thing, a place or a weather that the negative prompt names is not there; no other word is touched."""
    reading = read("a cat and a dog on a beach in the rain, low angle", "dog, rain, low quality")
    assert reading.of("weather") == ()
    assert reading.of("camera") == ("low",)
    assert "dog" in reading.removed
    assert read("a cat on a beach", "beach").place is None


def test_undrawn_words() -> None:
    """Words without a drawing are named, once each, in their order; what is drawn is not, nor what has no content."""
    assert undrawn_words("a zibbling teapot beside the Flumox, zibbling, vellichor, 50mm, f/1.8") == (
        "zibbling", "flumox", "vellichor",
    )  # fmt: skip
    assert (
        undrawn_words("three rusty mugs on a wooden table, low angle, golden hour, watercolor, highly detailed") == ()
    )
    assert undrawn_words('a mug that says "Xyzzy Plugh"') == ()
    assert undrawn_words("") == ()


def test_undrawn_words_need_no_pillow() -> None:
    """Reading a prompt loads neither Pillow nor the server."""
    code = (
        "import sys; from promptlab.simulator import undrawn_words; assert undrawn_words('a flumox') == ('flumox',);"
        "print([name for name in ('PIL', 'asyncio', 'uvicorn', 'httpx') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_strange_words_are_stable_and_differ() -> None:
    """A word that nobody drew changes the picture, always alike, and another word otherwise."""
    plain, one, other = (picture(f"a teapot on linen{more}") for more in ("", ", vellichor", ", petrichor"))
    assert picture.__wrapped__("a teapot on linen, vellichor").tobytes() == one.tobytes()
    for first, second in ((plain, one), (plain, other), (one, other)):
        assert tone(first, second) > 4 or changed(first, second) > 0.04


def test_vocabulary_leads_to_drawings() -> None:
    """Every name of the word list is drawn or does something; every glyph has a word."""
    from promptlab.simulator.pictures import actions, camera, looks, materials, places, textures
    from promptlab.simulator.pictures.backdrop import _BEHIND
    from promptlab.simulator.pictures.overlays import IN_FRONT
    from promptlab.simulator.pictures.palette import FIXED

    assert set(TABLES["things"].values()) <= {*GLYPHS}
    assert set(GLYPHS) <= {*TABLES["things"].values()}
    shown = {*IN_FRONT, *_BEHIND, "grid", "paper", "crisp", "rough", "bloom", "reflection"}
    assert {*TABLES["moods"].values(), *TABLES["weather"].values(), *TABLES["seasons"].values()} <= {*looks.AIRS}
    assert {overlay for air in looks.AIRS.values() for overlay in air.overlays} <= shown
    assert {*TABLES["effects"].values()} <= shown
    assert {*TABLES["camera"].values()} <= {*camera._SHOTS}
    assert {*TABLES["places"].values()} <= {*places.PLACES}
    assert {*TABLES["materials"].values()} <= {*materials.MATERIALS}
    assert {*TABLES["patterns"].values()} <= {*materials._PATTERNS}
    assert {*TABLES["actions"].values()} <= {*actions._MOVES}
    assert {*TABLES["colours"].values()} <= {*FIXED}
    assert {*TABLES["grounds"].values()} <= {*textures.GROUND_COLOURS, "glasstop"}
    assert {*STYLES} <= {*TABLES["styles"].values()}


QUOTES = ["CAFÉ Über žluťoučký", "Скидка", "Καλημέρα", "大売り出し", "안녕", "שלום", "سلام", "नमस्ते", "🎉★→€", "a\u0301"]


@pytest.mark.parametrize("text", QUOTES)
def test_no_boxes_for_letters(text: str) -> None:
    """Whatever is quoted is drawn with letters the font has, or as strokes: never as the font's empty box."""
    font = _font(40)
    box = bytes(font.getmask("\uffff"))
    drawn = units(text)
    assert drawn
    for unit in drawn:
        assert unit.strokes or all(bytes(font.getmask(letter)) != box for letter in unit.text)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_can_be_spelt(text: str) -> None:
    """Any text becomes units, and none of them is empty."""
    assert all(unit.text or unit.strokes for unit in units(text))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(sorted({word for table in TABLES.values() for word in table} | {",", "zibble"})), max_size=14
    )
)
def test_reading_any_words(words: list[str]) -> None:
    """Any words in any order can be read, and counts stay small."""
    reading = read(" ".join(words), "")
    assert len(reading.things) <= 5
    assert all(1 <= thing.count <= 12 for thing in reading.things)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=9),
    st.integers(0, 99), st.sampled_from(sorted(SIZES)),
)  # fmt: skip
def test_drawing_any_words(words: list[str], seed: int, ratio: str) -> None:
    """Any words in any order can be drawn."""
    assert compose(PictureRequest("m", " ".join(words), "", ratio, seed, 0)).size == SIZES[ratio]
