"""passwords.py: RFC 7617 for what is sent, Apache's form for the file, published vectors for the hashes."""

from __future__ import annotations

import base64
import os
import shlex
import sys
import threading
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tuxpy.errors import ConfigError
from tuxpy.rules import passwords
from tuxpy.rules.basic import Credentials, challenge, parse_authorization
from tuxpy.rules.password_file import PasswordFile
from tuxpy.rules.passwords import Htpasswd

# From the self-tests of crypt_blowfish and of the reference implementation of argon2.
BCRYPT = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"  # U*U
ARGON2 = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"  # password
MD5 = "$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/"


@pytest.fixture
def libraries() -> None:
    pytest.importorskip("bcrypt")
    pytest.importorskip("argon2")


@pytest.fixture
def hashings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bytes]]:
    """What was hashed. The password of a hash is "pw" followed by its cost."""
    done: list[tuple[str, bytes]] = []

    def check(hashed: str, password: bytes) -> bool:
        done.append((hashed, password))
        return password == b"pw" + hashed[4:6].encode()

    monkeypatch.setattr(passwords, "_check_bcrypt", check)
    monkeypatch.setattr(passwords, "_need", lambda *_: None)
    return done


def line(user: str, cost: int = 5) -> str:
    return f"{user}:$2y${cost:02}{BCRYPT[6:]}\n"


def basic(pair: bytes) -> bytes:
    return b"Basic " + base64.b64encode(pair)


# Authorization (RFC 7617 section 2).


@pytest.mark.parametrize(
    ("value", "user", "password"),
    [
        (b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"),  # 2
        (b"Basic dGVzdDoxMjPCow==", "test", "123£"),  # 2.1
        (b"bASIC dGVzdDoxMjPCow==", "test", "123£"),  # RFC 9110 11.1: the scheme is case-insensitive
        (b"Basic   dGVzdDoxMjPCow==", "test", "123£"),  # RFC 9110 11.4: 1*SP
        (basic(b"a:b:c"), "a", "b:c"),
        (basic(b"a:"), "a", ""),
        (basic(b":b"), "", "b"),
        (basic(b":"), "", ""),
        (basic(b"a: b "), "a", " b "),
    ],
)
def test_7617_2_user_and_password(value: bytes, user: str, password: str) -> None:
    assert parse_authorization(value) == Credentials(user, password)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"Basic",
        b"Basic ",
        b"Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        b"BasicQWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        b"Basic\tQWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ",  # padding missing
        b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ===",
        b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZR==",  # bits behind the last byte
        b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ== ",
        b"Basic QWxh ZGRpbjpvcGVuIHNlc2FtZQ==",
        b"Basic QWxh\nZGRpbjpvcGVuIHNlc2FtZQ==",
        b"Basic dGVzdDoxMjPCow==, Basic dGVzdDoxMjPCow==",  # two lines of the field
        b"Basic dGVzdDo_Pz8-",  # the alphabet of URLs
        basic(b"no colon"),
        basic(b"test:123\xa3"),  # Latin-1
        basic(b"a:\xed\xa0\x80"),  # a surrogate
        basic(b"a:b\0c"),
        basic(b"a:b\n"),
        basic(b"a\x7f:b"),
        basic("a:\u0085".encode()),
    ],
)
def test_7617_2_anything_else_is_no_credentials(value: bytes) -> None:
    assert parse_authorization(value) is None


TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=12)


@given(TEXT.filter(lambda user: ":" not in user), TEXT)
@example("a\u0308", "o\u0308")
def test_7617_2_1_the_charset_is_utf_8_in_form_c(user: str, password: str) -> None:
    found = parse_authorization(basic(f"{user}:{password}".encode()))
    assert found is not None
    together = f"{found.user}:{found.password}"
    assert together == unicodedata.normalize("NFC", f"{user}:{password}")


RAW = st.binary(max_size=30)


@given(st.one_of(RAW, RAW.map(basic), RAW.map(lambda raw: b"Basic " + raw)))
def test_no_value_does_harm_and_each_credential_has_one_form(value: bytes) -> None:
    found = parse_authorization(value)
    if found is not None and unicodedata.is_normalized("NFC", base64.b64decode(value.split()[1]).decode()):
        assert value.split()[1] == basic(f"{found.user}:{found.password}".encode()).split()[1]


def test_no_log_shows_a_password() -> None:
    assert "secret" not in repr(Credentials("alice", "secret"))


@pytest.mark.parametrize(
    ("realm", "value"),
    [
        ("WallyWorld", b'Basic realm="WallyWorld", charset="UTF-8"'),
        ('a "b" \\c', rb'Basic realm="a \"b\" \\c", charset="UTF-8"'),
        ("", b'Basic realm="", charset="UTF-8"'),
    ],
)
def test_7617_2_1_the_challenge(realm: str, value: bytes) -> None:
    assert challenge(realm) == (b"WWW-Authenticate", value)


@pytest.mark.parametrize("realm", ["a\r\nb", "a\0", "é", "\x7f"])
def test_a_realm_that_cannot_be_sent_is_refused(realm: str) -> None:
    with pytest.raises(ConfigError, match="printable ASCII"):
        challenge(realm)


# Hashes.


@pytest.mark.parametrize(
    ("hashed", "password"), [(BCRYPT, "U*U"), (BCRYPT.replace("2y", "2b"), "U*U"), (ARGON2, "password")]
)
def test_published_vectors(libraries: None, hashed: str, password: str) -> None:
    users = Htpasswd.parse(f"alice:{hashed}\n", "users")
    assert users.verify("alice", password)
    assert not users.verify("alice", password + "x")
    assert not users.verify("alice", "")
    assert not users.verify("bob", password)
    assert not users.verify("alice", password + "\0")


def test_both_forms_in_one_file(libraries: None) -> None:
    users = Htpasswd.parse(f"alice:{BCRYPT}\nbob:{ARGON2}\n", "users")
    assert users.verify("alice", "U*U")
    assert users.verify("bob", "password")
    assert not users.verify("alice", "password")
    assert not users.verify("bob", "U*U")


def test_bcrypt_looks_at_72_bytes_as_htpasswd_does(libraries: None) -> None:
    import bcrypt

    hashed = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    users = Htpasswd.parse(f"alice:{hashed}", "users")
    assert users.verify("alice", "x" * 100)
    assert not users.verify("alice", "x" * 71)


def test_what_argon2_writes_is_read(libraries: None) -> None:
    import argon2

    hashed = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=2).hash("grün")
    users = Htpasswd.parse(f"alice:{hashed}", "users")
    assert users.verify("alice", "grün")
    assert not users.verify("alice", "grun")


def test_argon2_without_memory_is_no_wrong_password(libraries: None, monkeypatch: pytest.MonkeyPatch) -> None:
    import argon2

    def fail(*_: object) -> bool:
        raise argon2.exceptions.VerificationError("Memory allocation error")

    monkeypatch.setattr("argon2.low_level.verify_secret", fail)
    with pytest.raises(argon2.exceptions.VerificationError):
        Htpasswd.parse(f"alice:{ARGON2}\n", "users").verify("alice", "password")


@pytest.mark.parametrize("hashed", [BCRYPT, ARGON2])
def test_a_missing_library_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch, hashed: str) -> None:
    library = "argon2" if "argon2" in hashed else "bcrypt"
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigError) as caught:
        Htpasswd.parse(f"# staff\nalice:{hashed}\n", "users")
    assert str(caught.value) == f"users:2: no library for {library} is installed: pip install 'tuxpy-server[auth]'"


# The file's lines.


@pytest.mark.parametrize(
    ("hashed", "what"),
    [
        (MD5, "MD5"),
        ("$1$abcdefgh$0123456789012345678901", "MD5"),
        ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "SHA-1"),
        ("{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "SHA-1"),
        ("rqXexS6ZhobKA", "DES crypt"),
        ("$5$saltsalt$abc", "SHA crypt"),
        ("$6$rounds=5000$saltsalt$abc", "SHA crypt"),
        (BCRYPT.replace("2y", "2x"), "had a fault"),
        (BCRYPT[:-1], "damaged"),
        (BCRYPT.replace("$05$", "$18$"), "more than 17"),
        (BCRYPT.replace("$05$", "$03$"), "damaged"),
        (ARGON2.replace("2id", "2i"), "another argon2"),
        (ARGON2.replace("m=256", "m=99999999"), "has to give"),
        (ARGON2.replace("t=2", "t=65"), "has to give"),
        (ARGON2.replace("t=2", "t=0"), "damaged"),
        (ARGON2.replace("p=1", "p=64"), "damaged"),
        (ARGON2[:-2], "damaged"),
        (ARGON2.replace("c29tZXNhbHQ", "c29tZQ"), "damaged"),  # a salt of 4 bytes
        (ARGON2.replace("v=19", "v=16"), "damaged"),
        ("secret", "not hashed"),
        ("", "not hashed"),
    ],
)
def test_other_forms_are_refused_with_file_line_and_remedy(hashed: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Htpasswd.parse(f"\n\nan na:{hashed}\n", "my users")
    said = str(caught.value)
    assert said.startswith("my users:3: the password of an na ")
    assert what in said
    assert said.endswith("htpasswd -B 'my users' 'an na'")
    assert not hashed or hashed not in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("alice\n", "users:1: this is not user:hash"),
        (f":{BCRYPT}\n", "users:1: this is not user:hash"),
        (f"a\0b:{BCRYPT}\n", "users:1: this is not user:hash"),
        (line("alice") + "\n" + line("alice", 6), "users:3: the user alice is on line 1 too"),
        (line("\u00e4") + line("a\u0308"), "users:2: the user \u00e4 is on line 1 too"),
    ],
)
def test_a_line_that_means_nothing_is_refused(hashings: list[tuple[str, bytes]], content: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Htpasswd.parse(content, "users")


def test_comments_blank_lines_and_further_fields(hashings: list[tuple[str, bytes]]) -> None:
    content = "\ufeff# staff\r\n\r\n  " + line("alice").strip() + ":Alice, room 5\r\n#bob:x\n" + line("carol").strip()
    users = Htpasswd.parse(content, "users")
    assert len(users) == 2
    assert users.verify("alice", "pw05")
    assert users.verify("carol", "pw05")


# Verifying.


def test_the_same_credentials_are_hashed_once(hashings: list[tuple[str, bytes]]) -> None:
    users = Htpasswd.parse(line("alice") + line("bob"), "users")
    for _ in range(3):
        assert users.verify("alice", "pw05")
        assert not users.verify("alice", "guess")
        assert not users.verify("nobody", "pw05")
    assert len(hashings) == 3


def test_recall_never_hashes(hashings: list[tuple[str, bytes]]) -> None:
    users = Htpasswd.parse(line("alice"), "users")
    assert users.recall("alice", "pw05") is None
    assert not hashings
    users.verify("alice", "pw05")
    users.verify("alice", "guess")
    assert users.recall("alice", "pw05") is True
    assert users.recall("alice", "guess") is False
    assert users.recall("alic", "epw05") is None  # where the user ends is part of what is remembered


def test_an_unknown_user_costs_what_a_known_one_does(hashings: list[tuple[str, bytes]]) -> None:
    """And always the same, as each known one does; over all names every cost of the file turns up."""
    users = Htpasswd.parse(line("alice", 5) + line("bob", 9), "users")
    strangers = [f"stranger{number}" for number in range(64)]
    for password in ("pw05", "pw09"):
        assert not any(users.verify(name, password) for name in strangers)  # right for the hash, wrong for the name
    costs = [hashed[4:6] for hashed, _ in hashings]
    assert costs[:64] == costs[64:]
    assert set(costs) == {"05", "09"}


def test_a_nul_reaches_no_library(hashings: list[tuple[str, bytes]]) -> None:
    users = Htpasswd.parse(line("alice"), "users")
    assert not users.verify("alice", "pw05\0")
    assert not hashings


def test_without_users_nobody_gets_in() -> None:
    users = Htpasswd.parse("# nobody yet\n", "users")
    assert len(users) == 0
    assert not users.verify("alice", "")


def test_a_flood_of_guesses_does_not_push_out_the_good(
    hashings: list[tuple[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "REMEMBERED_MAX", 8)
    users = Htpasswd.parse(line("alice"), "users")
    users.verify("alice", "pw05")
    for number in range(20):
        users.verify("alice", f"guess{number}")
    hashings.clear()
    assert users.recall("alice", "pw05") is True
    assert users.recall("alice", "guess11") is None  # 8 are kept
    assert users.recall("alice", "guess12") is False
    users.verify("alice", "another")  # 12 was used just now, so 13 goes
    assert users.recall("alice", "guess12") is False
    assert users.recall("alice", "guess13") is None


def test_no_password_is_kept_and_no_digest_without_the_key(hashings: list[tuple[str, bytes]]) -> None:
    one, other = (Htpasswd.parse(line("alice"), "users") for _ in range(2))
    for users in (one, other):
        users.verify("alice", "pw05")
    kept = [set(users._good) for users in (one, other)]
    assert len(kept[0]) == len(kept[1]) == 1
    assert not kept[0] & kept[1]
    assert b"pw05" not in repr(vars(one)).encode()


def test_many_threads_with_the_same_credentials_share_one_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser opens six connections at once."""
    inside, go, count = threading.Event(), threading.Event(), 0

    def check(hashed: str, password: bytes) -> bool:
        nonlocal count
        count += 1
        inside.set()
        assert go.wait(10)
        return True

    users = Htpasswd({"alice": (BCRYPT, check)})
    outcomes: list[bool] = []
    threads = [threading.Thread(target=lambda: outcomes.append(users.verify("alice", "x"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    assert inside.wait(10)
    assert users.recall("alice", "x") is None  # it does not wait
    go.set()
    for thread in threads:
        thread.join(10)
    assert outcomes == [True] * 6
    assert count == 1


def test_a_failure_is_no_outcome() -> None:
    """No memory for argon2, say: it is told, and tried again the next time."""
    failures = [MemoryError("no memory")]

    def check(hashed: str, password: bytes) -> bool:
        if failures:
            raise failures.pop()
        return True

    users = Htpasswd({"alice": (ARGON2, check)})
    with pytest.raises(MemoryError):
        users.verify("alice", "x")
    assert users.recall("alice", "x") is None
    assert users.verify("alice", "x")


# The file that changes.


@pytest.fixture
def path(tmp_path: Path, hashings: list[tuple[str, bytes]]) -> Path:
    path = tmp_path / "users"
    path.write_text(line("alice"), encoding="utf-8")
    return path


LATER: Callable[[], float] = lambda: 1e12  # noqa: E731 - all times of files are long past


def test_a_changed_file_is_read_again_and_what_was_remembered_is_gone(path: Path) -> None:
    file = PasswordFile(str(path), clock=LATER)
    users = file.users()
    assert users.verify("alice", "pw05")
    assert file.generation == 1
    path.write_text(line("alice", 12), encoding="utf-8")
    os.utime(path, ns=(1, 1))
    assert not file.users().verify("alice", "pw05")
    assert file.users().verify("alice", "pw12")
    assert file.generation == 2


def test_an_unchanged_file_costs_one_stat(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def stat(name: str) -> os.stat_result:
        asked.append(name)
        return Path(name).stat()

    file = PasswordFile(str(path), stat, LATER)
    users = file.users()
    monkeypatch.setattr("builtins.open", None)
    assert file.users() is users
    assert asked == [str(path)] * 3


def test_a_file_that_was_only_touched_keeps_what_is_remembered(path: Path) -> None:
    file = PasswordFile(str(path), clock=LATER)
    users = file.users()
    os.utime(path, ns=(1, 1))
    assert file.users() is users
    assert file.generation == 1


def test_a_file_written_just_now_is_looked_at_once_more(path: Path) -> None:
    """Within one tick of the file system it may change and show neither in size nor in times."""
    was = path.stat()
    now = was.st_ctime
    file = PasswordFile(str(path), lambda _: was, lambda: now)
    path.write_text(line("alice", 12), encoding="utf-8")
    assert file.users().verify("alice", "pw12")
    now += 1
    users = file.users()
    path.write_text(line("alice", 13), encoding="utf-8")
    assert file.users() is users  # by now its times would tell


@pytest.mark.parametrize("slip", [f"alice:{MD5}\n", "alice\n", None])
def test_a_slip_leaves_the_last_good_version_in_force(path: Path, slip: str | None) -> None:
    good = path.read_text(encoding="utf-8")
    file = PasswordFile(str(path), clock=LATER)
    users = file.users()
    path.unlink()
    if slip is not None:
        path.write_text(slip, encoding="utf-8")
    for _ in range(2):
        assert file.users() is users
        assert file.fault is not None
        assert str(path) in file.fault
    path.write_text(good, encoding="utf-8")
    os.utime(path, ns=(2, 2))
    assert file.users() is users
    assert file.fault is None
    assert file.generation == 1


def test_a_file_that_was_away_for_a_moment_is_no_fault_any_more(path: Path) -> None:
    """Also when it comes back as it was, which a rename can do."""
    was, gone = path.stat(), [False]

    def stat(name: str) -> os.stat_result:
        if gone[0]:
            raise FileNotFoundError(2, "No such file or directory", name)
        return was

    file = PasswordFile(str(path), stat, LATER)
    gone[0] = True
    file.users()
    assert file.fault is not None
    gone[0] = False
    file.users()
    assert file.fault is None


def test_at_the_start_the_file_must_be_there_and_sound(path: Path) -> None:
    missing = path.with_name("none")
    with pytest.raises(ConfigError) as caught:
        PasswordFile(str(missing))
    assert "No such file or directory" in str(caught.value)
    assert f"write it with htpasswd -Bc {shlex.quote(str(missing))} USER" in str(caught.value)
    path.write_bytes(b"\xff:x\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        PasswordFile(str(path))
    path.write_text(f"alice:{MD5}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"users:1: .* MD5"):
        PasswordFile(str(path))
