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


def navigation(links: Links, run: str | None = None) -> list[NavigationLink]:
    """The pages that a header leads to, in order. Those that show one run show `run`, or else the latest one."""
    one = run or "last"
    return [
        NavigationLink("runs", "Runs", links.runs()),
        NavigationLink("gallery", "Gallery", links.gallery(run=run)),
        NavigationLink("compare", "Side by side", links.compare(run=one)),
        NavigationLink("review", "Review", links.review(run=one)),
        NavigationLink("vote", "Vote", links.vote(run=one)),
        NavigationLink("ranking", "Ranking", links.ranking(run=one)),
        NavigationLink("spend", "Spend", links.spend()),
        NavigationLink("data", "All data", links.database()),
    ]
