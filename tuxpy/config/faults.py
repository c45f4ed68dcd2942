"""What is wrong with a text that is no TOML, in words that an operator can act on. Pure.

The library names the sign at which it gave up; here the line is looked at for the slips that people make: texts without
quotes, colons in place of equals signs, [site] beside [[site]], a file that belongs to another server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from . import foreign
from .keys import SECTIONS
from .toml import Fault

_PLACE = re.compile(r"(.*) \(at (?:line ([0-9]+), column ([0-9]+)|end of document)\)", re.DOTALL)
_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*(\]\]?)\s*(?:#.*)?$")
_PAIR = re.compile(r"\s*([A-Za-z0-9_.\"'-]+)\s*=\s*(.*?)\s*$")
_COMMENT = re.compile(r"\s+#.*$")
_COLON = re.compile(r"\s*([A-Za-z0-9_-]+)\s*:\s")
_DIRECTIVE = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\b(?!\s*[=.\]])")
_NUMBER = re.compile(r"[+-]?(?:0x[0-9a-f_]+|0o[0-7_]+|0b[01_]+|[0-9_]+(?:\.[0-9_]+)?(?:e[+-]?[0-9_]+)?|inf|nan)", re.I)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*|[0-9]{2}:[0-9]{2}.*")
_SWITCHES: Final = {
    **dict.fromkeys(("yes", "on", "true"), "true"),
    **dict.fromkeys(("no", "off", "false", "none", "null"), "false"),
}


def told(text: str, error: Fault) -> Iterator[tuple[int, str]]:
    """(line, sentence): what is wrong with a text that raised `error`; several where the file is another server's.

    Line 0 is the file as a whole."""
    owner = foreign.whose(text)
    if owner is not None:
        yield 0, (
            f"this is a configuration of {owner}, and tuxpy reads TOML: `tuxpy init` writes a file to begin with;"
            " what its words are here follows"
        )
        for number, word, advice in foreign.words_in(text):
            yield number, f"{word} of {owner}: {advice}"
        return
    found = _PLACE.fullmatch(str(error))
    line = int(found[2]) if found and found[2] else text.count("\n") + 1
    said = _twice(text) or _slip(text, line)
    if said is not None:
        yield said
        return
    what = found[1] if found else str(error)
    where = f" (column {found[3]})" if found and found[3] else ""
    yield line, f"this is not TOML: {what[:1].lower()}{what[1:]}{where}"


# Headers.


def _twice(text: str) -> tuple[int, str] | None:
    """A table that is opened twice, or as one and as one of several."""
    seen: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        header = _HEADER.match(line)
        if header is None or len(header[1]) != len(header[3]):
            continue
        name = re.sub(r"\s*\.\s*", ".", header[2])
        before, kind = seen.setdefault(name, (number, header[1]))
        if header[1] == "[[" and kind == "[[":
            seen = {known: place for known, place in seen.items() if not known.startswith(f"{name}.")}
        elif kind != header[1]:
            both = f"[{name}] and [[{name}]] are both in this file (lines {before} and {number})"
            return number, f"{both}: write [[{name}]] for each, with two brackets"
        elif before != number:
            several = f"write [[{name}]] for each of several" if name == "site" else "put its keys together"
            return number, f"[{name}] is in line {before} already: {several}"
    return None


# Lines.


def _slip(text: str, line: int) -> tuple[int, str] | None:
    """What is wrong with the line, if it is one of the usual slips."""
    lines = text.split("\n")
    number, said = line, lines[line - 1] if line <= len(lines) else ""
    pair = _PAIR.match(said)
    if pair is not None and not said.lstrip().startswith(("[", "#")):
        sentence = _value(pair[1], pair[2]) or _again(lines, line, pair[1])
        return None if sentence is None else (number, sentence)
    colon = _COLON.match(said)
    if colon is not None:
        return number, f"a key and its value have an equals sign between them: write {colon[1]} = ..."
    word = _DIRECTIVE.match(said)
    if word is not None:
        known = foreign.advice(word[1])
        if known is not None:
            return number, f"{word[1]}: {known}"
        return number, f'this is not a key with a value: write {word[1]} = "..."'
    return None


def _value(key: str, said: str) -> str | None:
    """A sentence where a value has no form that TOML knows."""
    bare = _COMMENT.sub("", said).rstrip(";,").strip()
    if not bare:
        return f'{key} has no value: write one, as in {key} = "..."'
    if bare[0] in "\"'":
        if bare.count(bare[0]) == 1:
            return f"the text of {key} has no quote at its end: write one"
        if said.endswith(";"):
            return f"there is a semicolon behind the value of {key}: take it out"
        if "\\" in bare and bare[0] == '"':
            return f"a backslash in double quotes must be written twice; or put the text of {key} into single quotes"
        return None
    if bare[0] == "[":
        if bare[-1] == "]" and "," not in bare and bare[1:2] not in "\"'[{]":
            return f'texts need quotes, those in lists as well: write {key} = ["{bare[1:-1].strip()}"]'
        return None
    if bare[0] == "{" or bare in ("true", "false"):
        return None
    if bare.lower() in _SWITCHES:
        return f"{bare!r} is not a TOML value: write {key} = {_SWITCHES[bare.lower()]}"
    if _NUMBER.fullmatch(bare) or _DATE.fullmatch(bare):
        return None
    return f'texts need quotes: write {key} = ' + (f'["{bare}"]' if _is_list(key) else f'"{bare}"')


def _is_list(key: str) -> bool:
    """Whether a key of this name has a list in every section that has one."""
    found = [known for section in SECTIONS.values() if (known := section.get(key)) is not None]
    return bool(found) and all(isinstance(known.default, list) for known in found)


def _again(lines: list[str], line: int, key: str) -> str | None:
    """The same key stands above, in the same table."""
    for number in range(line - 1, 0, -1):
        above = lines[number - 1]
        if _HEADER.match(above):
            return None
        pair = _PAIR.match(above)
        if pair is not None and pair[1] == key and not above.lstrip().startswith("#"):
            return f"{key} is in line {number} already: keep one of them"
    return None
