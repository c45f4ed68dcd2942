"""Status codes in words, and the small pages that go with them.

One table: the reason phrase (RFC 9110 15) and a sentence for a human being. No page repeats
anything of the request but a redirect's own location, escaped.
"""

from __future__ import annotations

import html

STATUS: dict[int, tuple[str, str]] = {
    200: ("OK", ""),
    204: ("No Content", ""),
    206: ("Partial Content", ""),
    301: ("Moved Permanently", "It is here:"),
    302: ("Found", "For now it is here:"),
    303: ("See Other", "The answer is here:"),
    304: ("Not Modified", ""),
    307: ("Temporary Redirect", "For now it is here:"),
    308: ("Permanent Redirect", "It is here:"),
    400: ("Bad Request", "The request could not be understood."),
    401: ("Unauthorized", "This needs a name and a password."),
    403: ("Forbidden", "This may not be read."),
    404: ("Not Found", "There is nothing of this name here."),
    405: ("Method Not Allowed", "This can only be read."),
    406: ("Not Acceptable", "It cannot be had in a form that the request accepts."),
    408: ("Request Timeout", "The request took too long to arrive."),
    412: ("Precondition Failed", "It is not in the state that the request asks for."),
    413: ("Content Too Large", "The request is too large."),
    414: ("URI Too Long", "The address is too long."),
    416: ("Range Not Satisfiable", "It has no such part."),
    417: ("Expectation Failed", "What the request expects cannot be done."),
    421: ("Misdirected Request", "No site of this server has the name that the request was sent to."),
    431: ("Request Header Fields Too Large", "The head of the request is too long."),
    500: ("Internal Server Error", "The server failed; its log says why."),
    501: ("Not Implemented", "The server does not know how to do this."),
    429: ("Too Many Requests", "You have asked too often; try again a little later."),
    503: ("Service Unavailable", "The server is busy; try again later."),
    505: ("HTTP Version Not Supported", "HTTP/1.1 is spoken here."),
}


_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<h1>{title}</h1>
<p>{sentence}</p>
</html>
"""


def page(status: int, location: bytes = b"") -> bytes:
    """The page of an error, or of a redirect with its location as a link."""
    ready = _PAGES.get(status)
    if ready is not None:
        return ready
    link = html.escape(location.decode("ascii"))
    return _written(status, f'{STATUS[status][1]} <a href="{link}">{link}</a>')


def _written(status: int, sentence: str) -> bytes:
    return _PAGE.format(title=f"{status} {STATUS[status][0]}", sentence=sentence).encode()


_PAGES = {status: _written(status, words[1]) for status, words in STATUS.items() if status >= 400}
