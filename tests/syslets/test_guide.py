"""docs/syslets.md does what it says: its programs run, in order, in one place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "syslets.md"


def test_the_programs_of_the_guide_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    programs = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text("utf-8"), re.M | re.S)
    assert len(programs) >= 6
    names: dict[str, object] = {}
    for program in programs:
        exec(compile(program, str(GUIDE), "exec"), names)


def test_the_guide_names_every_method() -> None:
    from tuxpy import Engine

    public = {name for name in vars(Engine) if not name.startswith("_")} - {"close", "shared", "set_shared"}
    text = GUIDE.read_text("utf-8")
    assert {name for name in public if f"engine.{name}(" not in text} == set()
