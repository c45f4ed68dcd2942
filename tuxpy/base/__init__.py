"""What every folder may use: work that must not wait for a file system, log lines that repeat, and fork(2).

Nothing here knows HTTP, the configuration or the engine.
"""
