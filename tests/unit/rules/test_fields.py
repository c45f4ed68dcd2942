"""fields.py and hashed.py: RFC 9110 5.3, 5.5 and 15.4.5, RFC 9111 3.5; and what bundlers call their files."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tuxpy.errors import ConfigError
from tuxpy.model import NOSNIFF, Field
from tuxpy.rules.defaults import DEFAULT_RULES, IMMUTABLE, LASTING_RULES, REVALIDATE, SECURITY, SECURITY_RULE
from tuxpy.rules.fields import VALUE_BYTES_MAX, FieldRule, declared_coding, for_not_modified, merged
from tuxpy.rules.patterns import Pattern

OWN: tuple[Field, ...] = (
    (b"Content-Type", b"text/html"),
    (b"Vary", b"Accept-Encoding"),
    (b"ETag", b'"x"'),
    (b"Content-Length", b"7"),
)
STATUSES = (200, 206, 204, 301, 304, 401, 404, 416, 500)


def rule(fields: dict[str, str], pattern: str = "*", **more: tuple[str, ...] | tuple[int, ...]) -> FieldRule:
    return FieldRule.parse(pattern, fields.items(), **more)  # type: ignore[arg-type]


def after(*rules: FieldRule, path: bytes = b"/a.html", status: int = 200, own: tuple[Field, ...] = OWN) -> list[Field]:
    return [line for line in merged(own, rules, path, status) if line not in own]


# Merging.


def test_without_a_rule_nothing_changes() -> None:
    assert merged(OWN, (), b"/", 200) is OWN
    assert merged(OWN, (rule({"X-A": "1"}, "/b"),), b"/a", 200) is OWN


@pytest.mark.parametrize("status", STATUSES)
def test_rules_reach_every_answer(status: int) -> None:
    assert after(rule({"X-A": "1"}), status=status) == [(b"X-A", b"1")]


def test_unless_they_name_statuses() -> None:
    named = FieldRule.parse("*", [("Cache-Control", "no-store")], statuses=[404, 410])
    assert after(named, status=404) == [(b"Cache-Control", b"no-store")]
    assert after(named, status=200) == []


@pytest.mark.parametrize(
    ("name", "reached"),
    [
        ("Cache-Control", {200, 206, 204, 301, 304}),
        ("expires", {200, 206, 204, 301, 304}),
        ("Content-Language", {200, 206, 204}),
        ("Content-Disposition", {200, 206, 204}),
        ("X-Frame-Options", set(STATUSES)),
    ],
)
def test_what_is_said_of_a_file_is_not_said_of_the_page_of_an_error(name: str, reached: set[int]) -> None:
    assert {status for status in STATUSES if after(rule({name: "x"}), status=status)} == reached


def test_all_rules_that_match_are_applied_in_their_order() -> None:
    rules = (rule({"X-A": "1", "X-B": "1"}), rule({"X-C": "1"}, "/docs/*"), rule({"x-a": "2"}, "*.html"))
    assert after(*rules) == [(b"x-a", b"2"), (b"X-B", b"1")]
    assert after(*rules, path=b"/docs/a.css") == [(b"X-A", b"1"), (b"X-B", b"1"), (b"X-C", b"1")]


def test_a_later_value_replaces_an_earlier_one_and_the_servers_own() -> None:
    fields = merged(OWN, (rule({"content-type": "text/plain"}), rule({"Content-Type": "text/x"})), b"/a", 200)
    assert fields == ((b"Content-Type", b"text/x"), *OWN[1:])


@pytest.mark.parametrize("name", ["Cache-Control", "Content-Security-Policy", "X-Robots-Tag"])
def test_lists_that_contradict_are_replaced(name: str) -> None:
    assert after(rule({name: "max-age=60"}), rule({name: "no-store"})) == [(name.encode(), b"no-store")]


def test_rfc_9110_5_3_sums_are_combined() -> None:
    one, two = rule({"Link": "</a>; rel=preload", "Vary": "Origin"}), rule({"link": "</b>", "vary": "origin, X-C"})
    assert after(one, two, one) == [
        (b"Vary", b"Accept-Encoding, Origin, X-C"),
        (b"Link", b"</a>; rel=preload, </b>, </a>; rel=preload"),
    ]
    assert after(one, one)[1] == (b"Link", b"</a>; rel=preload")
    assert after(rule({"Vary": "Origin"}), own=((b"Vary", b"*"),)) == []


def test_appending_joins_lines_but_for_cookies() -> None:
    adds = FieldRule.parse("*", append=[("X-A", "2"), ("Set-Cookie", "b=2"), ("Content-Security-Policy", "img-src *")])
    sets = rule({"x-a": "1", "Set-Cookie": "a=1", "Content-Security-Policy": "default-src 'self'"})
    assert after(sets, adds) == [
        (b"x-a", b"1, 2"),
        (b"Set-Cookie", b"a=1"),
        (b"Set-Cookie", b"b=2"),
        (b"Content-Security-Policy", b"default-src 'self', img-src *"),
    ]
    assert after(adds)[0] == (b"X-A", b"2")


def test_removing_comes_before_setting_in_one_rule() -> None:
    both = FieldRule.parse("*", [("X-A", "2")], remove=["x-a", "Content-Type", "ETag"])
    assert merged(OWN, (rule({"X-A": "1"}), both), b"/a", 200) == (*OWN[1:2], *OWN[3:], (b"X-A", b"2"))


def test_rules_that_join_replace_the_servers_own_and_add_to_each_other() -> None:
    def joining(pattern: str, value: bytes, remove: tuple[bytes, ...] = ()) -> FieldRule:
        return FieldRule(Pattern.parse(pattern), set=((b"X-Robots-Tag", value),), remove=remove, joins=True)

    own = ((b"X-Robots-Tag", b"all"),)
    one, two = joining("*", b"nosnippet"), joining("/s/*", b"noindex")
    assert merged(own, (one, two), b"/s/a", 200) == ((b"X-Robots-Tag", b"nosnippet, noindex"),)
    assert merged(own, (two,), b"/s/a", 200) == ((b"X-Robots-Tag", b"noindex"),)
    assert merged(own, (one, joining("*", b"x", (b"x-robots-tag",))), b"/a", 200) == ((b"X-Robots-Tag", b"x"),)
    assert merged(own, (one, rule({"X-Robots-Tag": "y"})), b"/a", 200) == ((b"X-Robots-Tag", b"y"),)


@given(st.binary(max_size=30).filter(lambda raw: b"/" not in raw and raw != b""))
@example(b"\r\nSet-Cookie: a=1")
@example(b'"; x')
def test_no_path_can_end_a_line(segment: bytes) -> None:
    lines = after(rule({"x-movie-name": 'You are watching ":title"'}, "/movies/:title"), path=b"/movies/" + segment)
    assert len(lines) == 1
    value = lines[0][1]
    assert value.startswith(b'You are watching "')
    assert value.isascii()
    assert value.decode().isprintable()
    assert value.count(b'"') == 2


def test_colons_that_are_no_placeholder_stay() -> None:
    assert after(rule({"X-A": "https://a:8080 :b :splat"}, "/x/*"), path=b"/x/y") == [
        (b"X-A", b"https://a:8080 :b y")
    ]


# What rules may say.


@pytest.mark.parametrize(
    "name",
    [
        *("Content-Length", "transfer-encoding", "Connection", "DATE", "Content-Range", "Trailer", "Upgrade"),
        *("Location", "ETag", "Last-Modified", "Server", "Allow", "Age", "WWW-Authenticate"),
    ],
)
def test_what_is_the_servers_own_is_refused(name: str) -> None:
    for make in (
        lambda: rule({name: "1"}),
        lambda: FieldRule.parse("*", append=[(name, "1")]),
        lambda: FieldRule(Pattern.parse("*"), set=((name.encode(), b"1"),)),
    ):
        with pytest.raises(ConfigError, match="cannot be set by a rule"):
            make()


@pytest.mark.parametrize("name", ["Vary", "Content-Length", "Location", "Date", "Connection"])
def test_what_would_be_missed_cannot_be_removed(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be removed"):
        FieldRule.parse("*", remove=[name])


@pytest.mark.parametrize("name", ["", "X A", "X:A", "X\r\nA", "X\0", "Ü", " X", "\udcff"])
def test_rfc_9110_5_6_2_a_name_is_a_token(name: str) -> None:
    for make in (lambda: rule({name: "1"}), lambda: FieldRule.parse("*", remove=[name])):
        with pytest.raises(ConfigError):
            make()


@pytest.mark.parametrize("value", ["", " ", "a\r\nb", "a\nb", "a\0", "\x7f", "a" * (VALUE_BYTES_MAX + 1), "\udcff"])
def test_rfc_9110_5_5_a_value_has_no_controls(value: str) -> None:
    with pytest.raises(ConfigError):
        rule({"X-A": value})
    with pytest.raises(ConfigError):
        FieldRule(Pattern.parse("*"), set=((b"X-A", b" a"),))


def test_blanks_around_a_value_are_not_its_own() -> None:
    assert rule({"X-A": " \t a\tb "}).set == ((b"X-A", b"a\tb"),)


def test_two_values_of_one_field_need_an_order() -> None:
    with pytest.raises(ConfigError, match="append"):
        FieldRule.parse("*", [("X-A", "1"), ("x-a", "2")])
    with pytest.raises(ConfigError, match="one value"):
        FieldRule.parse("*", append=[("X-Frame-Options", "DENY")])


NAMES = st.sampled_from(["X-A", "x-a", "Vary", "Link", "Cache-Control", "Set-Cookie", "Content-Type", "X-B", "ETag"])
VALUES = st.text(st.characters(min_codepoint=9, max_codepoint=0x17F), max_size=8)
PAIRS = st.lists(st.tuples(NAMES, VALUES), max_size=3)
ANY_RULE = st.tuples(st.sampled_from(["*", "/x/*", "/:a"]), PAIRS, PAIRS, st.lists(NAMES, max_size=2))


@given(st.lists(ANY_RULE, max_size=3), st.binary(max_size=8), st.sampled_from(STATUSES))
def test_whatever_rules_say_the_head_stays_a_head(
    rules: list[tuple[str, list[tuple[str, str]], list[tuple[str, str]], list[str]]], path: bytes, status: int
) -> None:
    try:
        made = [FieldRule.parse(p, fields, append=append, remove=remove) for p, fields, append, remove in rules]
    except ConfigError:
        return
    fields = merged(OWN, made, b"/x/" + path, status)
    assert (b"Content-Length", b"7") in fields
    names = [name.lower() for name, _ in fields if name.lower() != b"set-cookie"]
    assert len(set(names)) == len(names)
    assert b"Accept-Encoding" in {name.lower(): value for name, value in fields}[b"vary"]
    for name, value in fields:
        assert not set(name + value) & {0, 10, 13}
        assert value.strip(b" \t") == value != b""


# 304 (RFC 9110 15.4.5).


def test_rfc_9110_15_4_5_what_a_304_must_have_it_has() -> None:
    must = ((b"Cache-Control", b"no-cache"), (b"content-location", b"/a"), (b"Date", b"d"), (b"ETag", b'"x"'),
            (b"Expires", b"0"), (b"Vary", b"Origin"))
    policies = ((b"Content-Security-Policy", b"x"), (b"Access-Control-Allow-Origin", b"*"), (b"Referrer-Policy", b"x"))
    body = ((b"Content-Type", b"t"), (b"Content-Length", b"1"), (b"Content-Encoding", b"gzip"),
            (b"Content-Disposition", b"x"), (b"Last-Modified", b"d"), (b"Accept-Ranges", b"bytes"))
    assert for_not_modified((*body, *must, *policies)) == (*must, *policies)


def test_without_an_etag_the_time_is_the_validator() -> None:
    assert for_not_modified(((b"Last-Modified", b"d"),)) == ((b"Last-Modified", b"d"),)


# Defaults.


@pytest.mark.parametrize(("rules", "value"), [(DEFAULT_RULES, REVALIDATE), (LASTING_RULES, IMMUTABLE)])
def test_what_cannot_change_is_kept_and_all_else_is_asked_about(rules: tuple[FieldRule, ...], value: bytes) -> None:
    for status in (200, 206, 304):
        assert after(*rules, path=b"/a", status=status) == [NOSNIFF, (b"Cache-Control", value)]


@pytest.mark.parametrize("status", [301, 404, 500])
def test_an_error_is_never_immutable(status: int) -> None:
    assert after(*LASTING_RULES, path=b"/app.3f9a1c2b.js", status=status) == [NOSNIFF]
    mine = rule({"Cache-Control": "max-age=31536000, immutable"}, "/assets/*")
    assert after(mine, path=b"/assets/a.js", status=404) == []


def test_rfc_9111_3_5_nothing_is_public_by_default() -> None:
    assert not any(b"public" in value for default in DEFAULT_RULES for _, value in default.set)


def test_rules_of_a_site_win_over_the_defaults() -> None:
    mine = rule({"Cache-Control": "max-age=60"})
    assert after(*DEFAULT_RULES, mine)[1] == (b"Cache-Control", b"max-age=60")


def test_the_preset_guesses_no_policy_for_content() -> None:
    names = [name for name, _ in SECURITY_RULE.set]
    assert names == [advice.field[0] for advice in SECURITY]
    assert b"Content-Security-Policy" not in names
    assert b"Strict-Transport-Security" not in names
    assert all(advice.reason for advice in SECURITY)


# RFC 9110 8.4: the coding that a file is in already.


@pytest.mark.parametrize("value", ["identity", "gzip, br", "x", "utf-8"])
def test_8_4_1_a_coding_of_files_is_one_that_browsers_know(value: str) -> None:
    with pytest.raises(ConfigError, match="Content-Encoding"):
        rule({"Content-Encoding": value}, "*.gz")


def test_8_4_a_coding_is_told_of_files_and_is_no_field_of_other_answers() -> None:
    rules = (rule({"Content-Encoding": "gzip"}, "/build/*"), rule({"Content-Encoding": "BR"}, "*.br"))
    assert declared_coding(rules, b"/build/a.gz") == b"gzip"
    assert declared_coding(rules, b"/build/a.br") == b"br"
    assert declared_coding(rules, b"/a.gz") is None
    assert after(*rules, path=b"/build/a.gz", status=404) == []


def test_a_value_that_the_request_makes_too_long_is_left_out() -> None:
    mine = rule({"X-A": ":splat" * 1000}, "/a/*")
    assert after(mine, path=b"/a/b") == [(b"X-A", b"b" * 1000)]
    assert after(mine, path=b"/a/" + b"b" * 100) == []
