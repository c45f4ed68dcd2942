"""Write the table in tuxpy/http/mediatypes.py from conf/mime.types; with --check only compare.

The table lies in the module, so nothing is read at start and a wheel needs no data files.
"""

from __future__ import annotations

import sys
from pathlib import Path

CONF = Path(__file__).resolve().parent
SOURCE = CONF / "mime.types"
MODULE = CONF.parent / "tuxpy" / "http" / "mediatypes.py"
BEGIN, END = "# begin table (conf/mime.types)\n", "# end table\n"
WIDTH = 100


def read_types(text: str) -> dict[str, list[str]]:
    """Type to extensions; an extension listed twice is an error."""
    types: dict[str, list[str]] = {}
    seen: set[str] = set()
    for line in text.splitlines():
        name, *extensions = line.partition("#")[0].split() or [""]
        if not name:
            continue
        twice = seen.intersection(extensions)
        if name in types or twice or not extensions:
            raise ValueError(f"mime.types: {line!r} repeats {name} or {twice}, or is empty")
        seen.update(extensions)
        types[name] = extensions
    return types


def table(types: dict[str, list[str]]) -> str:
    """The table as Python, one type a line."""
    lines = ["_TYPES = {\n"]
    for name, extensions in types.items():
        line = f'    "{name}": "{" ".join(extensions)}",\n'
        if len(line) > WIDTH:
            line = f'    "{name}": (\n        "{" ".join(extensions)}"\n    ),\n'
        lines.append(line)
    return "".join([*lines, "}\n"])


def generate(module: str, source: str) -> str:
    """The module's text with its table made new."""
    before, _, rest = module.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + table(read_types(source)) + END + after


def main(arguments: list[str]) -> int:
    old = MODULE.read_text()
    new = generate(old, SOURCE.read_text())
    if "--check" in arguments:
        return 0 if new == old else 1
    MODULE.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
