"""Readable names: where under results/ an image is linked, so that people find it without the database."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from promptlab.model import Generation, Image
from promptlab.store import Store

__all__ = ["Names"]


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

    def link(self, image: Image) -> None:
        """Link a stored image to its readable name; a later run takes a name over."""
        if image.path is not None and image.sha256 is not None:
            self.store.link(image.sha256, image.path.removeprefix(f"{self._folder}/"))
