"""hidden.py and gates.py: what is meant for a file is meant for its compressed copies."""

from __future__ import annotations

import pytest

from tuxpy.rules.gates import Gate
from tuxpy.rules.hidden import HiddenPolicy, hidden_by, is_hidden

SUFFIXES = (".gz", ".br", ".zst", ".bz2", ".xz", ".lz4", ".Z", ".GZ", ".gz.br", ".gz.", ".br ")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "path",
    [
        *("app.js.map", "a/app.js.map", "private", "private/x", "_headers", "_redirects", "htpasswd", "a.htpasswd"),
        *("a.bak", "a.old", "a.html~", ".htpasswd", "x.orig", "A.MAP", "a.conf.dpkg-old"),
    ],
)
def test_a_hidden_name_is_hidden_when_it_is_compressed(path: str, suffix: str) -> None:
    policy = HiddenPolicy.parse(hide=["*.map", "/private"])
    assert hidden_by((path + suffix).encode().split(b"/"), policy) is not None


@pytest.mark.parametrize(
    "path",
    ["app.js.gz", "a/private.gz", "a/_headers.gz", "map.gz", "private.zip", "a.map.html", "gz", "x.gz", "a.gz/b"],
)
def test_other_compressed_names_are_shown(path: str) -> None:
    policy = HiddenPolicy.parse(hide=["*.map", "/private"])
    assert hidden_by(path.encode().split(b"/"), policy) is None


def test_what_shows_a_name_shows_its_compressed_copies() -> None:
    policy = HiddenPolicy.parse(hide=["*.map"], show=["vendor.js.map", "a.map.gz"])
    shown = [name for name in ("vendor.js.map", "vendor.js.map.br", "a.map.gz", "a.map", "a.map.br", "b.map.gz")
             if not is_hidden((name.encode(),), policy)]
    assert shown == ["vendor.js.map", "vendor.js.map.br", "a.map.gz"]


@pytest.mark.parametrize(
    ("pattern", "path", "closed"),
    [
        ("*.pdf", b"/a.pdf.gz", True),
        ("*.pdf", b"/x/a.pdf.br", True),
        ("/docs/secret.txt", b"/docs/secret.txt.zst", True),
        ("/private/*", b"/private/a.gz", True),
        ("/private", b"/private.gz", True),
        ("*.pdf", b"/a.pdf.zip", False),
        ("*.pdf", b"/a.gz", False),
        ("*.gz", b"/a.pdf.gz", True),
        ("/docs/open.txt", b"/docs/open.txt.gz", False),
    ],
)
def test_a_gate_stands_before_compressed_copies(pattern: str, path: bytes, closed: bool) -> None:
    gate = Gate.parse(pattern, deny=["all"], excepted=["/docs/open.txt"])
    assert gate.is_for(path) is closed
