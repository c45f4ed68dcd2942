"""negotiate.py: RFC 9110 section 12.5.3."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tuxpy.http.negotiate import IDENTITY, MEMBERS_MAX, acceptable, choose, ranked

SIZES = {IDENTITY: 400, b"br": 120, b"zstd": 140, b"gzip": 150}


def chosen(value: bytes | None, sizes: dict[bytes, int] = SIZES) -> bytes | None:
    return choose(acceptable(value), sizes)


# The tests of 12.5.3.


def test_12_5_3_without_the_field_identity_is_sent() -> None:
    """ "any content coding is considered acceptable", and only one of them is safe."""
    assert chosen(None) == IDENTITY


@pytest.mark.parametrize("value", [b"", b" ", b",", b" ,\t, "])
def test_12_5_3_an_empty_field_wants_no_coding(value: bytes) -> None:
    assert chosen(value) == IDENTITY


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"compress, gzip", b"gzip"),  # the RFC's own examples, from here
        (b"*", b"br"),
        (b"compress;q=0.5, gzip;q=1.0", b"gzip"),
        (b"gzip;q=1.0, identity; q=0.5, *;q=0", b"gzip"),  # to here
        (b"gzip, deflate, br, zstd", b"br"),  # what browsers say
        (b"gzip, deflate", b"gzip"),
        (b"deflate", IDENTITY),  # nothing listed is there: "a response without any content coding"
        (b"identity", IDENTITY),
        (b"gzip;q=0.001", b"gzip"),  # listed, so wanted more than identity, which is not
        (b"gzip;q=0", IDENTITY),
        (b"br;q=0, gzip", b"gzip"),
        (b"br;q=0.8, gzip;q=0.9", b"gzip"),  # the highest weight, whatever the size
        (b"br;q=0.5, gzip;q=0.5", b"br"),  # equals: the smallest
        (b"identity;q=1, gzip;q=0.5", IDENTITY),
        (b"identity, gzip", b"gzip"),
        (b"identity;q=0.5, gzip;q=0.4", IDENTITY),
        (b"gzip;q=0.5, *", b"br"),
        (b"br;q=0.1, *;q=0.5", b"zstd"),
        (b"br;q=0, *", b"zstd"),  # "*" is for what is not listed
        (b"*;q=0.5, identity;q=1", IDENTITY),
        (b"identity;q=0", None),
        (b"identity;q=0, gzip", b"gzip"),
        (b"identity;q=0, *", b"br"),
        (b"identity;q=0, deflate", None),
        (b"*;q=0", None),
        (b"*;q=0, identity", IDENTITY),  # "a more specific entry for identity"
        (b"*;q=0, identity;q=0.001", IDENTITY),
        (b"*;q=0, gzip", b"gzip"),
        (b"*;q=0, deflate", None),
        (b"GZIP", b"gzip"),  # 8.4.1: case-insensitive
        (b"Br;Q=0.5", b"br"),  # the same for the name of a parameter, 5.6.6
        (b"gzip\t; \tq=0.5 ,br ;q=0.4", b"gzip"),
        (b",,gzip,, ", b"gzip"),  # 5.6.1.2: empty members
    ],
)
def test_12_5_3_what_is_sent(value: bytes, expected: bytes | None) -> None:
    assert chosen(value) == expected


def test_12_5_3_no_acceptable_coding_is_told_from_identity() -> None:
    """The last paragraph: identity "unless the identity coding is indicated as unacceptable"; then 406, 12.4.1."""
    only_plain = {IDENTITY: 400}
    assert chosen(b"gzip, br", only_plain) == IDENTITY
    assert chosen(b"gzip, *;q=0", only_plain) is None
    assert chosen(b"gzip, identity;q=0", only_plain) is None
    assert acceptable(b"gzip, *;q=0").refuses_identity
    assert not acceptable(b"gzip, *;q=0.001").refuses_identity
    assert not acceptable(b"gzip;q=0").refuses_identity


def test_8_4_1_3_x_gzip_is_gzip() -> None:
    assert chosen(b"x-gzip") == b"gzip"
    assert chosen(b"X-GZip;q=0, *") == b"br"
    assert chosen(b"x-gzip;q=0, gzip") == IDENTITY


@pytest.mark.parametrize("value", [b"gzip;q=0, gzip", b"gzip, gzip;q=0", b"gzip;q=0.5, GZIP;q=0.0"])
def test_12_5_3_what_is_refused_once_is_refused(value: bytes) -> None:
    assert chosen(value) == IDENTITY


# Weights (12.4.2).


@pytest.mark.parametrize(
    ("q", "weight"),
    [
        (b"0", 0), (b"0.", 0), (b"0.0", 0), (b"0.000", 0), (b"1", 1000), (b"1.", 1000), (b"1.000", 1000),
        (b"0.5", 500), (b"0.05", 50), (b"0.005", 5), (b"0.001", 1), (b"0.999", 999), (b"0.25", 250),
    ],
)
def test_12_4_2_a_weight_is_read_in_thousandths(q: bytes, weight: int) -> None:
    assert acceptable(b"gzip;q=" + q).weight(b"gzip") == weight


@pytest.mark.parametrize(
    "member",
    [
        b"gzip;q=", b"gzip;q=2", b"gzip;q=1.1", b"gzip;q=1.001", b"gzip;q=0.0001", b"gzip;q=1.0000", b"gzip;q=.5",
        b"gzip;q=00", b"gzip;q=01", b"gzip;q=-1", b"gzip;q=+1", b"gzip;q=1e0", b"gzip;q=0,5;", b"gzip;q=0_1",
        b"gzip;q= 1", b"gzip;q =1", b"gzip; q = 1", b'gzip;q="1"', b"gzip;q", b"gzip;", b"gzip;level=9",
        b"gzip;q=1;level=9", b"gzip;level=9;q=1", b"gzip q=1", b"gzip gzip", b"gz/ip", b'"gzip"', b"gzip=1", b";q=1",
        b"gzip\x00", b"gzip\n", "gzip;q=0.\u0665".encode(), b"\xffgzip",
    ],
)
def test_12_4_2_a_malformed_member_is_passed_over(member: bytes) -> None:
    """It is not taken for the coding that it may have meant, and the others count."""
    assert chosen(member) == IDENTITY
    assert chosen(member + b", br;q=0.1") == b"br"
    assert chosen(b"br;q=0.1 ," + member) == b"br"


def test_12_4_2_a_malformed_refusal_refuses_nothing() -> None:
    assert chosen(b"identity;q=0.0000") == IDENTITY
    assert chosen(b"*;q=zero") == IDENTITY


# Equals.


def test_12_5_3_among_equals_the_smallest_body_is_sent() -> None:
    assert chosen(b"br, gzip", {IDENTITY: 400, b"br": 151, b"gzip": 150}) == b"gzip"
    assert chosen(b"*", {IDENTITY: 100, b"br": 101, b"gzip": 102}) == IDENTITY


def test_12_5_3_among_equals_of_one_size_the_first_is_sent() -> None:
    assert chosen(b"*", {IDENTITY: 9, b"br": 9, b"gzip": 9}) == IDENTITY
    assert chosen(b"gzip, br", {IDENTITY: 99, b"br": 0, b"gzip": 0}) == b"br"


def test_12_5_3_ranked_says_what_to_look_for_first() -> None:
    there = (b"br", b"zstd", b"gzip")
    assert ranked(acceptable(b"gzip, deflate, br, zstd"), there) == there
    assert ranked(acceptable(b"gzip;q=0.9, br;q=0.5"), there) == (b"gzip", b"br")
    assert ranked(acceptable(b"gzip;q=0.9, *;q=0.95, br;q=0"), there) == (b"zstd", b"gzip")
    assert ranked(acceptable(None), there) == ()


# Properties.

WEIGHTS = st.one_of(st.none(), st.integers(0, 1000))
NAMES = st.sampled_from([b"br", b"zstd", b"gzip", b"deflate", b"identity", b"*"])
MEMBERS = st.lists(st.tuples(NAMES, WEIGHTS), max_size=8, unique_by=lambda member: member[0])
THERE = st.dictionaries(st.sampled_from([b"br", b"zstd", b"gzip"]), st.integers(0, 500))


def written(members: list[tuple[bytes, int | None]]) -> bytes:
    return b", ".join(
        name if weight is None else b"%b;q=%d.%03d" % (name, *divmod(weight, 1000)) for name, weight in members
    )


def weight_by_the_rules(coding: bytes, members: dict[bytes, int | None]) -> float:
    for name in (coding, b"*"):
        if name in members:
            weight = members[name]
            return 1000 if weight is None else weight
    return 0.5 if coding == IDENTITY else 0


@given(MEMBERS, THERE, st.integers(0, 500))
def test_12_5_3_what_is_chosen_is_acceptable_and_the_smallest_of_the_best(
    members: list[tuple[bytes, int | None]], there: dict[bytes, int], plain: int
) -> None:
    sizes = {IDENTITY: plain, **there}
    weights = {coding: weight_by_the_rules(coding, dict(members)) for coding in sizes}
    coding = chosen(written(members), sizes)
    if coding is None:
        assert not any(weights.values())
        return
    assert weights[coding] == max(weights.values()) > 0
    assert sizes[coding] == min(sizes[name] for name, weight in weights.items() if weight == weights[coding])


@given(MEMBERS, THERE, st.randoms())
def test_12_5_3_the_order_of_members_says_nothing(
    members: list[tuple[bytes, int | None]], there: dict[bytes, int], random: object
) -> None:
    sizes = {IDENTITY: 300, **there}
    assert chosen(written(members), sizes) == chosen(written(members[::-1]), sizes)


@given(st.binary(max_size=60))
def test_12_5_3_no_value_raises_and_none_without_a_zero_refuses_identity(value: bytes) -> None:
    coding = chosen(value)
    assume(b"0" not in value)
    assert coding is not None


@pytest.mark.parametrize("piece", [b"gzip,", b",", b" ", b"a", b"gzip;q=0.", b"gzip \t;", b";"])
def test_12_5_3_a_field_of_64_kib_costs_no_time(piece: bytes) -> None:
    assert chosen(piece * (65536 // len(piece)) + b"\x00") == IDENTITY


def test_12_5_3_a_field_of_many_members_is_not_read() -> None:
    assert chosen(b"x," * (MEMBERS_MAX - 1) + b"gzip") == b"gzip"
    assert chosen(b"x," * MEMBERS_MAX + b"gzip") == IDENTITY
    assert chosen(b"identity;q=0," * MEMBERS_MAX + b"gzip") == IDENTITY
