"""Gates with a password, over the wire: Basic authentication (RFC 7617) and what a gate closes (RFC 9110 11)."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest
from support import webroot
from support.access import CHALLENGE, basic, write_users
from support.both_ways import ask_both_ways
from support.client import get
from support.fixtures import Connect, Serve
from support.running import Running
from support.webroot import CONTENT

from tuxpy.rules.gates import Gate, Login
from tuxpy.rules.policy import Policy
from tuxpy.rules.redirects import RedirectRule
from tuxpy.rules.tries import TryRule

DOCS, DEEP = "/docs/", "/docs/deep/a.css"
ANN, BOB = basic("ann", "right"), basic("bob", "also:right")


@pytest.fixture
def users(tmp_path: Path) -> str:
    return write_users(tmp_path / "users", ann="right", bob="also:right", grün="stra\u00dfe")


@pytest.fixture
def gated(serve: Serve, users: str) -> Running:
    """A server with a gate before /docs/."""
    return serve(policy=Policy(gates=(Gate.parse("/docs/*", login=Login(users)),)))


# Challenge and credentials.


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("target", [DOCS, DEEP])
def test_9110_11_6_1_who_shows_nothing_is_asked(gated: Running, connect: Connect, target: str, method: str) -> None:
    """RFC 9110 15.5.2: a 401 has a challenge. It is kept like every answer."""
    answer = ask_both_ways(gated, connect, get(target, method=method), kept=True)
    assert (answer.status, answer[b"www-authenticate"]) == (401, CHALLENGE)
    assert not answer.closes
    assert b"etag" not in answer
    assert bool(answer.body) is (method == "GET")
    assert int(answer[b"content-length"]) > 0


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("shown", [ANN, BOB, basic("gr\u00fcn", "stra\u00dfe")])
def test_7617_2_the_right_password_opens(gated: Running, connect: Connect, shown: str, method: str) -> None:
    """A password may hold colons, and letters outside ASCII are UTF-8 (2.1). The answer is kept."""
    answer = ask_both_ways(gated, connect, get(DEEP, shown, method=method), kept=True)
    assert answer.status == 200
    assert answer.body == (CONTENT["docs/deep/a.css"] if method == "GET" else b"")
    assert b"www-authenticate" not in answer


@pytest.mark.parametrize(
    "shown",
    [
        *(basic("ann", "wrong"), basic("ann", ""), basic("", "right"), basic("nobody", "right"), basic("Ann", "right")),
        *(basic("bob", "also"), basic("bob", "right"), basic("ann", "right\0"), basic("ann", "right ")),
        *("Authorization: Basic", "Authorization: Basic !!!", f"{ANN}=", f"Authorization: {ANN.split()[-1]}"),
        "Authorization: Basic " + base64.b64encode(b"no colon").decode(),
        *(ANN.replace("Basic", "Bearer"), f"{ANN}\r\n{ANN}", f"{ANN}, {ANN}"),
    ],
)
def test_7617_2_anything_else_is_asked_again(gated: Running, connect: Connect, shown: str) -> None:
    """RFC 9110 11.6.2: refused credentials get a 401 with the challenge. A guess is never kept."""
    answer = ask_both_ways(gated, connect, get(DEEP, shown), kept=False)
    assert (answer.status, answer[b"www-authenticate"]) == (401, CHALLENGE)


def test_7617_2_1_names_are_compared_in_normal_form_c(gated: Running, connect: Connect) -> None:
    """Clients that send the same letters taken apart mean the same user."""
    answer = ask_both_ways(gated, connect, get(DEEP, basic("gru\u0308n", "stra\u00dfe")), kept=True)
    assert answer.status == 200


def test_9110_11_1_the_scheme_is_no_matter_of_case(gated: Running, connect: Connect) -> None:
    client = connect(gated)
    for scheme in ("basic", "BASIC", "bAsIc", "Basic  "):
        assert client.ask(get(DEEP, ANN.replace("Basic", scheme))).status == 200


def test_9110_11_5_the_realm_is_a_quoted_string(serve: Serve, connect: Connect, users: str) -> None:
    login = Login(users, realm='the "inner" \\ circle')
    running = serve(policy=Policy(gates=(Gate.parse("/docs/*", login=login),)))
    answer = ask_both_ways(running, connect, get(DOCS), kept=True)
    assert answer[b"www-authenticate"] == b'Basic realm="the \\"inner\\" \\\\ circle", charset="UTF-8"'


def test_only_the_users_of_the_list_may_pass(serve: Serve, connect: Connect, users: str) -> None:
    """Whoever is not on it is asked for another name (RFC 9110 15.5.2)."""
    login = Login(users, users=frozenset({"bob"}))
    running = serve(policy=Policy(gates=(Gate.parse("/docs/*", login=login),)))
    assert ask_both_ways(running, connect, get(DEEP, BOB), kept=True).status == 200
    assert ask_both_ways(running, connect, get(DEEP, ANN), kept=False).status == 401


def test_9110_9_3_7_options_says_what_can_be_done_without_a_password(gated: Running, connect: Connect) -> None:
    """Fetch, CORS-preflight: a browser sends no credentials with it."""
    answer = ask_both_ways(gated, connect, get(DEEP, method="OPTIONS"), kept=True)
    assert (answer.status, b"www-authenticate" in answer) == (204, False)
    assert ask_both_ways(gated, connect, get(DEEP, method="DELETE"), kept=True).status == 405


@pytest.mark.parametrize("condition", ["If-None-Match: *", "Range: bytes=0-0", "If-Match: *", "Range: bytes=99-"])
def test_9110_13_2_1_conditions_are_asked_behind_the_gate(gated: Running, connect: Connect, condition: str) -> None:
    """Neither 304 nor 206 nor 412 nor 416 tells anything to who has shown nothing."""
    assert ask_both_ways(gated, connect, get(DEEP, condition), kept=True).status == 401
    assert connect(gated).ask(get(DEEP, condition, ANN)).status in (200, 206, 304, 416)


def test_a_request_with_content_is_refused_and_the_connection_closes(gated: Running, connect: Connect) -> None:
    """RFC 9112 9.3: content that nobody reads ends the connection. The challenge comes all the same."""
    client = connect(gated)
    client.send(get(DEEP, "Content-Length: 5") + b"hello")
    answer = client.read()
    assert (answer.status, answer[b"www-authenticate"], answer.closes) == (401, CHALLENGE, True)
    assert client.rest() == b""


# What is closed.


@pytest.mark.parametrize(
    "target",
    [
        *("/docs", "/docs/nothing", "/docs/.hidden", "/docs/nothing/", "/docs/index.html", "/docs/deep", "/docs/deep/"),
        *("//docs/", "/./docs/", "/notes.txt/../docs/", "/docs//deep///a.css", "/%64ocs/", "/docs%2Fdeep%2Fa.css"),
        *("/docs/deep/../index.html", "/docs/x/..", "/docs/?query", "/docs?query", "/docs/.", "/docs;a/../docs/"),
        *("http://a/docs/", "http://other:81/docs/", "HTTP://A/docs", "/empty/%2e%2e/docs/", "/docs/%2e"),
    ],
)
def test_9110_15_5_5_missing_hidden_and_disguised_names_are_401(gated: Running, connect: Connect, target: str) -> None:
    """Who may not see a place is not told what is there. Paths are compared after RFC 3986 6.2.2."""
    answer = ask_both_ways(gated, connect, get(target), kept=True)
    assert (answer.status, answer[b"www-authenticate"]) == (401, CHALLENGE)


def test_9110_15_5_5_behind_the_gate_a_missing_name_is_404(gated: Running, connect: Connect) -> None:
    for target in ("/docs/nothing", "/docs/.hidden"):
        assert ask_both_ways(gated, connect, get(target, ANN), kept=True).status == 404


def test_9110_11_5_paths_outside_are_open(gated: Running, connect: Connect) -> None:
    """Also to who shows a wrong password there, as browsers do for paths beside the ones they were asked at."""
    for target in ("/notes.txt", "/", "/docsx", "/docs.html"):
        for shown in ((), (basic("ann", "wrong"),)):
            assert connect(gated).ask(get(target, *shown)).status in (200, 404)


def test_excepted_paths_are_open(serve: Serve, connect: Connect, users: str) -> None:
    gate = Gate.parse("/*", login=Login(users), excepted=("/notes.txt", "/docs/deep/*", "*.bin"))
    running = serve(policy=Policy(gates=(gate,)))
    for target in ("/notes.txt", DEEP, "/in-memory.bin", "/docs/deep/nothing"):
        assert connect(running).ask(get(target)).status in (200, 404)
    for target in (DOCS, "/", "/style.css", "/docs/deeper", "/notes.txt.html", "/docs/deep/../"):
        assert ask_both_ways(running, connect, get(target), kept=True).status == 401


@pytest.mark.parametrize("first", [0, 1])
def test_every_gate_must_be_passed(serve: Serve, connect: Connect, tmp_path: Path, first: int) -> None:
    """No gate opens what another one has closed, whichever comes first."""
    outer = write_users(tmp_path / "outer", ann="right", bob="right", eve="one")
    inner = write_users(tmp_path / "inner", ann="right", eve="other")
    gates = (Gate.parse("/docs/*", login=Login(outer)), Gate.parse("/docs/deep/*", login=Login(inner, realm="inner")))
    running = serve(policy=Policy(gates=(gates[first], gates[1 - first])))
    assert ask_both_ways(running, connect, get(DEEP, basic("ann", "right")), kept=True).status == 200
    assert ask_both_ways(running, connect, get(DOCS, basic("bob", "right")), kept=True).status == 200
    for shown in (basic("bob", "right"), basic("eve", "one"), basic("eve", "other")):
        assert ask_both_ways(running, connect, get(DEEP, shown), kept=False).status == 401
    refused = connect(running).ask(get(DEEP, basic("bob", "right")))
    assert refused[b"www-authenticate"] == b'Basic realm="inner", charset="UTF-8"'


# What answers in the place of another path.


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A root with something secret, to be reached by its name alone."""
    for name in ("secret.html", "open/secret.html", "open/page.html", "notes.txt", "open/404.html"):
        webroot.write(tmp_path / "tree" / name, b"secret" if "secret" in name else name.encode())
    webroot.settle()
    return tmp_path / "tree"


@pytest.mark.parametrize(
    ("policy", "target"),
    [
        *((Policy(clean=True), "/secret"), (Policy(clean=True), "/open/secret")),
        *((Policy(index=(b"secret.html",)), "/"), (Policy(index=(b"none", b"secret.html")), "/open/")),
        *((Policy(fallback=b"secret.html"), "/any/where"), (Policy(fallback=b"secret.html"), "/any.html")),
        (Policy(tries=(TryRule.parse("/open/*", ["$uri", "/secret.html"]),)), "/open/nothing"),
        (Policy(tries=(TryRule.parse("/*", ["$uri", "$uri.html"]),)), "/secret"),
        (Policy(tries=(TryRule.parse("/*", ["$uri", "$uri/"]),), index=(b"secret.html",)), "/open/"),
        (Policy(redirects=(RedirectRule.parse("/x", "/secret.html", 200),)), "/x"),
        (Policy(redirects=(RedirectRule.parse("/x/*", "/:splat", 200, force=True),)), "/x/open/secret.html"),
        (Policy(redirects=(RedirectRule.parse("/x/*", "/:splat", 200),)), "/x//secret.html"),
        (Policy(redirects=(RedirectRule.parse("/x/*", "/:splat", 200),)), "/x/open%2Fsecret.html"),
        (Policy(redirects=(RedirectRule.parse("/x", "/open", 200),), index=(b"secret.html",)), "/x"),
        (Policy(redirects=(RedirectRule.parse("/x", "/secret.html", 404),)), "/x"),
    ],
)
@pytest.mark.parametrize("pattern", ["/**/secret.html", "secret.html", "*.html"])
def test_9110_11_5_what_stands_in_for_another_path_is_behind_its_own_gate(
    serve: Serve, connect: Connect, tree: Path, users: str, policy: Policy, target: str, pattern: str
) -> None:
    """Index, clean address, fallback, try list and rewrite: none is a way around."""
    gates = (Gate.parse(pattern, login=Login(users)),)
    running = serve(tree, policy=replace(policy, gates=gates))
    refused = ask_both_ways(running, connect, get(target), kept=True)
    assert (refused.status, refused[b"www-authenticate"]) == (401, CHALLENGE)
    assert b"secret" not in refused.body
    assert connect(running).ask(get(target, ANN)).body == b"secret"


def test_9110_15_4_2_a_page_whose_clean_address_is_closed_keeps_its_name(
    serve: Serve, connect: Connect, tree: Path, users: str
) -> None:
    """Who may see the page is not led to where it is refused; who may see both is."""
    running = serve(tree, policy=Policy(clean=True, gates=(Gate.parse("/open/page", login=Login(users)),)))
    assert connect(running).ask(get("/open/page.html")).body == b"open/page.html"
    known = connect(running).ask(get("/open/page.html", ANN))
    assert (known.status, known[b"location"]) == (301, b"/open/page")


@pytest.mark.parametrize("tries", [(), (TryRule.parse("/*", ["$uri", "$uri/"]),)])
@pytest.mark.parametrize("pattern", ["/**/secret.html", "secret.html", "*.html"])
def test_a_slash_behind_a_name_is_no_way_around(
    serve: Serve, connect: Connect, tree: Path, users: str, pattern: str, tries: tuple[TryRule, ...]
) -> None:
    """A gate takes a path with and without its trailing slash."""
    running = serve(tree, policy=Policy(gates=(Gate.parse(pattern, login=Login(users)),), tries=tries))
    assert ask_both_ways(running, connect, get("/secret.html/"), kept=True).status == 401


def test_a_page_for_404_is_behind_its_own_gate(serve: Serve, connect: Connect, tree: Path, users: str) -> None:
    """What answers in the place of another path has to pass the gates of its own path, too."""
    gate = Gate.parse("/open/*", login=Login(users), excepted=("/open/free/*",))
    running = serve(tree, policy=Policy(gates=(gate,)))
    answer = connect(running).ask(get("/open/free/nothing"))
    assert b"open/404.html" not in answer.body
    assert connect(running).ask(get("/open/free/nothing", ANN)).body == b"open/404.html"


# Pages for 401.


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_9110_15_5_2_a_page_of_the_site_has_the_challenge_too(
    serve: Serve, connect: Connect, tree: Path, users: str, method: str
) -> None:
    """The page itself may lie behind the gate; asked for by its own name it is closed."""
    policy = Policy(gates=(Gate.parse("/open/*", login=Login(users)),), error_pages={401: b"open/page.html"})
    running = serve(tree, policy=policy)
    for shown, kept in (((), True), ((basic("ann", "wrong"),), False)):
        answer = ask_both_ways(running, connect, get("/open/secret.html", *shown, method=method), kept=kept)
        assert (answer.status, answer[b"www-authenticate"]) == (401, CHALLENGE)
        assert answer[b"content-length"] == b"%d" % len(b"open/page.html")
        assert answer.body == (b"open/page.html" if method == "GET" else b"")
        assert b"etag" not in answer
    assert ask_both_ways(running, connect, get("/open/page.html"), kept=True).status == 401


def test_9110_15_5_2_without_its_page_a_401_has_ours(serve: Serve, connect: Connect, tree: Path, users: str) -> None:
    policy = Policy(gates=(Gate.parse("/open/*", login=Login(users)),), error_pages={401: b"gone.html"})
    answer = ask_both_ways(serve(tree, policy=policy), connect, get("/open/secret.html"), kept=True)
    assert (answer.status, answer[b"www-authenticate"]) == (401, CHALLENGE)


# What is kept.


def test_9111_3_5_an_answer_is_for_its_own_credentials(gated: Running, connect: Connect) -> None:
    """On one connection and on several, one after the other and pipelined, in every order."""
    client = connect(gated)
    asked = [((ANN,), 200), ((), 401), ((basic("ann", "wrong"),), 401), ((BOB,), 200), ((basic("bob", "right"),), 401)]
    for shown, status in [*asked, *asked[::-1], *asked]:
        assert client.ask(get(DEEP, *shown)).status == status
        assert connect(gated).ask(get(DEEP, *shown)).status == status
    client.send(b"".join(get(DEEP, *shown) for shown, _ in asked * 2))
    assert [client.read().status for _ in asked * 2] == [status for _, status in asked * 2]


def test_9111_3_5_one_letter_of_the_credentials_counts(gated: Running, connect: Connect) -> None:
    client = connect(gated)
    assert client.ask(get(DEEP, ANN)).status == 200
    for line in (ANN[:-1] + "A", ANN.replace("Basic ", "Basic"), ANN.lower(), ANN.replace("Authorization", "X-Other")):
        assert client.ask(get(DEEP, line)).status == 401
    assert client.ask(get(DEEP, ANN.replace("Authorization", "aUTHORIZATION"))).status == 200


def test_guesses_push_out_nothing(gated: Running, connect: Connect) -> None:
    """Each is judged, none is kept."""
    client = connect(gated)
    assert client.ask(get(DEEP, ANN)).status == 200
    before = gated.metrics()
    for number in range(20):
        assert client.ask(get(DEEP, basic("ann", f"guess {number % 10}"))).status == 401
    assert gated.metric("judged") - before["judged"] == 20
    assert gated.metric("entries") == before["entries"]
