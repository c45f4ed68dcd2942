"""Whether a request has been sent to an admin listener by its name. Pure.

A page of anybody's may have its own name lead to 127.0.0.1 after it was loaded (DNS rebinding): then the browser lets
it read what we tell, since for the browser it is the page's own server. But it says in Host which name it means, and
that one is not ours. An address in Host cannot be led elsewhere, localhost must not be (RFC 6761 section 6.3), and
other names are those that the operator has given. Unix sockets are out of a browser's reach.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from ..model import Request

_AUTHORITY = re.compile(rb"(?i:https?)://([^/?]*)")
_PORT = re.compile(r":[0-9]*\Z")


def is_meant(request: Request, names: Collection[str]) -> bool:
    """Whether it means us: by an address, as localhost, or by one of `names` (in lower case); or names no host.

    What is meant is the authority of an absolute-form target, else the value of Host (RFC 9112 section 3.2.2).
    """
    absolute = _AUTHORITY.match(request.target)
    said = absolute[1] if absolute else request.get(b"host")
    if not said:
        return True  # HTTP/1.0, or an empty field: no browser is like that
    host = _PORT.sub("", said.decode("latin-1")).lower()
    if host.startswith("[") and host.endswith("]"):
        return _is_address(IPv6Address, host[1:-1])
    host = host.removesuffix(".")
    return host == "localhost" or host.endswith(".localhost") or host in names or _is_address(IPv4Address, host)


def _is_address(kind: type[IPv4Address] | type[IPv6Address], text: str) -> bool:
    try:
        kind(text)
    except AddressValueError:
        return False
    return True
