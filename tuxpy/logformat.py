"""Formats of the access log, compiled to steps for C (csrc/logline.h). Pure.

A format is one of FORMATS or a template of one's own: text with {name} for the values of NAMES and {field:user-agent}
for a field of the request. Between double quotes a value is escaped as Apache does; everywhere else, too, no byte of a
request can end the line or reach a terminal as a command.
"""

from __future__ import annotations

from string import Formatter
from typing import Final

from .errors import ConfigError

# csrc/logline.h: enum tux_log_op, enum tux_log_escape
NAMES: Final = {
    name: number
    for number, name in enumerate(
        (
            *("", "field", "client", "peer", "port", "time", "clock", "iso_time", "unix_time", "line", "method"),
            *("target", "version", "status", "bytes", "count", "ms", "source", "user", "color"),
        )
    )
    if name
}
_TEXT, _FIELD = 0, 1
_PLAIN, _QUOTED, _JSON = range(3)

_COMMON: Final = '{client} - {user} [{time}] "{line}" {status} {bytes}'
_JSON_VALUES: Final = (
    *(("time", '"{iso_time}"'), ("client", "{client}"), ("user", "{user}"), ("host", "{field:host}")),
    *(("method", "{method}"), ("target", "{target}"), ("version", "{version}"), ("status", "{status}")),
    *(("bytes", "{count}"), ("ms", "{ms}"), ("source", '"{source}"'), ("referer", "{field:referer}")),
    ("user_agent", "{field:user-agent}"),
)
FORMATS: Final = {
    "common": _COMMON,
    "combined": _COMMON + ' "{field:referer}" "{field:user-agent}"',
    "json": "{{" + ",".join(f'"{name}":{value}' for name, value in _JSON_VALUES) + "}}",
    "terminal": "{clock} {color}{status}\x1b[0m {method} {target} {count} B {ms} ms {client}",
}


def compiled(template: str) -> bytes:
    """The program of a template, for C. Raises ConfigError."""
    as_json = template == FORMATS["json"]
    program = bytearray()
    before = ""
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as error:
        raise ConfigError(f"{template!r} is no format: {error}; write {{{{ for a brace") from None
    for text, name, spec, conversion in pieces:
        program += _step(_TEXT, _PLAIN, text.encode())
        before = text or before
        if name is None:
            continue
        if name not in NAMES or conversion or (bool(spec) != (name == "field")):
            known = ", ".join(f"{{{one}}}" for one in NAMES if one != "field")
            raise ConfigError(f"{{{name}}} is nothing that can be logged: give {known}, or {{field:user-agent}}")
        escape = _JSON if as_json else _QUOTED if before.endswith('"') else _PLAIN
        program += _step(NAMES[name], escape, (spec or "").lower().encode())
        before = ""
    return bytes(program)


def check_format(given: str) -> None:
    """Raises ConfigError for what means nothing."""
    compiled(FORMATS.get(given, given))


def _step(op: int, escape: int, argument: bytes) -> bytes:
    if len(argument) > 0xFFFF:
        raise ConfigError("a format of so many bytes is too long: keep to 65535")
    return bytes((op, escape)) + len(argument).to_bytes(2, "little") + argument if argument or op else b""
