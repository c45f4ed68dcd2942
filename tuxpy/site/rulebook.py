"""The rules in force for a site: those of its policy, and those of files that are read again when they change.

  _headers, _redirects   at the top of the root (rules/rulesfiles.py); gone with the file, kept when it cannot be read
  password files         the last good version stays in force (rules/passwords.py)

The operator has the last word: rules of files come before those of the policy where the last one wins (fields), and
behind them where the first one does (redirects).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from ..model import FileFact
from ..rules.fields import FieldRule
from ..rules.policy import Policy
from ..rules.redirects import RedirectTable
from ..rules.rulesfiles import FILE_BYTES_MAX, parse_headers, parse_redirects

if TYPE_CHECKING:
    from ..rules.password_file import PasswordFile

log = logging.getLogger("tuxpy")

HEADERS: Final = b"_headers"
REDIRECTS: Final = b"_redirects"

_Version: TypeAlias = "tuple[int, ...] | None"


class Unreadable(Protocol):
    """Why no file could be opened, in words."""

    @property
    def why(self) -> str: ...


class Root(Protocol):
    """The part of a site that a rulebook needs: the directory that holds the files."""

    @property
    def root(self) -> str: ...

    def open(self, path: bytes, root_fd: int | None = None) -> FileFact | Unreadable:
        """As Site.open."""


@dataclass(slots=True)
class Read:
    """A rules file as it was read last; `version` None: there is none. What is wrong with it was said already.

    fault: why it cannot be read; then `content` is what it was before."""

    version: _Version = None
    content: bytes = b""
    problems: tuple[str, ...] = ()
    fault: str = ""


def _opened(paths: set[str]) -> dict[str, PasswordFile]:
    if not paths:
        return {}
    from ..rules.password_file import PasswordFile  # most sites have none

    return {path: PasswordFile(path) for path in paths}


class Rulebook:
    """What holds now. `take` says whether that has changed. Raises ConfigError for a password file that is no good."""

    def __init__(self, policy: Policy, passwords: Mapping[str, PasswordFile] | None = None) -> None:
        """passwords: the files of another site's rulebook with the same policy, which that one renews."""
        self._policy = policy
        self._own = passwords is None
        paths = {gate.login.path for gate in policy.gates if gate.login is not None}
        self.passwords = _opened(paths) if passwords is None else passwords
        self._generations = self._generations_now()
        self._faults: dict[str, str | None] = {}
        self._files = {HEADERS: Read(), REDIRECTS: Read()}
        self.fields: tuple[FieldRule, ...] = policy.rules
        self.redirects = RedirectTable(policy.redirects)

    @property
    def names(self) -> tuple[bytes, ...]:
        """Of the files at the top of the root that are looked at."""
        return () if self._policy.rules_files is None else (HEADERS, REDIRECTS)

    def look(self, site: Root, root_fd: int) -> dict[bytes, Read]:
        """The files that have changed, as they are now. On any thread; it may block."""
        if self._own:
            for file in self.passwords.values():
                file.users()
        if self._policy.rules_files is None:
            return {}
        seen = ((name, self._look_at(site, root_fd, name)) for name in self._files)
        return {name: read for name, read in seen if read is not None}

    def take(self, site: Root, seen: Mapping[bytes, Read]) -> bool:
        """Put in force what `look` has seen; whether anything is not as it was. Problems go into the log, once."""
        changed = self._take_passwords()
        differs = any(read.content != self._files[name].content for name, read in seen.items())
        for name, read in seen.items():
            if read.fault and read.fault != self._files[name].fault:
                log.error("%s/%s: %s; the rules read before stay in force", _shown(site), name.decode(), read.fault)
            self._files[name] = read
        if differs:
            self._apply(site)
        return changed or differs

    def problems(self, site: Root) -> tuple[str, ...]:
        """What is wrong with the files now, as the log has said."""
        faults = (fault for fault in self._faults.values() if fault is not None)
        return (*faults, *(f"{_shown(site)}/{one}" for read in self._files.values() for one in read.problems))

    # Passwords.

    def _generations_now(self) -> dict[str, int]:
        return {path: file.generation for path, file in self.passwords.items()}

    def _take_passwords(self) -> bool:
        if not self._own:
            return False
        for path, file in self.passwords.items():
            if file.fault is not None and self._faults.get(path) != file.fault:
                log.error("%s; the users read before stay in force", file.fault)
            self._faults[path] = file.fault
        now = self._generations_now()
        changed, self._generations = now != self._generations, now
        return changed

    # _headers and _redirects.

    def _look_at(self, site: Root, root_fd: int, name: bytes) -> Read | None:
        """The file as it is now; None: as it was. The version is older than the content: what is written in between is
        seen the next time."""
        known = self._files[name]
        try:
            found = os.stat(name, dir_fd=root_fd)
            version: _Version = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        except (FileNotFoundError, NotADirectoryError):
            version = None
        except OSError as error:  # it may well be there
            version = (error.errno or 0,)
        if version == known.version:
            return None
        if version is None:
            return Read(problems=known.problems)
        if len(version) == 1:
            return Read(version, known.content, known.problems, os.strerror(version[0]))
        opened = site.open(name, root_fd)
        if not isinstance(opened, FileFact):
            return Read(version, known.content, known.problems, opened.why)
        with open(opened.fd, "rb") as file:
            return Read(version, file.read(FILE_BYTES_MAX + 1), known.problems)

    def _apply(self, site: Root) -> None:
        dialect = self._policy.rules_files
        assert dialect is not None
        headers = parse_headers(self._files[HEADERS].content, HEADERS.decode(), dialect)
        redirects = parse_redirects(self._files[REDIRECTS].content, REDIRECTS.decode(), dialect)
        self._complain(site, HEADERS, headers.problems)
        self._complain(site, REDIRECTS, redirects.problems)
        self.fields = (*headers.rules, *self._policy.rules)
        self.redirects = RedirectTable((*self._policy.redirects, *redirects.rules))

    def _complain(self, site: Root, name: bytes, problems: tuple[str, ...]) -> None:
        """Say what is wrong with a file, unless that was said when it was read before."""
        known = self._files[name]
        for problem in problems:
            if problem not in known.problems:
                log.warning("%s/%s", _shown(site), problem)
        known.problems = problems


def _shown(site: Root) -> str:
    return site.root.rstrip("/")
