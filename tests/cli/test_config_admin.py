"""[admin] of a configuration, and --admin: where the server tells of itself."""

from __future__ import annotations

import pytest

from tuxpy.config.file import source_of
from tuxpy.config.loading import assemble
from tuxpy.config.problems import Problems
from tuxpy.config.settings import ADMIN_PORT, Address, Config
from tuxpy.errors import ConfigError

SITE = '[site]\nroot = "."\n'


def admin_of(text: str, **flags: object) -> tuple[Address, ...]:
    return assemble(source_of("/etc/tuxpy.toml", (SITE + text).encode()), {}, flags, on_disk=False).config.admin


def problem(text: str, **flags: object) -> str:
    with pytest.raises(Problems) as caught:
        admin_of(text, **flags)
    (found,) = caught.value.problems
    return str(found)


def test_there_is_none_unless_asked_for() -> None:
    assert admin_of("") == Config().admin == ()


def test_addresses() -> None:
    found = admin_of('[admin]\nlisten = ["127.0.0.1", "[::1]:9100", ":9200"]')
    assert found == (
        Address("127.0.0.1", ADMIN_PORT, True), Address("::1", 9100, True), Address("127.0.0.1", 9200, True)
    )  # fmt: skip
    assert admin_of('[admin]\nlisten = [":1"]', admin=["127.0.0.1:9"]) == (Address("127.0.0.1", 9, True),)


def test_the_environment_says_it_too() -> None:
    found = assemble(None, {"TUXPY_ADMIN": "127.0.0.1:9 [::1]:10"}, {}, on_disk=False)
    assert [str(one) for one in found.config.admin] == ["127.0.0.1:9", "[::1]:10"]


@pytest.mark.parametrize("address", ["0.0.0.0:9100", "[::]:9100", "[::ffff:0.0.0.0]:9100", "[0:0::0]:9100"])
def test_not_for_everybody_unless_that_is_said(address: str) -> None:
    line = f'[admin]\nlisten = ["{address}"]\n'
    said = problem(line)
    assert said.startswith("/etc/tuxpy.toml:4: admin.listen: ") and said.endswith(
        "is every address of this machine, and metrics should not be public: give one such as"
        " 127.0.0.1:9100, or say allow_public = true in [admin]"
    )
    assert len(admin_of(line + "allow_public = true\n")) == 1
    assert problem("", admin=[address]).startswith("--admin: ")


def test_an_address_of_its_own() -> None:
    said = problem('[admin]\nlisten = ["127.0.0.1:9"]\n[server]\nlisten = ["127.0.0.1:9"]')
    assert said.endswith("the address 127.0.0.1:9 is given twice: leave one out")
    with pytest.raises(ConfigError, match="is given twice"):
        Config(admin=(Address("127.0.0.1", 9), Address("127.0.0.1", 9)))


def test_addresses_that_are_none() -> None:
    assert problem('[admin]\nlisten = ["::1"]').startswith("/etc/tuxpy.toml:4: admin.listen: '::1' is ambiguous")
    assert "did you mean listen?" in problem('[admin]\nlisen = []')
