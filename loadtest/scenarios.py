"""What is asked of every server: the table of scenarios and the files they need."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_MANY_FILES = 10_000
_LARGE = 64 << 20
_MIX_DIRECTORIES = 20  # of 5 MB each, as in SPECweb99; wrk/mix.lua knows the number, too


@dataclass(frozen=True)
class Setup:
    """How the servers are set up where it is not the plain way."""

    name: str = ""
    log: bool = False
    workers: int = 1  # with more, neither the server nor wrk is bound to one processor
    idle: int = 0
    connections: int = 4096


PLAIN = Setup()
LOGGING = Setup("log", log=True)
_CROWDED = Setup("crowd", idle=10_000, connections=16384)
_TWO = Setup("two", workers=2)


@dataclass(frozen=True)
class Scenario:
    """`body` is the length of one answer, or less than the mean of all; `file` that of the file it is taken from when
    they differ. `like` names the scenario that is the same but for the setup of the server and who else is connected:
    `setup.idle` connections that ask for nothing."""

    name: str
    body: int
    connections: int
    script: str = "report.lua"
    close: bool = False
    quick: bool = True
    many: bool = False
    mix: bool = False
    file: int = 0
    setup: Setup = PLAIN
    like: str = ""

    @property
    def path(self) -> str:
        """Where wrk is sent; its script may add to it."""
        if self.mix:
            return "/mix/"
        return "/many/" if self.many else f"/{self.file or self.body}.bin"

    @property
    def sample_path(self) -> str:
        """One file, for the check that the answer is right."""
        if self.mix:
            return "/mix/0/class1_5.bin"
        return "/many/0.bin" if self.many else self.path

    @property
    def sample_fields(self) -> dict[str, str]:
        return {"Range": f"bytes=0-{self.body - 1}"} if self.file else {}


SCENARIOS = (
    Scenario("keep-alive 1 KiB", 1024, 64),
    Scenario("browser-like heads 1 KiB", 1024, 64, script="browser.lua"),
    Scenario("keep-alive 16 KiB", 16 << 10, 64),
    Scenario("keep-alive 100 KiB", 100 << 10, 32, quick=False),
    Scenario("keep-alive 1 MiB", 1 << 20, 16),
    Scenario("keep-alive 64 MiB", _LARGE, 2, quick=False),
    Scenario("connection per request 1 KiB", 1024, 64, close=True),
    Scenario("10,000 files of 2 KiB", 2048, 64, script="many.lua", quick=False, many=True),
    Scenario("mix of SPECweb99", 5 * 1024, 64, script="mix.lua", quick=False, mix=True),
    Scenario("random 64 KiB of 64 MiB", 64 << 10, 32, script="ranges.lua", quick=False, file=_LARGE),
    Scenario("every target new 1 KiB", 1024, 64, script="unseen.lua", quick=False),
    Scenario("with access log 1 KiB", 1024, 64, quick=False, setup=LOGGING, like="keep-alive 1 KiB"),
    Scenario(
        "with access log, browser-like heads", 1024, 64, script="browser.lua", quick=False, setup=LOGGING,
        like="browser-like heads 1 KiB",
    ),
    Scenario("beside 10,000 idle connections", 1024, 64, quick=False, setup=_CROWDED, like="keep-alive 1 KiB"),
    Scenario("two workers, two processors", 1024, 64, quick=False, setup=_TWO, like="keep-alive 1 KiB"),
)


def make_site(root: Path, scenarios: Sequence[Scenario]) -> None:
    """The files of these scenarios, with contents that no zero page and no compression can shorten."""
    root.mkdir()
    generator = random.Random(1)
    for size in sorted({one.file or one.body for one in scenarios if not (one.many or one.mix)}):
        (root / f"{size}.bin").write_bytes(generator.randbytes(size))
    for size in {scenario.body for scenario in scenarios if scenario.many}:
        (root / "many").mkdir()
        for number in range(_MANY_FILES):
            (root / "many" / f"{number}.bin").write_bytes(generator.randbytes(size))
    for directory in range(_MIX_DIRECTORIES if any(scenario.mix for scenario in scenarios) else 0):
        (root / "mix" / str(directory)).mkdir(parents=True)
        for class_number, step in enumerate((102, 1024, 10240, 102400)):
            for number in range(1, 10):
                file = root / "mix" / str(directory) / f"class{class_number}_{number}.bin"
                file.write_bytes(generator.randbytes(step * number))
