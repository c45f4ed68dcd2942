"""pip: a simple index that is nothing but directories (PEP 503), links of a listing, metadata without the wheel."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import random
import sys
import zipfile
from pathlib import Path
from typing import Final

import pytest
from support.webroot import write

from .fixtures import Done, Publish, Run
from .programs import MARKS
from .relay import Relay

pytestmark = MARKS

NAME: Final = "tuxpy-tests-sample"
STEM: Final = "tuxpy_tests_sample"
METADATA: Final = f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\nRequires-Dist: {NAME}-two\n"


def _wheel(name: str, version: str = "1.0", extra: int = 0, needs: str = "") -> bytes:
    """A wheel by hand (PEP 427): one module, and so many bytes of data."""
    stem = name.replace("-", "_")
    info = f"{stem}-{version}.dist-info"
    requires = f"Requires-Dist: {needs}\n" if needs else ""
    members = {
        f"{stem}/__init__.py": f"VERSION = {version!r}\n".encode(),
        f"{stem}/data.bin": random.Random(extra).randbytes(extra),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={_digest(content)},{len(content)}\n" for path, content in members.items())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in {**members, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
            archive.writestr(zipfile.ZipInfo(path, (2024, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def _hex(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _index(root: Path, name: str, *wheels: tuple[str, bytes], metadata: str = "") -> None:
    """The page of a project, and its files beside it."""
    links = []
    for file, content in wheels:
        write(root / "files" / file, content)
        attribute = f' data-dist-info-metadata="sha256={_hex(metadata.encode())}"' if metadata else ""
        url = f"../../files/{file}#sha256={_hex(content)}"
        links.append(f'<a href="{url}"{attribute}>{file}</a>')
        if metadata:
            write(root / "files" / f"{file}.metadata", metadata.encode())
    page = f"<!DOCTYPE html><html><head><title>{name}</title></head><body>{''.join(links)}</body></html>\n"
    write(root / "simple" / name / "index.html", page.encode())


@pytest.fixture
def pip(run: Run, home: Path) -> Run:
    """pip of this very interpreter, without settings, with a cache of its own."""
    if importlib.util.find_spec("pip") is None:
        pytest.skip("this interpreter has no pip: install the package python3-pip")
    words = (sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "--no-input")

    def pip_(*more: str) -> Done:
        return run(*words, "--cache-dir", str(home / "cache"), *more)

    return pip_


def _download(pip: Run, site: Relay, *words: str) -> Done:
    trusted = ("--trusted-host", site.url.removeprefix("http://"))  # nothing else is cached without TLS
    return pip("download", "--index-url", f"{site.url}/simple/", *trusted, *words)


def test_a_wheel_from_a_simple_index(publish: Publish, root: Path, pip: Run, here: Path) -> None:
    """PEP 503: a page for each project beneath /simple/; what pip has it asks for with its tag (RFC 9111 4.3.1)."""
    wheels = {version: (f"{STEM}-{version}-py3-none-any.whl", _wheel(NAME, version)) for version in ("1.0", "1.1")}
    _index(root, NAME, *wheels.values())
    site = publish(root)
    _download(pip, site, "--no-deps", "-d", "one", NAME)
    file, content = wheels["1.1"]
    assert [path.name for path in (here / "one").iterdir()] == [file]
    assert (here / "one" / file).read_bytes() == content
    page = site.one(f"/simple/{NAME}/")
    assert page.head["content-type"].startswith("text/html")
    assert site.connections == 1
    site.forget()
    _download(pip, site, "--no-deps", "-d", "two", NAME)
    assert (here / "two" / file).read_bytes() == content
    assert {one.status for one in site.passed()} == {304}
    assert site.one(f"/simple/{NAME}/").request["if-none-match"] == page.head["etag"]


def test_9110_15_4_a_project_without_the_slash(publish: Publish, root: Path, pip: Run, here: Path) -> None:
    """The wheel is found by links that are relative to the page, so its address must end in a slash (PEP 503)."""
    file, content = f"{STEM}-1.0-py3-none-any.whl", _wheel(NAME)
    _index(root, NAME, (file, content))
    site = publish(root)
    pip("download", "--no-deps", "--no-index", "--find-links", f"{site.url}/simple/{NAME}", NAME)
    assert (here / file).read_bytes() == content
    led = site.passed(f"/simple/{NAME}")[-1]
    assert (led.status // 100, led.head["location"]) == (3, f"/simple/{NAME}/")


def test_a_wheel_by_the_links_of_a_listing(publish: Publish, root: Path, pip: Run, here: Path) -> None:
    for version in ("1.0", "1.1", "2.0+local.1"):
        write(root / "wheels" / f"{STEM}-{version}-py3-none-any.whl", _wheel(NAME, version))
    site = publish(root, "--listing")
    pip("download", "--no-deps", "--no-index", "--find-links", f"{site.url}/wheels/", NAME)
    file = f"{STEM}-2.0+local.1-py3-none-any.whl"
    assert (here / file).read_bytes() == _wheel(NAME, "2.0+local.1")
    assert [one.status for one in site.passed(method="GET")] == [200, 200]


def test_metadata_beside_the_wheel(publish: Publish, root: Path, pip: Run, here: Path) -> None:
    """PEP 658: what is needed is read from NAME.whl.metadata, before any wheel is fetched."""
    one, two = f"{STEM}-1.0-py3-none-any.whl", f"{STEM}_two-1.0-py3-none-any.whl"
    _index(root, NAME, (one, _wheel(NAME, needs=f"{NAME}-two")), metadata=METADATA)
    _index(root, f"{NAME}-two", (two, _wheel(f"{NAME}-two")))
    site = publish(root)
    _download(pip, site, NAME)
    assert {path.name for path in here.iterdir()} == {one, two}
    targets = [one.target for one in site.passed() if one.target.startswith("/files/")]
    assert targets[0] == f"/files/{one}.metadata"
    assert sorted(targets[1:]) == sorted([f"/files/{one}", f"/files/{two}"])


def test_9110_14_2_metadata_within_the_wheel(publish: Publish, root: Path, pip: Run, here: Path) -> None:
    """With fast-deps pip reads the end of the archive, and its metadata, by ranges."""
    file, content = f"{STEM}-1.0-py3-none-any.whl", _wheel(NAME, extra=1_000_000)
    write(root / "files" / file, content)
    link = f'<!DOCTYPE html><a href="../../files/{file}">{file}</a>\n'
    write(root / "simple" / NAME / "index.html", link.encode())
    site = publish(root)
    _download(pip, site, "--use-feature=fast-deps", NAME)
    assert (here / file).read_bytes() == content
    asked = site.passed(f"/files/{file}")
    assert (asked[0].method, asked[0].head["accept-ranges"]) == ("HEAD", "bytes")
    parts = [one for one in asked if "range" in one.request]
    assert parts and {one.status for one in parts} == {206}
    assert sum(one.received for one in parts) < 100_000


def test_9110_15_5_5_a_project_that_is_not_there(publish: Publish, root: Path, run: Run, pip: Run, here: Path) -> None:
    _index(root, NAME, (f"{STEM}-1.0-py3-none-any.whl", _wheel(NAME)))
    site = publish(root)
    index = ("--isolated", "download", "--no-deps", "--index-url", f"{site.url}/simple/")
    done = run(sys.executable, "-m", "pip", *index, f"{NAME}-none", status=1)
    assert "No matching distribution" in done.err
    assert site.one(f"/simple/{NAME}-none/").status == 404
