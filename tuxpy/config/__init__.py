"""What the operator asked for: words to values, refused in sentences that name the place and the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .settings import Config

_NONE: Mapping[str, Any] = MappingProxyType({})


def load(path: str | None, environ: Mapping[str, str] = _NONE, flags: Mapping[str, object] = _NONE) -> Config:
    """The configuration in a file, with the variables of `environ` and options laid over it.

    path     of the file; None: there is none
    environ  variables for ${NAME}, and TUXPY_NAME in place of options; os.environ for what the process was given
    flags    options by their names (flags.py): {"port": "9000", "listing": True, "header": ["A: b"]}

    Raises ConfigError with all that is wrong, a line each. Calling it again is a reload.
    """
    from .loading import load_all

    return load_all(path, environ, flags).config
