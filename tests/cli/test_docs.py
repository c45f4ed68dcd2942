"""Documents: configurations can be read, commands are valid, links lead somewhere, what is shown is what is printed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tuxpy.cli.main import cli
from tuxpy.config.file import source_of
from tuxpy.config.loading import assemble

from .processes import REPOSITORY

DOCUMENTS = [REPOSITORY / "README.md", REPOSITORY / "ARCHITECTURE.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
CONFIGURATIONS = [
    pytest.param(text, id=f"{path.name}:{number}")
    for path in DOCUMENTS
    for number, text in enumerate(re.findall(r"(?ms)^```toml\n(.*?)^```", path.read_text(encoding="utf-8")), 1)
]
_LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_a_configuration_in_a_document_can_be_read(text: str, tmp_path: Path) -> None:
    """A part of a file gets the root that it leaves out."""
    whole = text if re.search(r"(?m)^root = ", text) else f'{text}\n[site]\nroot = "."\n'
    assemble(source_of(str(tmp_path / "tuxpy.toml"), whole.encode()), {}, {}, on_disk=False)


def anchors(path: Path) -> set[str]:
    """What the headings of a document are called in links: words in small letters, with hyphens."""
    text = re.sub(r"(?ms)^```.*?^```", "", path.read_text(encoding="utf-8"))
    headings = re.findall(r"(?m)^#+ (.*)$", text)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_link_of_a_document_leads_to_a_file_and_a_heading(path: Path) -> None:
    dead = []
    for file, anchor in _LINK.findall(path.read_text(encoding="utf-8")):
        target = path.parent / file if file else path
        if "://" not in file and (not target.exists() or (anchor and anchor not in anchors(target))):
            dead.append(f"{file}#{anchor}")
    assert dead == []


def test_a_metric_that_a_document_names_is_told() -> None:
    told = set(re.findall(r'"(tuxpy_[a-z_]+)"', (REPOSITORY / "tuxpy/admin/families.py").read_text(encoding="utf-8")))
    named = {name for path in DOCUMENTS for name in re.findall(r"\btuxpy_[a-z_]+", path.read_text(encoding="utf-8"))}
    assert {name.removesuffix("_total") for name in named} - told == set()


# Commands.


def commands_of(text: str) -> Iterator[list[str]]:
    """The words of each `tuxpy ...` in a document: lines of a shell, and what stands between backquotes."""
    blocks = [block for language, block in re.findall(r"(?ms)^```(\w*)\n(.*?)^```", text) if language in ("", "sh")]
    lines = [line for block in blocks for line in block.splitlines() if not line.startswith("  ")]
    lines += re.findall(r"`([^`\n]+)`", re.sub(r"(?ms)^```.*?^```", "", text))
    for line in lines:
        if re.search(r"\btuxpy ", line):
            yield from commands_in(line)


def commands_in(line: str) -> Iterator[list[str]]:
    """The words of each `tuxpy ...` in a line; operators of the shell part them."""
    words = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
    words.whitespace_split = True
    command: list[str] = []
    redirected = False
    for word in [*words, ";"]:
        if redirected:  # the name of a file
            redirected = False
            continue
        redirected = word in (">", ">>", "<")
        if set(word) <= set("();<>|&"):
            if command and re.fullmatch(r"(?:.*/)?tuxpy", command[0]):
                yield command[1:]
            command = []
        else:
            command.append(word)


def helped() -> Iterator[str]:
    """The examples in the helps."""
    for verb in (cli, *cli.commands.values()):
        for line in f"{verb.help}\n{verb.epilog}".splitlines():
            if line.strip().startswith("tuxpy "):
                yield re.split(r"\s{3,}", line.strip())[0]


COMMANDS = [
    *(
        pytest.param(words, id=f"{path.name}: {shlex.join(words)}")
        for path in DOCUMENTS
        for words in commands_of(path.read_text(encoding="utf-8"))
    ),
    *(pytest.param(words, id=f"help: {shlex.join(words)}") for line in helped() for words in commands_in(line)),
]


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_in_a_document_is_valid(words: list[str]) -> None:
    """It is parsed, not run."""
    name, *rest = words
    try:
        if name.startswith("-"):
            cli.make_context("tuxpy", words)
        else:
            _, verb, _ = cli.resolve_command(click.Context(cli), [name])
            assert verb is not None
            verb.make_context(name, rest)
    except click.exceptions.Exit:
        pass  # --help and --version end here


def test_commands_are_found_and_wrong_ones_refused() -> None:
    assert [*commands_of("```sh\n$ tuxpy check a > b/tuxpy && ./x/tuxpy -V  # so\n```\nor `tuxpy top`")] == [
        ["check", "a"], ["-V"], ["top"]
    ]  # fmt: skip
    for wrong in (["serv"], ["serve", "--spaa"], ["init", "--systemd", "a", "b"], ["explain"]):
        with pytest.raises(click.UsageError):
            test_a_command_in_a_document_is_valid(wrong)


# What the README shows.


def printed(*words: str, cwd: Path = REPOSITORY) -> str:
    done = subprocess.run([sys.executable, "-m", "tuxpy", *words], cwd=cwd, capture_output=True, check=True)
    return done.stdout.decode()


def test_the_readme_shows_what_explain_prints(tmp_path: Path) -> None:
    """But for the time of day."""
    (tmp_path / "about.html").write_text("about\n")
    said = re.sub("Date: .*", "Date: now", printed("explain", "/about", cwd=tmp_path))
    readme = re.sub("Date: .*", "Date: now", (REPOSITORY / "README.md").read_text(encoding="utf-8"))
    assert f"```\n$ tuxpy explain /about\n{said}```\n" in readme


def test_the_picture_of_the_readme_is_what_the_command_draws() -> None:
    assert (REPOSITORY / "docs/lifecycle.svg").read_text() == printed("chain", "lifecycle", "--svg")
