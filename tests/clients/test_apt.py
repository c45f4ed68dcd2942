"""apt: a flat archive by hand, read by an apt that has a tree of its own and leaves this machine's alone."""

from __future__ import annotations

import gzip
import hashlib
from email.utils import formatdate
from pathlib import Path
from typing import Final

import pytest
from support.webroot import MODIFIED_S, write

from .fixtures import Done, Publish, Run
from .programs import MARKS, program
from .relay import Relay

pytestmark = MARKS

PACKAGES: Final = {f"tuxpy-sample-{number}": "1.0" for number in range(12)}
ODD: Final = "1:2.0+b1~rc1"  # as a file name of an archive has it: 1%3a2.0+b1~rc1


class Archive:
    """A flat archive: packages, their list in two forms, and a Release that nobody has signed."""

    def __init__(self, root: Path, run: Run, tmp: Path) -> None:
        self.root, self._run, self._tmp = root, run, tmp
        self._stanzas: list[str] = []

    def add(self, name: str, version: str, data: bytes = b"data\n") -> Path:
        tree = self._tmp / "build" / name
        control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\n"
        write(tree / "DEBIAN" / "control", f"{control}Description: a sample\n".encode())
        write(tree / "usr" / "share" / name / "data", data)
        tree.chmod(0o755)
        (tree / "DEBIAN").chmod(0o755)
        path = self.root / "pool" / f"{name}_{version.replace(':', '%3a')}_all.deb"
        path.parent.mkdir(exist_ok=True)
        self._run(program("dpkg-deb", package="dpkg"), "-Znone", "--root-owner-group", "--build", tree, path)
        content = path.read_bytes()
        write(path, content)
        sums = f"Size: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"
        self._stanzas.append(f"{control}Filename: ./pool/{path.name}\n{sums}Description: a sample\n")
        return path

    def close(self) -> None:
        """Write the lists."""
        plain = "\n".join(self._stanzas).encode()
        lists = {"Packages": plain, "Packages.gz": gzip.compress(plain, mtime=0)}
        sums = "".join(f" {hashlib.sha256(data).hexdigest()} {len(data)} {name}\n" for name, data in lists.items())
        for name, data in lists.items():
            write(self.root / name, data)
        write(self.root / "Release", f"Date: {formatdate(MODIFIED_S, usegmt=True)}\nSHA256:\n{sums}".encode())


class Apt:
    """apt-get in a tree of its own."""

    def __init__(self, run: Run, top: Path, url: str) -> None:
        self._run, self.top = run, top
        for folder in ("etc/apt", "state/lists/partial", "cache/archives/partial", "log"):
            (top / folder).mkdir(parents=True)
        (top / "state" / "status").write_bytes(b"")
        (top / "etc" / "apt" / "sources.list").write_text(f"deb [trusted=yes] {url}/ ./\n")
        places = [
            *(("Dir", top), ("Dir::Etc", top / "etc/apt"), ("Dir::Etc::main", "-"), ("Dir::Etc::parts", "-")),
            *(("Dir::Etc::sourceparts", "-"), ("Dir::Etc::trusted", "-"), ("Dir::Etc::trustedparts", "-")),
            *(("Dir::State", top / "state"), ("Dir::State::status", top / "state/status")),
            *(("Dir::Cache", top / "cache"), ("Dir::Log", top / "log"), ("Dir::Bin::Methods", "/usr/lib/apt/methods")),
            *(("APT::Sandbox::User", "root"), ("Acquire::http::Proxy", "DIRECT"), ("Acquire::Languages", "none")),
        ]
        (top / "apt.conf").write_text("".join(f'{name} "{value}";\n' for name, value in places))

    def __call__(self, *words: str) -> Done:
        apt_get = program("apt-get", package="apt")
        return self._run(apt_get, "-y", *words, env={"APT_CONFIG": str(self.top / "apt.conf")})


@pytest.fixture
def archive(root: Path, run: Run, tmp_path: Path) -> Archive:
    program("apt-get", package="apt")
    return Archive(root, run, tmp_path)


@pytest.fixture
def full(archive: Archive) -> Archive:
    for name, version in PACKAGES.items():
        archive.add(name, version, name.encode() * 20_000)
    archive.add("tuxpy-odd", ODD)
    archive.close()
    return archive


def _site(publish: Publish, run: Run, tmp: Path, archive: Archive) -> tuple[Relay, Apt]:
    site = publish(archive.root)
    return site, Apt(run, tmp / "apt", site.url)


def test_9110_13_1_3_the_lists_are_asked_for_with_their_time(
    publish: Publish, run: Run, tmp_path: Path, full: Archive
) -> None:
    site, apt = _site(publish, run, tmp_path, full)
    assert "Get:" in apt("update").out
    assert [one.target for one in site.passed() if one.status == 200] == ["/./Release", "/./Packages.gz"]
    assert {one.target: one.status for one in site.passed()}["/./InRelease"] == 404
    site.forget()
    apt("update")
    assert site.one("/./Release").status == 304
    assert "if-modified-since" in site.one("/./Release").request
    assert site.passed("/./Packages.gz") == []


@pytest.mark.parametrize("depth", ["0", "10"])
def test_9112_9_3_2_packages_are_asked_for_in_a_pipeline(
    publish: Publish, run: Run, tmp_path: Path, full: Archive, depth: str
) -> None:
    site, apt = _site(publish, run, tmp_path, full)
    apt("update")
    site.forget()
    apt("install", "--download-only", "-o", f"Acquire::http::Pipeline-Depth={depth}", *PACKAGES)
    for name in (f"{name}_1.0_all.deb" for name in PACKAGES):
        assert (apt.top / "cache" / "archives" / name).read_bytes() == (full.root / "pool" / name).read_bytes()
    asked = site.passed()
    assert [one.status for one in asked] == [200] * len(PACKAGES)
    assert site.connections == 1
    assert (max(one.waiting for one in asked) > 1) == (depth != "0")


def test_3986_2_1_names_with_escapes_plus_and_tilde(
    publish: Publish, run: Run, tmp_path: Path, full: Archive
) -> None:
    """An epoch's colon is written as %3a in the name of the file, and that percent sign is escaped once more."""
    site, apt = _site(publish, run, tmp_path, full)
    apt("update")
    site.forget()
    apt("install", "--download-only", "tuxpy-odd")
    (fetched,) = (apt.top / "cache" / "archives").glob("tuxpy-odd*.deb")
    (served,) = (full.root / "pool").glob("tuxpy-odd*.deb")
    assert served.name == "tuxpy-odd_1%3a2.0+b1~rc1_all.deb"
    assert fetched.read_bytes() == served.read_bytes()
    assert "%253a" in site.one().target


def test_9110_13_1_5_a_package_is_resumed(publish: Publish, run: Run, tmp_path: Path, archive: Archive) -> None:
    """Range with If-Range: the date of the part is the date of the file, so the rest is sent and nothing else."""
    path = archive.add("tuxpy-large", "1.0", bytes(range(256)) * 8000)
    archive.close()
    site, apt = _site(publish, run, tmp_path, archive)
    apt("update")
    site.forget()
    content = path.read_bytes()
    write(apt.top / "cache" / "archives" / "partial" / path.name, content[:1_000_000])
    apt("install", "--download-only", "tuxpy-large")
    assert (apt.top / "cache" / "archives" / path.name).read_bytes() == content
    one = site.one()
    assert "if-range" in one.request
    assert one.status == 206
    assert one.part == (1_000_000, len(content) - 1)


def test_9110_13_1_5_a_part_of_another_version_is_thrown_away(
    publish: Publish, run: Run, tmp_path: Path, archive: Archive
) -> None:
    path = archive.add("tuxpy-large", "1.0", bytes(range(256)) * 8000)
    archive.close()
    site, apt = _site(publish, run, tmp_path, archive)
    apt("update")
    site.forget()
    write(apt.top / "cache" / "archives" / "partial" / path.name, b"x" * 1_000_000, MODIFIED_S - 1)
    apt("install", "--download-only", "tuxpy-large")
    assert (apt.top / "cache" / "archives" / path.name).read_bytes() == path.read_bytes()
    assert site.one().status == 200
