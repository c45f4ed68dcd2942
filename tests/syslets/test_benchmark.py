"""loadtest/async_test.py: a small run of everything, and the page that has the results of a large one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def bench(*words: str | Path) -> str:
    command = [sys.executable, str(ROOT / "loadtest" / "async_test.py"), *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=110).stdout


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_a_small_run(tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    told = bench("--files", "50", "--rounds", "2", "--cached", "--directory", tmp_path, "--json", found)
    results = json.loads(found.read_text("utf-8"))
    assert results["cached"]["sync_c_ms"] > 0 and results["cached"]["syslets_ms"] > 0
    assert results["uncached"] == {"skipped": "left out by --cached"}
    assert [row["atoms"] for row in results["null"]] == [1, 2, 4, 8]
    assert "synchronous IO      |   Syslets:" in told
    assert "  uncached:       45.8 seconds        |  34.2 seconds   ( +33.9% )" in told
    assert list(tmp_path.iterdir()) == [found]
    assert bench("--render", found) == told


def test_the_page_has_the_results_as_they_were_measured() -> None:
    page = (ROOT / "loadtest" / "ASYNC.md").read_text("utf-8")
    named = re.search(r"--render (loadtest/results/[^`]+)`", page)
    assert named
    shown = "".join(f"    {line}" if line.strip() else line for line in bench("--render", named[1]).splitlines(True))
    assert shown.rstrip() in page
