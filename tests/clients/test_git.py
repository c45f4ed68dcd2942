"""git over dumb HTTP: a bare repository is a directory of files, and `git update-server-info` writes its table."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Final

import pytest
from support.poll import until

from .fixtures import Publish, Run
from .programs import MARKS, program
from .relay import Exchange, Relay

pytestmark = MARKS

_SETTINGS: Final = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "nobody",
    "GIT_AUTHOR_EMAIL": "nobody@example.org",
    "GIT_COMMITTER_NAME": "nobody",
    "GIT_COMMITTER_EMAIL": "nobody@example.org",
    "GIT_TERMINAL_PROMPT": "0",
}
_LOOSE = re.compile("/project[.]git/objects/[0-9a-f]{2}/[0-9a-f]{38}")
DUMB: Final = {"GIT_SMART_HTTP": "0"}


class Author:
    """A working tree, and the bare repository it is published to."""

    def __init__(self, run: Run, tree: Path, bare: Path) -> None:
        self._run, self.tree, self.bare = run, tree, bare
        self._git = program("git", package="git")
        self("init", "-q", "-b", "main", str(tree), cwd=tree.parent)
        self("init", "-q", "--bare", "-b", "main", str(bare), cwd=tree.parent)

    def __call__(self, *words: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
        return self._run(self._git, *words, cwd=cwd or self.tree, env={**_SETTINGS, **(env or {})}).out.strip()

    def commit(self, name: str, content: bytes) -> str:
        """A new commit, published; its name."""
        (self.tree / name).write_bytes(content)
        self("add", "-A")
        self("commit", "-q", "-m", f"write {name}")
        self("push", "-q", str(self.bare), "main")
        self.publish()
        return self("rev-parse", "HEAD")

    def publish(self) -> None:
        self("update-server-info", cwd=self.bare)


@pytest.fixture
def author(run: Run, root: Path, tmp_path: Path) -> Author:
    author = Author(run, tmp_path / "tree", root / "project.git")
    for number in range(5):
        author.commit(f"file {number}.txt", random.Random(number).randbytes(20_000))
    author("tag", "v1")
    author("push", "-q", str(author.bare), "v1")
    author.publish()
    return author


def _is_the_same(author: Author, clone: Path) -> None:
    assert author("rev-parse", "HEAD", cwd=clone) == author("rev-parse", "HEAD")
    assert author("status", "--porcelain", cwd=clone) == ""
    author("fsck", "--strict", cwd=clone)


def _fetch(author: Author, clone: Path, commit: str) -> None:
    """Fetch until the commit is there: a change is seen within a second."""

    def fetched() -> bool:
        author("fetch", "-q", cwd=clone, env=DUMB)
        return author("rev-parse", "origin/main", cwd=clone) == commit

    assert until(fetched, within_s=5)
    author("merge", "-q", "--ff-only", "origin/main", cwd=clone)


@pytest.mark.parametrize("env", [DUMB, {}], ids=["dumb", "asks for smart first"])
def test_a_clone(publish: Publish, root: Path, author: Author, here: Path, env: dict[str, str]) -> None:
    """Who asks for the smart protocol learns by the type of the answer that there is none (gitprotocol-http)."""
    site = publish(root)
    author("clone", "-q", f"{site.url}/project.git", str(here / "clone"), env=env)
    _is_the_same(author, here / "clone")
    assert author("tag", cwd=here / "clone") == "v1"
    first = site.passed()[0]
    assert first.target == "/project.git/info/refs" + ("" if env else "?service=git-upload-pack")
    assert not first.head["content-type"].startswith("application/x-git")
    assert {one.method for one in site.passed()} == {"GET"}
    assert len(_objects(site)) == 5 * 3, "of every commit itself, its tree and its blob"
    assert {one.head.get("content-encoding") for one in _objects(site)} == {None}  # they are compressed as they are


def _objects(site: Relay) -> list[Exchange]:
    """Loose objects that were sent."""
    return [one for one in site.passed() if _LOOSE.fullmatch(one.target) and one.status == 200]


def test_a_fetch_after_a_new_commit(publish: Publish, root: Path, author: Author, here: Path) -> None:
    site = publish(root)
    author("clone", "-q", f"{site.url}/project.git", str(here / "clone"), env=DUMB)
    site.forget()
    _fetch(author, here / "clone", author.commit("new.txt", b"new\n"))
    _is_the_same(author, here / "clone")
    assert len(_objects(site)) == 3, "a commit, a tree and a blob are new"


def test_a_repository_that_was_packed(publish: Publish, root: Path, author: Author, here: Path) -> None:
    """All objects in one pack with its index."""
    author("gc", "-q", "--prune=now", cwd=author.bare)
    author.publish()
    site = publish(root)
    author("clone", "-q", f"{site.url}/project.git", str(here / "clone"), env=DUMB)
    _is_the_same(author, here / "clone")
    packs = [one for one in site.passed() if one.target.endswith((".pack", ".idx"))]
    assert [one.status for one in packs] == [200, 200]
    assert _objects(site) == []


def test_a_repository_that_is_packed_between_two_fetches(
    publish: Publish, root: Path, author: Author, here: Path
) -> None:
    """What was a file is none any more: the clone learns of the pack, and nobody is told of objects that are gone."""
    site = publish(root)
    author("clone", "-q", f"{site.url}/project.git", str(here / "clone"), env=DUMB)
    commit = author.commit("new.txt", b"new\n")
    author("gc", "-q", "--prune=now", cwd=author.bare)
    author.publish()
    site.forget()
    _fetch(author, here / "clone", commit)
    _is_the_same(author, here / "clone")
    assert [one.status for one in site.passed() if one.target.endswith(".pack")] == [200]
