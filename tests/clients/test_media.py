"""ffmpeg and ffprobe: players look at the end of a file first, or somewhere in the middle, and go there by ranges."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

import pytest
from support.webroot import write

from .fixtures import Publish, Run
from .programs import MARKS, program
from .relay import Exchange, Relay

pytestmark = MARKS

SECONDS: Final = 16
_PICTURE: Final = f"testsrc2=size=640x360:rate=25:duration={SECONDS},noise=alls=60:allf=t"
_SOUND: Final = f"sine=frequency=440:duration={SECONDS}"
# Whether the index (moov) stands before the data (mdat) or behind it, which is what ffmpeg does by itself.
PLACES: Final = {"behind": (), "before": ("-movflags", "+faststart")}


@pytest.fixture
def ffmpeg() -> str:
    return program("ffmpeg", package="ffmpeg")


@pytest.fixture
def ffprobe() -> str:
    return program("ffprobe", package="ffmpeg")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same film twice, some 15 MiB."""
    folder = tmp_path_factory.mktemp("films")
    words = [program("ffmpeg", package="ffmpeg"), "-v", "error", "-nostdin"]
    coded = ["-c:v", "mpeg4", "-q:v", "4", "-g", "25", "-c:a", "aac", "-shortest", "behind.mp4"]
    subprocess.run([*words, "-f", "lavfi", "-i", _PICTURE, "-f", "lavfi", "-i", _SOUND, *coded], cwd=folder, check=True)
    moved = ["-i", "behind.mp4", "-c", "copy", *PLACES["before"], "before.mp4"]
    subprocess.run([*words, *moved], cwd=folder, check=True)
    for name in PLACES:
        write(folder / f"{name}.mp4", (folder / f"{name}.mp4").read_bytes())
    return folder


@pytest.fixture
def site(films: Path, publish: Publish) -> Relay:
    return publish(films)


def _first(one: Exchange) -> int:
    """Where the answer begins."""
    return one.part[0] if one.status == 206 else 0


@pytest.mark.parametrize("place", PLACES)
def test_9110_14_2_the_length_of_a_film(site: Relay, ffprobe: str, run: Run, films: Path, place: str) -> None:
    film = films / f"{place}.mp4"
    wanted = ("-v", "error", "-show_entries", "format=duration,size:stream=codec_name", "-of", "default=nw=1")
    local = run(ffprobe, *wanted, str(film))
    remote = run(ffprobe, *wanted, f"{site.url}/{film.name}")
    assert remote.out == local.out
    assert f"size={film.stat().st_size}" in local.out
    assert {one.head["content-type"] for one in site.passed()} == {"video/mp4"}
    assert site.received < film.stat().st_size / 2
    begins = [_first(one) for one in site.passed()]
    assert begins[0] == 0
    if place == "behind":
        assert max(begins) > film.stat().st_size * 0.9, "it went for the end"


@pytest.mark.parametrize("place", PLACES)
def test_9110_14_2_a_picture_in_the_middle(site: Relay, ffmpeg: str, run: Run, films: Path, place: str) -> None:
    """The picture is that of the local file, and what stands before it was not sent."""
    film = films / f"{place}.mp4"
    words = (ffmpeg, "-v", "error", "-nostdin", "-ss", f"{SECONDS * 0.8}", "-i")
    then = ("-frames:v", "1", "-an", "-f", "framemd5", "-")
    local = run(*words, str(film), *then)
    remote = run(*words, f"{site.url}/{film.name}", *then)
    assert remote.out == local.out
    assert site.received < film.stat().st_size / 2
    middle = [_first(one) for one in site.passed() if one.status == 206]
    assert any(film.stat().st_size * 0.6 < first < film.stat().st_size * 0.9 for first in middle)


@pytest.mark.parametrize("words", [(), ("-multiple_requests", "1")], ids=["one by one", "keep-alive"])
def test_9112_9_3_a_film_from_one_end_to_the_other(
    site: Relay, ffmpeg: str, run: Run, films: Path, here: Path, words: tuple[str, ...]
) -> None:
    run(ffmpeg, "-v", "error", "-nostdin", *words, "-i", f"{site.url}/behind.mp4", "-c", "copy", "remote.mkv")
    run(ffmpeg, "-v", "error", "-nostdin", "-i", str(films / "behind.mp4"), "-c", "copy", "local.mkv")
    remote, local = (
        run(ffmpeg, "-v", "error", "-i", f"{name}.mkv", "-c", "copy", "-f", "md5", "-") for name in ("remote", "local")
    )
    assert remote == local


def test_9110_14_2_a_part_of_a_stream(publish: Publish, root: Path, ffmpeg: str, run: Run, films: Path) -> None:
    """HLS with byte ranges (RFC 8216 4.3.2.2): many segments, all in one file."""
    coded = ("-c:v", "copy", "-bsf:v", "dump_extra", "-an")
    cut = ("-f", "hls", "-hls_time", "4", "-hls_flags", "single_file", "-hls_list_size", "0")
    run(ffmpeg, "-v", "error", "-nostdin", "-i", str(films / "before.mp4"), *coded, *cut, "film.m3u8", cwd=root)
    site = publish(root)
    words = ("-f", "framemd5", "-")
    remote = run(ffmpeg, "-v", "error", "-nostdin", "-i", f"{site.url}/film.m3u8", *words)
    local = run(ffmpeg, "-v", "error", "-nostdin", "-i", "film.m3u8", *words, cwd=root)
    assert remote.out == local.out
    (pieces,) = {one.target for one in site.passed()} - {"/film.m3u8"}
    assert site.passed("/film.m3u8")[0].head["content-type"] == "application/vnd.apple.mpegurl"
    assert len(site.passed(pieces)) > 1
    assert {one.status for one in site.passed(pieces)} == {206}
