"""What a directory holds, as an answer: a page, or JSON to whoever prefers it (RFC 9110 12.5.1, 13.2.2).

Never kept by the engine: a file that grows changes the listing and not the directory. Read on a worker, since a
directory may hold any number of names, and written there in pieces (made.py), compressed if the client accepts that.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..http import conditional, negotiate
from ..http.target import Target
from ..model import NOSNIFF, Decision, Field, NotModified, Refuse, Request, Serve
from ..rules.defaults import REVALIDATE
from ..rules.fields import for_not_modified
from ..rules.hidden import hides
from ..values import value_class
from . import compress, listing, listing_page
from .made import STORE, Body, Writer
from .root import FileChanged
from .site import Site, is_about_the_name
from .trail import Trail


@value_class(frozen=True, slots=True)
class _Form:
    """What the body depends on, beside the directory. `sort` None: it is JSON, which has one order."""

    sort: listing.Sort | None
    coding: bytes
    must: bool  # even when that makes it longer


@value_class(frozen=True, slots=True)
class _Written:
    body: Body
    tag: bytes
    coding: bytes
    count: int
    truncated: bool


def decide(request: Request, target: Target, site: Site, trail: Trail) -> Decision:
    """The listing of the target, which is a directory. Raises errands.Later, made.Full."""
    form = _form(request, target, site)
    vary = (b"Vary", b"Accept, Accept-Encoding" if site.policy.compress else b"Accept")
    if form is None:
        trail.why.append("the request refuses every form of the listing that there is")
        return Refuse(status=406, fields=(vary,), **trail.terms())
    key = ("listing", site.root, target.path, form)
    made = site.errands.fetch("listing", key, lambda: _written(target, site, form), site.device)
    trail.why.append(f"it is a directory of {made.count} names{' and more' * made.truncated}, which the policy shows")
    trail.cacheable = False
    kind = listing.JSON_TYPE if form.sort is None else listing_page.MEDIA_TYPE
    fields: tuple[Field, ...] = ((b"Content-Type", kind), NOSNIFF, (b"Cache-Control", REVALIDATE), vary)
    if made.coding != negotiate.IDENTITY:
        trail.why.append(f"it is sent as {made.coding.decode()}, {made.body.size} bytes")
        fields = (*fields, (b"Content-Encoding", made.coding))
    fields = (*fields, (b"Content-Security-Policy", listing_page.POLICY))
    status, because = conditional.evaluate(request, made.tag, None)
    trail.why.append(because)
    if status == 304:
        return NotModified(etag=made.tag, fields=for_not_modified(fields), **trail.terms())
    if status != 200:
        return Refuse(status=status, fields=(vary,), **trail.terms())
    file = made.body.opened(target.path)
    return Serve(file=file, content=made.body.content, etag=made.tag, fields=fields, **trail.terms())


def _form(request: Request, target: Target, site: Site) -> _Form | None:
    """None: no form of it is acceptable (RFC 9110 15.5.7)."""
    as_json = listing.wants_json(request.get(b"accept"), target.query)
    sort = None if as_json else listing.parse_sort(target.query)
    preferences = negotiate.acceptable(request.get(b"accept-encoding"))
    codings = compress.available() if site.policy.compress else ()
    coding = negotiate.choose(preferences, dict.fromkeys((*codings, negotiate.IDENTITY), 0))
    return None if coding is None else _Form(sort, coding, preferences.refuses_identity)


def _written(target: Target, site: Site, form: _Form) -> _Written:
    """Read the directory and write the body: on a worker.

    Raises FileChanged when there is no directory any more that may be read: what is there now is judged again."""

    def is_hidden(name: bytes) -> bool:
        return hides(name, bool(target.segments), site.policy.hidden) is not None

    try:
        with site.held() as root_fd:
            entries, truncated = listing.read(
                root_fd, target.path, site.open_beneath, is_hidden, site.policy.listing_max
            )
    except OSError as error:
        if is_about_the_name(error):
            raise FileChanged from error
        raise
    if form.sort is None:
        pieces = listing.json(target.segments, entries, truncated)
    else:
        pieces = listing_page.html(target.segments, entries, truncated, form.sort)
    body, tag, coding = _coded(pieces, form)
    if not body.content:  # the same bytes lie in memory once, however many clients take their time with them
        body = STORE.keep(("listing", tag), body)
    return _Written(body, tag, coding, len(entries), truncated)


def _coded(pieces: Iterator[bytes], form: _Form) -> tuple[Body, bytes, bytes]:
    """The body, its tag and its coding: what is too short is left as it is (compress.py)."""
    tag, writer = listing.Tag(), Writer(STORE)
    opening = b""
    while len(opening) < compress.BODY_MIN and (piece := next(pieces, None)) is not None:
        opening += piece
    tag.update(opening)
    if form.coding == negotiate.IDENTITY or (len(opening) < compress.BODY_MIN and not form.must):
        writer.write(opening)
        for piece in pieces:
            tag.update(piece)
            writer.write(piece)
        return writer.done(), tag.value(), negotiate.IDENTITY
    encoder = compress.encoder(form.coding)
    writer.write(encoder.compress(opening))
    for piece in pieces:
        tag.update(piece)
        writer.write(encoder.compress(piece))
    writer.write(encoder.flush())
    return writer.done(), compress.variant_etag(tag.value(), form.coding), form.coding
