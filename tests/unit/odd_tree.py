"""A document root with everything in it that a root should not have, and something to steal beside it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

ODD_NAMES = {
    "with space.txt": "space",
    "100%.txt": "percent",
    "%41.txt": "escaped A",
    "new\nline.txt": "newline",
    "back\\slash.txt": "backslash",
    "question?.txt": "question",
    "gr\u00fc\u00df.txt": "utf-8",
    os.fsdecode(b"caf\xe9.txt"): "no utf-8",
    "n" * 251 + ".txt": "as long as a name may be",
    "..dots": "two dots in front",
}
FILES = {
    "index.html": "<!doctype html>home",
    "page.HTML": "page",
    "docs/index.html": "docs",
    "docs/deep/a.css": "a{}",
    ".env": "KEY=1",
    ".git/config": "[core]",
    ".well-known/security.txt": "Contact: mailto:a@example.org",
    "docs/.hidden": "hidden",
    "closed/index.html": "closed",
    "empty.txt": "",
    "unreadable.txt": "nobody",
    **ODD_NAMES,
}
LINKS = {
    "link-in": "docs/index.html",
    "link-dir": "docs",
    "link-out": "../outside/secret.txt",
    "link-folder": "../outside",
    "link-loop": "link-loop",
    "link-nowhere": "nothing",
    "docs/link-up": "../index.html",
}


def plant(top: Path) -> Path:
    """Make it beneath `top`; the root of it."""
    outside, root = top / "outside", top / "root"
    (outside / "folder").mkdir(parents=True)
    (outside / "secret.txt").write_text("secret")
    for folder in ("docs/deep", "empty", "odd/index.html", ".git", ".well-known", "closed"):
        (root / folder).mkdir(parents=True)
    for name, content in FILES.items():
        (root / name).write_text(content)
    (root / "large.bin").write_bytes(bytes(range(256)) * 1024)
    for name, target in LINKS.items():
        (root / name).symlink_to(target)
    (root / "link-absolute").symlink_to(outside / "secret.txt")
    os.mkfifo(root / "fifo")
    _bind_socket(root)
    (root / "unreadable.txt").chmod(0)
    (root / "closed").chmod(0)
    return root


def _bind_socket(root: Path) -> None:
    """By a short way, since the address of a socket may have 108 bytes only."""
    folder = os.open(root, os.O_PATH)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"/proc/self/fd/{folder}/socket")
    finally:
        os.close(folder)
