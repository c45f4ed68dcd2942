"""The effective configuration as TOML, each value with where it comes from. What is printed can be loaded again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from .keys import SECTIONS
from .kinds import MAYBE_PATH, PATH
from .tree import DEFAULT, Given, Section, Tree

_BARE = re.compile(r"[0-9A-Za-z_-]+")


def show(tree: Tree) -> str:
    """All keys of all sections; those of rules only where they are given."""
    lines: list[str] = []
    for section in (tree.server, tree.timeouts, tree.limits, tree.log, tree.admin):
        lines += [f"[{section.name}]", *_keys(section), ""]
    for site in tree.sites:
        lines += ["[site]" if len(tree.sites) == 1 else "[[site]]", *_keys(site), ""]
        for key in SECTIONS["site"].keys:
            value = site[key.name]
            if isinstance(value, Section):
                lines += [f"[{value.name}]", *_keys(value), ""]
            elif key.many:
                for rule in value:
                    lines += [f"[[{rule.name}]]  # {rule.origin}", *_keys(rule, given_only=True), ""]
    return "\n".join(lines)


def _keys(section: Section, given_only: bool = False) -> Iterator[str]:
    for key in section.known():
        given = section.get(key.name)
        if key.many or isinstance(given.value, Section) or (given_only and key.name not in section.given):
            continue
        if given.raw is not None:
            whole = key.kind is PATH or (key.kind is MAYBE_PATH and given.value)
            raw = section.path_of(key.name) if whole else given.raw
            line = f"{key.name} = {toml_of(raw)}"
            yield line if given_only else f"{line}  # {_whence(given)}"


def _whence(given: Given) -> str:
    return "default" if given.origin is DEFAULT else str(given.origin)


def toml_of(value: Any) -> str:
    """A value in one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # The escapes of JSON are those of TOML, which wants one more.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_of, value))}]"
    if isinstance(value, dict):
        pairs = (f"{name if _BARE.fullmatch(name) else toml_of(name)} = {toml_of(one)}" for name, one in value.items())
        inside = ", ".join(pairs)
        return f"{{ {inside} }}" if inside else "{}"
    return str(value)
