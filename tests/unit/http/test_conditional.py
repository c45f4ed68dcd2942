"""conditional.py: RFC 9110 sections 8.8 and 13."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxpy.http import conditional, httpdate
from tuxpy.model import FileFact, Request

TAG = b'"a-1-2"'
MODIFIED = 784111777
SAME = httpdate.format(MODIFIED)
BEFORE = httpdate.format(MODIFIED - 1)
AFTER = httpdate.format(MODIFIED + 1)
FILE = FileFact(fd=3, path=b"a", dev=1, ino=2, size=3, mtime_ns=4, ctime_ns=5, mode=0o100644)


def status(*fields: tuple[bytes, bytes], tag: bytes = TAG) -> int:
    decision, why = conditional.evaluate(Request(b"GET", b"/", b"1.1", fields), tag, MODIFIED)
    assert why
    return decision


# The entity tag (8.8.3).


@pytest.mark.parametrize("change", [{"size": 4}, {"ino": 3}, {"mtime_ns": 5}])
def test_8_8_1_a_strong_tag_changes_with_the_file(change: dict[str, Any]) -> None:
    assert conditional.etag(replace(FILE, **change)) != conditional.etag(FILE)


def test_8_8_3_the_same_version_has_the_same_tag_whatever_its_name_or_descriptor() -> None:
    assert conditional.etag(replace(FILE, fd=9, path=b"b")) == conditional.etag(FILE)


@given(st.integers(-(2**62), 2**62), st.integers(0, 2**62), st.integers(1, 2**63))
def test_8_8_3_a_tag_is_an_opaque_tag_of_the_grammar(mtime_ns: int, size: int, ino: int) -> None:
    tag = conditional.etag(replace(FILE, mtime_ns=mtime_ns, size=size, ino=ino))
    assert tag[:1] == tag[-1:] == b'"'
    assert all(0x21 <= byte <= 0x7E and byte != 0x22 for byte in tag[1:-1])
    assert status((b"if-none-match", tag), tag=tag) == 304


# If-None-Match (13.1.2): weak comparison; false means 304 for GET and HEAD.


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (TAG, 304),
        (b"W/" + TAG, 304),
        (b"*", 304),
        (b'"x", ' + TAG, 304),
        (TAG + b',"x"', 304),
        (b'"x",W/' + TAG + b'\t,\t"y"', 304),
        (b",, " + TAG + b" ,,", 304),  # 5.6.1.2: empty members
        (b'"x"', 200),
        (b'"x", "y"', 200),
        (b'"a,b", "a-1-2,"', 200),  # a comma inside the quotes divides nothing
        (b'"", W/""', 200),
        (b"", 200),
        (b"a-1-2", 200),  # not quoted: no entity tag
        (b"w/" + TAG, 200),  # 8.8.3: "W/" is case-sensitive
        (b"W/ " + TAG, 200),
        (TAG + TAG, 200),
        (TAG + b' "x"', 200),
        (b"'a-1-2'", 200),
        (b"*, " + TAG, 200),
        (b'"*"', 200),
        (TAG[:-1], 200),
        (b'"x' + TAG, 200),
    ],
)
def test_13_1_2_if_none_match(value: bytes, expected: int) -> None:
    assert status((b"if-none-match", value)) == expected


# If-Match (13.1.1): strong comparison; false means 412.


@pytest.mark.parametrize(
    ("value", "expected"),
    [(TAG, 200), (b"*", 200), (b'"x",' + TAG, 200), (b"W/" + TAG, 412), (b'"x"', 412), (b"", 412), (b"a-1-2", 412)],
)
def test_13_1_1_if_match(value: bytes, expected: int) -> None:
    assert status((b"if-match", value)) == expected


def test_13_1_several_lines_are_one_list() -> None:
    """RFC 9110 5.3."""
    assert status((b"if-none-match", b'"x"'), (b"if-none-match", TAG)) == 304
    assert status((b"if-match", b'"x"'), (b"if-match", TAG)) == 200


OPAQUE = st.binary(max_size=6).map(
    lambda raw: bytes(byte for byte in raw if byte == 0x21 or 0x23 <= byte <= 0x7E or byte >= 0x80)
)
MEMBERS = st.lists(
    st.tuples(st.sampled_from([b"", b"W/"]), st.one_of(OPAQUE, st.just(TAG[1:-1]))), min_size=1, max_size=5
)
COMMAS = st.lists(st.sampled_from([b",", b" ,", b",\t", b" , ", b",,", b", , "]), min_size=5, max_size=5)


@given(MEMBERS, COMMAS)
def test_8_8_3_2_a_list_names_a_tag_strongly_only_without_w(
    members: list[tuple[bytes, bytes]], commas: list[bytes]
) -> None:
    value = b"".join(
        mark + b'"' + opaque + b'"' + comma for (mark, opaque), comma in zip(members, commas, strict=False)
    )
    weakly = any(opaque == TAG[1:-1] for _, opaque in members)
    strongly = (b"", TAG[1:-1]) in members
    assert status((b"if-none-match", value)) == (304 if weakly else 200)
    assert status((b"if-match", value)) == (200 if strongly else 412)


@given(st.binary(max_size=60))
def test_13_no_value_raises(value: bytes) -> None:
    for name in (b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"):
        assert status((name, value)) in (200, 304, 412)


@pytest.mark.parametrize("piece", [b'"a",', b" ,", b'"', b'W/"a" ', b",\t", b'"a" , '])
def test_13_a_list_of_64_kib_that_fails_at_its_end_costs_no_time(piece: bytes) -> None:
    """No backtracking: each of these is linear or it hangs until the time limit."""
    assert status((b"if-none-match", piece * (65536 // len(piece)) + b"x")) == 200


# Dates (13.1.3, 13.1.4).


@pytest.mark.parametrize(("value", "expected"), [(SAME, 304), (AFTER, 304), (BEFORE, 200)])
def test_13_1_3_if_modified_since(value: bytes, expected: int) -> None:
    assert status((b"if-modified-since", value)) == expected


@pytest.mark.parametrize(("value", "expected"), [(SAME, 200), (AFTER, 200), (BEFORE, 412)])
def test_13_1_4_if_unmodified_since(value: bytes, expected: int) -> None:
    assert status((b"if-unmodified-since", value)) == expected


@pytest.mark.parametrize(
    "value",
    [
        b"", b"0", b"-1", b"yesterday", AFTER.lower(), AFTER + b", " + AFTER, b"Tue, 31 Feb 2040 00:00:00 GMT",
    ],
)
def test_13_1_3_and_4_what_is_no_date_is_ignored(value: bytes) -> None:
    assert status((b"if-modified-since", value)) == 200
    assert status((b"if-unmodified-since", value)) == 200


def test_5_6_7_the_obsolete_dates_count() -> None:
    assert status((b"if-modified-since", b"Sunday, 06-Nov-94 08:49:37 GMT")) == 304
    assert status((b"if-modified-since", b"Sun Nov  6 08:49:37 1994")) == 304


# Precedence (13.2.2).


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        # 1. If-Match decides, and If-Unmodified-Since is not asked (13.1.4).
        ({b"if-match": TAG, b"if-unmodified-since": BEFORE}, 200),
        ({b"if-match": b'"x"', b"if-unmodified-since": AFTER}, 412),
        # 1, 2 false: nothing behind it counts.
        ({b"if-match": b'"x"', b"if-none-match": TAG}, 412),
        ({b"if-unmodified-since": BEFORE, b"if-none-match": TAG}, 412),
        # 1, 2 true: on to 3 and 4.
        ({b"if-match": TAG, b"if-none-match": TAG}, 304),
        ({b"if-match": TAG, b"if-modified-since": SAME}, 304),
        ({b"if-unmodified-since": SAME, b"if-modified-since": SAME}, 304),
        # 3. If-None-Match decides, and If-Modified-Since is not asked (13.1.3).
        ({b"if-none-match": b'"x"', b"if-modified-since": AFTER}, 200),
        ({b"if-none-match": TAG, b"if-modified-since": BEFORE}, 304),
        ({b"if-none-match": b"nonsense", b"if-modified-since": AFTER}, 200),
        # 5. If-Range is a matter of Range alone.
        ({b"if-range": b'"x"'}, 200),
        ({}, 200),
    ],
)
def test_13_2_2_precedence(fields: dict[bytes, bytes], expected: int) -> None:
    assert status(*fields.items()) == expected
    assert status(*reversed(fields.items())) == expected
