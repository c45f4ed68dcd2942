"""The command line without a server: help, verbs that look, words that are wrong."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import tuxpy
from tuxpy.atoms.catalogue import table
from tuxpy.cli.main import cli, main
from tuxpy.config.settings import Config

from .processes import REPOSITORY, Run, command, environment


def help_of(*verb: str) -> str:
    result = CliRunner().invoke(cli, [*verb, "--help"], prog_name="tuxpy")
    assert result.exit_code == 0
    return result.output


def verbs() -> dict[str, click.Command]:
    return dict(cli.commands)


def test_the_version_is_that_of_the_package() -> None:
    project = (REPOSITORY / "pyproject.toml").read_text()
    found = re.search(r'^version = "(.*?)"', project, re.MULTILINE)
    assert found and found[1] == tuxpy.__version__
    assert CliRunner().invoke(cli, ["--version"]).output == f"tuxpy {tuxpy.__version__}\n"


def test_public_names_come_when_they_are_asked_for() -> None:
    assert tuxpy.Config is Config
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = tuxpy.Nothing


@pytest.mark.parametrize("verb", list(verbs()))
def test_help_names_every_option(verb: str) -> None:
    said = help_of(verb)
    for param in verbs()[verb].params:
        for name in param.opts if isinstance(param, click.Option) else ():
            assert re.search(rf"(^|[ ,]){re.escape(name)}\b", said, re.MULTILINE), name
            assert isinstance(param, click.Option) and param.help
    assert help_of(verb) == CliRunner().invoke(cli, [verb, "-h"], prog_name="tuxpy").output


@pytest.mark.parametrize("verb", ["", *verbs()])
def test_help_is_no_wall_of_text(verb: str) -> None:
    lines = help_of(*filter(None, [verb])).splitlines()
    assert len(lines) <= 64
    assert max(map(len, lines)) <= 100
    paragraph = 0
    for line in lines:
        paragraph = paragraph + 1 if line.strip() else 0
        assert paragraph <= 12


def test_help_without_a_verb() -> None:
    result = CliRunner().invoke(cli, [], prog_name="tuxpy")
    assert (result.exit_code, result.output) == (0, help_of())
    for verb, found in verbs().items():
        assert re.search(rf"^  {verb} +{re.escape(found.get_short_help_str(100))}$", result.output, re.MULTILINE)


def test_help_of_serve_has_sections_examples_and_the_environment() -> None:
    said = help_of("serve")
    for words in ("Where:", "Engine:", "Output:", "Examples:", "serve ./www -p 9000", "TUXPY_PORT", "standard error"):
        assert words in said


def test_every_option_of_serve_has_its_twins_in_the_environment() -> None:
    for param in verbs()["serve"].params:
        name = "DIR" if param.name == "directory" else (param.name or "").upper()
        if name not in ("HELP", "VERSION"):
            assert param.envvar == [f"TUXPY_SERVE_{name}", f"TUXPY_{name}"]


def test_completion_knows_verbs_options_and_chains(run: Run) -> None:
    for shell in ("bash", "zsh", "fish"):
        done = run("completion", shell)
        assert done.status == 0 and "_TUXPY_COMPLETE" in done.out

    def completed(*words: str) -> list[str]:
        env = {"_TUXPY_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
        return [line.partition(",")[2] for line in run(env=env).out.splitlines()]

    assert completed("tuxpy", "se") == ["serve"]
    assert "--max-connections" in completed("tuxpy", "serve", "--max")
    assert completed("tuxpy", "chain", "life") == ["lifecycle"]
    assert completed("tuxpy", "serve", "--backend", "ep") == ["epoll"]


# Chains and explanations.


def test_chain_lists_what_is_known(run: Run) -> None:
    done = run("chain")
    assert done.status == 0
    known = ["lifecycle", "proxied", "response", "refusal", "open"]
    assert [line.split()[0] for line in done.out.splitlines()] == known
    assert run("chain", "--list").out == done.out


def test_chain_draws(run: Run) -> None:
    done = run("chain", "lifecycle", env={"PYTHONIOENCODING": "utf-8"})
    assert (done.status, done.err) == (0, "")
    assert "accept4()" in done.out and "│" in done.out
    plain = run("chain", "lifecycle", "--ascii")
    assert plain.out.isascii() and "accept4()" in plain.out
    assert run("chain", "lifecycle", env={"PYTHONIOENCODING": "ascii"}).out == plain.out
    assert run("chain", "lifecycle", "--dump").out.startswith("0")
    assert run("chain", "lifecycle", "--dot").out.startswith('digraph "lifecycle" {')
    assert run("chain", "lifecycle", "--svg").out.startswith("<svg ")
    assert "one with --text" in run("chain", "response", "--svg").err


def test_chain_reads_what_it_has_written(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "mine.chain"
    text = run("chain", "lifecycle", "--text").out
    file.write_text(text, "utf-8")
    assert run("chain", str(file), "--text").out == text
    assert run("chain", str(file)).out == run("chain", "lifecycle").out
    assert run("chain", "lifecycle", "--diff", str(file)).out == "\n"
    file.write_text(text.replace("STOP_ON_NEGATIVE", "STOP_ON_NON_POSITIVE", 1), "utf-8")
    changed = run("chain", "lifecycle", "--diff", str(file)).out.splitlines()
    assert [line[0] for line in changed if line[0] in "+-" and line[:3] not in ("+++", "---")] == ["-", "+"]
    file.write_text("chain broken budget 0\natom a fork()\n", "utf-8")
    refused = run("chain", str(file))
    assert (refused.status, refused.out) == (1, "") and "fork is refused" in refused.err
    assert "no chain can be read from" in run("chain", str(tmp_path / "absent.chain")).err


def test_chain_lists_the_calls(run: Run) -> None:
    assert run("chain", "--calls").out == table()


def test_explain(run: Run, www: Path) -> None:
    done = run("explain", "/docs/", "--root", str(www), "-H", "X-Other: 1", "-X", "HEAD", "--http1.0", "--ascii")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("Request\n  HEAD /docs/ HTTP/1.0\n")
    assert "HTTP/1.1 200 OK" in done.out and done.out.isascii()
    named = run("explain", "http://a.example/%ff%e4%b8%ad", "--root", str(www), env={"PYTHONIOENCODING": "latin-1"})
    assert named.status == 0 and r"/\xff\u4e2d" in named.out


def test_explain_follows_links_as_the_server_does(run: Run, www: Path) -> None:
    (www / "inside").symlink_to("index.html")
    (www / "outside").symlink_to("/etc/passwd")
    assert "HTTP/1.1 200 OK" in run("explain", "/inside", "--root", str(www)).out
    assert "leads out of the root" in run("explain", "/outside", "--root", str(www)).out


# What goes wrong is one line, and exit code 2.


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["serve", "--prot", "1"], "see tuxpy serve --help"),
        (["serve", "a", "b"], "see tuxpy serve --help"),
        (["serve", "nothing"], "there is no directory"),
        (["serve", "file"], "is not a directory"),
        (["serve", "-p", "70000"], "'70000' is not a port"),
        (["serve", "-b", "unix:x"], "not a unix socket"),
        (["serve", "-b", "::1"], "brackets"),
        (["serve", "-b", ":80", "-b", "80"], "given twice"),
        (["serve", "-w", "0"], "not a number of engines"),
        (["serve", "--max-connections", "0"], "connections cannot be"),
        (["serve", "--max-connections", "many"], "--max-connections"),
        (["serve", "--backend", "kqueue"], "epoll"),
        (["serve", "--log-level", "loud"], "warning"),
        (["serve", "--color", "red"], "always"),
        (["chain", "nothing"], "choose from lifecycle"),
        (["explain"], "TARGET"),
        (["explain", "/", "-H", "x"], "Field: value"),
        (["explain", "/", "--root", "nothing"], "there is no directory"),
        (["completion", "ksh"], "bash"),
        (["folder"], "tuxpy serve folder"),
        (["sevre"], "see tuxpy --help"),
    ],
)
def test_one_line_says_what_is_wrong(
    args: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)
    assert main(args) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("tuxpy: ") and err.count("\n") == 1 and err.endswith("\n")
    assert words in err


# The other end of standard output.


def shell(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    line = f"set -o pipefail; tuxpy() {{ {' '.join(command())} \"$@\"; }}; {script}"
    return subprocess.run(
        ["bash", "-c", line], env=environment(**variables), capture_output=True, text=True, timeout=20
    )


def test_a_reader_that_leaves_is_no_accident() -> None:
    done = shell("tuxpy chain lifecycle | head -1")
    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")
    gone = shell("tuxpy chain lifecycle | true")
    assert (gone.stdout, gone.stderr) == ("", "")
    closed = shell("tuxpy chain lifecycle >&-")
    assert (closed.returncode, closed.stderr) == (0, "")


def test_a_full_disk_is_one_line() -> None:
    done = shell("tuxpy chain lifecycle > /dev/full")
    assert done.returncode == 1
    assert done.stderr == "tuxpy: No space left on device\n"


@pytest.mark.parametrize(("words", "status"), [("--version", 0), ("serve /dev/null/none", 2), ("nonsense", 2)])
@pytest.mark.parametrize("place", ["/dev/full", "&-"])
def test_a_standard_error_that_takes_nothing_changes_no_exit_code(words: str, status: int, place: str) -> None:
    """Python itself makes 120 of what it cannot write at its end."""
    assert shell(f"tuxpy {words} 2>{place}").returncode == status


def test_looking_does_not_load_what_serves(run: Run) -> None:
    for args in (["--help"], ["serve", "--help"], ["--version"]):
        done = run(*args, env={"PYTHONPROFILEIMPORTTIME": "1"})
        assert done.status == 0
        loaded = {line.rpartition("|")[2].strip() for line in done.err.splitlines()}
        assert "tuxpy.cli" in loaded
        assert not loaded & {"tuxpy.server", "tuxpy._engine", "tuxpy.atoms", "h11", "logging", "asyncio"}
