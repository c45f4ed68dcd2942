"""What an engine may take, and the rules that a reload changes, by the names and units of csrc/api.h."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..config import defaults
from ..model import SIGNIFICANT
from ..values import value_class
from .native import ffi

Table = Sequence[tuple[int, int]]
"""(first address, number) of intervals of addresses, in order, each up to the next one's first.

Addresses are numbers of 128 bits, IPv4 in its mapped form."""


@value_class(frozen=True, slots=True)
class Limits:
    """What an engine may take. All memory for it is taken when the engine opens."""

    slots: int = 1024  # runs alive at once
    workers: int = 2  # threads that may block
    cache_entries_max: int = 32768
    cache_bytes_max: int = 64 << 20
    cache_files_max: int = 1024  # descriptors that the decision cache may hold open
    linger_ms: int = 2_000


@value_class(frozen=True, slots=True)
class Bounds:
    """What clients may take: struct tux_bounds of csrc/api.h, by its names. 0 is no limit."""

    requests_max: int = 0
    connections_max: int = 0
    interval_ns: int = 0
    burst: int = 0
    forwarded: int = 0
    refuse: bool = False


@value_class(frozen=True, slots=True)
class Rules:
    """Everything that a reload may change in an engine: struct tux_rules.

    number       larger than any before; misses tell by it which rules they were asked under
    significant  names of the header fields that the key of a cached answer holds
    classes      of client addresses
    networks     of client addresses; their numbers are bits (rules/networks.py)
    """

    number: int = 0
    significant: Sequence[bytes] = SIGNIFICANT
    classes: Table = ()
    networks: Table = ()
    bounds: Bounds = Bounds()
    head_bytes_max: int = defaults.HEAD_KIB << 10
    head_ms: int = 1000 * defaults.HEAD_TIMEOUT_S
    idle_ms: int = 1000 * defaults.IDLE_TIMEOUT_S
    send_ms: int = 1000 * defaults.SEND_TIMEOUT_S
    look_ms: int = defaults.LOOK_AFTER_MS


_NUMBERS: Final = ("number", "head_bytes_max", "head_ms", "idle_ms", "send_ms", "look_ms")


def fill(into: Any, rules: Rules) -> object:
    """Into a struct tux_rules. Keep the returned object until the call that reads the struct has returned."""
    names = [ffi.new("char[]", name) for name in rules.significant]
    table = ffi.new("char *[]", names)
    into.significant, into.significant_count = table, len(names)
    into.classes, into.class_count = intervals = intervals_of(rules.classes)
    into.networks, into.network_count = others = intervals_of(rules.networks)
    for name in Bounds.__slots__:
        setattr(into.bounds, name, getattr(rules.bounds, name))
    for name in _NUMBERS:
        setattr(into, name, getattr(rules, name))
    return names, table, intervals, others


def intervals_of(table: Table) -> tuple[Any, int]:
    """An array of struct tux_class, and its length."""
    intervals = ffi.new("struct tux_class[]", max(1, len(table)))
    for interval, (first, number) in zip(intervals, table, strict=False):
        interval.first, interval.number = first.to_bytes(16, "big"), number
    return intervals, len(table)
