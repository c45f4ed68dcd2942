"""tuxpy: a static file web server whose life cycle is a program of system calls.

`Config` and `Server` are loaded when they are first asked for, so that importing a part of tuxpy costs only that part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config.settings import Address, Config
    from .config.sites import SiteConfig
    from .errors import ConfigError, EngineError, PeerError, TuxError
    from .server import Server

__version__ = "0.1.0"  # as in pyproject.toml; a test compares

__all__ = [
    "Address", "Config", "ConfigError", "EngineError", "PeerError", "Server", "SiteConfig", "TuxError", "__version__",
]

_HOMES = {
    "Address": "config.settings",
    "Config": "config.settings",
    "ConfigError": "errors",
    "EngineError": "errors",
    "PeerError": "errors",
    "Server": "server",
    "SiteConfig": "config.sites",
    "TuxError": "errors",
}


def __getattr__(name: str) -> object:
    """PEP 562: a public name, from the module that is its home."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
