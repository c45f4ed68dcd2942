"""Deploys while everybody asks: by rename, by flipping a link inside the root, and by flipping the root itself.

Every file says all through its body which version it is, and ends with a checksum; versions only go up. So each answer
can be held against the record of the deploys: it is one version, whole, under a tag of its own (RFC 9110 8.8.3); it is
not from the future; and a second after a deploy nobody is given anything older.

Who asks and who deploys are programs of their own, which run ask_all() and deploy_all(): they take the judge no time.
"""

from __future__ import annotations

import bisect
import contextlib
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from support.client import Client, Response, get
from support.fixtures import Connect, Serve
from support.poll import until
from support.running import Running

FRESH_S: Final = 1.0
BUSY_S: Final = 0.5  # and so much later where a processor is taken from somebody who looks or asks
REPOSITORY: Final = Path(__file__).resolve().parents[2]
PROGRAMS, THREADS = 2, 4  # half of the threads keep their connection
JUDGED_EVERY: Final = 7  # so often a question is one that nobody has asked yet, so it is judged; no divisor of targets
QUESTIONS_MAX: Final = 100_000  # of one thread
FAULTS_MAX: Final = 20
SEEN_LEAST: Final = 5  # versions, even where the machine gives those who ask hardly any time
BURST: Final = 60  # deploys without a pause
DEADLINE_S: Final = 50.0

# The bodies.

_STAMP: Final = len(b"%08d\n" % 0)
SIZES: Final = {"app.js": 6_000, "index.html": 3_000, "large.bin": 100_000}


def body(version: int, size: int) -> bytes:
    """About so many bytes: how many, depends on the version too, as it does with real files."""
    stamps = b"%08d\n" % version * (size // _STAMP + version % 7)
    return stamps + b"%08x" % zlib.crc32(stamps)


def version_of(content: bytes) -> int:
    """The version that this is all of; -1 when it is none."""
    stamps, checksum = content[:-8], content[-8:]
    stamp = stamps[:_STAMP]
    whole = stamp * (len(stamps) // _STAMP) == stamps and b"%08x" % zlib.crc32(stamps) == checksum
    return int(stamp) if whole and stamp[:-1].isdigit() else -1


# The load: asked for in other programs.


@dataclass
class Span:
    """When a version was answered first, and asked for last."""

    answered_s: float
    asked_s: float = 0.0


@dataclass
class _Asker:
    """One thread's questions; of what came of a version first and last, and what was wrong with it."""

    address: tuple[str, int]
    targets: list[str]
    keeps: bool
    seen: dict[tuple[str, int, str], Span] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def ask(self, wanted: threading.Event) -> None:
        client = Client(self.address)
        for number in range(QUESTIONS_MAX):
            if not wanted.is_set() or len(self.faults) >= FAULTS_MAX:
                break
            target, asked_s = self.targets[number % len(self.targets)], time.monotonic()
            try:
                if not self.keeps:
                    client.close()
                    client = Client(self.address)
                unique = f"?{number}" * (number % JUDGED_EVERY == 0)
                self._note(target, asked_s, client.ask(get(target + unique)))
            except (AssertionError, OSError) as error:
                self.faults.append(f"{target}: {error!r}")
                client.close()
                client = Client(self.address)
        client.close()

    def _note(self, target: str, asked_s: float, answer: Response) -> None:
        version = version_of(answer.body)
        if answer.status != 200 or version < 0:
            self.faults.append(f"{target}: {answer.status}, {len(answer.body)} bytes {answer.body[:40]!r}")
        else:
            key = (target, version, answer[b"etag"].decode())
            self.seen.setdefault(key, Span(answered_s=time.monotonic())).asked_s = asked_s


def ask_all() -> None:
    """A program: ask until standard input ends, then print what was seen as JSON."""
    host, port, *targets = sys.argv[1:]
    askers = [_Asker((host, int(port)), targets, number % 2 == 0) for number in range(THREADS)]
    wanted = threading.Event()
    wanted.set()
    threads = [threading.Thread(target=asker.ask, args=(wanted,), daemon=True) for asker in askers]
    for thread in threads:
        thread.start()
    until(lambda: all(asker.seen or asker.faults for asker in askers))
    print("asking", flush=True)
    sys.stdin.read()
    wanted.clear()
    for thread in threads:
        thread.join()
    seen = [[*key, span.answered_s, span.asked_s] for asker in askers for key, span in asker.seen.items()]
    json.dump([seen, [fault for asker in askers for fault in asker.faults]], sys.stdout)


@contextlib.contextmanager
def _program(call: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """One of the programs of this file: ask_all, deploy_all or name_again."""
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", f"from wire.test_deploy import {call}; {call}()", *arguments]
    environment = {**os.environ, "PYTHONPATH": path}
    program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    assert program.stdin is not None and program.stdout is not None
    with program.stdin, program.stdout:
        try:
            yield program
        finally:
            program.kill()
            program.wait()


def _result(program: subprocess.Popen[str]) -> Any:
    """What it has printed when it has come to its end; the end of its input is a sign for it."""
    out, _ = program.communicate(timeout=DEADLINE_S)
    assert program.returncode == 0
    return json.loads(out)


# The deploys, and what they allow to be seen.


@dataclass
class Deploys:
    """When each version came: not before `began_s`, and not after `done_s`. Version 0 was there from the start."""

    began_s: list[float] = field(default_factory=lambda: [0.0])
    done_s: list[float] = field(default_factory=lambda: [0.0])

    def next(self, publish: Callable[[int], None]) -> None:
        version = len(self.began_s)
        self.began_s.append(time.monotonic())
        publish(version)
        self.done_s.append(time.monotonic())

    def oldest(self, asked_s: float) -> int:
        """The oldest version that may be given to whoever asks then."""
        return bisect.bisect_right(self.done_s, asked_s - FRESH_S - BUSY_S) - 1

    def newest(self, answered_s: float) -> int:
        return bisect.bisect_right(self.began_s, answered_s) - 1


def deploy_all() -> None:
    """A program: so many deploys in so long, in bursts with pauses in which answers have time to become kept."""
    kind, place, count, for_s = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    publish, deploys, started_s = KINDS[kind](place), Deploys(), time.monotonic()
    for number in range(1, count + 1):
        deploys.next(publish)
        if time.monotonic() - started_s > 2 * for_s:  # a slow disk
            break
        if number % BURST == 0:
            due_s = started_s + for_s * number / count
            until(lambda: False, within_s=max(0.0, due_s - time.monotonic()))
    json.dump([deploys.began_s, deploys.done_s], sys.stdout)


def name_again() -> None:
    """A program: give a file another name and take it away, until standard input ends. Its content stays as it is."""
    file = Path(sys.argv[1])
    other = file.with_name(".other")
    while not select.select([sys.stdin], [], [], 0)[0]:
        for _ in range(100):
            other.hardlink_to(file)
            other.unlink()
    print("{}")


def faults_of(results: list[tuple[list[tuple[str, int, str, float, float]], list[str]]], deploys: Deploys) -> list[str]:
    """What was wrong with the answers."""
    faults: list[str] = []
    tags: dict[tuple[str, str], int] = {}
    for seen, failed in results:
        faults += failed
        for target, version, tag, answered_s, asked_s in seen:
            if version < deploys.oldest(asked_s):
                late_s = asked_s - deploys.done_s[version + 1]
                faults.append(f"{target}: version {version}, {late_s:.3f} s after there was a newer one")
            if version > deploys.newest(answered_s):
                faults.append(f"{target}: version {version} before it was deployed")
            if tags.setdefault((target, tag), version) != version:
                faults.append(f"{target}: {tag} is of version {tags[target, tag]} and of version {version}")
    few = len(set(tags.values())) < min(SEEN_LEAST, deploys.done_s[-1] - deploys.done_s[1])
    return [*faults, "nothing much was seen of the deploys"] if few else faults


def _write_release(folder: Path, version: int) -> None:
    folder.mkdir(parents=True)
    for name, size in SIZES.items():
        (folder / name).write_bytes(body(version, size))


def _replace_all(root: Path) -> Callable[[int], None]:
    """Each file by rename over the old one."""

    def publish(version: int) -> None:
        for name, size in SIZES.items():
            (root / ".fresh").write_bytes(body(version, size))
            (root / ".fresh").replace(root / name)

    return publish


def flip(link: Path, target: str) -> None:
    """What ln -sfn does where it is done well: there is always one link or the other."""
    fresh = link.with_name(".fresh-" + link.name)
    fresh.symlink_to(target)
    fresh.replace(link)


def _flip_releases(link: Path, kept_s: float = 2.0) -> Callable[[int], None]:
    """A new directory for each version, then the link to it; old ones go when they have been old for so long."""
    releases = link.parent / "releases"
    old: deque[tuple[float, Path]] = deque([(time.monotonic(), releases / "0")])

    def publish(version: int) -> None:
        _write_release(releases / str(version), version)
        flip(link, f"releases/{version}")
        old[-1] = (time.monotonic(), old[-1][1])
        old.append((0.0, releases / str(version)))
        while len(old) > 1 and time.monotonic() - old[0][0] > kept_s:
            shutil.rmtree(old.popleft()[1])

    return publish


LENGTHS: Final = [pytest.param(300, 1.5, id="short"), pytest.param(3000, 10.0, id="long")]


def _storm(server: Running, targets: list[str], kind: str, place: Path, count: int, for_s: float) -> None:
    """Deploy while everybody asks, and a little longer; hold what was answered against what was deployed."""
    host, port = server.address
    with contextlib.ExitStack() as programs:
        askers = [programs.enter_context(_program("ask_all", host, str(port), *targets)) for _ in range(PROGRAMS)]
        for asker in askers:
            assert asker.stdout is not None and asker.stdout.readline() == "asking\n"
        deployer = programs.enter_context(_program("deploy_all", kind, str(place), str(count), str(for_s)))
        deploys = Deploys(*_result(deployer))
        until(lambda: False, within_s=FRESH_S + BUSY_S)  # somebody asks when the second is over
        faults = faults_of([_result(asker) for asker in askers], deploys)
    assert not faults, "\n".join([f"{len(faults)} faults", *faults[:FAULTS_MAX]])


KINDS: Final[dict[str, Callable[[Path], Callable[[int], None]]]] = {"rename": _replace_all, "link": _flip_releases}


@pytest.mark.slow
@pytest.mark.parametrize(("count", "for_s"), LENGTHS)
def test_deploys_by_rename_under_load(serve: Serve, tmp_path: Path, count: int, for_s: float) -> None:
    root = tmp_path / "root"
    _write_release(root, 0)
    targets = ["/app.js", "/index.html", "/", "/large.bin"]
    _storm(serve(root), targets, "rename", root, count, for_s)


@pytest.mark.slow
@pytest.mark.parametrize(("count", "for_s"), LENGTHS)
def test_deploys_by_a_link_in_the_root_under_load(serve: Serve, tmp_path: Path, count: int, for_s: float) -> None:
    root = tmp_path / "root"
    _write_release(root / "releases/0", 0)
    (root / "current").symlink_to("releases/0")
    targets = ["/current/app.js", "/current/index.html", "/current/", "/current/large.bin"]
    _storm(serve(root), targets, "link", root / "current", count, for_s)


@pytest.mark.slow
def test_a_name_more_or_less_is_no_change_of_a_file(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    """As backups and releases by hard link do all the time: ctime changes, and the content does not."""
    root = tmp_path / "root"
    _write_release(root, 0)
    client = connect(serve(root))
    with _program("name_again", str(root / "app.js")) as namer:
        until((root / ".other").exists)
        numbers = itertools.count()
        failed = until(lambda: client.ask(get(f"/app.js?{next(numbers)}")).status != 200, within_s=3)
        _result(namer)
    assert not failed


def test_deploys_between_questions(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    """Judged and kept answers by turns: each is one version whole, and no tag is of two though all are of one size."""
    root = tmp_path / "root"
    (root / "docs").mkdir(parents=True)
    names = {"/app.js": "app.js", "/docs/": "docs/index.html", "/large.bin": "large.bin"}
    tags: dict[bytes, bytes] = {}
    client, server = None, None
    for version in range(0, 210, 7):  # what body() adds is the same for all
        for name in names.values():
            (root / ".fresh").write_bytes(body(version, SIZES[Path(name).name]))
            (root / ".fresh").replace(root / name)
        server = server or serve(root)
        client = client or connect(server)
        for target in (*names, *(f"{target}?{version}" for target in names)):
            answer = client.ask(get(target))
            assert answer.status == 200
            assert 0 <= version_of(answer.body) <= version
            assert "?" not in target or version_of(answer.body) == version
            assert tags.setdefault(answer[b"etag"], answer.body) == answer.body


# The root itself is swapped: git-sync, Capistrano, and a volume of Kubernetes do it by links.

BEFORE: Final = {"/app.js": 0, "/": 0, "/large.bin": 0, "/new.txt": None, "/old.txt": 0}
AFTER: Final = {"/app.js": 1, "/": 1, "/large.bin": 1, "/new.txt": 1, "/old.txt": None}
"""The version of each target, None for one that is not there."""


def _write_roots(top: Path, *names: str) -> None:
    """Version 0 and version 1, which are not of the same names."""
    for version, name in enumerate(names):
        _write_release(top / name, version)
        (top / name / ("old.txt", "new.txt")[version]).write_bytes(body(version, 100))


def _a_link(top: Path) -> tuple[Path, Callable[[], None]]:
    _write_roots(top, "releases/0", "releases/1")
    (top / "current").symlink_to("releases/0")
    return top / "current", lambda: flip(top / "current", "releases/1")


def _an_absolute_link(top: Path) -> tuple[Path, Callable[[], None]]:
    _write_roots(top, "releases/0", "releases/1")
    (top / "current").symlink_to(top / "releases/0")
    return top / "current", lambda: flip(top / "current", str(top / "releases/1"))


def _two_links(top: Path) -> tuple[Path, Callable[[], None]]:
    """The root's own link stays as it is; the one behind it is flipped."""
    _write_roots(top, "..0", "..1")
    (top / "..data").symlink_to("..0")
    (top / "www").symlink_to("..data")
    return top / "www", lambda: flip(top / "..data", "..1")


def _a_folder_of_a_link(top: Path) -> tuple[Path, Callable[[], None]]:
    _write_roots(top, "releases/0/public", "releases/1/public")
    (top / "current").symlink_to("releases/0")
    return top / "current/public", lambda: flip(top / "current", "releases/1")


def _a_folder(top: Path) -> tuple[Path, Callable[[], None]]:
    """No link at all: one directory is moved away and another one to its place."""
    _write_roots(top, "www", "next")

    def swap() -> None:
        (top / "www").rename(top / "last")
        (top / "next").rename(top / "www")

    return top / "www", swap


ROOTS: Final = [_a_link, _an_absolute_link, _two_links, _a_folder_of_a_link, _a_folder]


class _Visitors:
    """One that has been there before, and fresh ones; both ask for everything."""

    def __init__(self, server: Running, connect: Connect) -> None:
        self._server, self._connect = server, connect
        self._used = connect(server)
        for _ in range(10):
            assert self._all(self._used) == BEFORE

    def see(self) -> list[dict[str, int | None]]:
        """What is there for the one and for the other."""
        with self._connect(self._server) as fresh:
            return [self._all(self._used), self._all(fresh)]

    def _all(self, client: Client) -> dict[str, int | None]:
        answers = {target: client.ask(get(target)) for target in BEFORE}
        assert {answer.status for answer in answers.values()} <= {200, 404}
        return {target: version_of(a.body) if a.status == 200 else None for target, a in answers.items()}


def _is_between(found: dict[str, int | None]) -> bool:
    return all(found[target] in (BEFORE[target], AFTER[target]) for target in found)


@pytest.mark.slow
@pytest.mark.parametrize("lay", ROOTS, ids=lambda lay: lay.__name__.strip("_").replace("_", "-"))
def test_a_root_that_is_swapped_is_followed_within_a_second(
    serve: Serve,
    connect: Connect,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    lay: Callable[[Path], tuple[Path, Callable[[], None]]],
) -> None:
    root, swap = lay(tmp_path)
    visitors = _Visitors(serve(root), connect)
    swap()
    swapped_s = time.monotonic()
    while time.monotonic() - swapped_s < FRESH_S + BUSY_S:
        assert all(_is_between(found) for found in visitors.see())
    assert visitors.see() == [AFTER, AFTER]
    if lay is _a_folder:
        caplog.clear()  # between the two renames there is no root, and it may have said so


@pytest.mark.slow
def test_a_root_that_is_swapped_while_nobody_asks_is_followed(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    """The first question after the second is answered from the new place."""
    root, swap = _a_link(tmp_path)
    visitors = _Visitors(serve(root), connect)
    swap()
    until(lambda: False, within_s=FRESH_S + BUSY_S)
    assert visitors.see() == [AFTER, AFTER]


@pytest.mark.slow
def test_a_root_that_is_swapped_back_and_forth_is_followed(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    root, swap = _a_link(tmp_path)
    visitors = _Visitors(serve(root), connect)
    for _ in range(3):
        swap()
        until(lambda: False, within_s=FRESH_S + BUSY_S)
        assert visitors.see() == [AFTER, AFTER]
        flip(root, "releases/0")
        until(lambda: False, within_s=FRESH_S + BUSY_S)
        assert visitors.see() == [BEFORE, BEFORE]


@pytest.mark.slow
def test_a_root_whose_old_place_is_deleted_is_followed(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    """Deleted at once, as git-sync and Kubernetes do: within the second names may be missing, and no longer."""
    root, swap = _a_link(tmp_path)
    visitors = _Visitors(serve(root), connect)
    swap()
    swapped_s = time.monotonic()
    shutil.rmtree(tmp_path / "releases/0")
    while time.monotonic() - swapped_s < FRESH_S + BUSY_S:
        for found in visitors.see():
            assert _is_between({target: version for target, version in found.items() if version is not None})
    assert visitors.see() == [AFTER, AFTER]


def test_a_root_whose_old_place_is_deleted_misses_nothing_that_both_have(
    serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    """Better than the second: a name is not missing only because the place where it was looked for is gone."""
    _write_release(tmp_path / "releases/0", 0)
    (tmp_path / "current").symlink_to("releases/0")
    client = connect(serve(tmp_path / "current"))
    publish = _flip_releases(tmp_path / "current", kept_s=-1.0)
    for version in range(1, 5):
        publish(version)
        assert client.ask(get(f"/app.js?{version}")).status == 200


@pytest.mark.slow
@pytest.mark.parametrize("missing_s", [0.1, 1.3])
def test_a_root_that_is_missing_for_a_moment_is_found_again(
    serve: Serve, connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture, missing_s: float
) -> None:
    """Meanwhile it is answered as before or that nothing is there; no question stays without an answer."""
    root, _ = _a_link(tmp_path)
    visitors = _Visitors(serve(root), connect)
    root.unlink()
    gone_s = time.monotonic()
    while time.monotonic() - gone_s < missing_s:
        for found in visitors.see():
            assert _is_between({target: version for target, version in found.items() if version is not None})
    root.symlink_to("releases/1")
    until(lambda: False, within_s=FRESH_S + BUSY_S)
    assert visitors.see() == [AFTER, AFTER]
    caplog.clear()  # it may have said that the root was gone


@pytest.mark.slow
@pytest.mark.parametrize(("count", "for_s"), LENGTHS)
def test_swaps_of_the_root_under_load(serve: Serve, tmp_path: Path, count: int, for_s: float) -> None:
    _write_release(tmp_path / "releases/0", 0)
    (tmp_path / "current").symlink_to("releases/0")
    targets = ["/app.js", "/index.html", "/", "/large.bin"]
    _storm(serve(tmp_path / "current"), targets, "link", tmp_path / "current", count, for_s)
