"""Sockets that were open when we came: systemd's (sd_listen_fds(3)), or those of the server that we take over from.

    LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES   so many descriptors from 3 on, for that process, with these names
    TUXPY_HANDOVER                           what the server before us says: its listeners by address, those of systemd
                                             by name, and a pipe to tell it that we serve

Until we have told it, all that is there is still that server's: if we come to nothing, no path and no socket is
touched. Both are taken out of the environment: what we start has no business with them.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, MutableMapping
from contextlib import suppress
from typing import Final

from ..config.settings import Address, Config
from ..errors import ConfigError
from .listen import Listener

HANDOVER: Final = "TUXPY_HANDOVER"
_FIRST: Final = 3  # SD_LISTEN_FDS_START
_READY: Final = b"R"


class Inherited:
    """What we were started with. Sockets that are not asked for stay open until close(): it is not ours."""

    def __init__(self) -> None:
        self._given: dict[str, list[socket.socket]] = {}  # systemd's, by name
        self._numbers: dict[str, socket.socket] = {}  # the same, by number
        self._former: dict[str, list[socket.socket]] = {}  # by address, from the server before us
        self._former_admin: dict[str, list[socket.socket]] = {}
        self._adopted: list[Listener] = []  # of these: what we listen at
        self._pipe = -1

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> Inherited:
        """All that is meant for this process. Raises ConfigError."""
        self = cls()
        try:
            self._take_given(environ)
            said = environ.pop(HANDOVER, None)
            if said is not None:
                self._take_former(said)
        except BaseException:
            self.close()
            raise
        return self

    def _take_given(self, environ: MutableMapping[str, str]) -> None:
        said = [environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")]
        pid, count, names = said
        if pid != str(os.getpid()) or not count.isdecimal():
            return
        called = names.split(":") if names else []
        for place in range(int(count)):
            one = _listening(_FIRST + place)
            self._numbers[str(_FIRST + place)] = one
            self._given.setdefault(called[place] if place < len(called) else "unknown", []).append(one)

    def _take_former(self, said: str) -> None:
        try:
            import json

            told = json.loads(said)
            self._pipe = int(told["pipe"])
            os.set_inheritable(self._pipe, False)
            for name, number, descriptor in told["given"]:
                one = _listening(int(descriptor))
                self._numbers[str(number)] = one
                self._given.setdefault(str(name), []).append(one)
            for kind, former in (("listeners", self._former), ("admin", self._former_admin)):
                for address, numbers in told[kind].items():
                    former[address] = [_listening(int(number)) for number in numbers]
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise ConfigError(f"{HANDOVER} is not what a server says when it is upgraded: unset it") from error

    def will(self, pipe: int, listeners: Iterable[Listener], admin: Iterable[Listener]) -> tuple[str, list[int]]:
        """What a successor is told, and the descriptors that it needs under their numbers."""
        parts = [
            {str(one.address): [each.fileno() for each in one.sockets] for one in some} for some in (listeners, admin)
        ]
        numbers = {one: number for number, one in self._numbers.items()}
        given = [(name, numbers[one], one.fileno()) for name, several in self._given.items() for one in several]
        import json

        said = json.dumps({"pipe": pipe, "listeners": parts[0], "admin": parts[1], "given": given})
        theirs = [number for part in parts for several in part.values() for number in several]
        return said, [pipe, *theirs, *(number for _, _, number in given)]

    def binds(self, config: Config) -> tuple[Address, ...]:
        """Where to listen: as configured, or, when that is only the default, at all sockets of systemd."""
        names = [*self._numbers] or [word[3:] for word in self._former if word.startswith("fd:")]
        if config.binds != (Address(),) or not names:
            return config.binds
        return tuple(Address("", 0, True, fd=name) for name in names)

    def listener(self, address: Address, admin: bool = False) -> Listener | None:
        """The one for this address, if it was open when we came. admin: among the admin listeners."""
        if address.fd:
            sockets = self._given.get(address.fd) or [self._numbers[n] for n in (address.fd,) if n in self._numbers]
            if sockets:
                return Listener(address, [one.dup() for one in sockets], lent=True)
        former = self._former_admin if admin else self._former
        for word, sockets in list(former.items()):
            found = Listener(address, sockets, lent=True)
            if word == str(address) or found.stands_for(address):
                del former[word]
                self._adopted.append(found)
                return found
        return None

    def tell_ready(self) -> None:
        """Tell the server before us that we serve; it drains."""
        if self._pipe < 0:
            return
        for one in self._adopted:
            one.lent = bool(one.address.fd)
            one.watch_path()
        self._adopted.clear()
        with suppress(OSError):  # it may have gone already
            os.write(self._pipe, _READY)
        self._let_go()

    def _let_go(self) -> None:
        """Sockets that were not asked for by now belong to the server before us, and go with it."""
        for former in (self._former, self._former_admin):
            for sockets in former.values():
                for one in sockets:
                    one.close()
            former.clear()
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1

    def close(self) -> None:
        """Any number of times."""
        self._let_go()
        for one in self._numbers.values():
            one.close()
        self._numbers.clear()
        self._given.clear()


def _listening(number: int) -> socket.socket:
    """Our descriptor of this number. Raises ConfigError when no stream listens there."""
    try:
        os.set_inheritable(number, False)
        one = socket.socket(fileno=number)
    except OSError as error:
        raise ConfigError(f"the inherited descriptor {number}: {error.strerror}; unset it") from error
    if one.type != socket.SOCK_STREAM or not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        one.detach()
        raise ConfigError(f"the inherited socket {number} does not listen: give it ListenStream=")
    one.setblocking(False)
    return one
