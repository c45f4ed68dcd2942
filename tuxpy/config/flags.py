"""The options of the command line: those that set a key of the file, and those that only the command line has.

Each has two environment variables, TUXPY_SERVE_NAME and the shorter TUXPY_NAME.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..values import value_class
from . import kinds as k
from .keys import Key, key_of
from .settings import HOST, PORT


@value_class(frozen=True, slots=True)
class Flag:
    """One option.

    names     as users write them; the argument DIR has no dashes
    group     its heading in the help
    key       (section, name) of the key that it sets; None: it sets no single key
    help      its own sentence, where that of the key does not suit
    several   users may repeat it
    adds      its values are added to those of the file instead of replacing them
    switch    it takes no value and sets this one
    lines     its variable separates several values by line breaks instead of blanks
    optional  the value that it sets when users give none; they write a value with an equals sign
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
    Flag(("--host",), "Where", None, "HOST", f"Host for addresses without one.  [default: {HOST}]"),
    Flag(("-p", "--port"), "Where", None, "PORT",
         f"Port; 0 is any free port.  [default: {PORT} or next]"),
    Flag(("--listing",), "Site", ("site", "listing"), switch=True),
    Flag(("--index",), "Site", ("site", "index"), "NAME", "File for a directory.  [default: index.html]",
         several=True),
    Flag(("--spa",), "Site", ("site", "spa"), "[=FILE]", optional="index.html"),
    Flag(("--clean-urls",), "Site", ("site", "clean_urls"), switch=True),
    Flag(("--error-page",), "Site", ("site", "error_pages"), "STATUS=PATH",
         "Page for a status, as in 403=/no.html; repeat.", several=True, adds=True),
    Flag(("--hide",), "Site", ("site", "hide"), "PATTERN", several=True, adds=True),
    Flag(("--show",), "Site", ("site", "show"), "PATTERN", several=True, adds=True),
    Flag(("--symlinks",), "Site", ("site", "symlinks"), "inside|all|none"),
    Flag(("--etag",), "Site", ("site", "etag"), "file|time|content"),
    Flag(("--rules-files",), "Site", ("site", "rules_files"), "FORM"),
    Flag(("--no-compress",), "Site", ("site", "compress"), switch=False,
         help="Do not compress, and ignore compressed copies."),
    Flag(("--header",), "Fields", None, "'FIELD: VALUE'", "Add this field to every answer; repeat.", several=True,
         lines=True),
    Flag(("--cors",), "Fields", ("site", "cors"), "ORIGIN", "Let pages of ORIGIN (or *) read the files; repeat.",
         several=True),
    Flag(("--security-headers",), "Fields", ("site", "security_headers"), switch=True),
    Flag(("--auth-file",), "Access", None, "FILE", "Require a password from FILE (htpasswd -B)."),
    Flag(("--allow",), "Access", None, "ADDRESS", "Allow only this address or network; repeat.", several=True),
    Flag(("--deny",), "Access", None, "ADDRESS", "Deny this address or network; repeat.", several=True),
    Flag(("-w", "--workers"), "Engine", ("server", "workers"), "N|auto"),
    Flag(("--backend",), "Engine", ("server", "backend"), "HOW"),
    Flag(("--max-connections",), "Engine", ("server", "max_connections"), "N"),
    Flag(("--rate-limit",), "Engine", ("limits", "requests_per_address"), "RATE",
         "Rate of one address, such as 20/s; more get 429."),
    Flag(("--preload",), "Engine", ("server", "preload"), switch=True),
    Flag(("--admin",), "Engine", ("admin", "listen"), "ADDRESS", "Serve health, metrics and status here; repeat.",
         several=True),
    Flag(("--user",), "Engine", ("server", "user"), "NAME", "Switch to this user after the ports are bound."),
    Flag(("--log-level",), "Output", ("log", "level"), "LEVEL"),
    Flag(("--color",), "Output", ("log", "color"), "WHEN"),
    Flag(("--access-log",), "Output", ("log", "access"), "FILE",
         "Write a line for each request; - is standard output."),
    Flag(("--access-format",), "Output", ("log", "access_format"), "FORMAT"),
)

SITE_GROUPS: Final = ("Site", "Fields", "Access")
