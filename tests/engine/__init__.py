"""Engines under test: the life cycle, the semantics of chains, and what happens when they end."""
