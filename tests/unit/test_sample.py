"""tuxpy/sample: the site that `make serve` shows. Its links lead somewhere, and its picture is the chain that runs."""

from __future__ import annotations

import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import pytest

import tuxpy
from tuxpy.atoms import lifecycle
from tuxpy.model import Request, Serve
from tuxpy.site.resolve import resolve
from tuxpy.site.respond import BODY_IN_MEMORY_MAX
from tuxpy.site.site import Site, release

SAMPLE = Path(tuxpy.__file__).parent / "sample"
GENERATOR = Path(__file__).resolve().parents[2] / "conf" / "sample_gen.py"
PAGES = ("/", "/docs/")


class Reader(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.named: list[str] = []  # ids that other elements rest on
        self.atoms: list[str] = []
        self.nameless: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.links += [values[name] for name in ("href", "src") if name in values]
        self.ids += [values["id"]] if "id" in values else []
        self.named += values.get("aria-labelledby", "").split()
        self.atoms += [values["data-atom"]] if "data-atom" in values else []
        if tag == "img" and "alt" not in values:
            self.nameless.append(tag)


def page(path: str) -> Reader:
    return Reader((SAMPLE / path.strip("/") / "index.html").read_text(encoding="utf-8"))


@pytest.fixture
def sample() -> Iterator[Site]:
    with Site(str(SAMPLE)) as site:
        yield site


def served(site: Site, target: str) -> bool:
    decision = resolve(Request(b"GET", target.encode(), b"1.1", ()), site)
    if isinstance(decision, Serve):
        release(decision.file)
    return decision.status == 200


def test_every_link_is_answered_with_200(sample: Site) -> None:
    """So `wget --mirror` ends without an error; it asks for /robots.txt unasked."""
    for start in PAGES:
        for link in page(start).links:
            assert served(sample, urljoin(start, link)), f"{start} links to {link}"
    assert served(sample, "/robots.txt")


def test_every_file_is_reached_by_a_link() -> None:
    reached = {urljoin(start, link) for start in PAGES for link in page(start).links} | {*PAGES, "/robots.txt"}
    names = (f"/{path.relative_to(SAMPLE)}" for path in SAMPLE.rglob("*") if path.is_file())
    assert {name.removesuffix("index.html") for name in names} == reached


def test_nothing_is_fetched_from_elsewhere() -> None:
    for path in SAMPLE.rglob("*"):
        if path.is_file():
            hosts = re.findall(r"(?:https?:)?//[a-z][\w.-]+\.[a-z]+", path.read_text(encoding="utf-8"))
            assert set(hosts) <= {"http://www.w3.org"}, path  # the name space of SVG


def test_the_picture_has_the_atoms_of_the_chain_in_their_order() -> None:
    labels = [atom.label for atom in lifecycle().atoms if not atom.landing]
    assert page("/").atoms == labels


@pytest.mark.parametrize("path", PAGES)
def test_pages_can_be_heard(path: str) -> None:
    read = page(path)
    assert not read.nameless
    assert len(set(read.ids)) == len(read.ids)
    assert set(read.named) <= set(read.ids)


def test_the_script_finds_what_it_asks_for() -> None:
    asked = re.findall(r'element\("([^"]+)"\)', (SAMPLE / "app.mjs").read_text(encoding="utf-8"))
    assert asked
    assert set(asked) <= set(page("/").ids)


def test_the_large_file_goes_by_sendfile_and_compresses() -> None:
    content = (SAMPLE / "docs" / "trace.csv").read_bytes()
    assert len(content) > 2 * BODY_IN_MEMORY_MAX
    assert len(zlib.compress(content)) < len(content) // 2


def test_the_large_file_is_the_one_its_generator_writes() -> None:
    done = subprocess.run([sys.executable, str(GENERATOR), "--check"], check=False)
    assert done.returncode == 0, "run python conf/sample_gen.py"


def test_rfc_9116_the_contact_is_a_uri_and_there_is_one_expiry() -> None:
    text = (SAMPLE / ".well-known" / "security.txt").read_text(encoding="utf-8")
    assert re.search(r"(?m)^Contact: mailto:\S+@\S+$", text)
    assert len(re.findall(r"(?m)^Expires: \d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$", text)) == 1
