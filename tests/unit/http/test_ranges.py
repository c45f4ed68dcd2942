"""ranges.py: RFC 9110 sections 13.1.5 and 14."""

from __future__ import annotations

import email
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxpy.http import httpdate, ranges
from tuxpy.http.ranges import ASKED_MAX, GAP_MAX, RANGES_MAX, UNSATISFIABLE, Slice, select
from tuxpy.site.response_chain import PARTS_MAX

SIZE = 10_000
ETAG = b'"a-1-2"'
HTML = b"text/html; charset=utf-8"


def spans(value: bytes, size: int = SIZE) -> list[tuple[int, int]]:
    """(first, last) of each slice of a field that selects some."""
    selected = select(value, size)
    assert isinstance(selected, tuple), selected
    return [(part.offset, part.last) for part in selected]


# One range (14.1.2).


@pytest.mark.parametrize(
    ("value", "first", "last"),
    [
        (b"bytes=0-499", 0, 499),  # the RFC's own examples, from here
        (b"bytes=500-999", 500, 999),
        (b"bytes=-500", 9500, 9999),
        (b"bytes=9500-", 9500, 9999),  # to here
        (b"bytes=0-0", 0, 0),
        (b"bytes=-1", 9999, 9999),
        (b"bytes=9999-", 9999, 9999),
        (b"bytes=9999-9999", 9999, 9999),
        (b"bytes=9990-10000", 9990, 9999),  # "or greater than or equal to the current length"
        (b"bytes=0-9999999999999999999", 0, 9999),
        (b"bytes=-10001", 0, 9999),  # a suffix longer than the file is the whole of it
        (b"bytes=-9999999999999999999", 0, 9999),
        (b"bytes=007-08", 7, 8),  # 1*DIGIT says nothing against zeros in front
    ],
)
def test_14_1_2_a_range_selects_its_bytes(value: bytes, first: int, last: int) -> None:
    assert spans(value) == [(first, last)]


@pytest.mark.parametrize("value", [b"bytes=0-", b"bytes=0-9999", b"bytes=-10000", b"bytes=0-4999,5000-"])
def test_15_3_7_the_whole_file_as_a_range_is_a_part_all_the_same(value: bytes) -> None:
    assert select(value, SIZE) == (Slice(0, SIZE),)


def test_14_1_the_name_of_the_unit_is_case_insensitive() -> None:
    assert spans(b"BYTES=1-2") == spans(b"Bytes=1-2") == [(1, 2)]


# What is ignored (14.2).


@pytest.mark.parametrize("value", [b"seconds=0-1", b"byte=0-1", b"bytess=0-1", b"none=0-1", b"items=0-1, 3-4"])
def test_14_2_an_unknown_unit_is_ignored(value: bytes) -> None:
    assert select(value, SIZE) is None


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"bytes",
        b"bytes=",
        b"bytes=-",
        b"bytes=,",
        b"bytes= , ,",
        b"bytes:0-1",
        b"bytes 0-1",
        b"bytes =0-1",
        b"bytes= 0-1",  # no white space in a ranges-specifier but around its commas
        b" bytes=0-1",
        b"bytes=0",
        b"bytes=0-1-2",
        b"bytes=--1",
        b"bytes=0--1",
        b"bytes=+0-1",
        b"bytes=0-+1",
        b"bytes=0x0-0x1",
        b"bytes=1_0-2_0",
        b"bytes=0 - 1",
        b"bytes=0-1;2-3",
        b"bytes=a-b",  # 14.1.1: an other-range, and not one of this unit
        b"bytes=*",
        b"bytes=0-1/10000",
        b"bytes=0-1\x00",
        b"bytes=0-1\n",
        b"bytes=0-1, bytes=2-3",  # two lines of the field, joined
        "bytes=\u0660-\u0661".encode(),  # digits, but not DIGIT
        "bytes=0\u20131".encode(),
    ],
)
def test_14_1_1_what_is_no_range_set_is_ignored(value: bytes) -> None:
    assert select(value, SIZE) is None


@pytest.mark.parametrize("value", [b"bytes=2-1", b"bytes=10001-10000", b"bytes=0-1,5-4", b"bytes=5-4,0-1"])
def test_14_1_1_a_range_that_ends_before_it_begins_spoils_the_set(value: bytes) -> None:
    """ "A ranges-specifier is invalid if it contains any range-spec that is invalid" """
    assert select(value, SIZE) is None


@pytest.mark.parametrize("value", [b"bytes=0-%b", b"bytes=-%b", b"bytes=%b-", b"bytes=0-1,%b-"])
@pytest.mark.parametrize("digits", [b"1" + b"0" * 19, b"0" * 20, b"9" * 5000])
def test_14_1_2_a_number_of_20_digits_is_ignored_and_never_converted(value: bytes, digits: bytes) -> None:
    """ "recipients MUST anticipate potentially large decimal numerals" """
    assert select(value % digits, SIZE) is None


def test_14_2_a_file_without_content_has_no_parts() -> None:
    """ "MAY ignore a Range header field when the selected representation has no content" """
    for value in (b"bytes=0-", b"bytes=0-0", b"bytes=-1", b"bytes=-0", b"bytes=5-6"):
        assert select(value, 0) is None


# What cannot be satisfied (15.5.17).


@pytest.mark.parametrize(
    "value", [b"bytes=10000-", b"bytes=10000-10001", b"bytes=-0", b"bytes=-0,20000-", b"bytes=9999999999999999999-"]
)
def test_15_5_17_a_set_with_nothing_in_the_file_is_unsatisfiable(value: bytes) -> None:
    assert select(value, SIZE) is UNSATISFIABLE


def test_14_1_2_one_range_in_the_file_is_enough() -> None:
    assert spans(b"bytes=20000-, 5-6, -0") == [(5, 6)]


# Several ranges (14.1.2, 15.3.7.2).


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"bytes=0-0,-1", [(0, 0), (9999, 9999)]),  # the RFC's own examples, from here
        (b"bytes= 0-999, 4500-5499, -1000".replace(b"= ", b"="), [(0, 999), (4500, 5499), (9000, 9999)]),
        (b"bytes=500-600,601-999", [(500, 999)]),
        (b"bytes=500-700,601-999", [(500, 999)]),  # to here
        (b"bytes=,0-1 ,\t,, 500-501,", [(0, 1), (500, 501)]),  # 5.6.1.2: empty members
    ],
)
def test_14_1_2_several_ranges(value: bytes, expected: list[tuple[int, int]]) -> None:
    assert spans(value) == expected


def test_15_3_7_2_parts_stand_in_the_order_of_the_field() -> None:
    assert spans(b"bytes=-5, 500-509, 0-9") == [(9995, 9999), (500, 509), (0, 9)]


def test_15_3_7_2_what_was_joined_stands_where_its_first_range_stood() -> None:
    assert spans(b"bytes=5000-5009, 300-309, 9000-9001, 200-310, 5010-5019") == [(5000, 5019), (200, 310), (9000, 9001)]


def test_15_3_7_2_a_small_gap_is_cheaper_to_send_than_a_head() -> None:
    assert spans(b"bytes=0-9,%d-%d" % (10 + GAP_MAX, 200)) == [(0, 200)]
    assert spans(b"bytes=0-9,%d-%d" % (11 + GAP_MAX, 200)) == [(0, 9), (11 + GAP_MAX, 200)]


def test_14_2_no_byte_is_sent_twice() -> None:
    assert spans(b"bytes=" + b",".join([b"0-"] * ASKED_MAX)) == [(0, 9999)]
    assert spans(b"bytes=0-, 5-, 1-2, -7, 0-9999") == [(0, 9999)]


def test_15_3_7_of_more_slices_than_a_chain_has_room_for_the_first_are_served() -> None:
    apart = [b"%d-%d" % (i * 1000, i * 1000) for i in range(RANGES_MAX + 1)]
    assert len(spans(b"bytes=" + b",".join(apart[:-1]))) == RANGES_MAX
    assert spans(b"bytes=" + b",".join(apart)) == spans(b"bytes=" + b",".join(apart[:-1]))
    assert 2 * RANGES_MAX + 1 <= PARTS_MAX


def test_17_15_more_ranges_than_anybody_needs_are_ignored() -> None:
    together = [b"%d-%d" % (i, i) for i in range(ASKED_MAX + 1)]
    assert spans(b"bytes=" + b",".join(together[:-1])) == [(0, ASKED_MAX - 1)]
    assert select(b"bytes=" + b",".join(together), SIZE) is None
    assert select(b"bytes=0-1" + b"," * ASKED_MAX, SIZE) is None


NUMBERS = st.one_of(st.integers(0, 1500), st.integers(0, 10**19 - 1))
SPECS = st.one_of(
    st.tuples(NUMBERS, NUMBERS).map(lambda pair: (min(pair), max(pair))),
    st.tuples(NUMBERS, st.none()),
    st.tuples(st.none(), NUMBERS),
)
Spec = tuple["int | None", "int | None"]


def written(specs: list[Spec]) -> bytes:
    words = [f"{'' if first is None else first}-{'' if last is None else last}" for first, last in specs]
    return f"bytes={','.join(words)}".encode()


def wanted(spec: Spec, size: int) -> range:
    """The bytes that a range-spec means, in the words of 14.1.2."""
    first, last = spec
    if first is None:
        assert last is not None
        return range(max(0, size - last), size)
    return range(first, size if last is None else min(last + 1, size))


@given(st.lists(SPECS, min_size=1, max_size=20), st.integers(1, 1200))
def test_15_3_7_2_slices_are_what_was_asked_with_small_gaps_closed(specs: list[Spec], size: int) -> None:
    asked = {byte for spec in specs for byte in wanted(spec, size)}
    ordered = sorted(asked)
    for one, next_ in pairwise(ordered):
        if next_ - one - 1 <= GAP_MAX:
            asked.update(range(one, next_))
    selected = select(written(specs), size)
    if not ordered:
        assert selected is UNSATISFIABLE
        return
    assert isinstance(selected, tuple)
    assert 1 <= len(selected) <= RANGES_MAX
    assert all(part.length > 0 and part.offset >= 0 and part.last < size for part in selected)
    sent = [byte for part in selected for byte in range(part.offset, part.offset + part.length)]
    assert len(sent) == len(set(sent)) <= size
    assert set(sent) == asked if len(selected) < RANGES_MAX else set(sent) <= asked
    # The order is that of the first range that went into each slice.
    starts = [min(wanted(spec, size), default=-1) for spec in specs]
    first_asked = [
        next(place for place, start in enumerate(starts) if part.offset <= start <= part.last) for part in selected
    ]
    assert first_asked == sorted(first_asked)


@given(st.one_of(st.binary(max_size=40), st.binary(max_size=40).map(lambda tail: b"bytes=" + tail)), st.integers(0, 99))
def test_14_2_no_value_raises(value: bytes, size: int) -> None:
    selected = select(value, size)
    assert selected is None or selected is UNSATISFIABLE or isinstance(selected, tuple)


@given(st.text("0123456789-, \t+", max_size=30), st.integers(1, 99))
def test_14_2_no_nearly_sound_value_leaves_the_file(tail: str, size: int) -> None:
    selected = select(b"bytes=" + tail.encode(), size)
    if isinstance(selected, tuple):
        assert sum(part.length for part in selected) <= size
        assert all(0 <= part.offset <= part.last < size for part in selected)


@pytest.mark.parametrize("piece", [b"0-1,", b",", b"1", b"-", b" ", b"0-1 ,\t", b"0-"])
def test_17_15_a_field_of_64_kib_costs_no_time(piece: bytes) -> None:
    """Milliseconds; what tries pairs of places would take half a minute of the processor."""
    began = time.process_time()
    select(b"bytes=" + piece * (65536 // len(piece)) + b"x", SIZE)
    assert time.process_time() - began < 2


# If-Range (13.1.5).

MODIFIED = 784111777
DATE = httpdate.format(MODIFIED)


def holds(value: bytes, etag: bytes = ETAG, modified_s: int = MODIFIED, now_s: int = MODIFIED + 60) -> bool:
    return ranges.if_range_holds(value, etag, modified_s, now_s)


@pytest.mark.parametrize(
    ("value", "etag", "expected"),
    [
        (ETAG, ETAG, True),
        (b'"x"', ETAG, False),
        (b'""', b'""', True),
        (b"W/" + ETAG, ETAG, False),  # 8.8.3.2: the strong comparison, as its table has it
        (ETAG, b"W/" + ETAG, False),
        (b"W/" + ETAG, b"W/" + ETAG, False),
        (ETAG + b", " + ETAG, ETAG, False),  # one tag, not a list
        (b"*", ETAG, False),
        (ETAG[1:-1], ETAG, False),
        (b"", ETAG, False),
        (b'"A-1-2"', ETAG, False),
        (b'"a-1-2-br"', ETAG, False),  # a part of another variant
    ],
)
def test_13_1_5_an_entity_tag_is_compared_strongly(value: bytes, etag: bytes, expected: bool) -> None:
    assert holds(value, etag) is expected


@pytest.mark.parametrize(("off_by", "expected"), [(0, True), (1, False), (-1, False)])
def test_13_1_5_a_date_must_match_exactly(off_by: int, expected: bool) -> None:
    assert holds(httpdate.format(MODIFIED + off_by)) is expected


@pytest.mark.parametrize(("age_s", "expected"), [(-5, False), (0, False), (1, True), (60, True)])
def test_8_8_2_2_a_date_is_strong_from_the_second_after_it(age_s: int, expected: bool) -> None:
    assert holds(DATE, now_s=MODIFIED + age_s) is expected


def test_5_6_7_the_obsolete_forms_of_the_date_are_read_too() -> None:
    assert holds(b"Sunday, 06-Nov-94 08:49:37 GMT")
    assert holds(b"Sun Nov  6 08:49:37 1994")


def test_13_1_5_a_file_older_than_1970_has_no_last_modified_to_match() -> None:
    assert not holds(b"Wed, 31 Dec 1969 23:59:59 GMT", modified_s=-1)


@pytest.mark.parametrize("value", [b"yesterday", DATE + b" ", DATE.lower(), DATE + b", " + DATE, b"784111777"])
def test_13_1_5_what_is_neither_does_not_hold(value: bytes) -> None:
    assert not holds(value)


@given(st.binary(max_size=40))
def test_13_1_5_no_value_raises(value: bytes) -> None:
    assert holds(value) in (False, value == ETAG)


# Content-Range (14.4).


def test_14_4_content_range() -> None:
    assert ranges.content_range(Slice(42, 1192), 1234) == b"bytes 42-1233/1234"
    assert ranges.content_range(Slice(0, 1), 1) == b"bytes 0-0/1"
    assert ranges.unsatisfied(1234) == b"bytes */1234"


# multipart/byteranges (14.6).


def framed(frame: ranges.Multipart, slices: tuple[Slice, ...], content: bytes) -> bytes:
    """The body as it goes out."""
    pieces = [
        head + content[part.offset : part.offset + part.length]
        for head, part in zip(frame.heads, slices, strict=True)
    ]
    return b"".join(pieces) + frame.closing


def test_14_6_a_multipart_body_to_the_byte() -> None:
    slices = (Slice(8, 2), Slice(0, 3))
    frame = ranges.multipart(slices, 10, b"text/plain", ETAG)
    assert framed(frame, slices, b"0123456789").replace(frame.boundary, b"SEP") == (
        b"\r\n--SEP\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n89\r\n"
        b"--SEP\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-2/10\r\n\r\n012\r\n"
        b"--SEP--\r\n"
    )
    assert frame.media_type == b"multipart/byteranges; boundary=" + frame.boundary


CONTENT = st.binary(min_size=1, max_size=600)
CUTS = st.lists(st.tuples(st.integers(0, 599), st.integers(1, 600)), min_size=1, max_size=RANGES_MAX)


@given(CONTENT, CUTS)
def test_14_6_the_length_is_that_of_the_bytes_and_they_read_back(content: bytes, cuts: list[tuple[int, int]]) -> None:
    size = len(content)
    offsets = [offset % size for offset, _ in cuts]
    slices = tuple(
        Slice(offset, min(length, size - offset)) for offset, (_, length) in zip(offsets, cuts, strict=True)
    )
    frame = ranges.multipart(slices, size, HTML, ETAG)
    body = framed(frame, slices, content)
    assert len(body) == frame.length
    assert body.endswith(frame.closing)
    # By the grammar of RFC 2046 5.1.1.
    first, *parts, rest = body.split(b"\r\n--" + frame.boundary)
    assert (first, rest) == (b"", b"--\r\n")
    read = []
    for part in parts:
        head, _, data = part.partition(b"\r\n\r\n")
        fields = email.message_from_bytes(head.removeprefix(b"\r\n") + b"\r\n\r\n")
        assert fields.items() == [("Content-Type", HTML.decode()), ("Content-Range", fields["Content-Range"])]
        read.append((fields["Content-Range"], data))
    assert read == [
        (ranges.content_range(part, size).decode(), content[part.offset : part.offset + part.length])
        for part in slices
    ]


def test_14_6_another_reader_finds_the_same_parts() -> None:
    slices = (Slice(0, 5), Slice(500, 7))
    content = bytes(range(32, 127)) * 10
    frame = ranges.multipart(slices, len(content), b"text/plain", ETAG)
    body = framed(frame, slices, content)
    message = email.message_from_bytes(b"Content-Type: " + frame.media_type + b"\r\n\r\n" + body)
    assert message.get_content_type() == "multipart/byteranges"
    assert not message.defects
    payload = message.get_payload()
    assert isinstance(payload, list)
    read = [str(part.get_payload()).encode() for part in payload]  # type: ignore[union-attr]
    assert read == [content[part.offset : part.offset + part.length] for part in slices]


def test_14_6_the_boundary_is_the_same_for_the_same_answer_and_for_no_other() -> None:
    one, two = Slice(0, 5), Slice(500, 7)

    def boundary(*slices: Slice, etag: bytes = ETAG, key: bytes = b"key") -> bytes:
        return ranges.multipart(slices, SIZE, HTML, etag, key).boundary

    assert boundary(one, two) == boundary(one, two)
    others = {boundary(one, two), boundary(two, one), boundary(one), boundary(one, two, etag=b'"x"')}
    assert len(others | {boundary(one, two, key=b"another process")}) == 5
    assert ranges.multipart((one, two), SIZE, HTML, ETAG) == ranges.multipart((one, two), SIZE, HTML, ETAG)


def test_14_6_the_boundary_needs_no_quotes() -> None:
    """RFC 2046 5.1.1: at most 70 characters; RFC 9110 5.6.2: a token."""
    assert ranges.multipart((Slice(0, 1),), 1, HTML, ETAG).boundary.isalnum()
    assert len(ranges.multipart((Slice(0, 1),), 1, HTML, ETAG).boundary) == 32
