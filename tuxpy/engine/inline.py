"""Chains run here and now: on the calling thread, which may block, without any engine."""

from __future__ import annotations

from collections.abc import Mapping, MutableSequence
from typing import Any, Final

from ..atoms import Cell, ChainResult, Frozen, Kind, Reason
from ..atoms.check import SHARED_MAX
from .native import ffi, lib, load, must, param_values

_NO_CELL: Final = 0xFFFF


def run_inline(
    frozen: Frozen, params: Mapping[str, int] | None = None, shared: MutableSequence[int] | None = None
) -> ChainResult:
    """Run a chain here and now, on the calling thread, which may block. Cells as in the reference interpreter."""
    chain = load(frozen, http=False)
    try:
        values = param_values(frozen, params or {})
        numbers = ffi.new("int64_t[]", [*(shared or ()), *[0] * SHARED_MAX][:SHARED_MAX])
        cells = ffi.new("int64_t[]", max(1, len(frozen.cells)))
        buffers = ffi.new("uint8_t[]", max(1, lib.tux_chain_buffer_bytes(chain)))
        out = ffi.new("struct tux_completion *")
        must(
            lib.tux_run_inline(chain, values, len(values), _NO_CELL, numbers, cells, buffers, out),
            f"chain {frozen.name} cannot run here",
        )
    finally:
        lib.tux_chain_close(chain)
    if shared is not None:
        shared[:] = numbers[0 : len(shared)]
    held = tuple(_held(cell, cells[i], buffers, numbers) for i, cell in enumerate(frozen.cells))
    return ChainResult(0, out.last_atom, out.result, Reason(out.reason), out.steps, held)


def _held(cell: Cell, value: int, buffers: Any, numbers: Any) -> int | bytes:
    """What a cell held last: a number, or the bytes of its memory."""
    if cell.kind is Kind.DATA:
        return cell.content
    if cell.kind is Kind.BUFFER:
        return bytes(ffi.buffer(buffers + value, cell.size))
    if cell.kind is Kind.SHARED:
        return int(numbers[cell.value])
    return -1 if cell.kind is Kind.FD else value  # what the run owned is closed by now
