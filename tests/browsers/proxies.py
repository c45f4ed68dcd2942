"""Proxies in front of a server: HAProxy, Varnish and nginx, each with a small cache that revalidates where it can.

Every one runs in the foreground as a child of the test, with its configuration and all its files in a directory of the
test, and listens at a port of 127.0.0.1 that was free a moment ago. What each keeps of an answer that says no-cache:

    nginx     a second (it counts in seconds), then it revalidates; it would keep nothing if it obeyed Cache-Control
    Varnish   no time at all, so it revalidates at every request, which is what no-cache asks for (RFC 9111 5.2.2.4)
    HAProxy   nothing; it never revalidates what it keeps, so the validators of clients go through it

Beneath /passed/ nobody keeps anything.
"""

from __future__ import annotations

import http.client
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from support.poll import until

from .programs import program

Kind = Literal["haproxy", "varnish", "nginx"]
KINDS: Final[tuple[Kind, ...]] = ("haproxy", "varnish", "nginx")
_DEADLINE_S: Final = 20.0

HAPROXY_START: Final = """\
global
    maxconn 100
    nbthread 1
    log stderr format raw local0 warning
defaults
    mode {mode}
    timeout connect 10s
    timeout client 10s
    timeout server 10s
    timeout check 10s
"""

_HAPROXY = HAPROXY_START + """\
    option forwardfor
cache small
    total-max-size 4
    max-object-size 1000000
    max-age 60
    process-vary on
frontend front
    bind 127.0.0.1:{port}
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    default_backend tuxpy
backend tuxpy
    http-reuse always
    {check}
    http-request cache-use small unless {{ path_beg /passed/ }}
    http-response cache-store small
    server one 127.0.0.1:{upstream} check inter {every}
"""

_VARNISH = """\
vcl 4.1;
backend tuxpy {{ .host = "127.0.0.1"; .port = "{upstream}"; }}
sub vcl_recv {{
    set req.http.X-Forwarded-Proto = "http";
    set req.http.X-Forwarded-Host = req.http.Host;
    if (req.url ~ "^/passed/") {{ return (pass); }}
}}
sub vcl_backend_response {{
    if (beresp.http.Cache-Control == "no-cache" && !bereq.uncacheable) {{
        set beresp.ttl = 1ms;
        set beresp.grace = 0s;
        set beresp.keep = 1h;
        return (deliver);
    }}
}}
"""

_NGINX = """\
daemon off;
master_process off;
pid {here}/pid;
error_log stderr warn;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {here}/body;
    proxy_temp_path {here}/proxy;
    fastcgi_temp_path {here}/fastcgi;
    uwsgi_temp_path {here}/uwsgi;
    scgi_temp_path {here}/scgi;
    proxy_cache_path {here}/cache keys_zone=small:1m inactive=1h;
    upstream tuxpy {{ server 127.0.0.1:{upstream}; keepalive 4; }}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_cache_revalidate on;
    proxy_ignore_headers Cache-Control;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://tuxpy;
            proxy_cache small;
            proxy_cache_valid 200 1s;
        }}
        location ~ "\\.[0-9a-f]{{8}}\\." {{
            proxy_pass http://tuxpy;
            proxy_cache small;
            proxy_cache_valid 200 1h;
        }}
        location /passed/ {{ proxy_pass http://tuxpy; }}
        location /old/ {{
            proxy_pass http://tuxpy;
            proxy_http_version 1.0;
            proxy_set_header Connection close;
        }}
        location /sliced/ {{
            slice 1m;
            proxy_pass http://tuxpy;
            proxy_cache small;
            proxy_cache_key $uri$slice_range;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header Range $slice_range;
            proxy_cache_valid 200 206 1h;
        }}
    }}
}}
"""


@dataclass(frozen=True)
class Answer:
    """What came to a client. Names of fields are in lower case."""

    status: int
    fields: dict[str, str]
    body: bytes


class Front:
    """A proxy that listens at `port`, until close()."""

    def __init__(self, kind: Kind, command: list[str], port: int, log: Path) -> None:
        self.kind = kind
        self.port = port
        self._log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def wait(self) -> None:
        """Until it listens."""
        until(lambda: self._process.poll() is not None or self._listens(), within_s=_DEADLINE_S)
        assert self._process.poll() is None and self._listens(), f"{self.kind} does not start: {self._log.read_text()}"

    def _listens(self) -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def connect(self) -> http.client.HTTPConnection:
        return connect(self.port)

    def ask(self, target: str, method: str = "GET", **fields: str) -> Answer:
        """One request on a connection of its own; if_none_match="..." stands for a field."""
        connection = self.connect()
        try:
            return ask(connection, target, method, **fields)
        finally:
            connection.close()

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_DEADLINE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()


def connect(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=_DEADLINE_S)


def ask(connection: http.client.HTTPConnection, target: str, method: str = "GET", **fields: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    connection.request(method, target, headers={"Accept-Encoding": "identity", **_titled(named)})
    response = connection.getresponse()
    body = response.read()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)


def _titled(fields: dict[str, str]) -> dict[str, str]:
    return {name.title(): value for name, value in fields.items()}


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


# Each kind.


def haproxy(here: Path, upstream: int, check: str = "", every: str = "1h") -> Front:
    """`check`: a line about how the server is looked after, every so often."""
    path, port = program("haproxy", package="haproxy"), free_port()
    rules = here / "haproxy.cfg"
    rules.write_text(_HAPROXY.format(mode="http", port=port, upstream=upstream, check=check, every=every))
    return Front("haproxy", [str(path), "-db", "-f", str(rules)], port, here / "log")


def varnish(here: Path, upstream: int, gzip: bool = False) -> Front:
    """`gzip`: it asks for gzip whatever clients accept, and decodes for those who do not."""
    path, port = program("varnishd", package="varnish"), free_port()
    rules = here / "rules.vcl"
    rules.write_text(_VARNISH.format(upstream=upstream))
    place = ["-F", "-n", str(here / "varnish"), "-a", f"127.0.0.1:{port}", "-T", "none", "-j", "none"]
    store = ["-s", "malloc,32m", "-p", f"http_gzip_support={'on' if gzip else 'off'}", "-f", str(rules)]
    return Front("varnish", [str(path), *place, *store], port, here / "log")


def nginx(here: Path, upstream: int) -> Front:
    path, port = program("nginx", package="nginx"), free_port()
    rules = here / "nginx.conf"
    rules.write_text(_NGINX.format(here=here, port=port, upstream=upstream))
    return Front("nginx", [str(path), "-p", str(here), "-e", "stderr", "-c", str(rules)], port, here / "log")


MAKERS: Final[dict[Kind, Callable[[Path, int], Front]]] = {"haproxy": haproxy, "varnish": varnish, "nginx": nginx}
