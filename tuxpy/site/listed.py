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
from .root import FileChanged
from .site import Site, is_about_the_name
from .trail import Trail


def decide(request: Request, target: Target, site: Site, trail: Trail) -> Decision:
    """The listing of the target, which is a directory. Raises errands.Later."""
    as_json = listing.wants_json(request.get(b"accept"), target.query)
    sort = None if as_json else listing.parse_sort(target.query)  # nothing else of a query makes another listing
    key = ("listing", site.root, target.path, sort)
    body, count, truncated = site.errands.fetch("listing", key, lambda: _written(target, site, sort), site.device)
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


def _written(target: Target, site: Site, sort: listing.Sort | None) -> tuple[bytes, int, bool]:
    """The body, how many names are in it, and whether there are more. sort: of a page; None: as JSON.

    Raises FileChanged when there is no directory any more that may be read: what is there now is judged again."""

    def is_hidden(name: bytes) -> bool:
        return hidden_by((*target.segments, name), site.policy.hidden) is not None

    try:
        with site.held() as root_fd:
            entries, truncated = listing.read(root_fd, target.path, site.open_beneath, is_hidden)
    except OSError as error:
        if is_about_the_name(error):
            raise FileChanged from error
        raise
    if sort is None:
        return listing.json(target.segments, entries, truncated), len(entries), truncated
    return listing_page.html(target.segments, entries, truncated, sort), len(entries), truncated
