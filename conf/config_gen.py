"""Write docs/configuration.md and conf/tuxpy.schema.json from tuxpy/config/keys.py; with --check only compare.

Both are made from the tables that the reader of configuration files uses, so they always agree with it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tuxpy.config.flags import FLAGS, Flag  # noqa: E402
from tuxpy.config.keys import SECTIONS, Key  # noqa: E402
from tuxpy.config.kinds import TABLE, TABLES  # noqa: E402
from tuxpy.config.show import toml_of  # noqa: E402

SCHEMA = ROOT / "conf" / "tuxpy.schema.json"
PAGE = ROOT / "docs" / "configuration.md"

INTRODUCTION = """\
# Configuration

<!-- Written by conf/config_gen.py from tuxpy/config/keys.py. -->

```sh
tuxpy serve -c tuxpy.toml     # serve by a file
tuxpy check tuxpy.toml        # list what is wrong: file, line, key, and what was expected
tuxpy check --show tuxpy.toml # print all values in force, and where each comes from
```

A configuration is a TOML file. `tuxpy init` writes one that has every key with its default and a comment. Its first
line names a JSON schema, so editors can complete and check the keys.

**Precedence.** An option of the command line wins over an environment variable, a variable over the file, and the file
over the default. An option for a site applies to every site of the file. `--hide`, `--show` and `--error-page` add to
the values of the file. `--header`, `--allow`, `--deny` and `--auth-file` add one more rule for all paths. Every other
option replaces its key. `--host` and `--port` replace those parts of the addresses in the file.

**Values.** Write durations as `"500ms"`, `"30s"`, `"2m"`, `"1h"`, `"1d"`. Every text may contain `${NAME}`, which
stands for an environment variable, or `${NAME:-default}` with a default for a variable that is unset or empty; `$$` is
a dollar sign. Such a text is also allowed where a number, true or false is expected. Paths in the file are relative to
its directory, paths in options to the current directory.

**Errors.** An unknown key is an error. The server lists all problems, one per line, exits with status 2 and starts
nothing. If you write a word of nginx, Caddy or Apache, it names the key that does the same. It also checks users,
addresses and directories: whether the user exists, whether the address belongs to this machine, and whether that user
may enter the root.

**Warnings.** `tuxpy check`, `tuxpy serve` and a reload warn of settings that are allowed but probably a mistake: rules
that an earlier rule makes useless, pages for a status that no site sends, and files or users that do not exist.

**Several sites.** Write `[[site]]` for each site, followed by its tables. A request goes to the site that has its host
in `hosts`.

```toml
[[site]]
root = "/srv/example"
hosts = ["example.org", "www.example.org"]

[[site.redirects]]
from = "/old/*"
to = "/new/:splat"

[[site]]
root = "/srv/others"
```

**Paths in rules.** The server compares a pattern with the decoded path, byte by byte.

| pattern | matches |
|---|---|
| `/img/*.png` | `*` matches any bytes within one segment |
| `/docs/*` | everything below, and `/docs/` itself; `:splat` holds the matched part |
| `/**/draft/*.html` | `**` matches any number of whole segments |
| `/blog/:year/:slug` | `:name` matches one whole segment |
| `/app.{js,css}` | either ending |
| `*.css` | without a slash: such files in every directory |
| `/a%2Ab` | a byte by its number, here a literal star |
"""


# The page.


def page() -> str:
    """The reference, section by section."""
    options = {flag.key: flag for flag in FLAGS if flag.key}
    parts = [INTRODUCTION]
    for name, section in SECTIONS.items():
        if name:
            rows = [_row(key, options.get((name, key.name))) for key in section.keys]
            head = "| key | value | default | meaning | option |\n|---|---|---|---|---|\n"
            parts.append(f"## `{_header(name)}`\n\n{section.about}\n\n{head}" + "".join(rows))
    parts.append(
        "## Environment variables\n\nEvery option has two variables; the first one wins. Separate several values by"
        " blanks, or by line breaks in `TUXPY_HEADER`.\n\n| option | variables |\n|---|---|\n"
        + "".join(f"| `{flag.words}` | {' '.join(f'`{name}`' for name in flag.variables)} |\n" for flag in FLAGS)
    )
    return "\n".join(parts)


def _header(name: str) -> str:
    many = any(key.many for section in SECTIONS.values() for key in section.keys if key.nested == name)
    return f"[[{name}]]" if many else f"[{name}]"


def _row(key: Key, flag: Flag | None) -> str:
    default = "required" if key.required else "" if key.default is None else f"`{toml_of(key.default)}`"
    text = " ".join(filter(None, [key.help, key.more])).replace("|", "\\|")
    return f"| `{key.name}` | {key.kind.expected} | {default} | {text} | {f'`{flag.words}`' if flag else ''} |\n"


# The schema.


def schema() -> str:
    """JSON Schema, of the draft that editors know best."""
    told: dict[str, object] = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "tuxpy"}
    told |= _object("")
    told["definitions"] = {name: _object(name) for name in SECTIONS if name}
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _object(name: str) -> dict[str, object]:
    section = SECTIONS[name]
    required = [key.name for key in section.keys if key.required and name != "site"]  # DIR may say the root
    told: dict[str, object] = {"description": section.about} if section.about else {}
    told |= {"type": "object", "additionalProperties": False}
    if required:
        told["required"] = required
    return told | {"properties": {key.name: _property(key) for key in section.keys}}


def _property(key: Key) -> dict[str, object]:
    told: dict[str, object] = {"description": " ".join(filter(None, [key.help, key.more]))}
    if key.default is not None and not key.many:
        told["default"] = key.default
    forms = list(_forms(key))
    return told | (forms[0] if len(forms) == 1 and "$ref" not in forms[0] else {"anyOf": forms})


def _forms(key: Key) -> Iterator[dict[str, object]]:
    """What a value may be: a table with keys of its own, several, or the kind's own form."""
    own = dict(key.kind.schema)
    table: dict[str, object] = {"$ref": f"#/definitions/{key.nested}"}
    if key.nested and not key.many:
        yield table
    if key.many or key.name == "site":
        yield {"type": "array", "items": table}
    if key.kind not in (TABLE, TABLES):
        yield own
        if own.get("type") in (None, "boolean", "integer"):
            yield {"type": "string", "pattern": r"\$\{"}  # a variable


def main(arguments: list[str]) -> int:
    written = {PAGE: page(), SCHEMA: schema()}
    if "--check" in arguments:
        return 0 if all(path.exists() and path.read_text() == text for path, text in written.items()) else 1
    for path, text in written.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
