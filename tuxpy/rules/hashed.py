"""Whether a name carries a hash of the content, so that the file under it can never change. Pure.

A wrong yes keeps a stale file in browsers for a year and cannot be called back; a wrong no costs one question that
is answered 304. So this says yes only where a build tool is the only likely author:

  1. The extension is one that bundlers write: scripts, styles, fonts, pictures, sound. Never HTML, documents, archives.
  2. Words such as .min and .chunk are taken off the end; the hash is the last piece before them, behind a dot, hyphen,
     or (Hugo's pictures) "_hu".
  3. Hexadecimal: 8, 10, 12, 16, 20, 32, 40, 64, 96 or 128 digits, not of one kind only and not nearly all the same. A
     date has no letters, a word no digits, a colour few different ones, a counter begins with zeros; a UUID is refused,
     since it names a thing and not its content.
  4. Base 64, eight signs (Rollup, Vite): capitals, small letters and digits, changing too often to be words
     ("BfZ3k9aQ", never "Version2" or "Q3Report").
  5. Base 32, eight signs A-Z and 2-7 with a digit before the last letter (esbuild, Angular, Remix): scripts and styles.
  6. The hash alone is a name for scripts, styles and fonts.

How sure that is (`certainty`):
  CERTAIN  scripts, styles and fonts in these forms, as only tools call them so. Of pictures and sound, which people
           name by numbers of all kinds: 20 digits (webpack), Hugo's "_hu", 64 digits behind a dot (Hugo's fingerprint)
  LIKELY   pictures and sound in the other forms of bundlers: certain where the page of the site names scripts with a
           hash from the same directory (site/lasting.py)
  WEAK     what is as often something else: 12 digits (hardware addresses) but for scripts behind a dot (Django), 32 or
           64 digits of a picture (a digest of a mail address), base 64 that could be words: certain where a manifest of
           the build names the very file
"""

from __future__ import annotations

import re
from typing import Final

_CODE: Final = frozenset((b"js", b"mjs", b"cjs", b"css", b"wasm"))
_FONTS: Final = frozenset((b"woff", b"woff2", b"ttf", b"otf", b"eot"))
_MEDIA: Final = _FONTS | frozenset(
    (b"svg", b"png", b"jpg", b"jpeg", b"gif", b"webp", b"avif", b"ico", b"mp4", b"webm", b"ogg", b"mp3", b"m4a", b"wav")
)
_BEHIND: Final = frozenset((b"map", b"gz", b"br", b"zst"))  # of a file that has an extension of its own

# Between hash and extension; "-s.p" is how Next marks a preloaded font.
_WORDS = re.compile(rb"(?:\.(?:min|chunk|bundle|module|async|iife|esm|umd)|-s\.p|\.p|-s)+\Z")
_WORDS_BYTES_MAX: Final = 32
_HEX = re.compile(rb"[0-9a-f]+")
_HEX_LENGTHS: Final = frozenset((8, 10, 12, 16, 20, 32, 40, 64, 96, 128))
_PICTURE = re.compile(rb"_hu_?([0-9a-f]{16}|[0-9a-f]{32})(?:_|\Z)")  # Hugo writes what it did behind the hash
_UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BASE32 = re.compile(rb"[.-](?=[A-Z]*[2-7]+[A-Z])[A-Z2-7]{8}")
_BASE64 = re.compile(rb"[.-]?(?=.*[0-9])(?=.*[a-z])(?=.*[A-Z])([0-9A-Za-z_-]{8})")
_EIGHT = re.compile(rb"[.-][0-9A-Za-z_-]{8}")
_RUNS = re.compile(rb"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_ADDRESS_DIGITS: Final = 12
_DIFFERENT_MIN: Final = 4  # of hexadecimal digits: "ff0000aa" has three
_RUNS_MIN: Final = 4  # of eight signs of base 64; pictures, which people name too, need one more
_RUN_MAX: Final = 4  # signs: five in a row are a word
_NAME_BYTES_MAX: Final = 255  # NAME_MAX: nothing longer is a file


CERTAIN, LIKELY, WEAK, NO = 3, 2, 1, 0


def certainty(name: bytes) -> int:
    """How sure it is that `name`, the last segment of a path, has a hash of the content in it."""
    stem, _, extension = name.rpartition(b".")
    if extension in _BEHIND:
        stem, _, extension = stem.rpartition(b".")
    code = extension in _CODE or extension in _FONTS
    if not (code or extension in _MEDIA) or len(name) > _NAME_BYTES_MAX:
        return NO
    words = _WORDS.search(stem, max(0, len(stem) - _WORDS_BYTES_MAX))
    if words is not None:
        stem = stem[: words.start()]
    piece = stem[max(stem.rfind(b"."), stem.rfind(b"-")) + 1 :]
    if _HEX.fullmatch(piece):
        if not _is_hash(piece) or _UUID.search(stem):
            return NO
        before = stem[-len(piece) - 1 : -len(piece)]
        return _of_code(len(piece), before) if code else _of_media(len(piece), before)
    picture = _PICTURE.search(stem)
    if picture is not None:
        return CERTAIN if _is_hash(picture[1]) else NO
    return _in_letters(stem[-9:], extension in _CODE, code)  # a separator and eight signs, some of them hyphens


def _of_code(digits: int, before: bytes) -> int:
    """Of scripts, styles and fonts; `before`: the sign before the digits, if there is one."""
    return WEAK if digits == _ADDRESS_DIGITS and before != b"." else CERTAIN


def _of_media(digits: int, before: bytes) -> int:
    if digits == 20 or (digits == 64 and before == b"."):
        return CERTAIN
    if not before:
        return LIKELY if digits == 16 else NO
    return LIKELY if digits in (8, 10, 16) else WEAK


def _in_letters(tail: bytes, script: bool, code: bool) -> int:
    if script and _BASE32.fullmatch(tail):
        return CERTAIN
    found = _BASE64.fullmatch(tail)
    if found is not None and (code or len(tail) == 9) and _looks_random(found[1], code):
        return CERTAIN if code else LIKELY
    return WEAK if script and _EIGHT.fullmatch(tail) else NO


def _is_hash(digits: bytes) -> bool:
    if len(digits) not in _HEX_LENGTHS or len(set(digits)) < _DIFFERENT_MIN or digits.startswith(b"000"):
        return False
    return not digits.isdigit() and not digits.isalpha()


def _looks_random(signs: bytes, code: bool) -> bool:
    runs = _RUNS.findall(signs)
    least = _RUNS_MIN + (not code) + (b"-" in signs or b"_" in signs)  # those begin a run in names, too
    return len(runs) >= least and max(map(len, runs)) <= _RUN_MAX
