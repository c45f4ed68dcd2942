"""What the words of a command line mean, and how they are refused."""

from __future__ import annotations

import dataclasses
import socket

import pytest

from tuxpy.config.interfaces import local_addresses
from tuxpy.config.processors import parse_workers, quota_cpus, workers_auto
from tuxpy.config.settings import (
    Address,
    Config,
    addresses,
    parse_bind,
    parse_port,
)
from tuxpy.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "host", "port", "asked"),
    [
        ("", "127.0.0.1", 8000, False),
        ("127.0.0.1:9000", "127.0.0.1", 9000, True),
        ("localhost:0", "localhost", 0, True),
        ("files.example.", "files.example.", 8000, False),
        ("0.0.0.0", "0.0.0.0", 8000, False),
        (":80", "127.0.0.1", 80, True),
        ("80", "127.0.0.1", 80, True),
        ("[::]:80", "::", 80, True),
        ("[::1]", "::1", 8000, False),
        ("[0:0::0001]:8", "::1", 8, True),
        ("[fe80::1%eth0]:8", "fe80::1%eth0", 8, True),
    ],
)
def test_bind(text: str, host: str, port: int, asked: bool) -> None:
    assert parse_bind(text) == Address(host, port, asked)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http://localhost:80/x", "as in localhost:80"),
        ("::1", "brackets"),
        ("::1:80", "brackets"),
        ("[::1", "[::1]:8000"),
        ("[::1]:", "[::1]:8000"),
        ("[::1]80", "[::1]:8000"),
        ("[127.0.0.x]:80", "not an IPv6 address"),
        ("localhost:", "leave out the colon"),
        ("localhost:http", "not a port"),
        ("localhost:65536", "65535"),
        ("localhost:-1", "not a port"),
        ("²", "not a port"),
        ("*:80", "0.0.0.0"),
        ("256.1.1.1:80", "not a host"),
        ("a b:80", "not a host"),
        ("a\0b:80", "not a host"),
        ("-a:80", "not a host"),
    ],
)
def test_bind_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_bind(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_host_and_port_say_what_a_bind_leaves_open() -> None:
    binds = addresses([":81", "localhost", "[::]:82"], host="::1", port=80)
    assert [str(bind) for bind in binds] == ["[::1]:81", "localhost:80", "[::]:82"]
    assert addresses([]) == (Address(),)
    assert addresses([], host="[::1]", port=0) == (Address("::1", 0, True),)


def test_wildcards() -> None:
    assert all(parse_bind(text).wildcard for text in ("0.0.0.0", "[::]:80", "[0::0]"))
    assert not any(parse_bind(text).wildcard for text in ("", "[::1]", "localhost"))


@pytest.mark.parametrize("text", ["", "x", "+1", "1.0", "65536", "99999999999999999999", "１"])
def test_port_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="not a port"):
        parse_port(text)


def test_workers() -> None:
    assert parse_workers("3") == 3
    assert parse_workers("auto") == workers_auto() >= 1
    for text in ("0", "-1", "x", "", "1.5", "9" * 30):
        with pytest.raises(ConfigError, match="not a number of engines"):
            parse_workers(text)


@pytest.mark.parametrize(
    ("cpu_max", "cpus"),
    [
        ("max 100000\n", None),
        ("200000 100000\n", 2),
        ("150000 100000\n", 1),
        ("50000 100000\n", 0),
        ("", None),
        ("1 0", None),
        ("x y", None),
        ("1 2 3", None),
    ],
)
def test_quota(cpu_max: str, cpus: int | None) -> None:
    assert quota_cpus(cpu_max) == cpus


def test_workers_follow_affinity_and_every_quota_above(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "/proc/self/cgroup": "1:cpu:/old\n0::/system.slice/tuxpy.service\n",
        "/sys/fs/cgroup/system.slice/cpu.max": "300000 100000\n",
    }
    monkeypatch.setattr("tuxpy.config.processors._content", lambda path: files.get(path, ""))
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    assert workers_auto() == 3
    files["/sys/fs/cgroup/system.slice/tuxpy.service/cpu.max"] = "20000 100000\n"
    assert workers_auto() == 1  # a fifth of a processor is still one engine
    files.clear()
    assert workers_auto() == 8


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"binds": ()}, "no address"),
        ({"binds": (Address("::1", 80), Address("::1", 80))}, "given twice"),
        ({"workers": 0}, "engines"),
        ({"workers": 4, "max_connections": 3}, "give 4"),
        ({"max_connections": 0, "workers": 1}, "give 1"),
        ({"max_connections": 1 << 21}, "connections cannot be"),
        ({"idle_timeout_s": 0.0}, "idle timeout"),
        ({"head_timeout_s": float("nan")}, "head timeout"),
        ({"backend": "kqueue"}, "back-end"),
        ({"log_level": "loud"}, "log level"),
    ],
)
def test_config_refuses(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Config(**wrong)  # type: ignore[arg-type]


def test_config_is_frozen_and_has_the_documented_defaults() -> None:
    config = Config(workers=2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.workers = 3  # type: ignore[misc]
    assert (config.sites[0].root, config.binds) == (".", (Address(),))
    assert (config.backend, config.max_connections) == ("auto", 4096)
    assert (config.head_timeout_s, config.idle_timeout_s, config.send_timeout_s, config.drain_timeout_s) == (
        10.0,
        75.0,
        30.0,
        8.0,
    )
    Config(workers=1, binds=(Address(port=0), Address(port=0)))  # two free ports are two addresses


def test_local_addresses_are_reachable_ones() -> None:
    found = local_addresses()
    assert set(local_addresses(socket.AF_INET)) <= set(found)
    for address in found:
        assert not address.startswith(("127.", "fe80:")) and address != "::1"


def test_without_netlink_there_are_no_local_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(socket, "socket", refuse)
    assert local_addresses() == []
