"""Defaults, each written once: keys.py shows them as words, Config and the rules of engines take them as numbers.

A default that is "nothing" (no limit, no name, off) stands with its field. Units stand in the names, and are those
that people are shown.
"""

from __future__ import annotations

from typing import Final

HOST: Final = "127.0.0.1"  # only this machine, until the operator says otherwise
BACKEND: Final = "auto"
CONNECTIONS: Final = 4096  # of the whole server
LOOK_AFTER_MS: Final = 20

HEAD_TIMEOUT_S: Final = 10
IDLE_TIMEOUT_S: Final = 75  # proxies in front commonly keep theirs for 60 seconds
SEND_TIMEOUT_S: Final = 30
DRAIN_TIMEOUT_S: Final = 8  # containers are killed ten seconds after the signal

HEAD_KIB: Final = 16
BURST: Final = 100  # a page with all that belongs to it
MADE_MIB: Final = 256

SOCKET_MODE: Final = 0o660

LOG_LEVEL: Final = "info"
LOG_COLOR: Final = "auto"
