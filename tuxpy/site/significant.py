"""The fields of requests on which decisions of a site depend."""

from __future__ import annotations

from ..model import SIGNIFICANT
from ..rules.policy import Policy

ASKED_METHOD, ASKED_HEADERS = b"access-control-request-method", b"access-control-request-headers"


def significant_for(policy: Policy) -> tuple[bytes, ...]:
    """The fields on which a decision may depend: the engine's key holds them, and nothing else reaches the judge."""
    names = SIGNIFICANT
    if policy.listing:
        names += (b"accept",)  # a listing comes as a page and as JSON
    if policy.cors:
        names += (ASKED_METHOD, ASKED_HEADERS)
    return names
