"""Status codes in words, and the small pages that go with them.

One table: the reason phrase (RFC 9110 15) and a sentence for a human being. No page repeats
anything of the request but a redirect's own location, escaped.

A page is sent for every link that leads nowhere and to every scanner, so it has no more than
1,200 bytes: with its head it fits one packet of 1,460 bytes.
"""

from __future__ import annotations

from typing import Final

from .style import BASE, squeezed

STATUS: dict[int, tuple[str, str]] = {
    200: ("OK", ""),
    204: ("No Content", ""),
    206: ("Partial Content", ""),
    301: ("Moved Permanently", "The page has moved to"),
    302: ("Found", "For now, the page is at"),
    303: ("See Other", "The answer is at"),
    304: ("Not Modified", ""),
    307: ("Temporary Redirect", "For now, the page is at"),
    308: ("Permanent Redirect", "The page has moved to"),
    400: ("Bad Request", "The server could not understand the request."),
    401: ("Unauthorized", "This page needs a name and a password."),
    403: ("Forbidden", "You have no permission to see this page."),
    404: ("Not Found", "There is no page at this address."),
    405: ("Method Not Allowed", "This page can be read, but not changed."),
    406: ("Not Acceptable", "The page does not exist in a form that the request accepts."),
    408: ("Request Timeout", "The request took too long to arrive."),
    412: ("Precondition Failed", "The page is not in the state that the request expects."),
    413: ("Content Too Large", "The request is too large."),
    414: ("URI Too Long", "The address is too long."),
    416: ("Range Not Satisfiable", "The file does not have the part that the request asks for."),
    417: ("Expectation Failed", "The server cannot do what the request expects."),
    421: ("Misdirected Request", "This server has no site of the name in the address."),
    429: ("Too Many Requests", "There were too many requests from your address. Try again a little later."),
    431: ("Request Header Fields Too Large", "The head of the request is too long."),
    500: ("Internal Server Error", "The server failed. Its log says why."),
    501: ("Not Implemented", "The server does not know this method."),
    503: ("Service Unavailable", "The server is busy. Try again a little later."),
    505: ("HTTP Version Not Supported", "The server speaks HTTP/1.1."),
}

_STYLE: Final = squeezed(
    BASE
    + """
main { padding-top: 12vh; overflow-wrap: anywhere; }
h1 { margin-bottom: .5rem; }
h1 span { display: block; color: var(--blue); font-size: 4rem; line-height: 1; font-weight: 300; }
p { margin: 0; color: var(--soft); }
"""
)

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{status} {reason}</title>
<style>{style}</style>
<main>
<h1><span>{status}</span> {reason}</h1>
<p>{sentence}</p>
</main>
</html>
"""


def page(status: int, location: bytes = b"") -> bytes:
    """The page of an error, or of a redirect with its location as a link."""
    ready = _PAGES.get(status)
    if ready is not None:
        return ready
    link = location.decode("ascii").translate(_ESCAPES)
    return _written(status, f'{STATUS[status][1]} <a href="{link}">{link}</a>')


# As html.escape() does, whose module brings the names of two thousand signs along.
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})


def _written(status: int, sentence: str) -> bytes:
    return _PAGE.format(status=status, reason=STATUS[status][0], style=_STYLE, sentence=sentence).encode()


_PAGES = {status: _written(status, words[1]) for status, words in STATUS.items() if status >= 400}
