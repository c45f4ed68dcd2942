"""Write docs/tuxpy.1 from the command line itself; with --check only compare.

The page is made of the same words as --help, so it cannot say anything else. groff_man(7) is the form.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import click  # noqa: E402

from tuxpy import __version__  # noqa: E402
from tuxpy.cli.main import cli  # noqa: E402

PAGE = ROOT / "docs" / "tuxpy.1"

HEAD = rf'''.\" Written by conf/man_gen.py from the options of the program.
.TH TUXPY 1 "" "tuxpy {__version__}" "User Commands"
.SH NAME
tuxpy \- static file web server
.SH SYNOPSIS
.B tuxpy serve
.RI [ OPTIONS ] " " [ DIR ]
.br
.B tuxpy
.I COMMAND
.RI [ OPTIONS ] " " [ ARGUMENTS ]
.SH DESCRIPTION
.B tuxpy
serves the files beneath a directory over HTTP/1.1. Without a configuration it listens on this machine only.
.B tuxpy init
writes a configuration file in which every key has a comment;
.B tuxpy check
tells what is wrong with one. Each command has
.BR \-\-help .
.SH COMMANDS
'''

TAIL = r'''.SH ENVIRONMENT
Every option of
.B tuxpy serve
has a variable:
.B TUXPY_
and its name in capitals, with underscores in place of hyphens, as in
.B TUXPY_PORT
for
.BR \-\-port .
Options win over variables, variables over the configuration file.
.TP
.B NO_COLOR
No colours on a terminal.
.SH FILES
.TP
.I tuxpy.toml
The configuration file that
.B tuxpy check
reads when none is named. The server reads a file only where
.B \-c
names it.
.TP
.IR _headers ", " _redirects
At the top of a root: rules of the site's author, as Netlify and Cloudflare Pages read them.
.SH SIGNALS
.TP
.BR SIGTERM ", " SIGINT
Connections may finish; a second signal ends the server at once.
.TP
.B SIGHUP
The configuration is read again.
.TP
.B SIGUSR1
The access log is opened again.
.TP
.B SIGUSR2
The program is started anew and takes the listeners over.
.SH EXIT STATUS
0 when all was done, 1 when it failed, 2 when the words or the configuration were not understood, 130 when it was
interrupted.
.SH SEE ALSO
.BR systemd.service (5),
.BR logrotate (8)
'''


def page() -> str:
    """The whole page."""
    return HEAD + "".join("\n".join(_command(name, verb)) + "\n" for name, verb in cli.commands.items()) + TAIL


def _command(name: str, verb: click.Command) -> Iterator[str]:
    ctx = click.Context(verb, info_name=name, max_content_width=10_000)
    pieces = " ".join(piece for piece in verb.collect_usage_pieces(ctx) if piece)
    yield f".SS tuxpy {_escaped(name)} {_escaped(pieces)}"
    for paragraph in (verb.help or "").split("\n\n"):
        yield ".PP"
        yield _escaped(" ".join(paragraph.split()))
    section = ""
    for param in verb.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is None or not isinstance(param, click.Option) or param.name in ("help", "version"):
            continue
        of = getattr(param, "section", "Options")
        if name == "serve" and of != section:
            section = of
            yield ".PP"
            yield f".I {section}"
        yield ".TP"
        yield f".B {_escaped(record[0])}"
        yield _escaped(re.sub(r"\s+", " ", record[1]))


def _escaped(words: str) -> str:
    """Signs that groff reads as something else; a line must not begin with its control characters."""
    words = words.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("`", r"\(ga")
    return rf"\&{words}" if words.startswith((".", r"\(aq")) else words


def main(arguments: list[str]) -> int:
    if "--check" in arguments:
        return 0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page() else 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
