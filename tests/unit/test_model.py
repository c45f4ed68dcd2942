"""model.py: the request's fields by RFC 9110 section 5, and names in sentences."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tuxpy.model import SIGNIFICANT, Refuse, Request, refuse, text

WORDS = Request(
    b"GET", b"/", b"1.1", ((b"connection", b"Keep-Alive,\tfoo"), (b"host", b"a"), (b"connection", b" close"))
)


def test_lines_of_one_name_are_one_value_in_order() -> None:
    """RFC 9110 5.3: several lines are combined with a comma, in the order received."""
    assert WORDS.all(b"connection") == [b"Keep-Alive,\tfoo", b" close"]
    assert WORDS.get(b"connection") == b"Keep-Alive,\tfoo,  close"
    assert WORDS.get(b"range") is None


def test_a_list_has_members_without_white_space_or_empty_ones() -> None:
    """RFC 9110 5.6.1.2: empty members are ignored; 7.6.1: connection options are case-insensitive."""
    assert WORDS.tokens(b"connection") == [b"keep-alive", b"foo", b"close"]
    assert Request(b"GET", b"/", b"1.1", ((b"expect", b" , ,,\t"),)).tokens(b"expect") == []
    assert WORDS.tokens(b"expect") == []


def test_significant_fields_are_names_in_lower_case_and_each_stands_once() -> None:
    """RFC 9110 5.1: names are compared without case, so we keep one case."""
    assert len(set(SIGNIFICANT)) == len(SIGNIFICANT)
    assert all(re.fullmatch(rb"[a-z-]+", name) for name in SIGNIFICANT)


def test_whatever_frames_or_conditions_a_request_is_significant() -> None:
    """RFC 9112 6 and 9, RFC 9110 7.2, 10.1.1 and 13.1: what can change the answer must be in the key."""
    needed = (
        "host connection transfer-encoding content-length expect upgrade range if-range if-match if-none-match "
        "if-modified-since if-unmodified-since accept-encoding"
    )
    assert set(needed.encode().split()) <= set(SIGNIFICANT)


@pytest.mark.slow
def test_values_are_frozen(tmp_path: Path) -> None:
    """By the type checker (values.py), which looks at all of tuxpy."""
    pytest.importorskip("mypy")
    (tmp_path / "changes.py").write_text(
        "from tuxpy.model import Request\n\n\n"
        "def change(request: Request) -> None:\n    request.method = b'HEAD'\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", str(tmp_path / "changes.py")],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=100, check=False,
    )
    assert 'Property "method" defined in "Request" is read-only' in done.stdout, done.stdout + done.stderr


def test_values_are_equal_and_hashable_by_what_they_hold() -> None:
    again = dataclasses.replace(WORDS)
    assert again is not WORDS and again == WORDS and hash(again) == hash(WORDS)


def test_a_refusal_ends_the_connection_in_stages_and_is_not_kept() -> None:
    """RFC 9112 9.6: the last response is followed by a half-close, so the client can still read it."""
    assert refuse(400, "why") == Refuse(status=400, keep=False, linger=True, cacheable=False, why=("why",))


@given(st.binary())
@example(b"\xff\\xff")
@example(b"\xc2\x85\x85\n")
def test_a_name_in_a_sentence_is_printable_and_can_be_read_back(name: bytes) -> None:
    shown = text(name)
    assert shown.isprintable()
    assert _read_back(shown) == name


def _read_back(shown: str) -> bytes:
    """Only two escapes exist: a doubled backslash, and a byte."""
    parts = re.findall(r"\\\\|\\x[0-9a-f]{2}|[^\\]", shown)
    assert "".join(parts) == shown
    escapes = {part: b"\\" if part == r"\\" else bytes.fromhex(part[2:]) for part in parts if part[0] == "\\"}
    return b"".join(escapes.get(part, part.encode()) for part in parts)


def test_plain_names_stay_as_they_are() -> None:
    assert text("gr\u00fc\u00df dich.txt".encode()) == "gr\u00fc\u00df dich.txt"
