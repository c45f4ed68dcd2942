"""Sizes in words. Pure."""

from __future__ import annotations

from typing import Final

_UNITS: Final = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB")


def human_size(size: int) -> str:
    """In at most four digits, as in 812 B, 4.5 KiB, 1023 MiB."""
    if size < 1024:
        return f"{size} B"
    value, unit = size / 1024, 0
    while round(value) >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.{0 if round(value, 1) >= 10 else 1}f} {_UNITS[unit]}"
