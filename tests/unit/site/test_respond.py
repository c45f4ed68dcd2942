"""respond.py: answers as a client reads them (RFC 9110 sections 6 to 9 and 15, RFC 9112 sections 4, 6 and 9)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxpy.http import conditional, httpdate, pages
from tuxpy.model import Answer, Decision, FileFact, NotModified, Redirect, Refuse, Request, Serve, refuse
from tuxpy.site.respond import BODY_IN_MEMORY_MAX, UNSETTLED_S, announces_body, respond
from tuxpy.site.root import FileChanged
from tuxpy.site.site import Site

NOW = 1_800_000_000.75
GET = Request(b"GET", b"/", b"1.1", ((b"host", b"a"),))
HEAD = replace(GET, method=b"HEAD")
CONTENT = b"hello, world\n"


# A client.


@dataclass
class Read:
    """What a client makes of an answer."""

    status: int
    fields: dict[bytes, bytes]
    body: bytes
    raw: bytes

    @property
    def head(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[0]


def steps(answer: Answer) -> list[str]:
    return [atom.call.name for atom in answer.chain.atoms]


def sent(answer: Answer) -> bytes:
    """The bytes that the chain sends, by hand."""
    out = b""
    for atom in answer.chain.atoms:
        cells = [answer.chain.cells[number] for number in atom.args]
        if atom.call.name == "send":
            assert cells[0].number == 0
            assert cells[2].value == len(cells[1].content), "the whole of the data"
            out += cells[1].content
        elif atom.call.name == "sendfile":
            assert (cells[0].number, cells[1].number) == (0, 1)
            out += os.pread(answer.file, cells[3].value, cells[2].value)
    return out


def read(answer: Answer, request: Request | None = GET) -> Read:
    """Read with h11 as a client; closes the answer's file. Not a byte may be missing or left over."""
    raw = sent(answer)
    if answer.file >= 0:
        os.close(answer.file)
    client = h11.Connection(h11.CLIENT)
    method = request.method if request else b"GET"
    client.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(raw)
    event = client.next_event()
    assert isinstance(event, h11.Response)
    body = b""
    while isinstance(part := client.next_event(), h11.Data):
        body += part.data
    assert isinstance(part, h11.EndOfMessage)
    assert client.trailing_data == (b"", False)
    assert len({name for name, _ in event.headers}) == len(event.headers), "no field twice"
    assert (client.their_state is h11.DONE) == answer.keep or (request and request.version == b"1.0")
    return Read(event.status_code, dict(event.headers), body, raw)


# Decisions to answer.


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Site]:
    with Site(str(tmp_path)) as site:
        yield site


def serve(site: Site, root: Path, content: bytes = CONTENT, **changes: object) -> Serve:
    (root / "f.txt").write_bytes(content)
    file = site.open(b"f.txt")
    assert isinstance(file, FileFact)
    fields = ((b"Content-Type", b"text/plain; charset=utf-8"),)
    modified_s = file.mtime_ns // 10**9
    decision = Serve(
        file=file, etag=conditional.etag(file), modified_s=modified_s, fields=fields,
        witnesses=(site.witness(file),), why=("found",),
    )
    return replace(decision, **changes)  # type: ignore[arg-type]


SMALL_DECISIONS: list[Decision] = [
    *(Refuse(status=status) for status in pages.STATUS if status >= 400),
    Redirect(location=b"/docs/?a=1"),
    NotModified(etag=b'"x"'),
]


@pytest.mark.parametrize("decision", SMALL_DECISIONS, ids=lambda decision: str(decision.status))
@pytest.mark.parametrize(
    "request_",
    [
        GET, HEAD, replace(GET, version=b"1.0"), None], ids=["GET", "HEAD", "1.0", "unread",
    ],
)
def test_a_client_can_read_every_answer(decision: Decision, request_: Request | None) -> None:
    answer = respond(decision, request_, NOW)
    got = read(answer, request_)
    assert (got.status, answer.status, answer.file) == (decision.status, decision.status, -1)
    assert got.raw.startswith(b"HTTP/1.1 %d %s\r\n" % (decision.status, pages.STATUS[decision.status][0].encode()))
    assert got.fields[b"date"] == httpdate.format(int(NOW))
    silent = decision.status == 304 or request_ is HEAD
    assert bool(got.body) is not silent
    if got.body:
        assert got.fields[b"content-length"] == b"%d" % len(got.body)
        assert got.fields[b"content-type"] == b"text/html; charset=utf-8"


@pytest.mark.parametrize("size", [0, 1, len(CONTENT), BODY_IN_MEMORY_MAX, BODY_IN_MEMORY_MAX + 1, 300_000])
def test_6_4_the_content_is_the_file_whole_and_content_length_says_so(folder: Site, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    decision = serve(folder, tmp_path, content)
    answer = respond(decision, GET, NOW)
    in_memory = size <= BODY_IN_MEMORY_MAX
    assert steps(answer) == (["send"] if in_memory else ["send", "sendfile"])
    assert answer.file == (-1 if in_memory else decision.file.fd)
    got = read(answer)
    assert (got.status, got.body) == (200, content)
    assert got.fields[b"content-length"] == b"%d" % size
    assert got.fields[b"etag"] == decision.etag
    assert got.fields[b"last-modified"] == httpdate.format(decision.file.mtime_ns // 10**9)
    assert got.fields[b"content-type"] == b"text/plain; charset=utf-8"


def test_the_head_waits_for_the_file_only_when_a_file_follows(folder: Site, tmp_path: Path) -> None:
    """MSG_MORE with nothing behind would hold the answer back for 200 ms."""
    for size, more in ((5, 0), (BODY_IN_MEMORY_MAX + 1, 0x8000)):
        answer = respond(serve(folder, tmp_path, b"x" * size), GET, NOW)
        send = answer.chain.atoms[0]
        assert answer.chain.cells[send.args[3]].value & 0x8000 == more
        read(answer)


@pytest.mark.parametrize("size", [0, 5, BODY_IN_MEMORY_MAX + 1])
def test_9_3_2_head_has_the_fields_of_get_and_no_content(folder: Site, tmp_path: Path, size: int) -> None:
    got = read(respond(serve(folder, tmp_path, b"x" * size), GET, NOW))
    answer = respond(serve(folder, tmp_path, b"x" * size), HEAD, NOW)
    assert (answer.file, steps(answer)) == (-1, ["send"])
    head = read(answer, HEAD)
    assert head.body == b""
    same = {b"content-length", b"content-type", b"date"}
    assert {name: head.fields[name] for name in same} == {name: got.fields[name] for name in same}
    assert set(head.fields) == set(got.fields)


def test_9_3_2_a_refused_head_is_silent_too() -> None:
    """Its Request was never read; the refusal says what it was."""
    decision = refuse(431, "too long", silent=True)
    answer = respond(decision, None, NOW)
    raw = sent(answer)
    assert raw.endswith(b"\r\n\r\n")
    assert b"Content-Length: %d\r\n" % len(pages.page(431)) in raw


def test_15_4_5_a_304_has_date_and_etag_and_neither_content_nor_its_fields() -> None:
    got = read(respond(NotModified(etag=b'"x"'), GET, NOW))
    assert got.fields == {b"server": b"tuxpy", b"date": httpdate.format(int(NOW)), b"etag": b'"x"'}


def test_15_4_2_a_301_has_location_and_a_link() -> None:
    got = read(respond(Redirect(location=b"/docs/?a=1&b"), GET, NOW))
    assert got.fields[b"location"] == b"/docs/?a=1&b"
    assert b'href="/docs/?a=1&amp;b"' in got.body


def test_15_5_6_fields_of_the_decision_are_sent() -> None:
    got = read(respond(Refuse(status=405, fields=((b"Allow", b"GET, HEAD"),)), GET, NOW))
    assert got.fields[b"allow"] == b"GET, HEAD"


# Dates (6.6.1, 8.8.2).


@given(st.integers(0, httpdate.LATEST_S), st.sampled_from(SMALL_DECISIONS))
def test_6_6_1_date_at_is_where_the_date_is(now: int, decision: Decision) -> None:
    answer = respond(decision, GET, now)
    data = answer.chain.cells[answer.chain.atoms[0].args[1]]
    assert answer.chain.offset(data) == 0
    at = answer.date_at
    assert data.content[at - 8 : at] == b"\r\nDate: "
    assert httpdate.parse(data.content[at : at + httpdate.LENGTH]) == now
    assert data.content[at + httpdate.LENGTH :].startswith(b"\r\n")


def test_8_8_2_1_last_modified_is_never_later_than_date(folder: Site, tmp_path: Path) -> None:
    decision = serve(folder, tmp_path)
    future = replace(decision, modified_s=int(NOW + 86400))
    answer = respond(replace(future, file=replace(future.file, size=BODY_IN_MEMORY_MAX + 1)), HEAD, NOW)
    assert read(answer, HEAD).fields[b"last-modified"] == httpdate.format(int(NOW))


@pytest.mark.parametrize("mtime_s", [-1, -(10**9), 0, 253402300800, 2**40])
def test_8_8_2_a_time_that_no_date_can_say_breaks_nothing(folder: Site, tmp_path: Path, mtime_s: int) -> None:
    decision = serve(folder, tmp_path)
    answer = respond(replace(decision, modified_s=mtime_s), HEAD, NOW)
    dated = read(answer, HEAD).fields.get(b"last-modified")
    assert dated == (None if mtime_s < 0 else httpdate.format(min(mtime_s, int(NOW))))


# Persistence (RFC 9112 9.3).


@pytest.mark.parametrize(
    ("version", "connection", "keep", "field"),
    [
        (b"1.1", None, True, None),
        (b"1.1", b"keep-alive", True, None),
        (b"1.1", b"close", False, b"close"),
        (b"1.1", b"Close", False, b"close"),
        (b"1.1", b"keep-alive, close", False, b"close"),
        (b"1.1", b"x,close ,y", False, b"close"),
        (b"1.1", b"closed", True, None),
        (b"1.1", b"upgrade", True, None),
        (b"1.2", None, True, None),
        (b"1.0", None, False, b"close"),
        (b"1.0", b"keep-alive", True, b"keep-alive"),
        (b"1.0", b"Keep-Alive", True, b"keep-alive"),
        (b"1.0", b"keep-alive, close", False, b"close"),
        (b"1.0", b"close", False, b"close"),
    ],
)
def test_9_3_persistence(version: bytes, connection: bytes | None, keep: bool, field: bytes | None) -> None:
    fields = ((b"connection", connection),) if connection is not None else ()
    request = Request(b"GET", b"/", version, fields)
    answer = respond(Refuse(status=404), request, NOW)
    assert answer.keep is keep
    assert answer.cacheable
    assert steps(answer) == ["send"]
    assert read(answer, request).fields.get(b"connection") == field


@pytest.mark.parametrize(
    ("fields", "announced"),
    [
        (((b"content-length", b"0"),), False),
        (((b"content-length", b"000"),), False),
        (((b"content-length", b"5"),), True),
        (((b"content-length", b"10"),), True),
        (((b"transfer-encoding", b"chunked"),), True),
        (((b"expect", b"100-continue"),), True),
        ((), False),
    ],
)
def test_9_3_input_that_stays_unread_ends_the_connection_in_stages(
    fields: tuple[tuple[bytes, bytes], ...], announced: bool
) -> None:
    """RFC 9112 9.3: read the whole body or close; 9.6: half-close, then discard, then close."""
    request = replace(GET, fields=fields)
    assert announces_body(request) is announced
    answer = respond(Refuse(status=404), request, NOW)
    assert (answer.keep, answer.cacheable) == (not announced, not announced)
    assert steps(answer) == (["send", "shutdown", "discard"] if announced else ["send"])
    assert read(answer).fields.get(b"connection") == (b"close" if announced else None)


def test_10_1_1_an_expectation_in_http_1_0_is_ignored() -> None:
    assert not announces_body(Request(b"GET", b"/", b"1.0", ((b"expect", b"100-continue"),)))


def test_9_6_a_head_that_could_not_be_read_ends_the_connection_in_stages() -> None:
    answer = respond(refuse(400, "why"), None, NOW)
    assert (answer.keep, answer.cacheable, steps(answer)) == (False, False, ["send", "shutdown", "discard"])
    assert read(answer, None).fields[b"connection"] == b"close"


def test_9_6_a_large_file_is_sent_before_the_half_close(folder: Site, tmp_path: Path) -> None:
    decision = serve(folder, tmp_path, b"x" * (BODY_IN_MEMORY_MAX + 1))
    answer = respond(decision, replace(GET, fields=((b"content-length", b"5"),)), NOW)
    assert steps(answer) == ["send", "sendfile", "shutdown", "discard"]
    read(answer)


def test_9_6_a_decision_that_ends_the_connection_says_so() -> None:
    answer = respond(Refuse(status=404, keep=False), GET, NOW)
    assert (answer.keep, steps(answer)) == (False, ["send"])
    assert read(answer).fields[b"connection"] == b"close"


# Terms, versions and descriptors.


def test_the_terms_of_the_decision_are_those_of_the_answer(folder: Site, tmp_path: Path) -> None:
    decision = serve(folder, tmp_path)
    answer = respond(decision, GET, NOW)
    assert answer.witnesses == decision.witnesses
    assert answer.cacheable
    assert answer.why[0] == "found"
    assert not respond(Refuse(status=404, cacheable=False), GET, NOW).cacheable


def test_8_8_3_a_file_written_since_the_look_up_must_be_judged_again(folder: Site, tmp_path: Path) -> None:
    """No answer mixes two versions, so this one is given up; the fixture sees that its file is closed."""
    decision = serve(folder, tmp_path)
    (tmp_path / "f.txt").write_bytes(b"another content\n")
    with pytest.raises(FileChanged):
        respond(decision, GET, NOW)


@pytest.mark.parametrize("age_s", [0.0, UNSETTLED_S / 2, -UNSETTLED_S / 2])
def test_8_8_1_a_copy_of_what_was_written_just_now_is_sent_but_not_kept(
    folder: Site, tmp_path: Path, age_s: float
) -> None:
    """Within one tick of the clock, a second write leaves no trace that would tell the two apart."""
    decision = serve(folder, tmp_path)
    answer = respond(decision, GET, decision.file.ctime_ns / 10**9 + age_s)
    assert not answer.cacheable
    assert answer.keep
    assert read(answer).body == CONTENT
    decision = serve(folder, tmp_path)
    assert respond(decision, GET, decision.file.ctime_ns / 10**9 + 2 * UNSETTLED_S).cacheable


def test_a_failure_closes_the_file_that_was_to_be_sent(
    folder: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fixture that counts descriptors is the assertion."""

    def broken(*_: object) -> bytes:
        raise OSError(5, "a broken disk")

    for size in (5, BODY_IN_MEMORY_MAX + 1):
        decision = serve(folder, tmp_path, b"x" * size)
        with monkeypatch.context() as patch:
            patch.setattr(os, "pread", broken)
            patch.setattr(httpdate, "format", broken)
            with pytest.raises(OSError, match="broken disk"):
                respond(decision, GET, NOW)


@pytest.mark.parametrize("size", [5, BODY_IN_MEMORY_MAX + 1])
def test_what_a_chain_is_given_is_the_connection_and_the_file(folder: Site, tmp_path: Path, size: int) -> None:
    """The engine fills cells 0 and 1; a response owns no descriptor and no buffer."""
    answer = respond(serve(folder, tmp_path, b"x" * size), GET, NOW)
    assert [(cell.number, cell.name) for cell in answer.chain.params] == [(0, "connection"), (1, "file")]
    assert {cell.kind.name for cell in answer.chain.cells} <= {"INT", "CONST", "DATA"}
    read(answer)
