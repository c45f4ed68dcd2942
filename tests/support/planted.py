"""Document roots made for one test, and servers over them that are asked in every way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tuxpy.rules.policy import Policy

from .both_ways import ask_both_ways
from .client import Client, Response
from .fixtures import Connect, Serve
from .poll import until
from .running import Running
from .webroot import settle, write

FRESH_S: Final = 1.0
NOTES: Final = b"notes\n"


def plant(root: Path, files: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> Path:
    """These files beneath `root` and a page that every test may ask for, all of them settled."""
    for name, content in {"notes.txt": NOTES, **files}.items():
        write(root / name, content)
    for name, target in (links or {}).items():
        (root / name).symlink_to(target)
    settle()
    return root


@dataclass(frozen=True)
class Planted:
    """One server over such a root."""

    root: Path
    running: Running
    connect: Connect

    def ask(self, request: bytes, kept: bool = True) -> Response:
        """Whole and byte by byte, judged and kept; see both_ways.py."""
        return ask_both_ways(self.running, self.connect, request, kept)

    def client(self) -> Client:
        return self.connect(self.running)

    def becomes(self, request: bytes, wanted: Callable[[Response], bool]) -> bool:
        """What was warm is another answer within a second, on a used connection; then on a fresh one, too. Two more
        seconds are for a busy machine."""
        with self.client() as used:
            if not until(lambda: wanted(used.ask(request)), 3 * FRESH_S):
                return False
            with self.client() as fresh:
                return wanted(fresh.ask(request))

    def warm(self, *requests: bytes) -> list[Response]:
        """Ask so often that the answers are kept, if they may be; the last ones."""
        with self.client() as client:
            for _ in range(3):
                last = [client.ask(request) for request in requests]
        return last


class Planter:
    """Plants and serves."""

    def __init__(self, serve: Serve, connect: Connect, root: Path) -> None:
        self._serve, self._connect, self.root = serve, connect, root

    def __call__(
        self, files: Mapping[str, bytes], policy: Policy, links: Mapping[str, str] | None = None, **options: Any
    ) -> Planted:
        plant(self.root, files, links)
        return Planted(self.root, self._serve(self.root, policy=policy, **options), self._connect)
