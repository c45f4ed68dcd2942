"""Clients that ask without a pause, each on a connection of its own, and note every answer that is not as it should be.

They forgive nothing but what HTTP itself announces: after "Connection: close" a new connection is made (RFC 9112 9.6).
A server that must let a connection go waits half a second for one more request; a client whom the machine has kept from
asking for so long may find it closed, and asks again (RFC 9112 9.3.1).
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection
from typing import Final

from .client import Client, Response, get

Address = tuple[str, int]
LATE_S: Final = 0.4


class Load:
    """`with Load(address) as load:`; `failures` says what went wrong, `answered` how much went well."""

    def __init__(
        self,
        address: Address,
        targets: Collection[str] = ("/",),
        good: Callable[[Response], bool] = lambda answer: answer.status == 200,
        keeping: int = 6,
        fresh: int = 2,
    ) -> None:
        """keeping: clients that keep their connection; fresh: those with a connection for every request."""
        self.answered = 0
        self.failures: list[str] = []
        self._address, self._targets, self._good = address, list(targets), good
        self._over = threading.Event()
        self._lock = threading.Lock()
        kinds = [True] * keeping + [False] * fresh
        self._threads = [threading.Thread(target=self._ask, args=(keeps,)) for keeps in kinds]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self, answers: int = 50, within_s: float = 10.0) -> None:
        """Until so many more requests were answered."""
        wanted, end = self.answered + answers, time.monotonic() + within_s
        while self.answered < wanted and not self.failures and time.monotonic() < end:
            time.sleep(0.005)

    def _ask(self, keeps: bool) -> None:
        client: Client | None = None
        number, late = 0, False
        while not self._over.is_set():
            try:
                if client is None:
                    client, asked_s = Client(self._address), math.inf
                number += 1
                before_s, asked_s = asked_s, time.monotonic()
                try:
                    client.send(get(self._targets[number % len(self._targets)]))
                finally:
                    late = time.monotonic() - before_s > LATE_S
                answer = client.read()
                good = self._good(answer)
                if answer.closes or not keeps:
                    client.close()
                    client = None
            except (AssertionError, OSError) as error:
                if late and client is not None and not client._kept:
                    client = None
                    continue
                good, answer, client = False, error, None
            with self._lock:
                self.answered += good
                if not good:
                    self.failures.append(f"{time.monotonic():.3f} {answer!r}"[:300])
        if client is not None:
            client.close()
