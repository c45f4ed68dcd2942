"""Redirects that lead in a circle, as far as the rules alone can say."""

from __future__ import annotations

import pytest

from tuxpy.rules.circles import circle
from tuxpy.rules.redirects import RedirectRule


@pytest.mark.parametrize(
    ("rules", "way"),
    [
        ([("/a", "/b"), ("/b", "/a")], [b"/a", b"/b", b"/a"]),
        ([("/a", "/b"), ("/b", "/c"), ("/c", "/b")], [b"/b", b"/c", b"/b"]),
        ([("/a", "/x/y"), ("/x/*", "/a")], [b"/a", b"/x/y", b"/a"]),
        ([("/a b", "/c?x=1"), ("/c", "/a%20b#f")], [b"/a b", b"/c", b"/a b"]),
        ([("/a", "/b"), ("/b", "/c")], None),
        ([("/a", "/b"), ("/b", "/c"), ("/b", "/a")], None),  # the first one that matches decides
        ([("/a", "https://example.org/a"), ("/b", "/a")], None),
        ([("/old/*", "/new/:splat"), ("/new/*", "/old/:splat")], None),  # of no path that is written out
    ],
)
def test_circles(rules: list[tuple[str, str]], way: list[bytes] | None) -> None:
    found = circle(RedirectRule.parse(pattern, to) for pattern, to in rules)
    assert (None if found is None else list(found[1])) == way


def test_a_rewrite_ends_every_way() -> None:
    rules = [RedirectRule.parse("/a", "/b", 200), RedirectRule.parse("/b", "/a", 200)]
    assert circle(rules) is None
    assert circle([*rules[:1], RedirectRule.parse("/b", "/a", 301)]) is None
