"""Chains: an experiment that edits the images of an earlier one, looked up in the log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from promptlab.errors import InputError
from promptlab.model import ImageSource, Matcher
from promptlab.plan import Chain, ChainImage
from promptlab.spec import matches, resolve
from promptlab.spec.matcher import Values

if TYPE_CHECKING:
    from promptlab.log import Log
    from promptlab.store import Store

__all__ = ["chain_of"]

ID_LENGTH = 12
_IMAGES = (
    "SELECT sha256, axes, mark FROM gallery WHERE run_id = ? AND status = 'stored' ORDER BY generation_rowid, position"
)


def chain_of(open_log: Callable[[], Log | None], open_store: Callable[[], Store]) -> Chain:
    """The look-up that a plan asks: the images of an experiment's latest run that has any.

    An image's id is the start of its sha256, so that a run whose images are the same (one from the cache, say) makes
    the same variants, and `source_image` of an edit is the `sha256` of what it came from.
    """

    def look(source: ImageSource) -> list[ChainImage]:
        log = open_log()
        if log is None or source.chain is None:
            return []
        with log:
            for run in log.runs(experiment=source.chain):
                rows = list(log.rows(_IMAGES, (run.id,)))
                if rows and run.kind != "verify":
                    where = _resolved(source, log.axis_values(run.id))
                    return list(_picked(source, where, rows, open_store()))
        return []

    return look


def _resolved(source: ImageSource, values: Values) -> tuple[Matcher, ...]:
    """The chain's `where` against what that run planned; InputError at its place for what is not there."""
    try:
        return resolve(source.where, values, f"image: where, in experiment '{source.chain}'")
    except InputError as error:
        if (at := source.place) is None:
            raise
        placed = [replace(p, path=at.path, line=at.line, column=at.column) for p in error.problems]
        raise InputError(placed) from None


def _picked(
    source: ImageSource, where: Sequence[Matcher], rows: list[tuple[str, str | None, str | None]], store: Store
) -> Iterator[ChainImage]:
    for sha256, axes_text, mark in rows:
        axes = json.loads(axes_text or "{}")
        if (source.pick == "kept" and mark != "keep") or not all(matches(matcher, axes) for matcher in where):
            continue
        if store.head(sha256) is not None:
            yield ChainImage(sha256[:ID_LENGTH], store.local_copy(sha256), sha256, axes)
