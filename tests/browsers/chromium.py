"""Chromium without a window, driven over its DevTools protocol.

The protocol runs through two pipes: what the browser reads is its descriptor 3, what it writes its descriptor 4, and a
message is JSON with a NUL behind it. One thread does all of it: events are collected while an answer is waited for.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import selectors
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from support.poll import until

DEADLINE_S: Final = 20.0
Json: TypeAlias = dict[str, Any]
_ICON: Final = "/favicon.ico"

_WORDS: Final = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-breakpad",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-client-side-phishing-detection",
    "--disable-features=Translate,OptimizationHints,MediaRouter,DialMediaRouteProvider,InterestFeedContentSuggestions",
    "--password-store=basic",
    "--use-mock-keychain",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",  # nothing leaves this machine
)


class Event(NamedTuple):
    session: str
    method: str
    params: Json


def _high(fd: int) -> int:
    """The same, out of the way of 3 and 4."""
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 16)
    os.close(fd)
    return moved


class Chromium:
    """One browser with a profile of its own, until close()."""

    def __init__(self, path: Path, profile: Path) -> None:
        self.events: list[Event] = []
        self._answers: dict[int, Json] = {}
        self._asked = 0
        self._kept = b""
        theirs_in, self._out = map(_high, os.pipe())
        self._in, theirs_out = map(_high, os.pipe())
        words = [str(path), *_WORDS, f"--user-data-dir={profile}"]
        if os.geteuid() == 0:
            words.append("--no-sandbox")
        log = str(profile.with_suffix(".log"))
        self._pid = os.posix_spawn(
            path,
            [*words, "about:blank"],
            {**os.environ, "HOME": str(profile.parent), "LANG": "C.UTF-8"},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, theirs_in, 3),
                (os.POSIX_SPAWN_DUP2, theirs_out, 4),
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        os.close(theirs_in)
        os.close(theirs_out)

    def open(self) -> Page:
        """A page with nothing on it, and with all that it does reported here."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session: str = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        for domain in ("Page", "Runtime", "Network", "Log", "Audits"):
            page.call(f"{domain}.enable")
        return page

    def call(self, method: str, session: str = "", **params: Any) -> Json:
        """Ask for something; what the browser answers."""
        self._asked += 1
        number = self._asked
        message: Json = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")  # small beside what a pipe holds
        self.pump(lambda: number in self._answers, lambda: f"no answer to {method}")
        answer = self._answers.pop(number)
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: Json = answer["result"]
        return result

    def pump(self, done: Callable[[], object], otherwise: Callable[[], str]) -> None:
        """Take in what the browser says until something is so."""
        end = time.monotonic() + DEADLINE_S
        with selectors.DefaultSelector() as selector:
            selector.register(self._in, selectors.EVENT_READ)
            while not done():
                assert time.monotonic() < end, otherwise()
                if selector.select(timeout=0.25):
                    more = os.read(self._in, 1 << 20)
                    assert more, f"the browser has left, {otherwise()}"
                    self._take(more)

    def _take(self, more: bytes) -> None:
        *messages, self._kept = (self._kept + more).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self._answers[message["id"]] = message
            else:
                self.events.append(Event(message.get("sessionId", ""), message["method"], message["params"]))

    def close(self) -> None:
        """The browser and all its processes are gone."""
        with contextlib.suppress(AssertionError, BrokenPipeError):
            self.call("Browser.close")
        if not until(self._reaped, within_s=5):
            os.killpg(self._pid, signal.SIGKILL)
            until(self._reaped)
        with contextlib.suppress(ProcessLookupError):  # its own helpers, should one be left
            os.killpg(self._pid, signal.SIGKILL)
        os.close(self._in)
        os.close(self._out)

    def _reaped(self) -> bool:
        return os.waitpid(self._pid, os.WNOHANG)[0] != 0


@dataclass
class Exchange:
    """One request of the browser and what came of it. Names of fields are in lower case."""

    url: str
    method: str
    asked: dict[str, str] = field(default_factory=dict)  # the fields as they were on the wire
    status: int = 0  # as the page sees it
    wire_status: int = 0  # as it came: 304 where the page sees 200; 0 when nothing was sent
    fields: dict[str, str] = field(default_factory=dict)
    media_type: str = ""
    from_cache: bool = False
    from_worker: bool = False
    failure: str = ""


class Page:
    """One page of the browser."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self.browser = browser
        self._session = session

    def call(self, method: str, **params: Any) -> Json:
        return self.browser.call(method, self._session, **params)

    @property
    def mark(self) -> int:
        """The point in the course of events that is now."""
        return len(self.browser.events)

    def events(self, method: str, since: int = 0) -> list[Json]:
        here = self.browser.events[since:]
        return [event.params for event in here if event.session == self._session and event.method == method]

    def wait_for(self, method: str, since: int) -> Json:
        self.browser.pump(lambda: self.events(method, since), lambda: f"no {method}")
        return self.events(method, since)[0]

    # What a person does.

    def go(self, url: str) -> None:
        since = self.mark
        found = self.call("Page.navigate", url=url)
        assert "errorText" not in found, f"{url}: {found['errorText']}"
        self.wait_for("Page.loadEventFired", since)

    def reload(self) -> None:
        since = self.mark
        self.call("Page.reload")
        self.wait_for("Page.loadEventFired", since)

    def visit_until(self, url: str, condition: str, within_s: float) -> None:
        """Go there again and again, until something is so on the page."""

        def visit() -> bool:
            self.go(url)
            return bool(self.evaluate(condition))

        assert until(visit, within_s=within_s), f"never: {condition}"

    def follow(self, selector: str) -> None:
        """Click a link and wait for what it leads to."""
        since = self.mark
        self.click(selector)
        self.wait_for("Page.loadEventFired", since)

    def click(self, selector: str) -> None:
        """With the mouse, where the element is seen; something on top of it would get the click."""
        where = self.evaluate(
            f"""(() => {{
                const element = document.querySelector({json.dumps(selector)});
                element.scrollIntoView({{block: "center", behavior: "instant"}});
                const box = element.getClientRects()[0];
                return [box.x + box.width / 2, box.y + box.height / 2];
            }})()"""
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=where[0], y=where[1], button="left", clickCount=1)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression on the page; of a promise, what it is fulfilled with."""
        found = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            details = found["exceptionDetails"]
            raise AssertionError(details.get("exception", {}).get("description") or details["text"])
        return found["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait for something to be so on the page; whatever changes there may be what makes it so."""
        found = until(lambda: self.evaluate(f"Boolean({condition})"), within_s=DEADLINE_S)
        assert found, f"never: {condition}"

    @property
    def url(self) -> str:
        return str(self.evaluate("location.href"))

    @property
    def text(self) -> str:
        return str(self.evaluate("document.body.innerText"))

    def emulate(self, **features: str) -> None:
        """Media features, as prefers_color_scheme="dark"."""
        wanted = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", features=wanted)

    def screenshot(self) -> bytes:
        """As PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    # What the browser has noticed.

    def complaints(self) -> list[str]:
        """Errors and warnings of the console, exceptions nobody caught, and breaches of a policy.

        That there is no /favicon.ico is none: browsers ask for it on their own.
        """
        return [line for line in self._complaints() if not line.endswith(_ICON)]

    def _complaints(self) -> Iterator[str]:
        for entry in self.events("Log.entryAdded"):
            if entry["entry"]["level"] in ("error", "warning"):
                yield f"{entry['entry']['source']}: {entry['entry']['text']} {entry['entry'].get('url', '')}"
        for call in self.events("Runtime.consoleAPICalled"):
            if call["type"] in ("error", "warning", "assert"):
                yield f"console: {[argument.get('value') for argument in call['args']]}"
        for thrown in self.events("Runtime.exceptionThrown"):
            yield f"exception: {thrown['exceptionDetails']}"
        for issue in self.events("Audits.issueAdded"):
            if issue["issue"]["code"] == "ContentSecurityPolicyIssue":
                yield f"policy: {issue['issue']['details']}"

    def exchanges(self, since: int = 0) -> list[Exchange]:
        """What was asked for, in order; wait for what is still under way."""
        self.browser.pump(lambda: not self._untold(since), lambda: f"not ended: {self._untold(since)}")
        found: dict[str, Exchange] = {}
        for params in self.events("Network.requestWillBeSent", since):
            found[params["requestId"]] = Exchange(params["request"]["url"], params["request"]["method"])
        for params in self.events("Network.requestWillBeSentExtraInfo", since):
            if params["requestId"] in found:
                found[params["requestId"]].asked = _lower(params["headers"])
        for params in self.events("Network.responseReceived", since):
            if one := found.get(params["requestId"]):
                response = params["response"]
                one.status, one.media_type = response["status"], response["mimeType"]
                one.fields = _lower(response["headers"])
                one.from_cache = response.get("fromDiskCache", False)
                one.from_worker = response.get("fromServiceWorker", False)
        for params in self.events("Network.requestServedFromCache", since):
            if params["requestId"] in found:
                found[params["requestId"]].from_cache = True
        for params in self.events("Network.responseReceivedExtraInfo", since):
            if params["requestId"] in found:
                found[params["requestId"]].wire_status = params["statusCode"]
        for params in self.events("Network.loadingFailed", since):
            if params["requestId"] in found:
                found[params["requestId"]].failure = params["errorText"]
        return list(found.values())

    def exchange(self, end: str, since: int = 0) -> Exchange:
        """The last one whose URL ends so."""
        found = [one for one in self.exchanges(since) if one.url.endswith(end)]
        assert found, f"nobody has asked for {end}"
        return found[-1]

    def _untold(self, since: int) -> dict[str, str]:
        """Requests that have not ended, or of which it is not told yet what was on the wire.

        Of an icon it is never told when another page came before it.
        """
        sent = self.events("Network.requestWillBeSent", since)
        begun = {params["requestId"]: params["request"]["url"] for params in sent}
        ended = self._ids("loadingFinished", since) | self._ids("loadingFailed", since)
        answered = self.events("Network.responseReceived", since)
        more = {params["requestId"] for params in answered if params["hasExtraInfo"]}
        more -= self._ids("requestServedFromCache", since) | self._ids("responseReceivedExtraInfo", since)
        late = {one: url for one, url in begun.items() if one not in ended or one in more}
        return {one: url for one, url in late.items() if not url.endswith(_ICON)}

    def _ids(self, event: str, since: int) -> set[str]:
        return {params["requestId"] for params in self.events(f"Network.{event}", since)}


def _lower(fields: Json) -> dict[str, str]:
    return {name.lower(): value for name, value in fields.items()}
