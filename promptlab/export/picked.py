"""One file per product: each variant's pick under the experiment's own names, labelled, and a list for the shop system.

Files are always copies of their own, never links: an editor that saves over one must not reach the originals. A picture
that is signed is copied byte for byte; any other gets its label (`labels`), and another format or size where asked.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path

from promptlab.errors import InputError, Problem, StoreError
from promptlab.export.converting import Conversion, convert
from promptlab.export.folder import Folder, Remembered
from promptlab.export.labels import labelled
from promptlab.export.names import ProductNames, all_different
from promptlab.export.product_list import product_list
from promptlab.history.from_log import experiment_then
from promptlab.log import Log, Product, Unpicked
from promptlab.model import Run
from promptlab.spec.matcher import Where, matches, resolve
from promptlab.store import BadImage, Store, sniff
from promptlab.store.formats import FORMATS, Format
from promptlab.store.labels import label_of
from promptlab.studio.options import wrong_option
from promptlab.studio.studio import Studio

__all__ = ["Exported", "export_picked"]

LIST = "products.csv"
AHEAD = 4  # files per thread that are on their way: pictures in memory

#: Hears how many of how many files are settled.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export did. `missing` are variants without a pick, `gone` picks whose files are no longer in the store.

    `signed` files were copied as they are; `signatures_lost` were signed and re-encoded, since that was asked;
    `renamed` are signed files whose format is not the one that `files:` names; `stale` are files of an earlier export
    that are no longer among the products: they are left alone.
    """

    run_id: str
    experiment: str
    folder: str
    products: int
    written: int
    unchanged: int
    converted: int
    signed: int
    signatures_lost: int
    missing: tuple[Unpicked, ...]
    gone: tuple[str, ...]
    renamed: tuple[str, ...]
    stale: tuple[str, ...]
    list: str
    simulated: bool


def export_picked(
    run: str,
    folder: Path | str,
    *,
    where: Where = (),
    format: Format | None = None,
    max_size: int | None = None,
    quality: int = 90,
    all_or_nothing: bool = False,
    force: bool = False,
    studio: Studio | Path | str | None = None,
    db: Path | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write the picks of a run's variants to a folder, with `products.csv`; what is there already is not written again.

    `where` picks variants. `format` is png, jpg or webp (else each file stays what it is, or becomes what a fixed
    extension in `files:` names), `max_size` the longest side in pixels, `quality` 1 to 100 of what is re-encoded as jpg
    or webp. InputError, and nothing written, where two products would be one file, where a file is in the way that this
    program did not write (unless `force`), and with `all_or_nothing` where a variant has no pick. StoreError where the
    disk refuses.
    """
    wanted = _checked(format, max_size, quality)
    opened = (
        studio if isinstance(studio, Studio) else Studio.open(Path.cwd() if studio is None else Path(studio), db=db)
    )
    target = Folder(Path(folder))
    with opened.log(create=False, readonly=True) as log:
        found = log.find_whole_run(run)
        export = _Export(opened, log, found, target, wanted, where)
        if all_or_nothing:
            export.refuse_missing()
        export.look(force=force)
    return export.write(progress or (lambda done, total: None))


def _checked(format: Format | None, max_size: int | None, quality: int) -> Conversion:
    if format is not None and format not in FORMATS:
        raise wrong_option("format", format, "png, jpg or webp")
    for name, value, most in (("max_size", max_size, 100_000), ("quality", quality, 100)):
        if value is None and name == "max_size":
            continue
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise wrong_option(name, value, f"a whole number from 1 to {most:,}")
    return Conversion(format, max_size, quality)


@dataclass(frozen=True, slots=True)
class _Job:
    """One product's file to be: its name, how it is made, and what that is remembered as."""

    product: Product
    name: str
    conversion: Conversion | None  # None: copied, with its label
    made_from: str


class _Export:
    """One export, from what the log says to the files."""

    def __init__(
        self, studio: Studio, log: Log, run: Run, folder: Folder, wanted: Conversion, where: Where
    ) -> None:  # fmt: skip
        self.store: Store = studio.store()
        self.run, self.folder, self.wanted = run, folder, wanted
        matchers = resolve(where, log.axis_values(run.id)) if where else ()

        def chosen(axes: Mapping[str, str]) -> bool:
            return all(matches(matcher, axes) for matcher in matchers)

        products = [each for each in log.products(run.id) if chosen(each.axes)]
        self.missing = tuple(each for each in log.without_pick(run.id) if chosen(each.axes))
        self.is_part = bool(matchers)
        self.gone = tuple(each.variant for each in products if self.store.head(each.sha256) is None)
        here = [each for each in products if self.store.head(each.sha256) is not None]
        self._signed = {each.image_id for each in here if "c2pa" in self._label(each)}
        experiment = None
        if run.spec_text is not None:
            experiment = experiment_then(studio, log, run)
        self.names = ProductNames(experiment, products)
        self.renamed: list[str] = []
        self.jobs = [self._job(each) for each in here]
        all_different([(job.name, job.product) for job in self.jobs])
        self.todo: list[_Job] = []

    def _label(self, product: Product) -> str:
        """What the log noted, or what an older log's image says."""
        return product.label or label_of(self.store.get(product.sha256), product.format)

    def _job(self, product: Product) -> _Job:
        asked = self.wanted
        is_signed = product.image_id in self._signed
        if asked.format is None and self.names.format in FORMATS and not is_signed:
            asked = replace(asked, format=self.names.format)
        needed = asked.needed(product.format, product.width, product.height)
        final = asked.format or product.format
        name = self.names.of(product, final)
        if is_signed and self.names.format not in (None, final):
            self.renamed.append(name)
        how = asked.said(product.format) if needed else "copy"
        prompt = _sha256(product.prompt)
        return _Job(product, name, asked if needed else None, f"{product.sha256} {how} {prompt}")

    def refuse_missing(self) -> None:
        """InputError for every product that would not be there."""
        problems = [Problem("without-pick", f"{each.variant} has no kept image ({each.why})") for each in self.missing]
        problems += [Problem("without-pick", f"{name}: its file is no longer in the store") for name in self.gone]
        if problems:
            raise InputError(problems)

    def look(self, *, force: bool) -> None:
        """What has to be written; InputError where a file is in the way that is not ours."""
        if not self.jobs:
            message = f"no variant of run {self.run.id} has a kept image; keep some first: promptlab mark {self.run.id}"
            raise InputError(f"{message} --keep IMAGE…", code="without-pick")
        in_the_way = []
        for job in self.jobs:
            entry = self.folder.ours(job.name)
            if entry is not None and entry.made_from == job.made_from:
                continue
            self.todo.append(job)
            if entry is None and os.path.lexists(self.folder.path / job.name) and not force:
                in_the_way += self._differs(job)
        if in_the_way:
            raise InputError(in_the_way)

    def _differs(self, job: _Job) -> list[Problem]:
        """A file that is there and not remembered: what this export would write too, or somebody else's."""
        path = self.folder.path / job.name
        data, *_ = self._made(job)
        try:
            same = path.is_file() and path.read_bytes() == data
        except OSError:
            same = False
        if same:
            return []
        message = f"{path} was not written by this export, or was changed since; --force replaces it"
        return [Problem("target-exists", message)]

    def write(self, progress: Progress) -> Exported:
        """Write what has to be, then the list; interrupted, the next export goes on from there."""
        self.folder.open()
        counts = {"written": 0, "converted": 0, "lost": 0}
        done = len(self.jobs) - len(self.todo)
        try:
            for job, entry, is_new, lost in self._each():
                self.folder.files[job.name] = entry
                counts["written"] += is_new
                counts["converted"] += is_new and job.conversion is not None
                counts["lost"] += is_new and lost
                done += 1
                progress(done, len(self.jobs))
        finally:
            self.folder.remember()
        listed = [(job.product, self.folder.files[job.name].written(job.name)) for job in self.jobs]
        self.folder.renew(LIST, product_list(listed).encode())
        names = {job.name: job for job in self.jobs}
        return Exported(
            self.run.id, self.run.experiment, str(self.folder.path), len(self.jobs), counts["written"],
            len(self.jobs) - counts["written"], counts["converted"],
            sum(job.conversion is None and job.product.image_id in self._signed for job in self.jobs),
            counts["lost"], self.missing, self.gone, tuple(self.renamed),
            () if self.is_part else self.folder.stale(self.run.experiment, names), str(self.folder.path / LIST),
            any(job.product.simulated for job in self.jobs),
        )  # fmt: skip

    def _each(self) -> Iterable[tuple[_Job, Remembered, bool, bool]]:
        """Every file to be written, as soon as it is; a few at a time, so that few pictures are in memory."""
        threads = min(8, os.cpu_count() or 1)
        left = iter(self.todo)
        with ThreadPoolExecutor(threads) as pool:
            waiting: set[Future[tuple[_Job, Remembered, bool, bool]]] = set()
            try:
                for job in left:
                    waiting.add(pool.submit(self._one, job))
                    if len(waiting) >= threads * AHEAD:
                        finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                        for each in finished:
                            yield each.result()
                while waiting:
                    finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    for each in finished:
                        yield each.result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _one(self, job: _Job) -> tuple[_Job, Remembered, bool, bool]:
        """Write one file, unless the same is there."""
        data, width, height, lost = self._made(job)
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.folder.path / job.name
        status = path.stat() if path.is_file() else None
        if status is not None and status.st_size == len(data) and path.read_bytes() == data:
            entry = Remembered(self.run.experiment, job.made_from, sha256, len(data), width, height, status.st_mtime_ns)
            return job, entry, False, lost
        time = self.folder.write(job.name, data)
        return job, Remembered(self.run.experiment, job.made_from, sha256, len(data), width, height, time), True, lost

    def _made(self, job: _Job) -> tuple[bytes, int, int, bool]:
        """The file's bytes and size, and whether a signature was lost."""
        product = job.product
        data, format = self.store.get(product.sha256), product.format
        lost = job.conversion is not None and product.image_id in self._signed
        if job.conversion is not None:
            data = convert(data, format, job.conversion, product.variant)
            format = job.conversion.format or format
        seen = sniff(data)
        if isinstance(seen, BadImage):
            raise StoreError(f"{product.variant}: {seen.message}")
        try:
            data = labelled(data, format, prompt_sha256=_sha256(product.prompt), simulated=product.simulated)
        except ValueError as error:
            raise StoreError(f"{product.variant}: the image can't be labelled: {error}") from error
        return data, seen.width, seen.height, lost


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
