"""RFC 9110 section 13: conditional requests, each field by itself and in their order of precedence."""

from __future__ import annotations

import pytest
from support.client import Client, Response, get
from support.fixtures import Ask
from support.running import Running
from support.webroot import CONTENT

from tuxpy.http import httpdate

OTHER = '"other"'
EARLIER = "Sun, 06 Nov 1994 08:49:36 GMT"
SAME = "Sun, 06 Nov 1994 08:49:37 GMT"
LATER = "Sun, 06 Nov 1994 08:49:38 GMT"
FUTURE = "Fri, 31 Dec 9999 23:59:59 GMT"


@pytest.fixture
def whole(server: Running) -> Response:
    with Client(server.address) as client:
        return client.ask(get("/notes.txt"))


@pytest.fixture
def tag(whole: Response) -> str:
    return whole[b"etag"].decode()


def status(ask: Ask, *fields: str, method: str = "GET") -> int:
    answer = ask(get("/notes.txt", *fields, method=method))
    assert (answer.body == CONTENT["notes.txt"]) == (answer.status == 200 and method == "GET")
    return answer.status


@pytest.mark.parametrize(
    "condition",
    ["TAG", "W/TAG", "*", f"{OTHER}, TAG", f"TAG,{OTHER}", f"W/{OTHER}, W/TAG", '"a,b" ,, TAG,', "\t TAG \t"],
)
def test_9110_13_1_2_if_none_match_is_304(ask: Ask, tag: str, condition: str) -> None:
    """Compared weakly; a list is a list, empty members and all (5.6.1)."""
    condition = condition.replace("TAG", tag)
    assert status(ask, f"If-None-Match: {condition}") == 304
    assert status(ask, f"If-None-Match: {condition}", method="HEAD") == 304


@pytest.mark.parametrize("condition", [OTHER, f"W/{OTHER}", '""', "nonsense", "TAGx", "w/TAG", '"*"', "*, TAG"])
def test_9110_13_1_2_if_none_match_that_names_another_is_200(ask: Ask, tag: str, condition: str) -> None:
    assert status(ask, "If-None-Match: " + condition.replace("TAG", tag)) == 200


def test_9110_13_1_2_if_none_match_over_several_lines(ask: Ask, tag: str) -> None:
    """RFC 9110 5.3: lines of one field are one list."""
    assert status(ask, f"If-None-Match: {OTHER}", f"If-None-Match: {tag}") == 304


def test_9110_13_1_2_an_opaque_tag_is_compared_by_every_byte(ask: Ask, tag: str) -> None:
    assert status(ask, f"If-None-Match: {tag.upper() if tag.upper() != tag else tag.lower()}") == 200
    assert status(ask, f"If-None-Match: {tag.strip(chr(34))}") == 200


def test_9110_15_4_5_a_304_has_what_a_cache_needs(ask: Ask, whole: Response, tag: str) -> None:
    """RFC 9110 15.4.5: MUST generate Date and ETag, if the 200 would have had them; no content."""
    answer = ask(get("/notes.txt", f"If-None-Match: {tag}"))
    assert answer.status == 304
    assert answer[b"etag"] == whole[b"etag"]
    assert b"content-length" not in answer or answer[b"content-length"] == whole[b"content-length"]  # RFC 9110 8.6


DATES = [
    SAME,
    LATER,
    FUTURE,  # RFC 9110 13.1.3 asks nothing of a date that has yet to come: the file has not changed since
    "Sunday, 06-Nov-94 08:49:37 GMT",  # RFC 9110 5.6.7: recipients MUST accept the obsolete forms too
    "Sun Nov  6 08:49:37 1994",
    "Sun, 06 Nov 1994 08:49:37 GMT",
]
NO_DATES = [
    "yesterday",
    "",
    "0",
    SAME + ", " + SAME,
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 08:49:37 +0000",
    "Sun, 06 Nov 1994 24:49:37 GMT",
    "Sun, 31 Feb 2100 08:49:37 GMT",
    "sun, 06 nov 1994 08:49:37 gmt",
    "Sun, 6 Nov 2094 08:49:37 GMT",
]


@pytest.mark.parametrize("date", DATES)
def test_9110_13_1_3_if_modified_since_is_304(ask: Ask, date: str) -> None:
    assert status(ask, f"If-Modified-Since: {date}") == 304


@pytest.mark.parametrize("date", [EARLIER, "Saturday, 05-Nov-94 08:49:37 GMT", "Thu Jan  1 00:00:00 1970", *NO_DATES])
def test_9110_13_1_3_if_modified_since_is_200(ask: Ask, date: str) -> None:
    """A recipient MUST ignore the field if its value is no valid HTTP-date, or holds more than one member."""
    assert status(ask, f"If-Modified-Since: {date}") == 200


def test_9110_13_1_3_what_was_said_can_be_asked(ask: Ask, whole: Response) -> None:
    """RFC 9110 8.8.2: Last-Modified, sent back, names the same version."""
    assert status(ask, f"If-Modified-Since: {whole[b'last-modified'].decode()}") == 304
    seconds = httpdate.parse(whole[b"last-modified"])
    assert seconds is not None
    assert status(ask, f"If-Modified-Since: {httpdate.format(seconds - 1).decode()}") == 200


@pytest.mark.parametrize("condition", ["TAG", "*", f"{OTHER}, TAG", f"W/{OTHER},TAG"])
def test_9110_13_1_1_if_match_that_holds(ask: Ask, tag: str, condition: str) -> None:
    assert status(ask, "If-Match: " + condition.replace("TAG", tag)) == 200


@pytest.mark.parametrize("condition", [OTHER, "W/TAG", '""', "nonsense"])
def test_9110_13_1_1_if_match_that_fails_is_412(ask: Ask, tag: str, condition: str) -> None:
    """Compared strongly: a weak tag never matches."""
    condition = condition.replace("TAG", tag)
    assert status(ask, f"If-Match: {condition}") == 412
    assert status(ask, f"If-Match: {condition}", method="HEAD") == 412


@pytest.mark.parametrize(
    ("date", "expected"), [(EARLIER, 412), (SAME, 200), (LATER, 200), (FUTURE, 200), *((d, 200) for d in NO_DATES)]
)
def test_9110_13_1_4_if_unmodified_since(ask: Ask, date: str, expected: int) -> None:
    assert status(ask, f"If-Unmodified-Since: {date}") == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        # 1. If-Match decides, and If-Unmodified-Since is not looked at.
        (("If-Match: TAG", f"If-Unmodified-Since: {EARLIER}"), 200),
        ((f"If-Match: {OTHER}", f"If-Unmodified-Since: {LATER}"), 412),
        # 3. If-None-Match decides, and If-Modified-Since is not looked at.
        (("If-None-Match: TAG", f"If-Modified-Since: {EARLIER}"), 304),
        ((f"If-None-Match: {OTHER}", f"If-Modified-Since: {LATER}"), 200),
        # What comes first may end it, and otherwise the next is looked at.
        ((f"If-Match: {OTHER}", "If-None-Match: TAG"), 412),
        (("If-Match: TAG", "If-None-Match: TAG"), 304),
        (("If-None-Match: TAG", f"If-Match: {OTHER}"), 412),
        ((f"If-Unmodified-Since: {EARLIER}", "If-None-Match: TAG"), 412),
        ((f"If-Unmodified-Since: {LATER}", f"If-Modified-Since: {LATER}"), 304),
        (("If-Match: TAG", f"If-Modified-Since: {LATER}"), 304),
    ],
)
def test_9110_13_2_2_precedence(ask: Ask, tag: str, fields: tuple[str, ...], expected: int) -> None:
    assert status(ask, *(field.replace("TAG", tag) for field in fields)) == expected


@pytest.mark.parametrize("field", ["If-Match: *", "If-None-Match: *", f"If-Modified-Since: {LATER}", 'If-Match: "x"'])
@pytest.mark.parametrize(("target", "expected"), [("/nothing", 404), ("/docs", 301), ("/.env", 404)])
def test_9110_13_2_1_no_condition_changes_what_is_no_success(ask: Ask, field: str, target: str, expected: int) -> None:
    """RFC 9110 13.2.1: a server MUST ignore all received preconditions if its response without them would have been
    other than 2xx or 412."""
    assert ask(get(target, field)).status == expected


def test_9110_13_1_5_if_range_without_range_is_ignored(ask: Ask, tag: str) -> None:
    assert status(ask, f"If-Range: {tag}") == 200
