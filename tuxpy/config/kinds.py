"""Kinds of values: what a key may hold, how that is read, and what an editor is told of it.

A value comes as TOML has it, or as a word: from the environment, or from a text in which a variable stood. `value_of`
and `value_of_word` read both, and raise ConfigError, which says what was expected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Final

from ..errors import ConfigError
from ..values import value_class
from .processors import WORKERS_MAX, parse_workers
from .settings import BACKENDS, COLORS, LOG_LEVELS
from .words import parse_duration, parse_rate, parse_size

Schema = Mapping[str, object]


class Unexpected(Exception):
    """The value is of another kind."""


@value_class(frozen=True, slots=True)
class Kind:
    """One kind.

    expected   what it is, behind the word "expected"
    read       a value of TOML to ours; raises Unexpected, or ConfigError for what no such value can be
    schema     JSON Schema
    word       a word to a value of TOML
    choices    the only values, if they can be listed
    """

    expected: str
    read: Callable[[Any], Any]
    schema: Schema
    word: Callable[[str], object] = field(default=lambda word: word)
    choices: tuple[str, ...] = ()


def value_of(kind: Kind, given: object) -> Any:
    """What a value of TOML means."""
    try:
        return kind.read(given)
    except Unexpected:
        raise ConfigError(f"expected {kind.expected}, not {described(given)}") from None


def value_of_word(kind: Kind, word: str) -> Any:
    """What a word means."""
    return value_of(kind, kind.word(word))


def described(given: object) -> str:
    """What was given instead, by its kind; a text by itself, as it may be a slip of the pen."""
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, str):
        return "a text" if len(given) > 40 else repr(given)
    if isinstance(given, list):
        return next((f"a list with {described(one)} in it" for one in given if not isinstance(one, str)), "a list")
    if isinstance(given, int | float):
        return "a number"
    return "a table" if isinstance(given, dict) else "a date or time"


# How they are read.


def _bool(given: object) -> bool:
    if not isinstance(given, bool):
        raise Unexpected
    return given


def _whole(given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int):
        raise Unexpected
    return given


def _text(given: object) -> str:
    if not isinstance(given, str):
        raise Unexpected
    if not given:
        raise ConfigError("the text is empty: write something, or remove the key")
    return given


def _path(given: object) -> str:
    path = _text(given)
    if "\0" in path:
        raise ConfigError(f"{path!r} is not a path: take the NUL out")
    return path


def _maybe_text(given: object) -> str:
    return "" if given == "" else _text(given)


def _maybe_path(given: object) -> str:
    return "" if given == "" else _path(given)


def _mode(given: object) -> int:
    word = _text(given)
    if not (len(word) in (3, 4) and all(digit in "01234567" for digit in word) and int(word, 8) <= 0o777):
        raise ConfigError(f"{word!r} is not a mode: give three octal digits with a zero in front, as in 0660")
    return int(word, 8)


def _list(given: object) -> list[Any]:
    if not isinstance(given, list):
        raise Unexpected
    return given


def _texts(given: object) -> tuple[str, ...]:
    return tuple(map(_text, _list(given)))


def _statuses(given: object) -> tuple[int, ...]:
    return tuple(map(_status, _list(given)))


def _status(given: object) -> int:
    status = _whole(given)
    if not 100 <= status <= 599:
        raise ConfigError(f"{status} is not a status: give a number of three digits, as in 404")
    return status


def _table(given: object) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise Unexpected
    return given


def _pairs(given: object) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in _table(given).items() if isinstance(value, str) or _fail())


def _pairs_of_lists(given: object) -> tuple[tuple[str, str], ...]:
    lists = ((name, value if isinstance(value, list) else [value]) for name, value in _table(given).items())
    return tuple((name, value) for name, values in lists for value in values if isinstance(value, str) or _fail())


def _fail() -> bool:
    raise Unexpected


def _error_pages(given: object) -> dict[int, str]:
    pages: dict[int, str] = {}
    for word, page in _pairs(given):
        if not (word.isascii() and word.isdigit() and 400 <= int(word) <= 599):
            raise ConfigError(f"{word!r} is not an error status: give a number from 400 to 599")
        pages[int(word)] = page
    return pages


def _duration(given: object) -> float:
    return parse_duration(_text(given))


def _size(given: object) -> int:
    return parse_size(given) if isinstance(given, str) else _whole(given)


def _rate(given: object) -> float:
    return parse_rate(_text(given))


def _workers(given: object) -> int | str:
    """A number, or auto: how many that is the machine says, not the text."""
    if given == "auto":
        return "auto"
    number = given if isinstance(given, str) else _whole(given)
    parse_workers(str(number))
    if isinstance(number, str):
        raise Unexpected
    return number


def _bool_or_text(given: object) -> bool | str:
    return given if isinstance(given, bool) else _text(given)


# Words.

_SAID: Final = {
    **dict.fromkeys(("1", "true", "yes", "on", "t", "y"), True),
    **dict.fromkeys(("0", "false", "no", "off", "f", "n"), False),
}


def _bool_word(word: str) -> object:
    return _SAID.get(word.strip().lower(), word)


def _whole_word(word: str) -> object:
    # int: TOML knows signs; other digits than ASCII and underscores are no numbers of an operator
    return int(word) if word.isascii() and word.removeprefix("-").isdigit() else word


def _words(word: str) -> object:
    return word.split()


def _true_false_word(word: str) -> object:
    """Only these two: any other word is the name of a file."""
    return {"true": True, "false": False}.get(word, word)


# The kinds.


def choice(*choices: str) -> Kind:
    """One of a few words, in any case."""

    def read(given: object) -> str:
        if not isinstance(given, str) or given.lower() not in choices:
            raise Unexpected
        return given.lower()

    return Kind(f"one of {', '.join(choices)}", read, {"enum": list(choices)}, choices=choices)


_TEXT: Final[Schema] = {"type": "string"}
_TEXTS: Final[Schema] = {"type": "array", "items": _TEXT}
_LINES: Final[Schema] = {"type": "object", "additionalProperties": _TEXT}

BOOL: Final = Kind("true or false", _bool, {"type": "boolean"}, _bool_word)
WHOLE: Final = Kind("a whole number", _whole, {"type": "integer"}, _whole_word)
STATUS: Final = Kind("a status", _status, {"type": "integer", "minimum": 100, "maximum": 599}, _whole_word)
TEXT: Final = Kind("a text", _text, _TEXT)
PATH: Final = Kind("a path", _path, _TEXT)  # relative to where it is written
MAYBE_TEXT: Final = Kind('a text, or "" for none', _maybe_text, _TEXT)
MAYBE_PATH: Final = Kind('a path, or "" for none', _maybe_path, _TEXT)
MODE: Final = Kind('a mode such as "0660"', _mode, {"type": "string", "pattern": r"^0?[0-7]{3}$|\$\{"})
DURATION: Final = Kind(
    'a duration such as "30s"', _duration, {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$|\$\{"}
)
SIZE: Final = Kind('a size such as "10MiB"', _size, {"type": ["string", "integer"]}, _whole_word)
RATE: Final = Kind('a rate such as "20/s", or off', _rate, {"type": "string", "pattern": r"^[0-9]+/[smh]$|^off$|\$\{"})
NAMES: Final = Kind("a list of names", _texts, _TEXTS, _words)
PATTERNS: Final = Kind("a list of patterns", _texts, _TEXTS, _words)
ADDRESSES: Final = Kind("a list of addresses", _texts, _TEXTS, _words)
ORIGINS: Final = Kind("a list of origins, or a table", _texts, _TEXTS, _words)
STATUSES: Final = Kind("a list of statuses", _statuses, {"type": "array", "items": {"type": "integer"}})
FIELDS: Final = Kind("a table of fields with their values", _pairs, _LINES)
FIELD_LISTS: Final = Kind(
    "a table of fields with a value or a list of values", _pairs_of_lists,
    {"type": "object", "additionalProperties": {"anyOf": [_TEXT, _TEXTS]}},
)
PARAMETERS: Final = Kind("a table of parameters with their values", _pairs, _LINES)
TYPES: Final = Kind("a table of extensions with their media types", _pairs, _LINES)
PAGES: Final = Kind(
    "a table of statuses with their pages", _error_pages,
    {"type": "object", "patternProperties": {"^[45][0-9][0-9]$": _TEXT}, "additionalProperties": False},
)
FALLBACK: Final = Kind(
    "true, false or the name of a file", _bool_or_text, {"type": ["boolean", "string"]}, _true_false_word
)
WORKERS: Final = Kind(
    "a number or auto", _workers,
    {"anyOf": [{"type": "integer", "minimum": 1, "maximum": WORKERS_MAX}, {"const": "auto"}]}, _whole_word,
)
BACKEND: Final = choice(*BACKENDS)
LEVEL: Final = choice(*LOG_LEVELS)
COLOR: Final = choice(*COLORS)
TABLE: Final = Kind("a table", _table, {"type": "object"})
TABLES: Final = Kind("an array of tables", _list, {"type": "array"})
SWITCH: Final = Kind("true, false or a table", _bool, {"type": "boolean"}, _bool_word)  # a table has keys of its own
