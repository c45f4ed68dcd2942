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
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import get_completion_class

from .. import __version__
from ..base.time_limit import in_time
from ..config.problems import Problems
from ..errors import ConfigError, TuxError
from . import looking
from .options import (
    SectionCommand,
    SectionOption,
    Verbs,
    check_options,
    config_option,
    directories,
    files,
    loaded,
    loaded_here,
    not_said,
    server_options,
)
from .telling import drop_unwritable, fail, say, tell, warn

if TYPE_CHECKING:
    from ..config.loading import Loaded


def main(args: Sequence[str] | None = None) -> int:
    """The console script: run a verb, turn what went wrong into a line and an exit code."""
    for stream in ("stdout", "stderr"):  # closed by our parent: no socket may take its number
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


# The verbs.

_SETTINGS = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "TUXPY", "max_content_width": 100}


@click.group(cls=Verbs, context_settings=_SETTINGS, invoke_without_command=True)
@click.version_option(__version__, "-V", "-v", "--version", message="tuxpy %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """A static file web server whose life cycle is a program of system calls.

    \b
    tuxpy serve ./www                 serve a directory at http://127.0.0.1:8000/
    tuxpy init                        write a configuration file to start from
    tuxpy check tuxpy.toml            check a configuration file
    tuxpy explain /index.html         show what the server would answer, and why
    tuxpy top                         show what a server with --admin is doing
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@cli.command(
    cls=SectionCommand,
    section="Serving",
    short_help="Serve a directory.",
    epilog="""\b
Examples:
  tuxpy serve                          this directory, for this machine only
  tuxpy serve ./www -p 9000            at another port
  tuxpy serve ./www -b 0.0.0.0:80      for other machines, too

Every option has an environment variable, such as TUXPY_PORT for --port. Options win over
variables, and variables over the file.

SIGTERM and SIGINT let connections finish; a second one ends at once. SIGHUP
reloads the configuration, SIGUSR2 starts the program anew.""",
)
@click.argument(
    "directory", default=".", metavar="[DIR]", envvar=["TUXPY_SERVE_DIR", "TUXPY_DIR"], shell_complete=directories
)
@server_options
@config_option
@click.option(
    "-t", "--test", cls=SectionOption, is_flag=True, envvar=["TUXPY_SERVE_TEST", "TUXPY_TEST"],
    help="Check everything and start nothing, like `tuxpy check`.",
)
@click.version_option(__version__, "-V", "--version", message="tuxpy %(version)s")
@click.pass_context
def serve(ctx: click.Context, /, config: str | None, test: bool, **_: Any) -> int:
    """Serve the files in DIR, by default this one; the log goes to standard error."""
    found = loaded(ctx, config)
    if test:
        return _checked(found)
    if found.config.log_level != "error":
        warn(in_time(lambda: found.doubts(rules_files=False)))
    from .serving import serve  # it brings the engine along

    shows = config is None and not_said(ctx, "access_log")
    return serve(found.config, config is not None, lambda: loaded_here(ctx, config, machine=False), say, shows)


@cli.command(
    "reload", cls=SectionCommand, section="Serving", short_help="Make a server read its configuration again.",
    epilog="""\b
Examples:
  tuxpy reload /run/tuxpy.pid
  tuxpy reload -c tuxpy.toml           take server.pid_file from that file""")
@click.argument("pid_file", required=False, metavar="[PIDFILE]", shell_complete=files)
@click.option("--pid", type=click.IntRange(1), metavar="N", help="The process number of the server.")
@click.option(
    "--wait", "wait_s", type=click.FloatRange(0.1, 3600), default=60.0, show_default=True, metavar="SECONDS",
    help="How long to wait for the outcome.",
)
@config_option
def reload_(pid_file: str | None, pid: int | None, wait_s: float, config: str | None) -> None:
    """Make the server whose process number is in PIDFILE read its configuration again.

    The command waits for the outcome. It exits 0 when the new configuration is in force. It exits 1 when the server
    refused it and kept the old one, for the reason shown, or when no outcome came in time. It exits 2 when there is
    no such server."""
    from ..process.pidfile import read_pid
    from ..serving.reload_outcome import reload_and_wait

    if pid is None and pid_file is None and config is not None:
        from ..config import load

        pid_file = load(config, os.environ).pid_file
    if pid is None and not pid_file:
        raise click.UsageError("no server is named: give its pid file, --pid N, or -c FILE with server.pid_file")
    kept = reload_and_wait(pid or read_pid(pid_file or ""), wait_s)
    if kept:
        say(f"tuxpy: {', '.join(kept)} cannot change while the server runs: restart the server to change that")


@cli.command(cls=SectionCommand, section="Configuring", short_help="Write files to start from.", epilog="""\b
Examples:
  tuxpy init                           tuxpy.toml: every key with its default
  tuxpy init --systemd                 tuxpy.service and tuxpy.socket for this program""")
@click.argument("file", required=False, metavar="[FILE|DIR]", shell_complete=files)
@click.option("--systemd", "kind", flag_value="systemd", help="Write units for systemd.")
@click.option("--logrotate", "kind", flag_value="logrotate", help="Write rules for logrotate.")
@click.option("--dashboard", "kind", flag_value="dashboard", help="Write a dashboard for Grafana.")
@click.option("-f", "--force", is_flag=True, help="Replace files that exist.")
def init(file: str | None, kind: str | None, force: bool) -> None:
    """Write a commented configuration to FILE, by default tuxpy.toml. Files that exist are kept."""
    from .init import write

    done = write(kind or "config", file, force)
    click.echo(f"written: {' '.join(done.paths)}")
    for note in done.notes:
        say(note)


@cli.command(cls=SectionCommand, section="Configuring", short_help="Check a configuration.", epilog="""\b
Examples:
  tuxpy check conf/tuxpy.toml          list what is wrong, with lines
  tuxpy check --show -p 9000           print all values, and where each comes from""")
@click.argument("file", required=False, envvar=["TUXPY_SERVE_CONFIG", "TUXPY_CONFIG"], shell_complete=files)
@check_options
@click.option("--show", "printed", cls=SectionOption, is_flag=True, help="Print all values, and where each comes from.")
@click.pass_context
def check(ctx: click.Context, /, file: str | None, printed: bool, **_: Any) -> int:
    """Check the configuration FILE, by default tuxpy.toml, and start nothing.

    The command lists all problems, one per line, and exits 2 if there are any."""
    bare = printed and file is None and not os.path.exists("tuxpy.toml")  # noqa: PTH110
    return _checked(loaded(ctx, None if bare else file or "tuxpy.toml"), printed)


def _checked(found: Loaded, show: bool = False) -> int:
    """Say that it is good, or all that holds; what is only doubtful goes to standard error."""
    warn(in_time(found.doubts))
    click.echo(found.show() if show else found.summary(), nl=not show)
    return 0


@cli.command(cls=SectionCommand, section="Configuring", short_help="Print a script for shell completion.", epilog="""\b
Examples:
  tuxpy completion bash > ~/.local/share/bash-completion/completions/tuxpy
  tuxpy completion fish > ~/.config/fish/completions/tuxpy.fish
  eval "$(tuxpy completion zsh)"       in ~/.zshrc""")
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> None:
    """Print the script with which SHELL completes tuxpy commands."""
    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(cli, {}, "tuxpy", "_TUXPY_COMPLETE").source())


for verb in (looking.top, looking.explain, looking.chain):
    cli.add_command(verb)
