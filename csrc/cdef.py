"""The boundary: api.h is read by the C compiler and by cffi, so both sides see one declaration.

setup.py runs this file and takes `ffi` from it; the result is the extension tuxpy._engine. Paths
are relative to the top of the tree, where every build starts.

Environment: TUXPY_SANITIZE, the value of -fsanitize= (address,undefined or thread), builds an
engine that reports instead of surviving. Warnings are errors in `make test`, which compiles the
same files, and not here: a newer compiler must not keep anybody from installing.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from cffi import FFI

_DIRECTORY = Path("csrc")

FLAGS = [
    "-std=c11",
    "-O2",
    "-g",
    "-Wall",
    "-Wextra",
    "-Wshadow",
    "-UNDEBUG",  # CPython's own flags switch assert() off; ours stay on in releases
    "-D_GNU_SOURCE",
    "-pthread",
    "-fvisibility=hidden",
]
_HARDENING = ["-fstack-protector-strong", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"]
_HARDENING_LINK = ["-Wl,-z,relro,-z,now"]
# For #include "...", and never for <...>, where our limits.h would hide the C library's.
_OURS = ["-iquote", str(_DIRECTORY.resolve())]


def _flags() -> tuple[list[str], list[str]]:
    """Flags for the compiler and for the linker."""
    sanitize = os.environ.get("TUXPY_SANITIZE", "")
    if not sanitize:
        return FLAGS + _HARDENING, ["-pthread", *_HARDENING_LINK]
    wanted = [f"-fsanitize={sanitize}"]
    stop = ["-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
    return FLAGS + wanted + stop, ["-pthread", *wanted]


def _version() -> str:
    """The version of the distribution: the engine carries it, so a stale one can be refused."""
    found = re.search(r'^version = "([^"]+)"', Path("pyproject.toml").read_text("utf-8"), re.M)
    assert found is not None, "pyproject.toml has no version"
    return found[1]


def _build() -> FFI:
    compile_args, link_args = _flags()
    builder = FFI()
    builder.cdef((_DIRECTORY / "api.h").read_text(encoding="utf-8"))
    builder.set_source(
        "tuxpy._engine",
        '#include "base/base.h"',
        sources=[str(path) for path in sorted(_DIRECTORY.rglob("*.c"))],
        depends=[str(path) for path in sorted(_DIRECTORY.rglob("*.[hd]*"))],
        define_macros=[("TUX_VERSION", f'"{_version()}"')],
        extra_compile_args=compile_args + _OURS,
        extra_link_args=link_args,
    )
    return builder


ffi = _build()
