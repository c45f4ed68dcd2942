"""errors.py: two families, and what each carries."""

from __future__ import annotations

import errno
import os

import pytest

from tuxpy.errors import ConfigError, EngineError, PeerError, TuxError


@pytest.mark.parametrize("error", [PeerError("x"), ConfigError("x"), EngineError("x", errno.EIO)])
def test_the_root_catches_all_of_them(error: Exception) -> None:
    assert isinstance(error, TuxError)


def test_what_the_peer_did_has_a_status_and_400_is_the_general_one() -> None:
    """RFC 9110 15.5.1: 400 for what is perceived to be a client error and has no status of its own."""
    assert PeerError("x").status_hint == 400
    assert PeerError("x", 431).status_hint == 431


def test_an_engine_error_says_number_and_words() -> None:
    error = EngineError("io_uring_setup", errno.EPERM)
    assert error.errno == errno.EPERM
    assert str(error) == f"io_uring_setup: {os.strerror(errno.EPERM)} (errno {errno.EPERM})"
