"""`tuxpy top`: a live view of a running server in the terminal.

It asks an admin listener for /status.json each second. What it shows is made by functions of two reports; the loop
around them only waits for the next second, or for a key.
"""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import socket
import sys
import termios
import time
import tty
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from ..admin.rates import Rates, Report, between
from ..config.settings import ADMIN_PORT, parse_bind
from ..errors import ConfigError, TuxError
from ..site.sizes import human_size

try:
    from rich.console import Console, Group, RenderableType
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text
except ImportError as error:
    raise ConfigError("tuxpy top needs the library rich: install tuxpy-server[top]") from error

_EVERY_S: Final = 1.0
_WAIT_S: Final = 5.0
_REPORT_BYTES_MAX: Final = 1 << 20  # csrc/base/limits.h: TUX_DATA_BYTES_MAX
_KEPT: Final = 120
_BARS: Final = " ▁▂▃▄▅▆▇█"
_PLAIN_BARS: Final = " .:-=+*#@"


class Source:
    """Where reports come from: HOST:PORT, or unix: and a path."""

    def __init__(self, address: str) -> None:
        self.name = address
        self._path = address.removeprefix("unix:") if address.startswith("unix:") else None
        self._place = ("", 0)
        if self._path is None:
            bind = parse_bind(address, None, ADMIN_PORT)
            self._place, self.name = (bind.host, bind.port), str(bind)

    def report(self) -> Report:
        """What the server says now. Raises TuxError."""
        connection = http.client.HTTPConnection("localhost", timeout=_WAIT_S)
        try:
            connection.sock = self._connected()
            connection.request("GET", "/status.json", headers={"Connection": "close"})
            response = connection.getresponse()
            body = response.read(_REPORT_BYTES_MAX)
            found = json.loads(body) if response.status == 200 else None
        except (OSError, http.client.HTTPException, ValueError) as error:
            because = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise TuxError(f"no server answers at {self.name} ({because}): start one with --admin") from error
        finally:
            connection.close()
        if not isinstance(found, dict) or "bounds_s" not in found:
            raise TuxError(f"{self.name} is not an admin listener of tuxpy: give the address that follows --admin")
        return found

    def _connected(self) -> socket.socket:
        if self._path is None:
            return socket.create_connection(self._place, _WAIT_S)
        one = socket.socket(socket.AF_UNIX)
        one.settimeout(_WAIT_S)
        try:
            one.connect(self._path)
        except OSError:
            one.close()
            raise
        return one


# The view.


class History:
    """The rates of the last two minutes."""

    def __init__(self) -> None:
        self.seconds: deque[Rates] = deque(maxlen=_KEPT)

    def line(self, name: str, width: int, bars: str) -> str:
        """A sparkline, the latest at its right end; a gap where there is nothing to say."""
        values = [getattr(one, name) for one in self.seconds][-width:]
        most = max((value for value in values if value is not None), default=0.0)
        signs = (" " if value is None or most <= 0 else bars[_height(value / most, len(bars))] for value in values)
        return "".join(signs).rjust(width)


def _height(share: float, signs: int) -> int:
    """What is more than nothing is seen."""
    return max(1 if share > 0 else 0, min(signs - 1, round(share * (signs - 1))))


def view(report: Report, rates: Rates | None, history: History, console: Console, height: int) -> RenderableType:
    """All of it, in so many lines; rates None: it is the first look, so rates are those since the start."""
    now = rates or between({**report, "started_s": 0.0}, report)
    gap = Text()
    figures = (_title(report, rates is None), gap, _rates(report, now, history, console), gap, _parked(report), gap)
    return Group(*figures, _targets(report, max(1, height - _ABOVE_TARGETS - 2), console.width))


_ABOVE_TARGETS: Final = 14  # lines: title, rates, connections, and empty ones between them


def _title(report: Report, first: bool) -> Text:
    state = report["state"]
    up = int(report["now_s"] - report["started_s"])
    clock = f"{up // 86400} d " * (up >= 86400) + f"{up // 3600 % 24:02}:{up // 60 % 60:02}:{up % 60:02}"
    engines = len(report["engines"])
    said = Text.assemble(
        ("tuxpy ", "bold"), (report["version"], "bold"), "  ",
        (state, "green" if state == "running" else "yellow"),
        f"  up {clock}  {engines} engine{'s' * (engines != 1)}, {report['backend']['name']}",
        ("  since the start" if first else "", "dim"),
        no_wrap=True, overflow="ellipsis",
    )  # fmt: skip
    faults = sum(len(site["problems"]) for site in report["sites"]) + bool(report["reloads"]["fault"])
    if faults:
        said.append(f"  {faults} problem{'s' * (faults != 1)}, see /status", "yellow")
    return said


def _rates(report: Report, now: Rates, history: History, console: Console) -> Table:
    bars = _BARS if console.encoding.lower().startswith("utf") else _PLAIN_BARS
    width = max(8, min(_KEPT, console.width - 48))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(justify="right", no_wrap=True, min_width=10, style="bold")
    table.add_column(no_wrap=True, style="cyan", min_width=width)
    table.add_column(no_wrap=True, style="dim")
    totals = report["totals"]
    busy = f"{now.judge_busy:.0%} busy, {totals['judge_queue']} waiting"
    rows = (
        ("requests/s", _count(now.requests), "requests", f"{_count(now.errors)} 4xx 5xx"),
        ("hits", "–" if now.hit_share is None else f"{now.hit_share:.1%}", "hit_share", f"{totals['entries']:,} kept"),
        ("median", _duration(now.median_s), "median_s", "of responses"),
        ("99 %", _duration(now.p99_s), "p99_s", "within this"),
        ("sent/s", human_size(int(now.sent_bytes)), "sent_bytes", f"{human_size(totals['cache_bytes'])} cache"),
        ("judged/s", _count(now.judged), "judged", busy),
    )
    for label, value, name, more in rows:
        table.add_row(label, value, history.line(name, width, bars), more)
    return table


def _parked(report: Report) -> Group:
    """Connections by the atom they are parked at, in a bar of letters and in words."""
    parked = [one for one in report["parked"] if one["count"]]
    open_now, slots = report["totals"]["connections"], report["slots"]
    head = Text.assemble(("connections ", "dim"), (f"{open_now:,}", "bold"), f" of {slots:,}   ")
    for one in parked:
        head.append(f"{one['letter']} ", "bold")
        head.append(f"{one['state']} {one['count']:,}   ")
    totals = report["totals"]
    timeouts = sum(totals[f"{kind}_timeouts"] for kind in ("head", "idle", "send"))
    limited = sum(totals.get(name, 0) for name in ("limited_0", "limited_1", "limited_2", "dropped"))
    told = (
        f"accepted {totals['accepted']:,}   timeouts {timeouts:,}   limited {limited:,}"
        f"   cut short {totals['failed_responses']:,}   accept errors {totals['accept_errors']:,}"
    )
    work = (
        f"workers {totals['cachemiss_busy']} of {report['workers']} busy, {totals['cachemiss_queue']} jobs waiting"
        f"   cold reads {totals['cold']:,}   errands {report['errands']}"
    )
    lines = (head, Text(told, "dim"), Text(work, "dim"))
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(*lines)


def _targets(report: Report, rows: int, width: int) -> Table:
    """What is asked for most, and what the judge took longest over."""
    half = (width - 2) // 2
    table = Table.grid(padding=(0, 2, 0, 0))
    for wide in (half - 10, 6, half - 12, 8):
        right = wide < 10
        table.add_column(width=wide, no_wrap=True, overflow="ellipsis", justify="right" if right else "left")
    hot, slow = report["hottest"], report["slowest"]
    sampled = f"hottest of {report['looked_at']:,} sampled hits"
    table.add_row(Text(sampled, "dim"), "", Text("slowest to judge, 5 min", "dim"), "")
    for place in range(min(rows, max(len(hot), len(slow)))):
        left, right = hot[place : place + 1], slow[place : place + 1]
        table.add_row(
            *((left[0]["target"], f"{left[0]['count'] / max(1, report['looked_at']):.0%}") if left else ("", "")),
            *((right[0]["target"], _duration(right[0]["seconds"])) if right else ("", "")),
        )
    return table


def _count(value: float) -> str:
    if value >= 100_000:
        return f"{value / 1000:,.0f} k"
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


# The loop.


def top(address: str) -> int:
    """Show a server until q or Ctrl-C; without a terminal, once. Raises ConfigError, TuxError."""
    source, history = Source(address), History()
    report = source.report()
    console = Console(highlight=False, markup=False, emoji=False)
    if not (console.is_terminal and sys.stdin.isatty()):
        console.print(view(report, None, history, console, 1 << 10))
        return 0
    try:
        with _interrupts() as came, _keys(), Live(console=console, screen=True, auto_refresh=False) as live:
            live.update(view(report, None, history, console, console.height), refresh=True)
            while not _asked_to_end(_EVERY_S) and not came:
                report = _next(source, report, history, console, live)
    except KeyboardInterrupt:
        pass
    return 0


def _next(source: Source, before: Report, history: History, console: Console, live: Live) -> Report:
    """One more second; a server that does not answer now may do so again."""
    try:
        report = source.report()
    except TuxError as error:
        live.update(Text(f"{error}\n\nStill trying; q ends.", "yellow"), refresh=True)
        return before
    if report["now_s"] > before["now_s"]:
        history.seconds.append(between(before, report))
        live.update(view(report, history.seconds[-1], history, console, console.height), refresh=True)
    return report


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Those that have come. Each is raised, too, but Python loses what is raised while it finalizes an object."""
    came: list[int] = []

    def interrupt(number: int, _: object) -> None:
        came.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _keys() -> Iterator[None]:
    """Keys come one by one, and are not shown."""
    fd = sys.stdin.fileno()
    before: list[Any] = termios.tcgetattr(fd)
    tty.setcbreak(fd)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _asked_to_end(within_s: float) -> bool:
    """Wait, but not longer than until q; the end of the input is one, too."""
    end = time.monotonic() + within_s
    while (left := end - time.monotonic()) > 0:
        if select.select([sys.stdin], [], [], left)[0]:
            keys = os.read(sys.stdin.fileno(), 64)
            if not keys or b"q" in keys or b"Q" in keys or b"\x03" in keys:
                return True
    return False
