"""What is served where: the sites of a server, each a root with its policy and the hosts that mean it."""

from __future__ import annotations

from dataclasses import field

from ..rules.hosts import DEFAULT
from ..rules.policy import Policy
from ..values import value_class


@value_class(frozen=True, slots=True)
class MassHosting:
    """Every host has the directory of its name beneath the root (rules/hosts.py: directory_of)."""

    strip_www: bool = True
    hash_level: int = 0


@value_class(frozen=True, slots=True)
class SiteConfig:
    """One site: a root, how its names become answers, and the hosts that mean it ("_": all that mean no other)."""

    root: str = "."
    policy: Policy = field(default_factory=Policy)
    hosts: tuple[str, ...] = (DEFAULT,)
    mass: MassHosting | None = None
