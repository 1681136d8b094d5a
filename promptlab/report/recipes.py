"""How an image is made again: its request, the template and the values that its words came from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from promptlab.errors import PromptlabError
from promptlab.log import Log
from promptlab.model import Generation, Image
from promptlab.report.contents import ImageRecipe, TemplateText
from promptlab.run.as_curl import curl_of
from promptlab.studio.studio import Studio

__all__ = ["recipe_of"]

_NAMED = ("operation", "aspect_ratio", "output_format", "n", "strength", "source_image")


def recipe_of(log: Log, studio: Studio, row: Generation, image: Image | None) -> ImageRecipe:
    """The recipe of one image."""
    used = log.run_templates(row.run_id, row.template_id).get(row.template_id)
    curl, no_curl = _curl(studio, row)
    return ImageRecipe(
        generation_id=row.id,
        template=used.path if used else None,
        template_id=row.template_id,
        commit=used.commit if used else None,
        dirty=used.dirty if used else None,
        files=tuple(TemplateText(each.path, each.source) for each in used.files) if used else (),
        variables=tuple(_variables(log, row)),
        prompt=row.prompt,
        negative_prompt=row.negative_prompt,
        revised_prompt=image.revised_prompt if image else None,
        parameters=tuple(_parameters(row)),
        model=row.response_model or row.model,
        provider=row.provider,
        curl=curl,
        no_curl=no_curl,
    )


def _curl(studio: Studio, row: Generation) -> tuple[str | None, str | None]:
    try:
        return curl_of(studio, row), None
    except PromptlabError as error:  # its provider is not installed here, or not set up
        return None, f"the request can't be written as a command here: {error}"


def _variables(log: Log, row: Generation) -> Iterator[tuple[str, str, str]]:
    used: dict[str, Any] = json.loads(row.axis_values) if row.axis_values else {}
    for axis, value_id in log.axes_of(row).items():
        value = used.get(axis, "")
        yield axis, value_id, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _parameters(row: Generation) -> Iterator[tuple[str, str]]:
    defaulted = json.loads(row.defaulted) if row.defaulted else []
    yield "model", row.model
    if row.seed is not None:
        yield "seed", str(row.seed)
    if row.draw:
        yield "draw", str(row.draw)
    for name in _NAMED:
        value = getattr(row, name)
        if value is not None:
            yield name, f"{value} (the default)" if name in defaulted else str(value)
    params: dict[str, Any] = json.loads(row.params) if row.params else {}
    for name, value in params.items():
        if name not in _NAMED:
            yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
