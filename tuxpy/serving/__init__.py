"""What starts a server and changes it while it runs: engines, listeners, the loop that judges, reload, preload.

What one request gets is not decided here but in `site`; what a process owes the operating system is in `process`.
"""
