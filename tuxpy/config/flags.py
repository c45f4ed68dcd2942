"""The options of the command line: what stands for a key of the file, and what only the command line has.

Each has twins in the environment, TUXPY_SERVE_NAME and, shorter, TUXPY_NAME.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..values import dataclass
from . import kinds as k
from .keys import Key, key_of
from .settings import HOST, PORT


@dataclass(frozen=True, slots=True)
class Flag:
    """One option.

    names     as they are written; the argument DIR has none with dashes
    group     of the help
    key       (section, name) of the key whose value it is; None: the help of its own says what it is for
    help      where the key's is not enough
    several   it may be given several times
    adds      to what the file says, instead of taking its place
    switch    it has no value: it stands for this one
    lines     in the environment, several are several lines; else blanks are between them
    optional  a value may be left out: it is this one then; given, it stands behind an equals sign
    """

    names: tuple[str, ...]
    group: str
    key: tuple[str, str] | None
    metavar: str = ""
    help: str = ""
    several: bool = False
    adds: bool = False
    switch: bool | None = None
    lines: bool = False
    optional: str = ""

    @property
    def name(self) -> str:
        """As in the environment, in lower case."""
        return self.names[-1].lstrip("-").replace("-", "_").lower()

    @property
    def words(self) -> str:
        """As an operator calls it."""
        return self.names[-1]

    @property
    def variables(self) -> tuple[str, str]:
        return f"TUXPY_SERVE_{self.name.upper()}", f"TUXPY_{self.name.upper()}"

    @property
    def declared(self) -> Key | None:
        return None if self.key is None else key_of(*self.key)

    @property
    def kind(self) -> k.Kind:
        """Of one value."""
        key = self.declared
        return k.TEXT if key is None or self.several else key.kind

    def variable_in(self, environ: Mapping[str, str]) -> str | None:
        """The variable that is set; an empty one is as good as none."""
        return next((variable for variable in self.variables if environ.get(variable)), None)


_BIND: Final = "Listen at HOST:PORT, :PORT or [IPV6]:PORT; repeat."

FLAGS: Final = (
    Flag(("DIR",), "Where", ("site", "root")),
    Flag(("-b", "--bind"), "Where", ("server", "listen"), "ADDRESS", _BIND, several=True),
    Flag(("--host",), "Where", None, "HOST", f"Host where none is named.  [default: {HOST}]"),
    Flag(("-p", "--port"), "Where", None, "PORT",
         f"Port; 0 is any free one.  [default: {PORT} or next]"),
    Flag(("--listing",), "Site", ("site", "listing"), switch=True),
    Flag(("--index",), "Site", ("site", "index"), "NAME", "Stands for its directory.  [default: index.html]",
         several=True),
    Flag(("--spa",), "Site", ("site", "spa"), "[=FILE]", optional="index.html"),
    Flag(("--clean-urls",), "Site", ("site", "clean_urls"), switch=True),
    Flag(("--error-page",), "Site", ("site", "error_pages"), "STATUS=PATH", "As in 403=/no.html, for a status.",
         several=True, adds=True),
    Flag(("--hide",), "Site", ("site", "hide"), "PATTERN", several=True, adds=True),
    Flag(("--show",), "Site", ("site", "show"), "PATTERN", several=True, adds=True),
    Flag(("--symlinks",), "Site", ("site", "symlinks"), "inside|all|none"),
    Flag(("--etag",), "Site", ("site", "etag"), "file|time|content"),
    Flag(("--rules-files",), "Site", ("site", "rules_files"), "FORM"),
    Flag(("--no-compress",), "Site", ("site", "compress"), help="Compress nothing here or beside files.", switch=False),
    Flag(("--header",), "Fields", None, "'FIELD: VALUE'", "A field that every answer shall have.", several=True,
         lines=True),
    Flag(("--cors",), "Fields", ("site", "cors"), "ORIGIN", "Let pages of ORIGIN (or *) read what is served.",
         several=True),
    Flag(("--security-headers",), "Fields", ("site", "security_headers"), switch=True),
    Flag(("--auth-file",), "Access", None, "FILE", "Ask for a password of FILE (htpasswd -B)."),
    Flag(("--allow",), "Access", None, "ADDRESS", "Only these addresses and networks may ask.", several=True),
    Flag(("--deny",), "Access", None, "ADDRESS", "These may not.", several=True),
    Flag(("-w", "--workers"), "Engine", ("server", "workers"), "N|auto"),
    Flag(("--backend",), "Engine", ("server", "backend"), "HOW"),
    Flag(("--max-connections",), "Engine", ("server", "max_connections"), "N"),
    Flag(("--rate-limit",), "Engine", ("limits", "requests_per_address"), "RATE",
         "Of one address: 20/s, 600/m; more get 429."),
    Flag(("--preload",), "Engine", ("server", "preload"), switch=True),
    Flag(("--admin",), "Engine", ("admin", "listen"), "ADDRESS", "Tell of the server itself at HOST:PORT; repeat.",
         several=True),
    Flag(("--user",), "Engine", ("server", "user"), "NAME", "Become this user once ports are bound."),
    Flag(("--log-level",), "Output", ("log", "level"), "LEVEL"),
    Flag(("--color",), "Output", ("log", "color"), "WHEN"),
    Flag(("--access-log",), "Output", ("log", "access"), "FILE", "A line for every request; - is standard output."),
    Flag(("--access-format",), "Output", ("log", "access_format"), "FORMAT"),
)

SITE_GROUPS: Final = ("Site", "Fields", "Access")
