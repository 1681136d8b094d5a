"""The hot path: cell → prompt → id → hash → Request, one at a time, in constant memory.

Everything that many requests share is made once: canonical JSON per value and per shape, slugs, contexts. A variant's
seeds share the hash of all that is before the seed.

The sending order is interleaved unless the experiment says otherwise: every variant with its first seed, then every
variant with its second, so that a model that changes in the middle of a run changes for all variants alike. A plan of
more than a block of variants is interleaved block by block, each rendered once and held while its seeds go round.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import islice
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING

from promptlab.errors import InputError
from promptlab.model import Experiment, Place, Request, Variant

from .designs import Chosen
from .file_names import Namer
from .identity import ID_LENGTH
from .images import ImageOf, Picture
from .merging import Shape, Shaper
from .product import Cell, Space, Test, matches
from .recipes import Recipe

if TYPE_CHECKING:
    from .target import Target

__all__ = ["Parts", "Rendered", "Stream"]

STARTS = 8  # draws whose hash up to the seed is kept for a variant
BLOCK = 1000  # variants that take turns in the sending order

#: A variant's turns: its place in the plan, its cell, the sequence of its first request, how far apart its requests are
#: in the sending order, and how many of them `--limit` leaves.
Turn = tuple[int, Cell, int, int, int]
#: A variant on its way: its turns, prompt, shape and source image.
Rendered = tuple[Turn, str, Shape, Picture | None]
OnError = Callable[[InputError, Cell], None]


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

    @property
    def per_variant(self) -> int:
        """Requests per variant."""
        return len(self.seeds) * self.draws

    @property
    def block(self) -> int:
        """How many variants take turns in the sending order."""
        return BLOCK if self.interleaved and self.per_variant > 1 else 1

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
        if self.where or self.limit is not None or self.block > 1:
            return itertools.chain.from_iterable(self.blocks())
        per = self.per_variant
        return ((place, cell, place * per, 1, per) for place, cell in enumerate(self.chosen.cells()))


class Stream:
    """Variants and requests of an experiment, in the plan's order, as often as asked."""

    def __init__(self, experiment: Experiment, target: Target, parts: Parts) -> None:
        self._experiment = experiment
        self._target = target
        self.parts = parts
        kinds = [axis.kind for axis in parts.space.axes]
        self._template_at = next((at for at, kind in enumerate(kinds) if kind in ("prompt", "template")), None)
        self._head = f'{{"base_url":{encode_basestring_ascii(target.base_url)},'
        self._middle = f',"provider":{encode_basestring_ascii(target.provider)},"seed":'
        self._seeds = [(index, seed, _seed_text(seed)) for index, seed in enumerate(parts.seeds)]

    def variant(self, cell: Cell) -> Variant:
        """A cell under its public name."""
        space = self.parts.space
        return Variant(space.id_of(cell), space.axes_of(cell))

    def rendered(self, on_error: OnError | None = None, turns: Iterable[Turn] | None = None) -> Iterator[Rendered]:
        """Every variant with its prompt; one that can't be rendered is passed to `on_error`, or raised without."""
        recipes, shape_of, at = self.parts.recipes, self.parts.shaper.shape, self._template_at
        image_of = self.parts.image
        prompts = [recipe.prompt for recipe in recipes]
        prompt_of, picture = prompts[0], None
        for turn in self.parts.turns() if turns is None else turns:
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
                continue
            yield turn, prompt, shape_of(cell), picture

    def prefix(self, prompt: str, shape: Shape, picture: Picture | None, draw: int = 0) -> bytes:
        """The canonical JSON of a request up to its seed (see `identity.payload`)."""
        head = self._head
        if draw:
            head += f'"draw":{draw},'
        if picture is not None:
            head += f'"image":{encode_basestring_ascii(picture.identity)},'
        return (head + shape.head + encode_basestring_ascii(prompt) + self._middle).encode()

    def hashes(self, rendered: Rendered) -> Iterable[bytes]:
        """The request hashes of one variant, as bytes: those of its turns, by seed, and for each seed by draw."""
        turn, prompt, shape, picture = rendered
        if turn[4] == 1:
            seed = self._seeds[0][2] if shape.seed is None else _seed_text(shape.seed)
            return (sha256(self.prefix(prompt, shape, picture) + seed).digest(),)
        return islice(self._every_hash(rendered), turn[4])

    def _every_hash(self, rendered: Rendered) -> Iterator[bytes]:
        _, prompt, shape, picture = rendered
        seeds, draws = self.seeds_of(shape), self._experiment.draws
        starts = [sha256(self.prefix(prompt, shape, picture, draw)) for draw in range(min(draws, STARTS))]
        for _, _, text in seeds:
            for draw in range(draws):
                start = starts[draw].copy() if draw < STARTS else sha256(self.prefix(prompt, shape, picture, draw))
                start.update(text)
                yield start.digest()

    def seeds_of(self, shape: Shape) -> Sequence[tuple[int | None, int | None, bytes]]:
        """Seed index, seed and its JSON with the closing brace; a seed given as a parameter is the only one."""
        return self._seeds if shape.seed is None else [(0, shape.seed, _seed_text(shape.seed))]

    def requests(self, *, by_variant: bool = False) -> Iterator[Request]:
        """Every request in the sending order, or variant by variant."""
        if by_variant or self.parts.block == 1:
            for rendered in self.rendered():
                yield from self._requests_of(rendered)
            return
        for block in self.parts.blocks():
            waiting = [(self._requests_of(rendered), rendered[0][4]) for rendered in self.rendered(turns=block)]
            for turn in itertools.count(1):
                for requests, _ in waiting:
                    yield next(requests)
                waiting = [each for each in waiting if each[1] > turn]
                if not waiting:
                    break

    def _requests_of(self, rendered: Rendered) -> Iterator[Request]:
        (_, cell, sequence, step, _), prompt, shape, picture = rendered
        space, namer, draws = self.parts.space, self.parts.namer, self._experiment.draws
        template = self._recipe(cell).template
        variant_id = sha256(space.canonical(cell).encode()).hexdigest()[:ID_LENGTH]
        variant = Variant(variant_id, space.axes_of(cell))
        named = namer.of_variant(cell, variant_id)
        used = space.used(cell)
        left = iter(self.hashes(rendered))
        for seed_index, seed, _ in self._seeds if shape.seed is None else self.seeds_of(shape):
            for draw in range(draws):
                if (digest := next(left, None)) is None:
                    return  # `--limit` leaves no more
                yield Request(  # by position: by keyword costs a tenth more
                    sequence,
                    self._experiment.name,
                    variant,
                    template.id,
                    template.path,
                    self._target.provider,
                    shape.operation,
                    shape.model,
                    prompt,
                    shape.negative_prompt,
                    shape.params,
                    shape.defaults,
                    seed,
                    None if seed is None else seed_index,
                    draw,
                    None if picture is None else picture.image,
                    None if picture is None else picture.sha256,
                    digest.hex(),
                    used,
                    namer.name(named, cell, variant_id, seed, draw),
                )
                sequence += step

    def first_request(self, rendered: Rendered) -> Request:
        """One request of a variant, for what all of them share."""
        return next(self._requests_of(rendered))

    def names(self, rendered: Rendered) -> Iterator[str]:
        """The names under results/ of a variant's requests."""
        (_, cell, *_), _, shape, _ = rendered
        namer, variant_id = self.parts.namer, self.parts.space.id_of(cell)
        named = namer.of_variant(cell, variant_id)
        for _, seed, _ in self.seeds_of(shape):
            for draw in range(self._experiment.draws):
                yield namer.name(named, cell, variant_id, seed, draw)

    def prompt_place(self, cell: Cell) -> Place | None:
        """Where the text of a cell's prompt is: in the experiment, or in its template."""
        value = None if self._template_at is None else cell[self._template_at].value
        source = self._experiment.source
        if value is not None and self.parts.space.axes[self._template_at or 0].kind == "prompt":
            return value.place
        if source is not None and source.kind == "prompt":
            return source.place
        return Place(self._recipe(cell).template.path, 1, 1)

    def _recipe(self, cell: Cell) -> Recipe:
        return self.parts.recipes[0 if self._template_at is None else cell[self._template_at].index]

    def _naming(self, error: InputError, cell: Cell) -> InputError:
        """The error with the variant it happened to; a missing file is the same fault for every variant."""
        if all(problem.code in ("missing-image", "bad-image") for problem in error.problems):
            return error
        name = self.variant(cell).name
        suffix = f" (in {name})" if name else ""
        return InputError([replace(problem, message=problem.message + suffix) for problem in error.problems])


def _seed_text(seed: int | None) -> bytes:
    return b"null}" if seed is None else b"%d}" % seed
