"""Documents: every configuration in them can be read, every link and every command leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tuxpy.config.file import source_of
from tuxpy.config.loading import assemble

from .processes import REPOSITORY

DOCUMENTS = [REPOSITORY / "README.md", REPOSITORY / "ARCHITECTURE.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
CONFIGURATIONS = [
    pytest.param(text, id=f"{path.name}:{number}")
    for path in DOCUMENTS
    for number, text in enumerate(re.findall(r"(?ms)^```toml\n(.*?)^```", path.read_text(encoding="utf-8")), 1)
]
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_a_configuration_in_a_document_can_be_read(text: str, tmp_path: Path) -> None:
    """A part of a file gets the root that it leaves out."""
    whole = text if re.search(r"(?m)^root = ", text) else f'{text}\n[site]\nroot = "."\n'
    assemble(source_of(str(tmp_path / "tuxpy.toml"), whole.encode()), {}, {}, on_disk=False)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_link_of_a_document_leads_to_a_file(path: Path) -> None:
    links = [link for link in _LINK.findall(path.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_a_metric_that_a_document_names_is_told() -> None:
    told = set(re.findall(r'"(tuxpy_[a-z_]+)"', (REPOSITORY / "tuxpy/admin/families.py").read_text(encoding="utf-8")))
    named = {name for path in DOCUMENTS for name in re.findall(r"\btuxpy_[a-z_]+", path.read_text(encoding="utf-8"))}
    assert {name.removesuffix("_total") for name in named} - told == set()
