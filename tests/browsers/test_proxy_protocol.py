"""HAProxy speaks the PROXY protocol to the server, both versions, and its health checks are no client's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.fixtures import Serve
from support.poll import until
from support.running import Running

from tuxpy.config.bounds import ClientLimits, Proxies
from tuxpy.config.settings import Address, LogConfig
from tuxpy.rules.gates import Gate
from tuxpy.rules.policy import Policy

from .content import html, write
from .programs import MARKS, program
from .proxies import HAPROXY_START, Front, ask, free_port

pytestmark = MARKS

_RULES = HAPROXY_START + """\
frontend front
    bind 127.0.0.1:{port}
    default_backend tuxpy
backend tuxpy
    {check}
    server one 127.0.0.1:{upstream} {protocol} check inter 50ms
"""


@pytest.fixture
def server(serve: Serve, root: Path, tmp_path: Path) -> Running:
    """It shows /docs/ to one address alone, not the proxy's, and logs who asks."""
    write(root / "index.html", html("<p>home"))
    write(root / "docs" / "index.html", html("<p>documents"))
    settings: dict[str, Any] = {
        "binds": (Address("127.0.0.1", 0, True, proxy=True),),
        "proxies": Proxies(("127.0.0.1",)),
        "policy": Policy(gates=(Gate.parse("/docs/*", allow=["127.0.0.9"]),)),
        "access_log": LogConfig(str(tmp_path / "access"), "{client} {target} {status}"),
        "limits": ClientLimits(interval_s=3600, burst=2),
    }
    return serve(root, **settings)


@pytest.fixture
def front(server: Running, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Front]:
    mode, protocol = request.param
    path, port = program("haproxy", package="haproxy"), free_port()
    rules = tmp_path / "haproxy.cfg"
    check = "option httpchk HEAD /index.html" if mode == "http" else ""
    values = {"mode": mode, "port": port, "check": check, "upstream": server.address[1], "protocol": protocol}
    rules.write_text(_RULES.format(**values))
    with closing(Front("haproxy", [str(path), "-db", "-f", str(rules)], port, tmp_path / "log")) as started:
        started.wait()
        yield started


@pytest.mark.parametrize(
    "front",
    [("tcp", "send-proxy"), ("tcp", "send-proxy-v2"), ("http", "send-proxy"), ("http", "send-proxy-v2")],
    ids="-".join,
    indirect=True,
)
def test_the_address_of_the_client_comes_through(
    server: Running, front: Front, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    answers = []
    for source in ("127.0.0.9", "127.0.0.8"):
        for _ in range(3):
            connection = front.connect()
            connection.source_address = (source, 0)
            with closing(connection):
                answers.append(ask(connection, "/docs/").status)
    assert answers == [200, 200, 429, 403, 403, 429], "each has its own rights and its own bucket"
    log = tmp_path / "access"
    wanted = [f"127.0.0.{host} /docs/ {status}" for host, statuses in ((9, answers[:3]), (8, answers[3:]))
              for status in statuses]
    assert until(lambda: [line for line in log.read_text().splitlines() if "/docs/" in line] == wanted)
    assert server.metric("proxy_faults") == 0
    assert until(lambda: "refused (429)" in caplog.text)
    caplog.clear()


@pytest.mark.parametrize("front", [("tcp", "")], ids=["none"], indirect=True)
def test_without_it_nobody_comes_through(
    server: Running, front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(front.connect()) as connection, pytest.raises(OSError):
        ask(connection, "/docs/")
    assert server.wait_for("proxy_faults") >= 1
    assert until(lambda: "without a PROXY header that can be trusted" in caplog.text)
    caplog.clear()
