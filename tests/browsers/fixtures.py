"""What the fixtures of conftest.py give, for annotations."""

from __future__ import annotations

from collections.abc import Callable

from .relay import Relay

Launch = Callable[..., int]
"""launch(root, *words of the command line): the port of a server over that directory"""
Record = Callable[[int], Relay]
"""record(port): a relay in front of it"""
