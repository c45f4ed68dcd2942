"""What only the file system can say of a configuration: roots, password files, and what would be missed."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..errors import ConfigError
from ..rules.rulesfiles import FILE_BYTES_MAX, parse_headers, parse_redirects
from .problems import Trouble
from .sites import SiteConfig
from .tree import Section, Tree


def verify(tree: Tree, trouble: Trouble) -> None:
    """Whether the server could start: roots can be entered, password files can be read."""
    for site in tree.sites:
        with trouble.at(site.origin_of("root"), "site.root"):
            _check_root(site.path_of("root") or ".", site["root"])
        for gate in site["access"]:
            path = None if gate.broken else gate.path_of("password_file")
            if path is not None:
                with trouble.at(gate.origin_of("password_file"), "site.access.password_file"):
                    from ..rules.password_file import PasswordFile

                    PasswordFile(path)


def _check_root(path: str, said: str) -> None:
    if not os.path.exists(path):  # noqa: PTH110 (pathlib is slow to import)
        raise ConfigError(f"there is no directory {said!r}: make it, or name another one")
    if not os.path.isdir(path):  # noqa: PTH112
        raise ConfigError(f"{said!r} is not a directory: name the one that the files are in")
    if not os.access(path, os.X_OK):
        raise ConfigError(f"no right to enter {said!r}: run as a user who may, or change its mode")


def doubts(sites: tuple[SiteConfig, ...], sections: list[Section]) -> Iterator[str]:
    """What starts all the same and is hardly meant: sentences with their places."""
    for config, section in zip(sites, sections, strict=True):
        for gate in section["access"]:
            yield from _strangers(gate)
        if config.mass is None:
            yield from _missing_pages(config, section)
            yield from _rules_files(config)


def _strangers(gate: Section) -> Iterator[str]:
    """Users who may pass, and of whom the password file knows nothing."""
    path = None if gate.broken else gate.path_of("password_file")
    if path is None:
        return
    from ..rules.password_file import PasswordFile

    try:
        known = PasswordFile(path).current
    except ConfigError:  # told already, where the disk was looked at
        return
    for user in gate["users"]:
        if user not in known:
            yield f"{gate.origin_of('users')}: site.access.users: {user!r} is not in {path!r}, so nobody is that"


def _missing_pages(config: SiteConfig, section: Section) -> Iterator[str]:
    """Files that the configuration names and that are not there; a 404.html may be anywhere, or nowhere."""
    policy = config.policy
    named = [("spa", [policy.fallback] if policy.fallback else []), ("error_pages", list(policy.error_pages.values()))]
    for key, names in named:
        for name in names:
            if not os.path.isfile(os.path.join(config.root, os.fsdecode(name))):  # noqa: PTH113, PTH118
                yield f"{section.origin_of(key)}: site.{key}: there is no file {os.fsdecode(name)!r} beneath the root"


def _rules_files(config: SiteConfig) -> Iterator[str]:
    """What is wrong in _headers and _redirects; the server ignores such lines and says so in its log."""
    dialect = config.policy.rules_files
    if dialect is None:
        return
    for name, parse in (("_headers", parse_headers), ("_redirects", parse_redirects)):
        path = os.path.join(config.root, name)  # noqa: PTH118
        try:
            with open(path, "rb") as file:
                data = file.read(FILE_BYTES_MAX + 1)
        except OSError:
            continue
        yield from parse(data, path, dialect).problems
