"""site.py: what is found beneath a root, with a real tree and both ways to open; nothing blocks, nothing leads out."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tuxpy.errors import ConfigError
from tuxpy.model import FileFact
from tuxpy.rules.policy import Policy
from tuxpy.site.opening import open_anywhere
from tuxpy.site.site import (
    Absent,
    Denied,
    FileChanged,
    Found,
    IsDirectory,
    OpenBeneath,
    Site,
    read_slices,
    release,
    walk_beneath,
)

from .. import openers
from ..odd_tree import ODD_NAMES


@contextmanager
def found(site: Site, path: bytes) -> Iterator[Found]:
    result = site.open(path)
    try:
        yield result
    finally:
        if isinstance(result, FileFact):
            release(result)


# Files.


@pytest.mark.parametrize("name", ODD_NAMES)
def test_every_name_a_file_may_have_is_found(site: Site, root: Path, name: str) -> None:
    with found(site, os.fsencode(name)) as file:
        assert isinstance(file, FileFact)
        assert os.pread(file.fd, 100, 0).decode() == ODD_NAMES[name]


def test_the_facts_are_those_of_the_open_file(site: Site, root: Path) -> None:
    with found(site, b"docs/deep/a.css") as file:
        assert isinstance(file, FileFact)
        st = (root / "docs/deep/a.css").stat()
        assert (file.path, file.dev, file.ino, file.size) == (b"docs/deep/a.css", st.st_dev, st.st_ino, 3)
        assert (file.mtime_ns, file.ctime_ns) == (st.st_mtime_ns, st.st_ctime_ns)
        assert stat.S_ISREG(file.mode)


def test_a_descriptor_is_not_inherited_and_reads_only(site: Site) -> None:
    with found(site, b"index.html") as file:
        assert isinstance(file, FileFact)
        assert not os.get_inheritable(file.fd)
        with pytest.raises(OSError, match="descriptor"):
            os.write(file.fd, b"x")


def test_the_witness_of_a_file_is_its_name_and_its_facts(site: Site) -> None:
    with found(site, b"index.html") as file:
        assert isinstance(file, FileFact)
        witness = site.witness(file)
    assert (witness.root_fd, witness.path, witness.ino) == (site.root_fd, b"index.html", file.ino)
    assert (witness.dev, witness.size) == (file.dev, file.size)
    assert (witness.mtime_ns, witness.ctime_ns) == (file.mtime_ns, file.ctime_ns)


# Directories.


@pytest.mark.parametrize("path", [b"", b"docs", b"empty", b"odd/index.html", b".git"])
def test_a_directory_is_a_directory_whatever_it_is_called(site: Site, path: bytes) -> None:
    with found(site, path) as directory:
        assert isinstance(directory, IsDirectory)
        assert directory.witness.path == path
        assert directory.witness.ino != 0



# Nothing.


@pytest.mark.parametrize("path", [b"nothing", b"docs/nothing", b"nothing/nothing", b"index.html/x", b"index.html/"])
def test_what_is_not_there_is_absent_and_its_witness_says_so(site: Site, path: bytes) -> None:
    """ino 0: the answer holds as long as nothing has this name."""
    with found(site, path) as nothing:
        assert isinstance(nothing, Absent)
        assert nothing.witness is not None
        assert (nothing.witness.path, nothing.witness.ino) == (path, 0)


@pytest.mark.parametrize("path", [b"fifo", b"socket"])
def test_a_fifo_or_a_socket_is_absent_at_once(site: Site, path: bytes) -> None:
    with found(site, path) as nothing:
        assert isinstance(nothing, Absent)


def test_a_device_is_absent(tmp_path: Path, opener: OpenBeneath) -> None:
    try:
        os.mknod(tmp_path / "zero", 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("only root makes devices")
    with Site(str(tmp_path), opener) as site, found(site, b"zero") as nothing:
        # Where the file system is mounted nodev, opening fails with EACCES.
        assert isinstance(nothing, Absent | Denied)


@pytest.mark.parametrize("number", [errno.ENXIO, errno.ENODEV, errno.EBUSY])
def test_a_device_that_cannot_be_opened_is_absent(root: Path, number: int) -> None:
    with Site(str(root), failing(number)) as site, found(site, b"x") as nothing:
        assert isinstance(nothing, Absent)
        assert nothing.witness is None  # nothing tells when it changes, so no answer is kept


@pytest.mark.parametrize(
    "path",
    [
        b"n" * 256, b"n" * 5000, b"docs/" + b"n" * 300, b"docs/" * 1000, b"nothing/" * 600 + b"x",
    ],
)
def test_a_name_too_long_for_any_file_is_absent(site: Site, path: bytes) -> None:
    """PATH_MAX and NAME_MAX; the engine's witnesses hold at most PATH_MAX bytes, so a longer path has none."""
    with found(site, path) as nothing:
        assert isinstance(nothing, Absent)
        assert (nothing.witness is None) == (len(path) >= 4096)


# Links and dots: never out of the root.


@pytest.mark.parametrize(
    "path", [b"link-out", b"link-absolute", b"link-folder/secret.txt", b"link-folder", b"link-folder/folder",
    b"link-loop", b"link-loop/x"]
)
def test_a_link_that_leads_out_or_nowhere_is_absent(site: Site, path: bytes) -> None:
    with found(site, path) as nothing:
        assert isinstance(nothing, Absent)


@pytest.mark.parametrize("path", [b"..", b"../outside/secret.txt", b"docs/../../outside/secret.txt"])
def test_dots_that_lead_out_are_absent_even_if_somebody_lets_them_through(site: Site, path: bytes) -> None:
    with found(site, path) as nothing:
        assert isinstance(nothing, Absent)


def test_an_absolute_path_is_never_the_one_outside(site: Site, root: Path) -> None:
    with found(site, bytes(root.parent / "outside" / "secret.txt")) as nothing:
        assert isinstance(nothing, Absent)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (b"link-in", b"docs"), (b"link-dir/index.html", b"docs"), (b"docs/link-up", b"<!doctype html>home"),
    ],
)
def test_links_inside_are_followed_by_openat2_and_never_by_hand(root: Path, path: bytes, content: bytes) -> None:
    with Site(str(root), walk_beneath) as site, found(site, path) as nothing:
        assert isinstance(nothing, Absent)
        assert nothing.witness is None
    if not openers.openat2_works():
        pytest.skip("this kernel, or its seccomp filter, has no openat2")
    with Site(str(root), openers.openat2_beneath) as site, found(site, path) as file:
        assert isinstance(file, FileFact)
        assert os.pread(file.fd, 100, 0) == content


def test_a_magic_link_is_not_followed(opener: OpenBeneath) -> None:
    """A root in /proc is nobody's wish, but such links go anywhere."""
    with Site("/proc/self", opener) as site, found(site, b"exe") as nothing:
        assert isinstance(nothing, Absent)


def test_the_root_is_held_by_its_descriptor_and_not_by_its_name(tmp_path: Path, opener: OpenBeneath) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "a").write_text("old")
    with Site(str(tmp_path / "site"), opener) as site:
        (tmp_path / "site").rename(tmp_path / "moved")
        (tmp_path / "site").mkdir()
        (tmp_path / "site" / "a").write_text("new")
        with found(site, b"a") as file:
            assert isinstance(file, FileFact)
            assert os.pread(file.fd, 9, 0) == b"old"


# Rights and failures.


@pytest.mark.parametrize("path", [b"unreadable.txt", b"closed/index.html", b"closed"])
def test_15_5_4_what_may_not_be_read_is_denied(site: Site, unprivileged: None, path: bytes) -> None:
    """RFC 9110 15.5.4: understood, and refused."""
    with found(site, path) as result:
        assert isinstance(result, Denied)
        assert result.witness is None


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ENOMEM])
def test_a_failure_of_the_machine_is_not_called_absence(root: Path, number: int) -> None:
    with Site(str(root), failing(number)) as site, pytest.raises(OSError, match=os.strerror(number)):
        site.open(b"index.html")


def test_a_look_up_that_raced_with_a_rename_is_tried_again(root: Path) -> None:
    """openat2(2): EAGAIN; try again, but not for ever."""
    tries: list[bytes] = []

    def racing(root_fd: int, path: bytes) -> int:
        tries.append(path)
        if len(tries) < 4:
            raise BlockingIOError(errno.EAGAIN, "raced")
        return walk_beneath(root_fd, path)

    with Site(str(root), racing) as site, found(site, b"index.html") as file:
        assert isinstance(file, FileFact)
    with Site(str(root), failing(errno.EAGAIN)) as site, pytest.raises(BlockingIOError):
        site.open(b"index.html")


def failing(number: int) -> OpenBeneath:
    def open_beneath(_root_fd: int, path: bytes) -> int:
        raise OSError(number, os.strerror(number), path)

    return open_beneath


@pytest.mark.parametrize(("name", "remedy"), [("nothing", "create it"), ("index.html", "is not a directory")])
def test_a_root_that_cannot_be_entered_names_the_remedy(root: Path, name: str, remedy: str) -> None:
    with pytest.raises(ConfigError, match=remedy):
        Site(str(root / name))


def test_a_site_may_be_closed_twice(root: Path) -> None:
    site = Site(str(root))
    site.close()
    site.close()
    assert site.root_fd == -1


def test_walking_by_hand_leaves_nothing_open_wherever_it_fails(root: Path) -> None:
    before = openers.open_descriptors()
    with Site(str(root)) as site:
        for path in (
            b"docs/deep/nothing",
            b"docs/index.html/x",
            b"docs/deep/../x",
            b"link-folder/x/y",
            b"docs/deep/x/y",
        ):
            with pytest.raises(OSError, match=r"\[Errno"):
                walk_beneath(site.root_fd, path)
    assert openers.open_descriptors() == before


# Reading.


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small"
    path.write_bytes(b"first")
    return path


def test_slices_are_of_the_version_that_was_found(small: Path) -> None:
    with Site(str(small.parent)) as site, found(site, b"small") as file:
        assert isinstance(file, FileFact)
        assert read_slices(file, [(0, 5), (3, 2)]) == [b"first", b"st"]


@pytest.mark.parametrize("now", [b"second one", b"a", b"x" * 200], ids=["longer", "shorter", "much-longer"])
def test_a_file_written_since_it_was_found_is_given_up(small: Path, now: bytes) -> None:
    with Site(str(small.parent)) as site, found(site, b"small") as file:
        assert isinstance(file, FileFact)
        small.write_bytes(now)
        with pytest.raises(FileChanged):
            read_slices(file, [(0, file.size)])


def test_a_file_that_changes_while_it_is_read_is_given_up(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pread = os.pread

    def changing(fd: int, count: int, offset: int) -> bytes:
        body = pread(fd, count, offset)
        with small.open("ab") as file:
            file.write(b"x")
        return body

    monkeypatch.setattr(os, "pread", changing)
    with Site(str(small.parent)) as site, found(site, b"small") as file:
        assert isinstance(file, FileFact)
        with pytest.raises(FileChanged):
            read_slices(file, [(0, file.size)])


def test_files_of_the_kernel_are_refused_in_so_many_words(tmp_path: Path) -> None:
    """Their sizes are not those of what is in them, so no Content-Length would be right (RFC 9110 8.6)."""
    (tmp_path / "version").symlink_to("/proc/version")
    with Site(str(tmp_path), open_anywhere, Policy(links="all")) as site:
        found = site.open(b"version")
    assert isinstance(found, Denied) and "kernel" in found.why


@pytest.mark.parametrize("step", ["tuxpy.site.root.is_far", "tuxpy.site.rulebook.Rulebook.look"])
def test_a_root_that_fails_behind_its_opening_leaves_no_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """As on a file system whose server dies in between."""

    def dies(*_: object) -> None:
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))

    monkeypatch.setattr(step, dies)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises((ConfigError, OSError), match="not connected"):
        Site(str(tmp_path))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
