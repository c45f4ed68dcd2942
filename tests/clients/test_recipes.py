"""docs/recipes.md does what it says: each recipe is served, with ports, directories and certificates of the test.

In front of those that say so runs the proxy by the recipe's own lines. Clients come from another address than the
proxy, so the access log shows whose address the server took for the client's.
"""

from __future__ import annotations

import base64
import grp
import http.client
import os
import re
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, TypeAlias

import pytest
from cli.processes import REPOSITORY, Running, command, environment
from support.poll import until

from .programs import MARKS, program

pytestmark = MARKS

_TEXT: Final = (REPOSITORY / "docs" / "recipes.md").read_text(encoding="utf-8")
_CLIENT: Final = "127.0.0.9"
_DEADLINE_S: Final = 20.0
Fields: TypeAlias = dict[str, str]
Answer: TypeAlias = tuple[int, Fields, str]


def recipe(title: str) -> dict[str, str]:
    """The blocks beneath a heading, by their language."""
    (section,) = re.findall(rf"(?ms)^## {re.escape(title)}$\n(.*?)(?=^## |\Z)", _TEXT)
    return dict(re.findall(r"(?ms)^```(\w+)\n(.*?)^```", section))


class Place:
    """Where the recipe's paths and ports are in a test."""

    def __init__(self, here: Path) -> None:
        self.here = here
        self.port, self.front, self.log = free_port(), free_port(), here / "access.log"

    def write(self, name: str, text: str) -> None:
        """A file: `name` as in the recipe, from the root of the file system, or beside the configuration."""
        path = self.here / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def fitted(self, text: str) -> str:
        text = re.sub(r'listen = \["0.0.0.0:80".*\]', 'listen = ["127.0.0.1:8000"]', text)
        text = text.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}").replace("www-data", _own_group())
        return re.sub(r"(?<![\w/.*])/(?=srv/|run/|etc/)", f"{self.here}/", text)

    def ask(self, target: str, tls: bool = False, **fields: str) -> Answer:
        """One request from the client's address, to the proxy with TLS or else to the server."""
        port = self.front if tls else self.port
        connection = http.client.HTTPConnection("127.0.0.1", port, _DEADLINE_S, source_address=(_CLIENT, 0))
        if tls:
            trusting = ssl._create_unverified_context()
            connection = http.client.HTTPSConnection(
                "localhost", port, timeout=_DEADLINE_S, source_address=(_CLIENT, 0), context=trusting
            )
        try:
            connection.request("GET", target, headers={name.replace("_", "-"): value for name, value in fields.items()})
            response = connection.getresponse()
            body = response.read().decode()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, body
        finally:
            connection.close()


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _own_group() -> str:
    return grp.getgrgid(os.getgid()).gr_name


Serve: TypeAlias = Callable[[str], Place]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def serve(place: Place, servers: list[Running]) -> Iterator[Serve]:
    """Serve the recipe with this title."""

    def serve_(title: str) -> Place:
        text = place.fitted(recipe(title)["toml"])
        if "listen" not in text:
            text = f'[server]\nlisten = ["127.0.0.1:{place.port}"]\n\n{text}'
        (place.here / "run" / "tuxpy").mkdir(parents=True)
        file = place.here / "tuxpy.toml"
        file.write_text(text)
        words = command(
            "serve", "-c", str(file), "--access-log", str(place.log), "--access-format", "{client} {target}"
        )
        servers.append(Running(subprocess.Popen(words, env=environment(), stderr=subprocess.PIPE)))
        servers[-1].wait_for(" serves ")
        return place

    yield serve_


# Sites.


def test_a_single_page_application(place: Place, serve: Serve) -> None:
    place.write("dist/index.html", "the application")
    place.write("dist/assets/app.js", "1")
    serve("A single-page application")
    assert place.ask("/users/42")[::2] == (200, "the application")
    assert place.ask("/assets/gone.js")[0] == 404
    assert place.ask("/users/42")[1]["cache-control"] == "no-cache"


def test_clean_addresses(place: Place, serve: Serve) -> None:
    place.write("public/about.html", "about")
    place.write("public/index.html", "home")
    serve("Clean addresses")
    status, fields, body = place.ask("/about")
    assert (status, body) == (200, "about") and "x-frame-options" in fields
    assert place.ask("/about.html")[1]["location"] == "/about"
    assert place.ask("/index.html")[1]["location"] == "/"


def test_a_password(place: Place, serve: Serve) -> None:
    place.write("srv/www/internal/a.txt", "internal")
    words = recipe("A password")["sh"].split()
    htpasswd = program(words[0], package="apache2-utils")
    subprocess.run([htpasswd, "-i", *words[1:]], input=b"secret", cwd=place.here, check=True, capture_output=True)
    serve("A password")
    assert place.ask("/internal/a.txt")[1]["www-authenticate"].startswith('Basic realm="Internal pages"')
    login = "Basic " + base64.b64encode(b"alice:secret").decode()
    assert place.ask("/internal/a.txt", authorization=login)[::2] == (200, "internal")


def test_only_from_some_networks(place: Place, serve: Serve) -> None:
    place.write("srv/www/admin/a.txt", "admin")
    place.write("srv/www/a.txt", "everybody")
    serve("Only from some networks")
    assert [place.ask(target)[0] for target in ("/admin/a.txt", "/a.txt")] == [403, 200]


def test_files_for_pages_of_other_origins(place: Place, serve: Serve) -> None:
    place.write("srv/fonts/a.woff2", "font")
    serve("Files for pages of other origins (CORS)")
    for origin, allowed in (("https://a.example.com", "https://a.example.com"), ("https://example.net", None)):
        assert place.ask("/a.woff2", origin=origin)[1].get("access-control-allow-origin") == allowed


def test_downloads(place: Place, serve: Serve) -> None:
    place.write("srv/downloads/a.txt", "0123456789" * 1000)
    serve("Downloads")
    assert "a.txt</a>" in place.ask("/")[2]
    status, fields, body = place.ask("/a.txt", range="bytes=5-9", accept_encoding="gzip")
    assert (status, body) == (206, "56789") and "content-encoding" not in fields
    tag = fields["etag"]
    assert place.ask("/a.txt", range="bytes=9998-", if_range=tag)[::2] == (206, "89")
    assert place.ask("/a.txt", range="bytes=0-0,9000-9000")[1]["content-type"].startswith("multipart/byteranges")


def test_mirrors_that_agree(place: Place, serve: Serve) -> None:
    place.write("srv/mirror/a.txt", "the same")
    place.write("srv/mirror/b.txt", "the same")
    for name in "ab":
        os.utime(place.here / f"srv/mirror/{name}.txt", (1e9, 1e9))
    serve("Mirrors that agree")
    assert place.ask("/a.txt")[1]["etag"] == place.ask("/b.txt")[1]["etag"]


def test_several_sites(place: Place, serve: Serve) -> None:
    for name in ("example", "docs"):
        place.write(f"srv/{name}/index.html", name)
    place.write("srv/redirect/index.html", "never")
    serve("Several sites")
    assert [place.ask("/", host=f"{host}example.org")[2] for host in ("", "docs.")] == ["example", "docs"]
    assert place.ask("/a/b?c", host="www.example.org")[1]["location"] == "https://example.org/a/b?c"
    assert place.ask("/", host="example.net")[0] == 421


def test_a_directory_for_each_host(place: Place, serve: Serve) -> None:
    place.write("srv/hosts/example.org/index.html", "one")
    serve("A directory for each host")
    assert place.ask("/", host="example.org")[2] == "one"
    place.write("srv/hosts/example.net/index.html", "two")
    assert until(lambda: place.ask("/", host="example.net")[2] == "two", within_s=_DEADLINE_S)


def test_deploy_all_files_at_once(place: Place, serve: Serve) -> None:
    for number in (41, 42):
        place.write(f"srv/app/releases/{number}/index.html", f"version {number}")
    (place.here / "srv/app/current").symlink_to("releases/41")
    serve("Deploy all files at once")
    assert place.ask("/")[2] == "version 41"
    subprocess.run(recipe("Deploy all files at once")["sh"], shell=True, cwd=place.here / "srv/app", check=True)
    assert until(lambda: place.ask("/")[2] == "version 42", within_s=_DEADLINE_S)


# Proxies.


@pytest.fixture
def front(place: Place) -> Iterator[Callable[[list[str]], None]]:
    """Start a proxy, and wait until it listens; it ends with the test."""
    with ExitStack() as ends:

        def front_(words: list[str]) -> None:
            log = ends.enter_context((place.here / "proxy.log").open("wb"))
            process = subprocess.Popen(
                words, cwd=place.here, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**environment(), "HOME": str(place.here), "XDG_DATA_HOME": str(place.here)},
            )  # fmt: skip
            ends.callback(process.wait)
            ends.callback(process.terminate)
            up = until(lambda: process.poll() is not None or _answers(place), within_s=_DEADLINE_S)
            assert up and process.poll() is None, (place.here / "proxy.log").read_text()

        yield front_


def _answers(place: Place) -> bool:
    try:
        return place.ask("/up", tls=True)[0] == 404
    except OSError:
        return False


def _certificate(place: Place) -> None:
    """For all names that the recipes have for it; HAProxy takes key and certificate from one file."""
    openssl = program("openssl", package="openssl")
    key, certificate = place.here / "key", place.here / "certificate"
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([openssl, *words, *files], check=True, capture_output=True)
    place.write("etc/ssl/example.org.pem", certificate.read_text())
    place.write("etc/ssl/example.org.key", key.read_text())
    place.write("etc/haproxy/example.org.pem", certificate.read_text() + key.read_text())


def _is_served_over_tls(place: Place) -> None:
    """The page comes by the proxy, and the server knows whose client asked."""
    place.write("srv/www/index.html", "home")
    assert place.ask("/", tls=True)[::2] == (200, "home")
    assert until(lambda: f"{_CLIENT} /\n" in place.log.read_text(), within_s=_DEADLINE_S), place.log.read_text()


def test_behind_caddy(place: Place, serve: Serve, front: Callable[[list[str]], None]) -> None:
    place.write("srv/www/a.txt", "a")
    serve("Behind Caddy, with HTTPS")
    own = recipe("Behind Caddy, with HTTPS")["caddyfile"].replace("example.org", f"https://localhost:{place.front}")
    options = "{\n admin off\n auto_https disable_redirects\n skip_install_trust\n local_certs\n}\n"
    place.write("Caddyfile", options + place.fitted(own))
    caddy = program("caddy", package="caddy")
    front([caddy, "run", "--config", "Caddyfile", "--adapter", "caddyfile"])
    _is_served_over_tls(place)


def test_behind_nginx(place: Place, serve: Serve, front: Callable[[list[str]], None]) -> None:
    place.write("srv/www/a.txt", "a")
    _certificate(place)
    serve("Behind nginx, with HTTPS")
    own = place.fitted(recipe("Behind nginx, with HTTPS")["nginx"]).replace("listen 443", f"listen {place.front}")
    paths = "".join(f"{kind}_temp_path {place.here}/{kind};\n" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
    http_block = f"http {{\naccess_log off;\nclient_body_temp_path {place.here}/body;\n{paths}{own}}}\n"
    place.write("nginx.conf", f"daemon off;\nmaster_process off;\npid {place.here}/pid;\nevents {{}}\n{http_block}")
    nginx = program("nginx", package="nginx")
    front([nginx, "-p", str(place.here), "-e", "stderr", "-c", str(place.here / "nginx.conf")])
    _is_served_over_tls(place)


def test_behind_haproxy(place: Place, serve: Serve, front: Callable[[list[str]], None]) -> None:
    place.write("srv/www/a.txt", "a")
    _certificate(place)
    serve("Behind HAProxy, with HTTPS")
    own = place.fitted(recipe("Behind HAProxy, with HTTPS")["haproxy"]).replace(":443", f":{place.front}")
    times = "".join(f"    timeout {kind} 10s\n" for kind in ("connect", "client", "server"))
    place.write("haproxy.cfg", f"global\n    maxconn 100\ndefaults\n    mode http\n{times}{own}")
    haproxy = program("haproxy", package="haproxy")
    front([haproxy, "-db", "-f", "haproxy.cfg"])
    _is_served_over_tls(place)


def test_no_recipe_is_left_out() -> None:
    tested = Path(__file__).read_text(encoding="utf-8")
    titles = re.findall(r"(?m)^## (.*)$", _TEXT)
    assert [title for title in titles if f'serve("{title}")' not in tested] == []
