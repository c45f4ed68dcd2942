"""A configuration file to sections: every key known, every value of its kind, or a problem with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..errors import ConfigError
from . import faults, foreign, toml
from .keys import SECTIONS, Key
from .kinds import described, value_of, value_of_word
from .problems import Problem, Problems, Trouble
from .toml import Path
from .tree import SECTIONS_OF_A_SERVER, Given, Origin, Section, Source, Tree
from .words import expand, has_variable


def source_of(name: str, data: bytes) -> Source:
    """The file's text; raises Problems when it is none."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Problems([Problem(line, f"{name}:{line}", "the line is not UTF-8: write it so")]) from None
    return Source(name, text.removeprefix("\ufeff").replace("\r\n", "\n"))


def read_tree(source: Source, environ: Mapping[str, str], trouble: Trouble) -> Tree:
    """The sections of a file. Raises Problems when it is no TOML; all else goes to `trouble`."""
    top = _Reader(source, environ, trouble).section("", _parsed(source), ())
    server, timeouts, limits, log, admin = (
        top.given[name].value if name in top.given else Section(name) for name in SECTIONS_OF_A_SERVER
    )
    sites = top.given["site"].value if "site" in top.given else []
    sites = list(sites) if isinstance(sites, list) else [sites]
    return Tree(source, server, timeouts, limits, log, admin, sites, "site" in top.faulty)


def _parsed(source: Source) -> dict[str, Any]:
    try:
        return toml.parse(source.text)
    except RecursionError:
        sentence = "this is not a configuration: lists are nested too deep"
        raise Problems([Problem(1, f"{source.name}:1", sentence)]) from None
    except toml.Fault as error:
        told = faults.told(source.text, error)
        problems = (Problem(line, f"{source.name}:{line}" if line else source.name, what) for line, what in told)
        raise Problems(problems) from None


class _Reader:
    def __init__(self, source: Source, environ: Mapping[str, str], trouble: Trouble) -> None:
        self._source, self._environ, self._trouble = source, environ, trouble

    def section(self, name: str, table: Mapping[str, Any], path: Path) -> Section:
        """The section `name`, from the table at `path` of the file."""
        section = Section(name, Origin(source=self._source, path=path))
        for word, raw in table.items():
            origin = Origin(source=self._source, path=(*path, word))
            key = SECTIONS[name].get(word)
            if key is None:
                self._trouble.add(origin, "", f"unknown key {_full(name, word)}: {_advice(name, word)}")
                section.faulty.add(word)
                continue
            before = len(self._trouble.problems)
            with self._trouble.at(origin, _full(name, word)):
                section.given[word] = self._given(key, raw, origin)
            if len(self._trouble.problems) > before:
                section.faulty.add(word)
        for key in SECTIONS[name].keys:
            if key.required and key.name not in table and name != "site":  # DIR may say the root
                self._trouble.add(section.origin, name, f"the key {key.name} is missing: {_what_for(key)}")
                section.faulty.add(key.name)
        return section

    def _given(self, key: Key, raw: object, origin: Origin) -> Given:
        if key.nested and isinstance(raw, dict) and not key.many:
            return Given(raw, self.section(key.nested, raw, origin.path), origin)
        if key.nested and isinstance(raw, list) and (key.many or key.name == "site"):
            return Given(raw, list(self._sections(key, raw, origin)), origin)
        if key.nested and key.many and isinstance(raw, dict):
            raise ConfigError(f"expected an array of tables, not a table: write [[{key.nested}]], with two brackets")
        if key.nested and isinstance(raw, list) and all(isinstance(one, dict) for one in raw) and raw:
            raise ConfigError(f"expected one table, not several: write [{key.nested}], with one bracket")
        expanded = self._expanded(raw)
        if isinstance(raw, str) and isinstance(expanded, str) and has_variable(raw):
            return Given(key.kind.word(expanded), value_of_word(key.kind, expanded), origin)
        return Given(expanded, value_of(key.kind, expanded), origin)

    def _sections(self, key: Key, raw: list[object], origin: Origin) -> Iterator[Section]:
        for place, table in enumerate(raw):
            if not isinstance(table, dict):
                raise ConfigError(f"expected an array of tables, not a list with {described(table)} in it")
            yield self.section(key.nested, table, (*origin.path, place))

    def _expanded(self, raw: object) -> object:
        """With the values of variables in all texts, however deep."""
        if isinstance(raw, str):
            return expand(raw, self._environ)
        if isinstance(raw, list):
            return [self._expanded(one) for one in raw]
        if isinstance(raw, dict):
            return {name: self._expanded(one) for name, one in raw.items()}
        return raw


def _full(section: str, word: str) -> str:
    return f"{section}.{word}" if section else word


def _what_for(key: Key) -> str:
    return key.help[:1].lower() + key.help[1:].rstrip(".")


def _advice(section: str, word: str) -> str:
    """The key that was meant, probably."""
    import difflib

    names = [key.name for key in SECTIONS[section].keys]
    near = difflib.get_close_matches(word, names, 1)
    elsewhere = next((name for name, keys in SECTIONS.items() if keys.get(word)), None)
    if elsewhere in ("", "server", "timeouts", "limits", "log", "site"):  # the very word elsewhere beats one like it
        return f"did you mean {_full(elsewhere, word)}?"
    known = foreign.advice(word)
    if known is not None and not difflib.get_close_matches(word, names, 1, _SLIP):
        return known
    if near:
        return f"did you mean {near[0]}?"
    if elsewhere is not None:
        return f"did you mean {_full(elsewhere, word)}?"
    return f"there are {', '.join(names)}"


_SLIP: Final = 0.85  # so much alike are a word and one with a letter wrong or missing
