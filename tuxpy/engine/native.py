"""The only importer of the extension, and what every crossing of the boundary needs.

Python calls C; C never calls Python. A negative code becomes an exception here, a chain is handed over as bytes here;
nothing else sees how. While a call is in C the GIL is not held.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any, Final

from .. import __version__
from .._engine import ffi, lib
from ..atoms import Frozen
from ..errors import EngineError

__all__ = ["ERROR_BYTES", "ffi", "lib", "load", "load_bytes", "must", "param_values", "text"]

ERROR_BYTES: Final = 160  # room for a sentence of C


def text(sentence: Any) -> str:
    """A C string."""
    return str(ffi.string(sentence).decode(errors="replace"))


if __version__ != text(lib.tux_version()):
    raise ImportError(
        f"the compiled _engine is version {text(lib.tux_version())}, tuxpy is {__version__}: install tuxpy-server again"
    )


def must(code: int, what: str) -> None:
    """Raise EngineError for -errno."""
    if code < 0:
        raise EngineError(what, -code)


def load(frozen: Frozen, http: bool) -> Any:
    """The chain as C holds it, checked once more there. http: the calls of a connection are allowed too."""
    return load_bytes(frozen.name, frozen.encode(), http)


def load_bytes(name: str, encoded: bytes, http: bool) -> Any:
    """The same from the encoded chain."""
    out, error = ffi.new("struct tux_chain **"), ffi.new("char[]", ERROR_BYTES)
    failed = lib.tux_chain_open(encoded, len(encoded), http, out, error)
    if failed:
        raise EngineError(f"chain {name}: {text(error)}", -failed)
    return out[0]


def param_values(frozen: Frozen, params: Mapping[str, int]) -> Any:
    """One value for every param cell; EngineError names what is missing or unknown."""
    names = {cell.name: cell.number for cell in frozen.params}
    wrong = sorted(names.keys() ^ params.keys())
    if wrong:
        state = "missing" if wrong[0] in names else "unknown"
        raise EngineError(f"chain {frozen.name}: the param {wrong[0]} is {state}", errno.EINVAL)
    return ffi.new("struct tux_param[]", [{"cell": names[name], "value": value} for name, value in params.items()])
