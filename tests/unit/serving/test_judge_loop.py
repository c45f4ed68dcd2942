"""The loop that judges: turns are counted, on a clock of the test's own, with engines that only pretend."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext

import pytest

from tuxpy.atoms import ChainResult, Reason
from tuxpy.engine.http_engine import BATCH, Miss
from tuxpy.serving.judge_loop import COUNT_S, TURN_S, JudgeLoop


class Pretended:
    """An engine. `backlog` is asked for; with `flood` there is always a batch more."""

    def __init__(self, name: str, backlog: int = 0, flood: bool = False) -> None:
        self.name, self.backlog, self.flood = name, backlog, flood
        self.asked = self.knocks = 0
        self.ended: list[int] = []

    def misses(self) -> list[Miss]:
        count = BATCH if self.flood else min(BATCH, self.backlog)
        self.backlog -= 0 if self.flood else count
        self.asked += count
        return [Miss(n, 0, 0, 0, 0, f"{self.name}{n}".encode()) for n in range(self.asked - count, self.asked)]

    def completions(self) -> list[ChainResult]:
        taken, self.ended = self.ended[:BATCH], self.ended[BATCH:]
        return [ChainResult(cookie, 0, 0, Reason.END, 1, ()) for cookie in taken]

    def knock(self) -> None:
        self.knocks += 1


class Scene:
    """A loop, and a judge that takes `takes_s` of the clock for each question."""

    def __init__(self, *engines: Pretended, takes_s: float = 0.0) -> None:
        self.now, self.takes_s, self.count_s = 100.0, takes_s, 0.0
        self.answered: list[tuple[str, int]] = []
        self.completed: list[int] = []
        self.fails: dict[bytes, int] = {}  # heads, and how often judging them fails
        self.back: list[tuple[Pretended, Miss, int]] = []
        self.loop: JudgeLoop[Pretended] = JudgeLoop(self.judge, self.ended, lambda: self.now)
        for one in engines:
            self.loop.add(one)

    def judge(self, _engine: Pretended, miss: Miss, rounds: int) -> None:
        self.now += self.takes_s
        if self.fails.get(miss.head, 0) > 0:
            self.fails[miss.head] -= 1
            raise MemoryError
        self.answered.append((miss.head.decode(), rounds))

    def ended(self, one: ChainResult) -> None:
        self.completed.append(one.cookie)
        self.now += self.count_s

    def next_back(self) -> tuple[tuple[Pretended, Miss, int], AbstractContextManager[None]] | None:
        return (self.back.pop(0), nullcontext()) if self.back else None

    def turn(self) -> tuple[list[str], bool]:
        """Who was answered in it, and whether more is waiting."""
        before = len(self.answered)
        more = self.loop.turn(self.next_back)
        return [name for name, _ in self.answered[before:]], more


def test_a_flood_at_one_engine_ends_the_turn_after_a_batch() -> None:
    scene = Scene(Pretended("a", flood=True))
    for turn in range(3):
        answered, more = scene.turn()
        assert more and answered == [f"a{n}" for n in range(turn * BATCH, turn * BATCH + BATCH)]


def test_each_engine_has_a_batch_in_each_turn_and_another_one_is_first() -> None:
    engines = [Pretended(name, flood=True) for name in "abc"]
    scene = Scene(*engines)
    for _ in range(3):
        answered, _ = scene.turn()
        assert {name: sum(one[0] == name for one in answered) for name in "abc"} == dict.fromkeys("abc", BATCH)
    slow = Scene(*engines, takes_s=TURN_S * 1.1)
    assert [slow.turn()[0][0][0] for _ in range(6)] == ["a", "b", "c"] * 2


def test_a_slow_judgement_ends_the_turn_and_loses_no_question() -> None:
    """With a judge that takes as long as a turn may, signals have their turn after each answer, and so have engines."""
    a, b = Pretended("a", backlog=3), Pretended("b", backlog=2)
    scene = Scene(a, b, takes_s=TURN_S * 1.1)
    seen = [scene.turn() for _ in range(6)]
    assert [names for names, _ in seen] == [["a0"], ["b0"], ["a1"], ["b1"], ["a2"], []]
    assert [more for _, more in seen[:4]] == [True] * 4 and not seen[-1][1]
    assert a.knocks == 3 and b.knocks == 2, "an answer lies about that nobody was told of"


def test_two_engines_are_served_alike_by_a_slow_judge() -> None:
    a, b = Pretended("a", flood=True), Pretended("b", flood=True)
    scene = Scene(a, b, takes_s=TURN_S / 4)
    for _ in range(100):
        answered, _ = scene.turn()
        assert len(answered) <= 8
    counts = [sum(name[0] == which for name, _ in scene.answered) for which in "ab"]
    assert abs(counts[0] - counts[1]) <= 8, counts


def test_what_comes_back_is_answered_without_an_end_to_the_others() -> None:
    """Slow work that is done faster than it is judged again: each engine still has a question in each turn."""
    a = Pretended("a", flood=True)
    scene = Scene(a, takes_s=TURN_S * 0.6)
    scene.back = [(a, Miss(n, 0, 0, 0, 0, b"r%d" % n), 2) for n in range(40)]
    for turn in range(10):
        answered, more = scene.turn()
        assert more and answered[0] == f"r{turn}" and [name[0] for name in answered[1:]] == ["a", "a"]
    assert ("r0", 3) in scene.answered, "it was put off once more"


def test_what_has_ended_is_counted_for_a_time_in_a_turn() -> None:
    a = Pretended("a")
    a.ended = list(range(2 * BATCH + 1))
    scene = Scene(a)
    scene.count_s = COUNT_S / BATCH * 0.6
    assert scene.turn() == ([], True) and len(scene.completed) == 2 * BATCH
    assert scene.turn() == ([], False) and scene.completed == list(range(2 * BATCH + 1))


def test_a_question_that_fails_is_tried_again_and_others_have_their_turn(caplog: pytest.LogCaptureFixture) -> None:
    a, b = Pretended("a", backlog=2), Pretended("b", backlog=1)
    scene = Scene(a, b)
    scene.fails = {b"a0": 2}
    assert scene.turn() == (["b0"], True)
    assert scene.turn() == ([], True)
    assert scene.turn() == (["a0", "a1"], False)
    assert [record.levelno for record in caplog.records] == [logging.ERROR], "it is said once, not each time"


def test_a_question_that_always_fails_is_given_up_some_time(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(Pretended("a", backlog=2))
    scene.fails = {b"a0": 1 << 30}
    assert any("a1" in scene.turn()[0] for _ in range(1000))


def test_an_engine_that_fails_stops_neither_the_loop_nor_the_others(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Pretended):
        def misses(self) -> list[Miss]:
            raise MemoryError

        def completions(self) -> list[ChainResult]:
            raise MemoryError

    scene = Scene(Broken("x"), Pretended("b", backlog=1))
    assert scene.turn() == (["b0"], True)


def test_what_slow_work_brings_back_may_fail(caplog: pytest.LogCaptureFixture) -> None:
    a = Pretended("a")
    scene = Scene(a)
    scene.back = [(a, Miss(0, 0, 0, 0, 0, b"r0"), 0), (a, Miss(1, 0, 0, 0, 0, b"r1"), 0)]
    scene.fails = {b"r0": 1}
    assert scene.turn() == ([], True)
    assert scene.turn() == (["r0", "r1"], False), "it is tried again"


def test_nothing_to_do_is_nothing_more() -> None:
    assert Scene(Pretended("a"), Pretended("b")).turn() == ([], False)
    assert Scene().turn() == ([], False)
