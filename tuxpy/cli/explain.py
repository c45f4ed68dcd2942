"""What would be answered to a request, and why, for a human being or as JSON.

The head is judged by the very function that judges for the server, so the explanation cannot differ from what happens.
Nothing is sent and nothing is kept. `Story` holds all there is to tell; `as_text` and `as_json` only write it down.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence

from ..atoms import Frozen, Kind
from ..atoms import text as drawing
from ..config.sites import SiteConfig
from ..errors import ConfigError
from ..http import httpdate
from ..http.target import Target, read_target
from ..model import Answer, Decision, FileFact, NotModified, Request, Serve, Witness, text
from ..rules.fields import FieldRule
from ..rules.hidden import hidden_by
from ..site.judge import judge_head
from ..site.lasting import rules_for
from ..site.opener import opener
from ..site.respond import announces_body
from ..site.site import Site, release
from ..site.sites import Sites
from ..values import value_class

_URL = re.compile(rb"(?i:https?)://([^/?#]*)([^#]*)")
_UNSENDABLE = re.compile(rb"[\x00-\x20\x7f-\xff]")


# The head, as a client would send it.


def head_of(target: str, method: str = "GET", fields: Sequence[str] = (), version: str = "1.1") -> bytes:
    """The head of a request for a URL or a path; `fields` are lines of the form "Field: value"."""
    host, path = _host_and_path(os.fsencode(target))
    lines = [_field(line) for line in fields]
    if not any(line.lower().startswith(b"host:") for line in lines):
        lines.insert(0, b"Host: " + host)
    opening = b"%s %s HTTP/%s" % (os.fsencode(method), path, os.fsencode(version))
    return b"".join(line + b"\r\n" for line in (opening, *lines, b""))


def _host_and_path(target: bytes) -> tuple[bytes, bytes]:
    """A client keeps the fragment to itself and escapes what cannot stand in a request line."""
    url = _URL.fullmatch(target.partition(b"#")[0])
    host, path = (url[1], url[2]) if url else (b"localhost", target)
    if path[:1] != b"/" and path != b"*":
        path = b"/" + path
    return host, _UNSENDABLE.sub(lambda found: b"%%%02X" % ord(found[0]), path)


def _field(line: str) -> bytes:
    name, colon, value = line.partition(":")
    if not colon or not name.strip():
        raise ConfigError(f"{line!r} is not a field: write it as 'Field: value'")
    return os.fsencode(f"{name}: {value.strip()}")


# The explanation.


def sites(configs: Sequence[SiteConfig]) -> Sites:
    """The sites, opened as the server opens them."""
    return Sites(configs, opener)


def class_of(sites: Sites, address: str | None) -> int:
    """The class of the client's address; 0 without one. Raises ConfigError."""
    try:
        return 0 if address is None else sites.class_of(address)
    except ValueError:
        raise ConfigError(f"{address!r} is not an address: give one, as in 192.0.2.1 or 2001:db8::1") from None


@value_class(frozen=True, slots=True)
class Story:
    """One head and what became of it.

    request   None: the head was refused before anything was looked up
    root      of the site that the request means; None: it means none
    reasons   in the order in which they came up: what was chosen, and what was passed over
    rules     (where it was written, what it says) of the rules for fields that are for this answer, in their order
    """

    head: bytes
    request: Request | None
    root: str | None
    decision: Decision
    answer: Answer
    reasons: tuple[str, ...]
    rules: tuple[tuple[str, str], ...]


def tell(sites: Sites | Site, head: bytes, now: float, client: int = 0) -> Story:
    """Judge a head; `now` in unix time, `client` the class of the client's address."""
    request, decision, answer = judge_head(sites, head, now, client)
    if answer.file >= 0:
        os.close(answer.file)
    site = None if request is None else sites.find(request)
    if request is None or not isinstance(site, Site):
        return Story(head, request, None, decision, answer, answer.why, ())
    reasons = (*answer.why, *_would_be_found(request, decision, site))
    return Story(head, request, site.root, decision, answer, reasons, tuple(_rules(request, decision, site)))


def _would_be_found(request: Request, decision: Decision, site: Site) -> Iterator[str]:
    """What the policy says no to, and another one would not."""
    target = read_target(request.target)
    if decision.status != 404 or not isinstance(target, Target):
        return
    if any("symbolic link" in reason for reason in decision.why) and site.policy.links != "all":
        yield "with symlinks = \"all\" (--symlinks all) the server would follow that link"
    if not site.policy.clean and not target.directory and not hidden_by(target.segments, site.policy.hidden):
        page = site.open(target.path + b".html")
        if isinstance(page, FileFact):
            release(page)
            yield f"{text(target.path)}.html exists: with clean_urls (--clean-urls) the server would send it"


def _rules(request: Request, decision: Decision, site: Site) -> Iterator[tuple[str, str]]:
    """The rules that had a say in the fields (rules/fields.py): first those for the file, then those for the target."""
    target = read_target(request.target)
    # The first witness that is there is the file, also when what is sent was made of it.
    file = next((witness.path for witness in decision.witnesses if witness.ino), None)
    if isinstance(decision, Serve | NotModified) and decision.etag and file is not None:
        yield from _that_match(rules_for(file, site), b"/" + file, decision.status)
    if isinstance(target, Target):
        yield from _that_match(site.rules.fields, target.asked, decision.status)


def _that_match(rules: Iterable[FieldRule], path: bytes, status: int) -> Iterator[tuple[str, str]]:
    for rule in rules:
        if (not rule.statuses or status in rule.statuses) and rule.pattern.match(path) is not None:
            told = [*(f"removes {text(name)}" for name in rule.remove), *(f"sets {_line(line)}" for line in rule.set)]
            yield rule.where or "a rule", ", ".join([*told, *(f"appends {_line(line)}" for line in rule.append)])


def _line(field: tuple[bytes, bytes]) -> str:
    return f"{text(field[0])}: {text(field[1])}"


# As text.


def explain(sites: Sites | Site, head: bytes, now: float, ascii_only: bool = False, client: int = 0) -> str:
    """The whole story of one head, in paragraphs with headings."""
    return as_text(tell(sites, head, now, client), ascii_only)


def as_text(story: Story, ascii_only: bool = False) -> str:
    """Paragraphs with headings; the chain is drawn."""
    paragraphs: dict[str, Sequence[str]] = {
        "Request": [_shown(line) for line in story.head.split(b"\r\n") if line],
        "Reasons": _numbered([*_form(story), *story.reasons]),
        "Rules for fields": [f"{where}: {what}" for where, what in story.rules],
        "Answer": [*_answer_head(story.answer), f"({_body(story)})"],
        "Remembered": list(_remembered(story)),
        "Chain": drawing.draw(story.answer.chain, ascii=ascii_only).splitlines(),
    }
    return "\n".join(f"{title}\n{_indented(lines)}" for title, lines in paragraphs.items() if lines)


def _shown(line: bytes) -> str:
    """A line of a head; what a password is in stays between the client and us."""
    name, colon, _ = line.partition(b":")
    return f"{text(name)}: (not shown)" if colon and name.lower() == b"authorization" else text(line)


def _indented(lines: Iterable[str]) -> str:
    return "".join(f"  {line}".rstrip() + "\n" for line in lines)


def _numbered(sentences: Iterable[str]) -> list[str]:
    return [f"{number}. {sentence}" for number, sentence in enumerate(sentences, 1)]


def _form(story: Story) -> Iterator[str]:
    """What parsing found; a refused head says itself what is wrong with it."""
    if story.request is None:
        yield "the server refuses the head before it looks anything up"
        return
    count = story.head.count(b"\r\n") - 2
    fields = f"{count} field{'' if count == 1 else 's'}, {len(story.request.fields)} of them significant"
    yield f"the head is valid HTTP/{story.request.version.decode()} with {fields}"


def _answer_head(answer: Answer) -> list[str]:
    return [text(line) for line in _data(answer).partition(b"\r\n\r\n")[0].split(b"\r\n")]


def _data(answer: Answer) -> bytes:
    return next((cell.content for cell in answer.chain.cells if cell.kind is Kind.DATA), b"")


def _body(story: Story) -> str:
    """How the body travels."""
    decision, answer = story.decision, story.answer
    if isinstance(decision, Serve) and decision.file and answer.file >= 0:
        made = "made here of" if decision.file.lease else "of"
        return f"and {_sent_from_file(answer.chain)} bytes {made} {text(decision.file.path)}, by sendfile"
    body = _data(answer).partition(b"\r\n\r\n")[2]
    return f"and {len(body)} bytes of body, in the same send" if body else "and no body"


def _sent_from_file(chain: Frozen) -> int:
    return sum(cell.value for cell in chain.cells if cell.kind is Kind.CONST and cell.name == "count")


def _remembered(story: Story) -> Iterator[str]:
    """Whether the engine may give this answer again by itself; if so for which key and how long."""
    request, answer = story.request, story.answer
    if request is None or not answer.cacheable:
        yield f"no: {_why_not(story)}"
        return
    yield "yes: from the second request on, the engine answers every request with this key by itself"
    yield f"  {text(request.method)} {text(request.target)} HTTP/{text(request.version)}"
    for name, value in request.fields:
        if name == b"range" and answer.ranged is not None:
            value = b"any one of the forms bytes=first-last, bytes=first- and bytes=-count"
        yield f"  {_shown(name + b': ' + value)}"
    if answer.witnesses:
        yield "as long as"
    for witness in answer.witnesses:
        yield f"  {_holds(witness)}"


def _why_not(story: Story) -> str:
    if story.request is None:
        return "a refused head has no key"
    if announces_body(story.request):
        return "the server judges each request that announces a body anew"
    if story.decision.status == 401:
        return "the engine does not keep answers to wrong passwords"
    if not story.decision.cacheable:
        return "the answer depends on something without a name to check"
    return "the answer ends the connection"


def _holds(witness: Witness) -> str:
    name = text(witness.path) or "the root"
    if not witness.ino:
        return f"{name} does not exist"
    changed = httpdate.format(witness.mtime_ns // 10**9).decode()
    return f"{name} stays as it is: inode {witness.ino}, {witness.size} bytes, changed {changed}"


# As JSON.


def as_json(story: Story) -> str:
    """The same for programs. Bytes that are no text are written as \\xNN, as in the text; times are in nanoseconds."""
    request, answer, decision = story.request, story.answer, story.decision
    told = {
        "request": None if request is None else _request(request),
        "root": story.root,
        "reasons": story.reasons,
        "rules": [{"where": where, "says": what} for where, what in story.rules],
        "answer": {
            "status": answer.status,
            "fields": [_pair(line) for line in _answer_head(answer)[1:]],
            "file": text(decision.file.path) if isinstance(decision, Serve) and decision.file else None,
            "body": _body(story).removeprefix("and "),
            "connection": "kept" if answer.keep else "closed",
        },
        "remembered": None if request is None or not answer.cacheable else [_watched(w) for w in answer.witnesses],
        "not_remembered_because": None if request and answer.cacheable else _why_not(story),
        "chain": drawing.dump(answer.chain).splitlines(),
    }
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _request(request: Request) -> dict[str, object]:
    fields = [_pair(_shown(name + b": " + value)) for name, value in request.fields]
    return {"method": text(request.method), "target": text(request.target), "version": text(request.version),
            "significant_fields": fields}


def _pair(line: str) -> list[str]:
    name, _, value = line.partition(": ")
    return [name, value]


def _watched(witness: Witness) -> dict[str, object]:
    known = {"inode": witness.ino, "size": witness.size, "mtime_ns": witness.mtime_ns, "ctime_ns": witness.ctime_ns}
    return {"name": text(witness.path), "there": witness.ino != 0, **(known if witness.ino else {})}
