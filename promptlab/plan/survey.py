"""One pass over all requests: what they cost, which are equal, and what is wrong with any of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from promptlab.errors import InputError, Problem, Problems
from promptlab.model import Place

from .checks import said
from .merging import Shape
from .pairs import PairWatch
from .product import Cell
from .samecalls import SameCalls
from .seen import Seen
from .stream import Rendered, Stream

if TYPE_CHECKING:
    from promptlab.providers import Price

    from .parameters import Report
    from .target import Target

__all__ = ["Duplicate", "PriceLine", "Survey", "Surveyor"]

SAID = 10  # problems of one kind that are spelled out; the rest is counted
FILES_SAID = 100  # missing files, which are put right together
KNOWN = 20_000  # problems of one kind that are told apart
NAMED = 5  # groups of equal requests that are named


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
    longest_prompt: int
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
class _Sum:
    """Different requests of one shape's price."""

    price: Price
    requests: int = 0
    images: int = 0


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
    """Makes one pass. Everything it keeps is bounded but the hashes, 8 to 12 bytes a request."""

    def __init__(self, stream: Stream, target: Target, report: Report, expected: int) -> None:
        self._stream = stream
        self._target = target
        self._report = report
        self._seen = Seen(expected)
        namer, shaper = stream.parts.namer, stream.parts.shaper
        self._names: Seen | None = None if namer.certain else Seen(expected)
        self._sayings: dict[str, _Saying] = {}
        self._sums: dict[str, _Sum] = {}
        self._shapes: dict[Shape, _Sum] = {}
        self._overrides: set[int] = set()
        self._terms: set[str] = set()
        self._models: Counter[str] = Counter()
        self._repeated: dict[bytes, int] = {}  # the first repeated hashes, and the place of their second variant
        self._pairs = PairWatch(stream.parts.space, report.experiment.design)
        self._calls = SameCalls(stream.parts.space, target.provider, report, expected) if shaper.may_drop else None
        self._variants = self._requests = self._images = self._longest = 0
        capabilities = target.capabilities
        self._most = capabilities.max_prompt
        # A negative prompt that is appended makes the prompt longer; how much, each shape says.
        self._room = 2000 if capabilities.negative_prompt == "appended" else 0

    def run(self, at_most: int) -> Survey:
        """Survey at most this many requests."""
        parts = self._stream.parts
        complete = True
        for rendered in self._stream.rendered(self._failed):
            if self._requests >= at_most:
                complete = False
                break
            turns = min(rendered[0][4], at_most - self._requests)
            complete = turns == rendered[0][4]
            self._take(rendered, turns)
        if complete and parts.limit is None and not parts.where:
            self._say_overrides()
            self._say_pairs()
        if parts.where and not self._variants and not self._sayings and parts.limit != 0:
            self._say("matches-nothing", "--where leaves no variant: nothing that is planned meets all of it", None)
        if self._calls is not None:
            self._calls.say(self._say)
        duplicates = self._name_repeats()
        return self._survey(duplicates, complete)

    def _take(self, rendered: Rendered, turns: int) -> None:
        (place, cell, *_), prompt, shape, picture = rendered
        self._variants += 1
        if len(prompt) > self._longest:
            self._longest = len(prompt)
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
        total.requests += fresh
        total.images += fresh * shape.n
        if self._calls is not None:
            self._calls.see(cell, shape, prompt, picture, fresh)
        if self._names is not None:
            self._see_names(self._names, rendered)

    # --- what one variant tells ---------------------------------------------------------------------------------

    def _see_shape(self, rendered: Rendered) -> _Sum:
        shape = rendered[2]
        total = self._sums.get(shape.price_key)
        if total is None:
            total = self._sums[shape.price_key] = _Sum(self._target.price(self._stream.first_request(rendered)))
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
            self._say("prompt-too-long", f"{message} (in {self._named(cell)})", self._prompt_place(cell))

    def _see_terms(self, prompt: str, shape: Shape, cell: Cell) -> None:
        folded = prompt.casefold()
        for term in shape.terms:
            if term in folded and term not in self._terms and _is_word(term, folded):
                self._terms.add(term)
                message = f"'{term}' is both in the prompt and in the negative prompt (in {self._named(cell)})"
                self._say("prompt-and-negative", message, self._prompt_place(cell), warning=True)

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
        lines = _lines(self._sums.values())
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
            longest_prompt=self._longest,
            models=tuple(sorted(self._models)),
            problems=tuple(known.found),
            complete=complete,
        )

    def _say(self, code: str, message: str, place: Place | None, *, warning: bool = False) -> None:
        severity: Any = "warning" if warning else "error"
        problem = Problem(code, message, severity=severity)
        if place is not None:
            source = self._report.line(place)
            problem = replace(problem, path=place.path, line=place.line, column=place.column, source=source)
        self._saying(code).add(problem)

    def _saying(self, code: str) -> _Saying:
        return self._sayings.setdefault(code, _Saying(FILES_SAID if code in ("missing-image", "bad-image") else SAID))

    def _named(self, cell: Cell) -> str:
        return self._stream.variant(cell).name or "the only variant"

    def _prompt_place(self, cell: Cell) -> Place | None:
        return self._stream.prompt_place(cell)


def _is_word(term: str, text: str) -> bool:
    """Whether a term is in a text as whole words ('art' is not in 'party')."""
    return re.search(rf"(?<!\w){re.escape(term)}(?!\w)", text) is not None


def _short_hash(text: str) -> int:
    return int.from_bytes(blake2b(text.casefold().encode("utf-8", "replace"), digest_size=8).digest(), "big")


def _lines(sums: Iterable[_Sum]) -> tuple[PriceLine, ...]:
    """The sums of equal prices added up."""
    found: dict[Price, list[int]] = {}
    for total in sums:
        counts = found.setdefault(total.price, [0, 0])
        counts[0] += total.requests
        counts[1] += total.images
    return tuple(PriceLine(price, *counts) for price, counts in found.items() if counts[0])


def _total(lines: Iterable[PriceLine], unit: Literal["credits", "usd"]) -> float | None:
    """The sum of all requests' prices; None as soon as one is unknown."""
    prices = [(getattr(line.price, unit), line.requests) for line in lines]
    if any(price is None for price, _ in prices):
        return None
    return float(round(sum(price * number for price, number in prices), 9))  # no dust of binary fractions in JSON
