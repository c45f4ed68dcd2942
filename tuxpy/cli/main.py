"""The command line, and the only importer of click.

Every verb here is thin: it turns words into values and calls the module that does the work. What only one verb needs is
imported inside it, so that help and completion come at once and a server starts with nothing it does not use.

Exit codes: 0 done, 1 failed, 2 not understood or not possible as asked, 130 interrupted. An error is one line on
standard error that names the thing and the remedy; only a fault of ours shows a traceback.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import get_completion_class

from .. import __version__
from ..config.problems import Problems
from ..errors import ConfigError, TuxError
from .options import (
    SectionCommand,
    SectionOption,
    Verbs,
    check_options,
    config_option,
    directories,
    files,
    loaded,
    server_options,
    site_options,
)
from .telling import drop_unwritable, fail, say, tell, warn

if TYPE_CHECKING:
    from ..config.loading import Loaded


def main(args: Sequence[str] | None = None) -> int:
    """The console script: run a verb, turn what went wrong into a line and an exit code."""
    for stream in ("stdout", "stderr"):  # closed by whoever started us: no socket may take its number
        if getattr(sys, stream) is None:
            setattr(sys, stream, open(os.devnull, "w"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file may have any name
    try:
        return _run(args)
    finally:
        drop_unwritable()


def _run(args: Sequence[str] | None) -> int:
    try:
        status: object = cli.main(args, prog_name="tuxpy", standalone_mode=False)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "tuxpy"
        return fail(f"{error.format_message().rstrip('.')}; see {path} --help", 2)
    except Problems as error:
        return tell(error.problems)
    except ConfigError as error:
        return fail(str(error), 2)
    except (TuxError, click.ClickException) as error:
        return fail(str(error), 1)
    except click.Abort:
        return 130
    except ImportError as error:
        if "_engine" not in str(error):
            raise
        return fail(f"the engine cannot be loaded: {error}; installing tuxpy-server again may help", 1)
    except OSError as error:  # click itself ends quietly when nobody reads any more (EPIPE)
        sentence = error.strerror or str(error)
        return fail(f"{error.filename}: {sentence}" if error.filename else sentence, 1)
    return status if isinstance(status, int) else 0


def _chain_names(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from ..chains import CHAINS

    return [name for name in CHAINS if name.startswith(incomplete)]


# The verbs.

_SETTINGS = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "TUXPY", "max_content_width": 100}


@click.group(cls=Verbs, context_settings=_SETTINGS, invoke_without_command=True)
@click.version_option(__version__, "-V", "--version", message="tuxpy %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """A static file web server whose life cycle is a program of system calls.

    \b
    tuxpy serve ./www                 serve a directory at http://127.0.0.1:8000/
    tuxpy explain /index.html         what would be answered, and why
    tuxpy check conf/tuxpy.toml       whether a configuration is sound
    tuxpy top                         what a server with --admin does now
    tuxpy chain lifecycle             the program that every connection runs
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@cli.command(
    cls=SectionCommand,
    short_help="Serve a directory.",
    epilog="""\b
Examples:
  tuxpy serve                          this directory, on this machine only
  tuxpy serve ./www -p 9000            another port
  tuxpy serve ./www -b 0.0.0.0:80      for everybody

Every option has a twin in the environment, such as TUXPY_PORT for --port. Options win over
variables, variables over the file.

SIGTERM and SIGINT let connections finish; a second one ends at once. SIGHUP
reloads the configuration, SIGUSR2 the program.""",
)
@click.argument(
    "directory", default=".", metavar="[DIR]", envvar=["TUXPY_SERVE_DIR", "TUXPY_DIR"], shell_complete=directories
)
@server_options
@config_option
@click.option(
    "-t", "--test", cls=SectionOption, is_flag=True, envvar=["TUXPY_SERVE_TEST", "TUXPY_TEST"],
    help="Only check all that, like `tuxpy check`.",
)
@click.pass_context
def serve(ctx: click.Context, /, config: str | None, test: bool, **_: Any) -> int:
    """Serve the files beneath DIR (this directory if left out) until told to stop.

    A line on standard error says where; the log follows it there."""
    found = loaded(ctx, config)
    if test:
        return _checked(found)
    warn(found.doubts() if found.config.log_level != "error" else ())
    from .serving import serve  # it brings the engine along

    return serve(found.config, config is not None, lambda: loaded(ctx, config, hosts=False), say)


@cli.command(
    "reload", cls=SectionCommand, short_help="Have a server read its configuration again.", epilog="""\b
Examples:
  tuxpy reload /run/tuxpy.pid
  tuxpy reload -c tuxpy.toml           the server.pid_file of that file""")
@click.argument("pid_file", required=False, metavar="[PIDFILE]", shell_complete=files)
@click.option("--pid", type=click.IntRange(1), metavar="N", help="The number of the process.")
@config_option
def reload_(pid_file: str | None, pid: int | None, config: str | None) -> None:
    """Have the server whose number is in PIDFILE read its configuration again (SIGHUP).

    Its log says what has come of it; `tuxpy check` says before what would be wrong."""
    from ..pidfile import ask_to_reload, read_pid

    if pid is None and pid_file is None and config is not None:
        from ..config import load

        pid_file = load(config, os.environ).pid_file
    if pid is None and not pid_file:
        raise click.UsageError("which server? give its pid file, its --pid, or a -c FILE with server.pid_file")
    ask_to_reload(pid or read_pid(pid_file or ""))


# Looking into it.


@cli.command(cls=SectionCommand, short_help="Watch a running server.", epilog="""\b
Examples:
  tuxpy serve --admin 127.0.0.1:8001 & tuxpy top
  tuxpy top unix:/run/tuxpy/admin.sock""")
@click.argument("address", default="127.0.0.1:8001", metavar="[ADDRESS|unix:PATH]")
def top(address: str) -> int:
    """Show what the server does whose admin listener is at ADDRESS, every second anew.

    q or Ctrl-C ends it; without a terminal it says everything once."""
    from . import top as x

    return x.top(address)


@cli.command(cls=SectionCommand, short_help="Check a configuration.", epilog="""\b
Examples:
  tuxpy check conf/tuxpy.toml          what is wrong, with lines
  tuxpy check --show -p 9000           what holds, and who said so""")
@click.argument("file", required=False, envvar=["TUXPY_SERVE_CONFIG", "TUXPY_CONFIG"], shell_complete=files)
@check_options
@click.option("--show", "printed", cls=SectionOption, is_flag=True, help="Print all values, and where each comes from.")
@click.pass_context
def check(ctx: click.Context, /, file: str | None, printed: bool, **_: Any) -> int:
    """Check the configuration FILE, or tuxpy.toml of this directory, and start nothing.

    All problems are listed, a line each; the exit status is 2 if there are any."""
    bare = printed and file is None and not os.path.exists("tuxpy.toml")  # noqa: PTH110
    return _checked(loaded(ctx, None if bare else file or "tuxpy.toml"), printed)


def _checked(found: Loaded, show: bool = False) -> int:
    """Say that it is good, or all that holds; what is only doubtful goes to standard error."""
    warn(found.doubts())
    click.echo(found.show() if show else found.summary(), nl=not show)
    return 0


@cli.command(cls=SectionCommand, short_help="Say what would be answered, and why.", epilog="""\b
Examples:
  tuxpy explain /docs --root ./www
  tuxpy explain http://localhost:8000/a.css -H 'If-None-Match: "x"' -X HEAD""")
@click.argument("target")
@click.option("-H", "--field", "fields", multiple=True, metavar="'FIELD: VALUE'", help="A field of the request.")
@click.option("-X", "--request", "method", default="GET", show_default=True, metavar="METHOD", help="Its method.")
@click.option("--http1.0", "old", is_flag=True, help="Ask in HTTP/1.0.")
@click.option("--from", "client", metavar="ADDRESS", help="Ask from this address, for rules by address.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")
@click.option(
    "--root", default=".", show_default=True, metavar="DIR", help="The directory that is served.",
    shell_complete=directories,
)
@click.option("--ascii", "ascii_only", is_flag=True, help="Draw with plain characters only.")
@config_option
@site_options
@click.pass_context
def explain(
    ctx: click.Context, /, target: str, fields: tuple[str, ...], method: str, old: bool, client: str | None,
    as_json: bool, ascii_only: bool, config: str | None, **_: Any,
) -> None:  # fmt: skip
    """Say what would be answered to a request for TARGET, a URL or a path, and why.

    No server is needed: the request is judged here, by what judges in the server."""
    from .. import explain as x

    head = x.head_of(target, method, fields, "1.0" if old else "1.1")
    with x.sites(loaded(ctx, config).config.sites) as sites:
        story = x.tell(sites, head, time.time(), x.class_of(sites, client))
    click.echo(x.as_json(story) if as_json else x.as_text(story, ascii_only or _plain_output()), nl=False)


@cli.command(cls=SectionCommand, short_help="Draw a chain.")
@click.argument("name", required=False, shell_complete=_chain_names)
@click.option("--list", "listed", is_flag=True, help="List the chains that are known.")
@click.option("--calls", is_flag=True, help="List the system calls that a chain may make, and their rules.")
@click.option("--ascii", "form", flag_value="ascii", help="Draw with plain characters only.")
@click.option("--dump", "form", flag_value="dump", help="List the atoms instead.")
@click.option("--text", "form", flag_value="text", help="Print a text that can be read again: NAME.chain.")
@click.option("--dot", "form", flag_value="dot", help="Print a graph for Graphviz.")
@click.option("--svg", "form", flag_value="svg", help="Print a picture for browsers.")
@click.option("--diff", "other", metavar="OTHER", help="Print what makes OTHER of it.")
def chain(name: str | None, listed: bool, calls: bool, form: str | None, other: str | None) -> None:
    """Draw the chain NAME as the server runs it, or that of a file; without NAME, list the chains."""
    from .. import chains as x

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


@cli.command(cls=SectionCommand, short_help="Print a script for completion in the shell.", epilog="""\b
Examples:
  tuxpy completion bash > ~/.local/share/bash-completion/completions/tuxpy
  tuxpy completion fish > ~/.config/fish/completions/tuxpy.fish
  eval "$(tuxpy completion zsh)"       in ~/.zshrc""")
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> None:
    """Print the script that teaches SHELL to complete tuxpy."""
    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(cli, {}, "tuxpy", "_TUXPY_COMPLETE").source())
