"""Rights that are given up between binding ports and opening engines: only then, since a thread keeps what it had.

    who we become   found by name before a chroot hides the names
    in this order   supplementary groups, group, root directory, user; each needs what the next one takes away
    no way back     checked, and no_new_privs for whatever we might execute
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import replace
from importlib import import_module
from typing import Final

from ..config.identity import Identity, find_group, find_user
from ..config.places import at
from ..config.settings import Config
from ..config.sites import SiteConfig
from ..engine.native import lib, must
from ..errors import ConfigError

log = logging.getLogger("tuxpy")

# Imported late elsewhere. Another user may have no right to read them, and in a chroot none would be found.
_LATE: Final = (
    "concurrent.futures.thread", "difflib", "encodings.idna", "hashlib", "json", "linecache",
    *(f"tuxpy.{name}" for name in ("config.doubts", "rules.password_file", "rules.passwords", "site.listed")),
    "tuxpy.serving.admin_listeners", "tuxpy.serving.preload",
)  # fmt: skip
_LATE_AND_OURS: Final = (
    "bcrypt", "argon2.low_level", "argon2.exceptions", "brotli", "zstandard", "compression.zstd",
)  # fmt: skip


def identity_of(config: Config) -> Identity | None:
    """Who the configuration wants us to be; None: who we are. Raises ConfigError."""
    if not (config.user or config.group):
        return None
    name, user, group = "", os.geteuid(), os.getegid()
    if config.user:
        with at(config, "server.user"):
            name, user, group = find_user(config.user)
    if config.group:
        with at(config, "server.group"):
            group = find_group(config.group)
    if os.geteuid() != 0 and (user, group) != (os.geteuid(), os.getegid()):
        raise ConfigError("only root can become another user: start it as root, or leave server.user and group out")
    return Identity(user, group, name)


def give_up(identity: Identity | None, chroot: str = "") -> None:
    """Become that user, in that directory. Raises ConfigError; then nothing may be served."""
    if identity is not None or chroot:
        for name in (*_LATE, *(_LATE_AND_OURS if chroot else ())):
            _import(name)
    try:
        if identity is not None and os.geteuid() == 0:
            identity.take()
        if chroot:
            os.chroot(chroot)
            os.chdir("/")
        if identity is not None and os.geteuid() == 0:
            os.setresuid(identity.user, identity.user, identity.user)
    except OSError as error:
        what = f"see only what is beneath {chroot!r}" if chroot else "become another user"
        raise ConfigError(f"cannot {what}: {error.strerror}; start it as root, or leave that key out") from error
    if identity is not None and identity.user != 0 and os.getresuid() != (identity.user,) * 3:
        raise ConfigError("the process could regain the rights of root: remove server.user and start it as that user")
    if identity is not None or chroot:
        gain_no_more()


def _import(name: str) -> None:
    try:
        import_module(name)
    except ImportError:
        pass


def gain_no_more() -> None:
    """Whatever this process and its threads execute from now on has no more rights than they."""
    must(lib.tux_no_new_privileges(), "no_new_privs")


def warn_of_root(config: Config, hosts: Iterable[str]) -> None:
    """Tell an operator whose server keeps the rights of root while others can reach it.

    hosts: that it listens at, "" for a unix socket. On loopback a warning helps no one, and in a container root
    is whom the container says; a warning that is always there is not read.
    """
    if os.geteuid() == 0 and not config.user and not _contained() and not all(map(_is_local, hosts)):
        log.warning("the server runs as root: choose a user with --user or server.user, or start it as one")


def _is_local(host: str) -> bool:
    return host in ("", "::1") or host.startswith(("127.", "::ffff:127."))


def _contained(top: str = "/") -> bool:
    """Whether root is not the machine's: a user namespace, or the marks that container managers leave (systemd(1))."""
    if "container" in os.environ or any(os.path.exists(f"{top}{name}") for name in _MARKS):  # noqa: PTH110
        return True
    try:
        with open(f"{top}proc/self/uid_map") as file:
            return file.read().split() != ["0", "0", str((1 << 32) - 1)]
    except OSError:
        return False


_MARKS: Final = (".dockerenv", "run/.containerenv", "run/systemd/container")


def seen_from_within(config: Config) -> Config:
    """The configuration with the paths of files as they are beneath its chroot. Raises ConfigError."""
    if not config.chroot:
        return config

    def within(path: str) -> str:
        inside = os.path.relpath(os.path.abspath(path), config.chroot)  # noqa: PTH100
        if inside.startswith(".."):
            raise ConfigError(f"{path!r} is not beneath {config.chroot!r}: move it there, or leave server.chroot out")
        return "/" if inside == "." else f"/{inside}"

    def site(one: SiteConfig) -> SiteConfig:
        gates = tuple(
            gate if gate.login is None else replace(gate, login=replace(gate.login, path=within(gate.login.path)))
            for gate in one.policy.gates
        )
        return replace(one, root=within(one.root), policy=replace(one.policy, gates=gates))

    return replace(config, sites=tuple(map(site, config.sites)))
