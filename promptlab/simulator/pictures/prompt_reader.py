"""What a prompt says, as far as the pictures understand it. Pure, without Pillow, and total over any text.

One pass over its phrases: adjectives wait for their noun, relations for their second thing.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from promptlab.simulator.pictures.vocabulary import FLAWS, LONGEST, RELATIONS, lookup, normal, singular

__all__ = ["PromptReader", "PromptReading", "Thing", "items", "read", "undrawn_words"]


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing to draw: the word it was asked by, its glyph's name (None: unknown word), and how it is."""

    word: str
    glyph: str | None
    colour: str | None = None
    colours: tuple[str, ...] = ()  # more of them, after the first
    shade: str | None = None
    material: str | None = None
    pattern: str | None = None
    conditions: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    action: str | None = None
    traits: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()  # adjectives without a drawing: they change its proportions and trimmings
    count: int = 1
    relation: str = ""  # to the thing before it


@dataclass(frozen=True, slots=True)
class PromptReading:
    """A prompt, read. Names are those of vocabulary.txt; of a list the last one wins where only one can."""

    things: tuple[Thing, ...] = ()
    removed: frozenset[str] = frozenset()  # glyph names and words the negative prompt takes away
    place: str | None = None
    ground: str | None = None
    ground_colour: str | None = None
    lights: tuple[str, ...] = ()
    gel: str | None = None  # the colour of coloured light
    backdrop: str | None = None
    backdrop_colour: str | None = None
    style: str | None = None
    styles: tuple[str, ...] = ()
    whole: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # the other sections of _WHOLE
    texts: tuple[str, ...] = ()
    text_size: str = ""
    calm: frozenset[str] = frozenset()  # flaws the negative prompt rules out
    nuances: tuple[str, ...] = ()  # synonyms as written: a shade of colour each
    nudges: tuple[str, ...] = ()  # synonyms of what is about form: a step of the camera each
    strange: tuple[str, ...] = ()  # content words without a drawing

    @property
    def light(self) -> str | None:
        """The light that counts."""
        return self.lights[-1] if self.lights else None

    def of(self, section: str) -> tuple[str, ...]:
        """The names of one section, in the order in which they were said."""
        return self.whole.get(section, ())


_MAX_COUNT = 12
_TOKEN = re.compile(r"\d+\.\d+|[^\W_]+(?:['’][^\W_]+)?|[,;:()\n.!?|]")
_MARKS = frozenset(",;:()\n.!?|")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f]")  # scripts that put no spaces

#: Sections that describe the noun behind them, in the order in which a word is tried as each.
_ADJECTIVES = ("colours", "materials", "patterns", "sizes", "conditions")
#: Sections that are about the whole picture: last and longest wins, or all of them count.
_WHOLE = (
    "lights", "directions", "camera", "moods", "weather", "seasons", "effects", "styles", "quality",
)  # fmt: skip


@dataclass(slots=True)
class _Waiting:
    """Adjectives that wait for their noun."""

    colours: list[str] = field(default_factory=list)
    shade: str | None = None
    material: str | None = None
    pattern: str | None = None
    conditions: list[str] = field(default_factory=list)
    sizes: list[str] = field(default_factory=list)
    action: str | None = None
    traits: list[str] = field(default_factory=list)
    extras: list[str] = field(default_factory=list)
    count: int = 1

    def any(self) -> bool:
        return self != _Waiting()

    def onto(self, thing: Thing) -> Thing:
        """The thing with what waited for it; what it has already stays where only one can be."""
        return Thing(
            thing.word,
            thing.glyph,
            thing.colour or (self.colours[0] if self.colours else None),
            thing.colours or tuple(self.colours if thing.colour else self.colours[1:])[:2],
            thing.shade or self.shade,
            thing.material or self.material,
            thing.pattern or self.pattern,
            (*thing.conditions, *self.conditions),
            (*thing.sizes, *self.sizes),
            thing.action or self.action,
            (*thing.traits, *self.traits),
            (*thing.extras, *self.extras),
            max(thing.count, self.count),
            thing.relation,
        )


@dataclass(frozen=True, slots=True)
class _Item:
    """A phrase of the prompt and what it may mean, by section; nothing for an unknown word or a mark."""

    phrase: str
    means: Mapping[str, str]
    mark: bool = False


def _tokens(text: str) -> list[str]:
    plain = unicodedata.normalize("NFC", text).lower().replace("’", "'").replace("-", " ").replace("/", " ")
    out: list[str] = []
    for token in _TOKEN.findall(plain):
        if _UNSPACED.search(token):
            out += [token[at : at + 2] for at in range(0, len(token), 2)]
        else:
            out.append(token)
    return out


def items(text: str) -> Iterator[_Item]:
    """The prompt as the longest phrases that are known, from left to right."""
    tokens = _tokens(text)
    at = 0
    while at < len(tokens):
        if tokens[at] in _MARKS:
            yield _Item(tokens[at], {}, mark=True)
            at += 1
            continue
        for length in range(min(LONGEST, len(tokens) - at), 0, -1):
            words = tokens[at : at + length]
            if not _MARKS.isdisjoint(words):
                continue
            phrase = " ".join(words)
            if (means := lookup(phrase)) or phrase in RELATIONS or length == 1:
                yield _Item(phrase, means)
                at += length
                break


def _is_noun(word: str) -> bool:
    return (
        len(word) > 2
        and not word.isdigit()
        and not word.endswith(("ly", "ing", "ful", "ous", "ish", "ive", "ized", "less", "ical", "able", "ible", "ed"))
    )


class PromptReader:
    """One pass over a prompt's phrases, with what is still waiting for its noun."""

    def __init__(self, removed: frozenset[str]) -> None:
        self.removed = removed
        self.things: list[Thing] = []
        self.wait = _Waiting()
        self.relation = ""
        self.link = ""  # the word of it
        self.since_mark = 0  # things since the last separator
        self.listed = False  # after a comma: an unknown word without an article is rather a mood than a thing
        self.article = False
        self.placed = False  # a place, ground or backdrop was named since the last separator
        self.strange_here: list[str] = []
        self.strange: list[str] = []
        self.whole: dict[str, list[str]] = {}
        self.nuances: list[str] = []
        self.nudges: list[str] = []
        self.place: tuple[str, str] | None = None
        self.ground: tuple[str, str | None, bool] | None = None  # name, colour, named after `on`
        self.backdrop: str | None = None
        self.backdrop_colour: str | None = None
        self.gel: str | None = None
        self.text_sizes: list[str] = []
        self.denied = False  # after `without` or `no`, up to the next separator

    def read(self, phrases: list[_Item]) -> None:
        for index, item in enumerate(phrases):
            following = phrases[index + 1 :]
            if item.mark or item.phrase in RELATIONS:
                if "actions" in item.means:  # `reading`, `chasing`: what is done, and to what comes next
                    self.act(item, following)
                self.separate(item)
            elif self.denied:
                continue
            else:
                self.take(item, following)
        self.separate(_Item(".", {}, mark=True))
        if self.wait.any() and self.things:
            self.things[0] = self.wait.onto(self.things[0])

    def act(self, item: _Item, following: list[_Item]) -> None:
        """Whoever was named does it; who makes something fly stands below."""
        name = item.means["actions"]
        self.note(item, name, "actions")
        last = self.things[-1] if self.things else None
        if last and last.glyph == "person" and self.since_mark and name == "fly" and _follows(following):
            self.things[-1] = _Waiting(action="point").onto(last)
            self.wait.action = name
        elif self.things and (self.since_mark or self.relation == "with"):
            self.things[-1] = _Waiting(action=name).onto(self.things[-1])
        else:
            self.wait.action = name

    def note(self, item: _Item, name: str, section: str = "") -> None:
        """Remember a synonym as it was written."""
        if item.phrase != name or section in ("effects", "quality", "traits"):
            (self.nudges if section in _FORM else self.nuances).append(item.phrase)

    def separate(self, item: _Item) -> None:
        """The end of a chunk: its last unknown noun is a thing if nothing else was."""
        self.settle()
        relation = RELATIONS.get(item.phrase, "")
        joins = item.phrase in (",", "and")
        if not joins and self.wait.any() and self.things and item.mark:
            self.things[-1] = self.wait.onto(self.things[-1])
            self.wait = _Waiting()
        self.relation, self.link = relation, item.phrase
        self.listed = item.phrase == ","
        self.denied = relation == "without"
        self.since_mark, self.article, self.placed = 0, False, False

    def settle(self) -> None:
        nouns = [word for word in self.strange_here if _is_noun(word)]
        if nouns and not self.since_mark and not self.placed and not (self.listed and not self.article):
            word = singular(nouns[-1])
            self.wait.extras += [other for other in self.strange_here if other != nouns[-1]]
            count = 3 if word != nouns[-1] and self.wait.count == 1 else 1
            self.add(Thing(word, None, count=count))
        else:
            self.wait.extras += [word for word in self.strange_here if self.since_mark == 0]
        self.strange += self.strange_here
        self.strange_here = []

    def add(self, thing: Thing) -> None:
        self.things.append(replace(self.wait.onto(thing), relation=self.relation if self.things else ""))
        self.wait = _Waiting()
        self.since_mark += 1

    def take(self, item: _Item, following: list[_Item]) -> None:
        """One phrase that is not a separator."""
        means = item.means
        if not means:
            if item.phrase.isdecimal() and _follows(following):
                self.wait.count, self.article = max(1, min(_MAX_COUNT, int(item.phrase[:3]))), True
            else:
                self.strange_here.append(item.phrase)
            return
        nouns = _follows(following)
        if "backdrops" in means and self.take_backdrop(item):
            return
        if "shades" in means and following and "colours" in following[0].means:
            self.wait.shade = means["shades"]
            return
        for section in _ADJECTIVES:
            if section in means and self.describes(section, item, nouns, following):
                return
        if "counts" in means and (nouns or following):
            self.wait.count = min(_MAX_COUNT, int(means["counts"]))
            self.article = True
            return
        if self.take_noun(item):
            return
        for section in ("traits", "expressions"):
            if section in means:
                self.trait(item, means[section])
                return
        for section in _WHOLE:
            if section in means:
                self.note(item, means[section], section)
                self.whole.setdefault(section, []).append(means[section])
                return
        if "actions" in means:
            self.act(item, following)
        elif "stop" in means and item.phrase in ("a", "an", "the"):
            self.article = True
        elif item.phrase in _LETTERS:  # `huge letters`: it is not the mug that is huge
            self.text_sizes += self.wait.sizes
            self.wait = _Waiting()

    def describes(self, section: str, item: _Item, nouns: bool, following: list[_Item]) -> bool:
        """Whether the word is an adjective here; then it waits for its noun, or goes to the one before."""
        name, means = item.means[section], item.means
        if section == "colours" and following and following[0].phrase in _LIT:
            self.gel = name
            return True
        if section == "conditions" and name == "worn" and _person_follows(following):
            self.trait(item, "elderly")
            return True
        other = means.keys() & {"things", "grounds", "lights", "styles", "places", "moods", "effects"}
        if not nouns and other and not (section == "materials" and self.relation == "of"):
            return False
        self.note(item, name, section)
        adjective = _Waiting()
        if section == "colours":
            adjective.colours.append(name)
        elif section == "materials":
            adjective.material = name
        elif section == "patterns":
            adjective.pattern = name
        elif section == "sizes":
            adjective.sizes.append(name)
        else:
            adjective.conditions.append(name)
        if not nouns and self.things and self.relation in ("of", "in", "with", "and", "") and not self.wait.any():
            self.things[-1] = adjective.onto(self.things[-1])
        else:
            _merge(self.wait, adjective)
        return True

    def take_backdrop(self, item: _Item) -> bool:
        """`on a black background`: the colour that waits is the backdrop's."""
        name = item.means["backdrops"]
        self.backdrop = name
        self.placed = True
        if name != "background":
            self.note(item, name)
        if self.wait.colours:
            self.backdrop_colour = self.wait.colours[-1]
            if self.wait.shade:
                self.backdrop_colour += {"lighter": "+", "darker": "-"}.get(self.wait.shade, "")
            self.wait = _Waiting()
        if self.wait.material or self.wait.pattern:
            self.backdrop = self.wait.material or self.wait.pattern
            self.wait = _Waiting()
        if self.strange_here:
            self.nuances += self.strange_here
        return True

    def take_noun(self, item: _Item) -> bool:
        """A thing, a ground or a place, whichever the word before it makes likeliest."""
        means = item.means
        if "grounds" in means and (self.relation == "on" or "things" not in means) and "grounds" not in self.removed:
            name, on = means["grounds"], self.relation == "on"
            name = _SOLID.get(self.wait.material or "", name)
            if (
                name not in self.removed
                and item.phrase not in self.removed
                and (on or not (self.ground or ("",) * 3)[2])
            ):
                self.ground = (name, self.wait.colours[-1] if self.wait.colours else None, on)
                self.note(item, name)
                if on or self.wait.colours:
                    self.wait = _Waiting()
                self.placed = True
            return True
        if "things" in means:
            plural = item.phrase != singular(item.phrase) and "things" in lookup(singular(item.phrase))
            several = plural and self.wait.count == 1 and item.phrase not in _PLURAL_ONE
            if self.link == "of" and self.things and self.things[-1].glyph in _VESSELS:
                self.nuances += [*self.wait.colours, *self.wait.conditions, item.phrase]  # `a glass of iced coffee`
                self.wait = _Waiting()
            else:
                self.add(Thing(item.phrase, means["things"], count=3 if several else 1))
            return True
        if "places" in means:
            passing = self.place is not None and self.link in ("from", "of", "with")
            if passing:  # `in the woods, light from the windows`: still in the woods
                self.nuances.append(item.phrase)
            elif means["places"] not in self.removed and item.phrase not in self.removed:
                self.place = (means["places"], item.phrase)
                self.note(item, means["places"])
                self.placed = True
                if self.wait.any() and self.relation != "and":
                    self.nuances += [*self.wait.colours, *self.wait.conditions, *self.wait.sizes]
                    self.wait = _Waiting()
            return True
        return False

    def trait(self, item: _Item, name: str) -> None:
        self.note(item, name, "traits")
        self.placed = True  # `a long beard`: `long` is not a thing
        if self.things and (self.since_mark or self.relation in ("with", "")):
            self.things[-1] = _Waiting(traits=[name]).onto(self.things[-1])
        else:
            self.wait.traits.append(name)


#: Sections about form: a synonym moves the camera a little, where others tint a little.
_FORM = frozenset({"actions", "camera", "directions", "traits", "sizes", "colours", "materials", "patterns"})
_LIT = frozenset({"light", "lighting", "lights", "glow", "gel", "gels", "neon", "neon light", "neon lights", "lit"})
#: `a bowl of fruit` is a bowl.
_VESSELS = frozenset({"glass", "wineglass", "bottle", "bowl", "plate", "jar", "mug", "teacup", "bag", "gift"})
_LETTERS = frozenset({"letters", "words", "text", "title", "lettering", "typography", "caption", "sign"})
#: Materials of a floor or a table that have their own ground.
_SOLID = {
    "wood": "wood",
    "walnut": "wood",
    "bamboo": "wood",
    "marble": "marble",
    "stone": "concrete",
    "concrete": "concrete",
    "glass": "glasstop",
    "linen": "linen",
}
#: Plurals that are drawn as one thing.
_PLURAL_ONE = frozenset({
    "headphones", "glasses", "jeans", "candles", "books", "clouds", "flowers", "eggs", "keys", "people", "ceramics",
    "cosmetics",
})  # fmt: skip


def _follows(following: list[_Item]) -> bool:
    """Whether a noun comes before the chunk ends: then what stands here describes it."""
    for item in following:
        if item.mark or (item.phrase in RELATIONS and "actions" not in item.means):
            return False
        means = item.means
        if not means:
            return True
        if means.keys() & {"things", "backdrops"} or ("grounds" in means and "materials" not in means):
            return True
        if not means.keys() & {*_ADJECTIVES, "moods", "conditions", "shades", "traits", "actions", "quality", "lights"}:
            if "stop" in means:
                return False
            if "places" in means:
                return True
    return False


def _person_follows(following: list[_Item]) -> bool:
    for item in following:
        if item.mark or item.phrase in RELATIONS:
            return False
        if item.means.get("things") == "person":
            return True
    return False


def _merge(wait: _Waiting, more: _Waiting) -> None:
    wait.colours += more.colours
    wait.material = more.material or wait.material
    wait.pattern = more.pattern or wait.pattern
    wait.conditions += more.conditions
    wait.sizes += more.sizes


_MAX_THINGS = 5
_QUOTES = '"'  # in PromptReading.removed: the quoted text is not wanted
_NO_QUOTES = frozenset({"text", "words", "lettering", "letters", "typography", "caption"})
_QUOTED = re.compile(r"[\"“]([^\"“”]{1,60})[\"”]|(?<!\w)['‘]([^'‘’]{2,60})['’](?!\w)|«([^«»]{1,60})»")


def _negatives(text: str) -> tuple[frozenset[str], frozenset[str]]:
    removed, calm = set[str](), set[str]()
    for part in re.split(r"[,;.\n]", text.lower()):
        words = normal(part).split()
        if " ".join(words) in _NO_QUOTES:
            removed.add(_QUOTES)
        for start in range(len(words)):
            for stop in range(start + 1, min(len(words), start + 3) + 1):
                phrase = " ".join(words[start:stop])
                removed.update((phrase, singular(phrase)))
                calm.update([FLAWS[phrase]] if phrase in FLAWS else [])
                means = lookup(phrase)
                removed.update(name for section, name in means.items() if section in ("things", "places", "grounds"))
                removed.update(f"{section}:{name}" for section, name in means.items())
    return frozenset(removed), frozenset(calm)


def _on_ground(things: list[Thing]) -> list[Thing]:
    """A desk or table that other things stand on is the ground, not a thing beside them."""
    others = [thing for thing in things if thing.glyph not in ("desk", "table") or thing.relation not in ("", "and")]
    return others or things


_SOMEBODY = frozenset({"portrait", "self portrait", "face", "human", "model"})


def _distinct(things: list[Thing]) -> tuple[Thing, ...]:
    """One of each kind and look; the same thing said twice is one thing."""
    people = [thing for thing in things if thing.glyph == "person" and thing.word not in _SOMEBODY]
    if people:  # `portrait of a man` is one person
        things = [thing for thing in things if thing.word not in _SOMEBODY]
    kept: list[Thing] = []
    for thing in things:
        again = any(thing.glyph == known.glyph and _same(thing.word, known.word) for known in kept)
        plain = not (thing.colour or thing.material or thing.action)
        if not (again and plain):
            kept.append(thing)
    return tuple(kept)


def _same(word: str, known: str) -> bool:
    """`the mug` after `a coffee mug` is the mug that is there already."""
    one, other = singular(word), singular(known)
    return one == other or other.endswith(" " + one)


@functools.lru_cache(maxsize=512)
def read(prompt: str, negative: str) -> PromptReading:
    """Read a prompt and its negative prompt."""
    texts = tuple(text for found in _QUOTED.findall(prompt) if (text := next(filter(None, found), "").strip()))
    removed, calm = _negatives(negative)
    reader = PromptReader(removed)
    reader.read(list(items(_QUOTED.sub(" , ", prompt))))
    kept = {
        section: tuple(name for name in names if f"{section}:{name}" not in removed)
        for section, names in reader.whole.items()
    }
    styles, lights = kept.pop("styles", ()), kept.pop("lights", ())
    place = reader.place or (None, "")
    ground = reader.ground or (None, None, False)
    if place[0] == "space" and not lights:
        lights = ("night",)
    return PromptReading(
        things=_distinct(_on_ground(reader.things))[:_MAX_THINGS],
        removed=removed,
        place=place[0],
        ground=ground[0],
        ground_colour=ground[1],
        lights=lights,
        gel=reader.gel,
        backdrop=reader.backdrop,
        backdrop_colour=reader.backdrop_colour,
        style=styles[-1] if styles else None,
        styles=styles,
        whole=kept,
        texts=() if _QUOTES in removed else texts,
        text_size=reader.text_sizes[-1] if reader.text_sizes else "",
        calm=calm,
        nuances=tuple(dict.fromkeys(reader.nuances)),
        nudges=tuple(dict.fromkeys(reader.nudges)),
        strange=tuple(dict.fromkeys(reader.strange)),
    )


def undrawn_words(prompt: str) -> tuple[str, ...]:
    """The content words of a prompt that the simulator has no picture for, in their order, each once.

    They still change the picture, each in its own way: a tint, a prop, another place of the camera.
    """
    return tuple(word for word in read(prompt, "").strange if any(letter.isalpha() for letter in word))
