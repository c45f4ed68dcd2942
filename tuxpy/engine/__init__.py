"""The C engine as Python objects. This folder alone imports the extension: `native` is its only importer.

It hands chains and answers down, takes misses and completions up, and counts. It decides nothing about HTTP; that is
the work of `site`. The engine for programs, `from tuxpy import Engine`, is in `syslets`.
"""
