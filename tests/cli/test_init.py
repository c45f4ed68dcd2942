"""`tuxpy init`: files to begin with, and what is there is not touched."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tuxpy.cli import init
from tuxpy.errors import ConfigError

from .processes import REPOSITORY, Run


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_configuration_that_is_sound_and_served_by(run: Run, folder: Path) -> None:
    done = run("init")
    assert (done.status, done.out) == (0, "written: tuxpy.toml\n")
    assert done.err == "name the directory in [site], then: tuxpy serve -c tuxpy.toml\n"
    assert run("check").out == "tuxpy.toml: ok (1 site, 1 address)\n"
    text = (folder / "tuxpy.toml").read_text()
    schema = Path(text.splitlines()[0].removeprefix("#:schema "))
    assert schema.is_absolute() and json.loads(schema.read_text())["title"] == "tuxpy"
    assert "conf/" not in text.partition("[server]")[2]


def test_what_is_there_is_not_touched(run: Run, folder: Path) -> None:
    file = folder / "mine.toml"
    file.write_text("mine")
    (folder / "tuxpy.socket").symlink_to("nowhere")
    for args in (("init", "mine.toml"), ("init", "--systemd")):
        done = run(*args)
        assert (done.status, done.out) == (2, "")
        assert "is there already: name another one, or replace it with --force" in done.err
        assert done.err.count("\n") == 1
    assert file.read_text() == "mine"
    assert not (folder / "tuxpy.service").exists(), "all of it or nothing"
    assert run("init", "mine.toml", "--force").status == 0
    assert "[site]" in file.read_text()


def test_a_place_that_cannot_be_written(run: Run, folder: Path) -> None:
    done = run("init", "none/tuxpy.toml")
    assert (done.status, done.err) == (1, "tuxpy: none/tuxpy.toml: No such file or directory\n")


def test_units_name_this_program(run: Run, folder: Path) -> None:
    (folder / "units").mkdir()
    done = run("init", "--systemd", "units")
    assert done.out == "written: units/tuxpy.service units/tuxpy.socket\n"
    assert "cp units/tuxpy.service units/tuxpy.socket /etc/systemd/system/" in done.err
    unit = (folder / "units" / "tuxpy.service").read_text()
    assert f"ExecStart={sys.executable} -m tuxpy serve -c /etc/tuxpy/tuxpy.toml\n" in unit
    assert f"ExecReload={sys.executable} -m tuxpy reload --pid $MAINPID\n" in unit
    assert "/usr/bin/tuxpy" not in unit
    assert "ListenStream=80" in (folder / "units" / "tuxpy.socket").read_text()


def test_a_program_in_a_home_is_seen_by_its_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    """ProtectHome= hides /home, /root and /run/user (systemd.exec(5))."""
    monkeypatch.setattr(sys, "executable", "/home/me/venv/bin/python")
    assert "ProtectHome=read-only\n" in init.text_of("tuxpy.service")
    monkeypatch.setattr(sys, "executable", "/opt/x/bin/python")
    monkeypatch.setattr(sys, "argv", ["/opt/x/bin/tuxpy"])
    monkeypatch.setattr(init, "_PACKAGE", Path("/opt/x/lib/tuxpy"))
    assert "ProtectHome=yes\n" in init.text_of("tuxpy.service")


@pytest.mark.parametrize(
    ("path", "said"), [("/a b/tuxpy", '"/a b/tuxpy"'), ("/a%b/tuxpy", "/a%%b/tuxpy"), ("/a/tuxpy", "/a/tuxpy")]
)
def test_a_path_as_systemd_reads_it(path: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd.service(5), "Command lines": quotes around blanks, a percent sign twice."""
    monkeypatch.setattr(sys, "argv", [path])
    monkeypatch.setattr("os.access", lambda *_: True)
    assert init.program() == said


@pytest.mark.parametrize("kind", init.KINDS)
def test_every_kind_has_its_files(kind: str) -> None:
    done = init.write(kind, None, False)
    assert all(Path(path).read_text() for path in done.paths) and done.notes
    assert all(note.count("\n") == 0 for note in done.notes)


def test_an_installation_without_its_files_says_so(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(init, "_PLACES", (folder,))
    with pytest.raises(ConfigError, match="install tuxpy-server again"):
        init.write("config", None, False)


def test_the_man_page_is_that_of_the_options() -> None:
    done = subprocess.run([sys.executable, str(REPOSITORY / "conf" / "man_gen.py"), "--check"], check=False)
    assert done.returncode == 0, "run python conf/man_gen.py"
