"""Which images of a run the user means, by name and by `--where`."""

from __future__ import annotations

from collections.abc import Sequence

from promptlab.errors import InputError
from promptlab.log import Log
from promptlab.spec import Where, matches, resolve

__all__ = ["choose_images"]


def choose_images(log: Log, run_id: str, names: Sequence[str] = (), where: Where = ()) -> list[str]:
    """The run's stored images that one of the names means (all, without names) and that every `where` matches.

    Names are those of `Log.match_images`; `where` is held against the values that the run planned. InputError where a
    name, an axis or an id is not there, where nothing is left, and where neither is given.
    """
    if not names and not where:
        raise InputError("name the images: by name, with --where or with --from")
    chosen = log.match_images(run_id, names) if names else None
    if not where:
        return chosen or []
    matchers = resolve(where, log.axis_values(run_id))
    fitting = {id_ for id_, axes in log.image_axes(run_id) if all(matches(matcher, axes) for matcher in matchers)}
    if not fitting:
        raise InputError(f"--where matches no image of run {run_id}", code="no-such-image")
    if chosen is None:
        return [id_ for id_, _ in log.image_axes(run_id) if id_ in fitting]
    if not fitting.intersection(chosen):
        raise InputError("--where matches none of the images named", code="no-such-image")
    return [id_ for id_ in chosen if id_ in fitting]
