"""What the judge notes of its work, and what two reports say of the time between them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxpy.admin.judging import HOT_S, SHOWN, SLOW_S, Judging, bucket_of, target_of
from tuxpy.admin.rates import between, quantile
from tuxpy.admin.report import report
from tuxpy.admin.snapshot import BOUNDS_S, BUCKETS, Hot, Reloads, Slow

from .test_admin import snapshot


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def head(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


def test_judgements_are_counted_by_their_time() -> None:
    judging = Judging()
    for seconds in (0.0, 7e-6, 8e-6, 1e-3, 3600.0):
        judging.note(head("/"), seconds)
    took = judging.figures().took
    assert (took[0], took[1], took[7], took[BUCKETS - 1], sum(took)) == (2, 1, 1, 1, 5)
    assert judging.figures().seconds == pytest.approx(3600.001015)


@given(st.floats(0, 1e4))
def test_a_bucket_holds_what_its_bounds_say(seconds: float) -> None:
    bucket, whole = bucket_of(seconds), int(seconds * 10**6) / 10**6
    assert bucket == BUCKETS - 1 or whole < BOUNDS_S[bucket]
    assert bucket == 0 or whole >= BOUNDS_S[bucket - 1]


def test_the_slowest_are_remembered_for_a_while() -> None:
    clock = Clock()
    judging = Judging(clock)
    judging.note(head("/a"), 0.5)
    judging.note(head("/a"), 0.1)
    judging.note(head("/b?token=x"), 0.2)
    assert judging.figures().slowest == (Slow("/a", 0.5), Slow("/b", 0.2))
    clock.now = SLOW_S + 1
    judging.note(head("/a"), 0.1)
    assert judging.figures().slowest == (Slow("/a", 0.1),)


def test_a_flood_of_targets_takes_no_memory() -> None:
    judging = Judging(Clock())
    judging.note(head("/slow"), 1.0)
    for number in range(5000):
        judging.note(head(f"/{number}"), number / 10**6)
    assert len(judging._slow) <= 600
    assert judging.figures().slowest[0] == Slow("/slow", 1.0) and len(judging.figures().slowest) == SHOWN


def test_the_hottest_of_the_last_minute() -> None:
    clock = Clock()
    judging = Judging(clock)
    judging.look([b"GET /old HTTP/1.1"] * 5)
    clock.now = HOT_S + 1
    judging.look([b"GET /a HTTP/1.1", b"GET /a?x HTTP/1.1", b"GET /b HTTP/1.1"])
    figures = judging.figures()
    assert (figures.hottest, figures.looked_at) == ((Hot("/a", 2), Hot("/b", 1)), 3)


@pytest.mark.parametrize(
    ("line", "target"),
    [
        (b"GET /a?b HTTP/1.1\r\n", b"/a"),
        (b"\r\nGET /a", b"/a"),
        (b"", b"(no request line)"),
        (b"x", b"(no request line)"),
    ],
)
def test_targets(line: bytes, target: bytes) -> None:
    assert target_of(line) == target


def test_control_characters_are_shown() -> None:
    judging = Judging()
    judging.note(b"GET /\x1b[2J HTTP/1.1\r\n", 1.0)
    assert judging.figures().slowest[0].target == r"/\x1b[2J"


# Between two reports.


def test_rates() -> None:
    before = report(snapshot())
    after = report(snapshot(now_s=1002.0))
    after["totals"] = {**after["totals"], "hits": 180 + 30, "judged": 20 + 10, "sent_bytes": 4096}
    after["statuses"] = {**after["statuses"], "2xx": 190 + 30, "4xx": 10 + 10}
    after["response"] = {"counts": [0, 10, 0, 0, 200, *[0] * 18], "seconds": 1.0}
    rates = between(before, after)
    assert (rates.requests, rates.errors, rates.sent_bytes, rates.hit_share) == (20.0, 5.0, 2048.0, 0.75)
    assert rates.median_s is not None and BOUNDS_S[0] < rates.median_s < BOUNDS_S[1]


def test_a_server_that_began_again_is_not_compared_with_the_former_one() -> None:
    rates = between(report(snapshot()), report(snapshot(started_s=990.0)))
    assert rates.requests == 20.0


def test_nothing_happened() -> None:
    rates = between(report(snapshot()), report(snapshot()))
    assert (rates.requests, rates.hit_share, rates.median_s, rates.p99_s) == (0.0, None, None, None)


@given(st.lists(st.integers(0, 1000), min_size=BUCKETS, max_size=BUCKETS), st.floats(0.01, 1))
def test_a_quantile_lies_in_the_bucket_that_holds_it(counts: list[int], share: float) -> None:
    found = quantile(BOUNDS_S, counts, share)
    if not sum(counts):
        assert found is None
        return
    assert found is not None and 0 <= found <= BOUNDS_S[-1] * (1 + 1e-9)
    below = sum(count for bound, count in zip((*BOUNDS_S, float("inf")), counts, strict=True) if bound <= found)
    assert below <= share * sum(counts) * (1 + 1e-9)


def test_reloads() -> None:
    reloads = Reloads().noted(5.0).noted(6.0, "line 3: no").noted(7.0)
    assert (reloads.done, reloads.refused, reloads.at_s, reloads.fault) == (2, 1, 7.0, "")
    assert Reloads().noted(6.0, "no").fault == "no"
