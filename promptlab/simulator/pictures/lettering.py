"""Text in pictures: what a prompt quotes, flaws of letters and watermarks, and the mark that says simulated.

The font that Pillow brings knows ASCII and a few marks; whatever else is quoted would come out as empty boxes, so it is
spelt with letters that the font has, or as strokes (data/letters.json).
"""

from __future__ import annotations

import functools
import io
import unicodedata
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFilter, ImageFont

from promptlab.simulator.pictures.data import tables
from promptlab.simulator.pictures.looks import Look
from promptlab.simulator.pictures.palette import RGB, grey, mix
from promptlab.simulator.pictures.rng import Dice

__all__ = ["Letter", "draw_texts", "garble", "mark", "units", "watermark"]


_HAS = frozenset(map(chr, range(32, 127))) | frozenset("©«°±´·»‘’“”…‹›⁄™")


@dataclass(frozen=True, slots=True)
class Letter:
    """What is drawn at one place: a letter or two the font has, with accents; or, with `strokes`, its own sign."""

    text: str
    accents: tuple[str, ...] = ()
    strokes: bool = False


_TABLES = tables("letters")
#: Combining marks that are drawn, by their name.
ACCENTS: dict[str, str] = _TABLES["accents"]
_SIMPLE: dict[str, str] = _TABLES["simple"]
#: Letters of other scripts and how they sound, as in a passport.
_SOUNDS: dict[str, str] = {
    letter: sound
    for letters, sounds in _TABLES["sounds"]
    for letter, sound in zip(letters, sounds.split(), strict=True)
}
_HANGUL = {start + index: sound for start, sounds in _TABLES["jamo"] for index, sound in enumerate(sounds.split())}


def _kana(letter: str) -> str:
    """A katakana letter as its hiragana."""
    return chr(ord(letter) - 0x60) if "\u30a1" <= letter <= "\u30f6" else letter


def _sound(letter: str) -> str | None:
    low = letter.lower()
    found = _SOUNDS.get(_kana(low))
    if found is None:
        return None
    return found[:1].upper() + found[1:] if letter != low else found


def _hangul(letter: str) -> str:
    jamo = unicodedata.normalize("NFD", letter)
    return "".join(_HANGUL.get(ord(part), "").replace("-", "") for part in jamo)


def _indic(letter: str, name: str, before: list[Letter]) -> bool:
    """Letters of the Indic scripts carry their sound in their Unicode name; a vowel sign replaces the inherent `a`."""
    _, middle, sound = name.partition(" LETTER ")
    if middle and len(sound) <= 4 and " " not in sound:
        before.append(Letter(sound.lower()))
        return True
    if " VOWEL SIGN " not in name and "VIRAMA" not in name:
        return False
    if before and before[-1].text.endswith("a"):
        before[-1] = Letter(before[-1].text[:-1])
    if " VOWEL SIGN " in name:
        before.append(Letter(name.rpartition(" ")[2].lower()))
    return True


_INDIC = ("DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI", "ORIYA", "TAMIL", "TELUGU", "KANNADA", "MALAYALAM")


@functools.lru_cache(maxsize=256)
def units(text: str) -> tuple[Letter, ...]:
    """The text as things that can be drawn; total over any text."""
    out: list[Letter] = []
    for letter in unicodedata.normalize("NFC", text):
        if letter in _HAS:
            out.append(Letter(letter))
        elif letter in _SIMPLE:
            out += [Letter(part) for part in _SIMPLE[letter]]
        elif (sound := _sound(letter)) is not None:
            out.append(Letter(sound))
        elif "\uac00" <= letter <= "\ud7a3":
            out.append(Letter(_hangul(letter)))
        else:
            _other(letter, out)
    return tuple(unit for unit in out if unit.text or unit.strokes)


def _other(letter: str, out: list[Letter]) -> None:
    """Accented letters, Indic letters, marks on their own, and all the rest."""
    split = unicodedata.normalize("NFKD", letter)
    base, marks = split[0], split[1:]
    known = _sound(base) or (base if base in _HAS and base != " " else None)
    if known is not None:
        out.append(Letter(known, tuple(ACCENTS[mark] for mark in marks if mark in ACCENTS)))
        return
    name = unicodedata.name(letter, "")
    if name.startswith(_INDIC) and _indic(letter, name, out):
        return
    kind = unicodedata.category(letter)
    if kind[0] == "M" or kind in ("Cf", "Cc", "Zs", "Zl", "Zp"):  # marks without a letter, and what is not to be seen
        if kind[0] == "Z":
            out.append(Letter(" "))
    else:
        out.append(Letter(letter, strokes=True))


Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@functools.lru_cache(maxsize=64)
def _font(size: int) -> Font:
    """Pillow's own font, set without the optional library for complex scripts, so that every machine sets it alike."""
    font = ImageFont.load_default(size)
    if isinstance(font, ImageFont.FreeTypeFont):
        return ImageFont.truetype(io.BytesIO(font.font_bytes), size, layout_engine=ImageFont.Layout.BASIC)
    return font


def _wide(unit: Letter, size: int) -> float:
    return size * 0.92 if unit.strokes else _font(size).getlength(unit.text)


def _width(text: str, size: int) -> float:
    return sum(_wide(unit, size) for unit in units(text))


def _fit(text: str, width: float, largest: int) -> int:
    """The largest size up to `largest` at which the text is at most `width` pixels wide."""
    at_hundred = max(1.0, _width(text, 100))
    return max(14, min(largest, int(width / at_hundred * 100)))


def _stroke(mask: Image.Image, at: tuple[float, float], text: str, size: int, weight: int) -> None:
    """The text with its middle at a point; what the font lacks is drawn."""
    pen, font = ImageDraw.Draw(mask), _font(size)
    if all(not unit.accents and not unit.strokes for unit in units(text)):
        plain = "".join(unit.text for unit in units(text))
        pen.text(at, plain, font=font, fill=255, anchor="mm", stroke_width=weight, stroke_fill=255)
        return
    x, base = at[0] - _width(text, size) / 2, at[1] + size * 0.34
    for unit in units(text):
        if unit.strokes:
            _sign(pen, (x + size * 0.06, base - size * 0.74), size * 0.8, unit.text, max(2, size // 13))
        else:
            pen.text((x, base), unit.text, font=font, fill=255, anchor="ls", stroke_width=weight, stroke_fill=255)
            for accent in unit.accents:
                high = unit.text[:1].isupper() or unit.text[:1] in "bdfhklt"
                _accent(pen, accent, x + _wide(unit, size) / 2, base, size, high)
        x += _wide(unit, size)


def _accent(pen: ImageDraw.ImageDraw, accent: str, x: float, base: float, size: int, high: bool) -> None:
    """A mark over or under a letter whose middle is at x."""
    top, r, width = base - size * (0.84 if high else 0.66), size * 0.1, max(2, size // 14)

    def line(*points: tuple[float, float]) -> None:
        pen.line([(x + a * r, top + b * r) for a, b in points], fill=255, width=width, joint="curve")

    lines = {
        "acute": ((-0.5, 0.7), (0.8, -0.7)), "grave": ((0.5, 0.7), (-0.8, -0.7)), "macron": ((-1.2, 0), (1.2, 0)),
        "circumflex": ((-1.1, 0.7), (0, -0.6), (1.1, 0.7)), "caron": ((-1.1, -0.7), (0, 0.6), (1.1, -0.7)),
        "tilde": ((-1.3, 0.4), (-0.6, -0.4), (0.4, 0.3), (1.3, -0.4)), "breve": ((-1.1, -0.6), (0, 0.5), (1.1, -0.6)),
        "hook": ((-0.3, -0.8), (0.6, -0.5), (0, 0.6)), "horn": ((1.6, 0.9), (2.3, 0.1)),
    }  # fmt: skip
    if accent in lines:
        line(*lines[accent])
    elif accent == "double acute":
        line((-0.9, 0.7), (0.0, -0.7))
        line((0.5, 0.7), (1.4, -0.7))
    elif accent in ("diaeresis", "dot", "ring"):
        dots = {"diaeresis": (-0.95, 0.95)}.get(accent, (0.0,))
        for a in dots:
            d = r * (0.9 if accent == "ring" else 0.5)
            area = (x + a * r - d, top - d, x + a * r + d, top + d)
            pen.ellipse(area, fill=None if accent == "ring" else 255, outline=255, width=max(2, width * 3 // 4))
    else:
        low = base + size * 0.06
        if accent == "dot below":
            pen.ellipse((x - r * 0.5, low + r * 0.4, x + r * 0.5, low + r * 1.4), fill=255)
        else:
            pen.line((x, low - r * 0.4, x + r * 0.5, low + r * 0.5, x - r * 0.6, low + r * 1.2), fill=255, width=width)


def _sign(pen: ImageDraw.ImageDraw, at: tuple[float, float], size: float, letter: str, width: int) -> None:
    """A sign that stands for a letter without a glyph here: brush strokes in a square, its own for each letter."""
    dice, (x, y) = Dice("sign of", letter), at
    rows = sorted(dice.between(0.06, 0.96) for _ in range(3 + int(dice.unit() * 2)))
    for row in rows:
        left, right = dice.between(0.02, 0.3), dice.between(0.68, 0.98)
        pen.line((x + left * size, y + row * size + 1, x + right * size, y + row * size - 1), fill=255, width=width)
    column = dice.between(0.32, 0.66)
    pen.line((x + column * size, y, x + column * size, y + size), fill=255, width=width)
    for way in (-1, 1):
        start = dice.between(0.3, 0.6)
        pen.line(
            (x + column * size, y + start * size, x + (column + way * 0.22) * size, y + (start + 0.2) * size,
             x + (column + way * 0.42) * size, y + 0.98 * size), fill=255, width=width, joint="curve",
        )  # fmt: skip


_SCALES = {"giant": 1.7, "big": 1.35, "small": 0.62, "tiny": 0.45, "tall": 1.3, "wide": 1.2, "thin": 0.8}


def draw_texts(image: Image.Image, texts: tuple[str, ...], look: Look, dice: Dice, wanted: str = "") -> None:
    """Quoted text, large in the sky, one line per quote; neon light makes it a tube."""
    y = image.height * dice.between(0.11, 0.17)
    for text in texts[:3]:
        size = _fit(text, image.width * 0.82, round(image.height * 0.13 * _SCALES.get(wanted, 1.1)))
        mask = Image.new("L", (image.width, size * 2))
        _stroke(mask, (image.width / 2, size), text, size, max(1, size // 34))
        place = (0, round(y) - size)
        under = image.resize((1, 1), Image.Resampling.BOX, box=(0, max(0, y - size), image.width, y + size)).getpixel(
            (0, 0)
        )
        assert isinstance(under, tuple)
        colour = _ink((int(under[0]), int(under[1]), int(under[2])), look)
        halo = mask.filter(ImageFilter.BoxBlur(size / 9)).filter(ImageFilter.BoxBlur(size / 7))
        if look.rim > 0.5:
            image.paste(look.accents[0], place, halo)
            colour = (255, 226, 244)
        else:
            image.paste(look.shade, (place[0], place[1] + size // 18), halo.point([i // 3 for i in range(256)]))
        image.paste(colour, place, mask)
        y += size * 1.2


def _ink(under: RGB, look: Look) -> RGB:
    return mix((255, 252, 244), look.key, 0.15) if grey(under) < 150 else mix((38, 30, 48), look.shade, 0.25)


def watermark(image: Image.Image, dice: Dice) -> Image.Image:
    """A stock site's diagonal watermark, the flaw that the negative prompt `watermark` removes."""
    size = round(min(image.size) * 0.075)
    tile = Image.new("L", (image.width * 3 // 2, image.width * 3 // 2))
    for row in range(0, tile.height, size * 4):
        for column in range(0, tile.width, size * 8):
            _stroke(
                tile,
                (column + (row // 4) % (size * 4) + size * 3, row + size),
                dice.pick(("PREVIEW", "SAMPLE", "STOCK")),
                size,
                1,
            )
    turned = tile.rotate(28, Image.Resampling.BILINEAR)
    left, top = (turned.width - image.width) // 2, (turned.height - image.height) // 2
    mask = turned.crop((left, top, left + image.width, top + image.height))
    image.paste((255, 255, 255), (0, 0), mask.point([round(i * 0.46) for i in range(256)]))
    return image


def garble(image: Image.Image, dice: Dice) -> Image.Image:
    """Letters that say nothing, the flaw that the negative prompt `text` removes."""
    size = round(image.height * 0.07)
    mask = Image.new("L", image.size)
    x, y = image.width * dice.between(0.2, 0.34), image.height * dice.between(0.12, 0.3)
    for word in range(2):
        for _ in range(4 + int(dice.unit() * 3)):
            letter = dice.pick("RBQG8&KSXZ%#@")
            glyph = Image.new("L", (size * 2, size * 2))
            _stroke(glyph, (size, size), letter, size, 2)
            glyph = glyph.rotate(dice.between(-24, 24), Image.Resampling.BILINEAR)
            if dice.chance(0.4):
                glyph = glyph.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            mask.paste(255, (round(x), round(y)), glyph)
            x += size * 0.72
        x, y = x - size * dice.between(3, 5), y + size * 1.3 + word
    image.paste((34, 28, 40), (3, 4), mask.point([i // 2 for i in range(256)]))
    image.paste((250, 240, 214), (0, 0), mask)
    return image


@functools.lru_cache(maxsize=2)
def _badge() -> tuple[Image.Image, Image.Image]:
    text, size, over = "simulated", 15, 2
    wide, high = round(_width(text, size)) + 22, 25
    plate = Image.new("L", (wide * over, high * over))
    ImageDraw.Draw(plate).rounded_rectangle((0, 0, wide * over - 1, high * over - 1), radius=high, fill=120)
    ink = Image.new("L", (wide * over, high * over))
    ImageDraw.Draw(ink).text((wide, high), text, font=_font(size * over), fill=240, anchor="mm")
    return plate.reduce(over), ink.reduce(over)


def mark(image: Image.Image) -> Image.Image:
    """The small `simulated` in the lower right corner; every picture has it."""
    plate, ink = _badge()
    at = (image.width - plate.width - 14, image.height - plate.height - 14)
    image.paste((24, 22, 30), at, plate)
    image.paste((255, 255, 255), at, ink)
    return image
