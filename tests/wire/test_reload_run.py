"""loadtest/reload.py in its short form: the run that is to be made for ten minutes also works, and finds nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.running import refusal

from tuxpy.config.settings import Backend

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("how", [[], ["--upgrade"]], ids=["reload", "upgrade"])
def test_not_one_request_fails(backend: Backend, how: list[str]) -> None:
    why_not = refusal(backend)
    if why_not is not None:
        pytest.skip(why_not)
    words = [sys.executable, str(REPOSITORY / "loadtest" / "reload.py"), "--duration", "4", "--every", "0.5"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [*words, "--backend", backend, *how], capture_output=True, text=True, timeout=55, env=environment, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = re.match(r"(\d+) requests answered, 0 failed, (\d+) (?:reloads|upgrades), 0 alarms", done.stdout)
    assert said and int(said[1]) > 100 and int(said[2]) >= 1, done.stdout
