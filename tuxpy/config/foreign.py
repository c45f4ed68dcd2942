"""Words of nginx, Caddy and Apache, and what to write here in their place. Pure.

Operators come from other servers and bring their words along. A word that is no key of ours, or a whole file of theirs,
is answered with the key that does the same, or with the plain news that there is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

_NO_TLS: Final = "tuxpy does not speak TLS yet: put nginx, Caddy or HAProxy in front of it"
_NO_PROXY: Final = "tuxpy serves files only: put a reverse proxy such as nginx or Caddy in front of it"
_NO_PROGRAMS: Final = "tuxpy serves files only and runs no programs: put a server that does in front of it"
_PATHS: Final = "rules say which paths they are for: path in [[site.headers]], [[site.access]], [[site.redirects]]"
_REDIRECT: Final = "write [[site.redirects]] with from, to and status; status = 200 rewrites"
_ALIAS: Final = "a site has one root: put a symbolic link into it and write symlinks = \"all\" in [site]"
_LOG: Final = 'write access = "/var/log/tuxpy/access.log" in [log]'
_TIMES: Final = "write head, idle, send and drain in [timeouts]"
_RATE: Final = 'write requests_per_address = "20/s" and burst in [limits]'
_CONNECTIONS: Final = "write connections_per_address in [limits]"
_COMPRESS: Final = "compression is on already; compress = false in [site] turns it off"
_LISTEN: Final = 'write listen = ["0.0.0.0:80"] in [server]'
_SENDS: Final = "tuxpy decides it by itself: leave it out"
_WORKERS: Final = "write workers in [server]"
_FIELDS: Final = '[[site.headers]] has path = "/*" and set = { X-Name = "value" }'
_PASSWORD: Final = 'write [[site.access]] with path = "/*" and password_file'
_NO_BODIES: Final = "tuxpy takes no request bodies, so there is nothing to limit: leave it out"
_PAGES: Final = 'write error_pages = { 404 = "/404.html" } in [site]'

ADVICE: Final[Mapping[str, str]] = {
    **dict.fromkeys(("server_name", "servername", "server_names", "serveralias"),
                    'write hosts = ["example.org"] in [site]'),
    **dict.fromkeys(("documentroot", "document_root", "webroot"), 'write root = "/srv/www" in [site]'),
    **dict.fromkeys(("alias", "bind_mount"), _ALIAS),
    **dict.fromkeys(("location", "handle", "handle_path", "route", "directory", "files", "matcher"), _PATHS),
    **dict.fromkeys(("try_files", "fallbackresource"),
                    'write [[site.try]] with path and names, or spa = true in [site] for a single-page application'),
    **dict.fromkeys(("gzip", "brotli", "zstd", "encode", "gzip_types", "gzip_min_length", "gzip_comp_level"),
                    _COMPRESS),
    **dict.fromkeys(("gzip_static", "brotli_static", "precompressed", "gzip_vary", "gzip_proxied"),
                    ".gz, .br and .zst files beside a file are sent already: leave it out"),
    **dict.fromkeys(("autoindex", "browse", "file_server", "autoindex_exact_size", "autoindex_localtime"),
                    "files are served already; listing = true in [site] shows what directories hold"),
    "directoryindex": 'write index = ["index.html"] in [site]',
    **dict.fromkeys(("port", "bind", "host", "addr", "address", "default_bind", "http_port"), _LISTEN),
    **dict.fromkeys(("tls", "ssl", "https", "ssl_certificate", "ssl_certificate_key", "ssl_protocols", "ssl_ciphers",
                     "ssl_session_cache", "auto_https", "https_port", "acme_ca", "sslengine", "http2", "http3"),
                    _NO_TLS),
    **dict.fromkeys(("proxy_pass", "reverse_proxy", "upstream", "proxypass", "proxypassreverse", "forward_auth",
                     "proxy_set_header", "proxy_cache"), _NO_PROXY),
    **dict.fromkeys(("fastcgi_pass", "php_fastcgi", "uwsgi_pass", "scgi_pass", "templates", "fastcgi_param",
                     "ssi", "perl", "js_content"), _NO_PROGRAMS),
    **dict.fromkeys(("redir", "rewrite", "return", "redirect", "redirectmatch", "rewriterule", "rewritecond",
                     "rewriteengine", "uri", "permanent_redirect"), _REDIRECT),
    **dict.fromkeys(("expires", "etag_expires", "cache_control"),
                    'write [[site.headers]] with path = "/img/*" and set = { Cache-Control = "max-age=86400" }'),
    **dict.fromkeys(("add_header", "header", "more_set_headers", "headers_more"), f"write it as a rule: {_FIELDS}"),
    **dict.fromkeys(("error_page", "handle_errors", "errordocument", "errors"), _PAGES),
    **dict.fromkeys(("auth_basic", "basicauth", "basic_auth", "auth_basic_user_file", "authtype", "authuserfile",
                     "require", "authname"), _PASSWORD),
    **dict.fromkeys(("allow", "deny", "remote_ip", "satisfy"),
                    'write [[site.access]] with path = "/*", allow and deny'),
    **dict.fromkeys(("access_log", "customlog", "log_format", "logformat"), _LOG),
    **dict.fromkeys(("error_log", "errorlog"), "what the server says goes to standard error; level in [log] chooses"),
    **dict.fromkeys(("worker_processes", "worker_threads"), _WORKERS),
    **dict.fromkeys(("worker_connections", "maxrequestworkers"), "write max_connections in [server]"),
    "worker_rlimit_nofile": "the server takes what the system allows: raise LimitNOFILE of its unit",
    **dict.fromkeys(("client_max_body_size", "request_body", "client_body_buffer_size",
                     "client_body_timeout"), _NO_BODIES),
    **dict.fromkeys(("client_header_buffer_size", "large_client_header_buffers", "max_header_size"),
                    "write head_size in [limits]"),
    **dict.fromkeys(("keepalive_timeout", "client_header_timeout", "send_timeout", "read_timeout", "idle_timeout",
                     "read_header", "grace_period"), _TIMES),
    **dict.fromkeys(("keepalive_requests", "maxkeepaliverequests"), "write requests_per_connection in [limits]"),
    **dict.fromkeys(("limit_rate", "limit_rate_after", "throttle"),
                    'write bandwidth_per_connection = "2MiB" in [limits]'),
    **dict.fromkeys(("limit_req", "limit_req_zone", "rate_limit"), _RATE),
    **dict.fromkeys(("limit_conn", "limit_conn_zone"), _CONNECTIONS),
    **dict.fromkeys(("set_real_ip_from", "real_ip_header", "trusted_proxies_strict"),
                    "write trusted_proxies and client_field in [server]"),
    **dict.fromkeys(("proxy_protocol", "proxy_protocol_wrapper"), 'write listen = ["proxy:0.0.0.0:80"] in [server]'),
    **dict.fromkeys(("types_hash_max_size", "sendfile", "tcp_nopush", "tcp_nodelay", "aio", "directio", "use",
                     "multi_accept", "open_file_cache", "server_tokens", "reuseport"), _SENDS),
    "default_type": 'write types = { "" = "text/plain" } in [site] for names without an extension',
    "charset": 'text is sent as UTF-8; types in [site] says otherwise, as in txt = "text/plain; charset=latin1"',
    **dict.fromkeys(("pid", "pidfile"), 'write pid_file = "/run/tuxpy.pid" in [server]'),
    "daemon": "the server stays in the foreground: let systemd start it, see tuxpy init --systemd",
    **dict.fromkeys(("include", "import"), "a configuration is one file: copy the other one into it"),
    **dict.fromkeys(("events", "http", "stream"),
                    "such a block has no counterpart here: [server] and [site] are enough"),
    **dict.fromkeys(("map", "if", "vars"), "there are no variables or conditions: rules go by path, see docs"),
    **dict.fromkeys(("stub_status", "metrics"), 'write listen = ["127.0.0.1:8001"] in [admin]'),
    **dict.fromkeys(("disable_symlinks", "followsymlinks"), 'write symlinks = "none", "inside" or "all" in [site]'),
    **dict.fromkeys(("hide_files", "hidden"), "write hide in [site]"),
    **dict.fromkeys(("cors_origins", "access_control_allow_origin"), 'write cors = ["https://example.org"] in [site]'),
}  # fmt: skip

# In a file of theirs these stand for something else than a key of ours with the same name, or for it elsewhere.
_IN_THEIR_FILES: Final[Mapping[str, str]] = {
    "listen": f"{_LISTEN}; {_NO_TLS[0].lower()}{_NO_TLS[1:]}",
    "root": 'write root = "/srv/www" in [site]',
    "index": 'write index = ["index.html"] in [site]',
    "user": 'write user = "www-data" in [server]',
    "log": _LOG,
    "types": 'write types = { xyz = "text/plain" } in [site]',
    "trusted_proxies": 'write trusted_proxies = ["10.0.0.0/8"] in [server]',
    "hide": 'write hide = ["*.map"] in [site]',
}

_STATEMENT = re.compile(r"(?:^|[{;])\s*[@<]?([A-Za-z_][A-Za-z0-9_]*)\b([^{;]*)")
_OF: Final = (
    ("nginx", re.compile(r"^\s*(server|http|events|location\b[^{=]*)\s*\{|^\s*(listen|server_name|root)\s[^=]*;\s*$",
                         re.M)),
    ("Apache", re.compile(r"^\s*<(VirtualHost|Directory|Files|IfModule)\b|^\s*DocumentRoot\s", re.M | re.I)),
    ("Caddy", re.compile(r"^\s*(file_server|encode|root\s+\*|reverse_proxy|handle_path|respond|tls)(\s[^=]*)?$", re.M)),
)  # fmt: skip


def advice(word: str) -> str | None:
    """What to write here for a word of another server; None: it is none that is known."""
    return ADVICE.get(word.lower().replace("-", "_"))


def whose(text: str) -> str | None:
    """The server whose configuration this text is; None: none that can be told."""
    return next((name for name, sign in _OF if sign.search(text)), None)


def words_in(text: str) -> Iterator[tuple[int, str, str]]:
    """(line, word, advice) for each word of another server that begins a statement of its file, once each."""
    told: set[str] = set()
    for number, line in enumerate(text.split("\n"), 1):
        for found in _STATEMENT.finditer(line.partition("#")[0]):
            word, rest = found[1].lower(), found[2]
            said = _IN_THEIR_FILES.get(word) or ADVICE.get(word)
            if word == "listen" and "ssl" not in rest and "443" not in rest:
                said = _LISTEN
            if said is not None and said not in told:
                told.add(said)
                yield number, word, said
