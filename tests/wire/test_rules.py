"""Fields by rule and names with a hash, over the wire: on every kind of answer, judged and kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.client import get
from support.fixtures import Connect, Serve

from tuxpy.rules.defaults import EVERYTHING
from tuxpy.rules.fields import FieldRule, field
from tuxpy.rules.policy import Policy

RULES = Policy(rules=(FieldRule(EVERYTHING, set=(field("X-Frame-Options", "DENY"),), where="a test"),))


@pytest.mark.parametrize("target", ["/notes.txt", "/large.bin", "/nothing", "/docs", "/docs/"])
def test_a_rule_reaches_every_answer(serve: Serve, connect: Connect, target: str) -> None:
    client = connect(serve(policy=RULES))
    for _ in range(2):
        assert client.ask(get(target))[b"x-frame-options"] == b"DENY"
        assert client.ask(get(target, method="HEAD"))[b"x-frame-options"] == b"DENY"


def test_rfc_8246_a_hashed_name_is_immutable(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "app.3f9a1c2b.js").write_bytes(b"let a = 1\n")
    (tmp_path / "app.js").write_bytes(b"let a = 1\n")
    client = connect(serve(tmp_path))
    assert client.ask(get("/app.3f9a1c2b.js"))[b"cache-control"] == b"max-age=31536000, immutable"
    assert client.ask(get("/app.js"))[b"cache-control"] == b"no-cache"
