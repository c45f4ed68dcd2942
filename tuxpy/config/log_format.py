"""Formats of the access log, compiled to steps for C (csrc/log/logline.h). Pure.

A format is one of FORMATS or a template of one's own: text with {name} for the values of NAMES and {field:user-agent}
for a field of the request. No byte of a request can end the line, leave its quotes or reach a terminal as a command:
values are escaped as Apache does, and have no blanks where they stand without quotes. A template that is JSON, with any
values in it, gets values that are JSON.
"""

from __future__ import annotations

import json
import re
from string import Formatter
from typing import Final

from ..errors import ConfigError

# csrc/log/logplan.h: enum tux_log_op, enum tux_log_escape
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
_PLAIN, _QUOTED, _JSON, _INNER = range(4)
_BYTES_MAX, _VALUES_MAX, _FIELDS_MAX = 16384, 64, 32  # csrc/base/limits.h: TUX_LOG_PROGRAM_MAX and its neighbours
_NUMBERS: Final = {"port", "status", "bytes", "count", "ms", "unix_time"}
_BARE: Final = {"time", "clock", "iso_time", "source", "color"}  # never JSON by themselves

_COMMON: Final = '{client} - {user} [{time}] "{line}" {status} {bytes}'
_JSON_VALUES: Final = (
    *(("time", '"{iso_time}"'), ("client", "{client}"), ("user", "{user}"), ("host", "{field:host}")),
    *(("method", "{method}"), ("target", "{target}"), ("version", "{version}"), ("status", "{status}")),
    *(("bytes", "{count}"), ("ms", "{ms}"), ("source", '"{source}"'), ("referer", "{field:referer}")),
    ("user_agent", "{field:user-agent}"),
)
AUTO: Final = "auto"  # terminal where the log goes to one, else combined
FORMATS: Final = {
    "common": _COMMON,
    "combined": _COMMON + ' "{field:referer}" "{field:user-agent}"',
    "json": "{{" + ",".join(f'"{name}":{value}' for name, value in _JSON_VALUES) + "}}",
    "terminal": "{clock} {color}{status}\x1b[0m {method} {target} {count} B {ms} ms {client}",
}


_COLORS: Final = re.compile("\x1b\\[[0-9;]*m")


def compiled(template: str, color: bool = True) -> bytes:
    """The program of a template, for C; without its colours where they are not wanted. Raises ConfigError."""
    pieces = _pieces(template)
    as_json = _is_json(pieces)
    program = bytearray()
    for text, name, spec, inside in pieces:
        said = text if color else _COLORS.sub("", text)
        program += _step(_TEXT, _PLAIN, said.encode("utf-8", "surrogateescape"))
        if name is None or (name == "color" and not color):
            continue
        escape = (_INNER if inside else _JSON) if as_json else _QUOTED if inside else _PLAIN
        program += _step(NAMES[name], escape, spec.lower().encode("utf-8", "surrogateescape"))
    if len(program) > _BYTES_MAX:
        raise ConfigError(f"a format of so many bytes is too long: keep to {_BYTES_MAX}")
    return bytes(program)


def check_format(given: str) -> None:
    """Raises ConfigError for what means nothing."""
    if given != AUTO:
        compiled(FORMATS.get(given, given))


_Piece = tuple[str, str | None, str, bool]  # text, then a value and the field it is of; whether that is between quotes


def _pieces(template: str) -> list[_Piece]:
    """Raises ConfigError."""
    try:
        parsed = list(Formatter().parse(template))
    except ValueError as error:
        raise ConfigError(f"{template!r} is not a format: {error}; write {{{{ for a brace") from None
    if found := re.search("[\\n\\r\\0]", template):
        raise ConfigError(f"{template!r} is not a format: {found[0]!r} would break its line; leave it out")
    pieces: list[_Piece] = []
    inside = False
    for text, name, spec, conversion in parsed:
        inside ^= len(re.findall(r'(?:\\.|[^"\\])*"', text)) % 2 == 1
        pieces.append((text, name, spec or "", inside))
        if name is not None and (name not in NAMES or conversion or (bool(spec) != (name == "field"))):
            known = ", ".join(f"{{{one}}}" for one in NAMES if one != "field")
            raise ConfigError(f"{{{name}}} is nothing that can be logged: give {known}, or {{field:user-agent}}")
    values = [(name, spec.lower()) for _, name, spec, _ in pieces if name is not None]
    if len(values) > _VALUES_MAX:
        raise ConfigError(f"{len(values)} values are too many for one line: name {_VALUES_MAX} at most")
    if len(fields := {spec for name, spec in values if name == "field"}) > _FIELDS_MAX:
        raise ConfigError(f"{len(fields)} fields are too many for one line: name {_FIELDS_MAX} at most")
    return pieces


def _is_json(pieces: list[_Piece]) -> bool:
    """Whether a line is JSON, whatever the values are."""
    sample = ""
    for text, name, _, inside in pieces:
        sample += text
        if name == "color":
            sample += "\x1b"
        elif name is not None:
            sample += "x" if inside or name in _BARE else "0" if name in _NUMBERS else '""'
    try:
        return isinstance(json.loads(sample), dict | list)
    except (ValueError, RecursionError):
        return False


def _step(op: int, escape: int, argument: bytes) -> bytes:
    if len(argument) > 0xFFFF:
        raise ConfigError(f"a format of so many bytes is too long: keep to {_BYTES_MAX}")
    return bytes((op, escape)) + len(argument).to_bytes(2, "little") + argument if argument or op else b""
