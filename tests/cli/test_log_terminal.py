"""Requests are shown on a terminal when no configuration says otherwise, and nowhere else."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest


@pytest.mark.parametrize(("options", "terminal", "shown"), [([], True, True), (["--access-log", "off"], True, False),
                                                            ([], False, False)])  # fmt: skip
def test_who_sees_requests(tmp_path: Path, options: list[str], terminal: bool, shown: bool) -> None:
    (tmp_path / "index.html").write_text("hello")
    ours, theirs = pty.openpty() if terminal else os.pipe()
    command = [sys.executable, "-m", "tuxpy", "serve", str(tmp_path), "-p", "0", "-w", "1", *options]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.PIPE, text=True) as one:
        os.close(theirs)
        assert one.stderr is not None
        first = one.stderr.readline()
        url = next(word for word in first.replace(",", " ").split() if word.startswith("http://"))
        urllib.request.urlopen(f"{url}?seen").read()
        one.send_signal(signal.SIGTERM)
        one.stderr.read()
        assert one.wait() == 0
    os.set_blocking(ours, False)
    try:
        said = os.read(ours, 65536)
    except OSError:  # EIO: a terminal that nobody has any more
        said = b""
    os.close(ours)
    assert (b"GET /?seen" in said) is shown
