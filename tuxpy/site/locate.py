"""From the target to what answers it: a file, a directory's index or listing, a fallback, or a 404 (RFC 9110 15.5.5).

Names that are hidden (access.py) are not looked at. Else, in this order, the first that is there:

  the name        a file as it is; a directory without its slash is redirected to it, with the query kept
  index names     of a directory, or its listing where the policy has one
  name.html       for a name without a slash behind, where the policy has clean addresses
  the fallback    where the policy has one, and the name could be a page
  the nearest 404.html, from the target's directory upwards; else our own small page

Everything that was looked at is in the trail, what was absent too: a kept answer ends when it appears.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..http.mediatypes import media_type
from ..http.target import Target, directory_location
from ..model import NOSNIFF, Decision, Field, FileFact, Redirect, Refuse, Request, Serve, text
from ..rules.access import hidden_by
from ..rules.fields import REVALIDATE
from ..rules.policy import Policy
from . import listing, listing_page
from .represent import represent
from .site import Denied, IsDirectory, Site
from .trail import Trail


def locate(request: Request, target: Target, site: Site, now_s: int) -> Decision:
    """The decision for a target that may be served."""
    slash = "/" if target.directory and target.segments else ""
    trail = Trail([f"the target decodes to /{text(target.path)}{slash}"])
    hidden = hidden_by(target.segments, site.policy.hidden)
    if hidden is not None:  # the answer is that of any name that is not there
        trail.why.append(f"it is not served: {hidden.why} ({text(hidden.pattern)})")
        return _not_found(request, target, site, trail, now_s)
    for name in _names(target, site.policy):
        found = site.open(name)
        if isinstance(found, FileFact):
            return represent(request, found, site, trail, now_s)
        if isinstance(found, IsDirectory) and not target.directory and name == target.path:
            return _to_slash(target, found, trail)
        trail.passed_over(name, found)
        if isinstance(found, Denied):
            return Refuse(status=403, **trail.terms())
    shown = target.directory and site.policy.listing
    if shown and isinstance(site.open(target.path or b"."), IsDirectory):
        return _list(request, target, site, trail)
    return _not_found(request, target, site, trail, now_s)


def _names(target: Target, policy: Policy) -> Iterator[bytes]:
    """Where to look, best first."""
    if target.directory:
        prefix = target.path + b"/" if target.segments else b""
        for name in policy.index:
            yield prefix + name
        return
    yield target.path
    if policy.clean:
        yield target.path + b".html"


def _to_slash(target: Target, found: IsDirectory, trail: Trail) -> Redirect:
    """Relative links in the index must resolve inside the directory (RFC 3986 5.2)."""
    trail.why.append("it is a directory, so its name takes a slash at the end")
    trail.witnesses.append(found.witness)
    return Redirect(location=directory_location(target), **trail.terms())


def _list(request: Request, target: Target, site: Site, trail: Trail) -> Decision:
    """What the directory holds. Never kept: a file that grows changes the listing and not the directory."""

    def is_hidden(name: bytes) -> bool:
        return hidden_by((*target.segments, name), site.policy.hidden) is not None

    entries, truncated = listing.read(site.root_fd, target.path, site.open_beneath, is_hidden)
    trail.why.append(f"it is a directory of {len(entries)} names{' and more' * truncated}, which the policy shows")
    trail.cacheable = False
    if listing.wants_json(request.get(b"accept"), target.query):
        body, kind = listing.json(target.segments, entries, truncated), listing.JSON_TYPE
    else:
        sort = listing.parse_sort(target.query)
        body, kind = listing_page.html(target.segments, entries, truncated, sort), listing_page.MEDIA_TYPE
    fields: tuple[Field, ...] = ((b"Content-Type", kind), NOSNIFF, (b"Cache-Control", REVALIDATE), (b"Vary", b"Accept"))
    fields = (*fields, (b"Content-Security-Policy", listing_page.POLICY))
    return Serve(content=body, etag=listing.etag(body), fields=fields, **trail.terms())


def _not_found(request: Request, target: Target, site: Site, trail: Trail, now_s: int) -> Decision:
    """The fallback, or a 404 with the nearest page for it."""
    fallback = site.policy.fallback
    if fallback is not None and _may_be_a_page(target):
        found = site.open(fallback)
        if isinstance(found, FileFact):
            trail.why.append("nothing is there, so the fallback answers")
            return represent(request, found, site, trail, now_s)
        trail.passed_over(fallback, found)
    for name in _pages_upwards(target, site.policy):
        found = site.open(name)
        if isinstance(found, FileFact):
            trail.why.append(f"nothing is there; the page for that is {text(name)}")
            trail.witnesses.append(site.witness(found))
            fields: tuple[Field, ...] = ((b"Content-Type", media_type(name).value), NOSNIFF)
            return Serve(status=404, file=found, etag=b"", fields=fields, **trail.terms())
        trail.passed_over(name, found)
    return Refuse(status=404, **trail.terms())


def _may_be_a_page(target: Target) -> bool:
    """No extension, or that of a page: a missing script answered with a page is a riddle for whoever wrote it."""
    last = target.segments[-1] if target.segments else b""
    return b"." not in last or media_type(last).value.startswith(b"text/html")


def _pages_upwards(target: Target, policy: Policy) -> Iterator[bytes]:
    if policy.not_found is None:
        return
    segments = target.segments if target.directory else target.segments[:-1]
    for depth in range(len(segments), -1, -1):
        yield b"/".join((*segments[:depth], policy.not_found))
