"""resolve.py: RFC 9110 sections 9, 10.1.1 and 15 as decisions about a real tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxpy.http import conditional
from tuxpy.model import WITNESSES_MAX, Decision, NotModified, Redirect, Refuse, Request, Serve
from tuxpy.rules.policy import Policy
from tuxpy.site.opening import OpenBeneath
from tuxpy.site.resolve import resolve
from tuxpy.site.site import Site, release

Ask = Callable[..., Decision]


def request(target: bytes, *fields: tuple[bytes, bytes], method: bytes = b"GET", version: bytes = b"1.1") -> Request:
    return Request(method, target, version, ((b"host", b"a"), *fields))


@pytest.fixture
def ask(site: Site) -> Iterator[Ask]:
    """Ask the site; the descriptors of what it serves are closed at the end of the test."""
    served: list[Serve] = []

    def ask(target: bytes, *fields: tuple[bytes, bytes], method: bytes = b"GET", version: bytes = b"1.1") -> Decision:
        decision = resolve(request(target, *fields, method=method, version=version), site)
        assert decision.why, "every decision says why"
        if isinstance(decision, Serve):
            served.append(decision)
        return decision

    yield ask
    for decision in served:
        release(decision.file)


def field(decision: Decision, name: bytes) -> bytes:
    return dict(decision.fields)[name]


# Methods (9).


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_9_1_get_and_head_are_decided_alike(ask: Ask, method: bytes) -> None:
    """RFC 9110 9.1: all general-purpose servers MUST support GET and HEAD; 9.3.2: HEAD is GET without content."""
    decision = ask(b"/docs/", method=method)
    assert isinstance(decision, Serve)
    assert (decision.status, decision.file.path) == (200, b"docs/index.html")


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"TRACE", b"PATCH", b"CONNECT"])
@pytest.mark.parametrize("target", [b"/", b"/nothing", b"*", b"a:443"])
def test_15_5_6_a_known_method_that_files_have_not_is_405_with_allow(ask: Ask, method: bytes, target: bytes) -> None:
    decision = ask(target, method=method)
    assert decision.status == 405
    assert field(decision, b"Allow") == b"GET, HEAD, OPTIONS"


@pytest.mark.parametrize("target", [b"*", b"/", b"/docs/", b"/nothing"])
def test_9_3_7_options_says_what_can_be_done(ask: Ask, target: bytes) -> None:
    """RFC 9110 9.3.7: of the server (asterisk) or of a target; nothing else happens."""
    decision = ask(target, method=b"OPTIONS")
    assert decision.status == 204
    assert field(decision, b"Allow") == b"GET, HEAD, OPTIONS"


def test_9112_3_2_4_the_asterisk_is_for_options_alone(ask: Ask) -> None:
    assert ask(b"*").status == 400


@pytest.mark.parametrize("method", [b"get", b"Head", b"BREW", b"PROPFIND", b"GETX", b"!"])
def test_15_6_2_an_unknown_method_is_501(ask: Ask, method: bytes) -> None:
    """RFC 9110 9.1: "unrecognized or not implemented: 501"; methods are case-sensitive."""
    assert ask(b"/", method=method).status == 501


def test_9_3_6_after_connect_nothing_can_follow(ask: Ask) -> None:
    decision = ask(b"a:443", method=b"CONNECT")
    assert (decision.keep, decision.cacheable) == (False, False)


# Expect (10.1.1).


@pytest.mark.parametrize("value", [b"100-continue", b"100-Continue", b"", b","])
def test_10_1_1_the_one_known_expectation_is_met_by_the_final_answer(ask: Ask, value: bytes) -> None:
    assert ask(b"/", (b"expect", value)).status == 200


@pytest.mark.parametrize("value", [b"200-ok", b"100-continue, x", b"100-continue;a"])
def test_15_5_18_any_other_is_417(ask: Ask, value: bytes) -> None:
    assert ask(b"/", (b"expect", value)).status == 417


@pytest.mark.parametrize("value", [b"100-continue", b"200-ok"])
def test_10_1_1_http_1_0_knows_no_expectations(ask: Ask, value: bytes) -> None:
    """RFC 9110 10.1.1: 100-continue MUST be ignored there; a 417 MAY be sent for others, and we ignore them alike."""
    assert ask(b"/", (b"expect", value), version=b"1.0").status == 200


# Files and directories.


@pytest.mark.parametrize(
    ("target", "path", "kind"),
    [
        (b"/", b"index.html", b"text/html; charset=utf-8"),
        (b"/index.html", b"index.html", b"text/html; charset=utf-8"),
        (b"/page.HTML", b"page.HTML", b"text/html; charset=utf-8"),
        (b"/docs/", b"docs/index.html", b"text/html; charset=utf-8"),
        (b"/docs/deep/a.css", b"docs/deep/a.css", b"text/css; charset=utf-8"),
        (b"/docs/deep/..", b"docs/index.html", b"text/html; charset=utf-8"),
        (b"/large.bin?v=1", b"large.bin", b"application/octet-stream"),
        (b"http://other.example/docs/", b"docs/index.html", b"text/html; charset=utf-8"),
        (b"/empty.txt", b"empty.txt", b"text/plain; charset=utf-8"),
        (b"/%2541.txt", b"%41.txt", b"text/plain; charset=utf-8"),
        (b"/caf%E9.txt", b"caf\xe9.txt", b"text/plain; charset=utf-8"),
        (b"/with%20space.txt", b"with space.txt", b"text/plain; charset=utf-8"),
        (b"/new%0Aline.txt", b"new\nline.txt", b"text/plain; charset=utf-8"),
        (b"/.well-known/security.txt", b".well-known/security.txt", b"text/plain; charset=utf-8"),
    ],
)
def test_15_3_1_a_file_is_served_with_its_type(ask: Ask, target: bytes, path: bytes, kind: bytes) -> None:
    decision = ask(target)
    assert isinstance(decision, Serve)
    assert (decision.status, decision.file.path) == (200, path)
    assert field(decision, b"Content-Type") == kind
    assert field(decision, b"X-Content-Type-Options") == b"nosniff"
    assert decision.etag == conditional.etag(decision.file)


@pytest.mark.parametrize(
    ("target", "location"),
    [
        (b"/docs", b"/docs/"),
        (b"/docs?a=1&b=%2F", b"/docs/?a=1&b=%2F"),
        (b"/docs?", b"/docs/?"),
        (b"//docs", b"/docs/"),
        (b"/.//docs", b"/docs/"),
        (b"/%2Fdocs", b"/docs/"),
        (b"/docs/deep", b"/docs/deep/"),
        (b"http://evil.example/docs", b"/docs/"),
        (b"/odd/index.html", b"/odd/index.html/"),
        (b"/.well-known", b"/.well-known/"),
    ],
)
def test_15_4_2_a_directory_is_redirected_to_its_slash(ask: Ask, target: bytes, location: bytes) -> None:
    decision = ask(target)
    assert isinstance(decision, Redirect)
    assert (decision.status, decision.location) == (301, location)


@pytest.mark.parametrize(
    "target",
    [b"/nothing", b"/nothing/", b"/index.html/", b"/docs/nothing", b"/empty/", b"/odd/", b"/odd/index.html/",
     b"/fifo", b"/socket",
        b"/link-out", b"/link-absolute", b"/link-folder/", b"/link-loop", b"/" + b"n" * 300, b"/" + b"n/" * 3000,
        b"/fifo/"],
)
def test_15_5_5_what_is_not_there_is_404(ask: Ask, target: bytes) -> None:
    assert ask(target).status == 404


@pytest.mark.parametrize(
    "target",
    [
        b"/.env", b"/.git/config", b"/.git", b"/.git/", b"/docs/.hidden", b"/%2eenv", b"/.nothing",
        b"/.well-known/.x",
    ],
)
def test_15_5_5_a_hidden_name_is_404_whether_it_exists_or_not(ask: Ask, target: bytes) -> None:
    assert ask(target).status == 404


@pytest.mark.parametrize("target", [b"/../x", b"/%00", b"/%zz", b"*", b"ftp://a/b", b"/a#b", b"/\\a"])
def test_15_5_1_a_target_that_is_none_is_400(ask: Ask, target: bytes) -> None:
    assert ask(target).status == 400


@pytest.mark.parametrize("target", [b"/unreadable.txt", b"/closed/"])
def test_15_5_4_what_may_not_be_read_is_403_and_never_kept(ask: Ask, unprivileged: None, target: bytes) -> None:
    decision = ask(target)
    assert (decision.status, decision.cacheable) == (403, False)


# Conditions (13): asked for what exists, and only then.


def test_13_2_1_conditions_count_only_where_200_would_be_the_answer(ask: Ask) -> None:
    """RFC 9110 13.2.1: MUST ignore them when the answer without them is neither 2xx nor 412."""
    for name, value in ((b"if-match", b'"x"'), (b"if-none-match", b"*")):
        assert ask(b"/nothing", (name, value)).status == 404
        assert ask(b"/docs", (name, value)).status == 301
        assert ask(b"/", (name, value), method=b"POST").status == 405


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_13_1_the_tag_that_was_sent_makes_a_304_and_the_descriptor_is_gone(ask: Ask, method: bytes) -> None:
    first = ask(b"/docs/")
    assert isinstance(first, Serve)
    again = ask(b"/docs/", (b"if-none-match", first.etag), method=method)
    assert isinstance(again, NotModified)
    assert (again.status, again.etag) == (304, first.etag)
    assert again.witnesses == first.witnesses
    failed = ask(b"/docs/", (b"if-match", b'"x"'), method=method)
    assert (failed.status, type(failed)) == (412, Refuse)


def test_14_2_range_is_for_get_alone(ask: Ask) -> None:
    """RFC 9110 14.2: a server MUST ignore Range for a method for which it is not defined; GET is the only one."""
    asked = (b"range", b"bytes=0-9")
    part, whole = ask(b"/large.bin", asked), ask(b"/large.bin", asked, method=b"HEAD")
    assert (part.status, whole.status) == (206, 200)
    assert isinstance(part, Serve)
    assert part.parts == ((0, 10),)


# What an answer rests on.


def test_an_answer_rests_on_every_name_that_was_looked_up(root: Path, opener: OpenBeneath) -> None:
    with Site(str(root), opener, Policy(index=(b"index.htm", b"index.html"))) as site:
        decision = resolve(request(b"/docs/"), site)
        assert isinstance(decision, Serve)
        release(decision.file)
        seen = [(witness.path, witness.ino != 0) for witness in decision.witnesses]
        assert seen == [(b"docs/index.htm", False), (b"docs/index.html", True)]
        nothing = resolve(request(b"/empty/"), site)
        looked_at = (b"empty/index.htm", b"empty/index.html", b"empty/404.html", b"404.html")
        assert [(w.path, w.ino) for w in nothing.witnesses] == [(name, 0) for name in looked_at]
        assert nothing.cacheable


def test_an_answer_that_rests_on_more_than_can_be_watched_is_not_kept(root: Path) -> None:
    names = tuple(b"index.%d" % number for number in range(WITNESSES_MAX))
    with Site(str(root), policy=Policy(index=names, not_found=None)) as site:
        decision = resolve(request(b"/empty/"), site)
        assert (decision.cacheable, len(decision.witnesses)) == (True, WITNESSES_MAX)
    with Site(str(root), policy=Policy(index=(*names, b"index.html"))) as site:
        for target in (b"/empty/", b"/docs/"):
            decision = resolve(request(target), site)
            assert not decision.cacheable
            assert len(decision.witnesses) <= WITNESSES_MAX
            if isinstance(decision, Serve):
                release(decision.file)


def test_a_link_that_leads_out_cannot_be_watched_so_its_404_is_not_kept(ask: Ask) -> None:
    assert not ask(b"/link-out").cacheable


def test_a_failure_in_between_closes_the_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fixture that counts descriptors is the assertion."""

    def broken(*_: object) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr(conditional, "etag", broken)
    with Site(str(root)) as site, pytest.raises(ZeroDivisionError):
        resolve(request(b"/"), site)


@given(
    st.lists(
        st.sampled_from(
            [b"/", b"docs", b"..", b".", b"%2e", b"link-in", b"link-folder", b"fifo", b"x", b"?", b".git", b"%2f"]
        ),
        max_size=8,
    )
)
def test_no_path_reaches_what_is_outside(pieces: list[bytes]) -> None:
    """Whatever is asked: the names that reach the kernel are relative and have no dots."""
    asked: list[bytes] = []

    def open_beneath(_root_fd: int, path: bytes) -> int:
        asked.append(path)
        raise FileNotFoundError(2, "nothing", path)

    with Site("/", open_beneath) as site:
        decision = resolve(request(b"/" + b"".join(pieces)), site)
    assert decision.status in (400, 404)
    for path in asked:
        assert not {b"", b".", b".."} & set(path.split(b"/"))
