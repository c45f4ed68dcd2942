"""`tuxpy init`: files to begin with, for this very installation.

They lie in tuxpy/share of an installed package, and in conf/ beside the package in a clone. What depends on where the
program is, is filled in: the path in a systemd unit, the schema that an editor checks a configuration by.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from ..errors import ConfigError

_PACKAGE: Final = Path(__file__).resolve().parents[1]
_PLACES: Final = (_PACKAGE / "share", _PACKAGE.parent / "conf")

# What an option asks for: the names it writes, each with the file that it is made of.
KINDS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "config": (("tuxpy.toml", "tuxpy.toml"),),
    "systemd": (("tuxpy.service", "tuxpy.service"), ("tuxpy.socket", "tuxpy.socket")),
    "logrotate": (("tuxpy.logrotate", "logrotate"),),
    "dashboard": (("tuxpy-dashboard.json", "grafana-dashboard.json"),),
}
_NEXT: Final[Mapping[str, str]] = {
    "config": "name the directory in [site], then: tuxpy serve -c {0}",
    "systemd": "as root: cp {0} {1} /etc/systemd/system/, then systemctl enable --now tuxpy.service",
    "logrotate": "as root: cp {0} /etc/logrotate.d/tuxpy",
    "dashboard": "import it in Grafana: Dashboards, New, Import",
}
_PRIVATE: Final = ("/home", "/root", "/run/user")  # what ProtectHome= hides (systemd.exec(5))


class Written(NamedTuple):
    """What was written, and sentences about it."""

    paths: tuple[str, ...]
    notes: tuple[str, ...]


def write(kind: str, target: str | None, force: bool) -> Written:
    """Write the files of a kind. Raises ConfigError when one is there already and may not be replaced.

    target  the name of the file, or the directory that they go to; None: this directory, under their own names
    """
    names = KINDS[kind]
    folder = target is None or len(names) > 1 or os.path.isdir(target)  # noqa: PTH112
    paths = [os.path.join(target or "", name) if folder else str(target) for name, _ in names]  # noqa: PTH118
    there = [path for path in paths if os.path.lexists(path)]
    if there and not force:
        raise ConfigError(f"{there[0]!r} is there already: name another one, or replace it with --force")
    for path, (_, source) in zip(paths, names, strict=True):
        with open(path, "w" if force else "x", encoding="utf-8") as file:
            file.write(text_of(source))
    return Written(tuple(paths), (_NEXT[kind].format(*map(shlex.quote, paths)), *_notes(kind)))


def text_of(source: str) -> str:
    """A file as it is for this installation."""
    text = found(source).read_text(encoding="utf-8")
    if source == "tuxpy.toml":
        text = _without_the_tree(text).replace("#:schema ./tuxpy.schema.json", f"#:schema {found('tuxpy.schema.json')}")
    if source == "tuxpy.service":
        text = text.replace("/usr/bin/tuxpy", program())
        if _is_private():
            text = text.replace("ProtectHome=yes", "# The program itself lies there.\nProtectHome=read-only")
    return text


def _without_the_tree(text: str) -> str:
    """Paths of a clone, as an installation without one has them."""
    return re.sub(r"\bconf/(tuxpy\.(?:toml|socket|service))", r"\1", text)


def found(name: str) -> Path:
    """Where a file of ours is. Raises ConfigError."""
    for place in _PLACES:
        if (place / name).is_file():
            return place / name
    raise ConfigError(f"{name} is not where tuxpy is installed ({_PACKAGE}): install tuxpy-server again")


def program() -> str:
    """This program as a systemd unit names it (systemd.service(5))."""
    called = os.path.abspath(sys.argv[0])  # noqa: PTH100 (a link of pipx stays one)
    if os.path.basename(called) == "tuxpy" and os.access(called, os.X_OK):  # noqa: PTH119
        return _quoted(called)
    return f"{_quoted(sys.executable)} -m tuxpy"


def _quoted(path: str) -> str:
    path = path.replace("%", "%%").replace("$", "$$")
    return f'"{path}"' if re.search(r"[\s\"'\\;]", path) else path


def _is_private() -> bool:
    """Whether the program or the package is where a service may not look by itself."""
    places = (sys.executable, os.path.realpath(sys.argv[0]), str(_PACKAGE))
    return any(place.startswith(f"{private}/") for place in places for private in _PRIVATE)


def _notes(kind: str) -> Iterator[str]:
    if kind == "systemd":
        yield "the unit serves by /etc/tuxpy/tuxpy.toml: `tuxpy init /etc/tuxpy/tuxpy.toml` writes one"
        if _is_private():
            yield (
                f"the service runs as another user, who may have no right to {_PACKAGE}: install it for all, as with"
                " python3 -m venv /opt/tuxpy && /opt/tuxpy/bin/pip install tuxpy-server"
            )
