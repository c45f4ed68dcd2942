"""Programs of other people: taken as they are installed, or installed from the distribution.

Only root installs, and only by apt-get; everybody else skips, told which package is missing. A daemon that comes in
this way is not started as a service: what the tests need of it they start themselves.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

INSTALLING_S: Final = 240
# A test of this package is slow, and the first of them may have to install what it needs.
MARKS: Final = [pytest.mark.slow, pytest.mark.timeout(INSTALLING_S + 60)]

_SEARCHED: Final = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))
_LOCK: Final = Path(tempfile.gettempdir()) / "tuxpy-tests-install.lock"
_POLICY: Final = Path("/usr/sbin/policy-rc.d")
_NOT_AS_A_SERVICE: Final = "#!/bin/sh\nexit 101\n"  # "action forbidden by policy", see invoke-rc.d(8)
_OPTIONS: Final = ("-qq", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=60")


def program(name: str, *, package: str) -> Path:
    """Where the program is. Without it, and without a way to install it, the test is skipped."""
    found = _found(name)
    if found is None:
        why_not = _install(package)
        found = _found(name)
        if found is None:
            pytest.skip(f"there is no {name} here: install the package {package} ({why_not})")
    return found


def installed(path: Path, *, package: str) -> Path:
    """The same for a file that is no program."""
    if not path.exists():
        why_not = _install(package)
        if not path.exists():
            pytest.skip(f"there is no {path} here: install the package {package} ({why_not})")
    return path


def _found(name: str) -> Path | None:
    path = shutil.which(name, path=_SEARCHED)
    return None if path is None else Path(path)


@functools.lru_cache
def _install(package: str) -> str:
    """Once for each package and run; what stands in the way, in a few words."""
    if os.geteuid() != 0:
        return "only root can do it from here"
    if shutil.which("apt-get") is None:
        return "there is no apt-get"
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with _no_services():
            fetched = _apt("install", "--download-only", package)
            if fetched is not None:  # the lists may be old, or there may be none yet
                fetched = _apt("update") or _apt("install", "--download-only", package)
            return fetched or _apt("install", package) or "apt-get has installed it without that"


def _apt(verb: str, *words: str) -> str | None:
    """None when it went well; else its last word."""
    command = ["apt-get", *_OPTIONS, verb, *words]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=INSTALLING_S / 3
        )
    except subprocess.TimeoutExpired:
        return f"apt-get {verb} takes too long"
    if done.returncode == 0:
        return None
    return (done.stderr.strip().splitlines() or [f"apt-get {verb} ended with {done.returncode}"])[-1]


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """While this holds, no package starts its daemon; a policy that somebody else has laid down stays."""
    ours = False
    with contextlib.suppress(FileExistsError), _POLICY.open("x") as policy:
        policy.write(_NOT_AS_A_SERVICE)
        policy.flush()
        _POLICY.chmod(0o755)
        ours = True
    try:
        yield
    finally:
        if ours:
            _POLICY.unlink()
