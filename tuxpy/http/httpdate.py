"""HTTP dates (RFC 9110 5.6.7): one form is written, three are read.

format(seconds) and parse(value) are each other's inverse on IMF-fixdate. Times are whole
seconds since 1970 in UTC. Anything that is not exactly one of the three forms is None, never
a guess; the day's name is read but not compared with the date.
"""

from __future__ import annotations

import re
import time
from calendar import monthrange, timegm
from functools import lru_cache

LENGTH = 29  # bytes of an IMF-fixdate
LATEST_S = 253402300799  # the last second of year 9999, the last a four-digit year can say

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LONG_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = {name.encode(): number for number, name in enumerate(_MONTHS, 1)}

_DAY = f"(?:{'|'.join(_DAYS)})"
_LONG_DAY = f"(?:{'|'.join(_LONG_DAYS)})"
_MON = f"(?P<mon>{'|'.join(_MONTHS)})"
_TIME = r"(?P<h>[0-9]{2}):(?P<m>[0-9]{2}):(?P<s>[0-9]{2})"
_FORMS = tuple(
    re.compile(form.encode())
    for form in (
        rf"{_DAY}, (?P<d>[0-9]{{2}}) {_MON} (?P<y>[0-9]{{4}}) {_TIME} GMT",  # IMF-fixdate
        rf"{_LONG_DAY}, (?P<d>[0-9]{{2}})-{_MON}-(?P<y>[0-9]{{2}}) {_TIME} GMT",  # RFC 850
        rf"{_DAY} {_MON} (?P<d>[ 0-9][0-9]) {_TIME} (?P<y>[0-9]{{4}})",  # asctime()
    )
)


@lru_cache(maxsize=1024)
def format(seconds: int) -> bytes:  # noqa: A001 - httpdate.format says it best
    """29 bytes, for instance b"Sun, 06 Nov 1994 08:49:37 GMT"; 0 <= seconds <= LATEST_S."""
    t = time.gmtime(seconds)
    return (
        f"{_DAYS[t.tm_wday]}, {t.tm_mday:02} {_MONTHS[t.tm_mon - 1]} {t.tm_year:04}"
        f" {t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} GMT"
    ).encode()


def parse(value: bytes, this_year: int | None = None) -> int | None:
    """Seconds since 1970, or None; `this_year` anchors the two-digit years of RFC 850."""
    for form in _FORMS:
        match = form.fullmatch(value)
        if match:
            break
    else:
        return None
    year, month, day = int(match["y"]), _MONTH[match["mon"]], int(match["d"])
    hour, minute, second = int(match["h"]), int(match["m"]), int(match["s"])
    if len(match["y"]) == 2:
        year = _full_year(year, this_year or time.gmtime().tm_year)
    if year < 1 or not 1 <= day <= monthrange(year, month)[1]:
        return None
    if hour > 23 or minute > 59 or second > 60:  # 60: a leap second is in the grammar
        return None
    return timegm((year, month, day, hour, minute, second))


def _full_year(two_digits: int, this_year: int) -> int:
    """What lies more than 50 years ahead means the century before (RFC 9110 5.6.7)."""
    year = this_year - this_year % 100 + two_digits
    return year - 100 if year > this_year + 50 else year
