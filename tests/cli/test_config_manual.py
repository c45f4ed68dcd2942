"""conf/tuxpy.toml is the manual, docs/configuration.md the reference, conf/tuxpy.schema.json for editors: all agree."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tuxpy.config import toml
from tuxpy.config.file import source_of
from tuxpy.config.flags import FLAGS
from tuxpy.config.keys import SECTIONS
from tuxpy.config.loading import Loaded, assemble
from tuxpy.config.settings import Config
from tuxpy.config.tree import DEFAULT

from .processes import REPOSITORY

MANUAL = REPOSITORY / "conf" / "tuxpy.toml"
TEXT = MANUAL.read_text()
UNCOMMENTED = re.sub(r"(?m)^#(?=[a-z\[])", "", TEXT)
DECLARED = [(name, key) for name, section in SECTIONS.items() for key in section.keys]


def loaded(text: str) -> Loaded:
    return assemble(source_of(str(MANUAL), text.encode()), {}, {}, on_disk=False)


def test_it_loads_and_changes_nothing() -> None:
    found = loaded(TEXT)
    assert found.config == loaded('[site]\nroot = "."\n').config
    plain = Config()
    for field in dataclasses.fields(Config):
        if field.compare and field.name != "sites":
            assert getattr(found.config, field.name) == getattr(plain, field.name), field.name
    site, default = found.config.sites[0], plain.sites[0]
    assert (site.policy, site.hosts, site.mass) == (default.policy, default.hosts, default.mass)
    assert site.root == str(MANUAL.parent)


def test_it_is_what_holds_without_any_file() -> None:
    with_file = loaded(TEXT).config
    without = assemble(None, {}, {}).config
    assert without.look_after_s == 0, "at once, where web developers look at their own files"
    without = dataclasses.replace(without, look_after_s=with_file.look_after_s)
    sites = (dataclasses.replace(without.sites[0], root=with_file.sites[0].root),)
    assert dataclasses.replace(without, sites=sites) == with_file


def test_with_every_line_uncommented_it_still_loads() -> None:
    assert UNCOMMENTED != TEXT
    config = loaded(UNCOMMENTED).config
    policy = config.sites[0].policy
    assert policy.rules and policy.redirects and policy.tries and policy.gates and policy.cors and config.sites[0].mass


def test_every_key_is_in_it() -> None:
    assert set(keys_of(toml.parse(UNCOMMENTED), "")) == {(name, key.name) for name, key in DECLARED}


def keys_of(table: dict[str, Any], section: str) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        yield section, name
        key = SECTIONS[section].get(name)
        assert key is not None
        for inner in value if isinstance(value, list) else [value]:
            if key.nested and isinstance(inner, dict):
                yield from keys_of(inner, key.nested)


def test_every_value_that_is_no_example_is_the_default() -> None:
    tree = loaded(UNCOMMENTED).tree
    for section in (tree.server, tree.timeouts, tree.limits, tree.log, tree.admin, tree.sites[0]):
        for key in section.known():
            if not key.nested:
                assert section.given[key.name].raw == key.default, key.name
    for name, given in (("site.host_directories", "host_directories"), ("site.cors", "cors")):
        for key in SECTIONS[name].keys:
            if not key.required:
                assert tree.sites[0][given].given[key.name].raw == key.default, key.name


def test_editors_find_the_schema() -> None:
    first = TEXT.splitlines()[0]
    assert first == "#:schema ./tuxpy.schema.json"
    schema = json.loads((MANUAL.parent / "tuxpy.schema.json").read_text())
    assert set(schema["definitions"]["site"]["properties"]) == {key.name for key in SECTIONS["site"].keys}


def test_the_reference_and_the_schema_are_those_of_the_keys() -> None:
    done = subprocess.run([sys.executable, str(REPOSITORY / "conf" / "config_gen.py"), "--check"], check=False)
    assert done.returncode == 0, "run python conf/config_gen.py"


# The declarations.


@pytest.mark.parametrize(("section", "key"), DECLARED, ids=lambda one: getattr(one, "name", one))
def test_a_key_is_declared_whole(section: str, key: Any) -> None:
    assert key.help.endswith(".") and (key.more == "" or key.more.endswith("."))
    assert section == "" or SECTIONS[section].about
    if key.nested:
        assert key.nested in SECTIONS
    elif key.default is not None:
        key.kind.read(key.default)


def test_every_option_stands_for_a_key_or_says_what_it_is_for() -> None:
    assert len({flag.name for flag in FLAGS}) == len(FLAGS)
    for flag in FLAGS:
        assert flag.help or (flag.declared is not None and flag.declared.help), flag.name
    assert DEFAULT.line == 0 and str(DEFAULT) == "default"
