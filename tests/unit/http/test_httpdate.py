"""httpdate.py against RFC 9110 section 5.6.7."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tuxpy.http import httpdate

THE_EXAMPLE = 784111777  # 1994-11-06T08:49:37Z, the RFC's own
SECONDS = st.integers(0, httpdate.LATEST_S)


@pytest.mark.parametrize(
    "value",
    [b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994"],
    ids=["IMF-fixdate", "RFC 850", "asctime"],
)
def test_5_6_7_all_three_forms_are_read(value: bytes) -> None:
    assert httpdate.parse(value, 2024) == THE_EXAMPLE


def test_5_6_7_imf_fixdate_is_what_a_sender_writes() -> None:
    assert httpdate.format(THE_EXAMPLE) == b"Sun, 06 Nov 1994 08:49:37 GMT"


@given(SECONDS)
@example(0)
@example(951782400)  # 29 February 2000
@example(httpdate.LATEST_S)
def test_5_6_7_writing_and_reading_are_inverse(seconds: int) -> None:
    written = httpdate.format(seconds)
    assert len(written) == httpdate.LENGTH
    assert httpdate.parse(written) == seconds


@given(st.integers(0, 2**32))
def test_5_6_7_written_as_the_standard_library_writes_it(seconds: int) -> None:
    assert httpdate.format(seconds).decode() == formatdate(seconds, usegmt=True)


@given(SECONDS)
def test_5_6_7_the_obsolete_forms_say_the_same(seconds: int) -> None:
    day, date, month, year, time, _ = httpdate.format(seconds).replace(b",", b"").decode().split()
    asctime = f"{day} {month} {date.lstrip('0'):>2} {time} {year}"
    assert httpdate.parse(asctime.encode()) == seconds
    long_day = {"Tue": "Tuesday", "Wed": "Wednesday", "Thu": "Thursday", "Sat": "Saturday"}.get(day, f"{day}day")
    rfc850 = f"{long_day}, {date}-{month}-{year[2:]} {time} GMT"
    assert httpdate.parse(rfc850.encode(), int(year)) == seconds


@pytest.mark.parametrize(("two_digits", "year"), [(94, 1994), (26, 2026), (76, 2076), (77, 1977), (0, 2000)])
def test_5_6_7_a_two_digit_year_more_than_50_years_ahead_is_in_the_past(two_digits: int, year: int) -> None:
    value = b"Friday, 01-Mar-%02d 00:00:00 GMT" % two_digits
    full = httpdate.parse(value, 2026)
    assert full is not None
    assert httpdate.format(full)[12:16] == b"%d" % year


def test_5_6_7_a_leap_second_is_in_the_grammar() -> None:
    assert httpdate.parse(b"Sat, 31 Dec 2016 23:59:60 GMT") == httpdate.parse(b"Sun, 01 Jan 2017 00:00:00 GMT")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"0",
        b"sun, 06 Nov 1994 08:49:37 GMT",  # "HTTP-date is case sensitive"
        b"Sun, 06 nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49:37 gmt",
        b"Sun, 06 Nov 1994 08:49:37 UTC",
        b"Sun, 06 Nov 1994 08:49:37 +0000",
        b"Sun, 06 Nov 1994 08:49:37",
        b"Sun,  06 Nov 1994 08:49:37 GMT",
        b" Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49:37 GMT\n",
        b"Sun, 6 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 94 08:49:37 GMT",
        b"Sun, 31 Nov 1994 08:49:37 GMT",
        b"Tue, 29 Feb 2023 00:00:00 GMT",
        b"Sun, 00 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 0000 08:49:37 GMT",
        b"Sun, 06 Nov 1994 24:00:00 GMT",
        b"Sun, 06 Nov 1994 08:60:37 GMT",
        b"Sun, 06 Nov 1994 08:49:61 GMT",
        b"Sun, +6 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49:37 GMT; length=5",
        b"Sun Nov   6 08:49:37 1994",
        b"Sun Nov  6 08:49:37 1994 GMT",
        b"Sun, 06-Nov-94 08:49:37 GMT",  # RFC 850 has the day in full
        "Sun, \u0660\u0666 Nov 1994 08:49:37 GMT".encode(),  # digits, but not DIGIT
    ],
)
def test_5_6_7_anything_else_is_no_date(value: bytes) -> None:
    assert httpdate.parse(value) is None


@given(st.binary(max_size=40))
def test_5_6_7_no_bytes_raise(value: bytes) -> None:
    httpdate.parse(value)


@given(SECONDS, st.integers(0, 28), st.integers(0, 255))
def test_5_6_7_one_wrong_byte_is_no_date_or_a_real_other_one(seconds: int, at: int, byte: int) -> None:
    """Whatever is read can be written: nothing is read that has no time on the calendar."""
    written = bytearray(httpdate.format(seconds))
    written[at] = byte
    read = httpdate.parse(bytes(written))
    assert read is None or -(10**12) < read <= httpdate.LATEST_S + 1
