"""Words of a configuration to numbers, and variables in them. Pure.

  durations   "500ms", "30s", "2m", "1h", "1d"
  sizes       "512B", "64KiB", "10MiB", "1GiB" by 1024; "10kB", "10MB", "1GB" by 1000
  rates       "10/s", "600/m", "1000/h"
  variables   ${NAME}, ${NAME:-what holds when it is unset or empty}; $$ is a dollar, and so is one that stands alone
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from ..errors import ConfigError

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_RATE = re.compile(r"([1-9][0-9]{0,6})/([smh])")
_SIZE = re.compile(r"([0-9]{1,12})(B|[kMG]B|[KMG]iB)")
_BYTES: Final = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
# A dollar before anything else than a dollar or a brace is an ordinary sign: try lists have $uri.
_VARIABLE = re.compile(r"\$(?:(\$)|\{([^{}:]*)(:-([^{}]*))?(\}?))")
_NAME = re.compile(r"[A-Za-z_][0-9A-Za-z_]*")


def parse_duration(given: str) -> float:
    """Seconds. Raises ConfigError."""
    found = _DURATION.fullmatch(given)
    if found is None:
        raise ConfigError(f"{given!r} is not a duration: give a number and ms, s, m, h or d, as in 30s")
    return float(found[1]) * _SECONDS[found[2]]


def parse_size(given: str) -> int:
    """Bytes. Raises ConfigError."""
    found = _SIZE.fullmatch(given)
    if found is None:
        raise ConfigError(f"{given!r} is not a size: give a number and B, KiB, MiB or GiB, as in 10MiB")
    return int(found[1]) * _BYTES[found[2]]


def parse_rate(given: str) -> float:
    """Seconds from one to the next; 0 for "off". Raises ConfigError."""
    found = _RATE.fullmatch(given)
    if given == "off":
        return 0.0
    if found is None:
        raise ConfigError(f"{given!r} is not a rate: give a number per s, m or h, as in 20/s or 600/m, or off")
    return _SECONDS[found[2]] / int(found[1])


def expand(given: str, environ: Mapping[str, str]) -> str:
    """`given` with each variable replaced by its value. Raises ConfigError for one that is not set."""

    def value(found: re.Match[str]) -> str:
        dollar, name, default, otherwise, end = found.groups()
        if dollar:
            return "$"
        if not end or not _NAME.fullmatch(name):
            raise ConfigError(f"{given!r} has a variable that is not written as ${{NAME}}: write $$ for a dollar sign")
        if default is None and name not in environ:
            raise ConfigError(f"the variable {name} is not set: set it, or write ${{{name}:-otherwise}}")
        return environ.get(name, "") or otherwise or ""

    return _VARIABLE.sub(value, given)


def has_variable(given: str) -> bool:
    """Whether `expand` would look at the environment."""
    return any(found[1] is None for found in _VARIABLE.finditer(given))
