"""npm: a registry that is a directory. A file without a suffix describes a package; the archives lie elsewhere."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Final

import pytest
from support.webroot import write

from .fixtures import Done, Publish, Run
from .programs import MARKS, program
from .relay import Relay

pytestmark = MARKS

PLAIN, SCOPED = "tuxpy-tests-sample", "@tuxpy-tests/scoped"
_QUIET: Final = {
    "npm_config_audit": "false",
    "npm_config_fund": "false",
    "npm_config_update_notifier": "false",
    "npm_config_ignore_scripts": "true",
    "npm_config_fetch_retries": "0",
}


def _archive(name: str, version: str) -> bytes:
    """A package: an archive with a directory of the name package."""
    members = {
        "package/package.json": json.dumps({"name": name, "version": version, "main": "index.js"}).encode(),
        "package/index.js": f"module.exports = '{name} {version}';\n".encode(),
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in members.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


def _describe(root: Path, url: str, name: str, versions: tuple[str, ...] = ("1.0.0", "1.2.0")) -> None:
    """The archives, and the document of the package."""
    described = {}
    for version in versions:
        content = _archive(name, version)
        place = f"archives/{name}/{version}.tgz"
        write(root / place, content)
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
        described[version] = {
            "name": name,
            "version": version,
            "dist": {"tarball": f"{url}/{place}", "integrity": integrity, "shasum": hashlib.sha1(content).hexdigest()},
        }
    document = {"_id": name, "name": name, "dist-tags": {"latest": versions[-1]}, "versions": described}
    write(root / name, json.dumps(document).encode())


@pytest.fixture
def site(publish: Publish, root: Path) -> Relay:
    site = publish(root)
    for name in (PLAIN, SCOPED):
        _describe(root, site.url, name)
    return site


@pytest.fixture
def npm(run: Run, home: Path, here: Path) -> Run:
    (here / "package.json").write_text('{"name": "here", "version": "1.0.0", "private": true}\n')
    path = program("npm", package="npm")

    def npm_(site: Relay, *words: str) -> Done:
        return run(path, *words, "--registry", f"{site.url}/", env={**_QUIET, "npm_config_cache": str(home / "cache")})

    return npm_


def test_3986_2_1_a_scoped_name_is_asked_for_with_an_escaped_slash(site: Relay, npm: Run) -> None:
    """%2F is a slash here, as no name of a file can hold one; so the document lies in a directory of the scope."""
    for name in (PLAIN, SCOPED):
        assert json.loads(npm(site, "view", "--json", name, "versions").out) == ["1.0.0", "1.2.0"]
    assert [(one.target.lower(), one.status) for one in site.passed()] == [
        (f"/{PLAIN}", 200),
        (f"/{SCOPED.replace('/', '%2f')}", 200),
    ]


def test_9111_4_3_1_what_is_in_the_cache_is_asked_for_with_its_tag(site: Relay, npm: Run) -> None:
    for _ in range(2):
        assert npm(site, "view", PLAIN, "version").out.strip() == "1.2.0"
    first, second = site.passed(f"/{PLAIN}")
    assert (second.request["if-none-match"], second.status) == (first.head["etag"], 304)


def test_packages_are_installed(site: Relay, npm: Run, run: Run, here: Path) -> None:
    npm(site, "install", PLAIN, f"{SCOPED}@1.0.0")
    script = f"console.log(require('{PLAIN}'), require('{SCOPED}'))"
    assert run(program("node", package="nodejs"), "-e", script).out.strip() == f"{PLAIN} 1.2.0 {SCOPED} 1.0.0"
    archives = [one for one in site.passed() if one.target.endswith(".tgz")]
    assert sorted(one.target for one in archives) == [f"/archives/{SCOPED}/1.0.0.tgz", f"/archives/{PLAIN}/1.2.0.tgz"]
    assert {one.head.get("content-encoding") for one in archives} == {None}  # gzip is their form, no coding of transfer


def test_a_package_is_packed_as_it_was(site: Relay, npm: Run, here: Path) -> None:
    npm(site, "pack", SCOPED)
    (packed,) = here.glob("*.tgz")
    assert packed.read_bytes() == _archive(SCOPED, "1.2.0")


def test_9110_15_5_5_a_package_that_is_not_there(site: Relay, run: Run, home: Path) -> None:
    words = ("view", "tuxpy-tests-none", "--registry", f"{site.url}/")
    done = run(program("npm", package="npm"), *words, env=_QUIET, status=1)
    assert "E404" in done.err
