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
import os
import stat
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from ..base.time_limit import looking_at
from ..model import LINKS_ALL, LINKS_INSIDE, LINKS_NONE, FileFact, Request, Witness
from ..rules.policy import Links, Policy
from ..values import value_class
from .errands import Elsewhere, Errands, Kind, on_worker
from .opening import KERNELS, PATH_BYTES_MAX, OpenBeneath, walk_beneath
from .root import FileChanged, Glance, Root
from .rulebook import Read, Rulebook
from .significant import significant_for

if TYPE_CHECKING:
    from ..rules.password_file import PasswordFile

T = TypeVar("T")

_PLAIN = Policy()
_LINKS: Final[dict[Links, int]] = {"inside": LINKS_INSIDE, "none": LINKS_NONE, "all": LINKS_ALL}

_RACES_MAX = 8  # openat2(2): EAGAIN when a rename races with the look-up; try again


@value_class(frozen=True, slots=True)
class _Finding:
    """`witness` None: what was found cannot be watched by name, so the answer is not kept."""

    why: str
    witness: Witness | None = None


class Absent(_Finding):
    """Nothing to serve."""


class Denied(_Finding):
    """Something this process may not read."""


@value_class(frozen=True, slots=True)
class IsDirectory:
    """A directory; its witness is gone when its entries change."""

    witness: Witness
    why: str = "it is a directory"


Found = FileFact | IsDirectory | Absent | Denied
Seen: TypeAlias = "tuple[Glance, dict[bytes, Read]]"

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
        on_one_mount: OpenBeneath | None = None,
    ) -> None:
        """Raises ConfigError, naming the remedy, when the root cannot be entered or a password file is no good.

        passwords: those of a site with the same policy, which renews them."""
        self.root = root
        self.policy = policy
        self.significant = significant_for(policy)
        self.open_beneath = open_beneath
        self._on_one_mount = on_one_mount
        self.errands: Errands[Any] = errands or Errands()
        self.admitted: Mapping[int, tuple[bool, ...]] = {}
        self.rules = Rulebook(policy, passwords)
        self._root = Root(root)
        self._moved = False
        self._links = _LINKS[policy.links]
        with self._root.closed_on_failure(), looking_at(root), on_worker():  # here all of it is waited for
            self.rules.take(self, self.rules.look(self, self.root_fd))

    def beneath(self, root: str) -> Site:
        """The same for another root, with the password files of this one. Raises ConfigError."""
        passwords = self.rules.passwords
        return Site(root, self.open_beneath, self.policy, self.errands, passwords, self._on_one_mount)

    @property
    def root_fd(self) -> int:
        """The descriptor of the root; -1 once it is closed."""
        return self._root.fd

    @property
    def device(self) -> int:
        """The number of the file system that the root is on."""
        return self._root.device

    def held(self) -> AbstractContextManager[int]:
        """For a worker: a descriptor of the root that stays open while it is used. Raises FileChanged once closed."""
        return self._root.held()

    def find(self, request: Request) -> Site:
        """The site that a request means: this one. So one site can stand for all sites of a server.

        Raises Elsewhere when its root is on a file system that may not answer, and this thread must not wait for it."""
        del request
        self.stay_here()
        return self

    def stay_here(self) -> None:
        """Raises Elsewhere when nothing of it may be looked at on this thread."""
        if self._root.far and not self.errands.may_block:
            raise Elsewhere(self.device)

    def renew(self) -> bool:
        """Follow the root's name and read changed rules; whether anything is not as it was. May block."""
        return self.take(self.look())

    def look(self) -> Seen:
        """See where the root's name leads, and what the files of rules say there. On any thread; it may block."""
        glance = self._root.look()
        if isinstance(glance, int):
            try:
                return glance, self.rules.look(self, glance)
            except BaseException:
                os.close(glance)
                raise
        with self._root.held() as root_fd:
            return glance, self.rules.look(self, root_fd)

    def signs(self) -> object:
        """Other ones mean that `look` may see something new. Does not block."""
        return self._root.signs(self.rules.names)

    def take(self, seen: Seen) -> bool:
        """Put in force what `look` has seen; whether anything is not as it was."""
        glance, rules = seen
        self._moved |= self._root.take(glance)
        moved, self._moved = self._moved, False
        return self.rules.take(self, rules) or moved

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with its files of rules and passwords."""
        return self.rules.problems(self)

    def left_behind(self) -> bool:
        """Whether the root was deleted and is followed to its new place by now: then what was absent may be there."""
        if not self._root.is_deleted() or not self._root.take(self._root.look()):
            return False
        self._moved = True
        return True

    def close(self) -> None:
        """Any number of times."""
        self._root.close()

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self, path: bytes, root_fd: int | None = None) -> Found:
        """What is found at `path`, relative to the root and without dot segments.

        root_fd: another descriptor of the root, as `held` gives it."""
        try:
            fd = self._open(self.root_fd if root_fd is None else root_fd, path)
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
        if keep and file.dev in KERNELS:
            release(file)
            return Denied("it is a file of the kernel, of which no size is known")
        if keep:
            return file
        if stat.S_ISDIR(file.mode):
            return IsDirectory(self.witness(file))
        return Absent("it is neither a regular file nor a directory", self.witness(file))

    def made_of(self, kind: Kind, file: FileFact, key: Hashable, use: Callable[[FileFact], T]) -> T:
        """What `use` makes of a file: here if that is small, else a worker's. Raises FileChanged, errands.Later."""
        if file.size <= self.errands.at_once_bytes:
            return use(file)
        return self.errands.fetch(kind, key, lambda: self._made_again(file, use), file.dev)

    def _made_again(self, file: FileFact, use: Callable[[FileFact], T]) -> T:
        """The same on a worker: the judgement has closed its descriptor by then."""
        with self.held() as root_fd:
            found = self.open(file.path, root_fd)
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

    def _open(self, root_fd: int, path: bytes) -> int:
        """Raises Elsewhere when the way leads to a mount that may not answer, and this thread must not wait for it."""
        if self._on_one_mount is not None and not self.errands.may_block:
            try:
                return self._raced(self._on_one_mount, root_fd, path)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
            raise Elsewhere((self.device, self.root))
        return self._raced(self.open_beneath, root_fd, path)

    def _raced(self, beneath: OpenBeneath, root_fd: int, path: bytes) -> int:
        for _ in range(_RACES_MAX):
            try:
                return beneath(root_fd, path)
            except BlockingIOError:
                continue
        return beneath(root_fd, path)


def fact(fd: int, path: bytes) -> FileFact:
    """The facts of an open descriptor; ownership stays where it was."""
    st = os.fstat(fd)
    return FileFact(
        fd, path, st.st_dev, st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns, st.st_mode
    )


def release(file: FileFact) -> None:
    """Close the descriptor of a file that will not be sent."""
    os.close(file.fd)


def is_about_the_name(error: OSError) -> bool:
    """Whether it says what is there by this name now, or that it is not for us, and not that something is broken."""
    return error.errno in _NO_SUCH_NAME or error.errno in _OUTCOMES


def read_slices(file: FileFact, slices: Sequence[tuple[int, int]]) -> list[bytes]:
    """(offset, count) of the file as bytes, all of the version that `file` is. Raises FileChanged; keeps it open."""
    read = [os.pread(file.fd, count, offset) for offset, count in slices]
    short = any(len(content) != count for content, (_, count) in zip(read, slices, strict=True))
    if short or not fact(file.fd, file.path).same_version(file):
        raise FileChanged
    return read
