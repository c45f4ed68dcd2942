"""A file was found: which representation of it is sent, and how much of that (RFC 9110 3.2, 13, 14).

In this order, which is that of RFC 9110 13.2.2: the type; the variant, whose tag it is that counts; the conditions,
which may say that nothing is sent; If-Range and Range, which may say that only parts are. Range is for GET alone
(14.2): a HEAD is told of the whole.
"""

from __future__ import annotations

from dataclasses import replace

from ..http import conditional, ranges
from ..model import Decision, FileFact, NotModified, Refuse, Request, Serve, text
from ..rules.fields import for_not_modified, merged
from . import lasting, tags, variants
from .site import Site, release
from .trail import Trail

ACCEPT_RANGES = (b"Accept-Ranges", b"bytes")


def represent(request: Request, file: FileFact, site: Site, trail: Trail, now_s: int) -> Decision:
    """The decision about a file that was found. Takes over its descriptor: it is in a Serve, or closed."""
    kept: FileFact | None = None
    opened = [file]
    try:
        decision = _decide(request, file, site, trail, now_s, opened)
        kept = decision.file if isinstance(decision, Serve) else None
        return decision
    finally:
        for one in opened:
            if one is not kept:
                release(one)


def _decide(
    request: Request, file: FileFact, site: Site, trail: Trail, now_s: int, opened: list[FileFact]
) -> Decision:
    trail.why.append(f"the file is {text(file.path)}, {file.size} bytes")
    trail.witnesses.append(site.witness(file))
    kind = variants.type_of(file.path, site)
    trail.why.append(f"the type is {kind.value.decode()} because {kind.because}")
    variant = variants.choose(request, file, site, kind.value, trail)
    if variant is None:
        return Refuse(status=406, fields=(variants.VARY,), **trail.terms())
    if variant.file is not None and variant.file is not file:
        opened.append(variant.file)
    modified_s = tags.modified_s(variant.file or file, site)
    status, because = conditional.evaluate(request, variant.etag, modified_s)
    trail.why.append(because)
    own = ((b"Content-Type", kind.value), *variant.fields)
    fields = merged(own, lasting.rules_for(file.path, site), b"/" + file.path, status)
    if status == 304:
        return NotModified(etag=variant.etag, fields=for_not_modified(fields), **trail.terms())
    if status != 200:
        vary = tuple(line for line in variant.fields if line == variants.VARY)
        return Refuse(status=status, fields=vary, **trail.terms())
    if variant.body is not None:  # no parts of what exists for this answer alone
        made = variant.body.opened(file.path)
        opened.extend([] if made is None else [made])
        return Serve(
            file=made, content=variant.body.content, changed_ns=file.ctime_ns, etag=variant.etag, modified_s=modified_s,
            fields=fields, **trail.terms(),
        )
    assert variant.file is not None
    fields = (*fields, ACCEPT_RANGES)
    whole = Serve(file=variant.file, etag=variant.etag, modified_s=modified_s, fields=fields, **trail.terms())
    return _cut(request, whole, kind.value, trail, now_s)


def _cut(request: Request, whole: Serve, kind: bytes, trail: Trail, now_s: int) -> Decision:
    """The whole, or the parts of it that Range asks for (RFC 9110 14.2, 15.3.7, 15.5.17)."""
    wanted = request.get(b"range")
    if wanted is None or request.method != b"GET":
        return whole
    guard = request.get(b"if-range")
    modified_s = -1 if whole.modified_s is None else whole.modified_s
    if guard is not None and not ranges.if_range_holds(guard, whole.etag, modified_s, now_s):
        trail.why.append("If-Range is of another version, so Range is not looked at")
        return replace(whole, **trail.terms())
    slices = ranges.select(wanted, whole.size)
    if slices is None:
        trail.why.append("Range is not one that is served in parts, so all is sent")
        return replace(whole, **trail.terms())
    if isinstance(slices, ranges.Unsatisfiable):
        trail.why.append(f"Range asks for no byte of the file, which has {whole.size} bytes")
        return Refuse(
            status=416, fields=((b"Content-Range", ranges.unsatisfied(whole.size)), ACCEPT_RANGES), **trail.terms()
        )
    trail.why.append(f"Range asks for {len(slices)} part{'s' * (len(slices) > 1)}: {_said(slices)}")
    if len(slices) == 1:
        fields = (*whole.fields, (b"Content-Range", ranges.content_range(slices[0], whole.size)))
        parts: tuple[bytes | tuple[int, int], ...] = ((slices[0].offset, slices[0].length),)
    else:
        frame = ranges.multipart(slices, whole.size, kind, whole.etag)
        fields = tuple((n, frame.media_type if n == b"Content-Type" else v) for n, v in whole.fields)
        between = zip(frame.heads, slices, strict=True)
        parts = (*(part for head, s in between for part in (head, (s.offset, s.length))), frame.closing)
    return replace(whole, status=206, fields=fields, parts=parts, **trail.terms())


def _said(slices: tuple[ranges.Slice, ...]) -> str:
    return ", ".join(f"bytes {s.offset} to {s.last}" for s in slices)
