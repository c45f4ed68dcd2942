"""Slow work on behalf of judgements: done once, elsewhere, and never too much of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import pytest

from tuxpy.engine import Miss
from tuxpy.inline import opener
from tuxpy.judge import judge_miss, too_busy
from tuxpy.model import Answer
from tuxpy.rules.policy import Policy
from tuxpy.site import errands as errands_module
from tuxpy.site import variants
from tuxpy.site.errands import Errands, Later
from tuxpy.site.site import FileChanged, Site

DEADLINE_S = 10


class Door:
    """Work that waits before it, and knocks that are counted."""

    def __init__(self) -> None:
        self.go, self.begun = threading.Event(), threading.Semaphore(0)
        self.knocked = threading.Semaphore(0)
        self.done: list[object] = []

    def knock(self) -> None:
        self.knocked.release()

    def work(self, result: object) -> Callable[[], object]:
        def wait() -> object:
            self.begun.release()
            assert self.go.wait(DEADLINE_S)
            self.done.append(result)
            return result

        return wait

    def await_knocks(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.knocked.acquire(timeout=DEADLINE_S)

    def await_begun(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.begun.acquire(timeout=DEADLINE_S)


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    yield door
    door.go.set()


@pytest.fixture
def errands(door: Door) -> Iterator[Errands[str]]:
    errands: Errands[str] = Errands(2, door.knock)
    yield errands
    door.go.set()
    errands.close()


def asks(errands: Errands[str], key: object, work: Callable[[], object]) -> Later:
    """The Later that a judgement goes up with."""
    with pytest.raises(Later) as raised:
        errands.fetch(key, work)  # type: ignore[arg-type]
    assert raised.value.key == key
    return raised.value


# Without workers.


def test_without_workers_it_is_done_at_once() -> None:
    """No thread, no Later; each time anew."""
    errands, done = Errands[str](), list[int]()
    before = threading.active_count()
    assert [errands.fetch("key", lambda: done.append(1) or len(done)) for _ in range(3)] == [1, 2, 3]
    assert threading.active_count() == before
    assert list(errands.returned()) == []
    errands.close()


def test_without_workers_exceptions_go_straight_up() -> None:
    def fails() -> None:
        raise FileChanged

    with pytest.raises(FileChanged):
        Errands[str]().fetch("key", fails)


# With workers.


def test_later_comes_before_the_work(errands: Errands[str], door: Door) -> None:
    """Nothing is begun by asking."""
    asks(errands, "key", door.work(1))
    assert (errands._pool, list(errands.returned()), door.done) == (None, [], [])


def test_the_result_is_at_hand_while_its_askers_are_dealt_with(errands: Errands[str], door: Door) -> None:
    """And at no other time: whoever comes afterwards has to remember, or to ask again."""
    door.go.set()
    assert errands.put_off(asks(errands, "key", door.work("found")), "ann")
    door.await_knocks()
    dealt = [(who, errands.fetch("key", door.work("never"))) for who in errands.returned()]
    assert (dealt, door.done) == ([("ann", "found")], ["found"])
    asks(errands, "key", door.work("again"))


def test_one_work_for_many(errands: Errands[str], door: Door) -> None:
    """Also for those that come while it is being done; in the order in which they came."""
    for who in ("ann", "bob"):
        assert errands.put_off(asks(errands, "key", door.work(who)), who)
    door.await_begun()
    assert errands.put_off(asks(errands, "key", door.work("eve")), "eve")
    assert list(errands.returned()) == []
    door.go.set()
    door.await_knocks()
    assert list(errands.returned()) == ["ann", "bob", "eve"]
    assert door.done == ["ann"]


def test_other_results_are_not_mixed_up(errands: Errands[str], door: Door) -> None:
    """While one is at hand, another key is Later as before; it may be put off then."""
    door.go.set()
    for key in ("one", "two", "three"):
        assert errands.put_off(asks(errands, key, door.work(f"result {key}")), key)
    door.await_knocks(3)
    seen = []
    for who in errands.returned():
        seen.append(who)
        assert errands.fetch(who, door.work("never")) == f"result {who}"
        for other in {"one", "two", "three", "four"} - {who}:
            asks(errands, other, door.work("more"))
        if len(seen) == 3:
            assert errands.put_off(asks(errands, "four", door.work("result four")), "four")
    assert sorted(seen) == ["one", "three", "two"]
    door.await_knocks()
    assert [errands.fetch(who, door.work("never")) for who in errands.returned()] == ["result four"]


def test_who_needs_the_same_again_gets_it_anew(errands: Errands[str], door: Door) -> None:
    """Put off while its own result is dealt with: that is new work, and nobody is lost."""
    door.go.set()
    assert errands.put_off(asks(errands, "key", door.work(1)), "ann")
    door.await_knocks()
    for who in errands.returned():
        assert errands.put_off(Later("key", door.work(2)), who)
        break
    door.await_knocks()
    assert list(errands.returned()) == ["ann"]
    assert door.done == [1, 2]


@pytest.mark.parametrize("error", [FileChanged(), OSError(24, "none left"), ValueError("odd"), KeyboardInterrupt()])
def test_exceptions_travel(errands: Errands[str], door: Door, error: BaseException) -> None:
    """To each of those who wait, as they are; not into the worker, and not to whoever comes later."""

    def fails() -> None:
        raise error

    for who in ("ann", "bob"):
        assert errands.put_off(Later("key", fails), who)
    door.await_knocks()
    told = []
    for who in errands.returned():
        with pytest.raises(type(error)) as raised:
            errands.fetch("key", fails)
        told.append((who, raised.value is error))
    assert told == [("ann", True), ("bob", True)]
    door.go.set()
    assert errands.put_off(asks(errands, "key", door.work("well")), "ann")
    door.await_knocks()
    assert [errands.fetch("key", fails) for _ in errands.returned()] == ["well"]


def test_9110_15_6_4_no_more_than_the_limit_waits(
    errands: Errands[str], door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting for what is waited for is always allowed; when something has come back there is room again."""
    monkeypatch.setattr(errands_module, "PENDING_MAX", 5)
    accepted = [errands.put_off(Later(number, door.work(number)), str(number)) for number in range(8)]
    assert accepted == [True] * 5 + [False] * 3
    assert errands.put_off(Later(4, door.work("again")), "also")
    door.go.set()
    door.await_knocks(5)
    assert not errands.put_off(Later("more", door.work("more")), "more"), "nobody has been dealt with yet"
    assert sorted(errands.returned()) == ["0", "1", "2", "3", "4", "also"]
    assert errands.put_off(Later("more", door.work("more")), "more")


def test_there_are_no_more_threads_than_workers(errands: Errands[str], door: Door) -> None:
    before = threading.active_count()
    for number in range(6):
        assert errands.put_off(Later(number, door.work(number)), "who")
    door.await_begun(2)
    assert threading.active_count() <= before + 2
    assert not door.begun.acquire(blocking=False)


def test_without_a_thread_it_is_refused(
    errands: Errands[str], door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine has no thread left: whoever asks is told to come back, and nobody waits for ever."""

    def none_left(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    door.go.set()
    with monkeypatch.context() as patch:
        patch.setattr(ThreadPoolExecutor, "_adjust_thread_count", none_left)
        assert not errands.put_off(Later("key", door.work("lost")), "ann")
    assert errands.put_off(Later("key", door.work("found")), "bob")
    door.await_knocks()
    assert [(who, errands.fetch("key", door.work("never"))) for who in errands.returned()] == [("bob", "found")]


# The end.


def test_close_waits_for_what_is_done_and_drops_the_rest(errands: Errands[str], door: Door) -> None:
    """Whoever waited for what was dropped is told so; nothing is begun any more."""
    before = threading.active_count()
    for number in range(5):
        assert errands.put_off(Later(number, door.work(number)), str(number))
    door.await_begun(2)
    closing = threading.Thread(target=errands.close)
    closing.start()
    door.await_knocks(3)
    assert closing.is_alive(), "what is being done is not waited for"
    door.go.set()
    closing.join(DEADLINE_S)
    assert not closing.is_alive()
    assert sorted(map(str, door.done)) == ["0", "1"]
    assert threading.active_count() <= before
    for who in errands.returned():
        if who not in ("0", "1"):
            with pytest.raises(CancelledError):
                errands.fetch(int(who), door.work("never"))


def test_close_any_number_of_times(errands: Errands[str], door: Door) -> None:
    errands.close()
    door.go.set()
    assert errands.put_off(Later("key", door.work(1)), "ann")
    errands.close()
    errands.close()


# What the judge makes of it.


def _miss(head: bytes) -> Miss:
    return Miss(0, 0, 3, 0, 0, head)


def _bytes(answer: Answer) -> bytes:
    return b"".join(cell.content for cell in answer.chain.cells)


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_9110_15_6_4_too_busy_says_when_to_come_back(method: bytes) -> None:
    """RFC 9110 10.2.3; to a HEAD without content (9.3.2). It is never kept, and the connection closes."""
    answer = too_busy(_miss(b"%b / HTTP/1.1\r\nHost: a\r\n\r\n" % method), 1e9)
    assert (answer.status, answer.keep, answer.cacheable) == (503, False, False)
    head, _, body = _bytes(answer).partition(b"\r\n\r\n")
    assert b"\r\nRetry-After: 1" in head
    assert bool(body) is (method == b"GET")


def test_9110_8_8_3_a_file_that_changes_while_it_is_compressed_is_judged_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there then counts; it is no failure of the server."""
    changes, encoded = [1], variants._encoded

    def changing(*words: object) -> bytes:
        if changes.pop() if changes else 0:
            (tmp_path / "f.html").write_bytes(b"second " * 100)
            raise FileChanged
        return encoded(*words)  # type: ignore[arg-type]

    (tmp_path / "f.html").write_bytes(b"first " * 100)
    monkeypatch.setattr(variants, "_encoded", changing)
    with Site(str(tmp_path), opener(), Policy()) as site:
        answer = judge_miss(site, _miss(b"GET /f.html HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n"), 1e9)
    assert answer.status == 200


def test_between_two_that_are_dealt_with_no_result_is_at_hand(errands: Errands[str], door: Door) -> None:
    """The judge may do other things before the second: what has failed for them may well succeed for who asks then."""
    door.go.set()
    for who in ("ann", "bob"):
        assert errands.put_off(asks(errands, "key", door.work("found")), who)
    door.await_knocks()
    for who in ("ann", "bob"):
        back = errands.next_back()
        assert back is not None and back[0] == who
        asks(errands, "key", door.work("never"))
        with back[1]:
            assert errands.fetch("key", door.work("never")) == "found"
        asks(errands, "key", door.work("never"))
    assert errands.next_back() is None
