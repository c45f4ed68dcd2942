"""What clients may take, and whose word about them counts."""

from __future__ import annotations

from typing import Final, Literal, get_args

from ..errors import ConfigError
from ..values import value_class
from . import defaults

ForwardedField = Literal["x-forwarded-for", "forwarded", "off"]
WhenFull = Literal["refuse", "wait"]

# The first choice is the default.
FORWARDED_FIELDS: Final[tuple[ForwardedField, ...]] = get_args(ForwardedField)
WHEN_FULL: Final[tuple[WhenFull, ...]] = get_args(WhenFull)

# csrc/base/limits.h: TUX_HEAD_BYTES_LEAST, TUX_HEAD_BYTES_MAX, TUX_INTERVAL_NS_MAX, TUX_BURST_MAX.
HEAD_BYTES_MIN, HEAD_BYTES_MAX = 256, 65536
BURST_MAX: Final = 1_000_000
INTERVAL_S_MAX: Final = 3600.0
_COUNT_MAX: Final = (1 << 32) - 1
_BANDWIDTH_MIN: Final = 1024
_MADE_BYTES_MIN: Final = 1 << 20


@value_class(frozen=True, slots=True)
class ClientLimits:
    """0 is no limit. Raises ConfigError for what cannot be.

    head_bytes               of the head of a request
    requests_per_connection  the last answer says so
    connections_per_address  open at once
    interval_s               between two requests of an address in the long run
    burst                    so many at once before that counts
    bandwidth                bytes a second of a connection
    exempt                   networks whose addresses are not counted
    when_full                what newcomers meet when hardly a connection is left
    made_bytes               of memory for bodies that are made: compressed files, listings
    """

    head_bytes: int = defaults.HEAD_KIB << 10
    requests_per_connection: int = 0
    connections_per_address: int = 0
    interval_s: float = 0.0
    burst: int = defaults.BURST
    bandwidth: int = 0
    exempt: tuple[str, ...] = ()
    when_full: WhenFull = WHEN_FULL[0]
    made_bytes: int = defaults.MADE_MIB << 20

    def __post_init__(self) -> None:
        if not HEAD_BYTES_MIN <= self.head_bytes <= HEAD_BYTES_MAX:
            raise ConfigError(f"heads cannot be limited to {self.head_bytes} bytes: give {HEAD_BYTES_MIN}B to 64KiB")
        for name in ("requests_per_connection", "connections_per_address"):
            if not 0 <= getattr(self, name) <= _COUNT_MAX:
                raise ConfigError(f"{getattr(self, name)} is out of range: give a number from 1 on, or 0 for no limit")
        if not 0 <= self.interval_s <= INTERVAL_S_MAX:
            raise ConfigError("the rate is too low: give at least one request per hour, as in 1/h")
        if not 1 <= self.burst <= BURST_MAX:
            raise ConfigError(f"a burst of {self.burst} requests is out of range: give 1 to {BURST_MAX}")
        if self.bandwidth != 0 and not _BANDWIDTH_MIN <= self.bandwidth < 1 << 62:
            raise ConfigError(f"{self.bandwidth} bytes per second are too few: give 1KiB or more, or 0 for no limit")
        if not _MADE_BYTES_MIN <= self.made_bytes < 1 << 62:
            raise ConfigError(f"{self.made_bytes} bytes for bodies that are made cannot be: give 1MiB or more")
        if self.when_full not in WHEN_FULL:
            raise ConfigError(f"there is no choice {self.when_full!r}: choose from {', '.join(WHEN_FULL)}")


@value_class(frozen=True, slots=True)
class Proxies:
    """Proxies in front of us.

    trusted  networks whose word about the client counts; "unix" are the unix sockets
    field    where they give it
    """

    trusted: tuple[str, ...] = ()
    field: ForwardedField = FORWARDED_FIELDS[0]
