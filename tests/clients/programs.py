"""Programs of other people: taken where they are, or installed from the distribution.

Only root installs, only by apt-get, and one at a time. Who cannot is told the name of the package, and the test skips.
"""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import pytest

_INSTALLING_S: Final = 240
# The first test that needs a program may have to install it.
MARKS: Final = [pytest.mark.slow, pytest.mark.timeout(_INSTALLING_S + 60)]
PATH: Final = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))

_LOCK: Final = Path(tempfile.gettempdir()) / "tuxpy-tests-install.lock"
_OPTIONS: Final = ("-qq", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=60")


def program(name: str, *, package: str) -> str:
    """The path of a program. Without it, and without a way to install it, the test is skipped."""
    found = shutil.which(name, path=PATH)
    if found is None:
        why_not = _install(package)
        found = shutil.which(name, path=PATH)
        if found is None:
            pytest.skip(f"there is no {name} here: install the package {package} ({why_not})")
    return found


@functools.lru_cache
def _install(package: str) -> str:
    """Once for each package and run; what stood in the way, in a few words."""
    if os.geteuid() != 0:
        return "only root can do it from here"
    apt_get = shutil.which("apt-get")
    if apt_get is None:
        return "there is no apt-get"
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another run of the tests may be at it
        why_not = _apt(apt_get, "install", package)
        if why_not is not None:  # the lists may be old, or there may be none yet
            why_not = _apt(apt_get, "update") or _apt(apt_get, "install", package)
    return why_not or "it was installed, and is not in it"


def _apt(apt_get: str, *words: str) -> str | None:
    """None when it went well; else its last word."""
    try:
        done = subprocess.run(
            [apt_get, *_OPTIONS, *words],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_INSTALLING_S / 3,
        )
    except subprocess.TimeoutExpired:
        return f"apt-get {words[0]} takes too long"
    if done.returncode == 0:
        return None
    return (done.stderr.strip().splitlines() or [f"apt-get {words[0]} ended with {done.returncode}"])[-1]
