"""What never runs: calls that are forbidden, calls of another engine, bytes that were tampered with."""

from __future__ import annotations

import errno
import sys

import pytest

from tuxpy.atoms import CALLS, Chain, ChainError, Frozen, Reason
from tuxpy.atoms.calls import REFUSED
from tuxpy.engine.inline import run_inline
from tuxpy.engine.native import load_bytes
from tuxpy.errors import EngineError

from .rig import Rig, opened

NAMED = "fork vfork clone clone3 execve execveat setuid setgid setresuid chdir fchdir chroot io_uring_enter exit kill"
HTTP = [call.name for call in CALLS.values() if call.http]


@pytest.mark.parametrize("name", NAMED.split())
def test_forbidden_calls_are_refused_by_name(name: str) -> None:
    """Before there is a chain that could run; the reason is told."""
    c = Chain("bad")
    with pytest.raises(ChainError, match=rf"atom {name}: {name} is refused: {REFUSED[name][:20]}"):
        c.add(name)
    assert c._steps == []


def test_calls_that_nobody_knows_are_told_from_forbidden_ones() -> None:
    with pytest.raises(ChainError, match="there is no call frobnicate; choose from getpid"):
        Chain("bad").add("frobnicate")


def chain_of(call: str) -> Frozen:
    c = Chain("http")
    c.add(call, *[c.int(name) for name in CALLS[call].parameters])
    return c.freeze()


@pytest.mark.parametrize("call", HTTP)
def test_calls_of_a_connection_do_not_run_in_place(call: str) -> None:
    assert HTTP == ["recv_head", "decide", "respond", "discard", "recv_proxy"]
    with pytest.raises(EngineError, match=rf"chain http: atom 0: call {CALLS[call].number} is not on the white list"):
        run_inline(chain_of(call))


def altered(call_number: int) -> bytes:
    """A chain of getpid whose call has been made another."""
    c = Chain("getpid")
    c.getpid()
    encoded = bytearray(c.freeze().encode())
    assert int.from_bytes(encoded[32:34], sys.byteorder) == CALLS["getpid"].number
    encoded[32:34] = call_number.to_bytes(2, sys.byteorder)
    return bytes(encoded)


@pytest.mark.parametrize("number", [37, 47, 56, 57, 59, 63, 64, 105, 0xFFFF])
def test_bytes_with_other_calls_are_refused_by_c(number: int) -> None:
    """Python's checker never sees these. The numbers of clone, fork and execve among them are none of ours."""
    for http in False, True:
        with pytest.raises(EngineError, match=r"call [0-9]+ is not on the white list") as refused:
            load_bytes("bad", altered(number), http)
        assert refused.value.errno == errno.EINVAL


def test_an_engine_refuses_what_would_loop_without_waiting(rig: Rig) -> None:
    c = Chain("endless", budget=5)
    c.umem_add(c.int("n"), 1, label="again", next="again")
    encoded = bytearray(c.freeze().encode())
    encoded[12:16] = bytes(4)  # the budget
    with pytest.raises(EngineError, match="an endless loop needs a step budget"):
        load_bytes("endless", bytes(encoded), http=True)


def test_a_refused_chain_leaves_the_engine_as_it_was(rig: Rig) -> None:
    c = Chain("fine")
    c.getpid()
    fine = c.freeze()
    with pytest.raises(EngineError):
        load_bytes("bad", altered(59), http=True)
    rig.engine.submit(fine)
    assert rig.result().reason is Reason.END
    assert rig.metric("submitted") == 1


NOBODY = -1  # is told of anything
BAD_OPENINGS = [
    ({"slots": 0}, "slots is out of range"),
    ({"slots": (1 << 20) + 1}, "slots is out of range"),
    ({"workers": 0}, "workers is out of range"),
    ({"workers": 65}, "workers is out of range"),
    ({"head_bytes_max": 255}, "head_bytes_max is out of range"),
    ({"cache_bytes_max": 0}, "cache_entries_max, cache_bytes_max is out of range"),
    ({"idle_ms": 0}, "head_ms, idle_ms, send_ms is out of range"),
    ({"linger_ms": 0}, "linger_ms is out of range"),
]


@pytest.mark.parametrize(("limits", "why"), BAD_OPENINGS)
def test_an_engine_that_cannot_be_says_why(backend: str, limits: dict[str, int], why: str) -> None:
    """Nothing of it is left: the next one opens."""
    with pytest.raises(EngineError, match=why):
        opened(backend, NOBODY, **limits)
    with Rig(backend) as rig:
        assert rig.engine.backend == backend
