"""Who may see what: the gates of a policy held against a request (RFC 9110 11, 15.5.2, 15.5.4; RFC 7617).

A password is hashed on a worker (errands.py) and remembered, so a request that shows a known one costs no more than
any other. What is refused to somebody who has shown nothing is kept by the engine like every answer; what is refused
to a guess is not, or guesses would push out what is worth keeping.
"""

from __future__ import annotations

from ..model import Refuse, Request, text
from ..rules.basic import Credentials, parse_authorization
from ..rules.gates import Gate, Login
from .site import Site
from .trail import Trail


def admit(request: Request, path: bytes, site: Site, trail: Trail) -> Refuse | None:
    """What stands between this client and `path` (decoded, a slash in front); None: nothing."""
    for number, gate in enumerate(site.policy.gates):
        if gate.is_for(path):
            refusal = _pass(request, gate, number, site, trail)
            if refusal is not None:
                return refusal
    return None


def _pass(request: Request, gate: Gate, number: int, site: Site, trail: Trail) -> Refuse | None:
    if gate.addresses is not None:
        near = _near(request, gate, number, site)
        said = f"the client's address is {'' if near else 'not '}allowed{_of(gate)}"
        if said not in trail.why:  # the file that answers stands behind the same gate as what was asked for
            trail.why.append(said)
        if not near and not gate.either:
            return Refuse(status=403, **trail.terms())
        if near and (gate.either or gate.login is None):
            return None
    assert gate.login is not None
    return None if _known(request, gate.login, site, trail) else _ask(request, gate.login, trail)


def _near(request: Request, gate: Gate, number: int, site: Site) -> bool:
    """Whether the gate is open to the class of the client's address; without classes there is no address to go by."""
    open_to = site.admitted.get(request.client_class)
    if open_to is not None:
        return open_to[number]
    return gate.addresses is None or gate.addresses.allows(None)


def _known(request: Request, login: Login, site: Site, trail: Trail) -> bool:
    value = request.get(b"authorization")
    shown = parse_authorization(value) if value is not None else None
    if shown is None:
        trail.why.append("a password is asked for, and the request shows none")
        return False
    right = _is_right(shown, login, site)
    said = f"the password of {text(shown.user.encode())} is {'right' if right else 'not right'}"
    if said not in trail.why:
        trail.why.append(said)
    if right and login.users and shown.user not in login.users:
        trail.why.append("this user is not allowed")
        return False
    return right


def _is_right(shown: Credentials, login: Login, site: Site) -> bool:
    users = site.rules.passwords[login.path].current
    known = users.recall(shown.user, shown.password)
    if known is not None:
        return known
    key = ("password", users.fingerprint(shown.user, shown.password))
    return site.errands.fetch("password", key, lambda: users.verify(shown.user, shown.password))


def _ask(request: Request, login: Login, trail: Trail) -> Refuse:
    if request.get(b"authorization") is not None:
        trail.cacheable = False
    return Refuse(status=401, fields=(login.challenge,), **trail.terms())


def _of(gate: Gate) -> str:
    return f" ({gate.where})" if gate.where else ""
