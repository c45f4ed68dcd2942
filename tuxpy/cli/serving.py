"""`tuxpy serve` once everything is understood: a process that is a server."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from .. import log, privileges
from ..config.settings import Config
from ..inherit import Inherited
from ..notify import Notifier
from ..server import Server


def serve(config: Config, has_file: bool, load: Callable[[], Config], say: Callable[[str, bool], None]) -> int:
    """Until it is told to stop; the exit code.

    load  the configuration as it is at that time
    say   lines for whoever has started it, and whether they are coloured
    """
    colored = _set_up_log(config)
    privileges.gain_no_more()
    # When a terminal goes it says SIGHUP, too; who has given no file there means that as the end.
    at_a_terminal = sys.stdin is not None and sys.stdin.isatty()
    reload = load if has_file or not at_a_terminal else None
    server = Server(config, reload, Inherited.take(os.environ), Notifier(os.environ))
    server.reloaded = _set_up_log
    if config.preload and sys.stderr.isatty():
        from .bar import bar

        server.show_preload(bar())
    with server, server.signals():  # whoever reads the lines may signal
        if config.log_level in ("debug", "info"):
            say("\n".join(log.announcement(server, colored)), colored)
        privileges.warn_of_root(config)
        return server.loop()


def _set_up_log(config: Config) -> bool:
    """Whether it is coloured."""
    colored = log.wants_color(config.log_color, sys.stderr)
    log.set_up(config.log_level, colored)
    return colored
