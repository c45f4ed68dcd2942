"""Which file systems may have to ask somebody else before they answer: a server, or another process.

Neither is asked here: the kernel's own tables say by which mount a descriptor was opened, and of which kind that is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_FAR: Final = frozenset(
    (
        *("9p", "afs", "autofs", "beegfs", "ceph", "cifs", "coda", "davfs", "gfs2", "gpfs", "lustre", "ncpfs", "nfs"),
        *("nfs4", "ocfs2", "orangefs", "pvfs2", "smb3", "smbfs", "vboxsf", "virtiofs"),
    )
)
_PROCESS: Final = Path("/proc/self")


def is_far(fd: int) -> bool:
    """Whether looking at what is there may take for ever. False where nothing tells (no /proc)."""
    try:
        kind = _kind_of_mount(_mount_of(fd))
    except (OSError, ValueError):
        return False
    return kind in _FAR or kind == "fuse" or kind.startswith("fuse.")


def _mount_of(fd: int) -> str:
    """The number of the mount, as text (proc(5), /proc/pid/fdinfo)."""
    for line in (_PROCESS / "fdinfo" / str(fd)).read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "mnt_id":
            return value.strip()
    raise ValueError("this kernel does not tell mounts")


def _kind_of_mount(number: str) -> str:
    """The type of its file system (proc(5), /proc/pid/mountinfo: it stands behind the "-")."""
    for line in (_PROCESS / "mountinfo").read_text(errors="replace").splitlines():
        words = line.split(" ")
        if words[0] == number:
            return words[words.index("-") + 1]
    raise ValueError(f"there is no mount {number}")
