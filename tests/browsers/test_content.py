"""A browser takes what is served for what it is: scripts, modules, WebAssembly, fonts, sound, codings."""

from __future__ import annotations

from pathlib import Path

import pytest

from .chromium import Page
from .content import WASM, WAV_BYTES_A_SECOND, WAV_HEAD_BYTES, html, in_brotli, in_zstd, silence, write
from .fixtures import Launch, Record
from .programs import MARKS, installed

pytestmark = MARKS

_FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")


def test_html_modules_import_each_other(page: Page, launch: Launch, root: Path) -> None:
    """HTML, fetch a single module script: it needs a JavaScript type, whatever the name ends in."""
    write(root / "index.html", html('<p id="sum"></p><script type="module" src="main.mjs"></script>'))
    main = 'import {two} from "./lib/two.js";\nsum.textContent = two + (await import("./x.mjs")).x;\n'
    write(root / "main.mjs", main)
    write(root / "lib/two.js", "export const two = 2;\n")
    write(root / "x.mjs", "export const x = 3;\n")
    page.go(f"http://127.0.0.1:{launch(root)}/")
    page.until("document.getElementById('sum').textContent === '5'")
    for name in ("main.mjs", "two.js", "x.mjs"):
        answer = page.exchange(name)
        assert (answer.status, answer.media_type) == (200, "text/javascript")
        assert answer.fields["x-content-type-options"] == "nosniff"
    assert page.complaints() == []


def test_fetch_nosniff_is_obeyed(page: Page, launch: Launch, root: Path) -> None:
    """Fetch, should response to request be blocked due to nosniff: text is no script and no style sheet."""
    write(root / "index.html", html('<link rel="stylesheet" href="style.txt"><script src="script.txt"></script>'))
    write(root / "script.txt", "document.title = 'has run';\n")
    write(root / "style.txt", "body { color: red }\n")
    page.go(f"http://127.0.0.1:{launch(root)}/")
    assert page.evaluate("document.title") == "page"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    refused = [line for line in page.complaints() if "strict MIME" in line]
    assert all(any(name in line for line in refused) for name in ("script.txt", "style.txt")), page.complaints()


def test_wasm_compiles_while_it_arrives(page: Page, launch: Launch, root: Path) -> None:
    """WebAssembly Web API, streaming compilation: the type must be application/wasm, with no parameter."""
    write(root / "index.html", html(""))
    write(root / "answer.wasm", WASM)
    page.go(f"http://127.0.0.1:{launch(root)}/")
    script = "WebAssembly.instantiateStreaming(fetch('answer.wasm')).then(made => made.instance.exports.answer())"
    assert page.evaluate(script) == 42
    assert page.exchange("answer.wasm").fields["content-type"] == "application/wasm"
    assert page.complaints() == []


def test_css_fonts_load(page: Page, launch: Launch, root: Path) -> None:
    """CSS Fonts 4, font fetching requirements: from here no grant is needed; RFC 8081 4.4.2 names the type."""
    font = installed(_FONT, package="fonts-dejavu-core").read_bytes()
    write(root / "fonts/sans.ttf", font)
    write(root / "style.css", '@font-face { font-family: Probe; src: url("fonts/sans.ttf"); }\n')
    write(root / "index.html", html('<link rel="stylesheet" href="style.css"><p style="font-family: Probe">abc'))
    page.go(f"http://127.0.0.1:{launch(root)}/")
    loaded = "document.fonts.load('16px Probe').then(faces => faces.map(face => face.status))"
    assert page.evaluate(loaded) == ["loaded"]
    assert page.exchange("sans.ttf").media_type == "font/ttf"
    assert page.complaints() == []


def test_html_sound_seeks(page: Page, launch: Launch, record: Record, root: Path) -> None:
    """HTML, seeking: the end is played before the middle has come, by Range and 206 (RFC 9110 14.2, 15.3.7)."""
    seconds, wanted = 360, 350
    silence(root / "silence.wav", seconds)
    write(root / "index.html", html('<audio id="sound" preload="metadata" src="silence.wav"></audio>'))
    relay = record(launch(root))
    page.go(f"http://127.0.0.1:{relay.port}/")
    page.until("sound.readyState >= HTMLMediaElement.HAVE_METADATA")
    assert page.evaluate("Math.round(sound.duration)") == seconds
    seek = f"new Promise(done => {{ sound.onseeked = () => done(sound.currentTime); sound.currentTime = {wanted}; }})"
    assert page.evaluate(seek) == wanted
    page.until("sound.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA")
    page.evaluate("sound.play().then(() => sound.pause())")
    total = WAV_HEAD_BYTES + seconds * WAV_BYTES_A_SECOND
    asked = [(one, *_range(one.request["range"], total)) for one in relay.passed("/silence.wav")]
    assert any(first > total // 2 for _, first, _ in asked), "the end was never asked for"
    for one, first, last in asked:
        if one.status == 304:  # it had this part already; RFC 9110 13.2.2: that is looked at before Range
            assert one.request["if-none-match"] == one.answer["etag"]
        else:
            assert (one.status, one.answer["content-range"]) == (206, f"bytes {first}-{last}/{total}")
    assert page.complaints() == []


def _range(value: str, total: int) -> tuple[int, int]:
    """The first and the last position of a range; the last may be left out (RFC 9110 14.1.2)."""
    first, _, last = value.removeprefix("bytes=").partition("-")
    return int(first), int(last) if last else total - 1


def test_rfc9110_8_4_gzip_is_decoded(page: Page, launch: Launch, root: Path) -> None:
    write(root / "index.html", html('<script src="long.js"></script>'))
    write(root / "long.js", "// " + "a comment that goes on and on " * 200 + "\ndocument.title = 'decoded';\n")
    page.go(f"http://127.0.0.1:{launch(root)}/")
    answer = page.exchange("long.js")
    assert page.evaluate("document.title") == "decoded"
    assert answer.fields["content-encoding"] in ("gzip", "br", "zstd")  # of the last two only when there is a coder
    assert int(answer.fields["content-length"]) < 1000
    assert answer.fields["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(("coding", "extension"), [("br", ".br"), ("zstd", ".zst")])
def test_rfc9110_8_4_what_lies_beside_is_decoded(
    page: Page, launch: Launch, root: Path, coding: str, extension: str
) -> None:
    """The sibling says another title, so it is known who was sent; RFC 7932 and RFC 8878 are the codings."""
    write(root / "index.html", html('<script src="long.js"></script>'))
    write(root / "long.js", "// " + "a comment that goes on and on " * 200 + "\ndocument.title = 'original';\n")
    script = b"document.title = 'sibling';\n"
    write(root / f"long.js{extension}", in_brotli(script) if coding == "br" else in_zstd(script))
    page.go(f"http://127.0.0.1:{launch(root)}/")
    answer = page.exchange("long.js")
    assert coding in answer.asked["accept-encoding"]
    assert answer.fields["content-encoding"] == coding
    assert answer.media_type == "text/javascript"
    assert page.evaluate("document.title") == "sibling"
    assert page.complaints() == []
