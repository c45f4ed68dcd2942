"""What the unit tests share: nobody leaks a descriptor, and a document root with everything odd in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tuxpy.site.opening import OpenBeneath, walk_beneath
from tuxpy.site.site import Site

from . import odd_tree, openers

# No deadline: the machine may be busy. No database: a run leaves nothing behind, a failure prints its example.
settings.register_profile("unit", deadline=None, database=None)
settings.load_profile("unit")


@pytest.fixture(autouse=True)
def no_descriptor_leaks() -> Iterator[None]:
    before = openers.open_descriptors()
    yield
    assert openers.open_descriptors() == before, "a descriptor was left open, or one too many was closed"


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree that nobody changes."""
    return odd_tree.plant(tmp_path_factory.mktemp("site"))


@pytest.fixture(params=["walk", "openat2"])
def opener(request: pytest.FixtureRequest) -> OpenBeneath:
    """Both ways to open beneath a root; what they agree on is tested with each."""
    if request.param == "walk":
        return walk_beneath
    if not openers.openat2_works():
        pytest.skip("this kernel, or its seccomp filter, has no openat2")
    return openers.openat2_beneath


@pytest.fixture
def site(root: Path, opener: OpenBeneath) -> Iterator[Site]:
    with Site(str(root), opener) as site:
        yield site
