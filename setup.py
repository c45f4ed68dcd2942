"""What pyproject.toml cannot say: how the engine is compiled, and what else goes into a wheel.

It is compiled through cffi for the stable ABI. One wheel a platform then serves Python 3.10 and every later one.
Free-threaded interpreters have no stable ABI; there the wheel belongs to the interpreter that built it.

A wheel has an engine without debug information, a fifth of the size, and a copy of the documents and of the files for
an operator in tuxpy/share. An editable install has neither: there the engine can be debugged, and the files are beside
the package.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sysconfig
from pathlib import Path
from typing import Any

from setuptools import setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

_LIMITED = {} if sysconfig.get_config_var("Py_GIL_DISABLED") else {"py_limited_api": "cp310"}
_SHARED = (
    *("conf/tuxpy.toml", "conf/tuxpy.schema.json", "conf/tuxpy.service", "conf/tuxpy.socket", "conf/logrotate"),
    *("conf/grafana-dashboard.json", "docs/*.md"),
)


class BuildExtension(build_ext):
    """The engine, stripped unless it is for a developer."""

    def run(self) -> None:
        _check_machine()
        super().run()

    def build_extension(self, ext: Any) -> None:
        if not (self.editable_mode or os.environ.get("TUXPY_SANITIZE")):
            ext.extra_compile_args.append("-g0")
            ext.extra_link_args.append("-Wl,-s")
        super().build_extension(ext)


class BuildPython(build_py):
    """The modules, and what an operator reads or copies."""

    def run(self) -> None:
        _check_machine()  # before hundreds of lines about copied files
        super().run()
        if not self.editable_mode:
            share = Path(self.build_lib) / "tuxpy" / "share"
            for pattern in _SHARED:
                for path in sorted(Path().glob(pattern)):
                    place = share / path.relative_to("conf" if path.parts[0] == "conf" else ".")
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, place)


def _check_machine() -> None:
    """End with one sentence when the engine cannot be compiled here."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    remedy = (
        "(Debian, Ubuntu: apt-get install gcc libc6-dev python3-dev; Fedora: dnf install gcc python3-devel;"
        " Alpine: apk add gcc musl-dev python3-dev linux-headers)"
    )
    if shutil.which(compiler) is None:
        raise SystemExit(f"tuxpy needs a C compiler, and there is no {compiler}: install one and try again {remedy}")
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        raise SystemExit(f"tuxpy needs the headers of Python, and there is no Python.h: install them {remedy}")


setup(
    cffi_modules=["csrc/cdef.py:ffi"],
    cmdclass={"build_ext": BuildExtension, "build_py": BuildPython},
    options={"bdist_wheel": _LIMITED},
)
