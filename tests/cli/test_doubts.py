"""What a server tells before it serves: all that `check` tells, of one kind and the other, and all at once."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tuxpy.config import doubts as looking
from tuxpy.config.file import source_of
from tuxpy.config.identity import Identity, denied_to
from tuxpy.config.loading import assemble

from .processes import Run, Start

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can tell what another user may do")


@pytest.fixture
def file(www: Path) -> Path:
    return www.parent / "tuxpy.toml"


def said(run: Run, file: Path, text: str) -> list[str]:
    """What check says of a configuration, without the name of the file."""
    file.write_text(text)
    return [line.removeprefix(f"{file}:") for line in run("check", str(file)).err.splitlines()]


# What keeps it from starting.


def test_all_troubles_are_told_at_once(run: Run, file: Path) -> None:
    """Users, addresses and roots are looked at together, so that nothing hides behind another fault."""
    lines = said(
        run, file,
        '[server]\nuser = "no such user"\ngroup = "no such group"\nsocket_group = "none at all"\n'
        'listen = ["192.0.2.1:80", "no.such.host.invalid"]\n[site]\nroot = "none"\nindx = 1\n',
    )  # fmt: skip
    places = [line.partition(": ")[0] for line in lines]
    assert places == ["2", "3", "4", "5", "5", "7", "8"]
    assert "192.0.2.1 is not an address of this machine" in lines[3]
    assert "there is no host 'no.such.host.invalid'" in lines[4]


def test_a_file_without_a_site_is_no_configuration(run: Run, file: Path, www: Path) -> None:
    for text in ("", "# nothing\n", '[server]\nlisten = [":0"]\n', "site = []\n"):
        (line,) = said(run, file, text)
        assert line.startswith("1: there is no [site]: write one with root"), text
    file.write_text("")
    assert run("serve", "-t", "-c", str(file), str(www)).status == 0  # DIR says the root
    (line,) = said(run, file, "site = 5\n")
    assert "expected a table" in line


def open_above(path: Path) -> None:
    """Let everybody come as far as this: pytest's directories are for their owner alone."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if mode & 0o055 != 0o055:
            folder.chmod(mode | 0o055)


@needs_root
def test_roots_and_password_files_must_be_open_to_the_user_we_become(run: Run, file: Path, www: Path) -> None:
    """Modes of the directory itself, and of those above it: only the kernel knows them all."""
    open_above(www)
    (users := www.parent / "users").write_text("a:$2y$05$abcdefghijklmnopqrstuuJ8Xh0B7QhOOCWRhF7FqH8w4sFJv1k1C\n")
    users.chmod(0o600)
    text = '[server]\nuser = "nobody"\n[site]\nroot = "www/docs"\n'
    assert said(run, file, text) == []
    for closed in (www / "docs", www):
        closed.chmod(0o700)
        (line,) = said(run, file, text)
        assert line.startswith(f"4: site.root: the user nobody has no right to enter '{www}/docs': ")
        closed.chmod(0o755)
    assert said(run, file, text) == []
    gate = '[[site.access]]\npath = "/*"\npassword_file = "users"\n'
    (line,) = said(run, file, text + gate)
    assert line.startswith("7: site.access.password_file: the user nobody has no right to read ")


@needs_root
def test_supplementary_groups_count(tmp_path: Path) -> None:
    open_above(tmp_path / "x")
    path = tmp_path / "of a group"
    path.mkdir(mode=0o750)
    os.chown(path, 0, 4242)
    asked = [(str(path), os.X_OK), (str(tmp_path), os.X_OK), (str(path), os.W_OK)]
    assert denied_to(Identity(65534, 65534), asked) == [True, False, True]
    assert denied_to(Identity(65534, 4242), asked) == [False, False, True]


def test_a_chroot_holds_all_roots(run: Run, file: Path, www: Path) -> None:
    (line,) = said(run, file, f'[server]\nchroot = "{www}/docs"\n[site]\nroot = "www"\n')
    assert line.startswith("4: site.root: ") and "is not beneath" in line
    lines = said(run, file, '[server]\nchroot = "no"\n[site]\nroot = "www"\n')
    assert any("there is no directory" in line for line in lines)
    assert said(run, file, f'[server]\nchroot = "{www}"\n[site]\nroot = "www/docs"\n') == []


# What is only doubtful.


def doubts(text: str, www: Path) -> list[str]:
    found = assemble(source_of(str(www.parent / "x.toml"), f'[site]\nroot = "www"\n{text}'.encode()), {}, {})
    return [f"{doubt.line}: {doubt.what}" for doubt in found.doubts()]


@pytest.mark.parametrize("status", [429, 503, 500, 421, 418, 431])
def test_pages_that_are_never_sent(www: Path, status: int) -> None:
    (line,) = doubts(f'error_pages = {{ {status} = "index.html", 403 = "index.html" }}\n', www)
    assert line.startswith(f"3: site.error_pages: the page for {status} is never sent: ")


@pytest.mark.parametrize(
    ("first", "later", "overtaken"),
    [
        ("/docs/*", "/docs/:id", True),
        ("/docs/*", "/docs/", True),
        ("/docs/:id", "/docs/*", False),
        ("/docs/:id", "/docs/a", True),
        ("/docs/*.html", "/docs/:id", False),
        ("/*", "*.css", True),
        ("*.css", "/a.css", True),
        ("/a/**/b", "/a/x/b", True),
        ("/a/*", "/a/**/b", True),
        ("/a", "/a", True),
        ("/a", "/b", False),
        ("/{a,b}", "/b", True),
        ("/b", "/{a,b}", False),
    ],
)
def test_rules_that_are_never_reached(www: Path, first: str, later: str, overtaken: bool) -> None:
    rules = "".join(f'[[site.redirects]]\nfrom = "{path}"\nto = "https://x.example/"\n' for path in (first, later))
    found = doubts(rules, www)
    assert ["6: site.redirects: the rule is never reached" in line for line in found] == [True] * overtaken
    if later.startswith("/") and not first.startswith("/"):
        return  # a try list is for the path with a slash behind, too
    tries = "".join(f'[[site.try]]\npath = "{path}"\nnames = ["$uri"]\n' for path in (first, later))
    assert ["6: site.try: the rule is never reached" in line for line in doubts(tries, www)] == [True] * overtaken


def test_rules_that_leave_something_over(www: Path) -> None:
    """By a query, by a file that wins over the first one, by a redirect that would lead to where it is."""
    def rules(path: str, first: str, later: str) -> str:
        both = ((path, "/b", first), ("/x/a", "/c", later))
        return "".join(f'[[site.redirects]]\nfrom = "{path}"\nto = "{to}"\n{more}\n' for path, to, more in both)

    assert len(doubts(rules("/x/*", "", ""), www)) == 1
    assert doubts(rules("/x/a", 'query = { id = "1" }', ""), www) == []
    assert doubts(rules("/x/*", "", "force = true"), www) == []
    assert len(doubts(rules("/x/*", "force = true", "force = true"), www)) == 1


def test_thousands_of_rules_are_compared_in_bounded_time(www: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It happens before a start and in a reload, so it counts comparisons, not rules."""
    asked = 0
    takes = looking._takes_all_of

    def counted(*args: Any) -> bool:
        nonlocal asked
        asked += 1
        return takes(*args)

    monkeypatch.setattr(looking, "_takes_all_of", counted)
    rules = "".join(f'[[site.redirects]]\nfrom = "/a{n}/*"\nto = "/b"\n' for n in range(1000))
    assert doubts(rules, www) == []
    assert 40_000 < asked <= looking._COMPARED_MAX


def test_a_redirect_behind_a_file(www: Path) -> None:
    rule = '[[site.redirects]]\nfrom = "/index.html"\nto = "/docs/"\n'
    (line,) = doubts(rule, www)
    assert line.startswith("3: site.redirects: the file '/index.html' is there and wins: write force = true")
    assert doubts(rule + "force = true\n", www) == []


# Before it serves.


@pytest.mark.slow
def test_a_server_tells_its_doubts_first(start: Start, file: Path, www: Path) -> None:
    (www / "_redirects").write_text("/alone\n")
    file.write_text('[site]\nroot = "www"\nspa = "app.html"\n')
    server = start("-c", str(file), "-p", "0", "-w", "1")
    server.wait_for(" serves ")
    assert server.lines[0] == f"{file}:3: site.spa: there is no file 'app.html' beneath the root (a warning)"
    assert server.text.count("_redirects:1: '/alone' has no target") == 1, "what its log tells is told once"
    seen = len(server.text)
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("is in force")
    assert f"warning {file}:3: site.spa: there is no file 'app.html' beneath the root" in server.text[seen:]
    assert server.stop() == 0


# --spa, with and without a value.


def test_an_option_takes_no_value_without_an_equals_sign(run: Run, www: Path) -> None:
    """`serve -s dist` of other servers: what stands behind it is the directory."""

    def shown(*args: str) -> list[str]:
        out = run("check", "--show", *args).out.splitlines()
        return [line.partition("  # ")[0] for line in out if line.startswith(("root =", "spa ="))]

    (www / "app.html").write_text("")
    for args in (("--spa", str(www)), (str(www), "--spa"), ("-p", "0", "--spa", "--listing", str(www))):
        done = run("serve", "-t", *args)
        assert (done.status, done.err) == (0, "")
    assert shown("--spa") == [f'root = "{Path.cwd()}"', 'spa = "index.html"']
    assert shown("--spa=app.html")[1] == 'spa = "app.html"'
    done = run("serve", "-t", "--spa=nope.html", str(www))
    assert (done.status, done.err) == (0, "tuxpy: --spa: there is no file 'nope.html' beneath the root (a warning)\n")
    done = run("serve", "-t", "--spa", "app.html", str(www))
    assert done.status == 2 and "write --spa=app.html" in done.err
    assert "--spa[=FILE]" in run("serve", "--help").out
