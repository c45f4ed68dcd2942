"""What only the machine can say of a configuration: roots, password files, users, addresses.

The server could not start, or not serve, with any of these faults."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from ..base.time_limit import looking_at
from ..errors import ConfigError
from .identity import Identity, denied_to, find_group, find_user
from .interfaces import is_ours
from .problems import Trouble
from .settings import Address, Config
from .tree import Origin, Section, Tree

_Asked = tuple[Origin, str, str, int]  # where it is said, the key, the path, the right that is needed


def verify(tree: Tree, config: Config, trouble: Trouble, users: bool) -> None:
    """Whether the server could start: roots can be entered, password files can be read, by whom we become.

    users: whom we become is looked up; else it is asked what this process may do.
    """
    if tree.has_no_root:
        what = 'there is no [site]: write one with root = "...", the directory that is served'
        trouble.add(Origin(source=tree.source), "", what)
    identity = _identity(tree.server, trouble) if users else None
    asked = list(_roots(tree, trouble)) + list(_password_files(tree, trouble))
    for origin, key, path, how in _denied(identity, asked):
        with trouble.at(origin, key):
            do = "enter" if how == os.X_OK else "read"
            who = f"the user {config.user or config.group} has" if identity else "there is"
            raise ConfigError(f"{who} no right to {do} {path!r}: change its mode, or that of a directory above it")
    _check_chroot(tree, config.chroot, trouble)


def verify_addresses(tree: Tree, config: Config, trouble: Trouble) -> None:
    """Whether every host is one, and of this machine. A name may have to be asked for, so this may take a while."""
    for section, key, binds in (("server", "listen", config.binds), ("admin", "listen", config.admin)):
        for bind in binds:
            _check_address(bind, getattr(tree, section).origin_of(key), f"{section}.{key}", trouble)


def _check_address(bind: Address, origin: Origin, key: str, trouble: Trouble) -> None:
    if bind.unix or bind.fd:
        return
    with trouble.at(origin, key):
        if not is_ours(bind):
            raise ConfigError(f"{bind.host} is not an address of this machine: give one of its own, or 0.0.0.0 for all")


# Users.


def _identity(server: Section, trouble: Trouble) -> Identity | None:
    """Who the server becomes, if that is somebody else."""
    name, user, group = "", os.geteuid(), os.getegid()
    faults = len(trouble.problems)
    if server["user"]:
        with trouble.at(server.origin_of("user"), "server.user"):
            name, user, group = find_user(server["user"])
    for key in ("group", "socket_group"):
        if server[key]:
            with trouble.at(server.origin_of(key), f"server.{key}"):
                found = find_group(server[key], f"server.{key}")
                group = found if key == "group" else group
    if len(trouble.problems) > faults or (user, group) == (os.geteuid(), os.getegid()):
        return None
    return Identity(user, group, name)


def _denied(identity: Identity | None, asked: Iterable[_Asked]) -> Iterator[_Asked]:
    """What the serving user has no right to. Only root can tell of another user."""
    asked = list(asked)
    if identity is None:
        for one in asked:
            with looking_at(one[2]):
                may = os.access(one[2], one[3])
            if not may:
                yield one
    elif os.geteuid() == 0 and asked:
        with looking_at(asked[0][2]):
            answers = denied_to(identity, [(path, how) for _, _, path, how in asked])
        yield from (one for one, denied in zip(asked, answers, strict=True) if denied)


# Files.


def _roots(tree: Tree, trouble: Trouble) -> Iterator[_Asked]:
    """Those that are directories; of the others it is said what they are."""
    for site in tree.sites:
        path, said, origin = site.path_of("root") or ".", site["root"], site.origin_of("root")
        with trouble.at(origin, "site.root"):
            with looking_at(path):
                if not os.path.exists(path) and _is_seen(path):  # noqa: PTH110 (pathlib is slow to import)
                    raise ConfigError(f"there is no directory {said!r}: make it, or name another one")
                if os.path.exists(path) and not os.path.isdir(path):  # noqa: PTH110, PTH112
                    raise ConfigError(f"{said!r} is not a directory: name the one that the files are in")
            yield origin, "site.root", path, os.X_OK


def _is_seen(path: str) -> bool:
    """Whether we may look at the directory that a name is in: else it may be there all the same."""
    try:
        os.stat(path)  # noqa: PTH116
    except PermissionError:
        return False
    except OSError:
        pass
    return True


def _password_files(tree: Tree, trouble: Trouble) -> Iterator[_Asked]:
    """Those that are sound."""
    for site in tree.sites:
        for gate in site["access"]:
            path = None if gate.broken else gate.path_of("password_file")
            if path is not None:
                origin, key = gate.origin_of("password_file"), "site.access.password_file"
                with trouble.at(origin, key):
                    from ..rules.password_file import PasswordFile

                    PasswordFile(path)
                    yield origin, key, path, os.R_OK


def _check_chroot(tree: Tree, chroot: str, trouble: Trouble) -> None:
    """Roots and password files must be beneath it."""
    if not chroot:
        return
    with trouble.at(tree.server.origin_of("chroot"), "server.chroot"):
        with looking_at(chroot):
            there = os.path.isdir(chroot)  # noqa: PTH112
        if not there:
            raise ConfigError(f"there is no directory {chroot!r}: make it, or name another one")
    for site in tree.sites:
        named = [(site, "root", "site.root")]
        named += [(gate, "password_file", "site.access.password_file") for gate in site["access"] if not gate.broken]
        for section, key, full in named:
            path = section.path_of(key)
            if path is not None and os.path.commonpath((path, chroot)) != os.path.normpath(chroot):
                with trouble.at(section.origin_of(key), full):
                    raise ConfigError(f"{path!r} is not beneath {chroot!r}: move it there, or leave server.chroot out")
