"""Edits: source images from files, URLs, data URIs and earlier results."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest


def test_a_file_is_sent_as_plain_base64_and_its_bytes_are_kept(lab: Any, api: Any) -> None:
    """The guide's form, with strength swept as an axis; the source is in the store and named in the rows."""
    picture = api.png(77)
    (lab.folder / "experiments" / "source.png").write_bytes(picture)
    lab.experiment(
        image="source.png", prompt='"make it blue"', axes="{params.strength: [0.2, 0.5, 1]}", params="{n: 2}"
    )
    summary = lab.run()
    assert (summary.completed, summary.images) == (3, 6)
    assert {call.path for call in api.calls} == {"/v1/images/edit"}
    assert {call.body["image"] for call in api.calls} == {base64.b64encode(picture).decode()}
    assert sorted(call.body["strength"] for call in api.calls) == [0.2, 0.5, 1.0]
    sha256 = hashlib.sha256(picture).hexdigest()
    assert set(lab.rows("SELECT source_image FROM generations")) == {sha256}
    assert (lab.folder / "images" / sha256[:2] / f"{sha256}.png").read_bytes() == picture
    assert lab.rows("SELECT path, sha256 FROM inputs WHERE role = 'image'") == [("experiments/source.png", sha256)]
    lab.holds()


def test_a_resumed_edit_sends_the_bytes_that_were_planned(lab: Any, api: Any) -> None:
    """The file was changed, even removed, since: the store has what the request hash says."""
    picture = api.png(5)
    path = lab.folder / "experiments" / "source.png"
    path.write_bytes(picture)
    api.behave = lambda call: api.error(402, "insufficient_credits")
    lab.experiment(image="source.png", prompt='"make it blue"', axes="{params.strength: [0.2, 0.5]}")
    assert lab.run().exit_code == 3
    path.unlink()
    api.behave = lambda call: api.act()
    assert lab.resume().completed == 2
    assert {call.body["image"] for call in api.calls} == {base64.b64encode(picture).decode()}


def test_urls_and_data_uris_are_sources_too(lab: Any, api: Any) -> None:
    """A URL goes to Kairval as it is; a data: URI as the Base64 it holds, and never into the log."""
    picture = base64.b64encode(api.png(9)).decode()
    lab.experiment(
        image='"{{ source }}"', prompt='"make it blue"',
        axes=f'{{source: {{url: "https://example.com/a.png?b=1", data: "data:image/png;base64,{picture}"}}}}',
    )  # fmt: skip
    assert lab.run().completed == 2
    assert sorted(call.body["image"] for call in api.calls) == sorted(["https://example.com/a.png?b=1", picture])
    assert picture not in str(lab.rows("SELECT path, source_image FROM inputs, generations"))


def test_a_source_that_is_no_image_or_missing_is_an_error_before_anything_is_sent(lab: Any, api: Any) -> None:
    """Exit 2, nothing sent, and no run stays behind as running."""
    (lab.folder / "experiments" / "source.png").write_bytes(b"<html>no</html>")
    lab.experiment(image="source.png", prompt='"make it blue"', axes="{params.strength: [0.2, 0.5]}")
    code, _, err = lab.cli("run", "experiments/exp.yaml", "--yes")
    assert (code, "'source.png' is not an image that can be edited" in err) == (2, True)
    assert not (lab.folder / "promptlab.db").exists()
    (lab.folder / "experiments" / "source.png").unlink()
    code, _, err = lab.cli("run", "experiments/exp.yaml", "--yes")
    assert code == 2
    assert "source.png' is missing" in err
    assert not api.calls


def openai(lab: Any, api: Any, **more: str) -> Path:
    lab.environ |= {"OPENAI_BASE_URL": f"{api.url}/v1", "OPENAI_API_KEY": lab.key}
    return lab.experiment(provider="openai", **more)


def test_a_url_is_fetched_once_where_the_provider_wants_bytes(lab: Any, api: Any) -> None:
    """Under the download guard, into the store, and among the run's inputs; three edits, one fetch."""
    picture = api.png(3)
    api.images["/photo.png"] = "slow", picture
    openai(lab, api, image=f'"{api.url}/photo.png"', prompt='"{{ i }}"', axes="{i: [a, b, c]}")
    summary = lab.run()
    assert (summary.completed, api.downloads["/photo.png"]) == (3, 1), summary
    assert all(picture in call.body["raw"] for call in api.calls)
    sha256 = hashlib.sha256(picture).hexdigest()
    assert lab.rows("SELECT path, sha256 FROM inputs WHERE role = 'image'") == [(f"{api.url}/photo.png", sha256)]


def test_a_url_that_leads_nowhere_good_fails_with_its_reason(lab: Any, api: Any) -> None:
    """A private address of another host is refused before any connection; nothing is sent."""
    openai(lab, api, image='"https://10.0.0.1/photo.png"', prompt='"{{ i }}"', axes="{i: [a, b, c]}")
    summary = lab.run()
    assert (summary.failed, summary.exit_code, len(api.calls)) == (3, 1, 0)
    assert "not a public address" in summary.failures[0][0]


def chain(lab: Any, text: str) -> None:
    lab.experiment(image=text, name="chained", prompt='"{{ source.look }} at night"')
    path = lab.folder / "experiments" / "chained.yaml"
    path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.startswith("axes:")) + "\n")


def test_a_chain_edits_the_kept_images_of_an_earlier_experiment(lab: Any, api: Any) -> None:
    """Lineage is kept: an edit's source_image is the sha256 of an image of the earlier run, and its axis names it."""
    chain(lab, "{from: exp, pick: kept, where: {look: [warm, cold]}}")
    code, _, err = lab.cli("plan", "experiments/chained.yaml")
    assert (code, "has no images that are marked keep" in err) == (2, True)
    lab.experiment(prompt='"{{ look }} {{ thing }}"', axes="{look: [warm, cold, odd], thing: [pot, cup]}")
    lab.run()
    with lab.studio().log() as log:
        run_id = lab.one("SELECT id FROM runs")
        axes = dict(log.image_axes(run_id))
        keep = [image for image, found in axes.items() if found["thing"] == "pot"]
        log.set_marks(keep, "keep", by="me")
    summary = lab.run("chained")
    assert (summary.completed, len(api.calls)) == (2, 8)
    sources = lab.rows(
        "SELECT s.prompt, e.prompt, json_extract(v.axes, '$.source') = substr(i.sha256, 1, 12) FROM generations e"
        " JOIN variants v ON v.experiment = e.experiment AND v.id = e.variant_id"
        " JOIN images i ON i.sha256 = e.source_image JOIN generations s ON s.id = i.generation_id"
        " WHERE e.experiment = 'chained' ORDER BY 1"
    )
    assert sources == [("cold pot", "cold at night", 1), ("warm pot", "warm at night", 1)]
    sent = {call.body["image"] for call in api.calls if "image" in call.body}
    assert len(sent) == 2
    assert lab.run("chained").cached == 2


def test_what_a_chain_does_not_have_is_named(lab: Any, api: Any) -> None:
    """An axis or id of its `where` that the earlier run had not, an image that only a skip names: with the nearest."""
    lab.experiment(prompt='"{{ look }}"', axes="{look: [warm, cold]}")
    lab.run()
    for where, words in (("{lok: warm}", "no axis 'lok'; did you mean 'look'?"),
                         ("{look: wram}", "'look' has no value 'wram'; did you mean 'warm'?")):  # fmt: skip
        chain(lab, f"{{from: exp, where: {where}}}")
        code, _, err = lab.cli("plan", "experiments/chained.yaml")
        assert (code, words in err) == (2, True), err
        assert "experiments/chained.yaml:" in err
    chain(lab, "{from: exp}")
    path = lab.folder / "experiments" / "chained.yaml"
    plain = path.read_text()
    path.write_text(plain + "skip: [{source: nope}]\n")
    code, _, err = lab.cli("plan", "experiments/chained.yaml")
    assert (code, "'source' has no value 'nope'" in err) == (2, True), err
    sha256 = lab.rows("SELECT sha256 FROM images ORDER BY 1")[0]
    path.write_text(plain + f"skip: [{{source: {sha256[:12]}}}]\nfiles: '{{source}}_{{position}}.{{ext}}'\n")
    code, out, _ = lab.cli("plan", "experiments/chained.yaml")
    assert (code, "1 variant" in out) == (0, True)


def test_a_chain_takes_the_latest_run_and_a_repeated_one_changes_nothing(lab: Any, api: Any) -> None:
    """The earlier experiment run again from the cache has the same images, so its edits hit the cache too."""
    chain(lab, "{from: exp}")
    lab.experiment(prompt='"{{ look }}"', axes="{look: [warm, cold]}")
    lab.run()
    assert lab.run("chained").completed == 2
    lab.run()
    assert (lab.run("chained").cached, len(api.calls)) == (2, 4)
    lab.run(fresh=True)
    assert (lab.run("chained").cached, len(api.calls)) == (0, 8)


def test_edits_of_one_image_share_its_bytes_and_their_text(lab: Any, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty edits hold the source once, read once; nothing of it stays when they have ended."""
    import gc
    import weakref

    from promptlab.http.client import Client
    from promptlab.providers import ImageBytes
    from promptlab.run.edit_images import Sources

    sent: list[int] = []
    held: list[weakref.ref[ImageBytes]] = []
    send, bytes_of = Client.send, Sources.bytes_of

    async def watched(self: Client, call: Any, **more: Any) -> Any:
        sent.append(id(call.json["image"]))
        return await send(self, call, **more)

    def read(self: Sources, sha256: str) -> ImageBytes:
        found = bytes_of(self, sha256)
        held.append(weakref.ref(found))
        return found

    monkeypatch.setattr(Client, "send", watched)
    monkeypatch.setattr(Sources, "bytes_of", read)
    api.behave = lambda call: api.act(delay=0.1)
    (lab.folder / "experiments" / "source.png").write_bytes(api.png(5, 300, 300))
    lab.experiment(8, image="source.png", prompt='"edit {{ i }}"')
    assert lab.run().completed == 8
    assert len(set(sent)) == 1
    assert len({call.body["image"] for call in api.calls}) == 1
    assert len({id(reference) for reference in held}) == 1, "one object, so one reference"
    gc.collect()
    assert held[0]() is None


PEAK = """
import resource
from promptlab.cli.main import main
try:
    main(["run", "experiments/exp.yaml", "--yes"])
except SystemExit:
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.storm
def test_twenty_edits_of_a_large_image_fit_into_little_memory(lab: Any, api: Any) -> None:
    """Of one 20 MB source at concurrency 8: far below what eight copies of its request would take."""
    import os
    import struct
    import subprocess
    import sys
    import zlib

    small, noise = api.png(5), os.urandom(20_000_000)
    chunk = struct.pack(">I", len(noise)) + b"noIs" + noise + struct.pack(">I", zlib.crc32(b"noIs" + noise))
    (lab.folder / "experiments" / "source.png").write_bytes(small[:33] + chunk + small[33:])
    lab.experiment(20, image="source.png", prompt='"edit {{ i }}"')
    done = subprocess.run(
        [sys.executable, "-c", PEAK], cwd=lab.folder, env=lab.environ, capture_output=True, text=True, check=True
    )
    assert lab.statuses() == {"completed": 20}
    assert int(done.stdout.split("peak")[1]) < 400
