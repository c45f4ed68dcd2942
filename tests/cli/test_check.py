"""`tuxpy check`, `tuxpy serve -t` and `-c`: what is said of a configuration, and that nothing wrong starts."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from support.access import hashed

from tuxpy.config.file import source_of
from tuxpy.config.loading import assemble

from .processes import REPOSITORY, Run, Start

MANUAL = str(REPOSITORY / "conf" / "tuxpy.toml")


@pytest.fixture
def file(www: Path) -> Path:
    """A configuration beside its site."""
    path = www.parent / "tuxpy.toml"
    path.write_text('[server]\nlisten = ["127.0.0.1:0"]\nworkers = 1\n[site]\nroot = "www"\nlisting = true\n')
    return path


def test_a_sound_one(run: Run, file: Path) -> None:
    said = f"{file}: ok (1 site, 1 address)\n"
    for args in (["check", str(file)], ["serve", "-t", "-c", str(file)], ["serve", "--test", "--config", str(file)]):
        assert run(*args) == (0, said, "")
    assert run("check", env={"TUXPY_CONFIG": str(file)}) == (0, said, "")
    assert run("serve", "-t", env={"TUXPY_CONFIG": str(file)}) == (0, said, "")
    assert run("serve", "-t", str(file.parent)).out == "the command line: ok (1 site, 1 address)\n"
    assert run("check", str(file), "-b", ":1", "-b", ":2").out == f"{file}: ok (1 site, 2 addresses)\n"


def test_the_manual_is_sound(run: Run) -> None:
    assert run("check", MANUAL) == (0, f"{MANUAL}: ok (1 site, 1 address)\n", "")


@pytest.mark.parametrize("verb", [["check"], ["serve", "-c"], ["serve", "-t", "-c"], ["explain", "/", "-c"]])
def test_every_problem_has_a_line_and_nothing_starts(run: Run, file: Path, verb: list[str]) -> None:
    file.write_text('[site]\nroot = "none"\nindex = 5\nindx = []\n')
    done = run(*verb, str(file), env={"TUXPY_PORT": "x"})
    assert (done.status, done.out) == (2, "")
    assert done.err.splitlines() == [
        "tuxpy: TUXPY_PORT: 'x' is not a port: give a number from 0 (any free one) to 65535",
        f"{file}:2: site.root: there is no directory 'none': make it, or name another one",
        f"{file}:3: site.index: expected a list of names, not a number",
        f"{file}:4: unknown key site.indx: did you mean index?",
    ]


def test_a_file_that_is_not_there(run: Run, tmp_path: Path) -> None:
    done = run("check", str(tmp_path / "none"))
    assert done.status == 2
    assert done.err == (
        f"tuxpy: cannot read the configuration file '{tmp_path}/none': No such file or directory: name another one, or"
        " make it readable\n"
    )


def test_doubts_are_told_and_harm_nothing(run: Run, file: Path) -> None:
    file.write_text('[site]\nroot = "www"\nspa = "app.html"\n')
    done = run("check", str(file))
    assert (done.status, done.out) == (0, f"{file}: ok (1 site, 1 address)\n")
    assert done.err == f"{file}:3: site.spa: there is no file 'app.html' beneath the root (a warning)\n"


def test_users_who_have_no_password_are_told(run: Run, file: Path) -> None:
    """A slip of the pen shuts somebody out, and no visitor can say why."""
    users = file.parent / "users"
    users.write_text(f"ann:{hashed('x')}\n# bob:x\n")
    file.write_text(
        '[site]\nroot = "www"\n[[site.access]]\npath = "/*"\npassword_file = "users"\nusers = ["ann", "bob", "Ann"]\n'
    )
    done = run("check", str(file))
    assert done.status == 0
    places = [f"{file}:6: site.access.users: {user!r} is not in {str(users)!r}" for user in ("Ann", "bob")]
    assert [line.partition(",")[0] for line in done.err.splitlines()] == places


# What only the start can find out.


@pytest.mark.parametrize("where", ["server.listen", "admin.listen", "log.access", "server.pid_file"])
def test_what_cannot_be_had_at_the_start_has_its_line_too(run: Run, file: Path, where: str) -> None:
    """One sentence, exit 2. Most of it is no business of `check`: what is taken now may be free then."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        section, _, key = where.partition(".")
        value = f'["127.0.0.1:{port}"]' if key == "listen" else '"/nowhere/at/all"'
        before = "" if where == "server.listen" else '[server]\nlisten = ["127.0.0.1:0"]\n'
        header = "" if before and section == "server" else f"[{section}]\n"
        file.write_text(f'{before}{header}{key} = {value}\n[site]\nroot = "www"\n')
        line = file.read_text()[: file.read_text().index(f"{key} = {value}")].count("\n") + 1
        done = run("serve", "-c", str(file))
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"tuxpy: {file}:{line}: {where}: ") and done.err.count("\n") == 1, done.err
    remedy = {"server.listen": "with --port", "admin.listen": "with --admin"}.get(where, "")
    assert remedy in done.err


# What holds.


def test_what_holds_and_who_said_so(run: Run, file: Path) -> None:
    variables = {"TUXPY_INDEX": "a.html", "TUXPY_PORT": "9"}
    options = ["--etag", "time", "--header", "A: b c", "--deny", "10.0.0.1"]
    done = run("check", str(file), "--show", *options, env=variables)
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    for line in (
        "[server]",
        'listen = ["127.0.0.1:9"]  # ' + f"{file}:2, TUXPY_PORT",
        f"workers = 1  # {file}:3",
        'idle = "75s"  # default',
        "[site]",
        f'root = "{file.parent}/www"  # {file}:5',
        'index = ["a.html"]  # TUXPY_INDEX',
        'etag = "time"  # --etag',
        "[[site.headers]]  # --header",
        'set = { A = "b c" }',
        "[[site.access]]  # --deny",
        'deny = ["10.0.0.1"]',
    ):
        assert line in lines, line


def test_without_a_file_the_defaults_are_shown(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = run("check", "--show")
    assert shown.status == 0
    assert f'root = "{tmp_path}"  # default' in shown.out
    assert "'tuxpy.toml'" in run("check").err
    (tmp_path / "tuxpy.toml").write_text(shown.out)
    assert run("check").out == "tuxpy.toml: ok (1 site, 1 address)\n"


@pytest.mark.parametrize(
    ("uncommented", "flags"),
    [
        (False, {}),
        (True, {}),
        (True, {"header": ["A: b", "A: c"], "port": "1", "listing": True, "allow": ["10.0.0.0/8"], "auth_file": "u"}),
    ],
)
def test_what_is_shown_can_be_loaded_again(uncommented: bool, flags: dict[str, object]) -> None:
    text = Path(MANUAL).read_text()
    if uncommented:
        text = re.sub(r"(?m)^#(?=[a-z\[])", "", text)
    first = assemble(source_of("/etc/a.toml", text.encode()), {}, flags, on_disk=False)
    second = assemble(source_of("/srv/b.toml", first.show().encode()), {}, {}, on_disk=False)
    assert without_places(repr(second.config)) == without_places(repr(first.config))


def without_places(words: str) -> str:
    """Rules know where they were written; all else must be the same."""
    return re.sub(r"where='[^']*'", "", words)


# With the others.


@pytest.mark.slow
def test_serving_by_a_file(start: Start, file: Path) -> None:
    server = start("-c", str(file), "--header", "X-A: b")
    assert "(1 engine," in server.wait_for(" serves ")
    assert server.get()[0] == 200
    assert server.stop() == 0


def test_explaining_by_a_file(run: Run, file: Path) -> None:
    file.write_text('[site]\nroot = "www"\n[[site.headers]]\npath = "/docs/*"\nset = { X-A = "b" }\n')
    done = run("explain", "/docs/", "-c", str(file))
    assert f"{file}:3: sets X-A: b" in done.out
    moved = run("explain", "/", "-c", str(file), "--root", str(file.parent / "www" / "docs"))
    assert "index.html, 5 bytes" in moved.out


def test_explaining_asks_nothing_of_the_server(run: Run, file: Path) -> None:
    """It may be done on another machine than the one that serves."""
    file.write_text('[server]\nuser = "no such user"\nlisten = ["192.0.2.1:80"]\n[site]\nroot = "www"\n')
    assert "HTTP/1.1 200 OK" in run("explain", "/", "-c", str(file)).out


def test_help_loads_no_rules(run: Run) -> None:
    for args in (["--help"], ["serve", "--help"], ["check", "--help"]):
        done = run(*args, env={"PYTHONPROFILEIMPORTTIME": "1"})
        loaded = {line.rpartition("|")[2].strip() for line in done.err.splitlines()}
        assert "tuxpy.config.keys" in loaded
        assert not {name for name in loaded if name.startswith(("tuxpy.rules", "tuxpy.site", "tomllib", "logging"))}
