"""The document root: names resolved beneath one descriptor, and facts about what is found.

The only module of the judge that touches the file system. A Site holds the root as a descriptor
from start to end, so nobody can swap it by renaming. Names reach the kernel through the function
`open_beneath(root_fd, path)` that is given to it: in service it is a chain of one openat2 atom
(RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS, O_RDONLY, O_NONBLOCK, O_CLOEXEC, O_NOCTTY), so
symbolic links may lead about inside the root and never out of it. `walk_beneath` does the same
by hand where the kernel has no openat2, more strictly: it follows no symbolic link at all.

What open() answers
  FileFact      a regular file; its descriptor now belongs to the caller
  IsDirectory   a directory
  Absent        nothing to serve: no such name, a fifo, socket or device, or a link that leads out
  Denied        a file that this process may not read
Any other failure (no descriptor left, a broken disk) is raised as the OSError it is.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import ConfigError
from ..model import SIGNIFICANT, FileFact, Witness
from ..rules.policy import Policy

OpenBeneath = Callable[[int, bytes], int]

_PLAIN = Policy()

# O_NONBLOCK: opening a fifo or a device must not wait for its other side.
OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_PATH_BYTES_MAX = 4096  # PATH_MAX of limits.h, its NUL included
_STEP_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_RACES_MAX = 8  # openat2(2): EAGAIN when a rename races with the look-up; try again


@dataclass(frozen=True, slots=True)
class _Finding:
    """`witness` None: what was found cannot be watched by name, so the answer is not kept."""

    why: str
    witness: Witness | None = None


class Absent(_Finding):
    """Nothing to serve."""


class Denied(_Finding):
    """Something this process may not read."""


@dataclass(frozen=True, slots=True)
class IsDirectory:
    """A directory; its witness is gone when its entries change."""

    witness: Witness
    why: str = "it is a directory"


Found = FileFact | IsDirectory | Absent | Denied

_NO_SUCH_NAME = (errno.ENOENT, errno.ENOTDIR)
_OUTCOMES: dict[int, Absent | Denied] = {
    errno.ENAMETOOLONG: Absent("the name is too long for any file"),
    errno.EXDEV: Absent("a symbolic link or name leads out of the root"),
    errno.ELOOP: Absent("there is a symbolic link that is not followed"),
    errno.ENXIO: Absent("it is a socket or a device, not a regular file"),
    errno.ENODEV: Absent("it is a device, not a regular file"),
    errno.EBUSY: Absent("it is a device, not a regular file"),
    errno.EACCES: Denied("this process has no right to read it"),
    errno.EPERM: Denied("this process has no right to read it"),
}


def walk_beneath(root_fd: int, path: bytes) -> int:
    """Open `path` component by component, following no symbolic link (ELOOP if there is one).

    For kernels before 5.6, and as the partner that openat2 is tested against.
    Raises OSError as open does; EXDEV for "..".
    """
    if len(path) >= _PATH_BYTES_MAX:  # the kernel's rule for whole paths, which steps alone would escape
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)
    *steps, name = [part for part in path.split(b"/") if part not in (b"", b".")] or [b"."]
    if b".." in steps or name == b"..":
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
    at = root_fd
    try:
        for step in steps:
            below = _step(at, step)
            if at != root_fd:
                os.close(at)
            at = below
        wants_directory = os.O_DIRECTORY if path.endswith(b"/") else 0
        return os.open(name, OPEN_FLAGS | os.O_NOFOLLOW | wants_directory, dir_fd=at)
    finally:
        if at != root_fd:
            os.close(at)


def _step(at: int, name: bytes) -> int:
    """One directory down; a symbolic link is ELOOP (the kernel itself would say ENOTDIR)."""
    try:
        return os.open(name, _STEP_FLAGS, dir_fd=at)
    except NotADirectoryError:
        if stat.S_ISLNK(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name) from None
        raise


ASKED_METHOD, ASKED_HEADERS = b"access-control-request-method", b"access-control-request-headers"


def significant_for(policy: Policy) -> tuple[bytes, ...]:
    """The fields on which a decision may depend: the engine's key holds them, and nothing else reaches the judge."""
    names = SIGNIFICANT
    if policy.listing:
        names += (b"accept",)  # a listing comes as a page and as JSON
    if policy.cors:
        names += (ASKED_METHOD, ASKED_HEADERS)
    return names


class Site:
    """One document root. Close it (or use it in `with`) when no answer refers to it any more."""

    def __init__(
        self,
        root: str,
        open_beneath: OpenBeneath = walk_beneath,
        policy: Policy = _PLAIN,
    ) -> None:
        """Raises ConfigError, naming the remedy, when the root cannot be entered."""
        try:
            self.root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            remedy = _ROOT_REMEDIES.get(error.errno or 0, _ROOT_OTHER)
            raise ConfigError(remedy.format(root=root, error=error.strerror)) from error
        self.policy = policy
        self.significant = significant_for(policy)
        self.open_beneath = open_beneath

    def close(self) -> None:
        if self.root_fd >= 0:
            os.close(self.root_fd)
            self.root_fd = -1

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self, path: bytes) -> Found:
        """What is found at `path`, relative to the root and without dot segments."""
        try:
            fd = self._open(path)
        except OSError as error:
            if error.errno in _NO_SUCH_NAME:
                return Absent("there is no such file", Witness(self.root_fd, path))
            outcome = _OUTCOMES.get(error.errno or 0)
            if outcome is None:
                raise
            return outcome
        keep = False
        try:
            file = fact(fd, path)
            keep = stat.S_ISREG(file.mode)
        finally:
            if not keep:
                os.close(fd)
        if keep:
            return file
        if stat.S_ISDIR(file.mode):
            return IsDirectory(self.witness(file))
        return Absent("it is neither a regular file nor a directory", self.witness(file))

    def witness(self, file: FileFact) -> Witness:
        """What must still be found at the file's name for an answer made from it to hold."""
        return Witness(
            self.root_fd, file.path, file.dev, file.ino, file.size, file.mtime_ns, file.ctime_ns
        )

    def _open(self, path: bytes) -> int:
        for _ in range(_RACES_MAX):
            try:
                return self.open_beneath(self.root_fd, path)
            except BlockingIOError:
                continue
        return self.open_beneath(self.root_fd, path)


_ROOT_OTHER = "cannot open the directory {root!r}: {error}"
_ROOT_REMEDIES = {
    errno.ENOENT: "there is no directory {root!r}: create it or name another one",
    errno.ENOTDIR: "{root!r} is not a directory: name the directory that holds the site",
    errno.EACCES: "no right to enter {root!r}: run as a user who may, or change its mode",
}


def fact(fd: int, path: bytes) -> FileFact:
    """The facts of an open descriptor; ownership stays where it was."""
    st = os.fstat(fd)
    return FileFact(
        fd, path, st.st_dev, st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns, st.st_mode
    )


def release(file: FileFact) -> None:
    """Close the descriptor of a file that will not be sent."""
    os.close(file.fd)


class FileChanged(Exception):
    """The file is no longer what was seen a moment ago: judge again."""


def read_slices(file: FileFact, slices: Sequence[tuple[int, int]]) -> list[bytes]:
    """(offset, count) of the file as bytes, all of the version that `file` is. Raises FileChanged; keeps it open."""
    read = [os.pread(file.fd, count, offset) for offset, count in slices]
    short = any(len(content) != count for content, (_, count) in zip(read, slices, strict=True))
    if short or fact(file.fd, file.path) != file:
        raise FileChanged
    return read
