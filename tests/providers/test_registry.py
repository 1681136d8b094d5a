"""Names, the union of parameters, and providers that others wrote."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promptlab.errors import InputError
from promptlab.model import Parameter
from promptlab.providers import Provider, connect, get, names, parameters
from promptlab.providers.base import _entry_points, merged

EXAMPLE = Path(__file__).parent / "example_provider"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path where packages can be installed; the registry looks afresh before and after."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    forget()
    yield tmp_path / "site"
    forget()
    sys.modules.pop("promptlab_example", None)


def forget() -> None:
    """What was found out about installed providers."""
    _entry_points.cache_clear()
    parameters.cache_clear()


def entry(site: Path, name: str, value: str) -> None:
    """A minimal installed package with one entry point."""
    info = site / f"{name}_provider-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-provider\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[promptlab.providers]\n{name} = {value}\n")


def test_the_documented_example_installs_and_runs(
    installed: Path, tmp_path: Path, settings: Any, request_with: Any
) -> None:
    """The example package is installed by pip, found by its name, and makes an image over real HTTP."""
    source = shutil.copytree(EXAMPLE, tmp_path / "source")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--disable-pip-version-check", "--target", str(installed), str(source)], check=True)
    assert names() == ["kairval", "openai", "simulator", "example"]
    assert parameters("example")["canvas"].choices == ("small", "large")
    assert "canvas" in parameters()

    async def run() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"GET"):
                body = b"image"
            else:
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                asked.append(json.loads(await reader.readexactly(length)))
                body = json.dumps({"id": "p1", "images": [{"url": "/p1.png"}], "cost": 0.25}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
            writer.close()

        asked: list[Any] = []
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        endpoint = connect("example", settings(), {"EXAMPLE_BASE_URL": f"http://127.0.0.1:{port}"})
        request = request_with(model="brush-1", params={"canvas": "large"}, seed=3)
        wire = endpoint.provider.encode(request)
        assert wire.dropped == ("seed",)
        image = bytearray()

        class Sink:
            def write(self, data: bytes) -> None:
                image.extend(data)

        async with endpoint.client() as client:
            result = endpoint.provider.decode(await client.send(wire.call), request)
            await client.fetch(str(result.images[0].url), Sink())
        server.close()
        assert asked == [{"model": "brush-1", "text": "a teapot", "size": "large"}]
        assert image == b"image"
        assert endpoint.cost(request, result).usd == 0.25

    asyncio.run(run())


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("no_such_module:Thing", "ModuleNotFoundError"),
        ("json:NoSuchName", "AttributeError"),
        ("json:dumps", "not name a class"),
        ("json:JSONEncoder", "decode"),
        ("promptlab.providers.kairval:Kairval", "name"),
    ],
)
def test_a_broken_provider_is_one_clear_message(installed: Path, value: str, problem: str) -> None:
    """An entry point that does not load, or is not a provider, names its package; the others go on."""
    entry(installed, "broken", value)
    with pytest.raises(InputError, match=problem) as caught:
        get("broken")
    assert "broken-provider" in str(caught.value)
    assert "broken" in names()
    assert "aspect_ratio" in parameters()


def test_unknown_names(installed: Path) -> None:
    """An unknown name gets the nearest one."""
    with pytest.raises(InputError, match="did you mean 'kairval'"):
        get("kairvla")
    with pytest.raises(InputError, match="known are kairval, openai, simulator"):
        get("zzz")


def test_built_in_names_need_no_scan(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry points are left alone for a built-in provider, even if a package claims its name."""
    entry(installed, "kairval", "no_such_module:Thing")
    assert get("kairval").name == "kairval"
    assert _entry_points.cache_info().currsize == 0


def test_the_union_accepts_what_anyone_accepts() -> None:
    """A shared parameter is as wide as its widest declaration; each provider's own stays exact."""
    union = parameters()
    assert union["n"].read("10") == 10
    assert union["aspect_ratio"].read("16:9") == "16:9"
    assert union["aspect_ratio"].read("21:9") == "21:9"
    with pytest.raises(ValueError, match="aspect_ratio"):
        union["aspect_ratio"].read("wide")
    kairval = parameters("kairval")
    assert set(kairval) == {"model", "aspect_ratio", "output_format", "n", "strength"}
    for name, value in (
        ("n", "5"),
        ("aspect_ratio", "21:9"),
        ("strength", "1.01"),
        ("output_format", "gif"),
        ("model", "a b"),
    ):
        with pytest.raises(ValueError, match=name):
            kairval[name].read(value)


def test_merging() -> None:
    """Bounds widen, and types that differ become the wider one."""
    a = Parameter("x", "integer", "a", minimum=1, maximum=4)
    assert merged(a, Parameter("x", "integer", "a", minimum=0)).maximum is None
    assert merged(a, Parameter("x", "number", "a")).type == "number"
    assert merged(a, Parameter("x", "boolean", "a")).type == "string"
    ab, bc = Parameter("x", "string", "a", choices=("a", "b")), Parameter("x", "string", "a", choices=("b", "c"))
    assert merged(ab, bc).choices == ("a", "b", "c")
    assert merged(ab, Parameter("x", "string", "a")).choices == ()


def test_a_plan_does_not_pay_for_the_network(unmeasured: dict[str, str]) -> None:
    """Encoding and pricing load neither httpx, asyncio, the entry points' machinery nor what reads answers."""
    code = (
        "import sys, promptlab.providers.kairval, promptlab.providers.openai, promptlab.providers.simulated;"
        "print(sorted({'httpx', 'h11', 'asyncio', 'importlib.metadata', 'PIL', 'ssl', 'difflib', 'traceback', 'socket',"
        "'promptlab.http.retry_policy', 'promptlab.http.download'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=unmeasured)
    assert done.stdout.strip() == "[]"


#: A provider as 0.1's contract, a Protocol, let it be written: no base class at all.
DUCK = """
from promptlab.http import Call
from promptlab.providers import Capabilities, Cost, Price, Result, Setup, Wire, read_error
from promptlab.model import Parameter

class Duck:
    name = "duck"
    capabilities = Capabilities(parameters=(Parameter("model", "string", "a model", default="m"),))
    default_base_url = "https://duck.example"

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    def encode(self, request, *, image=None, asynchronous=False, webhook_url=None):
        return Wire(Call("POST", "/quack", json={"prompt": request.prompt}))

    def decode(self, answer, request):
        return Result(None, None, None, ())

    def error(self, answer):
        return read_error(answer)

    def price(self, operation, model, params):
        return Price()

    def cost(self, request, result, images):
        return Cost()
"""


def test_a_provider_without_the_base_class_still_works(installed: Path, settings: Any, request_with: Any) -> None:
    """What 0.1's Protocol took is taken: what such a class does not have, it inherits."""
    entry(installed, "duck", "duck_provider:Duck")
    (installed / "duck_provider.py").write_text(DUCK)
    endpoint = connect("duck", settings(), {})
    assert endpoint.encode(request_with()).call.path == "/quack"
    assert (endpoint.plans, endpoint.simulated, endpoint.limits.concurrent) == ({}, False, 8)
    sys.modules.pop("duck_provider", None)


@pytest.mark.parametrize("missing", ["encode", "decode"])
def test_an_incomplete_provider_is_one_clear_message(installed: Path, missing: str) -> None:
    """A subclass without one of the two methods that make a provider is refused before there is an instance."""
    entry(installed, "half", "half_provider:Half")
    other = "decode" if missing == "encode" else "encode"
    (installed / "half_provider.py").write_text(
        "from promptlab.providers import Capabilities, Provider\n\n"
        "class Half(Provider):\n    name = 'half'\n    capabilities = Capabilities(parameters=())\n"
        f"    def {other}(self, *arguments, **options): ...\n"
    )
    with pytest.raises(InputError, match=rf"it has no {missing}\(\); subclass promptlab.providers.Provider"):
        get("half")
    sys.modules.pop("half_provider", None)


def test_installed_packages_are_not_parsed_where_none_has_a_provider(installed: Path) -> None:
    """The list of all providers costs a look at the files, not `importlib.metadata`, until one names the group."""
    code = "import sys; from promptlab.providers import names; print(names(), 'importlib.metadata' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "['kairval', 'openai', 'simulator'] False"
    entry(installed, "later", "no_such_module:Thing")
    forget()
    assert names() == ["kairval", "openai", "simulator", "later"]


def test_the_contract_is_abstract() -> None:
    """A provider is a subclass that says how a request is written and an answer read."""
    assert Provider.__abstractmethods__ == {"encode", "decode"}
