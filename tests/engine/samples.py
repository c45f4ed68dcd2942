"""Small chains that end in a known way."""

from __future__ import annotations

from tuxpy.atoms import Chain, Frozen


def counting(steps: int = 3, flags: int = 0) -> Frozen:
    """`steps` atoms that add one; the last with flags."""
    c = Chain("counting")
    n = c.int("n")
    for number in range(steps):
        c.umem_add(n, 1, flags=flags if number == steps - 1 else 0)
    return c.freeze()


def failing(flags: int = 0) -> Frozen:
    """Reads nothing, from nowhere."""
    c = Chain("failing")
    c.umem_add(c.int("n"), 1)
    c.read(-1, c.buffer(4), 4, stop_on="negative", flags=flags)
    c.umem_add(c.int("n"), 1)
    return c.freeze()


def beyond() -> Frozen:
    """Reads more than its buffer has room for."""
    c = Chain("beyond")
    c.umem_add(c.int("n"), 1)
    c.read(0, c.buffer(4), 5, next="end")
    return c.freeze()


def spinning(budget: int) -> Frozen:
    c = Chain("spinning", budget=budget)
    c.umem_add(c.int("n"), 1, label="again", next="again")
    return c.freeze()


def sleeping(ms: int) -> Frozen:
    c = Chain("sleeping")
    c.umem_add(c.int("n"), 1)
    c.nanosleep(ms * 1_000_000)
    c.umem_add(c.int("m"), 7)
    return c.freeze()
