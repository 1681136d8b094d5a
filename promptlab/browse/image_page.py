"""The image page: one image and how it came to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from promptlab.browse import page_data, page_rendering, shell

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from datasette.utils.asgi import Request, Response  # type: ignore[import-untyped,import-not-found,unused-ignore]

__all__ = ["ROUTES"]


async def image_page(request: Request, datasette: Datasette) -> Response:
    """One image and how it came to be."""
    log, links = await shell.open_log(request, datasette)
    if log is None or links is None:
        return shell.nothing_here(datasette)
    key = request.url_vars["key"]
    found = await shell.read(datasette, log, lambda connection: page_data.image_detail(connection, key))
    if found is None:
        return shell.message(links, "There is no such image in this log", "Its row may be in another database.")
    return shell.page(
        "image.html", links, found=found, values=_values(found.generation), params=_params(found.generation)
    )


def _values(generation: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The axis values that were used, each as text; a row's fields as JSON."""
    used = shell.mapping(generation["axis_values"])
    return [
        (axis, value if isinstance(value, str) else page_rendering.pretty_json(value)) for axis, value in used.items()
    ]


def _params(generation: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was asked for, beside the prompt: the columns that are set, then the rest of the parameters."""
    named = ("operation", "aspect_ratio", "output_format", "n", "strength")
    defaulted = page_rendering.names(generation["defaulted"])
    found = [
        (name, f"{generation[name]} (the default)" if name in defaulted else str(generation[name]))
        for name in named
        if generation[name] is not None
    ]
    return found + [
        (name, str(value)) for name, value in shell.mapping(generation["params"]).items() if name not in named
    ]


ROUTES: list[shell.Route] = [(r"^/-/promptlab/image/(?P<key>[0-9A-Za-z_-]{1,64})\Z", image_page)]
