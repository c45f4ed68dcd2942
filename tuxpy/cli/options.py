"""How the help of the command line looks, and the options that several verbs share.

What an option means is declared in config/flags.py and config/keys.py; here they become click's. Values are read and
checked there too, from the words as they were given: click only sorts the words.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from ..config.flags import FLAGS, Flag
from ..config.kinds import WHOLE

if TYPE_CHECKING:
    from ..config.loading import Loaded


class SectionOption(click.Option):
    """An option that belongs to a section of the help. `optional` is its value when none is given with it."""

    def __init__(self, *args: Any, section: str = "Options", optional: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section, self.optional = section, optional

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        found = super().get_help_record(ctx)
        return found and (found[0].replace(" [=", "[="), found[1])


class SectionCommand(click.Command):
    """A command whose options are listed by section, in the order of their definition; what has none comes last.

    `section` is its own, among the verbs.
    """

    def __init__(self, *args: Any, section: str = "Commands", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """A value that may be left out is given with an equals sign, so `--spa dist` has none and `dist` is DIR."""
        return super().parse_args(ctx, list(self._with_values(ctx, args)))

    def _with_values(self, ctx: click.Context, args: list[str]) -> Iterator[str]:
        optional = {
            name: param.optional
            for param in self.get_params(ctx)
            if isinstance(param, SectionOption) and param.optional
            for name in param.opts
        }
        plain = args.index("--") if "--" in args else len(args)
        for place, arg in enumerate(args):
            if place >= plain or arg not in optional:
                yield arg
                continue
            after = args[place + 1] if place + 1 < len(args) else ""
            if after.endswith((".html", ".htm")) and not os.path.isdir(after):  # noqa: PTH112
                ctx.fail(f"{arg} takes its value with an equals sign: write {arg}={after}")
            yield f"{arg}={optional[arg]}"

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):  # arguments stand in the text
                sections.setdefault(getattr(param, "section", "Options"), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records, col_max=26)


class Verbs(click.Group):
    """The verbs, by section; a directory in the place of a verb is the commonest slip."""

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, verb in self.commands.items():
            sections.setdefault(getattr(verb, "section", "Commands"), []).append((name, verb.get_short_help_str(100)))
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        unknown = self.get_command(ctx, args[0]) is None and not args[0].startswith("-")
        if unknown and os.path.isdir(args[0]):  # noqa: PTH112 (pathlib would be imported for this alone)
            ctx.fail(f"{args[0]!r} is a directory, not a command: serve it with `tuxpy serve {args[0]}`")
        return super().resolve_command(ctx, args)


def directories(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(incomplete, type="dir")]  # the shell itself completes


def files(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(incomplete, type="file")]


# Options.

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """All options that stand for the configuration, DIR apart."""
    return _with(FLAGS, command)


def check_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same for the verb that has a --show of its own; TUXPY_SHOW still says which names are shown."""
    return _with([flag for flag in FLAGS if flag.name != "show"], command)


def site_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Those that say how a site answers."""
    return _with([flag for flag in FLAGS if flag.key is None or flag.key[0] == "site"], command, ("Where",))


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The configuration file."""
    return click.option(
        "-c", "--config", cls=SectionOption, metavar="FILE", envvar=["TUXPY_SERVE_CONFIG", "TUXPY_CONFIG"],
        help="Configuration file; options win over it.", shell_complete=files,
    )(command)


def _with(flags: Collection[Flag], command: Callable[..., Any], without: Collection[str] = ()) -> Callable[..., Any]:
    for flag in reversed([*flags]):
        if flag.names[-1].startswith("--") and flag.group not in without:
            command = _option(flag)(command)
    return command


def _option(flag: Flag) -> Decorator:
    key = flag.declared
    settings: dict[str, Any] = {"metavar": flag.metavar or None}
    if flag.switch is not None:
        settings = {"is_flag": True}
    elif flag.optional:
        settings["optional"] = flag.optional
    elif flag.several:
        settings["multiple"] = True
        settings["type"] = _Lines() if flag.lines else None
    elif key is not None:
        settings["default"] = key.default
        settings["type"] = int if key.kind is WHOLE else None
        if key.kind.choices:
            settings["type"] = click.Choice(key.kind.choices, case_sensitive=False)
    return click.option(
        *flag.names, cls=SectionOption, section=flag.group, envvar=list(flag.variables), help=_help(flag), **settings
    )


def _help(flag: Flag) -> str:
    key = flag.declared
    if flag.help or key is None:
        return flag.help
    if flag.switch is not None or not isinstance(key.default, int | str) or isinstance(key.default, bool):
        return key.help
    said, choices = key.help, key.kind.choices
    if choices and "|" not in flag.metavar:  # nothing else would say them
        said = f"{', '.join(choices[:-1])} or {choices[-1]}."
    return f"{said}  [default: {key.default}]"


class _Lines(click.types.StringParamType):
    """Values with blanks in them: in the environment each has a line."""

    envvar_list_splitter = "\n"


# What was asked for.


def not_said(ctx: click.Context, name: str) -> bool:
    """Whether neither an option nor a variable says this."""
    return ctx.get_parameter_source(name) in (None, ParameterSource.DEFAULT)


def loaded(ctx: click.Context, config: str | None, machine: bool = True) -> Loaded:
    """The configuration that the file, the environment and the command line make together.

    The argument DIR, or the option --root, is the root.
    machine: users and hosts are looked up here, which may take a while.
    Raises ConfigError for a file system that does not answer.
    """
    from ..base.time_limit import in_time

    return in_time(lambda: loaded_here(ctx, config, machine))


def loaded_here(ctx: click.Context, config: str | None, machine: bool = True) -> Loaded:
    """The same on this thread, which waits for every file system."""
    from ..config.loading import load_all

    return load_all(config, os.environ, dict(_given(ctx)), machine=machine)


def _given(ctx: click.Context) -> Iterator[tuple[str, object]]:
    """The options of the command line by name, without those that only have a default or a variable."""
    names = {flag.name for flag in FLAGS}
    for param, value in ctx.params.items():
        name = {"directory": "dir", "root": "dir"}.get(param, param)
        source = ctx.get_parameter_source(param)
        own = param == "root" and source is ParameterSource.ENVIRONMENT  # TUXPY_EXPLAIN_ROOT is click's
        if name in names and (own or source is ParameterSource.COMMANDLINE):
            yield name, value
