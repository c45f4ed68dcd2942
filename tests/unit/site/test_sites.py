"""All sites of a server: which one a request means, the classes of all gates, and directories as hosts."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxpy.config.sites import MassHosting, SiteConfig
from tuxpy.errors import ConfigError
from tuxpy.model import SIGNIFICANT, Refuse, Request
from tuxpy.rules.cors import CorsRule
from tuxpy.rules.gates import Gate, Login
from tuxpy.rules.policy import Policy
from tuxpy.site import sites as sites_module
from tuxpy.site.judge import judge_head
from tuxpy.site.opener import opener
from tuxpy.site.site import Site
from tuxpy.site.sites import Sites

NAMES = ("one", "two", "three", "rest")


@pytest.fixture
def top(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / name).mkdir()
    return tmp_path


def config(top: Path, name: str, *hosts: str, policy: Policy | None = None) -> SiteConfig:
    return SiteConfig(str(top / name), policy or Policy(), hosts or ("_",))


@contextmanager
def mass(top: Path, **how: int) -> Iterator[Sites]:
    """Every directory beneath `top` is a host."""
    with Sites([SiteConfig(str(top), mass=MassHosting(**how))], opener) as sites:  # type: ignore[arg-type]
        yield sites


def request(host: bytes | None, target: bytes = b"/") -> Request:
    return Request(b"GET", target, b"1.1", () if host is None else ((b"host", host),))


def found(sites: Sites, host: bytes | None, target: bytes = b"/") -> str | int:
    """The name of the root, or the status of the refusal."""
    site = sites.find(request(host, target))
    return site.status if isinstance(site, Refuse) else Path(site.root).name


# Names.


@pytest.mark.parametrize(
    ("host", "target", "wanted"),
    [
        *((b"one.test", b"/", "one"), (b"ONE.test.:81", b"/", "one"), (b"x.two.test", b"/", "two")),
        *((b"[::1]:80", b"/", "three"), (b"other", b"/", "rest"), (b"", b"/", "rest"), (None, b"/", "rest")),
        *((b"one.test", b"http://x.two.test/", "two"), (b"one.test", b"HTTPS://[::1]", "three")),
        *((b"one.test", b"http://other/?http://one.test/", "rest"), (None, b"http://one.test:80/x", "one")),
        *((b"one.test", b"/http://x.two.test/", "one"), (b"one.test", b"//x.two.test/", "one")),
        *((b"one.test", b"*", "one"), (b"one.test", b"x.two.test:80", "one"), (b"one.test", b"ftp://two.test/", "one")),
    ],
)
def test_9112_3_2_2_the_authority_of_the_target_else_host(
    top: Path, host: bytes | None, target: bytes, wanted: str
) -> None:
    configs = [config(top, "one", "one.test"), config(top, "two", "*.two.test"), config(top, "three", "[::1]")]
    with Sites([*configs, config(top, "rest")], opener) as sites:
        assert found(sites, host, target) == wanted
    with Sites(configs, opener) as sites:
        assert found(sites, host, target) == (421 if wanted == "rest" else wanted)


def test_9110_15_5_20_what_means_nobody_is_kept(top: Path) -> None:
    """The table does not change while the server runs."""
    with Sites([config(top, "one", "one.test")], opener) as sites:
        refusal = sites.find(request(b"two.test"))
        assert isinstance(refusal, Refuse)
        assert (refusal.status, refusal.keep, refusal.cacheable) == (421, True, True)


def test_9110_15_5_20_421_has_a_page(top: Path) -> None:
    with Sites([config(top, "one", "one.test")], opener) as sites:
        _, _, answer = judge_head(sites, b"GET / HTTP/1.1\r\nHost: two.test\r\n\r\n", 1e9)
    assert answer.chain.cells[0] is not None
    assert answer.status == 421


def test_one_site_for_all_hosts_is_found_whatever_is_asked(top: Path) -> None:
    with Sites([config(top, "one")], opener) as sites:
        for host in (b"one", b"", None, b"..", b"[", b"a b"):
            assert found(sites, host, b"http://x/") == "one"


@pytest.mark.parametrize(
    "configs", [[("one", "a"), ("two", "a")], [("one", "a", "A.")], [("one", "_"), ("two", "_")], [("one", "a b")]]
)
def test_a_table_that_cannot_be_is_refused_and_leaves_nothing_open(
    top: Path, configs: list[tuple[str, ...]]
) -> None:
    """no_descriptor_leaks looks after the second half."""
    with pytest.raises(ConfigError):
        Sites([config(top, *words) for words in configs], opener)
    with pytest.raises(ConfigError):
        Sites([config(top, "one"), config(top, "gone", "gone")], opener)


def test_close_any_number_of_times(top: Path) -> None:
    sites = Sites([config(top, "one"), SiteConfig(str(top), hosts=("m",), mass=MassHosting())], opener)
    sites.close()
    sites.close()


# What the engine is told.


def test_the_key_has_what_any_site_looks_at(top: Path) -> None:
    """Each once; first those that every site has, in their order."""
    listed, shared = Policy(listing=True), Policy(cors=CorsRule.parse(["https://a.test"]))
    with Sites([config(top, "one", "one", policy=listed), config(top, "two", policy=shared)], opener) as sites:
        names = sites.significant
    assert names[: len(SIGNIFICANT)] == SIGNIFICANT
    assert sorted(names[len(SIGNIFICANT) :]) == sorted(
        {b"accept", b"access-control-request-method", b"access-control-request-headers"}
    )


def test_without_rules_for_addresses_there_are_no_classes(top: Path) -> None:
    with Sites([config(top, "one", "one"), config(top, "two")], opener) as sites:
        assert sites.classes == []


@pytest.mark.parametrize("words", [{"allow": ["all"]}, {"deny": ["all"]}])
def test_there_are_no_more_classes_than_decisions(top: Path, words: dict[str, list[str]]) -> None:
    """However many gates and sites ask the same; class 0 is for who has no address."""
    gates = (Gate.parse("/a", **words), Gate.parse("/b", **words))  # type: ignore[arg-type]
    policy = Policy(gates=gates)
    with Sites([config(top, "one", "one", policy=policy), config(top, "two", policy=policy)], opener) as sites:
        assert sites.classes == [(0, 1)]


GATES = (
    (Gate.parse("/a", allow=["192.0.2.0/24"]), Gate.parse("/b", deny=["192.0.2.7"])),
    (),
    (Gate.parse("/c", allow=["2001:db8::/32"]), Gate.parse("/d", allow=["192.0.2.7"]), Gate.parse("/e", allow=["all"])),
)


@pytest.mark.parametrize("address", ["192.0.2.7", "192.0.2.8", "::ffff:192.0.2.7", "2001:db8::1", "10.0.0.1", "::"])
def test_each_site_knows_its_own_gates_in_their_order(top: Path, address: str) -> None:
    """The classes are of all gates together, and tell their decisions apart."""
    configs = [
        config(top, name, name, policy=Policy(gates=gates)) for name, gates in zip(NAMES, GATES, strict=False)
    ]
    with Sites(configs, opener) as sites:
        number = sites.class_of(address)
        assert number in {0} | {number for _, number in sites.classes}
        for name, gates in zip(NAMES, GATES, strict=False):
            site = sites.find(request(name.encode()))
            assert isinstance(site, Site)
            wanted = tuple(gate.addresses is None or gate.addresses.allows(address) for gate in gates)
            assert site.admitted[number] == wanted


def test_gates_with_passwords_alone_are_open_to_every_address(top: Path, tmp_path: Path) -> None:
    """They keep their place among the others."""
    (tmp_path / "users").write_text("")
    login = Login(str(tmp_path / "users"))
    gates = (Gate.parse("/a", login=login), Gate.parse("/b", deny=["127.0.0.1"]), Gate.parse("/c", login=login))
    with Sites([config(top, "one", policy=Policy(gates=gates))], opener) as sites:
        site = sites.find(request(b"a"))
        assert isinstance(site, Site)
        assert site.admitted[sites.class_of("127.0.0.1")] == (True, False, True)
        assert site.admitted[sites.class_of("127.0.0.2")] == (True, True, True)


def test_renew_looks_at_every_site(top: Path) -> None:
    """Also behind one that has changed."""
    with Sites([config(top, "one", "one"), config(top, "two", "two"), config(top, "rest")], opener) as sites:
        assert not sites.renew()
        for name in ("one", "two"):
            (top / name / "_headers").write_text("/*\n  X-A: b\n")
        assert sites.renew()
        assert not sites.renew()
        for name in ("one", "two"):
            site = sites.find(request(name.encode()))
            assert isinstance(site, Site)
            assert len(site.rules.fields) == 1


# Mass hosting.


def test_9110_7_2_a_directory_is_a_host(top: Path) -> None:
    with mass(top) as sites:
        assert [found(sites, host) for host in (b"one", b"ONE.", b"two:80", b"www.one", b"four")] == [
            *("one", "one", "two", 421, 421)
        ]
        assert found(sites, b"one", b"http://two/") == "two"
        assert sites.find(request(b"one")) is sites.find(request(b"ONE.:81"))


def test_9110_15_5_20_no_directory_is_not_kept(top: Path) -> None:
    """It may be made at any time, and then it is there."""
    with mass(top) as sites:
        refusal = sites.find(request(b"four"))
        assert isinstance(refusal, Refuse)
        assert (refusal.status, refusal.cacheable) == (421, False)
        (top / "four").mkdir()
        assert found(sites, b"four") == "four"


def test_a_file_is_no_host(top: Path) -> None:
    (top / "file").write_bytes(b"")
    (top / "nowhere").symlink_to("gone")
    os.mkfifo(top / "fifo")
    with mass(top) as sites:
        assert [found(sites, host) for host in (b"file", b"nowhere", b"fifo")] == [421] * 3


def test_every_host_has_the_gates_of_the_mass(top: Path) -> None:
    policy = Policy(gates=(Gate.parse("/*", deny=["127.0.0.1"]),))
    with Sites([SiteConfig(str(top), policy, mass=MassHosting())], opener) as sites:
        for host in (b"one", b"two"):
            site = sites.find(request(host))
            assert isinstance(site, Site)
            assert (site.policy, site.errands) == (policy, sites.errands)
            assert site.admitted[sites.class_of("127.0.0.1")] == (False,)
            assert site.admitted[sites.class_of("127.0.0.2")] == (True,)


def test_a_host_that_goes_is_closed(top: Path) -> None:
    with mass(top) as sites:
        site = sites.find(request(b"one"))
        assert isinstance(site, Site)
        assert found(sites, b"two") == "two"
        assert not sites.renew()
        (top / "one").rmdir()
        assert sites.renew()
        assert (found(sites, b"one"), found(sites, b"two")) == (421, "two")
        assert site.root_fd >= 0, "the engines know its number until they have forgotten it"
        assert not sites.renew()
        assert site.root_fd == -1


def test_a_host_that_comes_again_is_another(top: Path) -> None:
    """Between two looks a directory was replaced: the same site follows its name."""
    with mass(top) as sites:
        site = sites.find(request(b"one"))
        assert isinstance(site, Site)
        (top / "one").rename(top / "aside")
        (top / "one").mkdir()
        (top / "one" / "f").write_bytes(b"")
        assert sites.renew()
        assert sites.find(request(b"one")) is site
        assert os.stat("f", dir_fd=site.root_fd)


def test_those_asked_for_last_stay_open(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When somebody had to go, what rests on his descriptor must be forgotten: `renew` says so, once."""
    monkeypatch.setattr(sites_module, "MASS_SITES_MAX", 2)
    with mass(top) as sites:
        one, two = sites.find(request(b"one")), sites.find(request(b"two"))
        assert not sites.renew()
        assert sites.find(request(b"one")) is one
        assert found(sites, b"four") == 421
        three = sites.find(request(b"three"))
        assert isinstance(two, Site)
        assert isinstance(three, Site)
        assert two.root_fd >= 0, "the engines know its number until they have forgotten it"
        assert sites.find(request(b"one")) is one
        assert sites.renew()
        assert not sites.renew()
        assert two.root_fd == -1
        assert found(sites, b"two") == "two"
        assert sites.renew()
        assert not sites.renew()
        assert three.root_fd == -1


def test_a_host_that_goes_while_it_is_opened(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at its directory and the opening of it."""
    isdir = os.path.isdir

    def vanishing(path: str) -> bool:
        was = isdir(path)
        if was and path.endswith("/one"):
            (top / "one").rmdir()
        return was

    with mass(top) as sites:
        monkeypatch.setattr(os.path, "isdir", vanishing)
        assert [found(sites, b"one"), found(sites, b"two")] == [421, "two"]


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_9110_15_6_4_without_a_descriptor_it_is_a_shortage(
    top: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The judge tells it from a fault by its number; the next request may be luckier."""
    open_ = os.open

    def none_left(path: str, *words: int, **more: int) -> int:
        if str(path).endswith("/one"):
            raise OSError(number, os.strerror(number), path)
        return open_(path, *words, **more)

    with mass(top) as sites:
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", none_left)
            with pytest.raises(OSError, match=rf"\[Errno {number}\]"):
                sites.find(request(b"one"))
        assert found(sites, b"one") == "one"


HOST_BYTES = st.lists(
    st.sampled_from(b".. . / \\ %2e %2f one two www. : [ ] ::1 \0 _".split()) | st.binary(max_size=3),
    max_size=6,
).map(b"".join)


@pytest.mark.slow
@given(host=HOST_BYTES, level=st.integers(0, 3), www=st.booleans())
def test_9110_7_2_no_host_leads_out_of_the_top(
    tmp_path_factory: pytest.TempPathFactory, host: bytes, level: int, www: bool
) -> None:
    """Whatever is sent: a directory of its own beneath the top, at its level, or nobody."""
    top = _tree(tmp_path_factory, level)
    with Sites([SiteConfig(str(top), mass=MassHosting(www, level))], opener) as sites:
        for target in (b"/", b"http://" + host + b"/"):
            site = sites.find(request(host, target))
            if isinstance(site, Site):
                parts = Path(site.root).relative_to(top).parts
                assert ".." not in parts
                assert len(parts) == level + 1
                assert parts[-1] in ("one", "two", "_")
                assert parts[:-1] == tuple(parts[-1][:length] for length in range(1, level + 1))


_made: dict[int, Path] = {}


def _tree(factory: pytest.TempPathFactory, level: int) -> Path:
    """Hosts at a level, made once."""
    if level not in _made:
        _made[level] = factory.mktemp("hosts")
        for name in ("one", "two", "_"):
            parts = [*(name[:length] for length in range(1, level + 1)), name]
            _made[level].joinpath(*parts).mkdir(parents=True)
    return _made[level]
