"""Redirects that lead in a circle, as far as the rules alone can say."""

from __future__ import annotations

import pytest

from tuxpy.rules.circles import circle, endless
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


@pytest.mark.parametrize(
    ("rules", "way"),
    [
        ([("/b/*", "/b/x/:splat")], [b"/b/q7x0z", b"/b/x/q7x0z", b"/b/x/x/q7x0z"]),
        ([("/*", "/en/:splat")], [b"/q7x0z", b"/en/q7x0z", b"/en/en/q7x0z"]),
        ([("/old/*", "/new/:splat"), ("/new/*", "/old/:splat")], [b"/old/q7x0z", b"/new/q7x0z", b"/old/q7x0z"]),
        ([("/:a", "/:a/"), ("/:a/", "/:a")], [b"/q7x0z", b"/q7x0z/", b"/q7x0z"]),
        ([("*.htm", "/a/x.htm"), ("/a/*", "/b.htm")], [b"/q7x0z.htm", b"/a/x.htm", b"/b.htm"]),
        ([("/b/*", "/c/:splat")], None),
        ([("/b/*", "https://example.org/b/x/:splat")], None),
        ([("/a/:x", "/a/b/:x")], None),  # of two segments it is not
        ([("/x/*", "/x/:splat")], None),  # to where it is already: passed over
        ([("/b/x/*", "/c"), ("/b/*", "/b/x/:splat")], None),
    ],
)
def test_ways_that_do_not_end(rules: list[tuple[str, str]], way: list[bytes] | None) -> None:
    found = endless(RedirectRule.parse(pattern, to) for pattern, to in rules)
    assert (None if found is None else list(found[1])) == way


def test_a_rewrite_ends_every_way() -> None:
    rules = [RedirectRule.parse("/a", "/b", 200), RedirectRule.parse("/b", "/a", 200)]
    assert circle(rules) is None
    assert circle([*rules[:1], RedirectRule.parse("/b", "/a", 301)]) is None
