"""The document root of the tests: small, large, empty and odd, and what must not be served beside it."""

from __future__ import annotations

import os
import random
import socket
import time
from pathlib import Path
from typing import Final

from tuxpy.site.respond import BODY_IN_MEMORY_MAX, UNSETTLED_S

MODIFIED_S: Final = 784111777  # Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110 5.6.7
MODIFIED: Final = b"Sun, 06 Nov 1994 08:49:37 GMT"
LARGE_BYTES: Final = 6 << 20
PAGE: Final = b"<!doctype html><title>home</title>\n"
SECRET: Final = b"nobody may read this"

CONTENT: Final[dict[str, bytes]] = {
    "index.html": PAGE,
    "page.html": b"<!doctype html><title>page</title>\n",
    "notes.txt": b"notes\n",
    "style.css": b"a { color: red }\n",
    "empty.txt": b"",
    "docs/index.html": b"<!doctype html><title>docs</title>\n",
    "docs/deep/a.css": b"a{}\n",
    ".well-known/security.txt": b"Contact: mailto:a@example.org\n",
    "in-memory.bin": random.Random(1).randbytes(BODY_IN_MEMORY_MAX),
    "from-file.bin": random.Random(2).randbytes(BODY_IN_MEMORY_MAX + 1),
    "large.bin": random.Random(3).randbytes(LARGE_BYTES),
    "with space.txt": b"space\n",
    "100%.txt": b"percent\n",
    "%41.txt": b"escaped A\n",
    "question?.txt": b"question\n",
    "back\\slash.txt": b"backslash\n",
    "new\nline.txt": b"newline\n",
    "gr\u00fc\u00df.txt": b"utf-8\n",
    os.fsdecode(b"caf\xe9.txt"): b"no utf-8\n",
    "n" * 251 + ".txt": b"as long as a name may be\n",
}
"""What is served, by its name beneath the root."""

HIDDEN: Final = (".env", ".git/config", "docs/.hidden", ".well-known/.env")
LINKS: Final = {
    "link-in": "notes.txt",
    "link-dir": "docs",
    "link-out": "../outside/secret.txt",
    "link-absolute": "/etc/hostname",
    "link-folder": "../outside",
    "link-loop": "link-loop",
    "link-nowhere": "nothing",
}


def write(path: Path, content: bytes, modified_s: int = MODIFIED_S) -> None:
    """A file as it stands in a site for long: written some time ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (modified_s, modified_s))


def make(top: Path) -> Path:
    """Everything above beneath top/root, and a secret beside it. The root can be entered by everybody."""
    root = top / "root"
    for name, content in CONTENT.items():
        write(root / name, content)
    for name in (*HIDDEN, "../outside/secret.txt", "unreadable.txt"):
        write(root / name, SECRET)
    for name, target in LINKS.items():
        (root / name).symlink_to(target)
    (root / "empty").mkdir()
    os.mkfifo(root / "fifo")
    folder = os.open(root, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{folder}/socket")  # by a short way: such a path may have 108 bytes only
    os.close(folder)
    (root / "unreadable.txt").chmod(0)
    settle()
    return root


def settle() -> None:
    """Wait until what was written is old enough for its copy to be kept."""
    time.sleep(2 * UNSETTLED_S)
