"""The links in the header of every page, ours and Datasette's."""

from __future__ import annotations

from dataclasses import dataclass

from promptlab.browse.open_logs import Links

__all__ = ["NavigationLink", "navigation"]


@dataclass(frozen=True, slots=True)
class NavigationLink:
    """One link; a page of ours whose template sets `here` to `key` is the current one."""

    key: str
    label: str
    href: str


def navigation(links: Links) -> list[NavigationLink]:
    """The pages that a header leads to, in order."""
    return [
        NavigationLink("runs", "Runs", links.runs()),
        NavigationLink("compare", "Side by side", links.compare(run="last")),
        NavigationLink("gallery", "Gallery", links.table("gallery")),
        NavigationLink("revised", "Revised prompts", links.query("what_the_model_rewrote")),
        NavigationLink("failures", "Failures", links.query("failures")),
        NavigationLink("spend", "Spending", links.spend()),
        NavigationLink("data", "All data", links.database()),
    ]
