"""The white list as a table: `tuxpy chain --calls`, and docs/calls.md, which a test compares with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .calls import CALLS, REFUSED, WANTED, Call

# What each call does for a chain beyond its manual page.
RULES: Final[dict[str, str]] = {
    "getpid": "the cheapest call, for measurements",
    "umem_add": "adds to its cell and returns the sum, which wraps; no system call is made",
    "umem_sub": "subtracts from its cell and returns the difference, which wraps; no system call is made",
    "accept4": "skips connections that their clients have already given up",
    "setsockopt": "at once; EINVAL for SO_LINGER above 0, because closing would wait for the peer",
    "recv": "returns the bytes that are there, or the first that come; 0: the peer sends no more",
    "send": "sends everything or fails",
    "sendmsg": "sends two pieces as one; sends everything or fails",
    "sendfile": "sends everything or fails; EIO if the file has become shorter; a worker reads cold parts first",
    "close": "sets the cell to -1, also when it fails",
    "openat2": "tries RESOLVE_CACHED at once, then a worker; opens a fifo without waiting for a writer",
    "read": "one read, which may be short; 0 at the end of the file",
    "readv": "one read into two pieces, which may be short; 0 at the end of the file",
    "pread": "one read, which may be short; keeps the position of the file",
    "write": "one write, which may be short; a pipe takes 4096 bytes at a time",
    "writev": "one write of two pieces, which may be short; a pipe takes 4096 bytes at a time",
    "pwrite": "one write, which may be short; keeps the position of the file",
    "nanosleep": "sleeps; an engine is exact to 20 ms",
    "statx": "fills 256 bytes of struct statx; at once if the name is in memory, otherwise by a worker",
    "getdents64": "fills in struct linux_dirent64; returns the bytes, 0 at the end",
    "bind": "at once; a worker binds the address of a unix socket, because that is a name on a disk",
    "connect": "returns 0 when the connection is made; makes the socket non-blocking",
    "getsockopt": "returns the length of the value",
    "splice": "one move of at most 1 MiB; an offset of -1 stands for the position of the descriptor",
    "pipe2": "at once; the run owns both ends, and closes the descriptors that their cells held before",
    "poll": "waits until one of the events occurs and returns those that have; ask for POLLIN or POLLOUT",
}
_WORKER: Final = "by a worker, because the kernel cannot tell beforehand whether it would wait"
_AT_ONCE: Final = "at once"
_MARK: Final = {"f": "fd", "F": "owned fd", "O": "fd to own", "i": "number", "c": "number that changes",
                "r": "memory to read", "w": "memory to write", "n": "length", "z": "path"}  # fmt: skip


def rule(call: Call) -> str:
    """In one line, how the engine carries it out, and its result."""
    return RULES.get(call.name) or (_WORKER if call.blocks else _AT_ONCE)


def waits_for(call: Call) -> str:
    """What it may have to wait for."""
    return " and ".join(["a peer or timer"] * call.waits + ["a disk"] * call.blocks) or "nothing"


def _signature(call: Call) -> str:
    pairs = zip(call.parameters, call.kinds, strict=True)
    args = ", ".join(name.rstrip("_") + ": " + _MARK[kind] for name, kind in pairs)
    return f"{call.name}({args})" + " -> owned fd" * call.makes_fd


def _rows() -> Iterator[tuple[str, ...]]:
    for call in sorted(CALLS.values(), key=lambda call: call.number):
        if not call.http:
            yield str(call.number), _signature(call), waits_for(call), call.opcode or "none", rule(call)


def table() -> str:
    """All of it, as Markdown that can be read as it is."""
    head = ("no.", "call and arguments", "may wait for", "io_uring", "rule")
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join('---' for _ in head)}|"]
    lines += [f"| {' | '.join(row)} |" for row in _rows()]
    lines += ["", "Kinds of arguments:", ""]
    lines += [f"* {_MARK[kind]}: {words}, in a cell of kind {_cells(kind)}" for kind, (words, _) in WANTED.items()]
    lines += ["", "The checker refuses these calls by name, before anything runs:", ""]
    why: dict[str, list[str]] = {}
    for name, reason in REFUSED.items():
        why.setdefault(reason, []).append(name)
    lines += [f"* {', '.join(names)}: {reason}" for reason, names in why.items()]
    lines += ["", "A chain can make no other calls."]
    return "\n".join(lines) + "\n"


def _cells(kind: str) -> str:
    return " or ".join(cell.name for cell in sorted(WANTED[kind][1]))
