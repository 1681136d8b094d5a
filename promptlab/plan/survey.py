"""One pass over all requests: what they cost, which are equal, and what is wrong with any of them.

Everything a pass keeps is bounded but the hashes of what was seen before, 8 to 12 bytes a request.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Literal

from promptlab.errors import InputError, Problem, Problems
from promptlab.model import Axis, Design, Place, Value

from .checks import PlanReport, said
from .designs import ENUMERABLE
from .merging import EDIT_ONLY, Shape
from .product import Cell, Space, groups
from .stream import Picture, Rendered, Stream

if TYPE_CHECKING:
    from promptlab.providers import Price

__all__ = ["Duplicate", "PriceLine", "Seen", "Survey", "Surveyor"]

SAID = 10  # problems of one kind that are spelled out; the rest is counted
FILES_SAID = 100  # missing files, which are put right together
KNOWN = 20_000  # problems of one kind that are told apart
NAMED = 5  # groups of equal requests that are named
PAIRED = 200_000  # cells remembered an axis; a design that has shown no pair by then is not judged


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Requests that are equal and so are sent once: their hash, and the first variants that share it."""

    request_hash: str
    variants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PriceLine:
    """How many different requests have one price; `price` is one request's, all its images together."""

    price: Price
    requests: int
    images: int


@dataclass(frozen=True, slots=True)
class Survey:
    """What a pass over the requests found. Cost counts each different request once; None is unknown.

    `complete` is False where the plan was too large and the pass stopped after `requests` of them: all figures are
    then those of the part that was seen.
    """

    variants: int
    requests: int
    images: int
    distinct: int
    distinct_images: int
    duplicates: tuple[Duplicate, ...]
    credits: float | None
    usd: float | None
    prices: tuple[PriceLine, ...]
    models: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    complete: bool = True

    @property
    def repeats(self) -> int:
        """Requests that another one answers."""
        return self.requests - self.distinct

    @property
    def errors(self) -> list[Problem]:
        """What has to be put right before anything is sent."""
        return [problem for problem in self.problems if problem.severity == "error"]

    @property
    def warnings(self) -> list[Problem]:
        """What is only said."""
        return [problem for problem in self.problems if problem.severity == "warning"]

    def check(self) -> Survey:
        """This survey; InputError with every error found, if there is one."""
        if self.errors:
            raise InputError(self.errors)
        return self


@dataclass(slots=True)
class _Saying:
    """Problems of one kind: the first few spelled out, the rest counted."""

    most: int = SAID
    first: list[Problem] = field(default_factory=list)
    more: int = 0
    known: set[int] = field(default_factory=set)

    def add(self, problem: Problem) -> None:
        key = hash((problem.message, problem.place))
        if key in self.known:
            return
        if len(self.known) < KNOWN:
            self.known.add(key)
        if len(self.first) < self.most:
            self.first.append(problem)
        else:
            self.more += 1

    def all(self) -> Iterable[Problem]:
        yield from self.first
        if self.more:
            rest = f"and {self.more:,} more like this"
            yield replace(self.first[0], message=rest, line=None, column=None, source=None, count=self.more)


class Surveyor:
    """Makes one pass."""

    def __init__(self, stream: Stream, report: PlanReport, expected: int) -> None:
        """`expected` is how many requests there will be, so that room for their hashes is made at once."""
        self._stream = stream
        self._target = stream.target
        self._report = report
        self._seen = Seen(expected)
        namer, shaper = stream.parts.namer, stream.parts.shaper
        self._names: Seen | None = None if namer.certain else Seen(expected)
        self._sayings: dict[str, _Saying] = {}
        self._prices: dict[str, Price] = {}  # by the part of a shape that decides it
        self._sums: dict[Price, list[int]] = {}  # different requests, and their images
        self._shapes: dict[Shape, list[int]] = {}  # the sum that a shape's requests belong to
        self._overrides: set[int] = set()
        self._terms: set[str] = set()
        self._models: Counter[str] = Counter()
        self._repeated: dict[bytes, int] = {}  # the first repeated hashes, and the place of their second variant
        self._pairs = PairWatch(stream.parts.space, report.experiment.design)
        self._calls = (
            SameCalls(stream.parts.space, stream.target.provider, report, expected)
            if shaper.may_drop and stream.parts.only is None
            else None
        )
        self._variants = self._requests = self._images = 0
        capabilities = stream.target.capabilities
        self._most = capabilities.max_prompt
        # A negative prompt that is appended makes the prompt longer; how much, each shape says.
        self._room = 2000 if capabilities.negative_prompt == "appended" else 0

    def run(self, at_most: int, *, keep: bool = False) -> Survey:
        """Survey at most this many requests; `keep` what is rendered for the passes that follow."""
        parts = self._stream.parts
        complete = True
        for rendered in self._stream.rendered(self._failed, keep=keep):
            if self._requests >= at_most:
                complete = False
                break
            turns = min(rendered[0][4], at_most - self._requests)
            complete = turns == rendered[0][4]
            self._take(rendered, turns)
        if complete and parts.limit is None and not parts.where and parts.only is None:
            self._say_overrides()
            self._say_pairs()
        if parts.where and not self._variants and not self._sayings and parts.limit != 0:
            self._say("matches-nothing", "--where leaves no variant: nothing that is planned meets all of it", None)
        if self._calls is not None:
            for problem in self._calls.problems():
                self._saying(problem.code).add(problem)
        duplicates = self._name_repeats()
        return self._survey(duplicates, complete)

    def _take(self, rendered: Rendered, turns: int) -> None:
        (place, cell, *_), prompt, shape, picture = rendered
        self._variants += 1
        if self._most is not None and len(prompt) > self._most - self._room:
            self._see_length(prompt, shape, cell)
        if shape.terms:
            self._see_terms(prompt, shape, cell)
        total = self._shapes.get(shape) or self._see_shape(rendered)
        if self._pairs.open:
            self._pairs.see(cell)
        add, fresh = self._seen.add, 0
        hashes = self._stream.hashes(rendered)
        for digest in hashes if turns == rendered[0][4] else islice(hashes, turns):
            if add(int.from_bytes(digest[:8], "big")):
                fresh += 1
            elif len(self._repeated) < NAMED:
                self._repeated.setdefault(digest, place)
        self._requests += turns
        self._images += turns * shape.n
        total[0] += fresh
        total[1] += fresh * shape.n
        if self._calls is not None:
            self._calls.see(cell, shape, prompt, picture, fresh)
        if self._names is not None:
            self._see_names(self._names, rendered)

    # --- what one variant tells ---------------------------------------------------------------------------------

    def _see_shape(self, rendered: Rendered) -> list[int]:
        shape = rendered[2]
        price = self._prices.get(shape.price_key)
        if price is None:
            price = self._prices[shape.price_key] = self._target.price(self._stream.first_request(rendered))
        total = self._sums.setdefault(price, [0, 0])
        self._models[shape.model] += 1
        self._overrides.update(shape.overrides)
        namer = self._stream.parts.namer
        if shape.n > 1 and not namer.has_position:
            message = f"files: the pattern has no {{position}}, but a request makes {shape.n} images (n={shape.n})"
            self._say("colliding-names", message, self._report.place("files"))
        if len(self._shapes) > 4096:
            self._shapes.clear()
        self._shapes[shape] = total
        return total

    def _see_length(self, prompt: str, shape: Shape, cell: Cell) -> None:
        added = len(f" Avoid: {shape.negative_prompt}.") if self._room and shape.negative_prompt else 0
        most = self._most or 0
        if len(prompt) + added > most:
            message = f"the prompt has {len(prompt) + added:,} characters; {self._target.provider} takes {most:,}"
            self._say("prompt-too-long", f"{message} (in {self._named(cell)})", self._stream.prompt_place(cell))

    def _see_terms(self, prompt: str, shape: Shape, cell: Cell) -> None:
        folded = prompt.casefold()
        for term in shape.terms:
            if term in folded and term not in self._terms and _is_word(term, folded):
                self._terms.add(term)
                message = f"'{term}' is both in the prompt and in the negative prompt (in {self._named(cell)})"
                self._say("prompt-and-negative", message, self._stream.prompt_place(cell), warning=True)

    def _see_names(self, names: Seen, rendered: Rendered) -> None:
        (_, cell, *_, turns), *_ = rendered
        for name in islice(self._stream.names(rendered), turns):
            if not names.add(_short_hash(name)):
                message = f"files: two images of this experiment would both be called '{name}' ({self._named(cell)})"
                self._say(
                    "colliding-names", f"{message}; name every axis, {{seed}} and {{draw}}", self._report.place("files")
                )

    def _failed(self, error: InputError, cell: Cell) -> None:
        for problem in error.problems:
            source = problem.source
            if source is None and problem.path and problem.line:
                source = self._report.line(Place(problem.path, problem.line, problem.column or 1))
            self._saying(problem.code).add(replace(problem, source=source))

    # --- at the end -----------------------------------------------------------------------------------------------

    def _say_overrides(self) -> None:
        effective = self._stream.parts.shaper.effective
        for index, override in enumerate(self._report.experiment.override):
            place = override.place or self._report.place("override", index)
            if index not in self._overrides:
                message = f"override {said(override.match)} matches no variant that the skips and the design leave"
                self._say("matches-nothing", message, place, warning=True)
            elif index not in effective:
                message = f"override {said(override.match)} changes nothing: what it sets is set or overridden anyway"
                self._say("no-effect", message, place, warning=True)

    def _say_pairs(self) -> None:
        if axes := self._pairs.without():
            names = ", ".join(f"'{axis}'" for axis in axes)
            message = f"no matched pairs: no two variants differ in {names} alone, so nothing can be compared on it"
            experiment = self._report.experiment
            self._say(
                "no-matched-pairs", message, experiment.design.place or self._report.place("design"), warning=True
            )

    def _name_repeats(self) -> tuple[Duplicate, ...]:
        """Who shares the first repeated hashes; a second look, up to where they were seen again."""
        if not self._repeated:
            return ()
        last = max(self._repeated.values())
        names: dict[bytes, dict[str, None]] = {digest: {} for digest in self._repeated}
        for rendered in self._stream.rendered(lambda *_: None):
            place, cell, *_ = rendered[0]
            if place > last:
                break
            for digest in self._stream.hashes(rendered):
                if digest in names:
                    names[digest].setdefault(self._named(cell))
        found = tuple(Duplicate(digest.hex(), tuple(shared)) for digest, shared in names.items())
        repeats = self._requests - len(self._seen)
        first = " and ".join(found[0].variants[:2]) if len(found[0].variants) > 1 else f"{found[0].variants[0]}, twice"
        message = f"{repeats:,} requests are equal to another one, so they are sent once and answer both ({first})"
        self._say("equal-requests", message, None, warning=True)
        return found

    def _survey(self, duplicates: tuple[Duplicate, ...], complete: bool) -> Survey:
        lines = tuple(PriceLine(price, *counts) for price, counts in self._sums.items() if counts[0])
        known = Problems()
        for saying in self._sayings.values():
            for problem in saying.all():
                known.add(problem)
        return Survey(
            variants=self._variants,
            requests=self._requests,
            images=self._images,
            distinct=len(self._seen),
            distinct_images=sum(line.images for line in lines),
            duplicates=duplicates,
            credits=_total(lines, "credits"),
            usd=_total(lines, "usd"),
            prices=lines,
            models=tuple(sorted(self._models)),
            problems=tuple(known.found),
            complete=complete,
        )

    def _say(self, code: str, message: str, place: Place | None, *, warning: bool = False) -> None:
        self._saying(code).add(self._report.problem(code, message, place, warning=warning))

    def _saying(self, code: str) -> _Saying:
        return self._sayings.setdefault(code, _Saying(FILES_SAID if code in ("missing-image", "bad-image") else SAID))

    def _named(self, cell: Cell) -> str:
        return self._stream.variant(cell).name or "the only variant"


def _is_word(term: str, text: str) -> bool:
    """Whether a term is in a text as whole words ('art' is not in 'party')."""
    return re.search(rf"(?<!\w){re.escape(term)}(?!\w)", text) is not None


def _short_hash(text: str) -> int:
    return int.from_bytes(blake2b(text.casefold().encode("utf-8", "replace"), digest_size=8).digest(), "big")


def _total(lines: Iterable[PriceLine], unit: Literal["credits", "usd"]) -> float | None:
    """The sum of all requests' prices; None as soon as one is unknown."""
    prices = [(getattr(line.price, unit), line.requests) for line in lines]
    if any(price is None for price, _ in prices):
        return None
    return float(round(sum(price * number for price, number in prices), 9))  # no dust of binary fractions in JSON


# --- what is remembered from one variant to the next --------------------------------------------------------------

_PARTS = 256
_START = 24
_GROWTH = 1.5
_MOST_EXPECTED = 1 << 20  # 12 MB at once; a larger number may be wrong, so it has to be grown into


class Seen:
    """A set of 64-bit numbers, a million in 11 MB: 256 small open-addressing tables of plain integers (8 bytes a slot).

    Each grows by itself, so that growing never doubles the whole. The numbers have to be uniform, as hashes are. Two
    different requests in a million share 64 bits once in 37 million experiments; they would be reported as equal.
    """

    def __init__(self, expected: int = 0) -> None:
        """`expected` numbers go in without any table growing, which halves the cost; more may come."""
        length = max(_START, int(min(expected, _MOST_EXPECTED) / _PARTS / 0.7) + 1)
        self._tables = [array("Q", bytes(8 * length)) for _ in range(_PARTS)]
        self._sizes = [0] * _PARTS
        self._zero = False

    def add(self, number: int) -> bool:
        """Put a number in; whether it was new."""
        part = number & 255
        table = self._tables[part]
        length = len(table)
        slot = (number >> 8) % length
        while held := table[slot]:
            if held == number:
                return False
            slot += 1
            if slot == length:
                slot = 0
        if not number:  # an empty slot holds 0
            new, self._zero = not self._zero, True
            return new
        table[slot] = number
        self._sizes[part] += 1
        if self._sizes[part] * 4 > length * 3:
            self._tables[part] = _grown(table)
        return True

    def __len__(self) -> int:
        return sum(self._sizes) + self._zero


def _grown(table: array[int]) -> array[int]:
    length = int(len(table) * _GROWTH) + 1
    larger = array("Q", bytes(8 * length))
    for number in table:
        if number:
            slot = (number >> 8) % length
            while larger[slot]:
                slot += 1
                if slot == length:
                    slot = 0
            larger[slot] = number
    return larger


class PairWatch:
    """Whether a design leaves pairs to compare: two variants that differ in one axis alone.

    Looks at the variants one by one until every axis with two values has shown a pair, which is soon.
    """

    def __init__(self, space: Space, design: Design) -> None:
        self._space = space
        several = [at for at, choices in enumerate(space.choices) if len(choices) > 1]
        if design.kind != "sample":
            several = [at for at in several if not _surely_paired(space, at)]
        self.open: dict[int, set[int]] = {at: set() for at in several}
        self._given_up = False

    def see(self, cell: Cell) -> None:
        """Take one variant into account."""
        paired = []
        for at, seen in self.open.items():
            if cell[at].index < 0:
                continue
            rest = hash(cell[:at] + cell[at + 1 :])
            if rest in seen:
                paired.append(at)
            seen.add(rest)
            if len(seen) > PAIRED:
                self._given_up = True
        for at in paired:
            del self.open[at]
        if self._given_up:
            self.open.clear()

    def without(self) -> list[str]:
        """The axes that showed no pair."""
        return [self._space.axes[at].name for at in sorted(self.open)]


def _surely_paired(space: Space, at: int) -> bool:
    """Whether an axis has a pair whatever the other axes do, or too many cells to find out."""
    name = space.axes[at].name
    group = next(
        g for g in groups(space.axes, [matcher.keys() for matcher in space.skip]) if any(a.name == name for a in g)
    )
    if len(group) == 1:
        return True
    names = {axis.name for axis in group}
    part = Space(group, [matcher for matcher in space.skip if matcher.keys() <= names])
    if part.size() > ENUMERABLE:
        return True
    place, seen = part.position[name], set()
    for cell in part.cells():
        if cell[place].index < 0:
            continue
        rest = hash(cell[:place] + cell[place + 1 :])
        if rest in seen:
            return True
        seen.add(rest)
    return False


class SameCalls:
    """Variants that differ only in what the provider drops: their hashes differ, but they are the same call.

    Each would be sent and paid, and the images differ by luck alone. That is what `draws` is for, so an axis, or a
    value of one, that changes nothing else is an error.
    """

    def __init__(self, space: Space, provider: str, report: PlanReport, expected: int) -> None:
        self._space = space
        self._provider = provider
        self._report = report
        self._calls = Seen(expected)
        self._several = [at for at, choices in enumerate(space.choices) if len(choices) > 1]
        #: (position, value index) → variants, those that repeat a call, and those of them that would be sent.
        self._told: dict[tuple[int, int], list[int]] = {}
        self._dropped: set[str] = set()
        self._paid = 0

    def see(self, cell: Cell, shape: Shape, prompt: str, picture: Picture | None, fresh: int) -> None:
        """Take a variant into account; `fresh` is how many of its requests are equal to no earlier one."""
        source = "" if picture is None else picture.identity
        text = f"{shape.wire}\0{source}\0{prompt}".encode("utf-8", "surrogatepass")
        repeated = not self._calls.add(int.from_bytes(blake2b(text, digest_size=8).digest(), "big"))
        paid = fresh if repeated else 0
        self._paid += paid
        if paid:
            self._dropped.update(shape.dropped)
        for at in self._several:
            found = self._told.setdefault((at, cell[at].index), [0, 0, 0])
            found[0] += 1
            found[1] += repeated
            found[2] += paid

    def problems(self) -> list[Problem]:
        """One for each axis with values that only repeat calls; for what is left, if there is no such axis."""
        if not self._paid:
            return []
        found = []
        for at in self._several:
            values = self._space.axes[at].values
            only = [i for i in range(len(values)) if self._only_repeats(self._told.get((at, i)))]
            if only:
                found.append(self._axis_problem(self._space.axes[at], [values[index] for index in only]))
        message = f"{self._paid:,} calls are the same as another one, since {self._why()}; each is made and paid for"
        return found or [self._report.problem("same-call", message, None, warning=True)]

    @staticmethod
    def _only_repeats(counts: Sequence[int] | None) -> bool:
        return counts is not None and counts[0] == counts[1] and counts[2] > 0

    def _axis_problem(self, axis: Axis, values: Sequence[Value]) -> Problem:
        others = len(axis.values) - len(values)
        place = axis.place if others == 1 else values[0].place
        names = _listed(f"'{value.id}'" for value in values)
        message = (
            f"the axis '{axis.name}' makes the same calls again for {names}, since {self._why()}: each would be paid; "
            f"take {'them' if len(values) > 1 else 'it'} out; to ask again on purpose, write `draws: {len(values) + 1}`"
        )
        return self._report.problem("same-call", message, place or self._report.place("axes", axis.name))

    def _why(self) -> str:
        names = sorted(self._dropped)
        if self._report.experiment.image is None and EDIT_ONLY.issuperset(names):
            return f"{_listed(names)} belongs to edits, and there is no `image`"
        return f"{self._provider} does not take {_listed(names)}"


def _listed(names: Iterable[str], most: int = 4) -> str:
    known = list(names)
    more = f" and {len(known) - most:,} more" if len(known) > most else ""
    return ", ".join(known[:most]) + more
