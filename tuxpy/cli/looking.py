"""The verbs that look: at a running server, at an answer, at a chain."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from .options import SectionCommand, config_option, directories, loaded, site_options


def _chain_names(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from .chains import CHAINS

    return [name for name in CHAINS if name.startswith(incomplete)]


@click.command(cls=SectionCommand, section="Looking", short_help="Show what a running server is doing.", epilog="""\b
Examples:
  tuxpy serve --admin 127.0.0.1:8001 & tuxpy top
  tuxpy top unix:/run/tuxpy/admin.sock""")
@click.argument("address", default="127.0.0.1:8001", metavar="[ADDRESS|unix:PATH]")
def top(address: str) -> int:
    """Show what a server is doing, updated every second. ADDRESS is that of its admin listener.

    Press q or Ctrl-C to end. Without a terminal, the command prints everything once."""
    from . import top as x

    return x.top(address)


@click.command(cls=SectionCommand, section="Looking", short_help="Show an answer, and the reasons for it.", epilog="""\b
Examples:
  tuxpy explain /docs --root ./www
  tuxpy explain http://localhost:8000/a.css -H 'If-None-Match: "x"' -X HEAD""")
@click.argument("target")
@click.option("-H", "--field", "fields", multiple=True, metavar="'FIELD: VALUE'", help="Field of the request; repeat.")
@click.option("-X", "--request", "method", default="GET", show_default=True, metavar="METHOD", help="Its method.")
@click.option("--http1.0", "old", is_flag=True, help="Use HTTP/1.0.")
@click.option("--from", "client", metavar="ADDRESS", help="Address of the client, for rules by address.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--root", default=".", show_default=True, metavar="DIR", help="The directory to serve.",
    shell_complete=directories,
)
@click.option("--ascii", "ascii_only", is_flag=True, help="Draw with ASCII characters only.")
@config_option
@site_options
@click.pass_context
def explain(
    ctx: click.Context, /, target: str, fields: tuple[str, ...], method: str, old: bool, client: str | None,
    as_json: bool, ascii_only: bool, config: str | None, **_: Any,
) -> None:  # fmt: skip
    """Show what the server would answer to a request for TARGET, a URL or a path, and why.

    This needs no running server: the same code judges the request here."""
    from . import explain as x

    head = x.head_of(target, method, fields, "1.0" if old else "1.1")
    with x.sites(loaded(ctx, config, machine=False).config.sites) as sites:
        story = x.tell(sites, head, time.time(), x.class_of(sites, client))
    click.echo(x.as_json(story) if as_json else x.as_text(story, ascii_only or _plain_output()), nl=False)


@click.command(cls=SectionCommand, section="Looking", short_help="Draw a chain.")
@click.argument("name", required=False, shell_complete=_chain_names)
@click.option("--list", "listed", is_flag=True, help="List the known chains.")
@click.option("--calls", is_flag=True, help="List the system calls that chains may make, with their rules.")
@click.option("--ascii", "form", flag_value="ascii", help="Draw with ASCII characters only.")
@click.option("--dump", "form", flag_value="dump", help="Print a table of the atoms.")
@click.option("--text", "form", flag_value="text", help="Print the text form, for a .chain file.")
@click.option("--dot", "form", flag_value="dot", help="Print a graph for Graphviz (DOT).")
@click.option("--svg", "form", flag_value="svg", help="Print an SVG picture.")
@click.option("--diff", "other", metavar="OTHER", help="Print how OTHER differs from NAME.")
def chain(name: str | None, listed: bool, calls: bool, form: str | None, other: str | None) -> None:
    """Draw the chain NAME as the server runs it, or the chain in a .chain file. Without NAME, list the chains."""
    from . import chains as x

    if calls:
        click.echo(x.calls(), nl=False)
    elif name is None or listed:
        click.echo("\n".join(f"{known:12}{about}" for known, (about, _) in x.CHAINS.items()))
    elif other is not None:
        click.echo(x.differences(name, other))
    else:
        click.echo(x.drawn(name, form or ("ascii" if _plain_output() else "drawing")), nl=False)


def _plain_output() -> bool:
    """Standard output has no signs to draw with."""
    return "utf" not in (sys.stdout.encoding or "").lower()
