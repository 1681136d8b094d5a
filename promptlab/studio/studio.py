"""A studio opened: its settings, templates, provider, log and store, each made when first asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from promptlab.spec.files import find_studio
from promptlab.spec.settings import Settings, load_settings

if TYPE_CHECKING:
    from promptlab.log import Log
    from promptlab.prompts import Library
    from promptlab.providers import Endpoint
    from promptlab.store import Store

__all__ = ["Studio"]


@dataclass(frozen=True, slots=True)
class Studio:
    """The folder that experiments, templates, images and the log belong to, with the settings in force."""

    settings: Settings
    environ: Mapping[str, str]

    @classmethod
    def open(
        cls,
        near: Path,
        *,
        db: Path | None = None,
        provider: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Studio:
        """The studio of an experiment file or folder; `db` and `provider` are flags, the strongest settings."""
        environ = os.environ if environ is None else environ
        settings = load_settings(find_studio(near), environ)
        if db is not None:
            settings = replace(settings, db=db.resolve())
        if provider is not None:
            settings = replace(settings, provider=provider)
        return cls(settings, environ)

    @property
    def folder(self) -> Path:
        """The studio's folder."""
        return self.settings.studio

    def library(self) -> Library:
        """The templates folder, with its git history where there is one."""
        from promptlab.git import Repository
        from promptlab.prompts import Library

        folder = self.folder / "templates"
        return Library(folder, repository=lambda: Repository.find(folder), shown=self.folder)

    def endpoint(self, provider: str | None = None, *, key_needed: bool = True) -> Endpoint:
        """The provider with its address and key; InputError where the key is missing and needed."""
        from promptlab.providers import connect

        return connect(provider or self.settings.provider, self.settings, self.environ, key_needed=key_needed)

    def log(self, *, create: bool = True, readonly: bool = False) -> Log:
        """The database, migrated to this version's schema."""
        from promptlab.log import Log

        return Log.open(self.settings.db, create=create, readonly=readonly)

    def existing_log(self) -> Log | None:
        """The database for reading, or None where nothing was ever logged."""
        return self.log(create=False, readonly=True) if self.settings.db.is_file() else None

    def store(self) -> Store:
        """The folder of images by content hash."""
        from promptlab.store import Store

        return Store(self.settings.images, self.settings.results)
