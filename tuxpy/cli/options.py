"""How the help of the command line looks, where options come from, and the options that several verbs share."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..model import Field
    from ..rules.policy import Policy


class SectionOption(click.Option):
    """An option that belongs to a section of the help."""

    def __init__(self, *args: Any, section: str = "Options", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section


class SectionCommand(click.Command):
    """A command whose options are listed by section, in the order of their definition."""

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
    """The verbs; a directory in the place of a verb is the commonest slip."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        unknown = self.get_command(ctx, args[0]) is None and not args[0].startswith("-")
        if unknown and os.path.isdir(args[0]):  # noqa: PTH112 (pathlib would be imported for this alone)
            ctx.fail(f"{args[0]!r} is no command but a directory: serve it with `tuxpy serve {args[0]}`")
        return super().resolve_command(ctx, args)


def serve_option(*names: str, section: str, **settings: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option of serve: TUXPY_SERVE_NAME and, shorter, TUXPY_NAME stand for it in the environment."""
    word = next(name for name in names if name.startswith("--"))[2:].replace("-", "_").upper()
    variables = [f"TUXPY_SERVE_{word}", f"TUXPY_{word}"]
    return click.option(*names, cls=SectionOption, section=section, envvar=variables, **settings)


def site_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What makes a Policy, for the verb that serves and the one that explains; see policy_of."""
    for option in reversed(
        (
            serve_option(
                "--listing", section="Site", is_flag=True,
                help="Show what a directory without an index holds, as a page or (?format=json) as JSON.",
            ),
            serve_option(
                "--spa", section="Site", is_flag=False, flag_value="index.html", metavar="[FILE]",
                help="Answer with FILE, or index.html, where a page is missing; not for scripts, styles, images.",
            ),
            serve_option("--clean-urls", section="Site", is_flag=True, help="Let /about stand for about.html too."),
            serve_option(
                "--header", section="Site", multiple=True, metavar="'FIELD: VALUE'",
                help="A field that every answer shall have, such as 'X-Frame-Options: DENY'.",
            ),
            serve_option("--no-compress", section="Site", is_flag=True, help="Compress nothing here or beside files."),
            serve_option(
                "--cors", section="Site", multiple=True, metavar="ORIGIN",
                help="Let pages of ORIGIN (https://example.org, https://*.example.org or *) read what is served.",
            ),
        )
    ):
        command = option(command)
    return command


def policy_of(
    listing: bool, spa: str | None, clean_urls: bool, header: tuple[str, ...], no_compress: bool, cors: tuple[str, ...]
) -> Policy:
    """The policy that these options ask for."""
    from ..rules.cors import CorsRule
    from ..rules.fields import EVERYTHING, FieldRule
    from ..rules.policy import Policy

    if spa is not None and (not spa.strip("/") or ".." in spa.split("/")):
        raise ConfigError(f"{spa!r} is no file beneath the root: give a name such as index.html to --spa")
    fallback = None if spa is None else os.fsencode(spa.strip("/"))
    rule = CorsRule.parse(cors) if cors else None
    return Policy(
        listing=listing, clean=clean_urls, fallback=fallback, cors=rule, compress=not no_compress,
        rules=(FieldRule(EVERYTHING, set=tuple(map(_field, header)), where="--header"),) if header else (),
    )


def _field(given: str) -> Field:
    """FIELD: VALUE."""
    from ..rules.fields import field

    name, colon, value = given.partition(":")
    if not colon:
        raise ConfigError(f"{given!r} is no field: give name, colon and value, as in 'X-Frame-Options: DENY'")
    return field(name.strip(), value.strip())
