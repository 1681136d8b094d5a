"""Pictures: deterministic, legible, different where they should be."""

import hashlib
import io
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat

from promptlab.cli.try_command import DEFAULT_NEGATIVES
from promptlab.simulator.pictures import draw as draw_module
from promptlab.simulator.pictures.compose import SIZES, PictureRequest, compose
from promptlab.simulator.pictures.draw import SourceImage, draw, small
from promptlab.simulator.pictures.finish import FLAW_RATE, flaws_of
from promptlab.simulator.pictures.glyphs import GLYPHS
from promptlab.simulator.pictures.paint import Lamp, draw_sprite
from promptlab.simulator.pictures.palette import FIXED, thing_colours
from promptlab.simulator.pictures.prompt_reader import read
from promptlab.simulator.pictures.rng import Dice
from promptlab.simulator.pictures.vocabulary import TABLES

CLEAN = "blurry, watermark, text artefacts, low quality, distorted"


def recipe(
    prompt: str = "ceramic teapot on linen", negative: str = CLEAN, seed: int = 11, **more: Any
) -> PictureRequest:
    return PictureRequest(
        more.get("model", "gpt-image-2"), prompt, negative, more.get("ratio", "1:1"), seed, more.get("position", 0)
    )


def distance(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of pixels, 0 to 255."""
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


def pixels(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def test_the_same_in_another_process() -> None:
    """The same order gives the same bytes in processes with different hash seeds, in every format."""
    code = (
        "import hashlib\nfrom promptlab.simulator.pictures.compose import PictureRequest\n"
        "from promptlab.simulator.pictures.draw import SourceImage, draw\n"
        "r = PictureRequest('m', 'red mug and a gizmo on wood, watercolour', 'text', '4:3', 5, 1)\n"
        "print(hashlib.sha256(draw(r, 'png', source=SourceImage(None, 'cat lamp'), strength=0.5)).hexdigest())\n"
        "print(hashlib.sha256(draw(r, 'webp')).hexdigest(), hashlib.sha256(draw(r, 'jpg')).hexdigest())\n"
        "w = 'two rusty robots dancing on a beach in the rain, zibbling, low angle, red light, dreamy, stained glass'\n"
        "print(hashlib.sha256(draw(PictureRequest('m', w, '', '16:9', 7, 0), 'png')).hexdigest())\n"
        "for f in ('png', 'jpg', 'webp'):\n"
        "    print(hashlib.sha256(draw(r, f, fast=True, fast_bytes=5000)).hexdigest())\n"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": salt}, capture_output=True, check=True
        ).stdout
        for salt in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert len(set(runs[0].split())) == 7


@pytest.mark.parametrize("ratio", list(SIZES))
def test_sizes(ratio: str) -> None:
    """Every aspect ratio has its 1024 px class size, multiples of 32, and the ratio it says."""
    width, height = compose(recipe(ratio=ratio)).size
    assert (width, height) == SIZES[ratio]
    wide, high = (int(part) for part in ratio.split(":"))
    assert width / height == pytest.approx(wide / high, rel=0.02)


@pytest.mark.parametrize(
    ("other", "least"),
    [
        (recipe(seed=22), 10),
        (recipe(position=1), 5),
        (recipe(prompt="ceramic teapot on linen, golden hour"), 20),
        (recipe(prompt="ceramic teapot on linen, neon light"), 60),
        (recipe(prompt="ceramic teapot on linen, watercolour"), 5),
        (recipe(prompt="ceramic teapot on linen, film noir"), 40),
        (recipe(prompt="oak stool on linen"), 8),
        (recipe(prompt="red teapot on linen"), 4),
        (recipe(prompt='ceramic teapot on linen, "SALE 50%"'), 1),
        (recipe(model="another-model"), 4),
        (recipe(prompt="ceramic teapot on marble"), 3),
    ],
)
def test_different(other: PictureRequest, least: float) -> None:
    """Another seed, position, light, style, thing, colour, ground, quote or model shows in the pixels."""
    assert distance(compose(recipe()), compose(other)) > least


def test_negative_takes_away() -> None:
    """A negative word takes its thing away, and moves nothing else."""
    prompt = "teapot and a plant on linen"
    both, without = compose(recipe(prompt)), compose(recipe(prompt, CLEAN + ", plant"))
    changed = ImageChops.difference(both, without).convert("L").point([255 if i > 8 else 0 for i in range(256)])
    share = ImageStat.Stat(changed).mean[0] / 255
    assert 0.02 < share < 0.4
    reading = read(prompt, "plants")
    assert "plant" in reading.removed


SENT = read("", ", ".join(DEFAULT_NEGATIVES))
FLAWS = set(FLAW_RATE)


def test_flaws_are_rare_and_the_seeds_own() -> None:
    """A few seeds in a hundred are flawed without a negative prompt; a prompt can't change which."""
    bare, seeds = read("ceramic teapot", ""), range(3000)
    found = {seed: flaws_of(bare, seed, 0) for seed in seeds}
    assert {flaw for flaws in found.values() for flaw in flaws} == FLAWS
    assert 0.03 < sum(bool(flaws) for flaws in found.values()) / len(seeds) < 0.1
    other = read("a cat in the rain, watercolour", "")
    assert all(flaws_of(other, seed, 0) == found[seed] for seed in seeds)


def test_default_negatives_rule_out_every_flaw() -> None:
    """What `try` sends leaves no flaw; one word rules its own flaw out and no other changes."""
    assert not any(flaws_of(SENT, seed, position) for seed in range(3000) for position in range(2))
    bare = read("", "")
    for word, flaw in (("blurry", "blur"), ("watermark", "watermark"), ("text", "garble"), ("low quality", "blocks")):
        calm = read("", f"ugly, {word}")
        for seed in range(300):
            assert flaws_of(calm, seed, 0) == [one for one in flaws_of(bare, seed, 0) if one != flaw]


def test_blurry_is_blurry() -> None:
    """A blurred picture has softer edges than the same one with `blurry` ruled out."""
    prompt = "ceramic teapot on linen"
    seed = next(seed for seed in range(9999) if flaws_of(read(prompt, ""), seed, 0) == ["blur"])

    def sharpness(negative: str) -> float:
        grey = compose(recipe(prompt, negative, seed)).convert("L")
        return ImageStat.Stat(ImageChops.difference(grey, ImageChops.offset(grey, 1, 0))).mean[0]

    assert sharpness("") < 0.6 * sharpness("blurry")


def test_strength() -> None:
    """An edit moves from the source to the prompt's picture, a step further with every step of strength."""
    source = draw(recipe("armchair in a living room"), "png")
    target = pixels(draw(recipe("tropical beach at sunset"), "png"))
    steps = [
        pixels(draw(recipe("tropical beach at sunset"), "png", source=SourceImage(source, ""), strength=strength))
        for strength in (0.0, 0.3, 0.6, 0.9, 1.0)
    ]
    from_source = [distance(step, pixels(source)) for step in steps]
    to_target = [distance(step, target) for step in steps]
    assert from_source == sorted(from_source)
    assert to_target == sorted(to_target, reverse=True)
    assert from_source[0] < 1
    assert from_source[1] < 0.5 * from_source[3]
    assert to_target[3] < 0.1 * to_target[0]


def test_marked() -> None:
    """Every picture carries the mark in its corner, edits and styles too."""
    for prompt in ("teapot, studio light", "teapot, watercolour", "teapot, neon"):
        image = compose(recipe(prompt))
        corner = image.crop((image.width - 110, image.height - 40, image.width - 14, image.height - 14)).convert("L")
        assert max(corner.getextrema()) > 200  # type: ignore[type-var, operator]
        assert ImageStat.Stat(corner).stddev[0] > 15


@pytest.mark.parametrize(("name", "form"), [("png", "PNG"), ("jpg", "JPEG"), ("webp", "WEBP")])
@pytest.mark.parametrize("target", [0, 60_000, 200_001])
def test_small(name: str, form: str, target: int) -> None:
    """A fast image is a whole file of its format, of about the size asked for, and its own for each name."""
    files = [small(str(index), (1344, 768), name, target) for index in range(50)]
    assert len({hashlib.sha256(file).digest() for file in files}) == 50
    for file in files[:3]:
        image = Image.open(io.BytesIO(file))
        image.load()
        assert image.format == form
        assert image.size == (64, 36)
        assert target <= len(file) + 2 < max(target, 1500) + 40


def test_vocabulary() -> None:
    """Every synonym leads to a drawn thing, every drawn thing wears known colours, and there are many."""
    assert set(TABLES["things"].values()) <= set(GLYPHS)
    assert len(GLYPHS) > 60
    for glyph in GLYPHS.values():
        assert set(glyph.colours) <= set(FIXED)


@pytest.mark.parametrize(
    ("prompt", "things", "rest"),
    [
        (
            "A modern office lobby with glass walls, indoor plants, and warm lighting",
            ["plant"],
            ("lobby", None, "golden", None),
        ),
        ("two red mugs and a wooden desk lamp on marble, 35mm film", ["mug", "lamp"], (None, "marble", None, "film")),
        (
            "workspace with a laptop, coffee cup, and succulent plant on a white desk, soft natural lighting",
            ["laptop", "mug", "plant"],
            (None, "wood", "soft", None),
        ),
        ("Change the background to a tropical beach at sunset", [], ("beach", None, "sunset", None)),
        ("a trebuchet on concrete, noir", ["trebuchet"], (None, "concrete", None, "noir")),
        ('poster that says "SALE of mugs" with sneakers', ["shoe"], (None, None, None, "poster")),
        ("", [], (None, None, None, None)),
    ],
)
def test_reading(prompt: str, things: list[str], rest: tuple[str | None, ...]) -> None:
    """Prompts are read as a person would: things, place, ground, light, style."""
    reading = read(prompt, "")
    assert [thing.glyph or thing.word for thing in reading.things] == things
    assert (reading.place, reading.ground, reading.light, reading.style) == rest


def test_quotes_and_colours() -> None:
    """Quoted text is text, not things; a negative `text` takes it away, `text artefacts` does not; colours stick."""
    prompt = 'a red mug, "SALE 50%", a sailor\'s hat'
    assert read(prompt, "text artefacts").texts == ("SALE 50%",)
    assert read(prompt, "blurry, text").texts == ()
    assert [(thing.glyph, thing.colour) for thing in read(prompt, "").things] == [("mug", "red"), ("hat", None)]


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=80), st.text(max_size=40))
def test_reading_is_total(prompt: str, negative: str) -> None:
    """Any text can be read."""
    read(prompt, negative)


@settings(max_examples=12, deadline=None)
@given(st.text(min_size=1, max_size=60), st.integers(-(2**63), 2**63 - 1), st.sampled_from(list(SIZES)))
def test_drawing_is_total(prompt: str, seed: int, ratio: str) -> None:
    """Any prompt and seed can be drawn, quoted text in any script included."""
    assert compose(recipe(f'{prompt} "{prompt}"', "", seed, ratio=ratio)).size == SIZES[ratio]


@pytest.mark.parametrize(
    "style",
    [
        "film",
        "watercolour",
        "noir",
        "ink drawing",
        "oil painting",
        "poster",
        "risograph",
        "pixel art",
        "pastel",
        "cinematic",
        "vintage",
        "photo",
    ],
)
def test_styles_differ(style: str) -> None:
    """Every style looks unlike no style."""
    prompt = "teapot and a lamp in a room"
    assert distance(compose(recipe(prompt)), compose(recipe(f"{prompt}, {style}"))) > (0.5 if style == "photo" else 4)


@pytest.mark.parametrize("height", [40.0, 899.5, 1341.0864, 2300.7])
@pytest.mark.parametrize("name", ["mug", "sofa", "tree"])
def test_sprites_of_any_height(height: float, name: str) -> None:
    """A thing is as tall as it is asked to be; beyond the largest it is drawn smaller and blown up."""
    lamp = Lamp(0.7, -0.6, (255, 244, 226), (84, 76, 104))
    colours = thing_colours(name, GLYPHS[name].colours, (), Dice("test"))
    assert draw_sprite(GLYPHS[name], height, colours, lamp).image.height == pytest.approx(height, rel=0.02, abs=20)


def test_prepared_pictures_are_those_of_earlier_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load test's small pictures come from a text about the request, which stays as it was in 0.1."""
    texts: list[str] = []
    monkeypatch.setattr(draw_module, "small", lambda text, *_: texts.append(text) or b"")
    draw(recipe("a mug", "", 5), "png", fast=True)
    draw(recipe("a mug", "", 5), "jpg", source=SourceImage(None, "cat lamp"), strength=0.5, fast=True)
    told = "Recipe(model='gpt-image-2', prompt='a mug', negative_prompt='', aspect_ratio='1:1', seed=5, position=0)"
    assert texts == [f"{told} None ", f"{told} Source(data=None, words='cat lamp') 0.5"]
