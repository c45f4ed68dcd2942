"""Write docs/configuration.md and conf/tuxpy.schema.json from tuxpy/config/keys.py; with --check only compare.

Both say what the reader of configuration files does, so they cannot say anything else.
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
tuxpy check tuxpy.toml        # what is wrong with it: file, line, key, and what was expected
tuxpy check --show tuxpy.toml # all values that hold, and where each comes from
```

A configuration is a file of TOML. `tuxpy init` writes one to begin with: every key at its default, with comments.
Editors that know JSON Schema complete and check the keys by the schema that its first line names.

**Who wins.** An option of the command line, then a variable of the environment, then the file, then the default. What
is said of a site on the command line is said of every site in the file. `--hide`, `--show` and `--error-page` add to
the file's; `--header`, `--allow`, `--deny` and `--auth-file` make one more rule for all paths; all others take the
place of the key. `--host` and `--port` overrule these parts of the file's addresses.

**Values.** Durations are `"500ms"`, `"30s"`, `"2m"`, `"1h"`, `"1d"`. Any text may hold `${NAME}`, or
`${NAME:-otherwise}` for when the variable is unset or empty; `$$` is a dollar. Where a number or true or false is
expected, a text with such a variable will do. Paths of the file are relative to its directory, those of options to the
current one.

**Errors.** Unknown keys are errors. All problems are told at once, a line each; the exit status is 2, and nothing
starts. Words of nginx, Caddy and Apache are answered with the key that does the same. Users, addresses and directories
are looked at, too: a user that does not exist, an address of another machine, a root that the later user cannot enter.

**Warnings.** `tuxpy check`, `tuxpy serve` and a reload also tell what is allowed and hardly meant: rules that an
earlier one leaves nothing for, pages for a status that no site sends, files and users that are named and not there.

**Several sites.** Write `[[site]]` for each, and its tables behind it. `hosts` says which site a request means.

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

**Paths of rules.** They are compared with the decoded path, by the byte.

| pattern | is for |
|---|---|
| `/img/*.png` | `*` is anything within a segment |
| `/docs/*` | everything below, and `/docs/` itself; what it matched is `:splat` |
| `/**/draft/*.html` | `**` is any number of whole segments |
| `/blog/:year/:slug` | `:name` is one whole segment |
| `/app.{js,css}` | either |
| `*.css` | without a slash: such files wherever they are |
| `/a%2Ab` | a byte by its number, here a star that is only a star |
"""


# The page.


def page() -> str:
    """The reference, section by section."""
    options = {flag.key: flag for flag in FLAGS if flag.key}
    parts = [INTRODUCTION]
    for name, section in SECTIONS.items():
        if name:
            rows = [_row(key, options.get((name, key.name))) for key in section.keys]
            head = "| key | is | default | what for | option |\n|---|---|---|---|---|\n"
            parts.append(f"## `{_header(name)}`\n\n{section.about}\n\n{head}" + "".join(rows))
    parts.append(
        "## Variables of the environment\n\nEvery option has two, of which the first wins. Several values have blanks"
        " between them, those of `TUXPY_HEADER` lines.\n\n| option | variables |\n|---|---|\n"
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
