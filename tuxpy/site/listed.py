"""What a directory holds, as an answer: a page, or JSON to whoever prefers it (RFC 9110 12.5.1, 13.2.2).

Never kept: a file that grows changes the listing and not the directory. Read on a worker, since a directory may hold
any number of names.
"""

from __future__ import annotations

from ..http import conditional
from ..http.target import Target
from ..model import NOSNIFF, Decision, Field, NotModified, Refuse, Request, Serve
from ..rules.access import hidden_by
from ..rules.fields import REVALIDATE, for_not_modified
from . import listing, listing_page
from .site import Site
from .trail import Trail


def decide(request: Request, target: Target, site: Site, trail: Trail) -> Decision:
    """The listing of the target, which is a directory. Raises errands.Later."""
    as_json = listing.wants_json(request.get(b"accept"), target.query)
    key = ("listing", site.root, target.path, as_json, target.query)
    body, count, truncated = site.errands.fetch(key, lambda: _written(target, site, as_json))
    trail.why.append(f"it is a directory of {count} names{' and more' * truncated}, which the policy shows")
    trail.cacheable = False
    kind = listing.JSON_TYPE if as_json else listing_page.MEDIA_TYPE
    fields: tuple[Field, ...] = ((b"Content-Type", kind), NOSNIFF, (b"Cache-Control", REVALIDATE), (b"Vary", b"Accept"))
    fields = (*fields, (b"Content-Security-Policy", listing_page.POLICY))
    tag = listing.etag(body)
    status, because = conditional.evaluate(request, tag, None)
    trail.why.append(because)
    if status == 304:
        return NotModified(etag=tag, fields=for_not_modified(fields), **trail.terms())
    if status != 200:
        return Refuse(status=status, **trail.terms())
    return Serve(content=body, etag=tag, fields=fields, **trail.terms())


def _written(target: Target, site: Site, as_json: bool) -> tuple[bytes, int, bool]:
    """The body, how many names are in it, and whether there are more."""

    def is_hidden(name: bytes) -> bool:
        return hidden_by((*target.segments, name), site.policy.hidden) is not None

    with site.held() as root_fd:
        entries, truncated = listing.read(root_fd, target.path, site.open_beneath, is_hidden)
    if as_json:
        return listing.json(target.segments, entries, truncated), len(entries), truncated
    sort = listing.parse_sort(target.query)
    return listing_page.html(target.segments, entries, truncated, sort), len(entries), truncated
