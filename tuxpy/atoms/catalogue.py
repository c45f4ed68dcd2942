"""The white list as a table for people: `tuxpy chain --calls`, and docs/calls.md, which a test holds to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .calls import CALLS, REFUSED, WANTED, Call

# What a chain may count on, where the name of the call does not say it.
RULES: Final[dict[str, str]] = {
    "getpid": "the null call",
    "umem_add": "adds and gives the sum, which wraps; it changes its cell, and no kernel is asked",
    "umem_sub": "subtracts and gives the difference, which wraps; it changes its cell, and no kernel is asked",
    "accept4": "a connection that was given up before we came does not count",
    "setsockopt": "at once; EINVAL for SO_LINGER above 0, since closing would wait for the peer",
    "recv": "what is there, or as soon as something is; 0: the peer sends no more",
    "send": "all of it, or it fails",
    "sendmsg": "two pieces as one; all of it, or it fails",
    "sendfile": "all of it, or it fails; EIO when the file has become shorter; what is cold is read by a worker first",
    "close": "the cell is -1 afterwards, whatever comes of it",
    "openat2": "found with RESOLVE_CACHED at once, else by a worker; a fifo without a writer is opened, not waited for",
    "read": "one read, which may be short; 0 at the end",
    "readv": "one read into two pieces, which may be short; 0 at the end",
    "pread": "one read, which may be short; the file's own position stays",
    "write": "one write, which may be short; a pipe takes 4096 bytes at a time",
    "writev": "one write of two pieces, which may be short; a pipe takes 4096 bytes at a time",
    "pwrite": "one write, which may be short; the file's own position stays",
    "nanosleep": "nanoseconds; an engine is exact to 20 ms",
    "statx": "256 bytes of struct statx; of what is in memory at once, else by a worker",
    "getdents64": "bytes of struct linux_dirent64; 0 at the end",
    "bind": "at once; a local address is a name on a disk, so a worker binds it",
    "connect": "0 when the connection stands; the socket becomes non-blocking",
    "getsockopt": "gives the length of the value",
    "splice": "one move, at most 1 MiB; an offset of -1 is the descriptor's own position",
    "pipe2": "at once; the run owns both ends, and what their cells held before is closed",
    "poll": "what is ready, as soon as something is; POLLIN or POLLOUT must be asked for",
}
_WORKER: Final = "by a worker, since the kernel cannot be asked whether it would wait"
_AT_ONCE: Final = "at once"
_MARK: Final = {"f": "fd", "F": "owned fd", "O": "fd to own", "i": "number", "c": "number that changes",
                "r": "memory to read", "w": "memory to write", "n": "length", "z": "path"}  # fmt: skip


def rule(call: Call) -> str:
    """In one line, how it is carried out and what its result is."""
    return RULES.get(call.name) or (_WORKER if call.blocks else _AT_ONCE)


def waits_for(call: Call) -> str:
    """What it may have to wait for."""
    return " and ".join(["somebody else"] * call.waits + ["a disk"] * call.blocks) or "nothing"


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
    lines += ["", "An argument of each kind takes:", ""]
    lines += [f"* {_MARK[kind]}: {words}, in a cell of kind {_cells(kind)}" for kind, (words, _) in WANTED.items()]
    lines += ["", "Refused by name, before anything runs:", ""]
    why: dict[str, list[str]] = {}
    for name, reason in REFUSED.items():
        why.setdefault(reason, []).append(name)
    lines += [f"* {', '.join(names)}: {reason}" for reason, names in why.items()]
    lines += ["", "Whatever is not named here does not exist for a chain."]
    return "\n".join(lines) + "\n"


def _cells(kind: str) -> str:
    return " or ".join(cell.name for cell in sorted(WANTED[kind][1]))
