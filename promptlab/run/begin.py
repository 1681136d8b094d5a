"""The beginning of a run: whether this machine can keep what comes back, then a row for it and for every request.

The plan is streamed into the log in chunks; what the log has already is answered on the way, at no cost. A run whose
`planned` is NULL was killed before its plan was whole: nothing of it was sent.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import shutil
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

from promptlab._version import __version__
from promptlab.errors import InputError, StoreError
from promptlab.git import checked_out
from promptlab.http.download import decode_data_url
from promptlab.log import Log
from promptlab.model import Generation, Image, InputFile, Request, Run, Variant, new_id, utc_now
from promptlab.run.context import RunContext
from promptlab.run.rows import Names, copy_changes, planned_row
from promptlab.store import BadImage, Store, sniff
from promptlab.studio.cached import Found, LoggedFiles, look_up
from promptlab.studio.prepare import PreparedRun
from promptlab.studio.url_masking import settings_text

if sys.platform != "win32":
    import resource

__all__ = ["Begun", "begin", "check_ready", "shortage"]

CHUNK = 1000
LARGEST_SOURCE = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Begun:
    """A run in the log, planned: how many requests, and how many of them the log answered already.

    `gone` images of earlier runs are no longer on disk and are made again; `restored` ones were put back there.
    """

    run: Run
    planned: int
    cached: int
    gone: int = 0
    restored: int = 0
    note: str | None = None  # what git could not read


def begin(job: PreparedRun, context: RunContext, settings: dict[str, object]) -> Begun:
    """Write the run and every planned request. Raises InputError where two files share an experiment's name.

    The run is this process' own from the commit that makes it, and said to be so again while planning continues.
    """
    log, names = context.log, context.names
    run, note = _run(job, settings)
    _begin_run(job, context, run)
    planned = cached = gone = 0
    kept: set[str] = set()
    files = LoggedFiles(log, context.store, job.studio.folder, restore=True)
    for chunk in _chunks(job.plan.requests()):
        sources = _keep_sources(chunk, context.store, kept, job.folder or job.studio.folder)
        found = Found({}) if context.fresh else look_up(log, files, [request.request_hash for request in chunk])
        rows, images = _rows(chunk, run.id, log.whole(found.hits), names)
        gone += found.gone
        with log.transaction():
            context.own(run)
            log.add_inputs(run.id, sources)
            log.add_variants(job.experiment.name, _variants(chunk))
            log.insert_many([*rows, *images])
        for image in images:
            names.link(image)
        planned += len(rows)
        cached += sum(row.cached_from is not None for row in rows)
    log.update(Run, run.id, planned=planned, cached=cached)
    log.refresh_sums(run.id, running=True)
    return Begun(replace(run, planned=planned, cached=cached), planned, cached, gone, files.restored, note)


def _begin_run(job: PreparedRun, context: RunContext, run: Run) -> None:
    """The run's own row, with its inputs and templates."""
    experiment, log = job.experiment, context.log
    with log.transaction():
        if job.kind != "redo":  # that is of an experiment as it was: what the log says of it now stays
            log.use_experiment(experiment.name, experiment.path, experiment.description, job.studio.folder)
        log.insert(run)
        context.own(run)
        log.add_inputs(run.id, [*experiment.inputs, *_settings_file(job)])
        log.add_templates(
            run.id, zip(job.plan.run_templates, [each.files for each in job.plan.templates.values()], strict=True)
        )
        if job.kind != "redo":
            log.ensure_axes_view(experiment.name, job.plan.axes)


def _run(job: PreparedRun, settings: dict[str, object]) -> tuple[Run, str | None]:
    """The run's row, and what git could not read."""
    experiment, endpoint, chosen = job.experiment, job.endpoint, job.studio.settings
    state = checked_out(job.studio.folder, [experiment.path])
    templates = job.plan.templates.values()
    trouble = next((each.trouble for each in templates if each.dirty is None and each.trouble), state.trouble)
    run = Run(
        id=new_id(),
        kind=job.kind,
        parent_run=job.parent_run,
        experiment=experiment.name,
        project=chosen.project,
        user=chosen.user or _user(),
        host=socket.gethostname(),
        spec_text=experiment.text,
        spec_sha256=hashlib.sha256(experiment.text.encode()).hexdigest(),
        settings=json.dumps(settings | {"price": _worst_price(job)}, ensure_ascii=False),
        price_table=json.dumps(_price_table(job), ensure_ascii=False),
        provider=endpoint.provider.name,
        base_url=endpoint.base_url,
        plan=endpoint.plan.name if endpoint.plan else None,
        started_at=utc_now(),
        git_commit=state.commit,
        git_branch=state.branch,
        git_dirty=True if state.commit and any(each.dirty for each in templates) else state.dirty,
        promptlab_version=__version__,
    )
    return run, None if trouble is None else f"git: {trouble}; the run is logged without its git commit"


def _price_table(job: PreparedRun) -> dict[str, object]:
    """The prices in force, each with its source: what `~` figures of this run were made from."""
    lines = [asdict(line) for line in job.plan.survey().prices]
    return {"plan": asdict(job.endpoint.plan) if job.endpoint.plan else None, "prices": lines}


def _worst_price(job: PreparedRun) -> dict[str, float | None]:
    """The most expensive request of the plan: what sending one of them again can cost at worst."""
    prices = [line.price for line in job.plan.survey().prices]
    credits = [price.credits for price in prices if price.credits is not None]
    usd = [price.usd for price in prices if price.usd is not None]
    return {"credits": max(credits, default=None), "usd": max(usd, default=None)}


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a name for its user
        return None


def _settings_file(job: PreparedRun) -> list[InputFile]:
    if job.studio.settings.text is None:
        return []
    text = settings_text(job.studio.settings.text)
    return [InputFile("promptlab.yaml", "settings", hashlib.sha256(text.encode()).hexdigest(), text)]


def _chunks(requests: Iterator[Request]) -> Iterator[list[Request]]:
    while chunk := list(islice(requests, CHUNK)):
        yield chunk


def _variants(chunk: Sequence[Request]) -> Iterable[Variant]:
    return {request.variant.id: request.variant for request in chunk}.values()


def _rows(
    chunk: Sequence[Request], run_id: str, hits: Mapping[str, tuple[Generation, list[Image]]], names: Names
) -> tuple[list[Generation], list[Image]]:
    rows: list[Generation] = []
    images: list[Image] = []
    for request in chunk:
        row = planned_row(request, run_id)
        hit = hits.get(request.request_hash)
        if hit is not None:
            paid, paid_images = hit
            images += [
                replace(image, id=new_id(), generation_id=row.id, path=names.path(row, image.position, image.format))
                for image in paid_images
            ]
            row = replace(row, **copy_changes(paid))
        rows.append(row)
    return rows, images


def _keep_sources(chunk: Sequence[Request], store: Store, kept: set[str], studio: Path) -> list[InputFile]:
    """Source images go into the store before anything is sent, so that a resumed run has the very same bytes.

    One that is there already is neither written nor checked again.
    """
    found = []
    for request in chunk:
        sha256, path = request.image_sha256, request.image
        if sha256 is None or path is None or sha256 in kept:
            continue
        kept.add(sha256)
        data = _bytes_of(path)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StoreError(f"{path} changed while the run was being planned; run it again")
        if store.head(sha256) is None:
            _keep(data, path, store)
        if path[:5].lower() == "data:":
            found.append(InputFile(f"{path[:32]}…", "image", sha256, None))
            continue
        shown = Path(path)
        name = shown.relative_to(studio).as_posix() if shown.is_relative_to(studio) else str(shown)
        found.append(InputFile(name, "image", sha256, None))
    return found


def _bytes_of(source: str) -> bytes:
    if source[:5].lower() == "data:":
        return decode_data_url(source, LARGEST_SOURCE)
    return Path(source).read_bytes()


def _keep(data: bytes, source: str, store: Store) -> None:
    seen = sniff(data)
    if isinstance(seen, BadImage):
        raise InputError(f"{source[:200]} is not an image that can be edited: {seen.message}", code="bad-image")
    with store.part() as part:
        part.write(data)
        store.put_new(part, seen.format)


# --- what this machine needs before the first send ----------------------------------------------------------------
#
# Folders that take files, space on the disk, and file descriptors: an answer that can't be kept was paid for all the
# same, so all of it is tried while nothing has been sent.

LEAST_FREE = 256 * 1024  # bytes, whatever the images' size
DOWNLOADS = 16
SPARE = 32  # files: the event loop, the log, the decoder, what Python opens by itself


def check_ready(log: Log, store: Store, to_send: int, workers: int) -> None:
    """Raise StoreError or InputError, with what to do, where results could not be kept."""
    at_once = min(workers, to_send)
    store.try_writing("so nothing was sent")
    _check_room(store.folder, round(at_once * _typical(log)))
    for folder in (store.names, log.path.parent):
        _check_room(folder, 0)
    _check_descriptors(at_once, min(DOWNLOADS, to_send))


def shortage(log: Log, store: Store, images: int) -> str | None:
    """A warning where this many images, as large as this log's last ones, would not fit on the disk."""
    size, free = _typical(log), shutil.disk_usage(store.folder).free
    if images * size <= free:
        return None
    each, left = f"{size / 1e6:,.1f} MB", f"{free / 1e9:,.1f} GB"
    return f"{images:,} images of {each} each, like the last ones, need more than the {left} that are free"


def _typical(log: Log) -> float:
    """The mean size of the last images; 0 where there is none."""
    sizes = "SELECT bytes FROM images WHERE bytes > 0 ORDER BY rowid DESC LIMIT 200"
    return float(log.value(f"SELECT ifnull(avg(bytes), 0) FROM ({sizes})"))  # noqa: S608  no value in it


def _check_room(folder: Path, needed: int) -> None:
    """A run stops cleanly when the disk is full: what is in flight then has to fit."""
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE + needed:
        raise StoreError(
            f"{folder}: the disk is full, or nearly so ({free / 1e6:,.1f} MB free): what comes back could not be kept. "
            "Free some space, or move the folder to a larger disk; nothing was sent"
        )


def _check_descriptors(workers: int, downloads: int) -> None:
    """A connection for each request, a connection and a file for each download, and what is open by then."""
    if sys.platform == "win32":
        return
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY:
        return
    needed = _open_now() + workers + 2 * downloads + SPARE
    if needed > most:
        raise InputError(
            f"only {most:,} files may be open at once, and this run needs about {needed:,}: results could not be kept. "
            f"Raise the limit (ulimit -n {max(1024, needed)}) or lower --jobs; nothing was sent",
            code="too-few-files",
        )


def _open_now() -> int:
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return len(os.listdir(folder))  # noqa: PTH208  names are enough
        except OSError:
            continue
    return 16
