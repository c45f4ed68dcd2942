"""Answers in the form in which C takes them."""

from __future__ import annotations

import os
from typing import Any

from ..errors import EngineError
from ..model import Answer
from .native import ERROR_BYTES, ffi, lib, text


def response_of(answer: Answer) -> Any:
    """The response that an answer is, for the code that hands it to an engine or closes it. Takes over answer.file.

    Raises EngineError when C distrusts what was compiled.
    """
    try:
        options, kept = _options_of(answer)
        out, error = ffi.new("struct tux_response **"), ffi.new("char[]", ERROR_BYTES)
    except BaseException:
        if answer.file >= 0:
            os.close(answer.file)
        raise
    failed = lib.tux_response_open(options, out, error)  # takes over the file in any case
    del kept
    if failed:
        raise EngineError(f"the answer was refused: {text(error)}", -failed)
    return out[0]


def _options_of(answer: Answer) -> tuple[Any, object]:
    """A struct tux_response_options, and what must live as long as it is used."""
    encoded = answer.chain.encode()
    chain = ffi.from_buffer("uint8_t[]", encoded)
    options = ffi.new("struct tux_response_options *")
    options.chain, options.chain_bytes = chain, len(encoded)
    options.file, options.status, options.date_at = answer.file, answer.status, answer.date_at
    if answer.lease is not None:
        options.users = answer.lease.counter
    options.keep, options.cacheable, options.far = answer.keep, answer.cacheable, answer.far
    if answer.ranged is not None:
        options.ranged = True
        options.range_at, options.length_at = answer.ranged.range_at, answer.ranged.length_at
    witnesses = ffi.new("struct tux_witness_facts[]", max(1, len(answer.witnesses)))
    paths = [ffi.new("char[]", witness.path) for witness in answer.witnesses]
    for facts, witness, path in zip(witnesses, answer.witnesses, paths, strict=False):
        facts.root_fd, facts.path = witness.root_fd, path
        facts.dev, facts.ino, facts.size = witness.dev, witness.ino, witness.size
        facts.links = witness.links
        facts.mtime_ns, facts.ctime_ns = witness.mtime_ns, witness.ctime_ns
    options.witnesses, options.witness_count = witnesses, len(paths)
    return options, (encoded, chain, witnesses, paths)
