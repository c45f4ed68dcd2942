"""Where a value was written, for what turns out to be impossible only when the server starts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import ConfigError
from .settings import Config


@contextmanager
def at(config: Config, key: str) -> Iterator[None]:
    """Give every ConfigError from within the place of this key, if a file has said it."""
    try:
        yield
    except ConfigError as error:
        place = config.places.get(key)
        if place is None:
            raise
        raise ConfigError(f"{place}: {key}: {error}") from error
