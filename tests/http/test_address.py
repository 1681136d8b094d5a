"""Which hosts a download may go to, form by form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.http import is_local, is_public, join, normalise_base, parse_url
from promptlab.http.address import without_query


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "0.1.2.3",
        "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::", "::1", "fe80::1", "fc00::1",
        "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "2002:7f00:1::",
        "2002:a00:1::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2001:0:1::1", "2001:db8::1",
        "not an address", "fe80::1%eth0", "127.1",
    ],
)  # fmt: skip
def test_private_addresses(address: str) -> None:
    """No address of this machine, a private network, a metadata service or a tunnel to one is public."""
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "::ffff:8.8.8.8", "2002:808:808::1", "64:ff9b::808:808"],
)
def test_public_addresses(address: str) -> None:
    """Public addresses are public in every form."""
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://017700000001/", "http://0177.0.0.1/",
        "http://127.1/", "http://1.2.3.4.5/", "http://user@host/", "http://a:b@host/", "ftp://host/", "file:///etc/passwd",
        "gopher://x/", "http://", "http:///x", "//host/x", "host/x", "http://ho st/", "http://host\\@evil/", "http://host/\x00",
        "http://[::1", "http://host:99999/", "http://host:x/", "http://-/", "http://a..b/", "http://%31/", "",
        "http://" + "a" * 300 + "/", "http://host/" + "x" * 9000,
    ],
)  # fmt: skip
def test_urls_that_are_refused(url: str) -> None:
    """Unusual numbers, user names, other schemes and broken hosts are not URLs to fetch."""
    with pytest.raises(ValueError):  # noqa: PT011  any text will do
        parse_url(url)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTPS://Storage.Kairval.COM:443/a/b.png?x=1#part", "https://storage.kairval.com/a/b.png?x=1"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/"),
        ("https://[0:0:0:0:0:0:0:1]/x", "https://[::1]/x"),
        ("https://storage.example./x", "https://storage.example/x"),
        ("https://bücher.example/ä b".replace(" ", ""), "https://xn--bcher-kva.example/%C3%A4b"),
        ("https://h/a%2Fb?sig=a%2Bb==", "https://h/a%2Fb?sig=a%2Bb=="),
        ("https://１２７.0.0.1/", None),
        ("https://127。0。0。1/", None),
    ],
)
def test_one_form(url: str, expected: str | None) -> None:
    """A URL is rebuilt from its parts, signatures untouched; full-width numbers do not pass as names."""
    if expected is None:
        with pytest.raises(ValueError):  # noqa: PT011
            parse_url(url)
    else:
        assert str(parse_url(url)) == expected


def test_references_resolve() -> None:
    """A relative reference stays on its origin, an absolute one names its own."""
    base = parse_url("https://api.example/v1/images")
    assert str(join(base, "/v1/jobs/1")) == "https://api.example/v1/jobs/1"
    assert join(base, "//evil.example/x").origin.host == "evil.example"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HTTPS://API.Kairval.com/", "https://api.kairval.com"),
        (" http://LOCALHOST:8000/v1/ \n", "http://localhost:8000/v1"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("api.example.com/gateway", "https://api.example.com/gateway"),
    ],
)
def test_base_urls(text: str, expected: str) -> None:
    """Equal addresses have one form, so that their requests hash equally."""
    assert normalise_base(text) == expected


def test_local_hosts() -> None:
    """Loopback and private literals and localhost are local; public ones and names without an address are not."""
    assert is_local("127.0.0.1")
    assert is_local("::1")
    assert is_local("192.168.0.9")
    assert is_local("localhost")
    assert not is_local("93.184.216.34")
    assert not is_local("nothing.invalid")


def test_messages_hold_no_secrets() -> None:
    """A signed query, a user name and a picture stay out of messages."""
    assert without_query("https://u:p@h/x.png?sig=SECRET#f") == "https://h/x.png"
    assert without_query("data:image/png;base64,AAAA") == "data:…"


@given(st.text(max_size=60) | st.from_regex(r"https?://[0-9a-fx.:\[\]@%]{1,30}/.{0,10}"))
def test_any_text(url: str) -> None:
    """Any text is a URL in one stable form or a ValueError, nothing else."""
    try:
        target = parse_url(url)
    except ValueError:
        return
    assert parse_url(str(target)) == target
