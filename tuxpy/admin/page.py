"""The status page: complete as it comes, and alive where script may run.

Rules of this file
  1. Nothing is fetched but this page itself: style and script are in it, and POLICY names the hash of each.
  2. The page without script says all there is at its moment. The script asks for the page again, takes over what has
     changed, and draws plots of the numbers that lie in it; so no figure is written in two places.
  3. Everything can be reached and read without a mouse and without colours.
"""

from __future__ import annotations

import os
import time
from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from html import escape
from typing import Final

from ..site.sizes import human_size
from .report import as_json
from .snapshot import SITES_SHOWN, Snapshot

MEDIA_TYPE: Final = b"text/html; charset=utf-8"


def _beside(name: str) -> str:
    """A file that lies beside this one."""
    with open(os.path.join(os.path.dirname(__file__), name), encoding="utf-8") as file:  # noqa: PTH118, PTH120
        return "\n" + file.read()


def _hash(content: str) -> bytes:
    return b"'sha256-%s'" % b64encode(sha256(content.encode()).digest())


_STYLE: Final = _beside("status.css")
_SCRIPT: Final = _beside("status.js")
POLICY: Final = (
    b"default-src 'none'; style-src %s; script-src %s; connect-src 'self'; base-uri 'none'; form-action 'none';"
    b" frame-ancestors 'none'" % (_hash(_STYLE), _hash(_SCRIPT))
)

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>tuxpy status</title>
<link rel="alternate" type="application/json" href="./status.json">
<style>{style}</style>
</head>
<body>
<header>
<h1>tuxpy</h1>
<p id="state" data-live>{state}</p>
<p id="contact" role="status"></p>
<button type="button" id="pause" aria-pressed="false" hidden>Pause</button>
</header>
<main>
<noscript><p class="note">Plots need script; all figures here are those of the moment at which you asked.</p></noscript>
<section id="plots" aria-label="Plots" hidden>
<p class="note" id="help">Left and right arrow keys on a plot go through time, Escape returns to now.</p>
</section>
{sections}</main>
<footer>
<p><a href="./status.json">The same as JSON</a> · <a href="./metrics">Metrics for Prometheus</a></p>
</footer>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def html(snap: Snapshot) -> bytes:
    """The page."""
    sections = (_warnings, _answers, _connections, _figures, _engines, _targets, _setup)
    return _PAGE.format(
        style=_STYLE,
        script=_SCRIPT,
        state=_state(snap),
        sections="".join(section(snap) for section in sections),
        # Nothing in a text may end the element; in JSON these only stand within texts.
        data=as_json(snap).decode().replace("<", "\\u003c").replace(">", "\\u003e"),
    ).encode()


# Sections.

_PROBLEMS_SHOWN: Final = 100


def _state(snap: Snapshot) -> str:
    since = _ago(snap.now_s - snap.started_s)
    doing = "draining: no new connections" if snap.state == "draining" else "running"
    return (
        f'<strong class="{snap.state}">{doing}</strong> · up for {since} · version {escape(snap.version)} ·'
        f' {_counted(len(snap.engines), "engine")}, {escape(snap.backend)}'
    )


def _warnings(snap: Snapshot) -> str:
    lost = 0 if snap.access_log is None else snap.access_log.get("lost", 0)
    found = list(snap.problems[:_PROBLEMS_SHOWN])
    if snap.reloads.fault:
        found.insert(0, f"the configuration was not taken over: {snap.reloads.fault}")
    if lost:
        found.append(f"{_counted(lost, 'line')} of the access log were lost: they were not read or written fast enough")
    items = "".join(f"<li>{escape(one)}</li>\n" for one in found)
    return f'<section id="warnings" data-live>{_heading("Problems") + f"<ul>{items}</ul>" if items else ""}</section>\n'


def _answers(snap: Snapshot) -> str:
    counts = [snap.total(f"statuses_{number}") for number in range(1, 6)]
    whole = sum(counts)
    words = ("informational", "success", "redirect or unchanged", "refused", "failed")
    rows = [
        (f"{number}xx", word, _number(count), f"{count / whole:.1%}" if whole else "–")
        for number, word, count in zip(range(1, 6), words, counts, strict=True)
        if count or number > 1
    ]
    return _section("answers", "Responses", _table(("Class", "Meaning", "Ended", "Share"), rows, 2))


def _connections(snap: Snapshot) -> str:
    rows = [
        (kind.letter, f"{kind.state}", kind.atoms, kind.why, _number(count))
        for kind, count in snap.parked()
        if count or kind.letter in "IJSWCR"
    ]
    slots = sum(engine.slots for engine in snap.engines)
    note = f"{_number(snap.total('connections'))} of {_number(slots)} are open. Each waits at an atom of its chain:"
    table = _table(("", "State", "Atom", "Waits", "Now"), rows, 4)
    return _section("connections", "Connections", f"<p>{note}</p>\n{table}")


def _figures(snap: Snapshot) -> str:
    total = snap.total
    workers = sum(engine.workers for engine in snap.engines)
    groups: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
        ("Cache", (
            ("hits by the same head again", _number(total("repeats"))),
            ("hits by key", _number(total("hits") - total("repeats") - total("ranged"))),
            ("hits by another range", _number(total("ranged"))),
            ("decisions kept", _number(total("entries"))),
            ("kept before anybody asked", _number(total("preloaded"))),
            ("their memory", human_size(total("cache_bytes"))),
            ("taken out for room", _number(total("evictions"))),
            ("not kept for lack of room", _number(total("passed_over"))),
            ("dropped, as a file had changed", _number(total("stale"))),
        )),
        ("Judge", (
            ("judged", _number(total("judged"))),
            ("joined to a judgement", _number(total("joined"))),
            ("heads without a key", _number(total("keyless"))),
            ("waiting now", _number(total("judge_queue"))),
            ("slow work pending", _number(snap.errands)),
            ("time spent", f"{snap.judge.seconds:.1f} s"),
        )),
        ("Cachemiss workers", (
            ("at work now", f"{total('cachemiss_busy')} of {workers}"),
            ("waiting now", _number(total("cachemiss_queue"))),
            ("cold reads", _number(total("cold"))),
            ("checks of files", _number(total("checks") + total("looks"))),
        )),
        ("Trouble", (
            ("heads not complete in time", _number(total("head_timeouts"))),
            ("idle for too long", _number(total("idle_timeouts"))),
            ("closed to make room", _number(total("made_room"))),
            ("clients that took nothing", _number(total("send_timeouts"))),
            ("refused by limits", _number(sum(snap.totals("limited", 3)) + total("dropped"))),
            ("PROXY headers missing or wrong", _number(total("proxy_faults"))),
            ("responses cut short", _number(total("failed_responses"))),
            ("failures to accept", _number(total("accept_errors"))),
        )),
    )  # fmt: skip
    lists = "".join(f"<div>\n<h3>{name}</h3>\n{_pairs(pairs)}</div>\n" for name, pairs in groups)
    return _section("figures", "Counters", f'<div class="columns">\n{lists}</div>\n')


def _engines(snap: Snapshot) -> str:
    names = ("connections", "requests", "hits", "judged", "cold", "turns")
    rows = [
        (str(number), *(_number(engine.counters[name]) for name in names))
        for number, engine in enumerate(snap.engines)
    ]
    heads = ("Engine", "Connections", "Requests", "Hits", "Judged", "Cold reads", "Turns")
    wide = f'<div class="scroll" role="region" aria-label="Engines" tabindex="0">\n{_table(heads, rows, 1)}</div>\n'
    return _section("engines", "Engines", wide)


def _targets(snap: Snapshot) -> str:
    judge = snap.judge
    hot = [(one.target, f"{one.count / max(1, judge.looked_at):.1%}") for one in judge.hottest]
    slow = [(one.target, f"{one.seconds * 1000:.1f} ms") for one in judge.slowest]
    note = f"Of {_counted(judge.looked_at, 'hit')} in the last minute, looked at one every hundredth of a second."
    hottest = f"<p>{note}</p>\n{_table(('Target', 'Share'), hot, 1)}" if hot else "<p>No hits lately.</p>\n"
    slowest = "<p>What the judge took longest over in the last five minutes.</p>\n"
    slowest += _table(("Target", "Time"), slow, 1) if slow else "<p>Nothing was judged.</p>\n"
    body = f"<div>\n<h3>Hottest</h3>\n{hottest}</div>\n<div>\n<h3>Slowest</h3>\n{slowest}</div>\n"
    return _section("targets", "Targets", f'<div class="columns wide">\n{body}</div>\n')


def _setup(snap: Snapshot) -> str:
    reloads = snap.reloads
    last = "never" if reloads.at_s is None else f"{_time(reloads.at_s)}, {'refused' if reloads.fault else 'done'}"
    pairs = (
        ("Configuration", snap.origin),
        ("Read again", f"{last} ({reloads.done} done, {reloads.refused} refused)"),
        ("Back-end", f"{snap.backend}: {snap.why}"),
        ("Addresses", ", ".join(snap.urls)),
        ("Since", _time(snap.started_s)),
    )
    rows = [(site.root, ", ".join(site.hosts).replace("_", "any host") or "–") for site in snap.sites[:SITES_SHOWN]]
    more = len(snap.sites) - len(rows)
    rows += [(f"and {_counted(more, 'other')}", "")] if more else []
    return _section("setup", "Setup", _pairs(pairs) + _table(("Site", "Hosts"), rows, 2))


# Pieces. What is handed in is plain text.


def _heading(title: str) -> str:
    return f"<h2>{title}</h2>\n"


def _section(name: str, title: str, content: str) -> str:
    return f'<section id="{name}" data-live>\n{_heading(title)}{content}</section>\n'


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers_from: int) -> str:
    """numbers_from: the first column that holds numbers."""

    def kind(place: int) -> str:
        return ' class="number"' if place >= numbers_from else ""

    head = "".join(f'<th scope="col"{kind(i)}>{escape(word)}</th>' for i, word in enumerate(heads))
    body = ""
    for row in rows:
        cells = "".join(f"<td{kind(i)}>{escape(word)}</td>" for i, word in enumerate(row) if i)
        body += f'<tr><th scope="row">{escape(row[0])}</th>{cells}</tr>\n'
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n"


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return "<dl>\n" + "".join(f"<div><dt>{escape(a)}</dt><dd>{escape(b)}</dd></div>\n" for a, b in pairs) + "</dl>\n"


def _number(value: int) -> str:
    return f"{value:,}"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _time(at_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at_s))


def _ago(seconds: float) -> str:
    """In the two largest units."""
    whole = max(0, int(seconds))
    parts = ((whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min"), (whole % 60, "s"))
    first = next((place for place, (count, _) in enumerate(parts) if count), 3)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2])
