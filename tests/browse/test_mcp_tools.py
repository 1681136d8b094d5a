"""The tools for datasette-mcp: what they answer, and the hook's documented contract."""

from __future__ import annotations

import asyncio
import importlib
import sqlite3
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from promptlab.browse import build_datasette, mcp_tools, plugin
from promptlab.errors import InputError


def test_which_prompt_won(connection: sqlite3.Connection, demo: Any) -> None:
    """The verdict as JSON, on the axis and by the metric that there are."""
    found = mcp_tools.which_prompt_won(connection, demo.shelf, None, None)
    assert (found["by"], found["metric"], found["run_id"]) == ("look", "kept", demo.shelf)
    with pytest.raises(InputError, match="has no axis"):
        mcp_tools.which_prompt_won(connection, demo.shelf, "nope", None)


def test_spend(connection: sqlite3.Connection) -> None:
    """Groups with two bounds; what was simulated is in none."""
    rows = {row["key"]: row for row in mcp_tools.spend(connection, "experiment", "")["rows"]}
    assert rows["shelf_photos"]["cost_usd"] == pytest.approx(0.64)
    assert rows["shelf_photos"]["cost_usd_at_most"] == pytest.approx(0.68)
    assert "try" not in rows


def test_find_images(connection: sqlite3.Connection, demo: Any) -> None:
    """By words of the prompt, mark and run, at most so many."""
    found = mcp_tools.find_images(connection, "ceramic film", demo.shelf, None, None, 3)
    assert (len(found["images"]), found["more"]) == (3, True)
    assert all("35 mm film" in image["prompt"] for image in found["images"])
    (kept,) = mcp_tools.find_images(connection, "", demo.shelf, None, "keep", 10)["images"]
    assert (kept["image_id"], kept["mark"]) == (demo.image, "keep")
    assert mcp_tools.find_images(connection, "zeppelin", None, None, None, 10) == {"images": [], "more": False}


class FakeServer:
    """What the SDK's server does with `@mcp.tool(name=, annotations=)`, as far as the hook's documentation says."""

    def __init__(self) -> None:
        self.tools: dict[str, tuple[Any, Any]] = {}

    def tool(self, *, name: str, annotations: Any) -> Any:
        def take(function: Any) -> Any:
            self.tools[name] = (function, annotations)
            return function

        return take


class ToolError(Exception):
    """Stands for the SDK's."""


@pytest.fixture
def sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The three names that are imported from the SDK, where it is not installed."""
    modules: dict[str, dict[str, Any]] = {
        "mcp": {}, "mcp.server": {}, "mcp.server.mcpserver": {"Context": type("Context", (), {})},
        "mcp.server.mcpserver.exceptions": {"ToolError": ToolError},
        "mcp.types": {"ToolAnnotations": SimpleNamespace},
    }  # fmt: skip
    for name, values in modules.items():
        module = ModuleType(name)
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)


def test_the_hook_adds_three_read_only_tools(sdk: None, demo: Any) -> None:
    """Each is annotated as read-only, has a description, and answers for the request's actor; errors are the SDK's."""
    site, server = build_datasette(demo.db, demo.images), FakeServer()
    plugin.register_mcp_tools(datasette=site, mcp=server)
    assert set(server.tools) == {"which_prompt_won", "spend", "find_images"}
    assert all(each.read_only_hint and tool.__doc__ for tool, each in server.tools.values())
    context = SimpleNamespace(request_context=SimpleNamespace(request=SimpleNamespace(scope={"actor": None})))

    async def ask() -> tuple[Any, Any]:
        await site.invoke_startup()
        won = await server.tools["which_prompt_won"][0](context, run=demo.shelf)
        images = await server.tools["find_images"][0](context, words="ceramic", run=demo.shelf, limit=1)
        with pytest.raises(ToolError, match="no axis"):
            await server.tools["which_prompt_won"][0](context, run=demo.shelf, by="nope")
        with pytest.raises(ToolError, match="no promptlab log called 'other'"):
            await server.tools["spend"][0](context, database="other")
        return won, images

    won, images = asyncio.run(ask())
    assert won["run_id"] == demo.shelf
    assert images["images"][0]["page"].startswith("/-/promptlab/image/")


def test_without_datasette_mcp_nothing_of_it_is_imported(demo: Any) -> None:
    """The plugin works where neither datasette-mcp nor the SDK is there: the hook is never called."""
    if importlib.util.find_spec("mcp") is None:
        build_datasette(demo.db, demo.images)
        assert "mcp" not in sys.modules


@pytest.mark.storm
def test_with_datasette_mcp_itself(demo: Any) -> None:
    """datasette-mcp's own server lists the tools beside its own."""
    datasette_mcp = pytest.importorskip("datasette_mcp")
    server = datasette_mcp.create_mcp_server(build_datasette(demo.db, demo.images))
    tools = asyncio.run(server.list_tools())
    assert {tool.name for tool in tools} >= {"which_prompt_won", "spend", "find_images", "execute_sql"}
