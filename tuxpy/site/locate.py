"""From the target to what answers it: a file, a directory's index or listing, a redirect, a fallback, or a 404.

In this order, the first that has an answer gives it (RFC 9110 3.3):

  gates           who may not see the path is refused (admit.py)
  forced rules    redirects and rewrites that are written to win over files
  the name        a file as it is; a directory without its slash is redirected to it, with the query kept
  index names     of a directory, or its listing where the policy has one
  name.html       for a name without a slash behind, where the policy has clean addresses; a page that is asked for by
                  its file's name is redirected to its clean address then (/about.html to /about, /index.html to /)
                  (a try list of the policy stands in the place of these three)
  other rules     redirects and rewrites
  the fallback    where the policy has one, and the name could be a page
  the nearest 404.html, from the target's directory upwards; else our own small page

Names that are hidden (access.py) are not looked at: they are as if they were not there, whichever path they would
answer for. What answers in the place of another path has to pass the gates of its own path, too.
Everything that was looked at is in the trail, what was absent too: a kept answer ends when it appears.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from ..http.mediatypes import media_type
from ..http.target import Target, location_of, target_of
from ..model import NOSNIFF, Decision, Field, FileFact, Redirect, Refuse, Request, Serve, text
from ..rules.hidden import hidden_by
from ..rules.redirects import Match
from ..rules.tries import TryRule
from ..rules.written import Written
from .admit import admit
from .represent import represent
from .site import Absent, Denied, Found, IsDirectory, Site, release
from .trail import Trail
from .variants import coding_of, type_of

LOCATION_BYTES_MAX: Final = 1 << 15  # what goes into an address comes from the request, perhaps several times


def locate(request: Request, target: Target, site: Site, now_s: int) -> Decision:
    """The decision for a target that may be served. Raises errands.Later, site.FileChanged."""
    trail = Trail([f"the target decodes to {text(target.asked)}"])
    search = _Search(request, site, trail, now_s)
    refusal = admit(request, target.asked, site, trail)
    if refusal is not None:
        return refusal
    match = site.rules.redirects.find(target.asked, target.query, _written(target, site))
    if match is not None and match.force:
        return search.led(match, target)
    found = search.found(target)
    if found is not None:
        return found
    return search.missing(target) if match is None else search.led(match, target)


def _written(target: Target, site: Site) -> Written | None:
    """The client's own words, where they differ from what rules are compared with in any case."""
    if not target.written or not site.rules.redirects.rules:
        return None
    return Written(target.written)


@dataclass(slots=True)
class _Search:
    """One request looking for its answer."""

    request: Request
    site: Site
    trail: Trail
    now_s: int

    def found(self, target: Target, *, rewritten: bool = False) -> Decision | None:
        """What is there by the names that the target stands for; None: nothing."""
        if self._is_hidden(target):
            return None
        rule = next((rule for rule in self.site.policy.tries if rule.pattern.match(target.asked) is not None), None)
        takes_slash = None if target.directory else target.path if rule is None else target.path + b"/"
        for name in self._names(target, rule):
            found = self._open(name, target)
            if isinstance(found, Refuse):
                return found
            if isinstance(found, FileFact):
                plain = self.site.policy.clean and rule is None and name == target.path and not rewritten
                clean = self._clean(target, found) if plain else None
                if clean is not None:
                    return self._to_clean(found, clean)
                return represent(self.request, found, self.site, self.trail, self.now_s)
            if isinstance(found, IsDirectory) and name == takes_slash:
                self.trail.witnesses.append(found.witness)
                # Who was rewritten stays where it is, so there is nobody to send on.
                return self.found(target.as_directory()) if rewritten else self._to_slash(target)
            self.trail.passed_over(name, found)
            if isinstance(found, Denied):
                return Refuse(status=403, **self.trail.terms())
        shown = target.directory and rule is None and self.site.policy.listing
        if shown and isinstance(self.site.open(target.path or b"."), IsDirectory):
            from . import listed  # most sites show none

            return listed.decide(self.request, target, self.site, self.trail)
        return None

    def _is_hidden(self, target: Target) -> bool:
        hidden = hidden_by(target.segments, self.site.policy.hidden)
        if hidden is None:
            return False
        self.trail.why.append(f"{text(target.path)} is not served: {hidden.why} ({text(hidden.pattern)})")
        return True

    def _names(self, target: Target, rule: TryRule | None) -> Iterator[bytes]:
        """Where to look, best first."""
        for name in self._all_names(target, rule):
            if name == target.path or not self._is_hidden(target_of(name)):
                yield name

    def _all_names(self, target: Target, rule: TryRule | None) -> Iterator[bytes]:
        policy = self.site.policy
        if rule is not None:
            self.trail.why.append(f"the server tries the names of a rule ({rule.where or rule.pattern.text})")
            yield from rule.candidates(target.path, policy.index, target.directory)
        elif target.directory:
            prefix = target.path + b"/" if target.segments else b""
            for name in policy.index:
                yield prefix + name
        else:
            yield target.path
            if policy.clean:
                yield target.path + b".html"

    def _open(self, name: bytes, target: Target) -> Found | Refuse:
        """The file of a name, if the client may see it: that the target may be seen was asked before."""
        if self.site.policy.gates and name != target.path:
            refusal = admit(self.request, b"/" + name, self.site, self.trail)
            if refusal is not None:
                return refusal
        return self.site.open(name)

    def _to_slash(self, target: Target) -> Redirect:
        """Relative links in the index must resolve inside the directory (RFC 3986 5.2)."""
        self.trail.why.append("it is a directory, so its name takes a slash at the end")
        return Redirect(location=location_of(target.as_directory()), **self.trail.terms())

    def _clean(self, target: Target, page: FileFact) -> Target | None:
        """The clean address of a page that was asked for by its file's name; None where that would not lead to it."""
        try:
            return self._leads_to(target)
        except BaseException:  # it may have to wait for a password, and opens the page anew then
            release(page)
            raise

    def _leads_to(self, target: Target) -> Target | None:
        policy, (*above, last) = self.site.policy, target.segments
        if last in (policy.not_found, b".html") or target.path in policy.error_pages.values():
            return None
        if last in policy.index:
            clean = replace(target, segments=tuple(above), directory=True)
            before = tuple(b"/".join((*above, name)) for name in policy.index[: policy.index.index(last)])
        elif last.endswith(b".html"):
            clean = replace(target, segments=(*above, last.removesuffix(b".html")))
            before = (clean.path,)
        else:
            return None
        match = self.site.rules.redirects.find(clean.asked, clean.query, None)
        if (match is not None and match.force) or any(rule.pattern.match(clean.asked) for rule in policy.tries):
            return None
        if self._is_hidden(clean) or (policy.gates and admit(self.request, clean.asked, self.site, self.trail)):
            return None
        return None if any(self._is_there(name) for name in before) else clean

    def _is_there(self, name: bytes) -> bool:
        """Whether something of that name would be found first. What is kept rests on it either way."""
        if self._is_hidden(target_of(name)):
            return False
        found = self.site.open(name)
        if isinstance(found, FileFact):
            self.trail.witnesses.append(self.site.witness(found))
            release(found)
        else:
            self.trail.passed_over(name, found)
        return not isinstance(found, Absent)

    def _to_clean(self, found: FileFact, clean: Target) -> Redirect:
        """One page has one address, so caches and search engines know it once."""
        self.trail.why.append("clean addresses are on, and this page has one")
        self.trail.witnesses.append(self.site.witness(found))
        release(found)
        return Redirect(location=location_of(clean), **self.trail.terms())

    # Rules that lead elsewhere.

    def led(self, match: Match, target: Target) -> Decision:
        """What a redirect or rewrite makes of the request."""
        rule = f"the rule {match.rule.pattern.text} to {match.rule.to}"
        self.trail.why.append(f"{rule}{f' ({match.rule.where})' if match.rule.where else ''} says {match.status}")
        if match.location is not None and len(match.location) > LOCATION_BYTES_MAX:
            self.trail.why.append(f"the target would have {len(match.location)} bytes, which no client accepts")
            return Refuse(status=414, **self.trail.terms())
        if match.location is not None:
            return Redirect(location=match.location, status=match.status, **self.trail.terms())
        assert match.path is not None
        new = target_of(match.path)
        refusal = admit(self.request, new.asked, self.site, self.trail)
        if refusal is not None:
            return refusal
        if match.status == 404:
            return self._page(404, self._names_of_page(new), target) or self.missing(target)
        found = self.found(new, rewritten=True)
        return self.missing(target) if found is None else found

    # Nothing is there.

    def missing(self, target: Target) -> Decision:
        """The fallback, or a 404 with the nearest page for it."""
        fallback = self.site.policy.fallback
        if fallback is not None and self._may_be_a_page(target):
            found = self._open(fallback, target)
            if isinstance(found, Refuse):
                return found
            if isinstance(found, FileFact):
                self.trail.why.append("nothing is there, so the fallback answers")
                return represent(self.request, found, self.site, self.trail, self.now_s)
            self.trail.passed_over(fallback, found)
        page = self._page(404, self._pages_upwards(target), target)
        return page or Refuse(status=404, **self.trail.terms())

    def _may_be_a_page(self, target: Target) -> bool:
        """No extension, or that of a page: a missing script answered with a page is a riddle for whoever wrote it."""
        last = target.segments[-1] if target.segments else b""
        return b"." not in last or media_type(last, self.site.policy.types).value.startswith(b"text/html")

    def _page(self, status: int, names: Iterator[bytes], target: Target) -> Serve | None:
        """The first of these files, sent with this status; it is not what was asked for, so it has no validators."""
        for name in names:
            found = self._open(name, target)
            if isinstance(found, Refuse):
                continue
            if isinstance(found, FileFact):
                self.trail.why.append(f"there is no such file; the page for that is {text(name)}")
                self.trail.witnesses.append(self.site.witness(found))
                fields = page_fields(name, self.site)
                return Serve(status=status, file=found, etag=b"", fields=fields, **self.trail.terms())
            self.trail.passed_over(name, found)
        return None

    def _names_of_page(self, new: Target) -> Iterator[bytes]:
        """Where a rule's page for what is missing may be: at the path, or it is the index of that directory."""
        if self._is_hidden(new):
            return
        if not new.directory:
            yield from self._names(new, None)
        yield from self._names(new.as_directory(), None)

    def _pages_upwards(self, target: Target) -> Iterator[bytes]:
        """The pages for what is missing, the nearest one first."""
        not_found = self.site.policy.not_found
        if not_found is None:
            return
        segments = target.segments if target.directory else target.segments[:-1]
        for depth in range(self._depth(segments), -1, -1):
            yield b"/".join((*segments[:depth], not_found))

    def _depth(self, segments: tuple[bytes, ...]) -> int:
        """How many of these directories are there and shown: a path of thousands of names costs no more than one."""
        for depth in range(1, len(segments) + 1):
            name = b"/".join(segments[:depth])
            if self._is_hidden(target_of(name)):
                return depth - 1
            found = self.site.open(name)
            if isinstance(found, FileFact):
                self.trail.witnesses.append(self.site.witness(found))
                release(found)
                return depth - 1
            if not isinstance(found, IsDirectory):
                self.trail.passed_over(name, found)
                return depth - 1
        return len(segments)


def page_fields(name: bytes, site: Site) -> tuple[Field, ...]:
    """The fields of a file that is sent as the page of an error."""
    coding = coding_of(name, site)
    coded = () if coding is None else ((b"Content-Encoding", coding),)
    return (b"Content-Type", type_of(name, site).value), NOSNIFF, *coded
