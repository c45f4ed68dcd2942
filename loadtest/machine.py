"""The machine and the programs of a measurement, as the head of its table states them."""

from __future__ import annotations

import gzip
import os
import platform
import re
import subprocess
import time
from pathlib import Path
from typing import Any

from contenders import FAILURES, find


def describe() -> dict[str, Any]:
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", cpuinfo, re.M)
    return {
        "date": time.strftime("%Y-%m-%d"),
        "kernel": platform.release(),
        "processor": model[1] if model else platform.machine(),
        "processors": os.cpu_count(),
        "virtual": bool(re.search(r"^flags\b.*\bhypervisor\b", cpuinfo, re.M)),
        "load": round(os.getloadavg()[0], 2),
        "irq_time_apart": _irq_time_apart(),
        "python": platform.python_version(),
        "nginx": _version("nginx", r"nginx/(\S+)"),
        "h2o": _version("h2o", r"h2o version (\S+)"),
        "lighttpd": _version("lighttpd", r"lighttpd/(\S+)"),
        "wrk": _version("wrk", r"wrk (\S+)"),
    }


def _version(program: str, pattern: str) -> str | None:
    try:
        run = subprocess.run([find(program), "-v"], capture_output=True, text=True, timeout=10, check=False)
    except FAILURES:
        return None
    found = re.search(pattern, run.stdout + run.stderr)
    return found[1] if found else None


def _irq_time_apart() -> bool | None:
    """Whether this kernel takes the time of soft interrupts out of a process's CPU time; None when it does not say.

    On loopback the sender's processor delivers the bytes to the receiver in a soft interrupt inside its send. A
    kernel with CONFIG_IRQ_TIME_ACCOUNTING charges that to nobody, so figures of two such kernels do not compare.
    """
    try:
        packed = Path("/proc/config.gz")
        text = (
            gzip.decompress(packed.read_bytes()).decode()
            if packed.exists()
            else Path(f"/boot/config-{platform.release()}").read_text()
        )
    except OSError:
        return None
    return "\nCONFIG_IRQ_TIME_ACCOUNTING=y" in text
