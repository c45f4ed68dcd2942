"""Syslets as a library: what a program that imports tuxpy.Engine may rely on, on both back-ends."""
