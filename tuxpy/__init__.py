"""tuxpy: a static file web server whose life cycle is a program of system calls.

What is inside is loaded when it is first asked for, so that importing a part of tuxpy costs only that part. `Config`
and `Server` serve files; `Engine`, `Chain` and `chain` give any program system calls that do not make it wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .atoms import ASYNC, NO_COMPLETE, SYNC, Chain, ChainError
    from .config.settings import Address, Config
    from .config.sites import SiteConfig
    from .errors import ConfigError, EngineError, PeerError, TuxError
    from .server import Server
    from .syslets import AT_FDCWD, Completion, Engine, chain

__version__ = "0.1.0"  # as in pyproject.toml; a test compares

__all__ = [
    "ASYNC", "AT_FDCWD", "NO_COMPLETE", "SYNC", "Address", "Chain", "ChainError", "Completion", "Config", "ConfigError",
    "Engine", "EngineError", "PeerError", "Server", "SiteConfig", "TuxError", "__version__", "chain",
]

_HOMES = {
    "ASYNC": "atoms",
    "AT_FDCWD": "syslets",
    "NO_COMPLETE": "atoms",
    "SYNC": "atoms",
    "Address": "config.settings",
    "Chain": "atoms",
    "ChainError": "atoms",
    "Completion": "syslets",
    "Config": "config.settings",
    "ConfigError": "errors",
    "Engine": "syslets",
    "EngineError": "errors",
    "PeerError": "errors",
    "Server": "server",
    "SiteConfig": "config.sites",
    "TuxError": "errors",
    "chain": "syslets",
}


def __getattr__(name: str) -> object:
    """PEP 562: a public name, from the module that is its home."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
