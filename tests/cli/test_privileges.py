"""Rights that are given up, unix sockets and who may connect, the first process of a container."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .processes import DEADLINE_S, Run, Running, Start, command, environment

pytestmark = pytest.mark.slow

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root has rights to give up")
NOBODY = 65534


@pytest.fixture
def open_to_all(www: Path) -> Path:
    """pytest's own directories are root's alone."""
    for folder in (www, *www.parents):
        if folder.owner() == pwd.getpwuid(os.getuid()).pw_name and len(folder.parts) > 2:
            folder.chmod(folder.stat().st_mode | 0o055)
    return www


def status_of(running: Running) -> dict[str, str]:
    """Of every thread, and all are the same."""
    found: list[dict[str, str]] = []
    for task in Path(f"/proc/{running.process.pid}/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        pairs = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        found.append({name: pairs[name] for name in ("Uid", "Gid", "Groups", "NoNewPrivs", "CapEff", "CapPrm")})
    assert len({tuple(sorted(one.items())) for one in found}) == 1, found
    return found[0]


@needs_root
@pytest.mark.parametrize("backend", ["uring", "epoll"])
def test_it_binds_as_root_and_serves_as_somebody_else(start: Start, open_to_all: Path, backend: str) -> None:
    port = low_port()
    server = start(str(open_to_all), "-p", str(port), "-w", "2", "--backend", backend, "--user", str(NOBODY))
    assert server.ports == [port]
    assert server.get() == (200, b"<!doctype html>hello\n")
    status = status_of(server)
    assert status["Uid"].split() == status["Gid"].split() == [str(NOBODY)] * 4
    assert set(status["Groups"].split()) <= {str(NOBODY)}
    assert (status["NoNewPrivs"], int(status["CapEff"], 16), int(status["CapPrm"], 16)) == ("1", 0, 0)
    (open_to_all / "index.html").chmod(0)  # what root could still read
    time.sleep(1)
    assert server.get(port=port)[0] in (403, 404)
    assert server.stop() == 0
    assert "the server runs as root" not in server.text


def low_port() -> int:
    """One that only root may bind, and that is free."""
    for port in range(1023, 600, -1):
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no port below 1024 is free")


@needs_root
def test_a_user_by_name_has_its_groups(start: Start, open_to_all: Path) -> None:
    name = "daemon"
    server = start(str(open_to_all), "-p", "0", "-w", "1", "--user", name)
    assert server.get()[0] == 200
    expected = os.getgrouplist(name, pwd.getpwnam(name).pw_gid)
    assert sorted(map(int, status_of(server)["Groups"].split())) == sorted(expected)
    assert server.stop() == 0


@needs_root
def test_the_group_may_be_another(start: Start, open_to_all: Path, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(f'[server]\nuser = "{NOBODY}"\ngroup = "12"\n[site]\nroot = "www"\n')
    server = start("-c", str(tmp_path / "c.toml"), "-p", "0")
    assert server.get()[0] == 200
    assert status_of(server)["Gid"].split() == ["12"] * 4
    assert server.stop() == 0


def can_run_python() -> bool:
    """Whether nobody may; the interpreter of the tests may be somebody's own."""
    try:
        done = subprocess.run([sys.executable, "-c", "import subprocess"], user=NOBODY, timeout=DEADLINE_S)
        return done.returncode == 0
    except PermissionError:
        return False


@needs_root
def test_reload_and_upgrade_as_somebody_else(start: Start, open_to_all: Path, tmp_path: Path) -> None:
    if not can_run_python():
        pytest.skip("nobody may run this Python")
    pid_file = tmp_path / "pid"
    (tmp_path / "c.toml").write_text(
        f'[server]\nuser = "{NOBODY}"\npid_file = "{pid_file}"\nlisten = ["127.0.0.1:{(port := low_port())}"]\n'
        '[site]\nroot = "www"\n'
    )
    server = start("-c", str(tmp_path / "c.toml"))
    server.wait_for(" serves ")
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("is in force")
    server.process.send_signal(signal.SIGUSR2)
    new = int(re.findall(r"process (\d+) serves now", server.wait_for("serves now"))[0])
    try:
        assert server.process.wait(DEADLINE_S) == 0
        assert server.get(port=port)[0] == 200
        assert pid_file.read_text() == f"{new}\n"
    finally:
        os.kill(new, signal.SIGTERM)


@needs_root
def test_nothing_is_seen_beyond_the_chroot(start: Start, open_to_all: Path, tmp_path: Path) -> None:
    (open_to_all / "out").symlink_to("/etc")
    (tmp_path / "c.toml").write_text(
        f'[server]\nuser = "{NOBODY}"\nchroot = "."\n[site]\nroot = "www"\nsymlinks = "all"\nlisting = true\n'
    )
    server = start("-c", str(tmp_path / "c.toml"), "-p", "0", "-w", "1")
    assert server.get() == (200, b"<!doctype html>hello\n")
    assert server.get("/out/hostname")[0] == 404
    assert server.get("/docs/")[0] == 200
    assert os.readlink(f"/proc/{server.process.pid}/root") == str(tmp_path)  # noqa: PTH115
    for number, words in ((signal.SIGHUP, "in a chroot: restart it"), (signal.SIGUSR2, "the upgrade failed")):
        server.process.send_signal(number)
        server.wait_for(words)
    assert server.stop() == 0
    assert "Traceback" not in server.text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--user", "no-such-user"], "there is no user 'no-such-user'"),
        *([] if os.getuid() == 0 else [(["--user", "0"], "only root can become another user")]),
    ],
)
def test_who_cannot_be(run: Run, www: Path, words: list[str], said: str) -> None:
    done = run("serve", str(www), "-p", "0", *words)
    assert (done.status, done.out) == (2, "") and said in done.err and done.err.count("\n") == 1


@needs_root
def test_a_root_outside_of_the_chroot(run: Run, www: Path, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[server]\nchroot = "www"\n[site]\nroot = "."\n')
    done = run("serve", "-c", str(tmp_path / "c.toml"), "-p", "0")
    assert done.status == 2 and "is not beneath" in done.err and done.err.count("\n") == 1


def test_root_is_not_warned_where_nobody_else_comes_in(start: Start, www: Path) -> None:
    server = start(str(www), "-p", "0")
    assert server.get()[0] == 200
    assert server.stop() == 0
    assert "the server runs as root" not in server.text


# Unix sockets.


def test_a_unix_socket_has_a_mode_and_goes_at_the_end(start: Start, www: Path, tmp_path: Path) -> None:
    path = tmp_path / "s"
    (tmp_path / "c.toml").write_text(
        f'[server]\nlisten = ["unix:{path}"]\nsocket_mode = "0640"\nsocket_group = "{os.getgid()}"\n'
        '[site]\nroot = "www"\n'
    )
    server = start("-c", str(tmp_path / "c.toml"))
    assert f"unix:{path}" in server.wait_for(" serves ").splitlines()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert ask(path) == b"HTTP/1.1 200 OK"
    assert server.stop() == 0
    assert not path.exists()


def ask(path: Path | str) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        return client.recv(65536).partition(b"\r\n")[0]


def test_a_name_without_a_path(start: Start, www: Path) -> None:
    name = f"tuxpy-test-{os.getpid()}"
    server = start(str(www), "-b", f"unix:@{name}", "-w", "2")
    assert f"unix:@{name}" in server.wait_for(" serves ").splitlines()
    assert ask(f"\0{name}") == b"HTTP/1.1 200 OK"
    assert server.stop() == 0


def test_a_large_file_over_a_unix_socket(start: Start, www: Path, tmp_path: Path) -> None:
    (www / "large").write_bytes(bytes(8 << 20))
    server = start(str(www), "-b", f"unix:{tmp_path / 's'}")
    server.wait_for(" serves ")
    received = 0
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "s"))
        client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        while more := client.recv(1 << 20):
            received += len(more)
    assert received > 8 << 20
    assert server.stop() == 0


def test_a_socket_that_was_left_behind_is_taken_away(start: Start, run: Run, www: Path, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    server = start(str(www), "-b", f"unix:{path}")
    server.wait_for(" serves ")
    assert ask(path) == b"HTTP/1.1 200 OK"
    done = run("serve", str(www), "-b", f"unix:{path}")
    assert done.status == 2 and "another server listens at" in done.err and done.err.count("\n") == 1
    assert ask(path) == b"HTTP/1.1 200 OK"
    assert server.stop() == 0


def test_what_is_no_socket_is_left_alone(run: Run, www: Path, tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("precious")
    done = run("serve", str(www), "-b", f"unix:{path}")
    assert done.status == 2 and "exists and is not a socket" in done.err and done.err.count("\n") == 1
    assert path.read_text() == "precious"


def test_a_pid_file_that_cannot_be_written(run: Run, www: Path, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[server]\npid_file = "nowhere/pid"\n[site]\nroot = "www"\n')
    done = run("serve", "-c", str(tmp_path / "c.toml"), "-p", "0")
    assert done.status == 2 and "cannot write the pid file" in done.err and done.err.count("\n") == 1


# A container.


def test_the_first_process_obeys_signals_and_leaves_no_zombies(www: Path) -> None:
    unshare = shutil.which("unshare")
    words = [unshare or "", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if unshare is None or subprocess.run([*words, "true"], capture_output=True, timeout=DEADLINE_S).returncode:
        pytest.skip("no namespace for processes is to be had here")
    orphan = "import os, sys, time\nif os.fork() == 0:\n  if os.fork(): os._exit(0)\n  time.sleep(0.3); os._exit(0)\n"
    script = f"{orphan}os.wait()\nfrom tuxpy.cli import main\nsys.argv[0] = 'tuxpy'\nsys.exit(main())"
    program = [*words, command()[0], "-c", script, "serve", str(www), "-p", "0", "-w", "1"]
    with subprocess.Popen(program, env=environment(), stderr=subprocess.PIPE) as process:
        server = Running(process)
        assert server.get()[0] == 200
        (first,) = children(process.pid)
        end = time.monotonic() + 5
        while children(first) and time.monotonic() < end:
            time.sleep(0.05)
        assert children(first) == []
        os.kill(first, signal.SIGUSR2)
        server.wait_for("a container ends with its first process")
        os.kill(first, signal.SIGTERM)
        assert server.finish() == 0


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
