"""The one thing pyproject.toml cannot say: the engine is compiled through cffi, for the stable ABI.

One wheel a platform then serves Python 3.10 and every later one. Free-threaded interpreters have
no stable ABI; there the wheel belongs to the interpreter that built it.
"""

from __future__ import annotations

import sysconfig

from setuptools import setup

_LIMITED = {} if sysconfig.get_config_var("Py_GIL_DISABLED") else {"py_limited_api": "cp310"}

setup(
    cffi_modules=["csrc/cdef.py:ffi"],
    options={"bdist_wheel": _LIMITED},
)
