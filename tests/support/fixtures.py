"""What the fixtures of conftest.py give, for annotations."""

from __future__ import annotations

from collections.abc import Callable

from .client import Client, Response
from .running import Running

Serve = Callable[..., Running]
"""serve(root=..., **settings of a Config)"""
Connect = Callable[..., Client]
"""connect(running, receive_buffer=None)"""
Ask = Callable[..., Response]
"""ask(request, kept=True)"""
