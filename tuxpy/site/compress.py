"""Content codings (RFC 9110 8.4.1) of bodies, made when a file is judged, and of files that somebody made before.

  ask    worth_trying: by type and size, before anything is read; worthwhile: by what came out
  make   encode; it may take some 40 ms, and leaves the interpreter free meanwhile
  find   precompressed: the names beside a file's name; is_stale: whether what lies there is older than the file
  name   variant_etag: the entity tag of what was made here

gzip is always there. The others need a library, looked for at first use: br brotli, zstd zstandard or, from Python 3.14
on, the standard library. They come with tuxpy-server[compress].

The same body, coding and versions of the libraries make the same bytes: no time and no name goes in.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Final, Protocol

from ..errors import ConfigError

# Best first: the order in which equals are chosen. The words are those of the registry (8.4.1), not of the files.
CODINGS: Final = (b"br", b"zstd", b"gzip")
_SUFFIXES: Final = ((b"br", b".br"), (b"zstd", b".zst"), (b"gzip", b".gz"))

# A head and a body below this go in one packet in any case, and what is saved of 256 bytes of markup (55 to 80 with
# gzip) is mostly eaten by the lines Content-Encoding and Vary. At 128 bytes gzip makes some bodies longer.
BODY_MIN: Final = 256
# The worst body found of 1 MiB (random digits) took gzip 40 ms, br 31 ms and zstd 13 ms, while a typical script of
# 740 KB takes 4 to 5 ms. So this is a second of a worker's time at worst, once for each version of a file. Larger files
# are better compressed by their author, who has the time for a better level. The key compress_max says otherwise.
BODY_MAX: Final = 32 << 20
# A body of up to so many bytes is coded in one go, a larger one in such pieces.
PIECE_BYTES: Final = 1 << 20
# A copy that is not clearly smaller is not worth its memory here and its decoding there. At BODY_MIN a tenth is just
# the length of "Content-Encoding: gzip" with its line end.
GAIN_MIN_PERCENT: Final = 10

# Measured on one core of an AMD EPYC with the pages of the Rust documentation: percent that is left and ms a file for
# html of 9 KB and 136 KB, css of 13 KB, js of 57 KB and 757 KB (zlib 1.2.13, brotli 1.2.1, zstandard 0.25.0).
#             html 9 KB    html 136 KB   css 13 KB    js 57 KB     js 757 KB
#   gzip 4    32.7  0.13   11.1  0.62    26.7  0.09   21.6  0.45   10.1   3.4
#   gzip 5    32.3  0.14   10.5  0.73    25.9  0.12   20.9  0.60    9.3   4.3   <- taken
#   gzip 6    32.2  0.14   10.2  1.00    25.5  0.14   20.7  0.85    8.8   6.6   and 90 ms where 5 takes 40
#   gzip 9    32.2  0.14   10.1  1.73    25.2  0.21   20.4  2.26    8.4  29.0
#   br 4      31.4  0.10   10.3  0.58    26.1  0.12   20.1  0.44    8.7   2.6
#   br 5      29.4  0.12    9.3  0.84    23.8  0.17   18.4  0.67    7.4   4.1
#   br 6      29.3  0.13    9.2  0.92    23.5  0.18   18.2  0.74    7.0   4.5   <- taken: the last before the cliff
#   br 7      29.3  0.14    9.1  3.96    23.5  0.20   18.0  1.90    6.7   8.5
#   br 11     26.1  6.86    8.1  95.3    21.1  10.1   15.9  50.4    5.6   570   for authors
#   zstd 3    33.6  0.03   11.2  0.16    27.6  0.03   20.9  0.13    9.4   0.8
#   zstd 6    32.3  0.08    9.9  0.55    25.5  0.08   19.3  0.38    7.8   2.9   <- taken
#   zstd 9    32.3  0.15    9.6  0.83    25.1  0.20   18.9  0.57    7.3   4.1
#   zstd 12   31.9  0.33    9.4  4.26    24.7  0.51   18.7  1.28    6.7   5.5
_GZIP_LEVEL: Final = 5
_BROTLI_QUALITY: Final = 6
_ZSTD_LEVEL: Final = 6  # its window is 2 MiB; RFC 9659 allows 8 MiB at most

# What shrinks though it is not text/*, *+json or *+xml. Not in here: what is compressed already (woff, woff2, most
# images, all video and archives), and octet-stream, which may be anything.
_COMPRESSIBLE: Final = frozenset(
    name.encode()
    for name in (
        # text under another name
        *("application/json", "application/xml", "application/javascript", "application/toml", "application/yaml"),
        *("application/jsonl", "application/x-ndjson", "application/x-subrip"),
        *("application/sql", "application/graphql", "application/rtf", "application/postscript"),
        "application/x-pem-file",
        *("application/vnd.apple.mpegurl", "audio/mpegurl", "model/obj"),
        # programs and tables
        *("application/wasm", "application/vnd.sqlite3", "application/x-tar"),
        *("application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"),
        # fonts, images, sounds and shapes in their plain form
        *("font/ttf", "font/otf", "font/collection", "application/vnd.ms-fontobject"),
        *("image/bmp", "image/vnd.microsoft.icon", "audio/midi", "model/stl", "model/gltf-binary"),
    )
)


def compressible(media_type: bytes) -> bool:
    """Whether bodies of this type shrink as a rule; a value of Content-Type, in lower case, parameters included."""
    name = media_type.partition(b";")[0].rstrip()
    return name.startswith(b"text/") or name.endswith((b"+json", b"+xml")) or name in _COMPRESSIBLE


def worth_trying(media_type: bytes, size: int, most: int = BODY_MAX) -> bool:
    """Whether a body of this type and size should be compressed when it is asked for."""
    return BODY_MIN <= size <= most and compressible(media_type)


def worthwhile(size: int, coded_size: int) -> bool:
    """Whether what came out is so much smaller that it should be sent instead."""
    return coded_size * 100 <= size * (100 - GAIN_MIN_PERCENT)


# The coders.

Coder = Callable[[bytes], bytes]


def _gzip() -> Coder:
    """RFC 1952, with a header that zlib writes itself: no name, and a time of zero."""

    def code(body: bytes) -> bytes:
        coder = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
        return coder.compress(body) + coder.flush()

    return code


def _brotli() -> Coder:
    """RFC 7932, through the library of its authors."""
    compress = import_module("brotli").compress
    return lambda body: bytes(compress(body, quality=_BROTLI_QUALITY))


def _zstd() -> Coder:
    """RFC 8878. A compressor must not be shared between threads; to make one takes 8 µs."""
    try:
        compress = import_module("compression.zstd").compress
    except ImportError:
        compressor = import_module("zstandard").ZstdCompressor
        return lambda body: bytes(compressor(level=_ZSTD_LEVEL).compress(body))
    return lambda body: bytes(compress(body, level=_ZSTD_LEVEL))


_COMPOSERS: Final[dict[bytes, Callable[[], Coder]]] = {b"br": _brotli, b"zstd": _zstd, b"gzip": _gzip}


@lru_cache(maxsize=len(CODINGS))
def _coder(coding: bytes) -> Coder | None:
    """None: its library is not installed."""
    try:
        return _COMPOSERS[coding]()
    except ImportError:
        return None


@lru_cache(maxsize=1)
def available() -> tuple[bytes, ...]:
    """Those of CODINGS that this process can make, best first. The first call imports their libraries."""
    return tuple(coding for coding in CODINGS if _coder(coding))


def encode(coding: bytes, body: bytes) -> bytes:
    """The body in one of CODINGS, whether that is worthwhile or not; ConfigError if its library is not there."""
    coder = _coder(coding)
    if coder is None:
        raise ConfigError(f"nothing here makes {coding.decode()}: pip install 'tuxpy-server[compress]'")
    return coder(body)


class Encoder(Protocol):
    """Takes a body in pieces; what comes out is complete after flush()."""

    def compress(self, piece: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def encoder(coding: bytes) -> Encoder:
    """For a body in pieces, in one of available()."""
    made: Encoder
    if coding == b"gzip":
        made = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    elif coding == b"br":
        made = _InBrotli()
    else:
        try:
            made = import_module("compression.zstd").ZstdCompressor(level=_ZSTD_LEVEL)
        except ImportError:
            made = import_module("zstandard").ZstdCompressor(level=_ZSTD_LEVEL).compressobj()
    return made


class _InBrotli:
    """The library's own words for the same."""

    def __init__(self) -> None:
        self._library = import_module("brotli").Compressor(quality=_BROTLI_QUALITY)

    def compress(self, piece: bytes, /) -> bytes:
        return bytes(self._library.process(piece))

    def flush(self) -> bytes:
        return bytes(self._library.finish())


def variant_etag(etag: bytes, coding: bytes) -> bytes:
    """The entity tag of the coded body: every variant has its own, or caches would mix them (RFC 9110 8.8.3.3).

    For bodies made here alone. A file that was found beside the original has its own times, which make its tag: it
    may be made anew while the original stays.
    """
    return b'%b-%b"' % (etag[:-1], coding)


# Files beside the file.


def precompressed(name: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """(coding, name) of the files that may hold this one coded, best first."""
    return tuple([(coding, name + suffix) for coding, suffix in _SUFFIXES])


_SECOND_NS: Final = 10**9


def is_stale(sibling_mtime_ns: int, original_mtime_ns: int) -> bool:
    """Whether a precompressed file is older than its original, and so may hold what the original was before.

    Equal is fresh: gzip, brotli and zstd give their output the time of their input. Some tools and archives cut that
    time to whole seconds, so a sibling on a whole second is compared in whole seconds.
    """
    if sibling_mtime_ns % _SECOND_NS == 0:
        original_mtime_ns -= original_mtime_ns % _SECOND_NS
    return sibling_mtime_ns < original_mtime_ns
