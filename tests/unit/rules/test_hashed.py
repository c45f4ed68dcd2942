"""hashed.py and lasting.py: what build tools call their files, and what only looks so (RFC 8246 2)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxpy.rules import hashed
from tuxpy.rules.hashed import certainty
from tuxpy.rules.policy import HashedNames, Policy
from tuxpy.site.lasting import is_lasting
from tuxpy.site.site import Site

MD5 = "205e460b479e2e5b48aec07710c08d50"
SHA256 = MD5 + "9b74c9897bac770ffc029102a200c5de"

HASHED = {
    "webpack": [
        "main.1234abcd.chunk.js", "app.3f9a1c2b.js", "787.4c1b2a3d.chunk.css", "runtime~main.5e0e1b2f.js",
        "main.d587bbd6e38337f5accd.js", "main.d587bbd6e38337f5accd.js.map", "6ce24c58023cc2f8fd88.png",
        "precache-manifest.0b4dda1ba1bd52b6e7e2ce9ab0bc1a2c.js",
    ],
    "Rspack": ["main.8e1b2c3d4f5a6b7c.js"],
    "Vite and Rollup": [
        "index-BfZ3k9aQ.css", "index-d6XzFqga.css", "index-DB1AvOD4.js", "index.4b9a7c2e.js", "index-4b9a7c2e.js",
        "index-legacy-BfZ3k9aQ.js", "chunk-C_x3y9aQ.js", "DBnh3xQ1.js", "index.DJ8sK2xa.css",
    ],
    "esbuild, Angular, Remix": [
        "chunk-IN3R6FLM.js", "main-5XQGMQ4K.js", "styles-5INURTSO.css", "polyfills-FFHMD2TL.js", "app-5XQGMQ4K.js.map",
    ],
    "Next": [
        "main-a1b2c3d4e5f6a7b8.js", "_app-72b849fbd24ac258.js", "ab44ce7add5c3d11.css", "c9a5bc6a7c948fb0-s.p.woff2",
    ],
    "Hugo": [
        "style.min.9b74c9897bac770ffc029102a200c5de9b74c9897bac770ffc029102a200c5de.css",
        "sunset_hu59e56ffff1bc1d8d122b1403d34e039f_90587_300x200_resize_q75_box.jpg",
        "sunset_hu_4c94ab03a3d5c1e8.webp",
    ],
    "Rails, Phoenix": [
        "application-908e25f4bf641868d8683022a5b62f54.css", "application-5d3a7b2c.css",
        "application.self-9b74c9897bac770ffc029102a200c5de9b74c9897bac770ffc029102a200c5de.js",
        "app-eb0a5b9302e8d32828d8a73f137cc8f0.js.gz",
    ],
    "Django": ["base.27e20196a850.css", "admin/css/base.523eb49842a7.css", "jquery.0208b96062ba.js"],
    "Hugo's fingerprint": [
        "hero.9b74c9897bac770ffc029102a200c5de9b74c9897bac770ffc029102a200c5de.png",
        "main.9b74c9897bac770ffc029102a200c5de9b74c9897bac770ffc029102a200c5de.js",
    ],
    "esbuild": ["app-ZYQ2K7UD.css", "chunk-7SDCJ3PX.js", "main-TN4G6VBA.js"],
    "fonts": [
        "inter-latin.8f3b2c1d.woff2", "c9a5bc6a7c948fb0.woff2", "fa-solid-900.7152a693.woff2", "KFOm-DBnh3xQ1.woff2",
        "fa-solid-900.1a2b3c4d5e6f7a8b9c0d.ttf",
    ],
    "SvelteKit, Nuxt, Astro": ["start.5f3a9c1e.js", "entry.8b2d4f6a.css", "hoisted.BfZ3k9aQ.js", "0.D6XzFqg4.css"],
    "Angular before 17": ["main.4f2a1b9c8d7e6f5a4b3c.js", "styles.ef46db3751d8e999.css", "runtime.8d3e2f1a0b9c8d7e.js"],
    "Parcel, Gatsby": ["index.a8b2c3d4.js", "component---src-pages-index-js-1a2b3c4d5e6f7a8b9c0d.js"],
}  # fmt: skip



# Of builds, too; but people have such names for other things.
LIKELY = [
    "logo.6ce24c58.svg", "image.2c79e2a6.png", "hero-4b9a7c2e.webp", "logo-Cf7b2k9X.svg",
    "intro.3f9a1c2b5d.mp4", "3f9a1c2b5d6e7f80.jpg", "click-3f9a1c2b5d6e7f80.mp3",
]  # fmt: skip
WEAK = [
    f"logo.{MD5}.svg", f"logo-{MD5}.png", f"logo-{SHA256}.png", "app-27e20196a850.js", "index-BxYzAbCd.js",
    "27e20196a850.js", "logo.27e20196a850.png", "cover-27e20196a850.jpg",
]  # fmt: skip

PLAIN = [
        "", ".js", "index.html", "app.js", "app.min.js", "style.css", "sw.js", "favicon.ico",
        "jquery-3.6.0.min.js", "jquery-ui-1.13.2.custom.min.js", "bootstrap-5.3.0-dist.css", "three.r128.min.js",
        "d3.v7.min.js", "polyfill-es2015.js", "2024-report.pdf", "photo-20240101.jpg", "IMG_20240101_123456.jpg",
        "photo-20240101-12345678.jpg", "video-1920x1080.mp4", "icon-ff0000ff.svg", "icon-ff0000aa.png",
        "track-00000000.mp3", "a-deadbeef.js", "page-12345678.js",
        "report-3f9a1c2b.pdf", "index.3f9a1c2b.html", "backup-3f9a1c2b.zip", "3f9a1c2b.html", "data.3f9a1c2b.json",
        "123e4567-e89b-12d3-a456-42661417400a.jpg", "avatar-123e4567-e89b-12d3-a456-42661417400a.png",
        "205e460b479e2e5b48aec07710c08d50.jpg", "3f9a1c2b.jpg", "a-3f9a1c2.js", "a-3f9a1c2b7.js",
        "a-Version2.js", "photo-Holiday1.jpg", "sales-Q3Report.png", "photo-iPhone12.jpg", "setup-Win10Pro.js",
        "audio-MP3Audio.wav", "index-FileList.js", "app-MainMenu.js", "user-Settings.js", "a-D3Graph2.js",
        "DSC_0001.JPG", "photo-DSC23456.jpg", "chart-VERSION2.js", "README-ENGLISHX.js", "chunk-IN3R6FLM.png",
        "app.3F9A1C2B.js", "app3f9a1c2b.js", "x" * 256 + "-3f9a1c2b.js",
        "cam-00a1b2c3d4e5.jpg", "cam.00a1b2c3d4e5.jpg", "snapshot-000c29ab12cd.png", "article-00012abc.jpg",
        "page-00045def.js", "part-0001a2b3.svg", "item.0002cafe.webp", "frame-000fffe1.jpg", "order-0009beef.png",
        f"{MD5}.png", f"{MD5}.jpg", f"{SHA256}.jpg", "9b74c9897bac.jpg", "5e0e1b2f.webp",
        "photo-20241231.jpg", "shot-2024-12-31.png", "IMG-20240101-WA0001.jpg", "clip-12345678.mp4", "a-99999999.css",
        "report-2024a.jpg", "v1.2.3.js", "lib-4.17.21.min.js", "apple-touch-icon-180x180.png", "icon-150x150.png",
        "mstile-310x310.png", "favicon-32x32.png", "screenshot-1280x720.webp", "MVIMG_20240101_1234.jpg",
        "a.deadbeef.js", "x-cafebabe.css", "y-aaaaaaab.js", "color-a1a1a1a1.svg", "DSC00012.JPG", "GOPR0123.MP4",
        "VID_20240101.mp4", "part-no-4711a.jpg", "sku-12-34-ab.png", "isbn-9783161484100.jpg", "room-101.webp",
        "track-01.mp3", "chapter-2b.mp3", "a-1.2.woff2",
]  # fmt: skip


@pytest.mark.parametrize("name", [name for names in HASHED.values() for name in names])
def test_what_only_build_tools_write_is_certain(name: str) -> None:
    assert certainty(name.rpartition("/")[2].encode()) == hashed.CERTAIN


@pytest.mark.parametrize(("names", "sure"), [(LIKELY, hashed.LIKELY), (WEAK, hashed.WEAK)])
def test_what_may_be_something_else_is_not(names: list[str], sure: int) -> None:
    assert {name: certainty(name.encode()) for name in names} == dict.fromkeys(names, sure)


@pytest.mark.parametrize("name", PLAIN)
def test_what_people_write_is_not_even_likely(name: str) -> None:
    """A wrong yes keeps a stale file in browsers for a year. What is weak needs a manifest that names the very file."""
    assert certainty(name.encode()) in (hashed.NO, hashed.WEAK)


def test_both_lists_are_long_enough_to_mean_something() -> None:
    assert len(set(PLAIN)) >= 90
    assert sum(map(len, HASHED.values())) + len(LIKELY) + len(WEAK) >= 60


@given(st.binary(max_size=40))
def test_any_name_has_an_answer(name: bytes) -> None:
    assert certainty(name) in (hashed.NO, hashed.WEAK, hashed.LIKELY, hashed.CERTAIN)


# What the build has left behind.

PAGE = b'<script type=module src="/assets/index-BfZ3k9aQ.js"></script><img src="/photos/room-101a102b.webp">'
PARTED = b"<script defer=defer src=./static/js/main.d587bbd6.js></script>"


def lasting(root: Path, files: dict[str, bytes], path: str, how: HashedNames = "certain") -> bool:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    with Site(str(root), policy=Policy(hashed_names=how)) as site:
        return is_lasting(path.encode(), site)


@pytest.mark.parametrize(
    ("files", "path", "wanted"),
    [
        ({}, "assets/index-BfZ3k9aQ.js", True),
        ({}, "_next/static/xyz/_buildManifest.js", True),
        ({}, "base/_app/immutable/entry/start.js", True),
        ({}, "_next/data.json", False),
        ({}, "index.html", False),
        ({}, "assets/logo-Cf7b2k9X.svg", False),
        ({"index.html": PAGE}, "assets/logo-Cf7b2k9X.svg", True),
        ({"index.html": PAGE}, "assets/logo.6ce24c58.svg", True),
        ({"index.html": PAGE}, "photos/room-101a102b.webp", False),
        ({"index.html": PAGE}, f"assets/avatar-{MD5}.png", False),
        ({"index.html": PAGE}, "assets/cam-00a1b2c3d4e5.jpg", False),
        ({"index.html": b"<script src=/app.js></script>"}, "assets/logo-Cf7b2k9X.svg", False),
        ({"index.html": b"<script src=/index-BfZ3k9aQ.js></script>"}, "logo-Cf7b2k9X.svg", False),
        ({"index.html": PARTED}, "static/media/logo.6ce24c58.svg", True),
        ({"index.html": PARTED}, "media/logo.6ce24c58.svg", False),
        ({"staticfiles.json": b'{"paths": {"img/logo.png": "img/logo.27e20196a850.png"}}'},
         "img/logo.27e20196a850.png", True),
        ({"staticfiles.json": b'{"paths": {"img/logo.png": "img/logo.27e20196a850.png"}}'},
         "img/cam-00a1b2c3d4e5.jpg", False),
        ({".vite/manifest.json": b'{"index.html": {"file": "assets/index-BxYzAbCd.js"}}'},
         "assets/index-BxYzAbCd.js", True),
        ({"asset-manifest.json": b'{"files": {"a": "static/media/logo.%s.svg"}}' % MD5.encode()},
         f"static/media/logo.{MD5}.svg", True),
    ],
)  # fmt: skip
def test_the_build_vouches_for_names(tmp_path: Path, files: dict[str, bytes], path: str, wanted: bool) -> None:
    assert lasting(tmp_path, files, path) is wanted


def test_the_key_says_how_much_is_believed(tmp_path: Path) -> None:
    names = ("a/x.3f9a1c2b.js", "_astro/x.js", "a/room-101a102b.webp", f"a/avatar-{MD5}.png")
    modes: tuple[HashedNames, ...] = ("certain", "likely", "off")
    said = {how: [lasting(tmp_path, {}, name, how) for name in names] for how in modes}
    assert said == {"certain": [True, True, False, False], "likely": [True, True, True, False], "off": [False] * 4}
