"""The calls of the white list by what `Engine.call` gives for them, for type checkers; a test compares."""

from __future__ import annotations

from typing import Literal, TypeAlias

GivesBytes: TypeAlias = Literal["getdents64", "getsockopt", "pread", "read", "recv", "statx"]
GivesPieces: TypeAlias = Literal["readv"]
GivesNumber: TypeAlias = Literal[
    "accept4", "bind", "close", "connect", "fadvise64", "fallocate", "fdatasync", "fsync", "ftruncate", "getpid",
    "listen", "mkdirat", "nanosleep", "openat2", "poll", "pwrite", "readahead", "renameat2", "send", "sendfile",
    "sendmsg", "setsockopt", "shutdown", "socket", "splice", "umem_add", "umem_sub", "unlinkat", "write", "writev",
]  # fmt: skip
