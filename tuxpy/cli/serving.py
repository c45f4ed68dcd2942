"""`tuxpy serve` once everything is understood: a process that is a server."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..config.loading import Loaded
from ..config.settings import Config, LogConfig
from ..process import log, privileges
from ..process.inherited import Inherited
from ..process.systemd import Notifier
from ..server import Server
from . import start_lines as startlines

_log = logging.getLogger("tuxpy")


def serve(
    config: Config, has_file: bool, load: Callable[[], Loaded], say: Callable[[str, bool], None],
    shows: bool = False,
) -> int:
    """Until it is told to stop; the exit code.

    load  the configuration as it is at that time, with what is doubtful about it
    say   lines for the person who started it, and whether they are coloured
    shows whether requests are to be seen on standard output, should it be a terminal
    """
    shown = LogConfig("-") if shows and sys.stdout.isatty() else None
    config = replace(config, access_log=config.access_log or shown)
    colored = _set_up_log(config)
    privileges.gain_no_more()
    with suppress(OSError):  # also as a successor, which the interpreter's own name would be given
        Path("/proc/self/comm").write_bytes(b"tuxpy")
    # When a terminal goes it says SIGHUP, too; who has given no file there means that as the end.
    at_a_terminal = sys.stdin is not None and sys.stdin.isatty()
    reload = (lambda: _reloaded(load(), shown)) if has_file or not at_a_terminal else None
    server = Server(config, reload, Inherited.take(os.environ), Notifier(os.environ))
    server.reloaded = _set_up_log
    if config.preload and sys.stderr.isatty():
        from .bar import bar

        server.show_preload(bar())
    with server, server.signals():  # a program that reads the lines may signal
        if config.log_level in ("debug", "info"):
            columns = os.get_terminal_size(sys.stderr.fileno()).columns if sys.stderr.isatty() else None
            say("\n".join(startlines.told(server, colored, columns)), colored)
        privileges.warn_of_root(config, [one.host for one in server.listeners])
        return server.loop()


def _reloaded(found: Loaded, shown: LogConfig | None) -> Config:
    """What a reload puts in force; its doubts are told in the log."""
    for doubt in found.doubts(rules_files=False):
        _log.warning("%s", doubt)
    return replace(found.config, access_log=found.config.access_log or shown)


def _set_up_log(config: Config) -> bool:
    """Whether it is coloured."""
    colored = log.wants_color(config.log_color, sys.stderr)
    log.set_up(config.log_level, colored)
    return colored
