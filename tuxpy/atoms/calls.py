"""The white list: every call an atom may make, and by name the calls it may not.

A call is here only with a written rule: what each argument must be, whether it can wait for somebody else, and whether
it makes a descriptor that a cell must own. csrc/chain/calls.def is the same table for C; a test compares them.

Argument kinds: f descriptor (an FD, INT or CONST cell) · F descriptor the run owns (FD) · i number ·
c number to be changed (INT or SHARED), by reference · O FD that takes a new descriptor ·
r memory to read · w memory to write ·
n length of the memory before it, checked against its size when it runs · z data ending in NUL, a path.
"""

from __future__ import annotations

from typing import Final

from ..values import value_class
from .cells import MEMORY, NUMBERS, Cell, Kind


@value_class(frozen=True, slots=True)
class Call:
    """One line of the white list."""

    number: int
    name: str
    kinds: str
    parameters: tuple[str, ...]
    waits: bool  # it can wait for somebody else, so a loop through it may be endless
    makes_fd: bool  # its result is a new descriptor, owned by the result cell
    blocks: bool  # it can wait for a disk; then a worker performs it
    http: bool  # only the HTTP engine knows it
    opcode: str  # io_uring's for the same, used or not; "" when there is none


def _call(number: int, name: str, signature: str = "", *traits: str) -> Call:
    """Read a signature such as "f:fd r:data n:length"; traits in capitals are an opcode of io_uring."""
    pairs = [word.split(":") for word in signature.split()]
    return Call(
        number,
        name,
        "".join(kind for kind, _ in pairs),
        tuple(parameter for _, parameter in pairs),
        waits="waits" in traits,
        makes_fd="makes_fd" in traits,
        blocks="blocks" in traits,
        http=32 <= number < 48,
        opcode="".join(trait for trait in traits if trait.isupper()),
    )


# fmt: off
_WHITE_LIST: Final = (
    _call( 0, "getpid"),
    _call( 1, "umem_add",   "c:cell i:increment"),                          # result: the new value
    _call( 2, "accept4",    "f:listener i:flags", "waits", "makes_fd", "ACCEPT"),
    _call( 3, "setsockopt", "f:fd i:level i:option r:value n:length", "URING_CMD"),
    _call( 4, "recv",       "f:fd w:buffer n:length i:flags", "waits", "RECV"),
    _call( 5, "send",       "f:fd r:data n:length i:flags", "waits", "SEND"),   # all of it, or it fails
    _call( 6, "sendfile",   "f:fd f:file i:offset i:count", "waits", "blocks"),  # all of it; -EIO: file shorter
    _call( 7, "shutdown",   "f:fd i:direction", "SHUTDOWN"),
    _call( 8, "close",      "F:fd", "CLOSE"),                               # the cell becomes -1
    _call( 9, "openat2",    "f:directory z:path r:open_how n:length", "makes_fd", "blocks", "OPENAT2"),
    _call(10, "read",       "f:fd w:buffer n:length", "waits", "blocks", "READ"),
    _call(11, "pread",      "f:fd w:buffer n:length i:offset", "blocks", "READ"),
    _call(12, "write",      "f:fd r:data n:length", "waits", "blocks", "WRITE"),  # may be full; may write less
    _call(13, "nanosleep",  "i:nanoseconds", "waits", "TIMEOUT"),
    _call(14, "pwrite",     "f:fd r:data n:length i:offset", "blocks", "WRITE"),
    _call(15, "statx",      "f:directory z:path i:flags i:mask w:buffer n:length", "blocks", "STATX"),
    _call(16, "getdents64", "f:directory w:buffer n:length", "blocks"),     # 0 at the end
    _call(17, "fsync",      "f:fd", "blocks", "FSYNC"),
    _call(18, "fdatasync",  "f:fd", "blocks", "FSYNC"),
    _call(19, "fallocate",  "f:fd i:mode i:offset i:length", "blocks", "FALLOCATE"),
    _call(20, "ftruncate",  "f:fd i:length", "blocks", "FTRUNCATE"),
    _call(21, "renameat2",  "f:from_ z:old f:to z:new i:flags", "blocks", "RENAMEAT"),
    _call(22, "unlinkat",   "f:directory z:path i:flags", "blocks", "UNLINKAT"),
    _call(23, "mkdirat",    "f:directory z:path i:mode", "blocks", "MKDIRAT"),
    _call(24, "fadvise64",  "f:fd i:offset i:length i:advice", "blocks", "FADVISE"),
    _call(25, "readahead",  "f:fd i:offset i:count", "blocks"),
    _call(26, "socket",     "i:domain i:type i:protocol", "makes_fd", "SOCKET"),
    _call(27, "bind",       "f:fd r:address n:length", "blocks", "BIND"),   # a local address is a name on a disk
    _call(28, "listen",     "f:fd i:backlog", "LISTEN"),
    _call(29, "connect",    "f:fd r:address n:length", "waits", "CONNECT"),  # the socket becomes non-blocking
    _call(30, "getsockopt", "f:fd i:level i:option w:value n:length", "URING_CMD"),  # result: the value's length
    _call(31, "splice",     "f:from_ i:from_offset f:to i:to_offset i:length i:flags", "waits", "blocks", "SPLICE"),
    # The calls of the HTTP engine; a plain syslet engine refuses them.
    _call(32, "recv_head",  "f:connection", "waits"),                       # bytes of the next head; 0: no more
    _call(33, "decide",     "i:head", "waits"),                             # the decision's status
    _call(34, "respond",    "f:connection i:decision", "waits"),            # 1 keep-alive, 0 close
    _call(35, "discard",    "f:connection i:most", "waits"),                # read and throw away; 0
    _call(36, "recv_proxy", "f:connection", "waits"),                       # bytes of the PROXY header
    # More plain calls.
    _call(48, "poll",       "f:fd i:events", "waits", "POLL_ADD"),          # result: what is ready
    _call(49, "sendmsg",    "f:fd r:first n:first_length r:second n:second_length i:flags", "waits", "SENDMSG"),
    _call(50, "readv",      "f:fd w:first n:first_length w:second n:second_length", "waits", "blocks", "READV"),
    _call(51, "writev",     "f:fd r:first n:first_length r:second n:second_length", "waits", "blocks", "WRITEV"),
    _call(52, "umem_sub",   "c:cell i:decrement"),                          # result: the new value
    _call(53, "pipe2",      "O:reader O:writer i:flags", "PIPE"),           # what the cells held before is closed
)
# fmt: on

CALLS: Final[dict[str, Call]] = {call.name: call for call in _WHITE_LIST}

_PROCESS = "it would copy or replace the whole process with all engine threads"
_IDENTITY = "the identity of the process may change only while no engine exists"
_PLACE = "the starting point of paths belongs to the process, not to one run"
_ENGINE = "a chain could start engines inside engines without end"
_LIFE = "ending the process is the operator's decision"
_SIGNALS = "signals belong to the process, not to one run"

_FORBIDDEN: Final = {
    _PROCESS: "fork vfork clone clone3 execve execveat unshare setns",
    _IDENTITY: "setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capset prctl",
    _PLACE: "chdir fchdir chroot pivot_root umask",
    _ENGINE: "io_uring_setup io_uring_enter io_uring_register async_exec async_wait async_register async_unregister",
    _LIFE: "exit exit_group kill tkill tgkill reboot",
    _SIGNALS: "rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack",
}

REFUSED: Final[dict[str, str]] = {
    name: why for why, names in _FORBIDDEN.items() for name in names.split()
}

# What each kind of argument wants, in words for refusals, and which cells are that.
WANTED: Final[dict[str, tuple[str, frozenset[Kind]]]] = {
    "f": ("a descriptor", NUMBERS | {Kind.FD}),
    "F": ("a descriptor that the run owns", frozenset({Kind.FD})),
    "O": ("a cell for a new descriptor", frozenset({Kind.FD})),
    "i": ("a number", NUMBERS),
    "n": ("a length", NUMBERS),
    "c": ("a number that may change", frozenset({Kind.INT, Kind.SHARED})),
    "r": ("memory to read", MEMORY),
    "w": ("memory to write", frozenset({Kind.BUFFER})),
    "z": ("a path: data ending in NUL", frozenset({Kind.DATA})),
}


def fits(kind: str, cell: Cell) -> bool:
    """May `cell` stand where an argument of `kind` is wanted?"""
    return cell.kind in WANTED[kind][1] and (kind != "z" or cell.content.endswith(b"\0"))


@value_class(frozen=True, slots=True)
class Atom:
    """A call made definite: which cells it reads and writes, and where the run goes afterwards. Numbers, no names."""

    label: str
    call: Call
    args: tuple[int, ...]
    flags: int = 0
    ret: int | None = None
    next: int | None = None  # None: the run ends here
    landing: bool = False  # put in by the builder to carry a skip to its label; drawings show an arrow
