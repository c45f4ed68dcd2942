"""Mass hosting: a directory a host, as TUX had it. Adding a host is making a directory (RFC 9110 7.2, 15.5.20)."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from support import webroot
from support.access import basic, hashed, write_lines, write_users
from support.both_ways import ask_both_ways
from support.client import Client, get
from support.fixtures import Connect, Serve
from support.poll import until
from support.renewal import seen_within_a_second
from support.running import Running

from tuxpy.config.sites import MassHosting, SiteConfig
from tuxpy.rules.gates import Gate, Login
from tuxpy.rules.policy import Policy
from tuxpy.site import listing, sites

SECRET = b"not for any host"

HostsAt = Callable[..., Running]


def make(top: Path, directory: str, says: str = "") -> None:
    """A host: a page that says which, and what the probe of ask_both_ways asks for."""
    for name in ("index.html", "notes.txt"):
        webroot.write(top / directory / name, f"{says or directory} {name}".encode())


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """Three hosts, the one of the probe, and beside them what is for none."""
    for name in ("a", "one.test", "two.test", "sub.one.test"):
        make(tmp_path / "mass", name)
    webroot.write(tmp_path / "index.html", SECRET)
    webroot.write(tmp_path / "mass" / "index.html", SECRET)
    webroot.write(tmp_path / "mass" / ".hidden" / "index.html", SECRET)
    webroot.settle()
    return tmp_path / "mass"


@pytest.fixture
def hosted(serve: Serve, top: Path) -> Running:
    return serve(sites=(SiteConfig(str(top), mass=MassHosting()),))


def page(client: Client, host: str) -> tuple[int, bytes]:
    answer = client.ask(get("/", host=host))
    return answer.status, answer.body


@pytest.mark.parametrize(
    ("host", "directory"),
    [
        *(("one.test", "one.test"), ("ONE.test", "one.test"), ("one.test.", "one.test"), ("one.test:81", "one.test")),
        *(("www.one.test", "one.test"), ("WWW.one.test.:81", "one.test"), ("sub.one.test", "sub.one.test")),
        *(("two.test", "two.test"), ("www.two.test", "two.test"), ("www.sub.one.test", "sub.one.test"), ("a", "a")),
    ],
)
def test_9110_7_2_a_host_has_its_directory(hosted: Running, connect: Connect, host: str, directory: str) -> None:
    answer = ask_both_ways(hosted, connect, get("/", host=host), kept=True)
    assert (answer.status, answer.body) == (200, f"{directory} index.html".encode())
    in_target = ask_both_ways(hosted, connect, get(f"http://{host}/", host="two.test"), kept=True)
    assert in_target.body == answer.body


@pytest.mark.parametrize(
    "host",
    [
        *("three.test", "www.three.test", "www.www.one.test", "www.a", "test", "ne.test", "", ":81"),
        *("..", ".", ".hidden", "...", "one.test..", ".one.test", "one..test", "..one.test", "-", "one.test-"),
        *("%2e%2e", "one.test%2f..", "%2E%2E%2Fone.test", "one.test%00", "[::1]", "*", "_", "one.test;", "*.test"),
        *("x" * 300, "index.html", "0", "127.0.0.1"),
    ],
)
def test_9110_15_5_20_who_has_none_gets_421(hosted: Running, connect: Connect, host: str) -> None:
    """Nor does any host lead out of its directory. The answer is not kept: the directory may come."""
    request = get("/", host=host) if host else get("/", "Host:", host="")
    answer = ask_both_ways(hosted, connect, request, kept=False)
    assert answer.status == 421
    assert SECRET not in answer.body


@pytest.mark.parametrize(
    "host", ["../mass", "one.test/..", "a/../one.test", "/", "\\..", "one.test/", "..\\mass", "./"]
)
def test_9112_3_2_a_host_with_slashes_is_400(hosted: Running, connect: Connect, host: str) -> None:
    assert ask_both_ways(hosted, connect, get("/", host=host), kept=False).status == 400


@pytest.mark.parametrize("target", ["http:///", "http://one.test\\..", "http://%2e%2e%2f@one.test/", "http://.[]/"])
def test_9112_3_2_2_an_authority_that_is_none_leads_nowhere(hosted: Running, connect: Connect, target: str) -> None:
    answer = connect(hosted).ask(get(target, host="one.test"))
    assert answer.status in (400, 421)
    assert SECRET not in answer.body


@pytest.mark.parametrize("target", ["/../two.test/", "/..%2ftwo.test/", "/%2e%2e/two.test/", "/../index.html"])
def test_9112_3_2_1_no_path_leads_to_another_host(hosted: Running, connect: Connect, target: str) -> None:
    """RFC 3986 5.2.4: what climbs above the root is 400."""
    assert connect(hosted).ask(get(target, host="one.test")).status == 400


def test_a_link_leads_to_no_other_host(hosted: Running, connect: Connect, top: Path) -> None:
    """Names are resolved beneath the directory of the host."""
    (top / "one.test" / "link.html").symlink_to("../two.test/index.html")
    (top / "one.test" / "up").symlink_to("..")
    client = connect(hosted)
    for target in ("/link.html", "/up/index.html", "/up/two.test/index.html"):
        assert client.ask(get(target, host="one.test")).status == 404


@pytest.mark.parametrize("www", [True, False])
def test_www_is_taken_off_where_it_is_asked_for(serve: Serve, connect: Connect, top: Path, www: bool) -> None:
    """www.org is a name of its own, whatever is asked for."""
    for name in ("www.one.test", "www.org", "org"):
        make(top, name)
    webroot.settle()
    client = connect(serve(sites=(SiteConfig(str(top), mass=MassHosting(strip_www=www)),)))
    wanted = b"one.test index.html" if www else b"www.one.test index.html"
    assert (page(client, "www.one.test"), page(client, "www.org")) == ((200, wanted), (200, b"www.org index.html"))


@pytest.mark.parametrize("level", [1, 2, 3])
def test_hosts_are_spread_over_levels(serve: Serve, connect: Connect, tmp_path: Path, level: int) -> None:
    """At level 2, bar.test is b/ba/bar.test. What lies higher is not a host."""
    for name in ("bar.test", "b", "ba", "a", "bazaar.test"):
        make(tmp_path, "/".join([*(name[:length] for length in range(1, level + 1)), name]), name)
    make(tmp_path, "flat.test")
    webroot.settle()
    running = serve(sites=(SiteConfig(str(tmp_path), mass=MassHosting(hash_level=level)),))
    client = connect(running)
    for name in ("bar.test", "b", "ba", "a", "bazaar.test"):
        assert page(client, name) == (200, f"{name} index.html".encode())
        www = get("/", host=f"www.{name}" if "." in name else name)
        assert ask_both_ways(running, connect, www, kept=True).status == 200


def test_a_host_at_another_level_is_none(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    make(tmp_path, "flat.test")
    make(tmp_path, "a/a")
    client = connect(serve(sites=(SiteConfig(str(tmp_path), mass=MassHosting(hash_level=1)),)))
    assert page(client, "a")[0] == 200
    assert page(client, "flat.test")[0] == 421


def test_mass_hosting_beside_sites_with_names(serve: Serve, connect: Connect, top: Path, tmp_path: Path) -> None:
    """Names of the table come first; a wildcard bounds what has directories."""
    make(tmp_path, "own")
    make(top, "x.users.test")
    make(top, "own.users.test")
    webroot.settle()
    mass = SiteConfig(str(top), hosts=("*.users.test",), mass=MassHosting())
    own = SiteConfig(str(tmp_path / "own"), hosts=("own.users.test", "a"))
    running = serve(sites=(mass, own))
    client = connect(running)
    assert page(client, "x.users.test") == (200, b"x.users.test index.html")
    assert page(client, "own.users.test") == (200, b"own index.html")
    assert [page(client, host)[0] for host in ("one.test", "y.users.test", "users.test")] == [421] * 3


# Hosts come and go.


def test_9110_15_5_20_a_directory_that_comes_is_seen_at_once(hosted: Running, connect: Connect, top: Path) -> None:
    """Asked for before and not there; then it is. No second passes."""
    client = connect(hosted)
    for number in range(3):
        host = f"new{number}.test"
        make(top, host)
        assert page(client, host) == (200, f"{host} index.html".encode())
        assert page(connect(hosted), f"www.{host}")[0] == 200


def test_9110_15_5_20_also_when_it_was_asked_for_before(hosted: Running, connect: Connect, top: Path) -> None:
    client = connect(hosted)
    assert [page(client, "new.test")[0] for _ in range(3)] == [421] * 3
    make(top, "new.test")
    assert page(client, "new.test") == (200, b"new.test index.html")


@pytest.mark.slow
def test_9110_15_5_20_a_directory_that_goes_is_seen_within_a_second(
    hosted: Running, connect: Connect, top: Path
) -> None:
    """What was kept goes with it, also on old connections; the same name may come again with other pages."""
    old = connect(hosted)
    assert [page(old, host)[0] for host in ("one.test", "two.test", "one.test", "two.test")] == [200] * 4
    (top / "one.test").rename(top.parent / "aside")
    assert seen_within_a_second(hosted, lambda: page(old, "one.test")[0] == 421)
    assert (page(connect(hosted), "www.one.test")[0], page(old, "two.test")[0]) == (421, 200)
    make(top, "one.test", "another")
    assert page(old, "one.test") == (200, b"another index.html")


@pytest.mark.slow
def test_a_directory_that_is_replaced_is_seen_within_a_second(hosted: Running, connect: Connect, top: Path) -> None:
    """A deploy by rename, and one by a link; answers for what was missing are not kept over it either."""
    client = connect(hosted)
    assert (page(client, "one.test")[0], client.ask(get("/new.txt", host="one.test")).status) == (200, 404)
    make(top.parent, "fresh")
    webroot.write(top.parent / "fresh" / "new.txt", b"new")
    (top / "one.test").rename(top.parent / "aside")
    (top.parent / "fresh").rename(top / "one.test")
    assert seen_within_a_second(hosted, lambda: page(client, "one.test")[1] == b"fresh index.html")
    assert seen_within_a_second(hosted, lambda: client.ask(get("/new.txt", host="one.test")).status == 200)
    shutil.rmtree(top / "two.test")
    (top / "two.test").symlink_to("one.test")
    assert seen_within_a_second(hosted, lambda: page(client, "two.test")[1] == b"fresh index.html")


@pytest.mark.slow
def test_rules_files_are_those_of_the_host(hosted: Running, connect: Connect, top: Path) -> None:
    """Read when a host is opened, and again when they change; those above the hosts are for none."""
    (top / "_headers").write_text("/*\n  X-Above: yes\n")
    (top / "one.test" / "_headers").write_text("/*\n  X-Host: one\n")
    (top / "one.test" / "_redirects").write_text("/old /new 302\n")
    client = connect(hosted)
    one, two = (client.ask(get("/", host=host)) for host in ("one.test", "two.test"))
    assert (one[b"x-host"], b"x-host" in two, b"x-above" in one, b"x-above" in two) == (b"one", False, False, False)
    assert client.ask(get("/old", host="www.one.test"))[b"location"] == b"/new"
    assert client.ask(get("/old", host="two.test")).status == 404
    for host in ("one.test", "two.test"):
        assert client.ask(get("/_headers", host=host)).status == 404
    (top / "two.test" / "_headers").write_text("/*\n  X-Host: two\n")
    (top / "one.test" / "_headers").unlink()
    assert seen_within_a_second(hosted, lambda: b"x-host" in client.ask(get("/", host="two.test")))
    assert seen_within_a_second(hosted, lambda: b"x-host" not in client.ask(get("/", host="one.test")))


# More hosts than may be open.


def _open_hosts(top: Path) -> int:
    """How many directories of hosts this process has open."""
    count = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            count += entry.readlink().parent == top
        except OSError:
            continue
    return count


def test_more_hosts_than_may_be_open(
    hosted: Running, connect: Connect, top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those asked for last stay open. Each gets its own pages all the time, judged and kept."""
    monkeypatch.setattr(sites, "MASS_SITES_MAX", 3)
    hosts = [f"host{number}.test" for number in range(8)]
    for host in hosts:
        make(top, host)
    webroot.settle()
    client, other = connect(hosted), connect(hosted)
    for order in (hosts, hosts[::-1], hosts[::2], hosts):
        for host in order:
            assert page(client, host) == (200, f"{host} index.html".encode())
            assert other.ask(get(f"/nothing-{host}", host=host)).status == 404
        assert until(lambda: _open_hosts(top) <= 3), "engines forget those that are closed, and then they go"
    client.send(b"".join(get("/", host=host) for host in hosts))
    assert [client.read().body for _ in hosts] == [f"{host} index.html".encode() for host in hosts]


@pytest.mark.slow
def test_a_crowd_hides_no_change(
    hosted: Running, connect: Connect, top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kept answer rests on its own directory, though that was closed and its descriptor means another one now."""
    monkeypatch.setattr(sites, "MASS_SITES_MAX", 1)
    client = connect(hosted)
    assert client.ask(get("/new.txt", host="one.test")).status == 404
    assert page(client, "one.test")[1] == b"one.test index.html"
    assert page(client, "two.test")[1] == b"two.test index.html"
    webroot.write(top / "one.test" / "new.txt", b"new")
    webroot.write(top / "one.test" / "index.html", b"changed")
    assert seen_within_a_second(hosted, lambda: client.ask(get("/new.txt", host="one.test")).status == 200)
    assert seen_within_a_second(hosted, lambda: page(client, "one.test")[1] == b"changed")


def test_work_for_one_host_is_not_for_another(
    serve: Serve, connect: Connect, top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing that is read while its host is closed, and its descriptor given to the next host."""
    monkeypatch.setattr(sites, "MASS_SITES_MAX", 1)
    read, begun, go = listing.read, list[object](), threading.Event()

    def slow(*words: object, **more: object) -> object:
        found = read(*words, **more)  # type: ignore[arg-type]
        begun.append(found)
        assert go.wait(10)
        return found

    monkeypatch.setattr(listing, "read", slow)
    for host in ("one.test", "two.test"):
        (top / host / "dir").mkdir()
        webroot.write(top / host / "dir" / f"of-{host}", b"")
    running = serve(sites=(SiteConfig(str(top), Policy(listing=True), mass=MassHosting()),))
    one, two = connect(running), connect(running)
    try:
        one.send(get("/dir/", host="one.test"))
        assert until(lambda: len(begun) == 1)
        two.send(get("/dir/", host="two.test"))
        assert until(lambda: running.metric("judged") == 2 and (len(begun) == 2 or _waiting(running) == 2))
    finally:
        go.set()
    bodies = [one.read().body, two.read().body]
    assert [host in body for body, host in zip(bodies, (b"of-one.test", b"of-two.test"), strict=True)] == [True] * 2


def _waiting(running: Running) -> int:
    return running.server._errands.pending


# Gates.


@pytest.mark.slow
def test_a_password_is_for_every_host(serve: Serve, connect: Connect, top: Path, tmp_path: Path) -> None:
    """One file and one policy for all; a new password counts within a second, on hosts old and new."""
    users = tmp_path / "users"
    write_users(users, ann="right")
    policy = Policy(gates=(Gate.parse("/index.html", login=Login(str(users))),))
    running = serve(sites=(SiteConfig(str(top), policy, mass=MassHosting()),))
    client = connect(running)

    def status(host: str, password: str) -> int:
        return client.ask(get("/", basic("ann", password), host=host)).status

    assert [status(host, "right") for host in ("one.test", "two.test", "one.test")] == [200] * 3
    assert [client.ask(get("/", host=host)).status for host in ("one.test", "two.test")] == [401] * 2
    write_users(users, ann="new")
    assert seen_within_a_second(running, lambda: status("one.test", "right") == 401)
    assert [status(host, "right") for host in ("one.test", "two.test", "a")] == [401] * 3
    assert [status(host, "new") for host in ("one.test", "two.test", "a")] == [200] * 3


@pytest.mark.slow
def test_a_broken_password_file_keeps_the_users_for_all_hosts(
    serve: Serve, connect: Connect, top: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    users = tmp_path / "users"
    write_users(users, ann="right")
    policy = Policy(gates=(Gate.parse("/index.html", login=Login(str(users))),))
    running = serve(sites=(SiteConfig(str(top), policy, mass=MassHosting()),))
    client = connect(running)

    def status(host: str) -> int:
        return client.ask(get("/", basic("ann", "right"), host=host)).status

    assert [status("one.test"), status("two.test")] == [200, 200]
    write_lines(users, [f"ann:{hashed('new')}", "bob:plain"])
    assert seen_within_a_second(running, lambda: "the users read before stay in force" in caplog.text)
    statuses = [status(host) for host in ("one.test", "two.test", "a")]
    errors = [record.getMessage() for record in caplog.get_records("call")]
    caplog.clear()
    assert (statuses, len(errors)) == ([200] * 3, 1)


def test_a_host_that_goes_while_it_is_opened_is_none(
    hosted: Running, connect: Connect, top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at its directory and the opening of it."""
    isdir, gone = os.path.isdir, []

    def vanishing(path: str) -> bool:
        found = isdir(path)
        if path.endswith("/two.test") and not gone:
            gone.append((top / "two.test").rename(top.parent / "aside"))
        return found

    monkeypatch.setattr(os.path, "isdir", vanishing)
    assert connect(hosted).ask(get("/", host="two.test")).status == 421
    assert gone
