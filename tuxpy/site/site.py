"""The document root: names resolved beneath one descriptor, and facts about what is found.

A Site holds the root as a descriptor from start to end; witnesses name it by its number, so that stays the same when
the root's name leads to another directory (`renew`). Names reach the kernel through the function
`open_beneath(root_fd, path)` that is given to it: in service it is a chain of one openat2 atom
(RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS, O_RDONLY, O_NONBLOCK, O_CLOEXEC, O_NOCTTY), so
symbolic links may lead about inside the root and never out of it (or as the policy has it).

What open() answers
  FileFact      a regular file; its descriptor now belongs to the caller
  IsDirectory   a directory
  Absent        nothing to serve: no such name, a fifo, socket or device, or a link that leads out
  Denied        a file that this process may not read
Any other failure (no descriptor left, a broken disk) is raised as the OSError it is.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..errors import ConfigError
from ..model import LINKS_ALL, LINKS_INSIDE, LINKS_NONE, SIGNIFICANT, FileFact, Request, Witness
from ..records import dataclass
from ..rules.policy import Links, Policy
from .errands import Errands
from .opening import PATH_BYTES_MAX, OpenBeneath, walk_beneath
from .rulebook import Rulebook

if TYPE_CHECKING:
    from ..rules.password_file import PasswordFile

log = logging.getLogger("tuxpy")

T = TypeVar("T")

_PLAIN = Policy()
_LINKS: Final[dict[Links, int]] = {"inside": LINKS_INSIDE, "none": LINKS_NONE, "all": LINKS_ALL}

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

_NO_SUCH_NAME = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
_OUTCOMES: dict[int, Absent | Denied] = {
    errno.ENAMETOOLONG: Absent("the name is too long for any file"),  # the whole path is: parts of it are below
    errno.EXDEV: Absent("a symbolic link or name leads out of the root"),
    errno.ELOOP: Absent("there is a symbolic link that is not followed"),
    errno.ENXIO: Absent("it is a socket or a device, not a regular file"),
    errno.ENODEV: Absent("it is a device, not a regular file"),
    errno.EBUSY: Absent("it is a device, not a regular file"),
    errno.EACCES: Denied("this process has no right to read it"),
    errno.EPERM: Denied("this process has no right to read it"),
}


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
    """One document root. Close it (or use it in `with`) when no answer refers to it any more.

    admitted   for each class of client addresses, whether the gates of the policy, in their order, are open to it
    """

    def __init__(
        self,
        root: str,
        open_beneath: OpenBeneath = walk_beneath,
        policy: Policy = _PLAIN,
        errands: Errands[Any] | None = None,
        passwords: Mapping[str, PasswordFile] | None = None,
    ) -> None:
        """Raises ConfigError, naming the remedy, when the root cannot be entered or a password file is no good.

        passwords: those of a site with the same policy, which renews them."""
        self.root = root
        self.policy = policy
        self.significant = significant_for(policy)
        self.open_beneath = open_beneath
        self.errands: Errands[Any] = errands or Errands()
        self.admitted: Mapping[int, tuple[bool, ...]] = {}
        self.rules = Rulebook(policy, passwords)
        try:
            self.root_fd = os.open(root, _ROOT_FLAGS)
        except OSError as error:
            remedy = _ROOT_REMEDIES.get(error.errno or 0, _ROOT_OTHER)
            raise ConfigError(remedy.format(root=root, error=error.strerror)) from error
        self._root_id = _identity(os.fstat(self.root_fd))
        self._lost = self._moved = False
        self._links = _LINKS[policy.links]
        self.rules.renew(self)

    def find(self, request: Request) -> Site:
        """The site that a request means: this one. So one site can stand for all sites of a server."""
        del request
        return self

    def renew(self) -> bool:
        """Follow the root's name and read changed rules; whether anything is not as it was. Asked twice a second."""
        self._moved |= self._follow()
        moved, self._moved = self._moved, False
        return self.rules.renew(self) or moved

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with its files of rules and passwords."""
        return self.rules.problems(self)

    def left_behind(self) -> bool:
        """Whether the root was deleted and is followed to its new place by now: then what was absent may be there."""
        if os.fstat(self.root_fd).st_nlink > 0 or not self._follow():
            return False
        self._moved = True
        return True

    def _follow(self) -> bool:
        """The usual deploy: the root is a symbolic link that is led elsewhere. Meanwhile the old place is served."""
        try:
            there = _identity(os.stat(self.root))  # noqa: PTH116 (the error names no path of ours)
            if there == self._root_id:
                self._lost = False
                return False
            opened = os.open(self.root, _ROOT_FLAGS)
        except OSError as error:
            if not self._lost:
                # Who has given up rights may not see the way to the root any more: nothing is wrong with that.
                level = logging.INFO if error.errno == errno.EACCES else logging.WARNING
                log.log(level, "%s: %s; what was there is served on", self.root, error.strerror)
            self._lost = True
            return False
        os.dup2(opened, self.root_fd, inheritable=False)
        os.close(opened)
        self._root_id, self._lost = _identity(os.fstat(self.root_fd)), False
        log.info("%s is another directory now", self.root)
        return True

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
            if error.errno in _NO_SUCH_NAME and len(path) < PATH_BYTES_MAX:  # a longer one cannot be watched
                return Absent("there is no such file", Witness(self.root_fd, path, links=self._links))
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

    @contextmanager
    def held(self) -> Iterator[int]:
        """For a worker: a descriptor of the root that stays open while it is used. Raises FileChanged once closed."""
        try:
            root_fd = os.dup(self.root_fd)
        except OSError as error:
            if error.errno == errno.EBADF:
                raise FileChanged from error
            raise
        try:
            yield root_fd
        finally:
            os.close(root_fd)

    def made_of(self, file: FileFact, key: Hashable, use: Callable[[FileFact], T]) -> T:
        """What `use` makes of a file: here if that is small, else a worker's. Raises FileChanged, errands.Later."""
        if file.size <= self.errands.at_once_bytes:
            return use(file)
        return self.errands.fetch(key, lambda: self._made_again(file, use))

    def _made_again(self, file: FileFact, use: Callable[[FileFact], T]) -> T:
        """The same on a worker: the judgement has closed its descriptor by then."""
        with self.held():
            found = self.open(file.path)
        if not isinstance(found, FileFact):
            raise FileChanged
        try:
            if not found.same_version(file):
                raise FileChanged
            return use(found)
        finally:
            release(found)

    def witness(self, file: FileFact) -> Witness:
        """What must still be found at the file's name for an answer made from it to hold."""
        facts = (file.dev, file.ino, file.size, file.mtime_ns, file.ctime_ns)
        return Witness(self.root_fd, file.path, *facts, links=self._links)

    def _open(self, path: bytes) -> int:
        for _ in range(_RACES_MAX):
            try:
                return self.open_beneath(self.root_fd, path)
            except BlockingIOError:
                continue
        return self.open_beneath(self.root_fd, path)


_ROOT_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


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
    if short or not fact(file.fd, file.path).same_version(file):
        raise FileChanged
    return read
