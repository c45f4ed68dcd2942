"""Content that the tests lay down: pages, and small files of other formats written by hand."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Final

MODIFIED_S: Final = 784111777  # Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110 5.6.7

# (module (func (export "answer") (result i32) i32.const 42)), WebAssembly core specification 5.5
WASM: Final = (
    b"\0asm\1\0\0\0"  # magic and version
    b"\1\5\1\x60\0\1\x7f"  # types: () -> i32
    b"\3\2\1\0"  # functions: one, of type 0
    b"\7\x0a\1\6answer\0\0"  # exports: function 0
    b"\x0a\6\1\4\0\x41\x2a\x0b"  # code: no locals, i32.const 42, end
)
WAV_HEAD_BYTES: Final = 44
WAV_BYTES_A_SECOND: Final = 44100 * 2 * 2


def write(path: Path, content: str | bytes, modified_s: int = MODIFIED_S) -> None:
    """A file as it stands in a site for long."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.utime(path, (modified_s, modified_s))


def html(body: str, title: str = "page") -> str:
    """A page that has its icon: browsers ask for /favicon.ico otherwise."""
    head = f'<meta charset="utf-8"><link rel="icon" href="data:,"><title>{title}</title>'
    return f'<!doctype html>\n<html lang="en">{head}\n{body}\n</html>\n'


def silence(path: Path, seconds: int) -> None:
    """A WAV file (RIFF, PCM, 44.1 kHz, 16 bits, two channels). It takes no room: what is not written reads as zero."""
    size = seconds * WAV_BYTES_A_SECOND
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, 44100, WAV_BYTES_A_SECOND, 4, 16)
    head = struct.pack("<4sI4s", b"RIFF", size + 36, b"WAVE") + form + struct.pack("<4sI", b"data", size)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + size)


def in_brotli(data: bytes) -> bytes:
    """As one block that is not compressed and an empty last one (RFC 7932 9.2)."""
    bits = (len(data) - 1) << 4 | 1 << 20  # window of 2**16, not the last, length in 4 nibbles, uncompressed
    return bits.to_bytes(3, "little") + data + b"\3"


def in_zstd(data: bytes) -> bytes:
    """As one raw block of a frame in a single segment (RFC 8878 3.1.1)."""
    assert len(data) < 256
    return b"\x28\xb5\x2f\xfd\x20" + bytes([len(data)]) + (len(data) << 3 | 1).to_bytes(3, "little") + data
