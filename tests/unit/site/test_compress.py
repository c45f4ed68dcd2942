"""compress.py: RFC 9110 sections 8.4.1 and 8.8.3.3, and the formats of the codings."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxpy.errors import ConfigError
from tuxpy.http.mediatypes import media_type
from tuxpy.http.negotiate import IDENTITY, acceptable, choose
from tuxpy.site import compress
from tuxpy.site.compress import BODY_MAX, BODY_MIN, CODINGS

Decoder = Callable[[bytes], bytes]
MODULES = {b"br": ("brotli",), b"zstd": ("compression.zstd", "zstandard"), b"gzip": ("gzip",)}
TEXT = b"<li><a href='/docs/'>the manual</a></li>\n" * 40


def decoder(coding: bytes) -> Decoder:
    """Somebody else's reading of a coding; the test is skipped where nobody here can read it."""
    for name in MODULES[coding]:
        try:
            decompress: Decoder = import_module(name).decompress
        except ImportError:
            continue
        return decompress
    pytest.skip(f"there is no {' or '.join(MODULES[coding])} here")


@pytest.fixture(params=CODINGS, ids=bytes.decode)
def coding(request: pytest.FixtureRequest) -> bytes:
    """Each coding whose library is installed."""
    name: bytes = request.param
    decoder(name)
    return name


@pytest.fixture
def without_libraries(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As on a machine where nothing but the standard library of Python 3.10 is installed."""

    def nothing(name: str) -> None:
        raise ImportError(name)

    def forget() -> None:
        compress._coder.cache_clear()
        compress.available.cache_clear()

    forget()
    monkeypatch.setattr(compress, "import_module", nothing)
    yield
    forget()


# Types.


@pytest.mark.parametrize(
    "name",
    [
        *(b"a.html", b"a.css", b"a.js", b"a.mjs", b"a.txt", b"a.md", b"a.csv", b"a.svg", b"a.json", b"a.map", b"a.xml"),
        *(b"a.webmanifest", b"a.wasm", b"a.atom", b"a.xhtml", b"a.geojson", b"a.yaml", b"a.ttf", b"a.otf", b"a.eot"),
        *(b"a.ico", b"a.bmp", b"a.gltf", b"a.kml", b"a.m3u8", b"a.mpd", b"a.vtt"),
    ],
)
def test_a_type_that_shrinks_is_compressed(name: bytes) -> None:
    assert compress.compressible(media_type(name).value)


@pytest.mark.parametrize(
    "name",
    [
        *(b"a.png", b"a.jpg", b"a.gif", b"a.webp", b"a.avif", b"a.woff", b"a.woff2", b"a.mp4", b"a.webm", b"a.mp3"),
        *(b"a.zip", b"a.gz", b"a.br", b"a.zst", b"a.tgz", b"a.pdf", b"a.docx", b"a.epub", b"a.jar", b"a", b"a.bin"),
    ],
)
def test_a_type_that_is_compressed_already_or_unknown_is_left_alone(name: bytes) -> None:
    assert not compress.compressible(media_type(name).value)


def test_8_3_1_parameters_do_not_count() -> None:
    assert compress.compressible(b"application/json ; charset=utf-8")
    assert not compress.compressible(b"image/png; name=a+xml")
    assert not compress.compressible(b"")


def test_every_listed_type_is_one_that_the_table_of_types_or_an_operator_may_give() -> None:
    for name in compress._COMPRESSIBLE:
        assert name == name.lower()
        assert name.count(b"/") == 1
        assert not name.startswith(b"text/"), "is so without the list"
        assert not name.endswith((b"+json", b"+xml")), "is so without the list"


# Limits.


@pytest.mark.parametrize(
    ("size", "expected"), [(0, False), (BODY_MIN - 1, False), (BODY_MIN, True), (BODY_MAX, True), (BODY_MAX + 1, False)]
)
def test_only_bodies_of_some_size_are_tried(size: int, expected: bool) -> None:
    assert compress.worth_trying(b"text/css", size) is expected
    assert not compress.worth_trying(b"image/png", size)


@pytest.mark.parametrize(
    ("size", "coded", "expected"),
    [(1000, 900, True), (1000, 901, False), (1000, 1000, False), (9, 29, False), (256, 230, True), (256, 231, False)],
)
def test_only_a_clear_gain_is_kept(size: int, coded: int, expected: bool) -> None:
    assert compress.worthwhile(size, coded) is expected


# Coding.


def test_8_4_1_what_is_available_comes_best_first() -> None:
    there = compress.available()
    assert there[-1] == b"gzip"
    assert list(there) == [coding for coding in CODINGS if coding in there]


@pytest.mark.parametrize("body", [b"", b"x", TEXT, bytes(range(256)) * 8, bytes(100_000)])
def test_8_4_1_a_coded_body_decodes_to_itself(coding: bytes, body: bytes) -> None:
    assert decoder(coding)(compress.encode(coding, body)) == body


@given(body=st.binary(max_size=3000))
def test_8_4_1_any_body_decodes_to_itself(body: bytes) -> None:
    for coding in compress.available():
        assert decoder(coding)(compress.encode(coding, body)) == body


def test_typical_markup_shrinks_clearly(coding: bytes) -> None:
    assert compress.worthwhile(len(TEXT), len(compress.encode(coding, TEXT)))


def test_8_8_1_the_same_body_makes_the_same_bytes(coding: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else one strong entity tag would stand for two bodies."""
    first = compress.encode(coding, TEXT)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert compress.encode(coding, TEXT) == first


def test_rfc_1952_the_head_of_gzip_has_neither_time_nor_name() -> None:
    """2.3.1: magic, deflate, no flags, a time of zero."""
    coded = compress.encode(b"gzip", TEXT)
    assert coded[:8] == bytes((0x1F, 0x8B, 8, 0, 0, 0, 0, 0))
    assert gzip.decompress(coded) == TEXT


def test_rfc_9659_the_window_of_zstd_is_8_mib_at_most() -> None:
    """Read from the frame's head, RFC 8878 3.1.1.1."""
    decoder(b"zstd")
    coded = compress.encode(b"zstd", bytes(range(256)) * (BODY_MAX // 256))
    descriptor = coded[4]
    assert coded[:4] == bytes((0x28, 0xB5, 0x2F, 0xFD))
    if descriptor & 0x20:  # a single segment: the window is the content
        width = (1, 2, 4, 8)[descriptor >> 6]
        window = int.from_bytes(coded[5 : 5 + width], "little") + (256 if width == 2 else 0)
    else:
        window = 1 << (10 + (coded[5] >> 3))
        window += (window >> 3) * (coded[5] & 7)
    assert window <= 8 << 20


def test_without_libraries_gzip_is_left(without_libraries: None) -> None:
    assert compress.available() == (b"gzip",)
    assert gzip.decompress(compress.encode(b"gzip", TEXT)) == TEXT
    for coding in (b"br", b"zstd"):
        with pytest.raises(ConfigError, match=r"tuxpy-server\[compress\]"):
            compress.encode(coding, TEXT)


def test_the_standard_library_comes_before_zstandard(
    without_libraries: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Python 3.14 has it: compression.zstd.compress(data, level)."""

    class Standard:
        @staticmethod
        def compress(data: bytes, level: int) -> bytes:
            return b"%d:%d" % (level, len(data))

    def only_the_standard_library(name: str) -> type[Standard]:
        if name != "compression.zstd":
            raise ImportError(name)
        return Standard

    monkeypatch.setattr(compress, "import_module", only_the_standard_library)
    assert compress.available() == (b"zstd", b"gzip")
    assert compress.encode(b"zstd", b"abc") == b"6:3"


@pytest.mark.slow
def test_the_largest_body_is_coded_in_bounded_time(coding: bytes) -> None:
    """The bound is far above what was measured: the machine may be busy, a wrong level would be beyond it."""
    digits = b"".join(b"%d," % (i * 2654435761 % 1_000_003) for i in range(160_000))[:BODY_MAX]
    began = time.process_time()
    compress.encode(coding, digits)
    assert time.process_time() - began < 0.5


# Entity tags (8.8.3.3).


def test_8_8_3_3_every_variant_has_its_own_tag() -> None:
    tags = {compress.variant_etag(b'"a-1-2"', coding) for coding in CODINGS} | {b'"a-1-2"'}
    assert tags == {b'"a-1-2"', b'"a-1-2-br"', b'"a-1-2-zstd"', b'"a-1-2-gzip"'}


def test_8_8_3_a_weak_tag_stays_weak() -> None:
    assert compress.variant_etag(b'W/"a"', b"br") == b'W/"a-br"'


# Files beside the file.


def test_precompressed_names_stand_beside_the_original() -> None:
    assert compress.precompressed(b"docs/app.js") == (
        (b"br", b"docs/app.js.br"),
        (b"zstd", b"docs/app.js.zst"),
        (b"gzip", b"docs/app.js.gz"),
    )
    assert tuple(coding for coding, _ in compress.precompressed(b"a")) == CODINGS


S = 10**9


@pytest.mark.parametrize(
    ("sibling", "original", "stale"),
    [
        (5 * S + 2, 5 * S + 1, False),
        (5 * S + 1, 5 * S + 1, False),  # the tool has copied the time
        (5 * S + 1, 5 * S + 2, True),
        (5 * S, 5 * S + 999_999_999, False),  # it has copied whole seconds of it
        (5 * S, 6 * S, True),
        (4 * S, 5 * S + 1, True),
        (5 * S - 1, 5 * S, True),
        (-S, -1, False),
        (-S - 1, -S, True),
    ],
)
def test_a_sibling_older_than_its_original_is_stale(sibling: int, original: int, stale: bool) -> None:
    assert compress.is_stale(sibling, original) is stale


@given(st.integers(0, 2**62), st.integers(0, 2**62))
def test_what_is_made_later_is_fresh_and_what_is_a_second_older_never(sibling: int, age: int) -> None:
    assert not compress.is_stale(sibling + age, sibling)
    assert compress.is_stale(sibling, sibling + S + age)


# With negotiate.py.


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, IDENTITY), (b"gzip", b"gzip"), (b"identity;q=0, gzip", b"gzip"), (b"deflate", IDENTITY)],
)
def test_12_5_3_what_was_made_is_chosen_from(value: bytes | None, expected: bytes) -> None:
    sizes = {IDENTITY: len(TEXT)}
    sizes |= {coding: len(compress.encode(coding, TEXT)) for coding in compress.available()}
    assert choose(acceptable(value), sizes) == expected
