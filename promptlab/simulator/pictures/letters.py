"""Letters that Pillow's own font lacks: accents, other scripts in Latin letters, signs as strokes. No Pillow here.

The font that Pillow brings knows ASCII and a few marks; whatever else a prompt quotes would come out as empty boxes.
"""

from __future__ import annotations

import functools
import unicodedata
from dataclasses import dataclass

__all__ = ["Unit", "units"]

_HAS = frozenset(map(chr, range(32, 127))) | frozenset("©«°±´·»‘’“”…‹›⁄™")
#: Combining marks that are drawn, by their name.
ACCENTS = {
    "\u0300": "grave", "\u0301": "acute", "\u0302": "circumflex", "\u0303": "tilde", "\u0304": "macron",
    "\u0306": "breve", "\u0307": "dot", "\u0308": "diaeresis", "\u030a": "ring", "\u030b": "double acute",
    "\u030c": "caron", "\u0327": "cedilla", "\u0328": "ogonek", "\u0323": "dot below", "\u0309": "hook",
    "\u031b": "horn", "\u0326": "cedilla",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unit:
    """What is drawn at one place: a letter or two the font has, with accents; or, with `strokes`, its own sign."""

    text: str
    accents: tuple[str, ...] = ()
    strokes: bool = False


def _pairs(letters: str, sounds: str) -> dict[str, str]:
    return dict(zip(letters, sounds.split(), strict=True))


_SIMPLE = {
    "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d",
    "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i", "€": "EUR ", "£": "GBP ", "¥": "JPY ", "¢": "c",
    "×": "x",
    "÷": ":", "–": "-", "—": "-", "−": "-", "‐": "-", "‑": "-", "•": "·", "¿": "?", "¡": "!", "½": "1/2", "¼": "1/4",
    "¾": "3/4", "№": "No.", "®": "(R)", "→": "->", "←": "<-", "、": ",", "。": ".", "「": "“", "」": "”", "！": "!",
    "？": "?", "・": "·", "ー": "-", "،": ",", "؟": "?", "।": ".", "§": "S", "µ": "u", "ª": "a", "º": "o", "¹": "1",
    "„": "“", "‚": "‘", "’": "’", "\u00a0": " ", "\u3000": " ", "\u200d": "", "\ufe0f": "", "\u200b": "", "…": "…",
}  # fmt: skip
_SOUNDS = (
    _pairs("абвгдеёжзийклмнопрстуфхцчшщъыьэюяіїєґўјљњћђџ",
           "a b v g d e yo zh z i y k l m n o p r s t u f kh ts ch sh shch ’ y ’ e yu ya i yi ye g u j lj nj c dj dz")
    | _pairs("αβγδεζηθικλμνξοπρσςτυφχψω", "a v g d e z i th i k l m n x o p r s s t y f ch ps o")
    | _pairs("אבגדהוזחטיכךלמםנןסעפףצץקרשת", "a b g d h v z kh t y k k l m m n n s a p p ts ts k r sh t")
    | _pairs("ابتثجحخدذرزسشصضطظعغفقكلمنهويىةأإآؤئءگچپژکی",
             "a b t th j h kh d dh r z s sh s d t z a gh f q k l m n h w y a a a i a w y ’ g ch p zh k y")
    | _pairs("あいうえおかきくけこさしすせそ", "a i u e o ka ki ku ke ko sa shi su se so")
    | _pairs("たちつてとなにぬねのはひふへほ", "ta chi tsu te to na ni nu ne no ha hi fu he ho")
    | _pairs("まみむめもやゆよらりるれろわをん", "ma mi mu me mo ya yu yo ra ri ru re ro wa wo n")
    | _pairs("がぎぐげござじずぜぞだぢづでど", "ga gi gu ge go za ji zu ze zo da ji zu de do")
    | _pairs("ばびぶべぼぱぴぷぺぽゃゅょっぁぃぅぇぉ", "ba bi bu be bo pa pi pu pe po ya yu yo t a i u e o")
)  # fmt: skip
_JAMO = (
    (0x1100, "g kk n d tt r m b pp s ss - j jj ch k t p h"),
    (0x1161, "a ae ya yae eo e yeo ye o wa wae oe yo u wo we wi yu eu ui i"),
    (0x11A8, "k kk ks n nj nh t l lk lm lb ls lt lp lh m p ps t t ng t ch k t p h"),
)
_HANGUL = {start + index: sound for start, sounds in _JAMO for index, sound in enumerate(sounds.split())}


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


def _indic(letter: str, name: str, before: list[Unit]) -> bool:
    """Letters of the Indic scripts carry their sound in their Unicode name; a vowel sign replaces the inherent `a`."""
    _, middle, sound = name.partition(" LETTER ")
    if middle and len(sound) <= 4 and " " not in sound:
        before.append(Unit(sound.lower()))
        return True
    if " VOWEL SIGN " not in name and "VIRAMA" not in name:
        return False
    if before and before[-1].text.endswith("a"):
        before[-1] = Unit(before[-1].text[:-1])
    if " VOWEL SIGN " in name:
        before.append(Unit(name.rpartition(" ")[2].lower()))
    return True


_INDIC = ("DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI", "ORIYA", "TAMIL", "TELUGU", "KANNADA", "MALAYALAM")


@functools.lru_cache(maxsize=256)
def units(text: str) -> tuple[Unit, ...]:
    """The text as things that can be drawn; total over any text."""
    out: list[Unit] = []
    for letter in unicodedata.normalize("NFC", text):
        if letter in _HAS:
            out.append(Unit(letter))
        elif letter in _SIMPLE:
            out += [Unit(part) for part in _SIMPLE[letter]]
        elif (sound := _sound(letter)) is not None:
            out.append(Unit(sound))
        elif "\uac00" <= letter <= "\ud7a3":
            out.append(Unit(_hangul(letter)))
        else:
            _other(letter, out)
    return tuple(unit for unit in out if unit.text or unit.strokes)


def _other(letter: str, out: list[Unit]) -> None:
    """Accented letters, Indic letters, marks on their own, and all the rest."""
    split = unicodedata.normalize("NFKD", letter)
    base, marks = split[0], split[1:]
    known = _sound(base) or (base if base in _HAS and base != " " else None)
    if known is not None:
        out.append(Unit(known, tuple(ACCENTS[mark] for mark in marks if mark in ACCENTS)))
        return
    name = unicodedata.name(letter, "")
    if name.startswith(_INDIC) and _indic(letter, name, out):
        return
    kind = unicodedata.category(letter)
    if kind[0] == "M" or kind in ("Cf", "Cc", "Zs", "Zl", "Zp"):  # marks without a letter, and what is not to be seen
        if kind[0] == "Z":
            out.append(Unit(" "))
    else:
        out.append(Unit(letter, strokes=True))
