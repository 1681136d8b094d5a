"""Between a request, its row in the log and its readable names: a resumed run sends exactly what was planned."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptlab.model import Generation, Image, Request, Variant, is_simulated, new_id, utc_now
from promptlab.store import Store

__all__ = ["COLUMNS", "Names", "copy_changes", "planned_row", "request_of"]

#: Parameters with their own column; every other one is in `params`.
COLUMNS = ("aspect_ratio", "output_format", "n", "strength")
_HASH = re.compile("[0-9a-f]{64}")


def planned_row(request: Request, run_id: str) -> Generation:
    """The row of a request that was not sent yet. A documented default is logged as the value in force."""
    # The strength of a request that is not an edit is dropped on the wire, and its column says nothing then.
    own = {*COLUMNS, "model"} - (set() if request.operation == "edit" else {"strength"})
    return Generation(
        id=new_id(),
        run_id=run_id,
        sequence=request.sequence,
        experiment=request.experiment,
        variant_id=request.variant.id,
        template_id=request.template_id,
        provider=request.provider,
        model=request.model,
        operation=request.operation,
        seed=request.seed,
        seed_index=request.seed_index,
        draw=request.draw,
        axis_values=_json(request.axis_values),
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        aspect_ratio=request.param("aspect_ratio"),
        output_format=request.param("output_format"),
        n=request.n,
        strength=request.param("strength") if request.operation == "edit" else None,
        source_image=request.image_sha256 or request.image,
        params=_json({name: value for name, value in request.params.items() if name not in own}),
        defaulted=_names(name for name in COLUMNS if name not in request.params and request.param(name) is not None),
        file_name=request.files,
        request_hash=request.request_hash,
        created_at=utc_now(),
    )


def request_of(generation: Generation) -> Request:
    """The request that a planned row stands for, as far as a provider needs it: what was left out is left out."""
    params: dict[str, Any] = json.loads(generation.params) if generation.params else {}
    left_out = json.loads(generation.defaulted) if generation.defaulted else []
    for name in COLUMNS:
        value = getattr(generation, name)
        if value is not None and name not in left_out:
            params[name] = value
    source = generation.source_image
    is_hash = source is not None and _HASH.fullmatch(source) is not None
    return Request(
        sequence=generation.sequence,
        experiment=generation.experiment,
        variant=Variant(generation.variant_id, {}),
        template_id=generation.template_id,
        template_path="",
        provider=generation.provider,
        operation=generation.operation,
        model=generation.model,
        prompt=generation.prompt,
        negative_prompt=generation.negative_prompt,
        params=params,
        defaults={name: getattr(generation, name) for name in left_out},
        seed=generation.seed,
        seed_index=generation.seed_index,
        draw=generation.draw,
        image=source,
        image_sha256=source if is_hash else None,
        request_hash=generation.request_hash,
        axis_values=json.loads(generation.axis_values) if generation.axis_values else {},
        files=generation.file_name or "",
    )


def _names(names: Iterable[str]) -> str | None:
    found = list(names)
    return json.dumps(found) if found else None


def _json(value: Mapping[str, Any]) -> str | None:
    # A row of a file is a mapping that is not a dict (spec.rows.Cells).
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=dict) if value else None


def copy_changes(paid: Generation) -> dict[str, Any]:
    """The columns of a cached copy that differ from a planned row."""
    return {
        "status": "completed", "cached_from": paid.id, "credits": 0.0, "cost_usd": 0.0,
        # A copy of what a simulator server made is as simulated as that; the simulator's own name is enough.
        "cost_source": "simulated" if is_simulated(paid) and paid.provider != "simulator" else "cache",
        "response_model": paid.response_model, "provider_id": paid.provider_id,
        "provider_created_at": paid.provider_created_at, "ended_at": utc_now(), "file_name": None,
        "error_code": paid.error_code, "error_type": None, "error_message": paid.error_message,
        "dropped": paid.dropped, "emulated": paid.emulated,
    }  # fmt: skip


@dataclass(slots=True)
class Names:
    """Fills the two parts of a planned name that only a result knows, and links the file there."""

    store: Store
    studio: Path
    _folder: str = field(init=False)  # of all names, as the log writes it

    def __post_init__(self) -> None:
        folder = self.store.names
        self._folder = folder.relative_to(self.studio).as_posix() if folder.is_relative_to(self.studio) else str(folder)

    def path(self, generation: Generation, position: int, format: str | None) -> str | None:
        """The readable path of one image, relative to the studio; None for a row without a name."""
        if generation.file_name is None:
            return None
        name = generation.file_name.replace("{position}", str(position)).replace("{ext}", format or "bin")
        return f"{self._folder}/{generation.experiment}/{name}"

    def unlink(self, image: Image) -> None:
        """Take the name away from an image that turned out to be none."""
        if image.path is not None:
            with suppress(OSError):
                (self.studio / image.path).unlink(missing_ok=True)

    def link(self, image: Image) -> None:
        """Link a stored image to its readable name; a later run takes a name over."""
        if image.path is not None and image.sha256 is not None:
            self.store.link(image.sha256, image.path.removeprefix(f"{self._folder}/"))
