"""What would be answered to a request, and why, in words for a human being.

The head is judged by the very function that judges for the server, so the explanation cannot differ from what happens.
Nothing is sent and nothing is kept. Also here: the chains that `tuxpy chain` knows, each made by the code that makes
it in service.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from .atoms import Frozen, Kind, lifecycle
from .atoms import text as drawing
from .config.sites import SiteConfig
from .errors import ConfigError
from .http import httpdate
from .inline import OPEN_CHAIN, opener
from .judge import judge_head
from .model import Answer, Decision, Request, Serve, Witness, refuse, text
from .site.respond import BODY_IN_MEMORY_MAX, announces_body, respond
from .site.site import Site, fact
from .site.sites import Sites

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
        raise ConfigError(f"{line!r} is no field: write it as 'Field: value'")
    return os.fsencode(f"{name}: {value.strip()}")


# The explanation.


def sites(configs: Sequence[SiteConfig]) -> Sites:
    """The sites, opened as the server opens them."""
    return Sites(configs, opener)


def explain(sites: Sites | Site, head: bytes, now: float, ascii_only: bool = False, client: int = 0) -> str:
    """The whole story of one head, in paragraphs with headings. client: the class of the client's address."""
    request, decision, answer = judge_head(sites, head, now, client)
    if answer.file >= 0:
        os.close(answer.file)
    story = {
        "Request": [_shown(line) for line in head.split(b"\r\n") if line],
        "Reasons": _numbered([*_form(request, head), *answer.why]),
        "Answer": [*_answer_head(answer), _body(decision, answer)],
        "Remembered": list(_remembered(request, decision, answer)),
        "Chain": drawing.draw(answer.chain, ascii=ascii_only).splitlines(),
    }
    return "\n".join(f"{title}\n{_indented(lines)}" for title, lines in story.items())


def _shown(line: bytes) -> str:
    """A line of a head; what a password is in stays between the client and us."""
    name, colon, _ = line.partition(b":")
    return f"{text(name)}: (not shown)" if colon and name.lower() == b"authorization" else text(line)


def _indented(lines: Iterable[str]) -> str:
    return "".join(f"  {line}".rstrip() + "\n" for line in lines)


def _numbered(sentences: Iterable[str]) -> list[str]:
    return [f"{number}. {sentence}" for number, sentence in enumerate(sentences, 1)]


def _form(request: Request | None, head: bytes) -> Iterator[str]:
    """What parsing found; a refused head says itself what is wrong with it."""
    if request is None:
        yield "the head is refused before anything is looked up"
        return
    count = head.count(b"\r\n") - 2
    fields = f"{count} field{'' if count == 1 else 's'}, {len(request.fields)} of significance"
    yield f"the head is sound HTTP/{request.version.decode()} with {fields}"


def _answer_head(answer: Answer) -> list[str]:
    return [text(line) for line in _data(answer).partition(b"\r\n\r\n")[0].split(b"\r\n")]


def _data(answer: Answer) -> bytes:
    return next((cell.content for cell in answer.chain.cells if cell.kind is Kind.DATA), b"")


def _body(decision: Decision, answer: Answer) -> str:
    """How the body travels."""
    if isinstance(decision, Serve) and decision.file and answer.file >= 0:
        return f"(and {decision.file.size} bytes of {text(decision.file.path)}, by sendfile)"
    body = _data(answer).partition(b"\r\n\r\n")[2]
    return f"(and {len(body)} bytes of body, in the same send)" if body else "(and no body)"


def _remembered(request: Request | None, decision: Decision, answer: Answer) -> Iterator[str]:
    """Whether the engine may give this answer again by itself; if so for which key and how long."""
    if request is None or not answer.cacheable:
        yield f"no: {_why_not(request, decision)}"
        return
    yield "yes: from the second request on, the engine answers whatever has this key by itself"
    yield f"  {text(request.method)} {text(request.target)} HTTP/{text(request.version)}"
    for name, value in request.fields:
        yield f"  {_shown(name + b': ' + value)}"
    if answer.witnesses:
        yield "as long as"
    for witness in answer.witnesses:
        yield f"  {_holds(witness)}"


def _why_not(request: Request | None, decision: Decision) -> str:
    if request is None:
        return "a head that is refused has no key"
    if announces_body(request):
        return "a request that announces a body is always judged anew"
    if not decision.cacheable:
        return "what the answer rests on cannot be watched by name"
    return "the connection ends with it"


def _holds(witness: Witness) -> str:
    name = text(witness.path) or "the root"
    if not witness.ino:
        return f"{name} does not exist"
    changed = httpdate.format(witness.mtime_ns // 10**9).decode()
    return f"{name} stays as it is: inode {witness.ino}, {witness.size} bytes, changed {changed}"


# The chains that can be drawn.


def _response_chains() -> tuple[Frozen, ...]:
    """A small and a large answer, compiled by respond as in service; the files exist in memory only."""
    request = Request(b"GET", b"/", b"1.1", ((b"host", b"localhost"),))
    return tuple(_response_chain(request, size) for size in (1024, 16 * BODY_IN_MEMORY_MAX))


def _response_chain(request: Request, size: int) -> Frozen:
    fd = os.memfd_create("example")
    os.truncate(fd, size)
    answer = respond(Serve(file=fact(fd, b"example"), etag=b'"example"'), request, 0.0)
    if answer.file >= 0:
        os.close(answer.file)
    return answer.chain


def _refusal_chains() -> tuple[Frozen, ...]:
    return (respond(refuse(400, "an example"), None, 0.0).chain,)


CHAINS: Final[dict[str, tuple[str, Callable[[], tuple[Frozen, ...]]]]] = {
    "lifecycle": ("a connection, from accept to accept", lambda: (lifecycle(),)),
    "response": ("an answer: a small file from memory, a large one by sendfile", _response_chains),
    "refusal": ("an answer that ends the connection", _refusal_chains),
    "open": ("a name looked up beneath the root", lambda: (OPEN_CHAIN,)),
}


def chains(name: str) -> tuple[Frozen, ...]:
    """The chains of this name, made anew."""
    if name not in CHAINS:
        raise ConfigError(f"there is no chain {name!r}: choose from {', '.join(CHAINS)}")
    return CHAINS[name][1]()


def drawn(name: str, ascii_only: bool = False, dump: bool = False) -> str:
    """The chains of this name as a drawing, or in the form that can be loaded again."""
    pictures = (drawing.dump(c) if dump else drawing.draw(c, ascii=ascii_only) for c in chains(name))
    return "\n".join(picture.rstrip("\n") + "\n" for picture in pictures)
