"""mediatypes.py: RFC 9110 section 8.3, the registry, and the table's source."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxpy.http.mediatypes import media_type

GENERATOR = Path(__file__).resolve().parents[3] / "conf" / "mediatypes_gen.py"

TODAY = {
    "svgz": "image/svg+xml",
    "pkpass": "application/vnd.apple.pkpass",
    "mobileconfig": "application/x-apple-aspen-config",
    "appinstaller": "application/appinstaller",
    "crl": "application/pkix-crl",  # RFC 2585
    "srt": "application/x-subrip",
    "vtt": "text/vtt; charset=utf-8",
    "jsonl": "application/jsonl",
    "ndjson": "application/x-ndjson",
    "mts": "video/mp2t",  # cameras write it; TypeScript's is not for browsers
    "rs": "text/plain; charset=utf-8",
    "mjs": "text/javascript; charset=utf-8",  # RFC 9239 6
    "js": "text/javascript; charset=utf-8",
    "wasm": "application/wasm",  # browsers compile while it arrives under this very type only
    "avif": "image/avif",
    "webp": "image/webp",  # RFC 9649
    "svg": "image/svg+xml",
    "woff2": "font/woff2",  # RFC 8081
    "webmanifest": "application/manifest+json",
    "webm": "video/webm",
    "mp4": "video/mp4",  # RFC 4337
    "m3u8": "application/vnd.apple.mpegurl",  # RFC 8216
    "jsonld": "application/ld+json",
    "json": "application/json",  # RFC 8259: no charset parameter exists
    "map": "application/json",
    "md": "text/markdown; charset=utf-8",  # RFC 7763: charset is required
    "toml": "application/toml",
    "yaml": "application/yaml",  # RFC 9512
    "ics": "text/calendar; charset=utf-8",  # RFC 5545 3.1.4: UTF-8
    "epub": "application/epub+zip",
    "glb": "model/gltf-binary",
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
    "xml": "application/xml",  # RFC 7303: it says its encoding itself
    "pdf": "application/pdf",
    "ico": "image/vnd.microsoft.icon",
}


def test_the_table_is_the_one_its_source_gives() -> None:
    done = subprocess.run([sys.executable, str(GENERATOR), "--check"], check=False)
    assert done.returncode == 0, "run python conf/mediatypes_gen.py"


@pytest.mark.parametrize("extension", TODAY)
def test_8_3_1_the_types_of_the_web_of_today(extension: str) -> None:
    assert media_type(b"a/b." + extension.encode()).value.decode() == TODAY[extension]


@pytest.mark.parametrize("name", [b"A.HTML", b"a.Html", b"a.b.c.hTmL", b".well-known/a.html"])
def test_extensions_are_compared_without_case_and_the_last_one_counts(name: bytes) -> None:
    assert media_type(name).value == b"text/html; charset=utf-8"


@pytest.mark.parametrize(
    "name", [b"LICENSE", b".html", b"a/.html", b"a.html/b", b"a.", b"a.nonsense", b"", b"a.html.",
    "a.ht\u017fml".encode()]
)
def test_8_3_without_a_known_extension_nothing_is_guessed(name: bytes) -> None:
    """RFC 9110 8.3: a recipient may then treat it as application/octet-stream; we say so."""
    assert media_type(name).value == b"application/octet-stream"


@pytest.mark.parametrize("name", [b"a.tar.gz", b"a.html.gz", b"a.js.br"])
def test_8_4_a_coded_file_is_never_sent_as_what_is_in_it(name: bytes) -> None:
    """RFC 9110 8.4: without Content-Encoding the type must be that of the bytes as they are."""
    assert media_type(name).value in (b"application/gzip", b"application/x-brotli")


@given(st.binary(max_size=20))
def test_5_5_every_value_may_stand_in_a_field(name: bytes) -> None:
    kind = media_type(name)
    assert kind.value.decode("ascii").isprintable()
    assert kind.because


def test_a_file_for_apples_systems_has_its_type_by_its_name() -> None:
    assert media_type(b".well-known/apple-app-site-association").value == b"application/json"
    assert media_type(b"apple-app-site-association.txt").value == b"text/plain; charset=utf-8"
