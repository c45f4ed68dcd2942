"""Seeing inside: what an admin listener answers, as pure functions of a Snapshot. Nothing can be changed from here."""
