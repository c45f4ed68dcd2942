"""What a chain means: an interpreter of chains in plain blocking Python, the specification of the C engine.

It never parks a run, it waits; it has no deadline and no cancellation. In everything else a run here and a run in C end
at the same atom with the same result, reason, steps and cells, and random chains prove it.

    step    one atom: read its cells, make the call, write the result cell, test the conditions
    result  what the call returned, or -errno; a number like any other unless a condition stops on it
    ERROR   a length beyond its memory: no call is made, the result is -EFAULT, no condition is asked
    BUDGET  found when a step is wanted and none is left
    END, STOP, ERROR, BUDGET alike: what FD cells still hold is closed

ASYNC and SYNC say who waits. Here there is only one to do it, so they change nothing. NO_COMPLETE changes nothing
either: it is about the ring that carries records away, and here the record is simply returned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableSequence
from errno import EFAULT
from typing import Final, TypeAlias

from . import flags as f
from . import system
from .calls import Atom
from .cells import MEMORY, Cell, Kind
from .check import NUMBER_MAX, NUMBER_MIN, SHARED_MAX, ChainError, Frozen
from .flags import Reason
from .result import ChainResult, Value

Trace: TypeAlias = "list[tuple[str, int]]"
Argument: TypeAlias = "int | bytes | memoryview | list[int]"
Calls: TypeAlias = Mapping[str, Callable[..., int]]

NOTHING: Final = -1  # what an FD cell holds when it owns no descriptor


def run(
    frozen: Frozen,
    params: Mapping[str, int] | None = None,
    calls: Calls | None = None,
    shared: MutableSequence[int] | None = None,
    trace: Trace | None = None,
    cookie: int = 0,
) -> ChainResult:
    """Run `frozen` to its end.

    params: a value for every param cell, by name. calls: functions for the calls of the HTTP engine, or instead of our
    own; system.py says what they get. shared: the shared numbers, changed in place. trace: receives (label, result) of
    every step.
    """
    known: Calls = {**system.CALLS, **(calls or {})}
    for atom in frozen.atoms:
        if atom.call.name not in known:
            fault = f"nobody here knows {atom.call.name}"
            raise ChainError(frozen.name, f"atom {atom.label}", fault, "give a function in calls")
    state = _Run(frozen, params or {}, known, [0] * SHARED_MAX if shared is None else shared)
    try:
        return state.finish(cookie, trace)
    finally:
        state.release()


class _Run:
    """One execution: its cells and the functions that make its calls."""

    def __init__(self, frozen: Frozen, params: Mapping[str, int], calls: Calls, shared: MutableSequence[int]) -> None:
        _check_params(frozen, params)
        _check_shared(frozen, shared)
        self.frozen, self.calls, self.shared = frozen, calls, shared
        self.numbers = [params[cell.name] if cell.param else cell.value for cell in frozen.cells]
        self.memory = {cell.number: _memory(cell) for cell in frozen.cells if cell.kind in MEMORY}

    def finish(self, cookie: int, trace: Trace | None) -> ChainResult:
        """Step by step until there is a reason to end."""
        at, steps = 0, 0
        while True:
            atom = self.frozen.atoms[at]
            result, in_bounds = self._perform(atom)
            self._keep(atom, result)
            steps += 1
            if trace is not None:
                trace.append((atom.label, result))
            reason, onward = self._onward(at, result) if in_bounds else (Reason.ERROR, None)
            if onward is not None and steps == self.frozen.budget:
                reason, onward = Reason.BUDGET, None
            if onward is None:
                self.release()
                return ChainResult(cookie, at, result, reason, steps, tuple(map(self._value, self.frozen.cells)))
            at = onward

    def release(self) -> None:
        """Close what the run owns."""
        for cell in self.frozen.cells:
            if cell.kind is Kind.FD:
                self._own(cell.number, NOTHING)

    # One step.

    def _perform(self, atom: Atom) -> tuple[int, bool]:
        """The result of the call, and whether its lengths were within its memory."""
        try:
            args = self._arguments(atom)
            result = self.calls[atom.call.name](*args)
        except system.OutOfBounds:
            return -EFAULT, False
        made = [arg for arg in args if isinstance(arg, list)]
        for kind, number in zip(atom.call.kinds, atom.args, strict=True):
            if kind == "c":
                self._change(number, result)
            elif kind == "O":
                for fd in made.pop(0):
                    self._own(number, fd)
        return result, True

    def _arguments(self, atom: Atom) -> list[Argument]:
        """What the function gets: one value for an argument, none for a length."""
        args: list[Argument] = []
        for kind, number in zip(atom.call.kinds, atom.args, strict=True):
            if kind in "rw":
                args.append(memoryview(self.memory[number]))
            elif kind == "z":
                args.append(bytes(self.memory[number])[:-1])
            elif kind == "n":
                args[-1] = _cut(args[-1], self.numbers[number])
            elif kind == "O":
                args.append([])
            else:
                args.append(self._number(number))
            if kind == "F":
                self.numbers[number] = NOTHING  # the call takes the descriptor away, whatever comes of it
        return args

    def _keep(self, atom: Atom, result: int) -> None:
        if atom.ret is None:
            return
        if self.frozen.cells[atom.ret].kind is Kind.FD:
            self._own(atom.ret, max(result, NOTHING))
        else:
            self.numbers[atom.ret] = result

    def _onward(self, at: int, result: int) -> tuple[Reason, int | None]:
        """The next atom, or None and why there is none."""
        atom = self.frozen.atoms[at]
        if not f.stops(atom.flags, result):
            return Reason.END, atom.next
        if atom.flags & f.SKIP_TO_NEXT_ON_STOP:
            return Reason.END, at + 1
        return Reason.STOP, None

    # Cells.

    def _number(self, number: int) -> int:
        cell = self.frozen.cells[number]
        return self.shared[cell.value] if cell.kind is Kind.SHARED else self.numbers[number]

    def _change(self, number: int, value: int) -> None:
        cell = self.frozen.cells[number]
        if cell.kind is Kind.SHARED:
            self.shared[cell.value] = value
        else:
            self.numbers[number] = value

    def _own(self, number: int, fd: int) -> None:
        """A cell owns one descriptor: the one before is closed."""
        before, self.numbers[number] = self.numbers[number], fd
        if before >= 0:
            self.calls["close"](before)

    def _value(self, cell: Cell) -> Value:
        return bytes(self.memory[cell.number]) if cell.kind in MEMORY else self._number(cell.number)


def _memory(cell: Cell) -> bytes | bytearray:
    return bytearray(cell.size) if cell.kind is Kind.BUFFER else cell.content


def _cut(memory: Argument, length: int) -> memoryview:
    """The memory before a length, as long as that says."""
    assert isinstance(memory, memoryview)  # calls.py puts a length nowhere else
    if not 0 <= length <= len(memory):
        raise system.OutOfBounds
    return memory[:length]


def _check_params(frozen: Frozen, params: Mapping[str, int]) -> None:
    wanted = {cell.name for cell in frozen.params}
    for name in sorted(wanted ^ params.keys()):
        fault = f"{name} has no value" if name in wanted else f"there is no param {name}"
        mend = f"the params are {', '.join(sorted(wanted)) or 'none'}"
        raise ChainError(frozen.name, "at submit", fault, mend)
    for name, value in params.items():
        if not NUMBER_MIN <= value <= NUMBER_MAX:
            fault = f"{name}={value} does not fit into 64 bits"
            raise ChainError(frozen.name, "at submit", fault, "use a smaller number")


def _check_shared(frozen: Frozen, shared: MutableSequence[int]) -> None:
    for cell in frozen.cells:
        if cell.kind is Kind.SHARED and cell.value >= len(shared):
            fault = f"{cell.name} is shared number {cell.value}, {len(shared)} are given"
            raise ChainError(frozen.name, "at submit", fault, "give more in shared")
