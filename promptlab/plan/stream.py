"""The hot path: cell → prompt → id → hash → Request, one at a time, in constant memory.

Everything that many requests share is made once: canonical JSON per value and per shape, pieces of prompts, and what
variants have in common that differ in their last axis alone. A variant's seeds share the hash of all that is before the
seed.

The sending order is interleaved unless the experiment says otherwise: every variant with its first seed, then every
variant with its second, so that a model that changes in the middle of a run changes for all variants alike. A plan of
more than a block of variants is interleaved block by block, each rendered once and held while its seeds go round.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, make_dataclass, replace
from hashlib import sha256
from itertools import islice
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from promptlab.errors import InputError, Problem
from promptlab.model import Axis, Experiment, Matcher, Place, Request, Value, Variant
from promptlab.prompts import Fields, Template

from .checks import PlanReport, visible
from .designs import All, Chosen, OneFactor, tally
from .merging import Shape, Shaper
from .product import LARGE, Cell, Namer, Space, Test, matches

if TYPE_CHECKING:
    from promptlab.providers import Capabilities, Price

__all__ = [
    "CellRepeats", "Count", "ImageOf", "Parts", "Picture", "Recipe", "Rendered", "Repeat", "Stream", "Target",
]  # fmt: skip

STARTS = 8  # draws whose hash up to the seed is kept for a variant
BLOCK = 1000  # variants that take turns in the sending order
MEMO = 4096  # prompts kept where some axes do not reach the template
#: Bytes of rendered variants that a survey keeps, so that a plan of some thousand images renders each prompt once: its
#: survey, its preview and its run read the same ones. A larger plan is rendered again by each.
KEPT = 4_000_000
KEPT_EACH = 400  # bytes of a rendered variant beside its prompt

#: A frozen dataclass sets each field through object.__setattr__, which would be a fourth of planning's time. So
#: requests and variants are filled in as drafts: objects of a class with the same slots that is not frozen, which then
#: change their class.
_DraftRequest: Any = make_dataclass("_DraftRequest", [field.name for field in fields(Request)], slots=True, eq=False)
_DraftVariant: Any = make_dataclass("_DraftVariant", [field.name for field in fields(Variant)], slots=True, eq=False)


@dataclass(frozen=True, slots=True)
class Target:
    """Who will get the requests. `base_url` is normalised (`simulator:` in-process); `price` is one request's."""

    provider: str
    base_url: str
    capabilities: Capabilities
    price: Callable[[Request], Price]


@dataclass(frozen=True, slots=True)
class Picture:
    """A source image: `image` is a URL, a data: URI or an absolute path; a URL has no sha256."""

    image: str
    sha256: str | None

    @property
    def identity(self) -> str:
        """What enters the request hash."""
        return self.sha256 or self.image


class Repeat(NamedTuple):
    """One request of a variant: its seed with the seed's place in the experiment's list, and its draw."""

    seed_index: int | None
    seed: int | None
    draw: int = 0


@dataclass(frozen=True, slots=True)
class CellRepeats:
    """A variant by its value ids, and which of its requests are wanted: what a plan of chosen requests is made of."""

    axes: Mapping[str, str]
    repeats: tuple[Repeat, ...]


#: A cell's source image; InputError where it can't be had.
ImageOf = Callable[[Cell], Picture]
#: A variant's turns: its place in the plan, its cell, the sequence of its first request, how far apart its requests are
#: in the sending order, and how many of them `--limit` leaves.
Turn = tuple[int, Cell, int, int, int]
#: A variant on its way: its turns, prompt, shape and source image.
Rendered = tuple[Turn, str, Shape, Picture | None]
OnError = Callable[[InputError, Cell], None]


@dataclass(frozen=True, slots=True)
class Count:
    """How much a plan is, equal requests counted each; upper bounds where `exact` is False."""

    variants: int
    requests: int
    images: int
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Parts:
    """What a stream is put together from."""

    space: Space
    chosen: Chosen
    recipes: Sequence[Recipe]  # one for each value of the axis of prompts or templates; one without such an axis
    image: ImageOf | None
    shaper: Shaper
    namer: Namer
    seeds: tuple[int | None, ...]
    draws: int
    interleaved: bool = True
    where: tuple[Test, ...] = ()
    limit: int | None = None  # of requests, the first in the sending order
    only: tuple[tuple[Cell, tuple[Repeat, ...]], ...] | None = None  # instead of all cells with all seeds and draws

    @property
    def per_variant(self) -> int:
        """Requests per variant."""
        return len(self.seeds) * self.draws

    @property
    def block(self) -> int:
        """How many variants take turns in the sending order."""
        return BLOCK if self.interleaved and self.per_variant > 1 and self.only is None else 1

    def blocks(self) -> Iterator[list[Turn]]:
        """The variants that take turns with one another, block after block, `--where` and `--limit` applied.

        A sequence is a request's place in the sending order of the whole plan, whatever `--where` leaves out.
        """
        per, left = self.per_variant, self.limit
        cells, first = self.chosen.cells(), 0
        while block := list(islice(cells, self.block)):
            step = len(block)
            kept = [
                (offset, cell) for offset, cell in enumerate(block) if all(matches(cell, test) for test in self.where)
            ]
            rounds, more = per, 0
            if left is not None and kept:
                rounds, more = divmod(min(left, len(kept) * per), len(kept))
                left -= rounds * len(kept) + more
            turns = [
                (first + offset, cell, first * per + offset, step, rounds + (place < more))
                for place, (offset, cell) in enumerate(kept)
            ]
            if turns:
                yield [turn for turn in turns if turn[4]]
            if left == 0:
                return
            first += step

    def turns(self) -> Iterator[Turn]:
        """Every variant in the plan's order, with its turns."""
        if self.only is not None:
            return self._chosen_turns(self.only)
        if self.where or self.limit is not None or self.block > 1:
            return itertools.chain.from_iterable(self.blocks())
        per = self.per_variant
        return ((place, cell, place * per, 1, per) for place, cell in enumerate(self.chosen.cells()))

    @staticmethod
    def _chosen_turns(only: Iterable[tuple[Cell, tuple[Repeat, ...]]]) -> Iterator[Turn]:
        """Variant by variant: what is chosen is part of an order that its run had already."""
        sequence = 0
        for place, (cell, repeats) in enumerate(only):
            yield place, cell, sequence, 1, len(repeats)
            sequence += len(repeats)

    def count(self, where: Sequence[Matcher], limit: int | None) -> Count:
        """How much is planned under `where` and `limit` (of requests), whatever these parts have of their own."""
        weight = self.shaper.weight(self.space)
        if self.only is None and isinstance(self.chosen, All | OneFactor):
            baseline = self.chosen.baseline if isinstance(self.chosen, OneFactor) else None
            found = tally(self.space.axes, self.space.skip, keep=where, baseline=baseline, weigh=weight)
            per = self.per_variant
            count = Count(found.cells, found.cells * per, found.weight * per, found.exact)
            if limit is None or (count.exact and count.requests <= limit):
                return count
        variants = requests = images = 0
        for _, cell, _, _, turns in replace(self, where=tuple(map(self.space.test, where)), limit=limit).turns():
            variants += 1
            requests += turns
            images += turns * self.shaper.images(cell)
        return Count(variants, requests, images)


def _context_value(value: Value) -> str:
    """What `{{ axis }}` is for one value: its text, with its fields as attributes."""
    return Fields(value.text, value.fields) if value.fields else value.text


class _Contexts(Sequence[object]):
    """What `{{ axis }}` is for each value of a large axis, made when it is asked for; the last one is held."""

    def __init__(self, values: Sequence[Value]) -> None:
        self._values = values
        self._last: tuple[int, object] = (-1, None)  # a template reads a row's fields one by one

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: Any) -> Any:
        at, value = self._last
        if at != index:
            value = _context_value(self._values[index])
            self._last = (index, value)
        return value


#: axis → what its values are for a template that declares no type for it; all templates share them.
Shared = dict[str, Sequence[object]]


class Recipe:
    """One template with the values that reach it. Values that its declarations refuse are reported."""

    def __init__(self, template: Template, space: Space, report: PlanReport, shared: Shared | None = None) -> None:
        shared = {} if shared is None else shared
        self.template = template
        self._constants = {
            name: _typed(template, name, value, report.place("vars", name), report)
            for name, value in report.experiment.vars.items()
            if name in template.names
        }
        self._used = [
            (axis.name, at, _table(template, axis, report, shared))
            for at, axis in enumerate(space.axes)
            if axis.name in template.names and visible(axis)
        ]
        self.positions = [at for _, at, _ in self._used]
        self._fill = template.bind(self._constants, {name: table for name, _, table in self._used})
        unused = any(at not in self.positions and len(axis.values) > 1 for at, axis in enumerate(space.axes))
        # Where every cell has its own prompt, remembering them would only cost.
        self._memo: dict[tuple[int, ...], str] | None = {} if unused else None

    def prompt(self, cell: Cell) -> str:
        """The rendered prompt of a cell; InputError with template:line where the template fails on its values."""
        indices = [cell[at].index for at in self.positions]
        if self._memo is None:
            return self._fill(indices) or self._empty()
        key = tuple(indices)
        found = self._memo.get(key)
        if found is None:
            if len(self._memo) >= MEMO:
                self._memo.clear()
            found = self._memo[key] = self._fill(indices) or self._empty()
        return found

    def _empty(self) -> NoReturn:
        problem = Problem("empty-prompt", "the prompt is empty for these values")
        raise InputError(self.template.at_beginning(problem))

    def context(self, cell: Cell) -> dict[str, object]:
        """The variables of a cell that the template uses."""
        context = self._constants.copy()
        for name, at, table in self._used:
            index = cell[at].index
            if index >= 0:
                context[name] = table[index]
        return context


def _table(template: Template, axis: Axis, report: PlanReport, shared: Shared) -> Sequence[object]:
    """What an axis' values are for a template, by their place."""
    if axis.name in template.declared:
        return [_typed(template, axis.name, _context_value(v), v.place, report) for v in axis.values]
    if axis.name not in shared:
        large = len(axis.values) >= LARGE
        shared[axis.name] = _Contexts(axis.values) if large else [_context_value(value) for value in axis.values]
    return shared[axis.name]


def _typed(template: Template, name: str, value: object, place: Place | None, report: PlanReport) -> object:
    """A value by the template's declaration, where it has one; once, not at each render."""
    if name not in template.declared:
        return value
    try:
        return template.coerce(name, value, place)
    except InputError as error:
        for problem in error.problems:
            report.add(problem.code, problem.message, place)
        return value


class Stream:
    """Variants and requests of an experiment, in the plan's order, as often as asked."""

    def __init__(self, experiment: Experiment, target: Target, parts: Parts) -> None:
        self._experiment = experiment
        self.target = target
        self.parts = parts
        kinds = [axis.kind for axis in parts.space.axes]
        self._template_at = next((at for at, kind in enumerate(kinds) if kind in ("prompt", "template")), None)
        self._head = f'{{"base_url":{encode_basestring_ascii(target.base_url)},'
        self._middle = f',"provider":{encode_basestring_ascii(target.provider)},"seed":'
        self._seeds = [
            (None if seed is None else index, seed, _seed_text(seed)) for index, seed in enumerate(parts.seeds)
        ]
        self._once = [(self._seeds[0], 0)] if parts.per_variant == 1 else None
        self._only = None if parts.only is None else [_spelled(repeats) for _, repeats in parts.only]
        self._kept: list[Rendered] | None = None

    def variant(self, cell: Cell) -> Variant:
        """A cell under its public name."""
        return Variant(*self.parts.namer.of(cell)[:2])

    def rendered(self, on_error: OnError | None = None, *, keep: bool = False) -> Iterator[Rendered]:
        """Every variant with its prompt; one that can't be rendered is passed to `on_error`, or raised without.

        With `keep` they are kept, as far as there is room, for whoever asks next.
        """
        if self._kept is not None:
            return iter(self._kept)
        return self._render(on_error, self.parts.turns(), [] if keep else None)

    def _render(
        self, on_error: OnError | None, turns: Iterable[Turn], kept: list[Rendered] | None = None
    ) -> Iterator[Rendered]:
        """Render some variants; all of them in `kept`, where they fit, are what later passes read."""
        recipes, shape_of, at = self.parts.recipes, self.parts.shaper.shape, self._template_at
        image_of = self.parts.image
        prompts = [recipe.prompt for recipe in recipes]
        prompt_of, picture = prompts[0], None
        room = KEPT
        for turn in turns:
            cell = turn[1]
            try:
                prompt = prompt_of(cell) if at is None else prompts[cell[at].index](cell)
                if image_of is not None:
                    picture = image_of(cell)
            except InputError as error:
                named = self._naming(error, cell)
                if on_error is None:
                    raise named from error
                on_error(named, cell)
                kept = None  # each pass tells what fails
                continue
            found = turn, prompt, shape_of(cell), picture
            if kept is not None:
                kept.append(found)
                room -= len(prompt) + KEPT_EACH
                if room < 0:
                    kept = None
            yield found
        if kept is not None:
            self._kept = kept

    def _blocks(self) -> Iterator[list[Rendered]]:
        """The rendered variants that take turns, a block at a time."""
        if self._kept is None:
            yield from (list(self._render(None, block)) for block in self.parts.blocks())
            return
        for _, group in itertools.groupby(self._kept, lambda rendered: rendered[0][0] // self.parts.block):
            yield list(group)

    def prefix(self, prompt: str, shape: Shape, picture: Picture | None, draw: int = 0) -> str:
        """The canonical JSON of a request up to its seed, the last of its fields by name.

        In `shape.head` are model, negative prompt, operation and parameters, documented defaults filled in. Draw and
        image (its sha256, or its URL) are only there when they say something: asking once hashes like never having
        heard of draws.
        """
        drawn = f'"draw":{draw},' if draw else ""
        source = "" if picture is None else f'"image":{encode_basestring_ascii(picture.identity)},'
        return f"{self._head}{drawn}{source}{shape.head}{encode_basestring_ascii(prompt)}{self._middle}"

    def hashes(self, rendered: Rendered) -> Iterable[bytes]:
        """The request hashes of one variant, as bytes: those of its turns, by seed, and for each seed by draw."""
        turn, prompt, shape, picture = rendered
        if turn[4] == 1 and self._only is None:
            seed = self._seeds[0][2] if shape.seed is None else _seed_text(shape.seed)
            return (sha256((self.prefix(prompt, shape, picture) + seed).encode()).digest(),)
        return islice(self._every_hash(rendered), turn[4])

    def _every_hash(self, rendered: Rendered) -> Iterator[bytes]:
        _, prompt, shape, picture = rendered
        draws = self.parts.draws if self._only is None else 1

        def start(draw: int) -> Any:
            return sha256(self.prefix(prompt, shape, picture, draw).encode())

        starts = [start(draw) for draw in range(min(draws, STARTS))]
        for (_, _, text), draw in self._repeats(rendered):
            hash_ = starts[draw].copy() if draw < len(starts) else start(draw)
            hash_.update(text.encode())
            yield hash_.digest()

    def _repeats(self, rendered: Rendered) -> Iterable[_Spelled]:
        """Seed index, seed and the seed's JSON with the closing brace, and the draw, of each request of a variant."""
        if self._only is not None:
            return self._only[rendered[0][0]]
        shape = rendered[2]
        if shape.seed is not None:  # given as a parameter, it is the only one
            return itertools.product([(0, shape.seed, _seed_text(shape.seed))], range(self.parts.draws))
        return self._once or itertools.product(self._seeds, range(self.parts.draws))

    def requests(self, *, by_variant: bool = False) -> Iterator[Request]:
        """Every request in the sending order, or variant by variant."""
        if by_variant or self.parts.block == 1:
            for rendered in self.rendered():
                yield from self._requests_of(rendered)
            return
        for block in self._blocks():
            waiting = [(self._requests_of(rendered), rendered[0][4]) for rendered in block]
            for turn in itertools.count(1):
                for requests, _ in waiting:
                    yield next(requests)
                waiting = [each for each in waiting if each[1] > turn]
                if not waiting:
                    break

    def _requests_of(self, rendered: Rendered) -> Iterator[Request]:
        (_, cell, sequence, step, _), prompt, shape, picture = rendered
        namer, at = self.parts.namer, self._template_at
        template = self.parts.recipes[0 if at is None else cell[at].index].template
        variant_id, axes, used, named = namer.of(cell)
        variant = _DraftVariant(variant_id, axes)
        variant.__class__ = Variant
        # The hashes are as many as the variant's turns: `--limit` may leave fewer than it has seeds and draws.
        for digest, ((seed_index, seed, _), draw) in zip(self.hashes(rendered), self._repeats(rendered), strict=False):
            request = _DraftRequest(  # by position: by keyword costs a tenth more
                sequence,
                self._experiment.name,
                variant,
                template.id,
                template.path,
                self.target.provider,
                shape.operation,
                shape.model,
                prompt,
                shape.negative_prompt,
                shape.params,
                shape.defaults,
                seed,
                seed_index,
                draw,
                None if picture is None else picture.image,
                None if picture is None else picture.sha256,
                digest.hex(),
                used,
                namer.name(named, cell, variant_id, seed, draw),
            )
            request.__class__ = Request
            yield request
            sequence += step

    def first_request(self, rendered: Rendered) -> Request:
        """One request of a variant, for what all of them share."""
        return next(self._requests_of(rendered))

    def names(self, rendered: Rendered) -> Iterator[str]:
        """The names under results/ of a variant's requests."""
        (_, cell, *_, turns), *_ = rendered
        namer = self.parts.namer
        variant_id, _, _, named = namer.of(cell)
        for (_, seed, _), draw in islice(self._repeats(rendered), turns):
            yield namer.name(named, cell, variant_id, seed, draw)

    def prompt_place(self, cell: Cell) -> Place | None:
        """Where the text of a cell's prompt is: in the experiment, or in its template."""
        value = None if self._template_at is None else cell[self._template_at].value
        source = self._experiment.source
        if value is not None and self.parts.space.axes[self._template_at or 0].kind == "prompt":
            return value.place
        if source is not None and source.kind == "prompt":
            return source.place
        recipe = self.parts.recipes[0 if self._template_at is None else cell[self._template_at].index]
        return Place(recipe.template.path, 1, 1)

    def _naming(self, error: InputError, cell: Cell) -> InputError:
        """The error with the variant it happened to; a missing file is the same fault for every variant."""
        if all(problem.code in ("missing-image", "bad-image") for problem in error.problems):
            return error
        name = self.variant(cell).name
        suffix = f" (in {name})" if name else ""
        return InputError([replace(problem, message=problem.message + suffix) for problem in error.problems])


#: A repeat as a stream reads it: seed index, seed, the seed's JSON; and the draw.
_Spelled = tuple[tuple[int | None, int | None, str], int]


def _spelled(repeats: Iterable[Repeat]) -> list[_Spelled]:
    return [((index, seed, _seed_text(seed)), draw) for index, seed, draw in repeats]


def _seed_text(seed: int | None) -> str:
    return "null}" if seed is None else f"{seed}}}"
