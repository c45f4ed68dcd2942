"""Texts that are no TOML, words of other servers, and whole files of theirs: what is said tells what to write."""

from __future__ import annotations

import pytest

from tuxpy.config import foreign
from tuxpy.config.file import source_of
from tuxpy.config.keys import SECTIONS
from tuxpy.config.loading import assemble
from tuxpy.config.problems import Problems


def problems(text: str) -> list[str]:
    with pytest.raises(Problems) as caught:
        assemble(source_of("t", text.encode()), {}, {}, on_disk=False)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[site]\nroot = root\n", 't:2: texts need quotes: write root = "root"'),
        ("[site]\nroot = /srv/www  # there\n", 't:2: texts need quotes: write root = "/srv/www"'),
        ("[site]\nroot = ./www;\n", 't:2: texts need quotes: write root = "./www"'),
        ("[timeouts]\nidle = 30s\n", 't:2: texts need quotes: write idle = "30s"'),
        ("[limits]\nhead_size = 16KiB\n", 't:2: texts need quotes: write head_size = "16KiB"'),
        ("[server]\nlisten = 127.0.0.1:80\n", 't:2: texts need quotes: write listen = ["127.0.0.1:80"]'),
        ("[server]\nlisten = [:80]\n", 't:2: texts need quotes, those in lists as well: write listen = [":80"]'),
        ("[site]\nlisting = True\n", "t:2: 'True' is not a TOML value: write listing = true"),
        ("[site]\nlisting = on\n", "t:2: 'on' is not a TOML value: write listing = true"),
        ("[site]\nlisting = no\n", "t:2: 'no' is not a TOML value: write listing = false"),
        ("[site]\nroot =\n", "t:2: root has no value: write one"),
        ('[site]\nroot = "www\n', "t:2: the text of root has no quote at its end"),
        ('[site]\nroot = "C:\\web"\n', "t:2: a backslash in double quotes must be written twice"),
        ('[site]\nroot = "www";\n', "t:2: there is a semicolon behind the value of root"),
        ("site:\n  root: www\n", "t:1: "),
        ("root: www\n", "t:1: a key and its value have an equals sign between them: write root = "),
        ('[site]\nroot = "a"\nroot = "b"\n', "t:3: root is in line 2 already"),
        ('[site]\nroot = "a"\n[[site]]\n', "t:3: [site] and [[site]] are both in this file (lines 1 and 3)"),
        ('[[site]]\nroot = "a"\n[site]\n', "t:3: [site] and [[site]] are both in this file (lines 1 and 3)"),
        ('[site]\nroot = "a"\n[site]\nroot = "b"\n', "t:3: [site] is in line 1 already: write [[site]] for each"),
        ("[log]\n[server]\n[log]\n", "t:3: [log] is in line 1 already: put its keys together"),
        ("[site]\ngzip on;\n", "t:2: gzip: compression is on already"),
        ("[site]\nlisten 443 ssl\n", "t:2: this is not a key with a value: write listen = "),
        ('[site]\nroot = "a"\n[site.headers]\npath = "*"\n', "t:3: site.headers: expected an array of tables, "),
        ('[[server]]\nlisten = []\n[site]\nroot = "a"\n', "t:1: server: expected one table, not several"),
    ],
)
def test_slips(text: str, said: str) -> None:
    assert problems(text)[0].startswith(said)


def test_several_sites_have_tables_of_their_own() -> None:
    text = '[[site]]\nroot = "a"\nhosts = ["a"]\n[site.cors]\norigins = ["*"]\n'
    assemble(source_of("t", (text + text.replace('"a"', '"b"')).encode()), {}, {}, on_disk=False)


WORDS = (
    "server_name try_files gzip location alias limit_rate tls file_server encode handle_path reverse_proxy proxy_pass"
    " redir rewrite autoindex expires add_header error_log auth_basic access_log worker_processes client_max_body_size"
    " gzip_static keepalive_timeout limit_req limit_conn ssl_certificate fastcgi_pass php_fastcgi return charset"
    " default_type server_tokens sendfile real_ip_header DocumentRoot RewriteRule"
)


@pytest.mark.parametrize("word", WORDS.split())
@pytest.mark.parametrize("section", ["site", "server"])
def test_words_of_other_servers(word: str, section: str) -> None:
    table = f'[{section}]\n{word} = "x"\n' + ('[site]\nroot = "."\n' if section == "server" else 'root = "."\n')
    (line,) = problems(table)
    assert line.startswith(f"t:2: unknown key {section}.{word}: ")
    assert "did you mean" not in line and "there are" not in line.replace("there are no variables", "")


@pytest.mark.parametrize(
    ("section", "word", "meant"),
    [("site", "host", "hosts"), ("site", "error_page", "error_pages"), ("server", "root", "site.root"),
     ("site", "listen", "server.listen"), ("site", "header", "headers")],
)  # fmt: skip
def test_slips_of_the_pen_come_before_words_of_others(section: str, word: str, meant: str) -> None:
    table = f'[{section}]\n{word} = "x"\n' + ("" if section == "site" else "[site]\n") + 'root = "."\n'
    assert problems(table) == [f"t:2: unknown key {section}.{word}: did you mean {meant}?"]


def test_no_word_of_theirs_hides_a_key_of_ours() -> None:
    ours = {key.name for name in ("", "server", "timeouts", "limits", "log", "site") for key in SECTIONS[name].keys}
    assert not ours & set(foreign.ADVICE)
    for advice in foreign.ADVICE.values():
        assert "\n" not in advice and not advice.endswith(".")


NGINX = """user www-data;
events { worker_connections 1024; }
http {
  gzip on;  # tls would be another word
  server {
    listen 443 ssl;
    server_name example.org;
    root /srv/www;
    location / { try_files $uri /index.html; }
    location /api { proxy_pass http://127.0.0.1:3000; }
  }
}
"""
CADDY = "example.org {\n\troot * /srv\n\tencode gzip\n\tfile_server\n\treverse_proxy /api localhost:1\n}\n"
APACHE = '<VirtualHost *:80>\n  DocumentRoot "/srv"\n  ServerName example.org\n  RewriteEngine On\n</VirtualHost>\n'


@pytest.mark.parametrize(
    ("text", "owner", "words"),
    [
        (NGINX, "nginx", "user events worker_connections gzip listen server_name root location try_files proxy_pass"),
        (CADDY, "Caddy", "root encode file_server reverse_proxy"),
        (APACHE, "Apache", "documentroot servername rewriteengine"),
    ],
)
def test_a_file_of_another_server_is_answered_word_by_word(text: str, owner: str, words: str) -> None:
    first, *others = problems(text)
    assert first.startswith(f"t: this is a configuration of {owner}, and tuxpy reads TOML: `tuxpy init` writes")
    assert sorted(line.split(": ")[1].partition(" of ")[0] for line in others) == sorted(words.split())
