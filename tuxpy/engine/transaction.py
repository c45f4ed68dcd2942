"""All or nothing: what several engines are told takes effect at once at the end, or not at all."""

from __future__ import annotations

from collections.abc import Sequence

from .http_engine import HttpEngine
from .native import ffi, lib, must


class Transaction:
    """In `with`: what the engines are asked for in there is kept back. An exception drops it; else it takes effect.

    What may fail, fails in there; the end itself cannot.
    """

    def __init__(self, engines: Sequence[HttpEngine]) -> None:
        self._handles = [engine.handle for engine in engines]
        self._array = ffi.new("struct tux_engine *[]", self._handles)
        self._held = 0

    def __enter__(self) -> Transaction:
        try:
            for handle in self._handles:
                lib.tux_engine_hold(handle)
                self._held += 1
        except BaseException:
            self.drop()
            raise
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            try:
                lib.tux_engines_release(self._array, len(self._handles))
            except BaseException:  # before it was called
                self.drop()
                raise
        else:
            self.drop()

    def drop(self) -> None:
        """Nothing of it is to happen."""
        for handle in self._handles[: self._held]:
            lib.tux_engine_drop(handle)


def share(engine: HttpEngine, index: int, value: int) -> None:
    """Give a shared number another value in the order of what else the engine is asked for. Raises EngineError."""
    must(lib.tux_engine_share(engine.handle, index, value), "a shared number cannot be changed")
