"""A password file of Apache's form.

Htpasswd.verify: hashing takes a tenth of a second on purpose, so call it on a worker thread; many may call at once, as
nothing but its own memory is touched. Htpasswd.recall never hashes.

Only bcrypt and argon2id are read. Their libraries leave the interpreter free while they hash; the older forms are
guessed too fast, and SHA crypt has no library that does the same.

No password is kept. What was checked is remembered as a digest under a key of this process, the good and the bad apart,
so that a flood of guesses causes no further hashing. An unknown user costs as much as a known one: the password is
compared with the hash of another user, always the same one, and the outcome is no.
"""

from __future__ import annotations

import hmac
import re
import secrets
import shlex
import threading
import unicodedata
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from importlib import import_module
from typing import Final

from ..errors import ConfigError
from .basic import decoded

REMEMBERED_MAX: Final = 4096  # of the good and of the bad, 32 bytes each
_BCRYPT_BYTES_MAX: Final = 72  # no form of bcrypt looks further
_BCRYPT_COST: Final = range(4, 18)  # htpasswd -C allows the same; each step doubles the time, 17 is some ten seconds
_ARGON2_KIB_MAX: Final = 1 << 20
_ARGON2_PASSES_MAX: Final = 64

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_BCRYPT = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}")
_ARGON2 = re.compile(r"\$argon2id\$v=19\$m=([0-9]{1,8}),t=([0-9]{1,4}),p=([0-9]{1,3})\$([\w+/]+)\$([\w+/]+)", re.ASCII)
# How a hash that is not read begins, and what is wrong with it.
_REFUSED: Final = (
    (re.compile(r"\$(?:apr)?1\$"), "is hashed with MD5, which is guessed in no time"),
    (re.compile(r"\{S?SHA\}"), "is hashed with plain SHA-1, which is guessed in no time"),
    (re.compile(r"\$[56]\$"), "is hashed with SHA crypt, which is not read here"),
    (re.compile(r"\$2x?\$"), "is hashed with a form of bcrypt that had a fault"),
    (re.compile(r"\$2[aby]\$"), "is a bcrypt hash that is damaged or costs more than 17"),
    (re.compile(r"\$argon2id\$"), "is an argon2id hash that is damaged or costs more than a server has to give"),
    (re.compile(r"\$argon2"), "is hashed with another argon2 than argon2id"),
    (re.compile(r"[./0-9A-Za-z]{13}$"), "is hashed with DES crypt, which is guessed in no time"),
    (re.compile(r""), "is in no form that is known here, or not hashed at all"),
)


# Hashes.


def _check_bcrypt(hashed: str, password: bytes) -> bool:
    import bcrypt

    return bcrypt.checkpw(password[:_BCRYPT_BYTES_MAX], hashed.encode())


def _check_argon2(hashed: str, password: bytes) -> bool:
    from argon2.exceptions import VerifyMismatchError
    from argon2.low_level import Type, verify_secret

    try:
        return verify_secret(hashed.encode(), password, Type.ID)
    except VerifyMismatchError:  # no memory, for instance, is another one: it must not count as a wrong password
        return False


Check = Callable[[str, bytes], bool]


def _check_of(hashed: str) -> tuple[str, Check] | None:
    """(library, function) for a hash that is sound and not too costly."""
    match = _BCRYPT.fullmatch(hashed)
    if match:
        return ("bcrypt", _check_bcrypt) if int(match[1]) in _BCRYPT_COST else None
    match = _ARGON2.fullmatch(hashed)
    if match:
        kib, passes, lanes = int(match[1]), int(match[2]), int(match[3])
        costs = 1 <= passes <= _ARGON2_PASSES_MAX and lanes >= 1 and 8 * lanes <= kib <= _ARGON2_KIB_MAX
        salt, output = (decoded(part.encode() + b"=" * (-len(part) % 4)) for part in match.group(4, 5))
        sound = salt is not None and len(salt) >= 8 and output is not None and len(output) >= 16
        return ("argon2", _check_argon2) if costs and sound else None
    return None


# The users.


class Htpasswd:
    """The users of one version of a password file. Made by `parse`."""

    def __init__(self, hashes: Mapping[str, tuple[str, Check]], secret: bytes | None = None) -> None:
        self._hashes = dict(hashes)
        self._order = tuple(self._hashes.values())
        self._secret = secret or secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._good: dict[bytes, None] = {}  # in the order of use, oldest first
        self._bad: dict[bytes, None] = {}
        self._running: dict[bytes, Future[bool]] = {}

    def __contains__(self, user: str) -> bool:
        return unicodedata.normalize("NFC", user) in self._hashes

    @classmethod
    def parse(cls, content: str, name: str) -> Htpasswd:
        """Lines of user:hash, empty ones and comments; raises ConfigError with file, line and remedy."""
        hashes: dict[str, tuple[str, Check]] = {}
        lines: dict[str, int] = {}
        for number, line in enumerate(content.removeprefix("\ufeff").split("\n"), 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            where = f"{name}:{number}"
            user, colon, rest = unicodedata.normalize("NFC", line).partition(":")
            hashed = rest.partition(":")[0]  # Apache ignores what follows
            if not colon or not user or _CONTROL.search(user):
                raise ConfigError(f"{where}: this is not user:hash: write it with htpasswd -B, or take it out")
            if user in lines:
                raise ConfigError(f"{where}: the user {user} is on line {lines[user]} too: take one out")
            found = _check_of(hashed)
            if not found:
                wrong = next(what for form, what in _REFUSED if form.match(hashed))
                remedy = f"htpasswd -B {shlex.quote(name)} {shlex.quote(user)}"
                raise ConfigError(f"{where}: the password of {user} {wrong}: renew it with {remedy}")
            _need(found[0], where)
            hashes[user], lines[user] = (hashed, found[1]), number
        return cls(hashes)

    def __len__(self) -> int:
        return len(self._hashes)

    def fingerprint(self, user: str, password: str) -> bytes:
        """Something to know the two by that tells nothing about them, and means nothing in another process."""
        return self._digest(user, password)

    def recall(self, user: str, password: str) -> bool | None:
        """What is known without hashing; None when `verify` would have to."""
        with self._lock:
            return self._recall(self._digest(user, password))

    def verify(self, user: str, password: str) -> bool:
        """Whether this is the user's password. May take long; for the same two it is worked out once."""
        digest = self._digest(user, password)
        with self._lock:
            known = self._recall(digest)
            if known is not None:
                return known
            first = digest not in self._running
            work = self._running.setdefault(digest, Future())
        if first:
            self._work_out(work, digest, user, password)
        return work.result()

    def _work_out(self, work: Future[bool], digest: bytes, user: str, password: str) -> None:
        """Another caller with the same question waits for `work`; a failure is told to all and not remembered."""
        try:
            outcome = self._verify(user, password)
        except BaseException as error:
            with self._lock:
                del self._running[digest]
            work.set_exception(error)
            return
        with self._lock:
            del self._running[digest]
            _remember(self._good if outcome else self._bad, digest)
        work.set_result(outcome)

    def _verify(self, user: str, password: str) -> bool:
        if not self._order or "\0" in password:  # no hash was made of a NUL, and not all libraries take one
            return False
        known = self._hashes.get(user)
        place = int.from_bytes(hmac.digest(self._secret, user.encode(), "sha256")[:8], "big") % len(self._order)
        hashed, check = known or self._order[place]
        return check(hashed, password.encode()) and known is not None

    def _digest(self, user: str, password: str) -> bytes:
        name = user.encode()
        return hmac.digest(self._secret, b"%d:%b%b" % (len(name), name, password.encode()), "sha256")

    def _recall(self, digest: bytes) -> bool | None:
        for memory, outcome in ((self._good, True), (self._bad, False)):
            if digest in memory:
                _remember(memory, digest)
                return outcome
        return None


def _remember(memory: dict[bytes, None], digest: bytes) -> None:
    memory.pop(digest, None)
    memory[digest] = None
    if len(memory) > REMEMBERED_MAX:
        del memory[next(iter(memory))]


def _need(library: str, where: str) -> None:
    try:
        import_module(library)
    except ImportError:
        raise ConfigError(f"{where}: no library for {library} is installed: pip install 'tuxpy-server[auth]'") from None
