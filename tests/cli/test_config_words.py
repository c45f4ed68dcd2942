"""Words of a configuration file: durations, sizes, variables; and the lines on which TOML says what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxpy.config import toml
from tuxpy.config.kinds import SIZE, value_of
from tuxpy.config.show import toml_of
from tuxpy.config.words import expand, has_variable, parse_duration, parse_size
from tuxpy.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30.0), ("2m", 120.0), ("1h", 3600.0), ("1d", 86400.0), ("1.5s", 1.5), ("0s", 0.0)],
)
def test_duration(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "30", "s", "-1s", "1 s", "1S", "1e3s", "٣s", "1s2", ".5s", "1_0s"])
def test_no_duration(text: str) -> None:
    with pytest.raises(ConfigError, match="not a duration: give a number and ms, s, m, h or d, as in 30s"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"), [("512B", 512), ("64KiB", 65536), ("10MiB", 10 << 20), ("1GiB", 1 << 30), ("10MB", 10_000_000)]
)
def test_size(text: str, size: int) -> None:
    assert parse_size(text) == size == value_of(SIZE, size)


@pytest.mark.parametrize("text", ["", "10", "10 MiB", "10M", "10mib", "-1B", "1.5MiB"])
def test_no_size(text: str) -> None:
    with pytest.raises(ConfigError, match="not a size: give a number and B, KiB, MiB or GiB, as in 10MiB"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("${A}", "one"),
        ("x${A}y${A}", "xoneyone"),
        ("${NONE:-two}", "two"),
        ("${EMPTY:-two}", "two"),
        ("${EMPTY}", ""),
        ("${NONE:-}", ""),
        ("${A:-two}", "one"),
        ("$$", "$"),
        ("$${A}", "${A}"),
        ("$uri.html", "$uri.html"),
        ("5$", "5$"),
    ],
)
def test_variables(text: str, expanded: str) -> None:
    assert expand(text, {"A": "one", "EMPTY": ""}) == expanded


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("${NONE}", "NONE is not set: set it, or write ${NONE:-otherwise}"),
        ("${A", "write $$ for a dollar sign"),
        ("${}", "write $$ for a dollar sign"),
        ("${1}", "write $$ for a dollar sign"),
        ("${A-b}", "write $$ for a dollar sign"),
    ],
)
def test_variables_that_cannot_be(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        expand(text, {"A": "one"})
    assert words in str(caught.value)


@given(st.text())
def test_what_has_no_variable_stays_but_for_doubled_dollars(text: str) -> None:
    if not has_variable(text):
        assert expand(text, {}) == text.replace("$$", "$")


# Lines.

TEXT = '''
top = 1  # line 2

[server]
listen = [
    "a",  # [x]
    "b",
]
workers = 2

[[site]]
root = """
[server]
x = 5
"""
cors = { origins = ["*"], max_age = "1h" }
index = []
[[site.headers]]
path = "a"
set.A = "b"
[[site.headers]]
path = "b"

[[site]]
root = "b"
  [site.cors]
  origins = []
  [[ site . headers ]]
  path = "c"
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("server",), 4),
        (("server", "listen"), 5),
        (("server", "listen", 1), 5),
        (("server", "workers"), 9),
        (("site", 0), 11),
        (("site", 0, "root"), 12),
        (("site", 0, "cors", "max_age"), 16),
        (("site", 0, "index"), 17),
        (("site", 0, "headers", 0), 18),
        (("site", 0, "headers", 0, "set", "A"), 20),
        (("site", 0, "headers", 1, "path"), 22),
        (("site", 1, "root"), 25),
        (("site", 1, "cors", "origins"), 27),
        (("site", 1, "headers", 0), 28),
        (("site", 1, "headers", 0, "path"), 29),
    ],
)
def test_lines(path: toml.Path, line: int) -> None:
    toml.parse(TEXT)
    assert toml.lines_of(TEXT)[path] == line


VALUES = st.recursive(
    st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.sampled_from("ab .\"")), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_values_are_written_as_they_are_read(value: object) -> None:
    assert toml.parse(f"a = {toml_of(value)}") == {"a": value}


@given(st.dictionaries(st.text(st.sampled_from("abc"), min_size=1), VALUES, max_size=5))
def test_every_key_has_the_line_it_was_written_on(table: dict[str, object]) -> None:
    text = "[t]\n" + "".join(f"\n{name} = {toml_of(value)}\n" for name, value in table.items())
    lines = toml.lines_of(text)
    for place, name in enumerate(table):
        assert lines[("t", name)] == 3 + 2 * place
