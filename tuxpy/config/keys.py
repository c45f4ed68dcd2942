"""Every key of a configuration file: its kind, its default and its description.

The reader of the file, the options of the command line, the variables of the environment, docs/configuration.md and
the schema for editors are all made from these tables. A default is written as in TOML; None means that there is none.
"""

from __future__ import annotations

from typing import Final

from ..values import value_class
from . import defaults as d
from . import kinds as k
from .bounds import FORWARDED_FIELDS, WHEN_FULL


@value_class(frozen=True, slots=True)
class Key:
    """One key.

    help      one sentence, short enough for a line of --help
    more      further sentences, for the documents
    nested    the section that describes the keys of this table
    many      the value is an array of such tables
    required  a table of its section must have this key
    """

    name: str
    kind: k.Kind
    default: object
    help: str
    more: str = ""
    nested: str = ""
    many: bool = False
    required: bool = False


@value_class(frozen=True, slots=True)
class SectionKeys:
    """The keys of one section, and its description."""

    about: str
    keys: tuple[Key, ...]

    def get(self, name: str) -> Key | None:
        return next((key for key in self.keys if key.name == name), None)


_TOP = (
    Key("server", k.TABLE, None, "Addresses, processor use and rights of the server.", nested="server"),
    Key("timeouts", k.TABLE, None, "How long the server waits for clients.", nested="timeouts"),
    Key("limits", k.TABLE, None, "How much clients may use.", nested="limits"),
    Key("log", k.TABLE, None, "The server's own log and the access log.", nested="log"),
    Key("admin", k.TABLE, None, "Listeners for health, metrics and the status page.", nested="admin"),
    Key("site", k.TABLE, None, "One site as [site], or several, each as [[site]].", nested="site"),
)

_PROCESS = (
    Key("user", k.MAYBE_TEXT, "", "Switch to this user after the ports are bound.",
        "A name or a number. Only root can do so. A server that stays root writes a warning."),
    Key("group", k.MAYBE_TEXT, "", "Switch to this group instead of the user's own."),
    Key("chroot", k.MAYBE_PATH, "", "Confine the process to this directory.",
        "Roots and password files must be inside it. Such a server can neither reload nor upgrade itself."),
    Key("pid_file", k.MAYBE_PATH, "", "Write the process number to this file."),
    Key("socket_mode", k.MODE, f"{d.SOCKET_MODE:04o}", "File mode of unix sockets: who may connect."),
    Key("socket_group", k.MAYBE_TEXT, "", "Group of unix sockets."),
)

_SERVER = (
    Key("listen", k.ADDRESSES, [d.HOST], "Listen at HOST:PORT, HOST, :PORT or [IPV6]:PORT.",
        "Without a port, the server takes 8000 or the next free port; port 0 stands for any free port. Without a host,"
        " it takes 127.0.0.1, which only this machine can reach. 0.0.0.0 stands for all IPv4 addresses of the machine,"
        " [::] for all IPv6 addresses. unix:/PATH and unix:@NAME are unix sockets. fd:NUMBER and fd:NAME are sockets"
        " that systemd has opened; the server also takes those when neither the file nor an option names an address."
        " After the prefix proxy:, as in proxy:0.0.0.0:80, each connection must begin with a PROXY header (version 1 or"
        " 2) and come from trusted_proxies or through a unix socket."),
    Key("trusted_proxies", k.ADDRESSES, [], "Proxies that may name the client.",
        "Addresses and networks; the word unix stands for all clients of unix sockets. The server believes their PROXY"
        " headers at proxy: listeners, and elsewhere their client_field. The client is the last address in that field"
        " that is not a trusted proxy. The access log and rules by address use it; limits see only PROXY headers."),
    Key("client_field", k.choice(*FORWARDED_FIELDS), FORWARDED_FIELDS[0], "Field in which proxies name the client.",
        "x-forwarded-for, or forwarded (RFC 7239). Each trusted proxy must write this field. The server ignores the"
        " other one, because a client could have sent it."),
    Key("workers", k.WORKERS, "auto", "Engines; auto: one per processor.",
        "From 1 to 1024. auto counts the processors that this process may use, within the limits of its cgroup."),
    Key("backend", k.BACKEND, d.BACKEND, "How engines wait: auto, uring or epoll.",
        "auto takes io_uring where the kernel allows it, otherwise epoll."),
    Key("max_connections", k.WHOLE, d.CONNECTIONS, "Connections of the whole server.",
        "Up to 1048576. When all are in use, idle ones make room; see limits.when_full."),
    Key("look_after", k.DURATION, f"{d.LOOK_AFTER_MS}ms", "Check a file for changes after this time.",
        "The next request then looks at the file again, so a change is visible that soon. 0s checks at every request,"
        " which is the default on loopback without a configuration file. Up to 60s. The server checks files on network"
        " file systems (NFS, SMB, FUSE) in the background; there a change is visible within a second."),
    Key("preload", k.BOOL, False, "Prepare all answers before the first request.",
        "The server prepares the requests of browsers for the hosts of each site, as far as the cache has room, and"
        " does so again after a reload. Requests of clients go first."),
    *_PROCESS,
)

_TIMEOUTS = (
    Key("head", k.DURATION, f"{d.HEAD_TIMEOUT_S}s", "From the first byte of a request's head to its last."),
    Key("idle", k.DURATION, f"{d.IDLE_TIMEOUT_S}s", "Between two requests of a connection.",
        "This must be longer than a proxy or load balancer in front keeps idle connections, often 60 seconds."),
    Key("send", k.DURATION, f"{d.SEND_TIMEOUT_S}s", "While the client takes no byte of the answer."),
    Key("drain", k.DURATION, f"{d.DRAIN_TIMEOUT_S}s", "From the signal to the end of the server.",
        "The server then cuts off what is unfinished. Container engines kill ten seconds after the signal by default."),
)

_LIMITS = (
    Key("head_size", k.SIZE, f"{d.HEAD_KIB}KiB", "Size of a request's head.",
        "From 256B to 64KiB. A longer head gets 431."),
    Key("requests_per_connection", k.WHOLE, 0, "Requests until the connection closes.",
        "The last answer announces it with Connection: close. 0 is no limit."),
    Key("connections_per_address", k.WHOLE, 0, "Open connections of one address.",
        "An IPv6 address counts as its /64 network. The server answers a few more with 429 and closes any beyond them"
        " without an answer. 0 is no limit. Behind a proxy that does not speak the PROXY protocol, all clients have one"
        " address."),
    Key("requests_per_address", k.RATE, "off", "Request rate of one address: 20/s, 600/m, 5000/h.",
        "A client above this rate gets 429 with Retry-After; the engine answers it without Python. off is no limit."),
    Key("burst", k.WHOLE, d.BURST, "Requests of one address that may exceed the rate.",
        "Allow as many as a page with its scripts, styles and images needs. From 1 to 1000000."),
    Key("bandwidth_per_connection", k.SIZE, 0, "Bytes per second, such as 2MiB; 0 is no limit.",
        "The kernel paces TCP at this rate after the first ten segments. Unix sockets are not slowed down."),
    Key("made_memory", k.SIZE, f"{d.MADE_MIB}MiB", "Memory for compressed files and listings.",
        "At least 1MiB. When it is full, the server sends files uncompressed and answers listings with 503."),
    Key("exempt", k.ADDRESSES, [], "Addresses and networks without limits.",
        "Trusted proxies and unix sockets never have limits by address."),
    Key("when_full", k.choice(*WHEN_FULL), WHEN_FULL[0], "What to do when no connection can make room.",
        "The server keeps a sixteenth of a listener's connections for new clients. To make room, it closes idle"
        " connections first, then those with an unfinished head, the longest waiting first; an address that holds most"
        " of them loses its connections first. When all connections are being answered, refuse answers new clients with"
        " 503 and Retry-After, and wait leaves them in the kernel's backlog. With fewer than 16 connections per engine,"
        " new clients always wait."),
)

_LOG = (
    Key("level", k.LEVEL, d.LOG_LEVEL, "Lowest level that the server logs.",
        "Above info, the server writes no lines at the start."),
    Key("color", k.COLOR, d.LOG_COLOR, "When to use colours.", "auto: on a terminal, unless NO_COLOR is set."),
    Key("access", k.TEXT, "off", "Write a line for each request; - is standard output.",
        "The name of a file, or off. The server opens the file again after a rotation and on SIGUSR1. It writes each"
        " line within a second."),
    Key("access_format", k.TEXT, "auto", "Format of the access log.",
        "common, combined, json, terminal, or a template such as '{client} {status} {field:user-agent}'. auto is"
        " terminal on a terminal, otherwise combined. A value longer than 4 KiB is cut and marked."),
    Key("access_when_full", k.choice("drop", "wait"), "drop", "What to do when the log falls behind.",
        "drop loses lines and counts them. wait delays requests. A failed write (full disk) always loses lines."),
)

_ADMIN = (
    Key("listen", k.ADDRESSES, [], "Serve health, metrics and a status page here.",
        "/status is a page and /status.json the same for programs. /metrics is for Prometheus, /health and /ready are"
        " for load balancers. The form is that of server.listen; the default port is 8001. There is no password:"
        " everybody who can connect can read it."),
    Key("hosts", k.NAMES, [], "Names in Host that these listeners accept.",
        "They always accept localhost and addresses. Another name gets 421, so that a web page cannot reach them by"
        " pointing its own name here (DNS rebinding). Unix sockets accept any name."),
    Key("allow_public", k.BOOL, False, "Allow admin listeners at 0.0.0.0 and [::]."),
)

_SITE = (
    Key("root", k.PATH, ".", "The directory to serve.",
        "Relative to the directory of the configuration file. It may be a symbolic link; the server follows the link"
        " when it changes.", required=True),
    Key("hosts", k.NAMES, ["_"], "Host names of this site.",
        "example.org, *.example.org for all names below it, or _ for all names that no other site has."),
    Key("host_directories", k.SWITCH, False, "Serve a directory of the root for each host.",
        "To add a host, make its directory; no restart is needed.", nested="site.host_directories"),
    Key("index", k.NAMES, ["index.html"], "Files to show for a directory.", "The first one that exists is used."),
    Key("listing", k.BOOL, False, "List directories that have no index.",
        "As a page, or as JSON with ?format=json."),
    Key("listing_max", k.WHOLE, 100000, "Most names in a listing.",
        "From 1 to 1000000. A shortened listing says so. 100000 names take a worker about two seconds."),
    Key("clean_urls", k.BOOL, False, "Serve about.html at /about."),
    Key("spa", k.FALLBACK, False, "Show index.html, or FILE, for missing pages.",
        "For single-page applications, which read the address themselves. true stands for index.html. A missing script,"
        " style, image or similar file is still 404."),
    Key("not_found", k.FALLBACK, "404.html", "Name of the page for missing files.",
        "The server searches the requested directory and those above it. false turns this off."),
    Key("error_pages", k.PAGES, {}, "Pages for statuses from 400 to 599.",
        "Each page is a file beneath the root."),
    Key("hide", k.PATTERNS, [], "Never serve such names, as in *.map.",
        "A pattern is compared with each segment of a path: * stands for anything, ? for one character. A pattern that"
        " begins with a slash applies at the top of the root only. The server also hides names that begin with a dot,"
        " backups and other leftovers."),
    Key("show", k.PATTERNS, [], "Serve such names although a rule hides them.",
        "A pattern from the built-in list removes that pattern; any other is an exception. .* shows all names that"
        " begin with a dot, except those that hold secrets."),
    Key("types", k.TYPES, {}, "Media types by extension.",
        'These go before the built-in table. Write the extension without its dot, and "" for names without one. The'
        " server adds charset=utf-8 to text types that name no charset. To send a type without charset, write the"
        " built-in type of that extension."),
    Key("compress", k.BOOL, True, "Compress files, or send compressed copies.",
        "The server compresses with gzip, and with brotli and zstd where those libraries are installed. It prefers a"
        " .br, .zst or .gz file that lies beside a file."),
    Key("compress_max", k.SIZE, "32MiB", "The largest file that the server compresses.",
        "From 1KiB to 1GiB. It compresses each version of a file once and keeps the result in memory"
        " (limits.made_memory). Put a .br, .zst or .gz file beside a larger one."),
    Key("cors", k.ORIGINS, [], "Let pages of these origins read the files.",
        'https://example.org, https://*.example.org, or "*" for all. A table can say more.', nested="site.cors"),
    Key("etag", k.choice("file", "time", "content"), "file", "What entity tags are made of.",
        "file: time, size and inode. time: time and size, so machines whose files have the same times agree. content:"
        " the bytes, so machines whose files have the same bytes agree."),
    Key("hashed_names", k.choice("certain", "likely", "off"), "certain", "Which names browsers keep for a year.",
        "A hash of the content in a name means that the file never changes. certain: names that only build tools make,"
        " and names that a manifest or the scripts of the first page confirm. likely: also pictures with such names."
        " off: none."),
    Key("symlinks", k.choice("inside", "all", "none"), "inside", "Symbolic links to follow.",
        "inside: links that stay beneath the root. all: every link, wherever it leads. none: no link."),
    Key("security_headers", k.BOOL, False, "Add fields that protect pages in browsers.",
        "X-Content-Type-Options, Referrer-Policy, X-Frame-Options, Permissions-Policy and Cross-Origin-Opener-Policy."
        " Rules for fields can replace them."),
    Key("rules_files", k.choice("netlify", "cloudflare", "off"), "netlify", "How to read _headers and _redirects.",
        "Both files are at the top of the root. The two services read them with small differences. off ignores them."),
    Key("headers", k.TABLES, [], "Rules for the fields of answers.", nested="site.headers", many=True),
    Key("redirects", k.TABLES, [], "Redirects and rewrites.", nested="site.redirects", many=True),
    Key("try", k.TABLES, [], "Other files to try for a path.", nested="site.try", many=True),
    Key("access", k.TABLES, [], "Rules for passwords and addresses.", nested="site.access", many=True),
)

_MASS = (
    Key("strip_www", k.BOOL, True, "Serve www.example.org from example.org."),
    Key("hash_level", k.WHOLE, 0, "Spread hosts over this many levels of directories.",
        "At 2, example.org is in e/ex/example.org. From 0 to 3."),
)

_CORS = (
    Key("origins", k.NAMES, None, "Origins whose pages may read the files.", required=True),
    Key("methods", k.NAMES, ["GET", "HEAD"], "Methods that a preflight allows."),
    Key("request_headers", k.NAMES, [], "Fields that a page may send."),
    Key("expose", k.NAMES, [], "Fields of answers that a page may read."),
    Key("credentials", k.BOOL, False, "Allow cookies and passwords."),
    Key("max_age", k.DURATION, "2h", "How long a browser may keep the answer to a preflight.", "Up to a day."),
)

_HEADERS = (
    Key("path", k.TEXT, None, "Paths that the rule applies to.", required=True),
    Key("set", k.FIELDS, {}, "Fields to set; they replace fields of the same name."),
    Key("remove", k.NAMES, [], "Fields to remove."),
    Key("append", k.FIELD_LISTS, {}, "Fields to add, each with a value or a list of values."),
    Key("statuses", k.STATUSES, [], "Apply only to answers with these statuses."),
)

_REDIRECTS = (
    Key("from", k.TEXT, None, "Paths that the rule applies to.", required=True),
    Key("to", k.TEXT, None, "The target: a path, or a URL with its host.",
        "It may contain the placeholders of the pattern.", required=True),
    Key("status", k.WHOLE, 301, "301, 302, 303, 307, 308; or 200, 404.",
        "200 sends the file at the target while the address stays. 404 does the same with status 404."),
    Key("force", k.BOOL, False, "Apply even where a file exists."),
    Key("query", k.PARAMETERS, {}, "Parameters that the query must have.",
        "Each with a value, or with a placeholder such as :id. Without parameters, the query does not matter."),
    Key("pass_query", k.BOOL, True, "Append the query of the request to the target."),
)

_TRY = (
    Key("path", k.TEXT, None, "Paths that the rule applies to.", required=True),
    Key("names", k.NAMES, None, "Files to try, in this order.",
        "$uri is the path, $uri.html is the path with that ending, $uri/ is the index of that directory, and /app.html"
        " is a file from the root.", required=True),
)

_ACCESS = (
    Key("path", k.TEXT, None, "Paths that the rule applies to.", required=True),
    Key("except", k.PATTERNS, [], "Paths that the rule does not apply to."),
    Key("allow", k.ADDRESSES, [], "Addresses and networks to allow, or all.",
        "The most specific network decides. When the rule allows some addresses, it denies all others."),
    Key("deny", k.ADDRESSES, [], "Addresses and networks to deny."),
    Key("password_file", k.PATH, None, "Require a password from this file.",
        "Lines of user:hash with bcrypt or argon2id, as htpasswd -B writes them. The path is relative to the directory"
        " of the configuration file. A change takes effect within a second."),
    Key("users", k.NAMES, [], "Users to admit; without any, all of the file."),
    Key("realm", k.TEXT, "Restricted", "Name that browsers show when they ask."),
    Key("satisfy", k.choice("all", "any"), "all", "Whether a client must pass all checks.",
        "all: the address and the password must both be right. any: one of them is enough."),
)

SECTIONS: Final = {
    "": SectionKeys("", _TOP),
    "server": SectionKeys("Where the server listens, and how its process runs.", _SERVER),
    "timeouts": SectionKeys("How long the server waits for clients. Up to a day: 500ms, 30s, 2m, 1h.", _TIMEOUTS),
    "limits": SectionKeys("How much clients may use. The server counts what it refuses, and logs it every ten seconds"
                          " at most.", _LIMITS),
    "log": SectionKeys("The server's own log, on standard error, and the access log.", _LOG),
    "admin": SectionKeys("Listeners that report on the server: health, metrics and a status page.", _ADMIN),
    "site": SectionKeys("One site. For several sites, write [[site]] for each and tell them apart by hosts.", _SITE),
    "site.host_directories": SectionKeys("Like host_directories = true, with details.", _MASS),
    "site.cors": SectionKeys("Like cors = [origins], with details.", _CORS),
    "site.headers": SectionKeys("A rule for the fields of answers. All matching rules apply, in order.", _HEADERS),
    "site.redirects": SectionKeys("A redirect or a rewrite. The first matching rule decides.", _REDIRECTS),
    "site.try": SectionKeys("Other files to try for a path. The first matching rule decides.", _TRY),
    "site.access": SectionKeys("A rule for access. A client must pass all rules that apply to a path.", _ACCESS),
}


def key_of(section: str, name: str) -> Key:
    """The key with this name."""
    found = SECTIONS[section].get(name)
    assert found is not None, f"{section}.{name}"
    return found
