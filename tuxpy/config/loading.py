"""From a file, the environment and the command line to a Config.

`assemble` is a function of texts alone, so a reload is the same call with the file's new text: what was given on the
command line still wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..base.time_limit import looking_at
from ..errors import ConfigError
from ..values import value_class
from .build import build
from .overlay import overlay
from .problems import Problem, Trouble
from .settings import Config
from .tree import Source, Tree, without_file
from .verify import verify, verify_addresses


@value_class(frozen=True, slots=True)
class Loaded:
    """A Config, and who said what of it."""

    config: Config
    tree: Tree

    def show(self) -> str:
        """All of it as TOML, with the origin of each value."""
        from .show import show

        return show(self.tree)

    def summary(self) -> str:
        """That it is good, and what it is about."""
        name = self.tree.source.name if self.tree.source else "the command line"
        return f"{name}: ok ({_count(len(self.config.sites), 'site')}, {_count(len(self.config.binds), 'address')})"

    def doubts(self, rules_files: bool = True) -> tuple[Problem, ...]:
        """What is allowed and hardly meant. rules_files: also in files of rules, of which a server's own log tells."""
        from .doubts import doubts

        return doubts(self.tree, self.config.sites, rules_files)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}{'es' if what.endswith('s') else 's'}"


def assemble(
    source: Source | None, environ: Mapping[str, str], flags: Mapping[str, object], *,
    on_disk: bool = True, machine: bool = True,
) -> Loaded:  # fmt: skip
    """The configuration that these make together; raises Problems with all that is wrong.

    on_disk  roots and password files are looked at, too
    machine  and so are users and addresses: whether they are known here
    """
    trouble = Trouble()
    if source is None:
        tree = without_file()
    else:
        from .file import read_tree  # with it come the readers of TOML, and the words of other servers

        tree = read_tree(source, environ, trouble)
    overlay(tree, flags, environ, trouble)
    config = build(tree, trouble)
    if source is not None:
        config = replace(config, origin=source.name)
    if on_disk:
        verify(tree, config, trouble, machine)
    if on_disk and machine:
        verify_addresses(tree, config, trouble)
    trouble.raise_all()
    return Loaded(config, tree)


def load_all(
    path: str | None, environ: Mapping[str, str], flags: Mapping[str, object], *, machine: bool = True
) -> Loaded:
    """The same, with the file's name; None: there is no file."""
    if path is None:
        return assemble(None, environ, flags, machine=machine)
    try:
        with looking_at(path), open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        because = f"cannot read the configuration file {path!r}: {error.strerror}"
        raise ConfigError(f"{because}: name another one, or make it readable") from error
    from .file import source_of

    return assemble(source_of(path, data), environ, flags, machine=machine)
