"""Where the log of the process goes: a thread of its own writes to standard error, so a reader that has stopped holds
up nobody who logs. A standard error may be shared, so its mode is not ours to change: that thread may wait, alone.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import threading
from typing import Final

_LINES_MAX: Final = 1000  # that wait for the reader
_LAST_WORDS_S: Final = 1.0  # for the reader to take what waits at the end


class Outlet(logging.Handler):
    """Writes records to a descriptor, in order. With too many waiting the next ones are lost, counted and told."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self.fd = fd
        self.lost = 0
        self._waiting: queue.SimpleQueue[bytes | threading.Event] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Never waits."""
        try:
            line = f"{self.format(record)}\n".encode(errors="backslashreplace")
        except Exception:  # a record that cannot be formatted must not stop a server
            self.handleError(record)
            return
        if self._waiting.qsize() >= _LINES_MAX:
            self.lost += 1
            return
        self._waiting.put(line)
        self._begin()

    def flush(self) -> None:
        """Until all that waits is written; a second at most."""
        if self._thread is None or not self._thread.is_alive():
            return
        reached = threading.Event()
        self._waiting.put(reached)
        reached.wait(_LAST_WORDS_S)

    def _begin(self) -> None:
        if self._thread is not None and self._thread.is_alive():  # in a child of fork it is not
            return
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no thread is to be had: try again with the next line
            self._thread = None

    def _write(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while True:
            one = self._waiting.get()
            if isinstance(one, bytes):
                self._out(one)
            if self.lost and self._waiting.empty():
                lost, self.lost = self.lost, 0
                self._out(f"tuxpy: {lost} lines of this log were lost: nobody read standard error\n".encode())
            if isinstance(one, threading.Event):
                one.set()

    def _out(self, line: bytes) -> None:
        try:
            while line:
                line = line[os.write(self.fd, line) :]
        except BlockingIOError:  # somebody else has set its mode
            self.lost += 1
        except OSError:
            pass  # it is gone, and there is no other place to say so
