"""A directory as a page for people: complete in itself, without script, and quiet.

Rules of this file
  1. Nothing is fetched, not even from here: the page works under POLICY, which names the hash of its one style sheet.
  2. Every link is relative and begins with "./", so no name can be read as a scheme or a host, and a page behind a
     proxy's prefix still leads where it should. What follows is percent-encoded to the very bytes of the name.
  3. A name is shown readable and safe: signs that would act on the text around them stand as escapes of their bytes.
  4. Order, counts and kinds are said in words or signs of the text itself: style adds nothing to the meaning, so a
     screen reader and a terminal browser get the whole of it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from html import escape
from typing import Final
from urllib.parse import quote_from_bytes

from ..http.style import BASE
from ..model import text
from .listing import Entry, Sort, SortKey, in_groups, modified, ordered
from .sizes import human_size

MEDIA_TYPE: Final = b"text/html; charset=utf-8"

_STYLE: Final = (
    BASE
    + """\
h1, nav a, nav span, tbody a { overflow-wrap: anywhere; white-space: pre-wrap; unicode-bidi: isolate; }
nav ol { display: flex; flex-wrap: wrap; margin: 0; padding: 0; list-style: none; color: var(--soft); }
nav li:not(:last-child)::after { content: "/"; margin: 0 .4rem; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption, footer, .note { color: var(--soft); font-size: .9rem; text-align: left; }
caption { padding-bottom: .75rem; }
th, td { padding: 0; border-bottom: 1px solid var(--line); font-weight: inherit; text-align: left; }
td { padding: .35rem 0 .35rem 1.5rem; vertical-align: top; white-space: nowrap; color: var(--soft); }
thead th { padding-bottom: .35rem; white-space: nowrap; font-size: .9rem; }
thead th + th { padding-left: 1.5rem; }
thead th:nth-child(2) { min-width: 6rem; }
thead th:nth-child(3) { min-width: 11rem; }
td:nth-child(2), th:nth-child(2) { text-align: right; }
thead a { color: var(--soft); }
[aria-sort] a { color: var(--ink); font-weight: 600; }
tbody th { width: 100%; }
tbody a { display: block; padding: .35rem 0; }
tbody tr:hover { background: var(--card); }
.folders a { font-weight: 600; }
footer { margin-top: 1.5rem; }
footer a { color: var(--soft); text-decoration: underline; text-underline-offset: .15em; }
@media (max-width: 36rem) {
  body { padding: 1.25rem 1rem 2rem; }
  td { padding-left: .75rem; font-size: .875rem; line-height: 1.715; }
  thead th + th { padding-left: .75rem; }
  thead th:nth-child(n + 2) { min-width: 0; }
  time span { display: none; }
}
@media print { a, td { color: inherit; } footer { display: none; } }
"""
)

_STYLE_HASH: Final = b64encode(sha256(_STYLE.encode()).digest())
POLICY: Final = b"default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'" % _STYLE_HASH

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Index of {path}</title>
<link rel="alternate" type="application/json" href="./?format=json">
<style>{style}</style>
</head>
<body>
<header>
{crumbs}<h1>{heading}</h1>
</header>
<main>
{content}</main>
<footer>
<p><a href="./?format=json">The same as JSON</a></p>
</footer>
</body>
</html>
"""
_TOP: Final = "Index"  # of the crumb for the root: "/" would be read out as "slash"
_EMPTY: Final = "<p>There is nothing to show in this directory.</p>\n"
_TRUNCATED: Final = """\
<p class="note">There is more in this directory than the {shown:,} names that are shown: it is too large.</p>
"""


def html(path_segments: Sequence[bytes], entries: Iterable[Entry], truncated: bool, sort: Sort) -> Iterator[bytes]:
    """The page of the directory that is reached by these segments from the root, piece by piece."""
    names = [escape(readable(segment)) for segment in path_segments]
    rows = ordered(entries, sort)
    above, below = _PAGE.split("{content}")
    yield above.format(
        path="".join(f"{name}/" for name in ("", *names)),
        style=_STYLE,
        crumbs=_crumbs(names),
        heading=names[-1] if names else _TOP,
    ).encode()
    yield _TRUNCATED.format(shown=len(rows)).encode() if truncated else b""
    yield from (piece.encode() for piece in (_table(rows, sort) if rows else (_EMPTY,)))
    yield below.encode()


def _crumbs(names: list[str]) -> str:
    """The way from the root to here; there is none at the root."""
    if not names:
        return ""
    above = (
        f'<li><a href="./{"../" * (len(names) - depth)}">{name}</a></li>\n'
        for depth, name in enumerate((_TOP, *names[:-1]))
    )
    here = f'<li><span aria-current="page">{names[-1]}</span></li>\n'
    return f'<nav aria-label="Breadcrumb">\n<ol>\n{"".join(above)}{here}</ol>\n</nav>\n'


# The table.

_COLUMNS: Final[tuple[tuple[SortKey, str, bool], ...]] = (  # what one asks for first: the newest, the largest
    ("name", "Name", False),
    ("size", "Size", True),
    ("date", "Modified (UTC)", True),
)
_IN_WORDS: Final = {
    ("name", False): "from first to last",
    ("name", True): "from last to first",
    ("size", False): "smallest first",
    ("size", True): "largest first",
    ("date", False): "oldest first",
    ("date", True): "newest first",
}


def _table(rows: list[Entry], sort: Sort) -> Iterator[str]:
    folders = [entry for entry in rows if entry.is_directory]
    files = [entry for entry in rows if not entry.is_directory]
    heads = "".join(_head(*column, sort) for column in _COLUMNS)
    yield f"<table>\n<caption>{_summary(len(folders), files)}</caption>\n<thead>\n<tr>\n{heads}</tr>\n</thead>\n"
    yield from _group("folders", folders)
    yield from _group("files", files)
    yield "</table>\n"


def _head(by: SortKey, label: str, descending_first: bool, sort: Sort) -> str:
    """A column's head is a link to the order that is not there yet."""
    here = sort.by == by
    next_ = not sort.descending if here else descending_first
    state = f' aria-sort="{"descending" if sort.descending else "ascending"}"' if here else ""
    sign = f' <span aria-hidden="true">{"↓" if sort.descending else "↑"}</span>' if here else ""
    target = f"./?sort={by}&amp;order={'desc' if next_ else 'asc'}"
    return f'<th scope="col"{state}><a href="{target}" title="Sort: {_IN_WORDS[by, next_]}">{label}{sign}</a></th>\n'


def _summary(folders: int, files: list[Entry]) -> str:
    """For instance "1 directory and 3 files, 4.5 MiB"."""
    parts = []
    if folders:
        parts.append(_counted(folders, "directory", "directories"))
    if files:
        parts.append(f"{_counted(len(files), 'file', 'files')}, {human_size(sum(file.size for file in files))}")
    return " and ".join(parts)


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _group(name: str, entries: list[Entry]) -> Iterator[str]:
    if not entries:
        return
    yield f'<tbody class="{name}">\n'
    yield from ("".join(map(_row, group)) for group in in_groups(entries))
    yield "</tbody>\n"


def _row(entry: Entry) -> str:
    slash = "/" if entry.is_directory else ""
    link = f'<a href="./{quote_from_bytes(entry.name, safe="~")}{slash}">{escape(readable(entry.name))}{slash}</a>'
    if entry.is_directory:
        size = "<td>–</td>"
    else:
        size = f'<td title="{_counted(entry.size, "byte", "bytes")}">{human_size(entry.size)}</td>'
    return f'<tr><th scope="row">{link}</th>{size}<td>{_time(entry)}</td></tr>\n'


def _time(entry: Entry) -> str:
    stamp = modified(entry)
    if stamp is None:
        return "–"
    return f'<time datetime="{stamp}">{stamp[:10]}<span> {stamp[11:16]}</span></time>'


# Words.

# Spaces of other widths, as some systems put into names, and the joiners of Persian, Hindi and emoji.
_KEPT = re.compile("([\xa0\u2000-\u200a\u200c\u200d\u202f\u205f\u3000]+)")
_ESCAPE = re.compile(r"\\x[0-9a-f]{2}")


def readable(name: bytes) -> str:
    r"""A name to be read, not to be used: as model.text, but what belongs to names stays as it is.

    Backslashes are doubled only in a name that holds an escape or what looks like one, so \xNN still means one thing.
    A link must be seen: a name without any ink is written in escapes throughout.
    """
    shown = text(name)
    if "\\" in shown:
        parts = _KEPT.split(name.decode("utf-8", "surrogateescape"))
        parts[::2] = [text(part.encode("utf-8", "surrogateescape")) for part in parts[::2]]
        shown = "".join(parts)
        if not _ESCAPE.search(shown):
            shown = shown.replace("\\\\", "\\")
    if _KEPT.sub("", shown).strip():
        return shown
    return "".join(f"\\x{byte:02x}" for byte in name)
