"""Every key of a configuration file, once: its kind, its default, and what it is for.

The file's reader, the options of the command line, the variables of the environment, docs/configuration.md and the
schema for editors are made of these tables. A default is written as TOML has it; None: the key has none.
"""

from __future__ import annotations

from typing import Final

from ..values import dataclass
from . import defaults as d
from . import kinds as k
from .bounds import FORWARDED_FIELDS, WHEN_FULL


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    help      one sentence, short enough for a line of --help
    more      what else there is to know
    nested    the section whose keys a table here has
    many      it is an array of such tables
    required  a table of its section is nothing without it
    """

    name: str
    kind: k.Kind
    default: object
    help: str
    more: str = ""
    nested: str = ""
    many: bool = False
    required: bool = False


@dataclass(frozen=True, slots=True)
class SectionKeys:
    """The keys of one section, and what it is for."""

    about: str
    keys: tuple[Key, ...]

    def get(self, name: str) -> Key | None:
        return next((key for key in self.keys if key.name == name), None)


_TOP = (
    Key("server", k.TABLE, None, "Where the server listens, and what runs it.", nested="server"),
    Key("timeouts", k.TABLE, None, "How long the server waits.", nested="timeouts"),
    Key("limits", k.TABLE, None, "What clients may take.", nested="limits"),
    Key("log", k.TABLE, None, "What is written to standard error.", nested="log"),
    Key("admin", k.TABLE, None, "Where the server tells of itself.", nested="admin"),
    Key("site", k.TABLE, None, "What is served: [site], or [[site]] several times.", nested="site"),
)

_PROCESS = (
    Key("user", k.MAYBE_TEXT, "", "Become this user once the ports are bound.",
        "A name or a number. Only root can; whoever serves on as root is warned."),
    Key("group", k.MAYBE_TEXT, "", "The group to be in, in place of the user's own."),
    Key("chroot", k.MAYBE_PATH, "", "See only what is beneath this directory.",
        "Roots and password files must be in it. Such a server can neither reload nor upgrade itself."),
    Key("pid_file", k.MAYBE_PATH, "", "Where to write the number of the process."),
    Key("socket_mode", k.MODE, f"{d.SOCKET_MODE:04o}", "Who may connect to unix sockets."),
    Key("socket_group", k.MAYBE_TEXT, "", "The group of unix sockets."),
)

_SERVER = (
    Key("listen", k.ADDRESSES, [d.HOST], "Listen at HOST:PORT, HOST, :PORT or [IPV6]:PORT.",
        "A port that is left out is 8000, or the next free one; port 0 is any free one. A host that is left out is"
        " 127.0.0.1, so nobody else is served. 0.0.0.0 is every IPv4 address of the machine, [::] every IPv6 address."
        " unix:/PATH and unix:@NAME are unix sockets, fd:NUMBER and fd:NAME are sockets that systemd has opened; those"
        " are taken too when nothing is given. With proxy: in front, as in proxy:0.0.0.0:80, connections must begin"
        " with a header of the PROXY protocol, version 1 or 2, and come from trusted_proxies or by a unix socket."),
    Key("trusted_proxies", k.ADDRESSES, [], "Proxies whose word about the client counts.",
        "Addresses and networks; unix for those at unix sockets. Their PROXY headers hold at listeners that want one."
        " What they say in client_field holds for the access log and for access by address: the client is the last"
        " address there that is none of theirs."),
    Key("client_field", k.choice(*FORWARDED_FIELDS), FORWARDED_FIELDS[0], "The field that says who asked.",
        "Trusted proxies must write it: x-forwarded-for, or forwarded (RFC 7239). The other one may be a client's own,"
        " so it is not looked at."),
    Key("workers", k.WORKERS, "auto", "Engines; auto: one a processor.",
        "From 1 to 1024. auto looks at the processors that this process may use, and at the limits of its group."),
    Key("backend", k.BACKEND, d.BACKEND, "How engines wait.", "By io_uring, by epoll, or as the kernel allows."),
    Key("max_connections", k.WHOLE, d.CONNECTIONS, "Of the whole server.",
        "Up to 1048576. Those beyond take the place of idle ones; see limits.when_full."),
    Key("look_after", k.DURATION, f"{d.LOOK_AFTER_MS}ms", "Look at a file again when the last look is older than this.",
        "The next request looks, so a change is seen so soon. 0s looks for every request; without a configuration file"
        " that is the default on loopback. Up to 60s. Files on a network (NFS, SMB, FUSE) are looked at in the"
        " background: there a change is seen within a second."),
    Key("preload", k.BOOL, False, "Judge the whole site at start, before anybody asks.",
        "For browsers, by the hosts of each site, and for what the cache has room for; again after a reload. Real"
        " requests go first."),
    *_PROCESS,
)

_TIMEOUTS = (
    Key("head", k.DURATION, f"{d.HEAD_TIMEOUT_S}s", "From the first byte of a request's head to its end."),
    Key("idle", k.DURATION, f"{d.IDLE_TIMEOUT_S}s", "Between two requests of a connection.",
        "Longer than a proxy or load balancer in front keeps its own: many of them wait for 60 seconds."),
    Key("send", k.DURATION, f"{d.SEND_TIMEOUT_S}s", "Without a byte taken by the client."),
    Key("drain", k.DURATION, f"{d.DRAIN_TIMEOUT_S}s", "From the signal to the end: what is not done then is cut off.",
        "Containers are killed ten seconds after the signal, unless that is changed, too."),
)

_LIMITS = (
    Key("head_size", k.SIZE, f"{d.HEAD_KIB}KiB", "Of the head of a request.",
        "From 256B to 64KiB; what is longer gets 431."),
    Key("requests_per_connection", k.WHOLE, 0, "After so many the connection closes.",
        "The last answer says so. 0 is no limit."),
    Key("connections_per_address", k.WHOLE, 0, "Open at once by one address.",
        "An IPv6 address counts with all of its /64. A few more are answered with 429, any further closed in silence. 0"
        " is no limit: behind a proxy all have one address, unless it speaks the PROXY protocol."),
    Key("requests_per_address", k.RATE, "off", "In the long run, of one address: 20/s, 600/m, 5000/h.",
        "Who asks more often gets 429 with Retry-After, answered by the engine. off is no limit."),
    Key("burst", k.WHOLE, d.BURST, "Requests at once before that counts.",
        "As many as a page with all that belongs to it needs, from 1 to 1000000."),
    Key("bandwidth_per_connection", k.SIZE, 0, "Bytes a second, as in 2MiB; 0 is no limit.",
        "The kernel paces TCP by it, but for the first ten segments. Unix sockets are not slowed down."),
    Key("made_memory", k.SIZE, f"{d.MADE_MIB}MiB", "For bodies that are made: compressed files, listings.",
        "From 1MiB on. When it is all in use, files are sent as they are and listings get 503."),
    Key("exempt", k.ADDRESSES, [], "Addresses and networks that are not counted.",
        "Trusted proxies never are, nor are unix sockets."),
    Key("when_full", k.choice(*WHEN_FULL), WHEN_FULL[0], "When no room can be made.",
        "A sixteenth of the connections of a listener is kept for newcomers: idle connections close for them, then"
        " those with an unfinished head, the longest waiting first, and first those of an address that has most of"
        " them. When all are being answered, refuse tells newcomers that the server is busy: 503 with Retry-After; wait"
        " leaves them in the kernel's queue. With fewer than 16 an engine they always wait."),
)

_LOG = (
    Key("level", k.LEVEL, d.LOG_LEVEL, "What is worth a line.", "Above info, the line at the start is left out too."),
    Key("color", k.COLOR, d.LOG_COLOR, "When there are colours.", "auto is on a terminal, unless NO_COLOR is set."),
    Key("access", k.TEXT, "off", "A line for every request, into this file; - is standard output.",
        "off is none. It is opened again when it was rotated, and by SIGUSR1. Lines are written within a second."),
    Key("access_format", k.TEXT, "auto", "What a line of it says.",
        "common, combined, json, terminal, or a template such as '{client} {status} {field:user-agent}'; auto is"
        " terminal on a terminal, else combined. Of a value 4 KiB are written at most, and a mark."),
    Key("access_when_full", k.choice("drop", "wait"), "drop", "When it cannot be written fast enough.",
        "drop loses lines, counted; wait keeps requests waiting. A write that fails (a full disk) always loses some."),
)

_ADMIN = (
    Key("listen", k.ADDRESSES, [], "Tell of the server itself at these addresses.",
        "/status is a page, /status.json the same for programs, /metrics is for Prometheus, /health and /ready are for"
        " load balancers. The form is that of server.listen; a port that is left out is 8001. Whoever can connect may"
        " read, so it is not for everybody."),
    Key("hosts", k.NAMES, [], "Names under which it may be asked for.",
        "Beside localhost and any address. Another name in Host gets 421, so that no page in a browser can have its own"
        " name lead here (DNS rebinding). At unix sockets no name is asked."),
    Key("allow_public", k.BOOL, False, "Let admin addresses be those of all interfaces.",
        "0.0.0.0 and [::] are refused without it."),
)

_SITE = (
    Key("root", k.PATH, ".", "The directory that is served.",
        "Relative to the directory of the file. It may be a symbolic link that is led elsewhere while the server runs.",
        required=True),
    Key("hosts", k.NAMES, ["_"], "The hosts that mean this site.",
        "example.org, *.example.org for whatever stands in front, _ for all that mean no other site."),
    Key("host_directories", k.SWITCH, False, "A directory for every host, beneath the root.",
        "Making a directory adds a host, without a restart.", nested="site.host_directories"),
    Key("index", k.NAMES, ["index.html"], "Names that stand for their directory.", "The best one first."),
    Key("listing", k.BOOL, False, "Show what directories without an index hold.",
        "As a page or, with ?format=json, as JSON."),
    Key("listing_max", k.WHOLE, 100000, "Names that a listing shows at most.",
        "From 1 to 1000000; a listing with fewer names than its directory says so. 100000 keep a worker busy for about"
        " two seconds, each time somebody asks."),
    Key("clean_urls", k.BOOL, False, "Let /about stand for about.html too."),
    Key("spa", k.FALLBACK, False, "A file, or index.html, where a page is missing.",
        "For applications that read the address themselves. true is index.html. What has the extension of a script,"
        " style, image or the like stays missing: a page in its place would be a riddle."),
    Key("not_found", k.FALLBACK, "404.html", "The name of pages that are sent where nothing is.",
        "The nearest one, from the directory that was asked for upwards. false: none."),
    Key("error_pages", k.PAGES, {}, "A page for a status.",
        "Files beneath the root that are sent with these statuses, from 400 to 599."),
    Key("hide", k.PATTERNS, [], "Names that are never served, such as *.map.",
        "A pattern is for one segment of a path: * is anything, ? one sign; a slash in front binds it to the top."
        " Names with a leading dot, backups and other leftovers are hidden without being asked for."),
    Key("show", k.PATTERNS, [], "Names to serve although a rule hides them.",
        "A pattern that hides by itself is taken away, any other is an exception: .* shows all names with a leading"
        " dot but those that hold secrets."),
    Key("types", k.TYPES, {}, "Media types by extension.",
        'Before our own table; the extension without its dot, "" for names that have none. Text says charset=utf-8 if'
        " nothing else is written; the type that an extension has anyway is sent as written, without one."),
    Key("compress", k.BOOL, True, "Compress what shrinks, or send the file that lies beside it.",
        "gzip always, brotli and zstd where their libraries are installed; .br, .zst and .gz files beside a file."),
    Key("compress_max", k.SIZE, "32MiB", "The largest file that is compressed here.",
        "From 1KiB to 1GiB. It is done once for each version of a file, and kept in memory (limits.made_memory). Put a"
        " .br, .zst or .gz file beside a larger one."),
    Key("cors", k.ORIGINS, [], "Pages of these origins may read what is served.",
        'https://example.org, https://*.example.org, or "*" for all. A table says more.', nested="site.cors"),
    Key("etag", k.choice("file", "time", "content"), "file", "What tags are made of.",
        "file: its time, size and inode. time: the same without the inode, so that machines with the same times agree."
        " content: its bytes, so that machines with the same bytes agree."),
    Key("hashed_names", k.choice("certain", "likely", "off"), "certain", "Which names browsers keep for a year.",
        "A hash of the content in a name says that the file never changes. certain: names that only a build tool gives,"
        " and others that its manifest or the first page's scripts vouch for. likely: pictures that look so, too. off:"
        " none."),
    Key("symlinks", k.choice("inside", "all", "none"), "inside", "Symbolic links to follow.",
        "inside: those that stay beneath the root. all lets each of them lead anywhere. none follows none."),
    Key("security_headers", k.BOOL, False, "Add fields that guard pages, such as nosniff.",
        "X-Content-Type-Options, Referrer-Policy, X-Frame-Options, Permissions-Policy and Cross-Origin-Opener-Policy."
        " Rules for fields come behind them and may say otherwise."),
    Key("rules_files", k.choice("netlify", "cloudflare", "off"), "netlify", "How _headers and _redirects are read.",
        "They are at the top of the root, and known from two services that differ in details. off leaves them alone."),
    Key("headers", k.TABLES, [], "Rules for the fields of answers.", nested="site.headers", many=True),
    Key("redirects", k.TABLES, [], "Where paths lead.", nested="site.redirects", many=True),
    Key("try", k.TABLES, [], "Other names for a path.", nested="site.try", many=True),
    Key("access", k.TABLES, [], "Who may see what.", nested="site.access", many=True),
)

_MASS = (
    Key("strip_www", k.BOOL, True, "www.example.org is example.org."),
    Key("hash_level", k.WHOLE, 0, "Spread hosts over so many levels of directories.",
        "At 2, example.org is in e/ex/example.org. From 0 to 3."),
)

_CORS = (
    Key("origins", k.NAMES, None, "Whose pages may read what is served.", required=True),
    Key("methods", k.NAMES, ["GET", "HEAD"], "The methods that a preflight is told."),
    Key("request_headers", k.NAMES, [], "The fields that a page may send."),
    Key("expose", k.NAMES, [], "The fields of answers that a page may read."),
    Key("credentials", k.BOOL, False, "Cookies and passwords may be sent along."),
    Key("max_age", k.DURATION, "2h", "How long a browser may keep a preflight's answer.", "Up to a day."),
)

_HEADERS = (
    Key("path", k.TEXT, None, "The paths that it is for.", required=True),
    Key("set", k.FIELDS, {}, "Fields with their values, in place of what was there."),
    Key("remove", k.NAMES, [], "Fields that are taken out."),
    Key("append", k.FIELD_LISTS, {}, "Fields with a value, or a list of values, beside what was there."),
    Key("statuses", k.STATUSES, [], "Only for answers with these statuses."),
)

_REDIRECTS = (
    Key("from", k.TEXT, None, "The paths that it is for.", required=True),
    Key("to", k.TEXT, None, "Where they lead: a path, or an address with its host.",
        "With the placeholders of the pattern.", required=True),
    Key("status", k.WHOLE, 301, "301, 302, 303, 307, 308; or 200, 404.",
        "200 sends the file at the other path while the address stays; 404 too, and says that it is missing."),
    Key("force", k.BOOL, False, "Also where there is a file."),
    Key("query", k.PARAMETERS, {}, "Parameters of the query that it asks for.",
        "A value, or a placeholder such as :id. Without them the query does not matter."),
    Key("pass_query", k.BOOL, True, "Hand the query of the request on."),
)

_TRY = (
    Key("path", k.TEXT, None, "The paths that it is for.", required=True),
    Key("names", k.NAMES, None, "What is looked at, in this order.",
        "$uri is the path, $uri.html it with more behind, $uri/ its index as a directory; /app.html is from the root.",
        required=True),
)

_ACCESS = (
    Key("path", k.TEXT, None, "The paths that it is for.", required=True),
    Key("except", k.PATTERNS, [], "Paths that it is not for."),
    Key("allow", k.ADDRESSES, [], "Addresses and networks that may ask, or all.",
        "The most specific network decides. When something is allowed, all else is denied."),
    Key("deny", k.ADDRESSES, [], "Addresses and networks that may not."),
    Key("password_file", k.PATH, None, "Ask for a password of this file.",
        "Lines of user:hash, with bcrypt or argon2id, as htpasswd -B writes them. Relative to the directory of the"
        " configuration file. A change is seen within a second."),
    Key("users", k.NAMES, [], "The users that may pass; none: all."),
    Key("realm", k.TEXT, "Restricted", "What browsers show when they ask."),
    Key("satisfy", k.choice("all", "any"), "all", "Whether all is needed.",
        "Whether a good address and a good password are both needed, or either is enough."),
)

SECTIONS: Final = {
    "": SectionKeys("", _TOP),
    "server": SectionKeys("Where the server listens, and what runs it.", _SERVER),
    "timeouts": SectionKeys("How long the server waits, up to a day: 500ms, 30s, 2m, 1h.", _TIMEOUTS),
    "limits": SectionKeys(
        "What clients may take. What is refused is counted, and told in the log every ten seconds at most.", _LIMITS
    ),
    "log": SectionKeys("What is written to standard error.", _LOG),
    "admin": SectionKeys("Where the server tells of itself: whether it is well, what it does, in figures.", _ADMIN),
    "site": SectionKeys(
        "What is served. With several sites each is a [[site]], and hosts say which one a request means.", _SITE
    ),
    "site.host_directories": SectionKeys(
        "The same as host_directories = true, and how hosts become names of directories.", _MASS
    ),
    "site.cors": SectionKeys("The same as cors = [origins], and what else pages of other origins may do.", _CORS),
    "site.headers": SectionKeys(
        "A rule for the fields of answers. All rules that match are applied, in their order.", _HEADERS
    ),
    "site.redirects": SectionKeys("A redirect or a rewrite. The first rule that matches decides.", _REDIRECTS),
    "site.try": SectionKeys("Other names for a path. The first rule that matches decides.", _TRY),
    "site.access": SectionKeys("A gate. A path has to pass every gate that is for it.", _ACCESS),
}


def key_of(section: str, name: str) -> Key:
    """A key that there is."""
    found = SECTIONS[section].get(name)
    assert found is not None, f"{section}.{name}"
    return found
