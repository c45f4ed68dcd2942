"""What an engine may take, and what clients may take of it, as C has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..values import dataclass
from .native import ffi

Table = Sequence[tuple[int, int]]
"""(first address, number) of intervals of addresses, in order, each up to the next one's first.

Addresses are numbers of 128 bits, IPv4 in its mapped form."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an engine may take. All memory for it is taken when the engine opens."""

    slots: int = 1024  # runs alive at once
    workers: int = 2  # threads that may block
    head_bytes_max: int = 16384
    cache_entries_max: int = 32768
    cache_bytes_max: int = 64 << 20
    cache_files_max: int = 1024  # descriptors that the decision cache may hold open
    head_ms: int = 10_000
    idle_ms: int = 75_000
    send_ms: int = 30_000
    linger_ms: int = 2_000
    look_ms: int = 20  # what is kept is looked up again when the last look is so old


@dataclass(frozen=True, slots=True)
class Bounds:
    """What clients may take: struct tux_bounds of csrc/api.h, by its names. 0 is no limit."""

    requests_max: int = 0
    connections_max: int = 0
    interval_ns: int = 0
    burst: int = 1
    forwarded: int = 0
    refuse: bool = False


def fill(into: Any, significant: Sequence[bytes], classes: Table, networks: Table, bounds: Bounds) -> object:
    """Into struct tux_options or tux_rules; what is returned must live until the call is over."""
    names = [ffi.new("char[]", name) for name in significant]
    table = ffi.new("char *[]", names)
    into.significant, into.significant_count = table, len(names)
    into.classes, into.class_count = intervals = intervals_of(classes)
    into.networks, into.network_count = others = intervals_of(networks)
    for name in Bounds.__slots__:
        setattr(into.bounds, name, getattr(bounds, name))
    return names, table, intervals, others


def intervals_of(table: Table) -> tuple[Any, int]:
    """An array of struct tux_class, and its length."""
    intervals = ffi.new("struct tux_class[]", max(1, len(table)))
    for interval, (first, number) in zip(intervals, table, strict=False):
        interval.first, interval.number = first.to_bytes(16, "big"), number
    return intervals, len(table)
