"""tries.py: which names are looked at for a path (RFC 9110 3.3), and which lists are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxpy.errors import ConfigError
from tuxpy.rules.tries import NAMES_MAX, TryRule

INDEX = (b"index.html", b"index.htm")


def candidates(names: list[str], path: bytes, directory: bool = False) -> list[bytes]:
    return list(TryRule.parse("/*", names).candidates(path, INDEX, directory))


@pytest.mark.parametrize(
    ("names", "path", "directory", "wanted"),
    [
        (["$uri"], b"a/b.txt", False, [b"a/b.txt"]),
        (["$uri"], b"a", True, []),
        (["$uri"], b"", True, []),
        (["$uri.html"], b"a", False, [b"a.html"]),
        (["$uri.html"], b"a", True, [b"a.html"]),
        (["$uri/"], b"a", True, [b"a/index.html", b"a/index.htm"]),
        (["$uri/"], b"", True, [b"index.html", b"index.htm"]),
        (["$uri/"], b"a", False, [b"a/"]),
        (["$uri/en/"], b"a", False, [b"a/en/index.html", b"a/en/index.htm"]),
        (["$uri/index.php"], b"a", False, [b"a/index.php"]),
        (["$uri/index.php", "$uri/x/"], b"", True, [b"index.php", b"x/index.html", b"x/index.htm"]),
        (["/app.html"], b"a/b", False, [b"app.html"]),
        (["/"], b"a", False, [b"index.html", b"index.htm"]),
        (["/app/"], b"a", False, [b"app/index.html", b"app/index.htm"]),
        (["/caf%C3%A9%20.html"], b"a", False, [b"caf\xc3\xa9 .html"]),
        (["$uri", "$uri.html", "$uri/", "/x"], b"a", False, [b"a", b"a.html", b"a/", b"x"]),
        (["$uri"], b"caf\xe9", False, [b"caf\xe9"]),
    ],
)
def test_names_in_their_order(names: list[str], path: bytes, directory: bool, wanted: list[bytes]) -> None:
    assert candidates(names, path, directory) == wanted


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "not a name to try"),
        ("app.html", "not a name to try"),
        ("$uri$uri", "not a name to try"),
        ("/a/$uri", "not a name to try"),
        ("$URI", "not a name to try"),
        ("$args", "not a name to try"),
        ("=404", "not a name to try"),
        ("@named", "not a name to try"),
        ("https://a/b", "not a name to try"),
        ("/../x", "segments of dots"),
        ("/a/./b", "segments of dots"),
        ("/%2e%2e/x", "segments of dots"),
        ("$uri/../x", "segments of dots"),
        ("$uri..", "segments of dots"),
        ("$uri./x", "segments of dots"),
        ("//a", "empty ones"),
        ("$uri//", "empty ones"),
        ("/a%2fb", "slash or a NUL"),
        ("/a%00", "slash or a NUL"),
        ("/a%", "percent sign"),
    ],
)
def test_names_that_cannot_be_are_refused(name: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        TryRule.parse("/*", [name])


@pytest.mark.parametrize("count", [0, NAMES_MAX + 1])
def test_a_list_has_a_few_names(count: int) -> None:
    with pytest.raises(ConfigError, match="give 1 to"):
        TryRule.parse("/*", ["$uri"] * count)


def test_a_pattern_is_for_the_path_with_and_without_its_slash() -> None:
    rule = TryRule.parse("/app", ["$uri"])
    assert [rule.pattern.match(path) is not None for path in (b"/app", b"/app/", b"/apps", b"/app/x")] == [
        True,
        True,
        False,
        False,
    ]
    below = TryRule.parse("/app/*", ["$uri"])
    assert [below.pattern.match(path) is not None for path in (b"/app", b"/app/", b"/app/x/y", b"/apps")] == [
        True,
        True,
        True,
        False,
    ]


SEGMENT = st.binary(min_size=1, max_size=5).filter(
    lambda segment: not {b"/", b"\0"} & {bytes([b]) for b in segment} and segment not in (b".", b"..")
)
NAME = st.sampled_from(["$uri", "$uri.html", "$uri/", "$uri/x/", "$uri/x", "/a", "/", "/a/b/", "$uri~", "$uri.x."])


@given(st.lists(SEGMENT, max_size=4), st.booleans(), st.lists(NAME, min_size=1, max_size=NAMES_MAX))
def test_3986_5_2_4_no_name_leads_out_of_the_root(segments: list[bytes], directory: bool, names: list[str]) -> None:
    """Whatever the path, that of the root included: names are relative, without segments that are empty or of dots."""
    for name in candidates(names, b"/".join(segments), directory or not segments):
        parts = name.split(b"/")
        assert not name.startswith(b"/")
        assert b"" not in parts[:-1]
        assert not {b".", b".."} & set(parts)
