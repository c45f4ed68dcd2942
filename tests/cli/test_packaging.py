"""The wheel and the source distribution: what is in them, and that the program runs from nothing else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .processes import REPOSITORY, Running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

NEEDED = ("csrc", "conf", "docs", "tuxpy")
FILES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "MANIFEST.in", "CHANGELOG.md", "Makefile")


def tree(target: Path) -> Path:
    """What a build needs, where it may leave its traces."""
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "_engine.c", "*.egg-info")
    for name in NEEDED:
        shutil.copytree(REPOSITORY / name, target / name, ignore=ignored)
    for name in FILES:
        shutil.copy(REPOSITORY / name, target)
    return target


def build(place: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "setup.py", "-q", *command], cwd=place, env={**os.environ, **variables}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    place = tree(tmp_path_factory.mktemp("tree"))
    done = build(place, "bdist_wheel", "-d", "dist")
    assert done.returncode == 0, done.stderr
    (path,) = (place / "dist").glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


def test_what_is_in_it(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    shared = ("tuxpy.toml", "tuxpy.schema.json", "tuxpy.service", "tuxpy.socket", "logrotate", "grafana-dashboard.json")
    assert {f"tuxpy/share/{name}" for name in shared} <= names
    assert {f"tuxpy/share/docs/{path.name}" for path in (REPOSITORY / "docs").glob("*.md")} <= names
    assert any(name.endswith(".data/data/share/man/man1/tuxpy.1") for name in names)
    assert {"tuxpy/py.typed", "tuxpy/admin/status.css", "tuxpy/_engine.pyi"} <= names
    assert not [name for name in names if re.search(r"sample/|^tests|^loadtest|^csrc|^conf/", name)]
    modules = {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "tuxpy").rglob("*.py")}
    assert {name for name in modules if "/sample/" not in name} <= names


def test_the_engine_has_no_debug_information(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if re.fullmatch(r"tuxpy/_engine.*\.so", name))
    data = wheel.read(name)
    assert b".debug_info" not in data and b".symtab" not in data
    assert len(data) < 400_000


def test_what_it_says_of_itself(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    said = wheel.read(name).decode()
    assert "Classifier: Programming Language :: Python :: 3.14" in said
    assert "Provides-Extra: all\n" in said


def test_the_program_runs_from_it(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    installed, work = tmp_path / "installed", tmp_path / "work"
    work.mkdir()
    wheel.extractall(installed)
    (work / "index.html").write_text("hello\n")
    env = {name: value for name, value in os.environ.items() if not name.startswith("TUXPY_")}
    # This copy, and not the one that is installed as editable: PYTHONPATH comes first.
    env["PYTHONPATH"] = str(installed)
    program = [sys.executable, "-m", "tuxpy"]

    def run(*args: str) -> str:
        done = subprocess.run([*program, *args], cwd=work, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("init") == "written: tuxpy.toml\n"
    assert f"#:schema {installed}/tuxpy/share/tuxpy.schema.json" in (work / "tuxpy.toml").read_text()
    assert "ok (1 site, 1 address)" in run("check")
    assert "accept4()" in run("chain", "lifecycle", "--ascii")
    assert "HTTP/1.1 200 OK" in run("explain", "/")
    serve = subprocess.Popen(
        [*program, "serve", "-c", "tuxpy.toml", "-p", "0", "-w", "1"], cwd=work, env=env, stderr=subprocess.PIPE
    )
    running = Running(serve)
    try:
        assert running.get() == (200, b"hello\n")
        assert running.get("/none")[0] == 404
        assert running.stop() == 0
    finally:
        serve.kill()
        serve.wait()


# Without what is needed.


def test_without_a_compiler_one_sentence_says_what_to_install(tmp_path: Path) -> None:
    place = tree(tmp_path / "tree")
    done = build(place, "bdist_wheel", CC="no-such-compiler -O2")
    assert done.returncode == 1
    *before, last = done.stderr.splitlines()
    assert last.startswith("tuxpy needs a C compiler, and there is no no-such-compiler: install one and try again (D")
    assert "Traceback" not in done.stderr and len(before) < 12, done.stderr
    assert build(place, "sdist", CC="no-such-compiler").returncode == 0  # nothing is compiled for that
