"""Gates held against a request: what stands between a client and a path, why, and whether that may be kept."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import bcrypt
import pytest

from tuxpy.errors import ConfigError
from tuxpy.model import Refuse, Request
from tuxpy.rules import passwords
from tuxpy.rules.gates import Gate, Login
from tuxpy.rules.policy import Policy
from tuxpy.site.admit import admit
from tuxpy.site.errands import Errands, Later
from tuxpy.site.opener import opener
from tuxpy.site.site import Site
from tuxpy.site.trail import Trail

RIGHT, OTHER = (bcrypt.hashpw(word, bcrypt.gensalt(4)).decode() for word in (b"right", b"other"))
NEAR, FAR = 1, 2


@pytest.fixture
def users(tmp_path: Path) -> str:
    path = tmp_path / "users"
    path.write_text(f"ann:{RIGHT}\nbob:{OTHER}\n")
    return str(path)


def shown(user: str, password: str) -> bytes:
    return b"Basic " + base64.b64encode(f"{user}:{password}".encode())


def asked(
    gates: tuple[Gate, ...],
    path: bytes = b"/x",
    authorization: bytes | None = None,
    client: int = NEAR,
    errands: Errands[object] | None = None,
) -> tuple[Refuse | None, Trail]:
    """What `admit` says; class NEAR is let in by every gate, class FAR by none."""
    fields = () if authorization is None else ((b"authorization", authorization),)
    request = Request(b"GET", path, b"1.1", fields, client)
    with Site(str(Path(__file__).parent), opener(), Policy(gates=gates, rules_files=None), errands) as site:
        near = tuple(True for _ in gates)
        site.admitted = {NEAR: near, FAR: tuple(gate.addresses is None for gate in gates)}
        trail = Trail([])
        return admit(request, path, site, trail), trail


def status(*words: object, **more: object) -> int | None:
    refusal, _ = asked(*words, **more)  # type: ignore[arg-type]
    return None if refusal is None else refusal.status


# For which paths a gate is.


@pytest.mark.parametrize(
    ("pattern", "closed", "open_"),
    [
        ("/*", [b"/", b"/x", b"/x/", b"/a/b"], []),
        ("/admin/*", [b"/admin", b"/admin/", b"/admin/x", b"/admin/x/y/"], [b"/", b"/administrator", b"/x/admin/"]),
        ("/admin", [b"/admin", b"/admin/"], [b"/admin/x", b"/"]),
        ("/admin/", [b"/admin", b"/admin/"], [b"/admin/x"]),
        ("*.key", [b"/a.key", b"/b/c.key", b"/.key", b"/a.key/"], [b"/a.key/b", b"/key", b"/a.keys"]),
        ("private", [b"/private", b"/private/", b"/a/private/"], [b"/private/x", b"/"]),
        ("/**/private/*", [b"/private", b"/a/private/", b"/a/b/private/c"], [b"/a/privates"]),
        ("/{a,b}/*", [b"/a", b"/b/c"], [b"/c", b"/ab"]),
    ],
)
def test_9110_11_5_a_gate_takes_a_path_with_and_without_its_slash(
    pattern: str, closed: list[bytes], open_: list[bytes]
) -> None:
    gate = Gate.parse(pattern, deny=["all"])
    assert [path for path in closed if not gate.is_for(path)] == []
    assert [path for path in open_ if gate.is_for(path)] == []


@pytest.mark.parametrize(
    ("excepted", "open_", "closed"),
    [
        (("/a/free/*",), [b"/a/free", b"/a/free/", b"/a/free/x"], [b"/a", b"/a/freer", b"/a/x/free"]),
        (("*.css", "/a/x"), [b"/a/b.css", b"/a/x", b"/a/x/"], [b"/a/b.css/", b"/a/b.css/c", b"/a/x/y"]),
    ],
)
def test_9110_11_5_excepted_paths(excepted: tuple[str, ...], open_: list[bytes], closed: list[bytes]) -> None:
    """An exception for names is none for what lies in a directory of that name."""
    gate = Gate.parse("/a/*", deny=["all"], excepted=excepted)
    assert [path for path in open_ if gate.is_for(path)] == []
    assert [path for path in closed if not gate.is_for(path)] == []


def test_a_gate_that_asks_for_nothing_is_refused(users: str) -> None:
    with pytest.raises(ConfigError, match="has no conditions"):
        Gate.parse("/*")
    for words in ({"allow": ["all"]}, {"login": Login(users)}):
        with pytest.raises(ConfigError, match="or remove it"):
            Gate.parse("/*", either=True, **words)  # type: ignore[arg-type]


@pytest.mark.parametrize("realm", ["gr\u00fcn", "line\nbreak", "\0", "\x7f"])
def test_9110_11_5_a_realm_that_cannot_be_sent_is_refused(users: str, realm: str) -> None:
    with pytest.raises(ConfigError, match="printable ASCII"):
        Login(users, realm=realm)


# Decisions.


def test_9110_11_without_a_gate_everybody_passes(users: str) -> None:
    assert status((), b"/x") is None
    assert status((Gate.parse("/other/*", deny=["all"], login=Login(users)),), b"/x", client=FAR) is None


def test_9110_15_5_2_who_shows_nothing_is_asked_and_that_is_kept(users: str) -> None:
    refusal, trail = asked((Gate.parse("/*", login=Login(users, realm="r")),))
    assert refusal is not None
    assert (refusal.status, refusal.cacheable, refusal.keep) == (401, True, True)
    assert refusal.fields == ((b"WWW-Authenticate", b'Basic realm="r", charset="UTF-8"'),)
    assert trail.why == ["a password is asked for, and the request shows none"]


@pytest.mark.parametrize(
    "value", [b"", b"Basic", b"Basic x", b"Bearer abc", shown("ann", "no"), shown("eve", "right"), shown("", "")]
)
def test_9110_11_6_2_what_is_refused_to_a_guess_is_not_kept(users: str, value: bytes) -> None:
    refusal, _ = asked((Gate.parse("/*", login=Login(users)),), authorization=value)
    assert refusal is not None
    assert (refusal.status, refusal.cacheable) == (401, False)


def test_7617_2_the_right_password_passes_and_that_is_kept(users: str) -> None:
    refusal, trail = asked((Gate.parse("/*", login=Login(users)),), authorization=shown("ann", "right"))
    assert (refusal, trail.cacheable) == (None, True)
    assert trail.why == ["the password of ann is right"]


@pytest.mark.parametrize(("user", "password", "passes"), [("ann", "right", False), ("bob", "other", True)])
def test_only_users_of_the_list_pass(users: str, user: str, password: str, passes: bool) -> None:
    gates = (Gate.parse("/*", login=Login(users, frozenset({"bob", "eve"}))),)
    refusal, trail = asked(gates, authorization=shown(user, password))
    assert (refusal is None) is passes
    assert trail.cacheable is passes
    assert ("this user is not allowed" in trail.why) is not passes


def test_a_name_on_the_list_needs_its_password_all_the_same(users: str) -> None:
    gates = (Gate.parse("/*", login=Login(users, frozenset({"eve", "bob"}))),)
    for user, password in (("eve", "right"), ("bob", "right"), ("eve", "")):
        assert status(gates, authorization=shown(user, password)) == 401


def _gate(login: Login, **words: object) -> Gate:
    return Gate.parse("/*", allow=["127.0.0.1"], login=login, **words)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("either", "client", "password", "wanted"),
    [
        *((False, NEAR, None, 401), (False, NEAR, "no", 401), (False, NEAR, "right", None)),
        *((False, FAR, None, 403), (False, FAR, "no", 403), (False, FAR, "right", 403)),
        *((True, NEAR, None, None), (True, NEAR, "no", None), (True, NEAR, "right", None)),
        *((True, FAR, None, 401), (True, FAR, "no", 401), (True, FAR, "right", None)),
    ],
)
def test_9110_15_5_4_addresses_and_passwords(
    users: str, either: bool, client: int, password: str | None, wanted: int | None
) -> None:
    """403 where no password would help, 401 where one would."""
    authorization = None if password is None else shown("ann", password)
    assert status((_gate(Login(users), either=either),), authorization=authorization, client=client) == wanted


def test_9110_15_5_4_a_refused_address_is_kept_whatever_it_shows(users: str) -> None:
    refusal, trail = asked((_gate(Login(users)),), authorization=shown("ann", "no"), client=FAR)
    assert refusal is not None
    assert (refusal.status, refusal.fields, refusal.cacheable) == (403, (), True)
    assert trail.why == ["the client's address is not allowed"]


def test_an_address_that_is_refused_costs_no_hashing(users: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords.Htpasswd, "verify", _never)
    assert status((_gate(Login(users)),), authorization=shown("ann", "right"), client=FAR) == 403
    assert status((_gate(Login(users), either=True),), authorization=shown("ann", "right"), client=NEAR) is None


def _never(*_: object) -> bool:
    raise AssertionError("nobody needs to know")


def test_without_classes_there_is_no_address(users: str) -> None:
    """As for `tuxpy explain` without one: in no network at all."""
    assert status((Gate.parse("/*", allow=["all"]),), client=7) == 403
    assert status((Gate.parse("/*", deny=["127.0.0.1"]),), client=7) is None
    assert status((Gate.parse("/*", login=Login(users)),), client=7) == 401


@pytest.mark.parametrize("turn", [lambda gates: gates, lambda gates: gates[::-1]])
def test_9110_11_the_order_of_gates_opens_nothing(
    users: str, turn: Callable[[tuple[Gate, ...]], tuple[Gate, ...]]
) -> None:
    ann = Gate.parse("/*", login=Login(users, frozenset({"ann"})))
    bob = Gate.parse("/x", login=Login(users, frozenset({"bob"})))
    near = Gate.parse("/x", allow=["127.0.0.1"])
    free = Gate.parse("/*", deny=["192.0.2.1"], excepted=["/x"])
    for user, password in (("ann", "right"), ("bob", "other")):
        assert status(turn((ann, bob)), authorization=shown(user, password)) == 401
    assert status(turn((ann, near)), authorization=shown("ann", "right"), client=NEAR) is None
    assert status(turn((ann, near)), authorization=shown("ann", "right"), client=FAR) == 403
    assert status(turn((ann, free)), authorization=shown("ann", "right"), client=FAR) is None
    assert status(turn((near, free)), client=FAR) == 403


def test_reasons_name_the_rule_and_no_password(users: str) -> None:
    login = Login(users)
    _, trail = asked((_gate(login, where="tuxpy.toml:7"),), authorization=shown("a\u200bnn", "secret"))
    text = "; ".join(trail.why)
    assert "(tuxpy.toml:7)" in text
    assert "secret" not in text
    assert text.isprintable()


# Work.


def test_a_password_is_hashed_elsewhere_and_then_remembered(users: str) -> None:
    """The judge waits for nothing: Later goes up, and the work needs nothing of the judgement."""
    gates = (Gate.parse("/*", login=Login(users)),)
    with pytest.raises(Later) as raised:
        asked(gates, authorization=shown("ann", "right"), errands=Errands(1))
    assert raised.value.work() is True  # its site is closed by now
    with pytest.raises(Later) as raised:
        asked(gates, authorization=shown("ann", "wrong"), errands=Errands(1))
    assert raised.value.work() is False


def test_work_is_named_by_what_is_checked(users: str) -> None:
    """Equal credentials share it, others do not; the name tells nothing of them."""
    policy = Policy(gates=(Gate.parse("/*", login=Login(users)),), rules_files=None)
    with Site(str(Path(__file__).parent), opener(), policy, Errands(1)) as site:

        def key(user: str, password: str) -> object:
            request = Request(b"GET", b"/x", b"1.1", ((b"authorization", shown(user, password)),))
            with pytest.raises(Later) as raised:
                admit(request, b"/x", site, Trail([]))
            return raised.value.key

        assert key("ann", "right") == key("ann", "right")
        assert len({key("ann", "right"), key("ann", "righ"), key("annr", "ight"), key("bob", "right")}) == 4
        assert "right" not in repr(key("ann", "right"))
