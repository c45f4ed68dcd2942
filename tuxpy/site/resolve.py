"""Request and Site to Decision: what is to be answered, and why.

Pure but for the site it asks: it sees the significant fields only, and no connection.
The stages run in the order of their tuple; the first that has an opinion decides.

  method      GET, HEAD and OPTIONS, with or without a target (RFC 9110 9.3.7); 405 with Allow for other
              registered methods, 501 for unknown ones (RFC 9110 9.1, 15.5.6, 15.6.2)
  expectation 417 for anything but 100-continue, which is answered by the final status at once
              (RFC 9110 10.1.1)
  target      read by the rules of target.py
  name        locate.py: gates, redirects, file, index, listing, fallback, 404
  content     represent.py: conditions, ranges
  page        a page of the site in the place of ours, where the policy has one for a refusal
  fields      fields.py: what rules add, on every answer; cors.py, where the policy has a rule: the same
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..http.target import Target, read_target
from ..model import Decision, Field, FileFact, NoContent, NotModified, Redirect, Refuse, Request, Serve, text
from ..rules import cors
from ..rules.fields import for_not_modified, merged
from .locate import locate, page_fields
from .significant import ASKED_HEADERS, ASKED_METHOD
from .site import Site, release
from .trail import Trail

SERVED_METHODS = (b"GET", b"HEAD", b"OPTIONS")
# RFC 9110 9.3 and RFC 5789; whatever else is unknown here (RFC 9110 9.1: 501).
KNOWN_METHODS = frozenset(
    (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH")
)
_ALLOW: tuple[Field, ...] = ((b"Allow", b", ".join(SERVED_METHODS)),)


def resolve(request: Request, site: Site, now_s: int = 0) -> Decision:
    """The decision for a request; a Serve in it owns an open descriptor.

    now_s, in unix time, is asked by If-Range alone: whether a date is old enough to be trusted (RFC 9110 8.8.2.2). A
    kept no stays safe when time has passed.
    """
    target = read_target(request.target)
    decision = _decide(request, target, site, now_s)
    try:
        if isinstance(decision, Refuse) and decision.status in site.policy.error_pages and not decision.linger:
            decision = _with_page(decision, site)
        return _ruled(decision, request, target, site)
    except BaseException:  # a Serve owns its file until somebody else takes it
        if isinstance(decision, Serve) and decision.file is not None:
            release(decision.file)
        raise


def _with_page(refusal: Refuse, site: Site) -> Refuse | Serve:
    """The page that the policy has for this status, with the refusal's own fields; without it, the refusal."""
    name = site.policy.error_pages[refusal.status]
    found = site.open(name)
    trail = Trail(list(refusal.why), list(refusal.witnesses), refusal.cacheable)
    if not isinstance(found, FileFact):
        trail.passed_over(name, found)
        return replace(refusal, **trail.terms())
    trail.why.append(f"the page for it is {text(name)}")
    trail.witnesses.append(site.witness(found))
    fields = (*page_fields(name, site), *refusal.fields)
    return Serve(
        status=refusal.status, file=found, etag=b"", fields=fields, keep=refusal.keep, **trail.terms()
    )


def _ruled(decision: Decision, request: Request, target: Target | Refuse, site: Site) -> Decision:
    """The decision with the fields that rules give it; to those of our own small page they apply like to any others."""
    rules = site.rules.fields if isinstance(target, Target) else ()
    grants = None if isinstance(decision, NoContent) else site.policy.cors
    if not rules and grants is None:
        return decision
    fields = decision.fields
    if isinstance(decision, Refuse | Redirect):
        fields = (*decision.page, *fields)
        decision = replace(decision, page=())
    if isinstance(target, Target):
        fields = merged(fields, rules, target.asked, decision.status)
    if isinstance(decision, NotModified):
        fields = for_not_modified(fields)
    if grants is not None:
        fields = _one_vary((*fields, *cors.simple(grants, request.get(b"origin"))))
    return replace(decision, fields=fields)


def _one_vary(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """Several lines mean the same (RFC 9110 5.3), but one is easier to read."""
    values = [value for name, value in fields if name == b"Vary"]
    if len(values) < 2:
        return fields
    return (*(line for line in fields if line[0] != b"Vary"), (b"Vary", b", ".join(values)))


def _decide(request: Request, target: Target | Refuse, site: Site, now_s: int) -> Decision:
    for stage in _STAGES:
        refusal = stage(request)
        if refusal is not None:
            return refusal
    if request.method == b"OPTIONS" and request.target == b"*":
        return NoContent(fields=_ALLOW, why=("the asterisk stands for the whole server",))
    if isinstance(target, Refuse):
        return target
    if request.method == b"OPTIONS":
        return _options(request, target, site)
    return locate(request, target, site, now_s)


def _options(request: Request, target: Target, site: Site) -> NoContent:
    """What can be done with a target, and what pages of other origins may do (Fetch, CORS protocol)."""
    why: tuple[str, ...] = (f"the target decodes to /{text(target.path)}", "OPTIONS asks which methods are allowed")
    fields, rule = _ALLOW, site.policy.cors
    if rule is not None:
        asked = (request.get(b"origin"), request.get(ASKED_METHOD), request.get(ASKED_HEADERS))
        found = cors.preflight(rule, *asked)
        fields = (*fields, *(found.fields if found else cors.simple(rule, asked[0])))
        why = (*why, found.why) if found else why
    return NoContent(fields=fields, why=why)


def _method(request: Request) -> Refuse | None:
    method = request.method
    if method in SERVED_METHODS:
        return None
    name = method.decode()
    if method not in KNOWN_METHODS:
        return Refuse(status=501, why=(f"the server does not know the method {name}",))
    # After CONNECT the client may speak another protocol at once: nothing can follow.
    return Refuse(
        status=405,
        keep=method != b"CONNECT",
        linger=method == b"CONNECT",
        cacheable=method != b"CONNECT",
        fields=_ALLOW,
        why=(f"files allow GET, HEAD and OPTIONS, not {name}",),
    )


def _expectation(request: Request) -> Refuse | None:
    if request.version == b"1.0":
        return None  # RFC 9110 10.1.1: an expectation in HTTP/1.0 is ignored
    unmet = [word for word in request.tokens(b"expect") if word != b"100-continue"]
    if not unmet:
        return None
    return Refuse(status=417, why=(f"the server cannot meet the expectation {text(unmet[0])}",))


_STAGES: tuple[Callable[[Request], Refuse | None], ...] = (_method, _expectation)
